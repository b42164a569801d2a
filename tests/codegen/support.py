"""Graphs compiled and compared with the interpreter."""

from __future__ import annotations

from typing import Any

import numpy as np

from jitorch.codegen.runtime import Executable, compile_graph
from jitorch.errors import Loc
from jitorch.ir.core import Graph, Op
from jitorch.ir.interp import interpret
from jitorch.ir.parser import parse
from jitorch.ir.rebuild import rebuild
from jitorch.ir.verify import verify
from jitorch.passes.fuse import fuse
from jitorch.passes.lower import lower


def located(graph: Graph) -> Graph:
    """Return the graph with a place of its own for each op: lines of `/home/me/model.py`."""
    from dataclasses import replace

    lines = iter(range(1, 1000))

    def visit(op: Op) -> Op:
        return replace(op, loc=Loc("/home/me/model.py", next(lines)))

    return rebuild(graph, visit)


def prepared(graph: Graph) -> Graph:
    """Return the graph as code generation wants it."""
    return fuse(lower(graph))


def compiled(text: str, *, kernels: int | None = None) -> Executable:
    """Return the executable of a graph, fused into the given number of kernels."""
    graph = parse(text)
    verify(graph)
    fused = prepared(located(graph))
    verify(fused)
    if kernels is not None:
        assert len(fused.ops("fused")) == kernels, str(fused)
    return compile_graph(fused)


def check(text: str, *args: Any, kernels: int | None = None, tolerance: float = 1e-5) -> Executable:
    """Compile a graph and compare its results with the interpreter's; arguments must not change."""
    executable = compiled(text, kernels=kernels)
    kept = [x.copy() if isinstance(x, np.ndarray) else x for x in args]
    wanted = interpret(parse(text), [x.copy() if isinstance(x, np.ndarray) else x for x in args])
    assert_same(executable.run(list(args)), list(wanted), tolerance)
    assert_same(list(args), kept, 0)
    return executable


def assert_same(got: Any, wanted: Any, tolerance: float) -> None:
    """Compare values, dtypes and shapes; NaN equals NaN, and zeros have signs."""
    if isinstance(wanted, (list, tuple)):
        assert len(got) == len(wanted)
        for a, b in zip(got, wanted, strict=True):
            assert_same(a, b, tolerance)
        return
    assert type(got) is type(wanted)
    if not isinstance(wanted, np.ndarray):
        assert got == wanted
        return
    assert (got.dtype, got.shape) == (wanted.dtype, wanted.shape)
    if tolerance and wanted.dtype.kind in "fc":
        np.testing.assert_allclose(got, wanted, rtol=tolerance, atol=tolerance)
        zero = (wanted == 0) & (got == 0)
        assert (np.signbit(got) == np.signbit(wanted))[zero].all()
    else:
        np.testing.assert_array_equal(got, wanted)
