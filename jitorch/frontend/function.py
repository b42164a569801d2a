"""`@script`: a function that runs compiled, or eagerly when asked to."""

from __future__ import annotations

import contextvars
import functools
import inspect
import os
import pickle
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import MethodType
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, overload

from jitorch import dispatch
from jitorch.errors import CompileError, TypeMismatch, shortened
from jitorch.frontend import log
from jitorch.frontend.arguments import Leaves
from jitorch.frontend.background import current as background_compiler
from jitorch.frontend.entry import MISS, write_entry
from jitorch.frontend.explain import Explanation
from jitorch.frontend.version import Entry, Version, explanation
from jitorch.ir.core import Graph
from jitorch.locks import Lock

if TYPE_CHECKING:
    from concurrent.futures import Future

    from jitorch.compile import Mode
    from jitorch.frontend.program import Recorded

P = ParamSpec("P")
R = TypeVar("R")

_eager: contextvars.ContextVar[bool] = contextvars.ContextVar(
    "jitorch_eager", default=os.environ.get("JITORCH_EAGER", "") not in ("", "0")
)
_budget: contextvars.ContextVar[list[int] | None] = contextvars.ContextVar(
    "jitorch_budget", default=None
)

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_ENTRIES = 8  # how many versions of a function are tried the quick way


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


class ScriptFunction(Generic[P, R]):
    """A function compiled for the arguments it is called with. Made by `script`."""

    __name__: str
    __qualname__: str

    def __init__(self, fn: Callable[P, R], mode: Mode = None) -> None:
        check_mode(mode)
        self._mode = mode
        functools.update_wrapper(self, fn)
        self.__wrapped__ = fn
        self.__jitorch_script__ = fn
        self._signature = inspect.signature(fn)
        self._versions: dict[Any, list[Version]] = {}
        self._entries: tuple[Entry, ...] = ()  # those made last come first
        parameters = self._signature.parameters.values()
        self._positional = all(p.kind in _POSITIONAL for p in parameters)
        self._defaults = tuple(p.default for p in parameters)
        self._jobs: dict[Any, Future[Version]] = {}
        self._lock = Lock()

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        if _eager.get():
            return self.__wrapped__(*args, **kwargs)
        recorder = dispatch.current()
        if recorder is not None:
            from jitorch.frontend.scripting import record_into

            return record_into(recorder, self.__wrapped__, args, kwargs)  # type: ignore[no-any-return]
        try:
            if not kwargs:
                given = args + self._defaults[len(args) :]
                for entry in self._entries:
                    result = entry(given)
                    if result is not MISS:
                        return result  # type: ignore[no-any-return]
            leaves, bound = self.leaves(args, kwargs)
            version = self.ready(leaves, bound)
            if version is None or version.overlaps(leaves.values):
                # Compiled code takes written arguments to be apart; plain Python needs no such promise.
                return self.__wrapped__(*args, **kwargs)
            self.keep_entry(version, bound)
            return version.run(leaves)  # type: ignore[no-any-return]
        except Exception as error:
            raise shortened(error) from None

    def keep_entry(self, version: Version, bound: dict[str, Any]) -> None:
        """Let calls like this one find the version the quick way from now on."""
        if not self._positional:
            return
        if version.entry is None:
            version.entry = write_entry(version, tuple(bound.values()))
        if version.entry not in self._entries:
            self._entries = (version.entry, *self._entries)[:_ENTRIES]

    def __get__(self, owner: Any, cls: Any = None) -> Any:
        return self if owner is None else MethodType(self, owner)

    def __reduce__(self) -> Any:
        if "<" in self.__qualname__:  # <locals>, <lambda>
            raise pickle.PicklingError(
                f"can't pickle '{self.__qualname__}': only scripted functions at module level pickle"
            )
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
            from jitorch.frontend.scripting import signature_loc

            raise TypeMismatch(
                f"{self.__name__}() {error}",
                hint=f"its signature is {self.__name__}{self._signature}",
                loc=signature_loc(self.__wrapped__),
            ) from None
        bound.apply_defaults()
        leaves = Leaves()
        for name, x in bound.arguments.items():
            leaves.add(x, name)
        return leaves, bound.arguments

    def ready(self, leaves: Leaves, bound: dict[str, Any]) -> Version | None:
        """Return the version for a call; None while it is being compiled in the background."""
        background = background_compiler()
        if background is None:
            return self.version(leaves, bound)
        key = leaves.version_key
        found = self.find(key, leaves)
        if found is not None:
            return found
        job = self._jobs.get(key)
        if job is not None and job.done():
            self._jobs.pop(key, None)
            if job.exception() is not None:
                raise job.exception()  # type: ignore[misc]
            job = None
        if job is None:
            kept = {name: _kept(x) for name, x in bound.items()}
            job = background.submit(lambda: self.version(leaves, kept))
            if job is not None:
                self._jobs[key] = job
        return None

    def warmup(self, *calls: Sequence[Any]) -> None:
        """Compile, without running, for each of the given tuples of arguments.

        A text such as "f32[8, 16]" stands for a tensor.

        >>> fn.warmup(("f32[32, 784]",), ("f64[1, 784]",))
        """
        from jitorch.frontend.scripting import example

        for call in calls:
            if not isinstance(call, (tuple, list)):
                raise TypeMismatch(
                    f"warmup takes tuples of arguments, got {type(call).__name__}",
                    hint='such as warmup(("f32[8, 16]", 3))',
                )
            leaves, bound = self.leaves([example(x) for x in call], {})
            self.version(leaves, bound)

    def version(self, leaves: Leaves, bound: dict[str, Any]) -> Version:
        """Return the version for a call, compiling it if there is none."""
        key = leaves.version_key
        found = self.find(key, leaves)
        if found is not None:
            return found
        with self._lock:
            found = self.find(key, leaves)  # another thread may have compiled it meanwhile
            if found is not None:
                return found
            reason = self.reason(key, leaves)
            budget = _budget.get()
            if budget is not None:
                budget[0] -= 1
                if budget[0] < 0:
                    raise CompileError(
                        f"'{self.__name__}' would be compiled once more than allowed: {reason}"
                    )
            log.recompiled(self.__qualname__, reason)
            start = time.perf_counter()
            recorded = self.record(leaves, bound)
            v = Version(recorded, reason, time.perf_counter() - start, self._mode)
            self._versions.setdefault(key, []).append(v)
            return v

    def find(self, key: Any, leaves: Leaves) -> Version | None:
        """Return the version for a call if there is one."""
        for v in self._versions.get(key, ()):
            if v.recorded.broken_guard(leaves.values) is None:
                return v
        return None

    def reason(self, key: Any, leaves: Leaves) -> str:
        """Return why a call needs a version of its own."""
        if not self._versions:
            return "first call"
        same = self._versions.get(key)
        if same:
            return f"a fact no longer holds: {same[-1].recorded.broken_guard(leaves.values)}"
        return log.difference(log.closest(self._versions, key), key, leaves.names)

    def record(self, leaves: Leaves, bound: dict[str, Any]) -> Recorded:
        """Return the graph for the arguments of a call."""
        from jitorch.frontend.scripting import record

        return record(self.__wrapped__, leaves, bound)

    def graph(self, *args: Any, stage: str = "fused", **kwargs: Any) -> Graph:
        """Return the graph for the given arguments at a stage: typed, the name of a pass, optimized or fused."""
        from jitorch.pipeline import stages

        leaves, bound = self.leaves(args, kwargs)
        made = stages(self.record(leaves, bound).graph)
        if stage not in made:
            raise TypeMismatch(
                f"there is no stage '{stage}'", hint=f"the stages are: {', '.join(made)}"
            )
        return made[stage]

    def code(
        self,
        *args: Any,
        stage: str = "kernels",
        device: str | None = None,
        cc: str = "9.0",
        **kwargs: Any,
    ) -> str:
        """Return the generated code for the given arguments: `stage` is kernels, llvm or asm.

        For tensors on a GPU, and with `device="cuda"`, it is kernels, ptx or sass. The latter makes it
        for a GPU of compute capability `cc`, which need not be there.
        """
        from jitorch.frontend.shown import code

        return code(self, args, kwargs, stage, device, cc)

    def explain(self, *args: P.args, **kwargs: P.kwargs) -> Explanation:
        """Return, for printing, what was compiled for the given arguments and why."""
        leaves, bound = self.leaves(args, kwargs)
        this = self.version(leaves, bound)
        others = [v for versions in self._versions.values() for v in versions if v is not this]
        return explanation(self.__qualname__, this, others)


def _kept(x: Any) -> Any:
    """Return an argument as it is now: containers, which the caller may change, are copied."""
    if type(x) in (list, tuple):
        return type(x)(map(_kept, x))
    return {k: _kept(v) for k, v in x.items()} if type(x) is dict else x


def _restored(module: str, name: str) -> Any:
    import importlib

    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found


def check_mode(mode: object) -> None:
    """Raise TypeMismatch for a mode that there is not."""
    if mode not in (None, "default", "reduce-overhead"):
        raise TypeMismatch(
            f"there is no mode {mode!r}", hint="mode is 'default' or 'reduce-overhead'"
        )


@overload
def script(fn: Callable[P, R], *, mode: Mode = None) -> ScriptFunction[P, R]: ...


@overload
def script(
    fn: None = None, *, mode: Mode = None
) -> Callable[[Callable[P, R]], ScriptFunction[P, R]]: ...


def script(fn: Any = None, *, mode: Mode = None) -> Any:
    """Compile a function for the arguments it is called with.

    The function may use `if`, `for`, `while`, lists, tuples, indexing and in-place changes as in plain Python;
    what has no compiled form is refused at its line. Called with NumPy arrays it returns NumPy arrays.

    >>> @jt.script
    ... def f(x):
    ...     return x * 2 if x.sum() > 0 else -x
    >>> f(jt.tensor([1.0, 2.0]))
    tensor([2., 4.])

    With `mode="reduce-overhead"` the launches of a call on a GPU are captured and replayed as one CUDA
    graph, if the function has no control flow and reads nothing back; results are overwritten by the next
    call, so `clone()` what has to last. `explain` says what became of it. On the CPU it changes nothing.

    >>> @jt.script(mode="reduce-overhead")
    ... def g(x):
    ...     return x.exp() + 1
    >>> g(jt.zeros(2))
    tensor([2., 2.])
    """
    if fn is None:
        return functools.partial(script, mode=mode)
    if isinstance(fn, ScriptFunction):
        return fn if mode is None else ScriptFunction(fn.__wrapped__, mode)
    if not inspect.isfunction(fn):
        raise TypeMismatch(
            f"script takes a function, got {type(fn).__name__}",
            hint="decorate a function defined with def",
        )
    return ScriptFunction(fn, mode)
