"""The hybrid front end under PyTorch's name: `jit.script`, `jit.trace`, `jit.ignore`."""

from __future__ import annotations

from jitorch.frontend.function import ScriptFunction, eager, max_compiles, script
from jitorch.frontend.ignore import ignore
from jitorch.frontend.trace import TracedFunction, trace

__all__ = ["ScriptFunction", "TracedFunction", "eager", "ignore", "max_compiles", "script", "trace"]
