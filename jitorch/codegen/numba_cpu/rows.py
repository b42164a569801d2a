"""ROWS: folds along the innermost loop, accumulators in registers."""

from __future__ import annotations

from collections.abc import Sequence

from jitorch.codegen.kernel import (
    Axis,
    Fold,
    Pass,
)
from jitorch.codegen.numba_cpu.sizes import (
    FOLD_BLOCK,
)
from jitorch.codegen.numba_cpu.writer import Writer


def rows(w: Writer) -> None:
    outer = w.kernel.outer
    row = outer[0].name if len(outer) == 1 else "row"
    with w.block(f"for {row} in range(lo, hi):"):
        w.decode(row, outer)
        w.prepare(w.kernel.row, None)
        w.statements(w.kernel.row)
        for each in w.kernel.passes:
            row_pass(w, each)
            w.prepare(each.after, None)
            w.statements(each.after)


def row_pass(w: Writer, each: Pass) -> None:
    if not each.body and not each.folds:
        return
    inner = w.kernel.inner
    last = inner[-1]
    blocked = [f for f in each.folds if f.rounds and is_long(w, inner)]
    for fold in each.folds:
        if fold in blocked:
            w.line(f"{fold.name}_sum = to_f64({fold.init})", fold.loc)
        else:
            w.line(f"{fold.name} = {fold.init}", fold.loc)
    with w.nested(inner[:-1]):
        w.prepare(each.body, last.name)
        if blocked:
            blocked_loop(w, each, last, blocked)
        else:
            with w.block(f"for {last.name} in range({last.size}):"):
                w.fold_body(each, last.name)
    for fold in blocked:
        w.line(f"{fold.name} = to_{fold.tag}({fold.name}_sum)", fold.loc)


def is_long(w: Writer, inner: Sequence[Axis]) -> bool:
    size = inner[-1].size
    return len(inner) > 1 or isinstance(size, str) or size > FOLD_BLOCK


def blocked_loop(w: Writer, each: Pass, axis: Axis, blocked: Sequence[Fold]) -> None:
    w.line("start = 0")
    with w.block(f"while start < {axis.size}:"):
        w.line(f"stop = minimum(start + {FOLD_BLOCK}, {axis.size})")
        for fold in blocked:
            w.line(f"{fold.name} = {fold.init}")
        with w.block(f"for {axis.name} in range(start, stop):"):
            w.fold_body(each, axis.name)
        for fold in blocked:
            total = f"{fold.name}_sum"
            w.line(f"{total} = {fold.step.format(acc=total, x=fold.name)}", fold.loc)
        w.line("start = stop")
