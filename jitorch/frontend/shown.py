"""The generated code of a function as text: what `fn.code(...)` shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jitorch.compile import gpus_of
from jitorch.errors import CompileError, TypeMismatch

if TYPE_CHECKING:
    from jitorch.frontend.function import ScriptFunction


def code(
    fn: ScriptFunction[..., Any], args: Any, kwargs: Any, stage: str, device: str | None, cc: str
) -> str:
    """Return the code for the arguments of a call, where its tensors are or for a GPU that need not be there."""
    if device == "cuda":
        from jitorch.codegen.cuda import compiled, toolkit

        _check_stage(stage, device)
        graph = fn.graph(*args, **kwargs)
        return compiled.code(graph, stage, toolkit.parse_capability(cc))
    if device not in ("cpu", None):
        raise TypeMismatch(f"there is no code for '{device}'", hint="device is cpu or cuda")
    leaves, bound = fn.leaves(args, kwargs)
    program = fn.version(leaves, bound).program
    placed = bool(gpus_of(program.graph))
    if placed and device == "cpu":
        raise TypeMismatch(
            "the arguments are on a GPU: there is no code for the CPU",
            hint="give tensors in main memory",
        )
    _check_stage(stage, "cuda" if placed else "cpu")
    if not hasattr(program, "code"):
        what = "the compilers for CUDA are" if placed else "Numba is"
        raise CompileError(
            f"no code was generated: {what} not installed",
            hint="pip install 'jitorch[cuda]'" if placed else "pip install numba",
        )
    return str(program.code(stage))


def _check_stage(stage: str, device: str) -> None:
    stages = {"cpu": ("kernels", "llvm", "asm"), "cuda": ("kernels", "ptx", "sass")}[device]
    if stage not in stages:
        raise TypeMismatch(
            f"there is no code at stage '{stage}'",
            hint=f"the stages for {device} are: {', '.join(stages)}",
        )
