"""`@script`: a function that runs compiled, or eagerly when asked to."""

from __future__ import annotations

import contextvars
import functools
import inspect
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, ParamSpec, TypeVar

import numpy as np

from jitorch import dispatch
from jitorch.errors import CompileError, LocatedError, TypeMismatch, at, full_traceback
from jitorch.frontend import log
from jitorch.frontend.calls import user_function
from jitorch.frontend.program import Recorded, finish
from jitorch.frontend.record import Recorder
from jitorch.frontend.script import Frame, Program
from jitorch.frontend.signature import Leaves, parameter
from jitorch.ir.core import Graph
from jitorch.tensor import wrap

P = ParamSpec("P")
R = TypeVar("R")

_eager: contextvars.ContextVar[bool] = contextvars.ContextVar(
    "jitorch_eager", default=os.environ.get("JITORCH_EAGER", "") not in ("", "0")
)
_budget: contextvars.ContextVar[list[int] | None] = contextvars.ContextVar("jitorch_budget", default=None)


@contextmanager
def eager() -> Iterator[None]:
    """Run every scripted function as plain Python within the block (`JITORCH_EAGER=1`: in the process).

    >>> with jt.eager():
    ...     y = fn(x)  # breakpoints and exceptions in fn are those of plain Python
    """
    token = _eager.set(True)
    try:
        yield
    finally:
        _eager.reset(token)


@contextmanager
def max_compiles(n: int) -> Iterator[None]:
    """Raise CompileError if more than `n` versions are compiled within the block."""
    token = _budget.set([n])
    try:
        yield
    finally:
        _budget.reset(token)


class Version:
    """One compiled version of a function."""

    def __init__(self, recorded: Recorded) -> None:
        from jitorch.compile import compile_program

        self.recorded = recorded
        self.program = compile_program(recorded.graph)
        self.captured = [t._data for t in recorded.captured]

    def run(self, leaves: Leaves) -> Any:
        """Run on the arguments of a call and return the function's value."""
        values = leaves.values + self.captured if self.captured else leaves.values
        outs = self.program.run(values)
        return self.recorded.assemble([self.returned(x, leaves) for x in outs])

    def returned(self, x: Any, leaves: Leaves) -> Any:
        """Return a result as the caller knows it: its own tensor where it is one, else a new object."""
        if isinstance(x, np.ndarray):
            for value, owner in zip(leaves.values, leaves.objects, strict=True):
                if value is x and owner is not None:
                    return owner
            if self.recorded.numpy:
                return x if x.ndim else x[()]
            return wrap(x)
        return [self.returned(i, leaves) for i in x] if isinstance(x, list) else x


class ScriptFunction(Generic[P, R]):
    """A function compiled for the arguments it is called with. Made by `script`."""

    def __init__(self, fn: Callable[P, R]) -> None:
        functools.update_wrapper(self, fn)
        self.__wrapped__ = fn
        self.__jitorch_script__ = fn
        self._signature = inspect.signature(fn)
        self._versions: dict[Any, list[Version]] = {}
        self._lock = threading.RLock()

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        if _eager.get():
            return self.__wrapped__(*args, **kwargs)
        recorder = dispatch.current()
        if isinstance(recorder, Recorder):
            return record_into(recorder, self.__wrapped__, args, kwargs)  # type: ignore[no-any-return]
        try:
            leaves, bound = self.leaves(args, kwargs)
            return self.version(leaves, bound).run(leaves)  # type: ignore[no-any-return]
        except LocatedError as error:
            if full_traceback():
                raise
            raise error.with_traceback(None) from None

    def __get__(self, owner: Any, cls: Any = None) -> Any:
        return self if owner is None else functools.partial(self.__call__, owner)

    def __reduce__(self) -> Any:
        return _restored, (self.__module__, self.__qualname__)

    def __repr__(self) -> str:
        return f"<jitorch.script function {self.__qualname__}>"

    def eager(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run one call as plain Python."""
        with eager():
            return self.__wrapped__(*args, **kwargs)

    def leaves(self, args: Any, kwargs: Any) -> tuple[Leaves, dict[str, Any]]:
        """Return the run-time values of a call and its arguments by name."""
        try:
            bound = self._signature.bind(*args, **kwargs)
        except TypeError as error:
            source = user_function(self.__wrapped__).source
            raise TypeMismatch(
                f"{self.__name__}() {error}", hint=f"its signature is {self.__name__}{self._signature}", loc=source.loc(source.node.args.args[0]) if source.node.args.args else source.loc(source.node)
            ) from None
        bound.apply_defaults()
        leaves = Leaves()
        for x in bound.arguments.values():
            leaves.add(x)
        return leaves, bound.arguments

    def version(self, leaves: Leaves, bound: dict[str, Any]) -> Version:
        """Return the version for a call, compiling it if there is none."""
        key = (tuple(leaves.key), leaves.numpy and not leaves.torch)
        for v in self._versions.get(key, ()):
            if v.recorded.broken_guard(leaves.values) is None:
                return v
        with self._lock:
            reason = self.reason(key, leaves)
            budget = _budget.get()
            if budget is not None:
                budget[0] -= 1
                if budget[0] < 0:
                    raise CompileError(f"'{self.__name__}' would be compiled once more than allowed: {reason}")
            log.recompiled(self.__qualname__, reason)
            v = Version(self.record(leaves, bound))
            self._versions.setdefault(key, []).append(v)
            return v

    def reason(self, key: Any, leaves: Leaves) -> str:
        """Return why a call needs a version of its own."""
        if not self._versions:
            return "first call"
        same = self._versions.get(key)
        if same:
            return f"a fact no longer holds: {same[-1].recorded.broken_guard(leaves.values)}"
        last = next(reversed(self._versions))
        return log.difference(last, key)

    def record(self, leaves: Leaves, bound: dict[str, Any]) -> Recorded:
        """Return the graph for the arguments of a call."""
        rec = Recorder(numpy=leaves.numpy and not leaves.torch)
        program = Program(rec)
        fn = user_function(self.__wrapped__)
        with rec.recording(), at(fn.source.loc(fn.source.node)):
            frame = Frame(program, fn)
            given = {name: parameter(rec, name, x) for name, x in bound.items()}
            result = frame.run(given)
            return finish(rec, self.__name__, result, list(program.value_guards.values()))

    def graph(self, *args: P.args, stage: str = "fused", **kwargs: P.kwargs) -> Graph:
        """Return the graph for the given arguments at a stage: typed, the name of a pass, optimized or fused."""
        from jitorch.pipeline import stages

        leaves, bound = self.leaves(args, kwargs)
        made = stages(self.record(leaves, bound).graph)
        if stage not in made:
            raise TypeMismatch(f"there is no stage '{stage}'", hint=f"the stages are: {', '.join(made)}")
        return made[stage]


def record_into(rec: Recorder, fn: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """Record a scripted function into a program under construction, control flow and all."""
    from jitorch.frontend.calls import inline
    from jitorch.frontend.script import UserFunction

    target = user_function(fn)
    frame = Frame(Program(rec), UserFunction(target.source, target.globals, target.closure))
    return inline(frame, target, args, kwargs)


def _restored(module: str, name: str) -> Any:
    import importlib

    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found


def script(fn: Callable[P, R]) -> ScriptFunction[P, R]:
    """Compile a function for the arguments it is called with.

    The function may use `if`, `for`, `while`, lists, tuples, indexing and in-place changes as in plain Python;
    what has no compiled form is refused at its line. Called with NumPy arrays it returns NumPy arrays.

    >>> @jt.script
    ... def f(x):
    ...     return x * 2 if x.sum() > 0 else -x
    >>> f(jt.tensor([1.0, 2.0]))
    tensor([2., 4.])
    """
    if isinstance(fn, ScriptFunction):
        return fn
    if not inspect.isfunction(fn):
        raise TypeMismatch(f"script takes a function, got {type(fn).__name__}", hint="decorate a function defined with def")
    return ScriptFunction(fn)

