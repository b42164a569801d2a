"""The hybrid front end under PyTorch's name: `jit.script`, `jit.trace`, `jit.ignore`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jitorch.frontend.background import compile_in_background
from jitorch.frontend.function import ScriptFunction, eager, max_compiles, script
from jitorch.frontend.ignore import ignore

if TYPE_CHECKING:
    from jitorch.frontend.trace import TracedFunction, trace

__all__ = [
    "ScriptFunction",
    "TracedFunction",
    "compile_in_background",
    "eager",
    "ignore",
    "max_compiles",
    "script",
    "trace",
]


def __getattr__(name: str) -> Any:
    """Load the tracing front end, and the recorder with it, when it is first asked for."""
    if name not in ("TracedFunction", "trace"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from jitorch.frontend import trace as tracing

    globals().update(TracedFunction=tracing.TracedFunction, trace=tracing.trace)
    return globals()[name]
