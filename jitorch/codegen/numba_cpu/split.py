"""SPLIT: no outer axes. The folded range is cut in blocks, whose results are folded in turn."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from jitorch.codegen.kernel import (
    Fold,
    Pass,
    Statement,
)
from jitorch.codegen.numba_cpu.sizes import (
    SPLIT_BLOCK,
)
from jitorch.codegen.numba_cpu.writer import Writer
from jitorch.codegen.writer import used

Step = Callable[[Writer, int, Pass], None]


def split(w: Writer) -> None:
    in_steps(w, split_blocks, combine)


def in_steps(w: Writer, blocks: Step, combine: Step) -> None:
    """Write the two steps of each pass: the folds of blocks, and what is made of their results."""
    with w.block("for step in range(first_step, last_step):"):
        for number, each in enumerate(w.kernel.passes):
            with w.block(f"{'if' if number == 0 else 'elif'} step == {2 * number}:"):
                blocks(w, number, each)
            with w.block(f"elif step == {2 * number + 1}:"):
                combine(w, number, each)


def fold_parts(w: Writer, fold: Fold, at: str) -> None:
    """Write the fold of the blocks' results, of which each lies at `at`; sums are in double."""
    name = f"{fold.name}_sum" if fold.rounds else fold.name
    w.line(f"{name} = {f'to_f64({fold.init})' if fold.rounds else fold.init}", fold.loc)
    with w.block("for block in range(blocks):"):
        step = fold.step.format(acc=name, x=f"load(part_{fold.name}, {at})")
        w.line(f"{name} = {step}", fold.loc)
    if fold.rounds:
        w.line(f"{fold.name} = to_{fold.tag}({name})", fold.loc)


def take_kept(
    w: Writer, number: int, statements: Sequence[Statement], folds: Sequence[Fold]
) -> None:
    wanted = used(statements, folds)
    for before in range(number):
        for name, _ in w.kernel.carried(before):
            if name in wanted:
                w.line(f"{name} = load(kept_{name}, 0)")


def split_blocks(w: Writer, number: int, each: Pass) -> None:
    take_kept(w, number, each.body, each.folds)
    inner = w.kernel.inner
    total = " * ".join(str(a.size) for a in inner)
    with w.block("for block in range(lo, hi):"):
        w.line(f"begin = block * {SPLIT_BLOCK}")
        w.line(f"end = minimum(begin + {SPLIT_BLOCK}, {total})")
        for fold in each.folds:
            w.line(f"{fold.name} = {fold.init}", fold.loc)
        with w.segments("begin", "end", inner):
            w.prepare(each.body, inner[-1].name)
            with w.block(f"for {inner[-1].name} in range(start, stop):"):
                w.fold_body(each, inner[-1].name)
        for fold in each.folds:
            w.line(f"store(part_{fold.name}, block, {fold.name})")


def combine(w: Writer, number: int, each: Pass) -> None:
    total = " * ".join(str(a.size) for a in w.kernel.inner)
    w.line(f"blocks = ({total} + {SPLIT_BLOCK - 1}) // {SPLIT_BLOCK}")
    for fold in each.folds:
        fold_parts(w, fold, "block")
    after = [*(w.kernel.row if number == 0 else ()), *each.after]
    take_kept(w, number, after, ())
    w.statements(after)
    for name, _ in w.kernel.carried(number):
        w.line(f"store(kept_{name}, 0, {name})")
