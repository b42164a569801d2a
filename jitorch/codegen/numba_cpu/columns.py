"""COLUMNS: the innermost loop goes over outer points, accumulators in scratch arrays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from jitorch.codegen.kernel import (
    Fold,
    Pass,
    Statement,
    Store,
)
from jitorch.codegen.numba_cpu.sizes import (
    COLUMN_BLOCK,
    FOLD_BLOCK,
)
from jitorch.codegen.numba_cpu.writer import Writer
from jitorch.codegen.writer import needed, used, varying


def columns(w: Writer) -> None:
    column = w.kernel.outer[-1].name
    kernel = w.kernel
    moving = varying(kernel.row, column)
    steady = [s for s in kernel.row if s not in moving]
    kept = [name for i in range(len(kernel.passes)) for name in kernel.carried(i)]
    for name, tag in kept:
        w.array(f"kept_{name}", tag)
    for each in kernel.passes:
        for fold in each.folds:
            w.array(f"acc_{fold.name}", fold.tag)
            if fold.rounds:
                w.array(f"sum_{fold.name}", "f64")
    with w.segments("lo", "hi", kernel.outer):
        w.prepare(steady, None)
        w.statements(steady)
        w.line("first = start")
        with w.block("while first < stop:"):
            w.line(f"width = minimum(stop - first, {COLUMN_BLOCK})")
            for i, each in enumerate(kernel.passes):
                column_pass(w, i, each, moving, [name for name, _ in kept])
            w.line("first += width")


def column_pass(
    w: Writer, number: int, each: Pass, moving: Sequence[Statement], kept: Sequence[str]
) -> None:
    column = w.kernel.outer[-1].name
    rounding = [f for f in each.folds if f.rounds]
    plain = [f for f in each.folds if not f.rounds]
    fill(
        w,
        [(f"sum_{f.name}", f.init) for f in rounding] + [(f"acc_{f.name}", f.init) for f in plain],
    )
    body = [s for s in each.body if not isinstance(s, Store)]
    stores = [s for s in each.body if isinstance(s, Store)]
    if body or each.folds or stores:
        addressed = [*needed(moving, each.body, each.folds), *each.body]
        with column_blocks(w, rounding), column_loop(w, addressed):
            lead_in(w, moving, kept, each.body, each.folds)
            w.statements(body, column)
            for fold in each.folds:
                step = fold.step.format(acc=f"load(acc_{fold.name}, lane)", x=fold.value)
                w.line(f"store(acc_{fold.name}, lane, {step})", fold.loc)
            w.statements(stores, column)
    after = [*(s for s in moving if isinstance(s, Store) and number == 0), *each.after]
    carried = w.kernel.carried(number)
    if after or carried:
        with column_loop(w, [*needed(moving, after, ()), *after]):
            for fold in each.folds:
                of = "sum" if fold.rounds else "acc"
                w.line(f"{fold.name} = to_{fold.tag}(load({of}_{fold.name}, lane))", fold.loc)
            lead_in(w, moving, [k for k in kept if k not in dict(carried)], after, ())
            w.statements(after, column)
            for name, _ in carried:
                w.line(f"store(kept_{name}, lane, {name})")


def fill(w: Writer, arrays: Sequence[tuple[str, str]]) -> None:
    if arrays:
        with w.block("for lane in range(width):"):
            for name, value in arrays:
                w.line(f"store({name}, lane, {value})")


@contextmanager
def column_blocks(w: Writer, rounding: Sequence[Fold]) -> Iterator[None]:
    """Loop over the folded axes, the outermost in blocks if there are rounding folds."""
    first, *rest = w.kernel.inner
    if not rounding:
        with w.nested(w.kernel.inner):
            yield
        return
    w.line("begin = 0")
    with w.block(f"while begin < {first.size}:"):
        w.line(f"end = minimum(begin + {FOLD_BLOCK}, {first.size})")
        fill(w, [(f"acc_{f.name}", f.init) for f in rounding])
        with w.block(f"for {first.name} in range(begin, end):"), w.nested(rest):
            yield
        with w.block("for lane in range(width):"):
            for f in rounding:
                total = f.step.format(
                    acc=f"load(sum_{f.name}, lane)", x=f"load(acc_{f.name}, lane)"
                )
                w.line(f"store(sum_{f.name}, lane, {total})", f.loc)
        w.line("begin = end")


@contextmanager
def column_loop(w: Writer, statements: Sequence[Statement]) -> Iterator[None]:
    column = w.kernel.outer[-1].name
    w.prepare(statements, column)
    with w.block("for lane in range(width):"):
        w.line(f"{column} = first + lane")
        yield


def lead_in(
    w: Writer,
    moving: Sequence[Statement],
    kept: Sequence[str],
    statements: Sequence[Statement],
    folds: Sequence[Fold],
    at: str = "lane",
) -> None:
    """Write what the statements use from outside the loop over columns.

    What earlier passes carry over is kept for each column, at `at`.
    """
    first = needed(moving, statements, folds)
    wanted = used([*first, *statements], folds)
    for name in dict.fromkeys(kept):
        if name in wanted:
            w.line(f"{name} = load(kept_{name}, {at})")
    w.statements(first, w.kernel.outer[-1].name)
