"""`apply(op, ...)`: hand an op to the current interpreter.

Two interpreters exist: the eager one (`tensor.py`), which computes, and the recorder
(`frontend/record.py`), which appends to a graph. Ops, composite functions and user code call the same
functions in both.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from jitorch.ir.opdef import OpDef
from jitorch.ir.types import known_dtype


class Interpreter(Protocol):
    """What carries out ops."""

    def apply(self, op: OpDef, inputs: tuple[Any, ...], attrs: dict[str, Any]) -> Any:
        """Return the op's result, or a tuple of them."""


_current: contextvars.ContextVar[Interpreter | None] = contextvars.ContextVar(
    "jitorch_interpreter", default=None
)
_default: list[Interpreter] = []


def set_default(interpreter: Interpreter) -> None:
    """Make `interpreter` serve wherever no other is in force."""
    _default[:] = [interpreter]


def current() -> Interpreter | None:
    """Return the interpreter in force, None for the default."""
    return _current.get()


@contextmanager
def using(interpreter: Interpreter | None) -> Iterator[None]:
    """Let `interpreter` carry out ops within the block; None for the default."""
    token = _current.set(interpreter)
    try:
        yield
    finally:
        _current.reset(token)


def apply(op: OpDef, *inputs: Any, **attrs: Any) -> Any:
    """Carry out `op` on tensors, Python scalars or sizes."""
    if "dtype" in attrs:
        attrs["dtype"] = known_dtype(attrs["dtype"])
    return (_current.get() or _default[0]).apply(op, inputs, attrs)


# Public functions that are also methods of Tensor, by method name; `tensor.py` binds them.
METHODS: dict[str, Callable[..., Any]] = {}


def method(*names: str) -> Callable[[Callable[..., Any]], Any]:
    """Make a function of a tensor a method too, under its own name or the given ones."""

    def mark(fn: Callable[..., Any]) -> Callable[..., Any]:
        for name in names or (fn.__name__.rstrip("_"),):
            METHODS[name] = fn
        return fn

    return mark


# Functions that graphs call as plain Python, by the name they have there ("module:function").
PYTHON_FUNCTIONS: dict[str, Callable[..., Any]] = {}


def display(array: Any) -> Any:
    """Return the tensor that shows an array of a running graph."""
    show: Callable[[Any], Any] = _default[0].wrap  # type: ignore[attr-defined]
    return show(array)
