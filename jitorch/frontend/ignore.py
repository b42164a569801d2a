"""`@ignore`: functions that compiled code calls as plain Python."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from jitorch.dispatch import PYTHON_FUNCTIONS
from jitorch.errors import TypeMismatch
from jitorch.ir.core import Attr, Value

if TYPE_CHECKING:
    from jitorch.frontend.record import Recorder

P = ParamSpec("P")
R = TypeVar("R")


class Ignored:
    """What `@ignore` keeps about a function: its name in graphs and the types of its results."""

    def __init__(self, fn: Callable[..., Any], returns: str | Sequence[str] | None) -> None:
        self.target = f"{fn.__module__}:{fn.__qualname__}"
        self.single = isinstance(returns, str)
        self.returns = (returns,) if isinstance(returns, str) else tuple(returns or ())
        if self.returns:
            from jitorch.ir.parser import parse_type

            for text in self.returns:
                parse_type(text)
        PYTHON_FUNCTIONS[self.target] = fn

    def record(self, rec: Recorder, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Append a call of the function."""
        if kwargs:
            raise TypeMismatch(
                "a call of an @ignore function takes positional arguments only",
                hint="drop the argument names",
            )
        attrs: dict[str, Attr] = {
            "target": self.target,
            "returns": self.returns,
            **({"numpy": True} if rec.numpy else {}),
        }
        outputs = rec.emit("python_call", [self._value(rec, a) for a in args], attrs)
        results = tuple(rec.wrap(v) for v in outputs)
        return results[0] if self.single else (results or None)

    def _value(self, rec: Recorder, x: Any) -> Value:
        v = rec.unwrap(x)
        return rec.scalar(x) if v is None else v


def ignore(fn: Callable[P, R] | None = None, *, returns: str | Sequence[str] | None = None) -> Any:
    """Leave calls of a function to Python, also from compiled code.

    `returns` gives the type of what it returns, such as "f32[_, 4]" (`_`: any size), or a sequence of types
    for a tuple; without it, compiled code sees None.

    >>> @jt.ignore
    ... def log_step(loss):
    ...     print("loss", float(loss))
    """
    if fn is None:
        return functools.partial(ignore, returns=returns)
    fn.__jitorch_ignored__ = Ignored(fn, returns)  # type: ignore[attr-defined]
    return fn
