"""FLAT and TILES: kernels without folds, over one loop or several."""

from __future__ import annotations

from jitorch.codegen.numba_cpu.writer import Writer


def flat(w: Writer) -> None:
    (only,) = w.kernel.passes
    axis = w.kernel.inner[0].name if w.kernel.inner else "i"
    with w.block(f"for {axis} in range(lo, hi):"):
        w.statements(only.body, axis)


def tiles(w: Writer) -> None:
    (only,) = w.kernel.passes
    (axis,) = w.kernel.inner
    with w.segments("lo", "hi", w.kernel.axes):
        w.prepare(w.kernel.row, None)
        w.statements(w.kernel.row)
        w.prepare(only.body, axis.name)
        with w.block(f"for {axis.name} in range(start, stop):"):
            w.statements(only.body, axis.name)
