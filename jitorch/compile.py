"""From a typed graph to something that runs.

That is kernels where Numba is installed, and the interpreter where it is not, or tensors are on a GPU.
"""

from __future__ import annotations

import importlib.util
import time
import warnings
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Protocol

from jitorch import pipeline
from jitorch.ir.core import Graph
from jitorch.ir.interp import interpret
from jitorch.ir.types import TensorType


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

    if on_gpu(graph):
        _tell_of_interpreter()
        return Interpreted(pipeline.run(graph, pipeline.OPTIMIZE, after))
    if not has_numba():
        return Interpreted(pipeline.run(graph, pipeline.OPTIMIZE, after))
    from jitorch.codegen.runtime import compile_graph

    optimized = pipeline.run(graph, after=after)
    start = time.perf_counter()
    program = compile_graph(optimized)
    timed("kernels", time.perf_counter() - start)
    return program


def on_gpu(graph: Graph) -> bool:
    """Whether any tensor of the graph is on a GPU."""
    values = [*graph.params, *(v for op in graph.walk() for v in op.outputs)]
    return any(isinstance(v.type, TensorType) and v.type.device != "cpu" for v in values)


@cache
def _tell_of_interpreter() -> None:
    warnings.warn(
        "scripted and traced functions run op by op on CUDA tensors, through CuPy: they are not "
        "compiled to fused kernels there yet",
        RuntimeWarning,
        stacklevel=5,
    )


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
