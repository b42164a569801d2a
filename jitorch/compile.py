"""From a typed graph to something that runs.

That is kernels, for the CPU or the GPUs that tensors are on, where their compilers are installed, and
the interpreter where they are not.
"""

from __future__ import annotations

import importlib.util
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, Literal, Protocol

from jitorch import pipeline
from jitorch.cuda import adapter
from jitorch.errors import UNKNOWN, Loc, at
from jitorch.ir.core import Graph
from jitorch.ir.interp import interpret
from jitorch.ir.types import TensorType

# What `torch.compile` calls how a function is to run.
Mode = Literal["default", "reduce-overhead"] | None


class Runnable(Protocol):
    """A compiled graph."""

    graph: Graph

    def run(self, args: Sequence[Any]) -> Sequence[Any]:
        """Return the graph's results for arrays and numbers."""


class Interpreted:
    """An optimised graph that the interpreter runs op by op."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    def run(self, args: Sequence[Any]) -> Sequence[Any]:
        """Return the graph's results for arrays and numbers."""
        return interpret(self.graph, args)


def compile_program(
    graph: Graph, timed: Callable[[str, float], None] = lambda name, seconds: None
) -> Runnable:
    """Optimise a typed graph and make it run. `timed(stage, seconds)` is told what each stage took."""

    def after(name: str, before: Graph, made: Graph, seconds: float) -> None:
        timed(name, seconds)

    places = gpus_of(graph)
    if not (has_cuda_compilers() if places else has_numba()):
        return Interpreted(pipeline.run(graph, pipeline.OPTIMIZE, after))
    optimized = pipeline.run(graph, after=after)
    start = time.perf_counter()
    program: Runnable
    if places:
        program = _compile_for_gpus(optimized, places)
    else:
        from jitorch.codegen.runtime import compile_graph

        program = compile_graph(optimized)
    timed("kernels", time.perf_counter() - start)
    return program


def _compile_for_gpus(graph: Graph, places: Mapping[str, Loc]) -> Runnable:
    """Return the program of a graph on GPUs, which have to be there."""
    from jitorch.codegen.cuda.runtime import Gpu
    from jitorch.codegen.cuda.steps import compile_graph

    machines = {}
    for device, loc in places.items():
        with at(loc):
            machines[device] = Gpu(adapter.load(), adapter.resolved(device).index or 0)
    with adapter.translated():
        return compile_graph(graph, machines)


def replaying(program: Runnable, kept: int) -> Runnable:
    """Return a program whose launches on a GPU are captured and replayed; others as they are.

    The last `kept` parameters get the same arrays in all calls.
    """
    if not gpus_of(program.graph) or isinstance(program, Interpreted):
        return program
    from jitorch.codegen.cuda.replay import Replayed
    from jitorch.codegen.cuda.steps import Program

    return Replayed(program, kept) if isinstance(program, Program) else program


def gpus_of(graph: Graph) -> dict[str, Loc]:
    """Return the GPUs that tensors of a graph are on, and the line where each first appears."""
    found: dict[str, Loc] = {}
    made = ((op.outputs, op.loc) for op in graph.walk())
    for values, loc in ((graph.params, UNKNOWN), *made):
        for v in values:
            if isinstance(v.type, TensorType) and v.type.device != "cpu":
                found.setdefault(v.type.device, loc)
    return found


@cache
def has_cuda_compilers() -> bool:
    """Whether kernels can be compiled for GPUs. Warns, once, where they can't."""
    from jitorch.codegen.cuda import toolkit

    missing = toolkit.missing()
    if missing is None:
        return True
    warnings.warn(
        "scripted and traced functions run op by op on CUDA tensors, through CuPy, without fused "
        f"kernels: {missing}. Install what is missing with: {toolkit.INSTALL}",
        RuntimeWarning,
        stacklevel=4,
    )
    return False


@cache
def has_numba() -> bool:
    """Whether kernels can be compiled. Warns, once, where they can't."""
    if importlib.util.find_spec("numba") is not None:
        return True
    warnings.warn(
        "Numba is not installed: scripted functions run op by op, without fused kernels. "
        "Install it with: pip install numba",
        RuntimeWarning,
        stacklevel=4,
    )
    return False
