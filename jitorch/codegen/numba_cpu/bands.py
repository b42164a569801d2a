"""BANDS: long folds across memory. Each block of rows is folded in columns, then the blocks are."""

from __future__ import annotations

from collections.abc import Sequence

from jitorch.codegen.kernel import Pass, Statement, Store
from jitorch.codegen.numba_cpu.columns import column_loop, fill, lead_in
from jitorch.codegen.numba_cpu.sizes import BAND_ROWS, COLUMN_BLOCK, FOLD_BLOCK
from jitorch.codegen.numba_cpu.split import fold_parts, in_steps
from jitorch.codegen.numba_cpu.writer import Writer
from jitorch.codegen.writer import below, needed, renamed


def bands(w: Writer) -> None:
    for each in w.kernel.passes:
        for fold in each.folds:
            w.array(f"acc_{fold.name}", fold.tag)
    in_steps(w, blocks, combine)


def blocks(w: Writer, number: int, each: Pass) -> None:
    """Write the folds of some blocks of rows, a stretch of columns after the other."""
    (columns,), (rows,) = w.kernel.outer, w.kernel.inner
    with w.block("for block in range(lo, hi):"):
        w.line(f"begin = block * {FOLD_BLOCK}")
        w.line(f"end = minimum(begin + {FOLD_BLOCK}, {rows.size})")
        w.line(f"whole = end - (end - begin) % {BAND_ROWS}")
        w.line("first = 0")
        with w.block(f"while first < {columns.size}:"):
            w.line(f"width = minimum({columns.size} - first, {COLUMN_BLOCK})")
            fill(w, [(f"acc_{f.name}", f.init) for f in each.folds])
            with w.block(f"for {rows.name} in range(begin, whole, {BAND_ROWS}):"):
                some_rows(w, number, each, BAND_ROWS)
            with w.block(f"for {rows.name} in range(whole, end):"):
                some_rows(w, number, each, 1)
            hand_over(w, each)
            w.line("first += width")


def hand_over(w: Writer, each: Pass) -> None:
    """Write the accumulators to where the blocks' results are."""
    if not each.folds:
        return
    (columns,) = w.kernel.outer
    with w.block("for lane in range(width):"):
        for f in each.folds:
            at = f"block * {columns.size} + first + lane"
            w.line(f"store(part_{f.name}, {at}, load(acc_{f.name}, lane))")


def some_rows(w: Writer, number: int, each: Pass, count: int) -> None:
    """Write what some neighbouring rows add to the accumulators, which are read and written once."""
    column, row = w.kernel.outer[0].name, w.kernel.inner[0].name
    own = {s.name for s in each.body if not isinstance(s, Store)}
    copies = [[below(s, row, k, own) for s in each.body] for k in range(count)]
    body = [s for copy in copies for s in copy]
    kept = [name for i in range(number) for name, _ in w.kernel.carried(i)]
    with column_loop(w, [*needed(w.kernel.row, each.body, each.folds), *body]):
        lead_in(w, w.kernel.row, kept, each.body, each.folds, at=column)
        w.statements([s for s in body if not isinstance(s, Store)], column)
        for f in each.folds:
            total = f"load(acc_{f.name}, lane)"
            for k in range(count):
                total = f.step.format(acc=total, x=renamed(f.value, str(k), own))
            w.line(f"store(acc_{f.name}, lane, {total})", f.loc)
        w.statements([s for s in body if isinstance(s, Store)], column)


def combine(w: Writer, number: int, each: Pass) -> None:
    """Write the folds of the blocks' results, and what follows them."""
    (columns,), (rows,) = w.kernel.outer, w.kernel.inner
    stored = [s for s in w.kernel.row if isinstance(s, Store) and number == 0]
    after = [*stored, *each.after]
    kept = [name for i in range(number) for name, _ in w.kernel.carried(i)]
    w.line(f"blocks = ({rows.size} + {FOLD_BLOCK - 1}) // {FOLD_BLOCK}")
    if not each.folds and not after:
        return
    with w.block(f"for {columns.name} in range({columns.size}):"):
        for f in each.folds:
            fold_parts(w, f, f"block * {columns.size} + {columns.name}")
        rest: Sequence[Statement] = needed(w.kernel.row, after, ())
        w.prepare([*rest, *after], None)
        lead_in(w, w.kernel.row, kept, after, (), at=columns.name)
        w.statements(after)
        for name, _ in w.kernel.carried(number):
            w.line(f"store(kept_{name}, {columns.name}, {name})")
