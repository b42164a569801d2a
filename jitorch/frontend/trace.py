"""The tracing front end: record one run of a function on tensors that carry no data."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Sequence
from typing import Any, Generic, ParamSpec, TypeVar

import numpy as np

from jitorch.errors import LocatedError, Loc, TraceError, TypeMismatch, at, current_loc, full_traceback
from jitorch.frontend.function import Version
from jitorch.frontend.program import Recorded, finish
from jitorch.frontend.record import Recorder, TensorProxy, describe, plain_attr
from jitorch.frontend.signature import Leaves, parameter
from jitorch.frontend.values import DictVal, ListVal
from jitorch.ir import dims as D
from jitorch.ir.core import Graph
from jitorch.ir.dims import Dim, Sym
from jitorch.ir.types import TensorType

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

    def __add__(self, other: Dim) -> Dim:
        return traced(Sym(self.terms) + plain_attr(other))

    __radd__ = __add__

    def __sub__(self, other: Dim) -> Dim:
        return traced(Sym(self.terms) - plain_attr(other))

    def __rsub__(self, other: Dim) -> Dim:
        return traced(plain_attr(other) - Sym(self.terms))

    def __mul__(self, other: Dim) -> Dim:
        return traced(Sym(self.terms) * plain_attr(other))

    __rmul__ = __mul__

    def __floordiv__(self, other: Dim) -> Dim:
        return traced(D.floordiv(Sym(self.terms), plain_attr(other)))

    def __mod__(self, other: Dim) -> Dim:
        return traced(D.mod(Sym(self.terms), plain_attr(other)))

    def __truediv__(self, other: Any) -> Any:
        return int(self) / other

    def __rtruediv__(self, other: Any) -> Any:
        return other / int(self)


def traced(d: Dim) -> Dim:
    """Return a size as traced code sees it."""
    return TracedSize(d.terms) if isinstance(d, Sym) else d


class TraceRecorder(Recorder):
    """Records a trace: every op gets the place of the user's line, and data may not flow into Python."""

    def apply(self, op: Any, inputs: tuple[Any, ...], attrs: dict[str, Any]) -> Any:
        if current_loc().known:  # inside a scripted callee, whose places are exact
            return super().apply(op, inputs, attrs)
        with at(user_loc()):
            return super().apply(op, inputs, attrs)

    def shape_of(self, t: TensorType) -> Any:
        return tuple(traced(d) for d in super().shape_of(t))

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
    while frame.f_back is not None and frame.f_globals.get("__name__", "").split(".")[0] == "jitorch":
        frame = frame.f_back
    code = frame.f_code
    position = next(
        (p for i, p in enumerate(code.co_positions()) if i == frame.f_lasti // 2), (frame.f_lineno, None, None, None)
    )
    line, end, col, end_col = position
    return Loc(code.co_filename, line or frame.f_lineno, col or 0, end or 0, end_col or 0, code.co_name)


class TracedFunction(Generic[P, R]):
    """A function replaced by the record of one run. Made by `trace`."""

    def __init__(self, fn: Callable[P, R], recorded: Recorded, key: Any) -> None:
        functools.update_wrapper(self, fn)
        self.__wrapped__ = fn
        self._signature = inspect.signature(fn)
        self._key = key
        self._version = Version(recorded)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        leaves = _leaves(self._signature, args, kwargs)
        if tuple(leaves.key) != self._key:
            from jitorch.frontend.log import difference

            raise TraceError(
                f"this trace was made for other arguments: {difference((self._key, leaves.numpy), (tuple(leaves.key), leaves.numpy))}",
                hint="trace again with example inputs of this kind, or use @jit.script",
            )
        broken = self._version.recorded.broken_guard(leaves.values)
        if broken is not None:
            raise TraceError(
                f"this trace holds only where {broken}", hint="trace again with inputs of these sizes, or use @jit.script"
            )
        try:
            return self._version.run(leaves)  # type: ignore[no-any-return]
        except LocatedError as error:
            if full_traceback():
                raise
            raise error.with_traceback(None) from None

    def eager(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run one call as plain Python."""
        return self.__wrapped__(*args, **kwargs)

    def graph(self, stage: str = "fused") -> Graph:
        """Return the graph at a stage: typed, the name of a pass, optimized or fused."""
        from jitorch.pipeline import stages

        made = stages(self._version.recorded.graph)
        if stage not in made:
            raise TypeMismatch(f"there is no stage '{stage}'", hint=f"the stages are: {', '.join(made)}")
        return made[stage]


def trace(
    fn: Callable[P, R],
    example_inputs: Sequence[Any] | Any,
    *,
    check_inputs: Sequence[Sequence[Any]] = (),
    check_tolerance: float = 1e-5,
) -> TracedFunction[P, R]:
    """Record one run of `fn` on inputs like `example_inputs` (a tuple, or one tensor).

    Sizes stay free unless Python code branched on them. Python that needs the data of a tensor (`bool(x)`,
    `.item()`) raises TraceError at its line. A scripted function that is called keeps its control flow.
    Each element of `check_inputs` is run traced and eagerly; TraceError is raised where they differ.

    >>> f = jt.trace(lambda x: x.exp() + 1, (jt.zeros(3),))
    >>> f(jt.zeros(5))
    tensor([2., 2., 2., 2., 2.])
    """
    inputs = tuple(example_inputs) if isinstance(example_inputs, (tuple, list)) else (example_inputs,)
    signature = inspect.signature(fn)
    leaves = _leaves(signature, inputs, {})
    out = TracedFunction(fn, _record(fn, signature, inputs, leaves), tuple(leaves.key))
    for check in check_inputs:
        _compare(out, tuple(check), check_tolerance)
    return out


def _leaves(signature: inspect.Signature, args: Any, kwargs: Any) -> Leaves:
    bound = signature.bind(*args, **kwargs)
    bound.apply_defaults()
    leaves = Leaves()
    for x in bound.arguments.values():
        leaves.add(x)
    return leaves


def _record(fn: Any, signature: inspect.Signature, inputs: tuple[Any, ...], leaves: Leaves) -> Recorded:
    rec = TraceRecorder(numpy=leaves.numpy and not leaves.torch)
    bound = signature.bind(*inputs)
    bound.apply_defaults()
    with rec.recording():
        given = {name: _python(rec, parameter(rec, name, x)) for name, x in bound.arguments.items()}
        call = inspect.BoundArguments(signature, given)  # type: ignore[arg-type]
        result = fn(*call.args, **call.kwargs)
        return finish(rec, getattr(fn, "__name__", "trace").strip("<>"), _recorded(rec, result), ())


def _python(rec: Recorder, x: Any) -> Any:
    """Return a parameter as plain Python code takes it."""
    state: Any = rec.store.get(x) if isinstance(x, (ListVal, DictVal)) else None
    if isinstance(x, ListVal):
        return [_python(rec, i) for i in state]
    if isinstance(x, DictVal):
        return {k: _python(rec, v) for k, v in state.items()}
    if isinstance(x, tuple):
        return tuple(_python(rec, i) for i in x)
    return traced(x) if isinstance(x, Sym) else x


def _recorded(rec: Recorder, x: Any) -> Any:
    """Return a result of plain Python code as the recorder keeps it."""
    if isinstance(x, list):
        made = ListVal()
        rec.store[made] = tuple(_recorded(rec, i) for i in x)  # type: ignore[assignment]
        return made
    if isinstance(x, dict):
        table = DictVal()
        rec.store[table] = {k: _recorded(rec, v) for k, v in x.items()}  # type: ignore[assignment]
        return table
    if isinstance(x, tuple):
        return tuple(_recorded(rec, i) for i in x) if type(x) is tuple else type(x)(*(_recorded(rec, i) for i in x))
    return plain_attr(x) if isinstance(x, Sym) else x


def _compare(fn: TracedFunction[Any, Any], inputs: tuple[Any, ...], tolerance: float) -> None:
    got, wanted = fn(*inputs), fn.__wrapped__(*inputs)
    for i, (a, b) in enumerate(zip(_tensors(got), _tensors(wanted), strict=True)):
        x, y = np.asarray(a), np.asarray(b)
        if x.shape != y.shape or x.dtype != y.dtype or not np.allclose(x, y, tolerance, tolerance, equal_nan=True):
            raise TraceError(
                f"the trace differs from the function on check input: result {i} is\n{a}\nwhere the function gives\n{b}",
                hint="the function depends on more than its arguments, or branches on data; use @jit.script",
            )


def _tensors(x: Any) -> list[Any]:
    if isinstance(x, dict):
        x = tuple(x.values())
    return [t for i in x for t in _tensors(i)] if isinstance(x, (tuple, list)) else [x]

