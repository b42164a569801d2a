"""The tracing front end: record one run of a function on tensors that carry no data."""

from __future__ import annotations

import functools
import inspect
import operator
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar

import numpy as np

from jitorch.dispatch import METHODS
from jitorch.errors import (
    Loc,
    LocatedError,
    TraceError,
    TypeMismatch,
    at,
    current_loc,
    shortened,
)
from jitorch.frontend.arguments import Leaves
from jitorch.frontend.entry import MISS, write_entry
from jitorch.frontend.explain import Explanation
from jitorch.frontend.function import check_mode
from jitorch.frontend.log import difference
from jitorch.frontend.program import Recorded, finish
from jitorch.frontend.proxies import ScalarProxy, TensorProxy, describe, plain_attr
from jitorch.frontend.record import Recorder
from jitorch.frontend.signature import parameter
from jitorch.frontend.values import DictVal, ListVal
from jitorch.frontend.version import Entry, Version, explanation
from jitorch.ir import dims as D
from jitorch.ir.core import Graph
from jitorch.ir.dims import Dim, Sym
from jitorch.ir.types import TensorType
from jitorch.size import like_tuple
from jitorch.tensor import Tensor

if TYPE_CHECKING:
    from jitorch.compile import Mode

P = ParamSpec("P")
R = TypeVar("R")


class TracedSize(Sym):
    """A size during a trace. Python may branch on it: the answer becomes a guard of the trace."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, (int, Sym)) and D.equal(Sym(self.terms), plain_attr(other))

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __lt__(self, other: Dim) -> bool:
        return not self >= other

    def __le__(self, other: Dim) -> bool:
        return bool(D.at_least(plain_attr(other), Sym(self.terms)))

    def __gt__(self, other: Dim) -> bool:
        return not self <= other

    def __ge__(self, other: Dim) -> bool:
        return bool(D.at_least(Sym(self.terms), plain_attr(other)))

    def __bool__(self) -> bool:
        return self != 0

    def __hash__(self) -> int:
        return hash(self.terms)

    # With numbers of the program and tensors, sizes are numbers like any other.

    def __add__(self, other: Any) -> Any:
        return self._with(other, "add", operator.add)

    def __radd__(self, other: Any) -> Any:
        return self._with(other, "add", operator.add, swap=True)

    def __sub__(self, other: Any) -> Any:
        return self._with(other, "sub", operator.sub)

    def __rsub__(self, other: Any) -> Any:
        return self._with(other, "sub", operator.sub, swap=True)

    def __mul__(self, other: Any) -> Any:
        return self._with(other, "mul", operator.mul)

    def __rmul__(self, other: Any) -> Any:
        return self._with(other, "mul", operator.mul, swap=True)

    def __floordiv__(self, other: Any) -> Any:
        return self._with(other, "floor_divide", D.floordiv)

    def __rfloordiv__(self, other: Any) -> Any:
        return self._with(other, "floor_divide", D.floordiv, swap=True)

    def __mod__(self, other: Any) -> Any:
        return self._with(other, "remainder", D.mod)

    def __rmod__(self, other: Any) -> Any:
        return self._with(other, "remainder", D.mod, swap=True)

    def __truediv__(self, other: Any) -> Any:
        return self._with(other, "div", None)

    def __rtruediv__(self, other: Any) -> Any:
        return self._with(other, "div", None, swap=True)

    def __pow__(self, other: Any) -> Any:
        negative = isinstance(other, int) and other < 0
        return self._with(float(other) if negative else other, "pow", None)  # n**-1 is a float

    def __divmod__(self, other: Any) -> Any:
        return self // other, self % other

    def __rdivmod__(self, other: Any) -> Any:
        return other // self, other % self

    def __rpow__(self, other: Any) -> Any:
        return self._with(other, "pow", None, swap=True)

    def _with(
        self, other: Any, method: str, exact: Callable[[Any, Any], Any] | None, swap: bool = False
    ) -> Any:
        pair = [Sym(self.terms), plain_attr(other)]
        if swap:
            pair.reverse()
        if exact is not None and isinstance(other, (int, Sym)):
            return traced(exact(*pair))
        if isinstance(other, (bool, int, float, Sym, Tensor, ScalarProxy)):
            made = METHODS[method](*pair)
            return traced(made) if isinstance(made, Sym) else made
        return NotImplemented


def traced(d: Dim) -> Dim:
    """Return a size as traced code sees it."""
    return TracedSize(d.terms) if isinstance(d, Sym) else d


class TraceRecorder(Recorder):
    """Records a trace: every op gets the place of the user's line, and data may not flow into Python."""

    def __init__(self, numpy: bool = False) -> None:
        super().__init__(numpy)
        self.sharing.blind = True

    def apply(self, op: Any, inputs: tuple[Any, ...], attrs: dict[str, Any]) -> Any:
        if current_loc().known:  # inside a scripted callee, whose places are exact
            return super().apply(op, inputs, attrs)
        with at(user_loc()):
            return super().apply(op, inputs, attrs)

    def note(self, kind: str, a: Dim, b: Dim) -> None:
        with at(current_loc() if current_loc().known else user_loc()):
            super().note(kind, a, b)

    def shape_of(self, t: TensorType) -> Any:
        return like_tuple(self.shape_kind, [traced(d) for d in super().shape_of(t)])

    def write(self, x: TensorProxy, new: Any) -> None:
        with at(current_loc() if current_loc().known else user_loc()):
            super().write(x, new)

    def item(self, x: TensorProxy) -> Any:
        return self.python_value(x, "item()")

    def python_value(self, x: Any, what: str) -> Any:
        raise TraceError(
            f"{what} on {describe(x)} while tracing: the trace would keep this run's value for ever",
            hint="use @jit.script for the function that branches on data; a trace keeps its control flow",
            loc=current_loc() if current_loc().known else user_loc(),
        )


def user_loc() -> Loc:
    """Return the place of the innermost frame outside jitorch."""
    frame = sys._getframe(1)
    while (
        frame.f_back is not None and frame.f_globals.get("__name__", "").split(".")[0] == "jitorch"
    ):
        frame = frame.f_back
    code = frame.f_code
    position = next(
        (p for i, p in enumerate(code.co_positions()) if i == frame.f_lasti // 2),
        (frame.f_lineno, None, None, None),
    )
    line, end, col, end_col = position
    return Loc(
        code.co_filename, line or frame.f_lineno, col or 0, end or 0, end_col or 0, code.co_name
    )


class TracedFunction(Generic[P, R]):
    """A function replaced by the record of one run. Made by `trace`."""

    __name__: str
    __qualname__: str

    def __init__(self, fn: Callable[P, R], recorded: Recorded, key: Any, mode: Mode = None) -> None:
        functools.update_wrapper(self, fn)
        self.__wrapped__ = fn
        self._signature = inspect.signature(fn)
        self._key = key
        self._version = Version(recorded, mode=mode)
        self._entries: tuple[Entry, ...] = ()

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        if not kwargs:
            for entry in self._entries:
                result = entry(args)
                if result is not MISS:
                    return result  # type: ignore[no-any-return]
        leaves = _leaves(self._signature, args, kwargs)
        recorded = self._version.recorded
        new = leaves.version_key
        if new != (self._key, recorded.numpy):
            why = difference((self._key, recorded.numpy), new, leaves.names)
            raise TraceError(
                f"this trace was made for other arguments: {why}",
                hint="trace again with example inputs of this kind, or use @jit.script",
            )
        broken = recorded.broken_guard(leaves.values)
        if broken is not None:
            raise TraceError(
                f"this trace holds only where {broken}",
                hint="trace again with inputs of these sizes, or use @jit.script",
            )
        try:
            if self._version.overlaps(leaves.values):
                return self.__wrapped__(*args, **kwargs)
            if not kwargs and len(args) == len(self._signature.parameters) and not self._entries:
                self._entries = (write_entry(self._version, args),)
            return self._version.run(leaves)  # type: ignore[no-any-return]
        except Exception as error:
            raise shortened(error) from None

    def eager(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run one call as plain Python."""
        return self.__wrapped__(*args, **kwargs)

    @property
    def version(self) -> Version:
        """What was compiled."""
        return self._version

    def explain(self, *args: P.args, **kwargs: P.kwargs) -> Explanation:
        """Return, for printing, what was compiled and why."""
        return explanation(getattr(self.__wrapped__, "__qualname__", "trace"), self._version)

    def graph(self, stage: str = "fused") -> Graph:
        """Return the graph at a stage: typed, the name of a pass, optimized or fused."""
        from jitorch.pipeline import stages

        made = stages(self._version.recorded.graph)
        if stage not in made:
            raise TypeMismatch(
                f"there is no stage '{stage}'", hint=f"the stages are: {', '.join(made)}"
            )
        return made[stage]


def trace(
    fn: Callable[P, R],
    example_inputs: Sequence[Any] | Any,
    *,
    check_inputs: Sequence[Sequence[Any]] = (),
    check_tolerance: float = 1e-5,
    mode: Mode = None,
) -> TracedFunction[P, R]:
    """Record one run of `fn` on inputs like `example_inputs` (a tuple, or one tensor).

    Sizes stay free unless Python code branched on them. Python that needs the data of a tensor (`bool(x)`,
    `.item()`) raises TraceError at its line. A scripted function that is called keeps its control flow.
    Each element of `check_inputs` is run traced and eagerly; TraceError is raised where they differ.
    `mode` is as for `script`.

    >>> f = jt.jit.trace(lambda x: x.exp() + 1, (jt.zeros(3),))
    >>> f(jt.zeros(5))
    tensor([2., 2., 2., 2., 2.])
    """
    inputs = (
        tuple(example_inputs) if isinstance(example_inputs, (tuple, list)) else (example_inputs,)
    )
    check_mode(mode)
    signature = inspect.signature(fn)
    leaves = _leaves(signature, inputs, {})
    try:
        recorded = _record(fn, signature, inputs, leaves)
    except LocatedError as error:
        raise shortened(error) from None
    out = TracedFunction(fn, recorded, tuple(leaves.key), mode)
    for number, check in enumerate(check_inputs, 1):
        _compare(out, tuple(check), number, check_tolerance)
    return out


def _leaves(signature: inspect.Signature, args: Any, kwargs: Any) -> Leaves:
    bound = signature.bind(*args, **kwargs)
    bound.apply_defaults()
    leaves = Leaves()
    for name, x in bound.arguments.items():
        leaves.add(x, name)
    return leaves


def _record(
    fn: Any, signature: inspect.Signature, inputs: tuple[Any, ...], leaves: Leaves
) -> Recorded:
    rec = TraceRecorder(numpy=leaves.numpy and not leaves.torch)
    bound = signature.bind(*inputs)
    bound.apply_defaults()
    with rec.recording():
        given = {name: _python(rec, parameter(rec, name, x)) for name, x in bound.arguments.items()}
        call = inspect.BoundArguments(signature, given)
        result = fn(*call.args, **call.kwargs)
        return finish(rec, getattr(fn, "__name__", "trace"), _recorded(rec, result), ())


def _python(rec: Recorder, x: Any) -> Any:
    """Return a parameter as plain Python code takes it."""
    state: Any = rec.store.get(x) if isinstance(x, (ListVal, DictVal)) else None
    if isinstance(x, ListVal):
        return [_python(rec, i) for i in state]
    if isinstance(x, DictVal):
        return {k: _python(rec, v) for k, v in state.items()}
    if isinstance(x, tuple):
        return like_tuple(type(x), [_python(rec, i) for i in x])
    return traced(x) if isinstance(x, Sym) else x


def _recorded(rec: Recorder, x: Any) -> Any:
    """Return a result of plain Python code as the recorder keeps it."""
    if isinstance(x, list):
        made = ListVal()
        rec.store[made] = tuple(_recorded(rec, i) for i in x)
        return made
    if isinstance(x, dict):
        table = DictVal()
        rec.store[table] = {k: _recorded(rec, v) for k, v in x.items()}
        return table
    if isinstance(x, tuple):
        return like_tuple(type(x), [_recorded(rec, i) for i in x])
    return plain_attr(x) if isinstance(x, Sym) else x


def _compare(
    fn: TracedFunction[Any, Any], inputs: tuple[Any, ...], number: int, tolerance: float
) -> None:
    """Raise where the trace and the function differ in results, or in what becomes of arguments."""
    for_trace, for_function = _copied(inputs), _copied(inputs)
    got, wanted = fn(*for_trace), fn.__wrapped__(*for_function)
    for what, a, b in (("the result", got, wanted), ("the arguments", for_trace, for_function)):
        x, y = list(_leaves_of(a)), list(_leaves_of(b))
        same = len(x) == len(y) and all(_close(i, j, tolerance) for i, j in zip(x, y, strict=True))
        if not same:
            after = "" if what == "the result" else " afterwards"
            raise TraceError(
                f"the trace differs from the function on check input {number}: {what}{after}\n"
                f"  of the trace: {a}\n  of the function: {b}",
                hint="the function depends on more than its arguments; use @jit.script",
            )


def _copied(x: Any) -> Any:
    if isinstance(x, (Tensor, np.ndarray)):
        return x.clone() if isinstance(x, Tensor) else x.copy()
    if isinstance(x, dict):
        return {k: _copied(v) for k, v in x.items()}
    if isinstance(x, (tuple, list)):
        return like_tuple(type(x), [_copied(i) for i in x])
    return x


def _leaves_of(x: Any) -> Iterator[Any]:
    if isinstance(x, dict):
        yield from map(str, x)
        x = tuple(x.values())
    if isinstance(x, (tuple, list)):
        for i in x:
            yield from _leaves_of(i)
    else:
        yield x


def _close(a: Any, b: Any, tolerance: float) -> bool:
    if not isinstance(b, (Tensor, np.ndarray, np.generic, bool, int, float)):
        return type(a) is type(b) and bool(a == b)
    x, y = (np.asarray(i.cpu() if isinstance(i, Tensor) else i) for i in (a, b))
    same = x.shape == y.shape and x.dtype == y.dtype
    return same and np.allclose(x, y, tolerance, tolerance, equal_nan=True)
