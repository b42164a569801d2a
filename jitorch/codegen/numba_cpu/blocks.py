"""BLOCKS: squares of operands that lie across the loops are turned in working memory."""

from __future__ import annotations

from jitorch.codegen.kernel import (
    Axis,
    Load,
)
from jitorch.codegen.numba_cpu.sizes import SIDE, SQUARE
from jitorch.codegen.numba_cpu.writer import Writer
from jitorch.codegen.writer import lies_across


def blocks(w: Writer) -> None:
    (only,) = w.kernel.passes
    (axis,) = w.kernel.inner
    *others, high = w.kernel.outer
    turned = {
        s: f"turned_{s.name}"
        for s in only.body
        if isinstance(s, Load) and lies_across(s, high, axis)
    }
    for square, name in turned.items():
        w.array(name, square.tag, SQUARE * SQUARE)
    w.line(f"blocks = ({high.size} + {SQUARE - 1}) // {SQUARE}")
    with w.block("for block in range(lo, hi):"):
        w.line(f"top = block % blocks * {SQUARE}")
        w.line(f"bottom = minimum(top + {SQUARE}, {high.size})")
        w.line("over = block // blocks")
        if others:
            w.decode("over", others)
            if len(others) == 1:
                w.line(f"{others[0].name} = over")
        w.line("left = 0")
        with w.block(f"while left < {axis.size}:"):
            w.line(f"right = minimum(left + {SQUARE}, {axis.size})")
            for square, name in turned.items():
                turn(w, square, name, high, axis)
            with w.block(f"for {high.name} in range(top, bottom):"):
                w.prepare(w.kernel.row, None)
                w.statements(w.kernel.row)
                w.line(f"square = ({high.name} - top) * {SQUARE} - left")
                w.prepare([s for s in only.body if s not in turned], axis.name)
                with w.block(f"for {axis.name} in range(left, right):"):
                    for s in only.body:
                        if isinstance(s, Load) and s in turned:
                            at = f"square + {axis.name}"
                            w.line(f"{s.name} = load({turned[s]}, {at})", s.loc)
                        else:
                            w.statements([s], axis.name)
            w.line("left = right")


def turn(w: Writer, s: Load, name: str, high: Axis, axis: Axis) -> None:
    """Write the copy of a square, read as it lies, to be read by rows.

    Small squares of it are turned in registers; what they leave over is copied one by one.
    """
    w.line("wide, tall = left, top")
    if s.tag == w.tag(s.pointer):  # half precision is widened on the way
        w.line(f"wide = right - (right - left) % {SIDE}")
        w.line(f"tall = bottom - (bottom - top) % {SIDE}")
        with w.block(f"for {axis.name} in range(left, wide, {SIDE}):"):
            w.prepare([s], high.name)
            with w.block(f"for {high.name} in range(top, tall, {SIDE}):"):
                source = f"{s.pointer}, {w.address(s.index, high.name)}"
                stride = dict(s.index)[axis.name]
                w.line(
                    f"turn_square({name}, {_at(high, axis)}, {SQUARE}, {source}, {stride})", s.loc
                )
    with w.block(f"for {axis.name} in range(left, right):"):
        w.prepare([s], high.name)
        w.line(f"rest = tall if {axis.name} < wide else top")
        with w.block(f"for {high.name} in range(rest, bottom):"):
            value = f"load({s.pointer}, {w.address(s.index, high.name)})"
            w.line(f"store({name}, {_at(high, axis)}, {value})", s.loc)


def _at(high: Axis, axis: Axis) -> str:
    """Return where an element lies in the turned square."""
    return f"({high.name} - top) * {SQUARE} + ({axis.name} - left)"
