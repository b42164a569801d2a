"""Short folds: a kernel for each length of short rows that a program meets.

Loops over three coordinates or eight classes fill no vector. If the folded axes of a kernel turn
out to be that short, the kernel is compiled for their very length, with the folds written out
(`Layout.SHORT`), and the innermost loop goes over the points around. Other lengths, and other sizes
of everything else, share the general kernel.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from jitorch.codegen.loops import longest_short
from jitorch.codegen.plan import Plan
from jitorch.ir.core import Block, Graph, Op, Value
from jitorch.ir.dims import Dim, product, symbol
from jitorch.ir.facts import all_symbols, binders, plain
from jitorch.ir.rebuild import substitute_dims
from jitorch.ir.types import ScalarType
from jitorch.passes.domain import analyse


@dataclass(frozen=True)
class Folded:
    """How much a kernel folds: a product of sizes, the symbols in it, and how much is short.

    `others` are symbols of the kernel that no operand binds.
    """

    length: Dim
    symbols: tuple[str, ...]
    longest: int
    others: tuple[str, ...]


def short_folds(op: Op) -> Folded | None:
    """Return what has to be known for the folds of a `fused` op to be written out, if it is not yet."""
    ops = op.blocks[0].ops
    domain = analyse(ops)
    sizes = [domain.sizes[a] for a in domain.reduced]
    symbols = [plain(d) for d in sizes if not isinstance(d, int)]
    known = [s for s in symbols if s is not None]
    longest = longest_short(len(ops))
    if not domain.outer or not known or len(known) < len(symbols) or longest < 2:
        return None
    bound = {name for v in op.inputs for name in binders(v.type)}
    others = sorted(all_symbols(_graph(op)) - bound - set(known))
    return Folded(product(tuple(sizes)), tuple(known), longest, tuple(others))


def _graph(op: Op, sizes: Sequence[str] = ()) -> Graph:
    """Return a graph of the op alone, with parameters for its operands and for sizes."""
    numbers = [Value(ScalarType("int", symbol(name)), f"size_{name}") for name in sizes]
    return Graph("short", Block((*op.inputs, *numbers), (op,), op.outputs))


class ShortFolds:
    """A `fused` op as plans for single lengths, each compiled when it is first met."""

    def __init__(self, op: Op, folded: Folded, plan: Callable[[Graph], Plan]) -> None:
        self.op = op
        self.folded = folded
        self.plan = plan
        self.plans: dict[tuple[int, ...], Callable[[Sequence[Any]], list[Any]]] = {}

    def __call__(self, lengths: tuple[int, ...], args: Sequence[Any]) -> list[Any]:
        """Return the results of the op.

        `lengths` are the values of the folded sizes; `args` the operands and the other sizes.
        """
        run = self.plans.get(lengths)
        if run is None:
            run = self.plans[lengths] = self.compile(lengths)
        return run(args)

    def compile(self, lengths: tuple[int, ...]) -> Callable[[Sequence[Any]], list[Any]]:
        graph = _graph(self.op, self.folded.others)
        sizes: dict[str, Dim] = dict(zip(self.folded.symbols, lengths, strict=True))
        return self.plan(substitute_dims(graph, sizes)).compile()
