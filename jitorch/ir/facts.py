"""What a graph says about its sizes: who binds each symbol, and which sizes are equal.

A value whose type holds a symbol alone (`f32[n, 4]`, `int(n)`) gives that symbol its value where
the value is defined, unless the symbol is known there already. Each symbol is bound in one place of
a graph.
"""

from __future__ import annotations

import keyword
from collections.abc import Iterable, Iterator

from jitorch.ir.core import Attr, Block, Graph, Op, Value, walk
from jitorch.ir.dims import FUNCTIONS, Dim, ProvedFacts, Sym, substitute, symbol, symbols
from jitorch.ir.types import BY_TAG, Type, sizes_in

OPEN = symbol("_")  # the size that a type rule gives where only run time tells


# What the text of attributes and types begins with, and so no symbol can be called.
RESERVED = frozenset({*BY_TAG, *FUNCTIONS, *keyword.kwlist, "inf", "nan", "complex"})


def names_a_size(name: str) -> bool:
    """Whether a symbol may be called `name`."""
    return name.isidentifier() and name not in RESERVED


def plain(d: Dim) -> str | None:
    """Return the symbol's name if the size is a symbol alone."""
    if isinstance(d, Sym) and len(d.terms) == 1:
        (monomial, factor) = d.terms[0]
        if factor == 1 and len(monomial) == 1 and not monomial[0].args:
            return monomial[0].name
    return None


def binders(t: Type) -> list[str]:
    """Return the symbols that stand alone in the type: those that a definition may bind."""
    return [name for d in sizes_in(t) if (name := plain(d)) is not None]


def type_symbols(t: Type) -> Iterator[str]:
    """Yield every symbol of the type."""
    for d in sizes_in(t):
        yield from symbols(d)


def attr_symbols(attr: Attr) -> Iterator[str]:
    """Yield every symbol of the attribute."""
    if isinstance(attr, tuple):
        for a in attr:
            yield from attr_symbols(a)
    elif isinstance(attr, Sym):
        yield from symbols(attr)


def op_symbols(op: Op) -> set[str]:
    """Return the symbols in the op's attributes, those of inner blocks left out."""
    return {name for a in op.attrs.values() for name in attr_symbols(a)}


def all_symbols(graph: Graph) -> set[str]:
    """Return every symbol that occurs in the graph."""
    found = {name for pair in graph.constraints for d in pair for name in symbols(d)}
    for v in definitions(graph.block):
        found.update(type_symbols(v.type))
    for op in graph.walk():
        found |= op_symbols(op)
    return found


def definitions(block: Block) -> Iterator[Value]:
    """Yield every value that the block and those inside it define, in order."""
    yield from block.params
    for op in block.ops:
        for inner in op.blocks:
            yield from definitions(inner)
        yield from op.outputs


def bound_by(graph: Graph) -> dict[str, Value]:
    """Return the value that binds each symbol."""
    out: dict[str, Value] = {}
    for v in definitions(graph.block):
        for name in binders(v.type):
            out.setdefault(name, v)
    return out


class Equalities(ProvedFacts):
    """Facts about sizes that follow from equations."""

    def __init__(self, pairs: Iterable[tuple[Dim, Dim]]) -> None:
        self.solved: dict[str, Dim] = {}
        self.unsolved: set[tuple[Dim, Dim]] = set()
        for a, b in pairs:
            self._learn(self.reduced(a), self.reduced(b))

    def _learn(self, a: Dim, b: Dim) -> None:
        """Use the equation to do without one symbol, or keep it as it is."""
        for left, right in ((b, a), (a, b)):
            name = plain(left)
            if name is not None and name not in symbols(right):
                self.solved = {k: substitute(d, {name: right}) for k, d in self.solved.items()}
                self.solved[name] = right
                return
        self.unsolved |= {(a, b), (b, a)}

    def reduced(self, d: Dim) -> Dim:
        """Return the size with the known equations put in."""
        return substitute(d, self.solved)

    def equal(self, a: Dim, b: Dim) -> bool:
        x, y = self.reduced(a), self.reduced(b)
        return x == y or (x, y) in self.unsolved

    def at_least(self, a: Dim, b: Dim) -> bool | None:
        return super().at_least(self.reduced(a), self.reduced(b))


def facts_of(graph: Graph) -> Equalities:
    """Return what the graph's constraints and `assume` ops let one rely on."""
    pairs = list(graph.constraints)
    for op in walk(graph.block):
        if op.name == "assume":
            left, right = op.attrs.get("left"), op.attrs.get("right")
            if isinstance(left, (int, Sym)) and isinstance(right, (int, Sym)):
                pairs.append((left, right))
    return Equalities(pairs)
