"""The graph IR: values, ops, blocks, graphs.

Everything is frozen; a pass builds a new graph. A value's identity is its SSA name: two values with
equal types are still two values. Control flow is structured (see `ops/control.py`):

    if(cond) () {...; yield a} () {...; yield b}             two blocks without parameters
    loop(trips, cond, carried...) (i, carried...) {...; yield cond, carried...}
    fused(a, b, ...) (a, b, ...) {...; yield ...}            one kernel
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Union

from jitorch.errors import UNKNOWN, Loc
from jitorch.ir.dims import Dim, Sym
from jitorch.ir.types import DType, Type

Attr = Union[bool, int, float, complex, str, None, DType, Sym, tuple["Attr", ...]]
NO_ATTRS: Mapping[str, Attr] = MappingProxyType({})


@dataclass(frozen=True, eq=False, slots=True)
class Value:
    """What an op or block defines. `hint` is the user's name for it, for printing only."""

    type: Type
    hint: str = ""


@dataclass(frozen=True, eq=False, slots=True)
class Op:
    """One operation: `outputs = name(inputs) {attrs} blocks`. `name` is a key of `OPS`."""

    name: str
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    attrs: Mapping[str, Attr] = field(default_factory=lambda: NO_ATTRS)
    blocks: tuple[Block, ...] = ()
    loc: Loc = UNKNOWN

    @property
    def output(self) -> Value:
        (only,) = self.outputs
        return only


@dataclass(frozen=True, eq=False, slots=True)
class Block:
    """A sequence of ops with parameters, printed results last (`yield` or `return`)."""

    params: tuple[Value, ...]
    ops: tuple[Op, ...]
    results: tuple[Value, ...]


@dataclass(frozen=True, eq=False, slots=True)
class Graph:
    """A named block. `constraints` are pairs of sizes that the graph relies on being equal."""

    name: str
    block: Block
    constraints: tuple[tuple[Dim, Dim], ...] = ()

    @property
    def params(self) -> tuple[Value, ...]:
        return self.block.params

    @property
    def results(self) -> tuple[Value, ...]:
        return self.block.results

    def __str__(self) -> str:
        from jitorch.ir.printer import print_graph

        return print_graph(self)

    def walk(self) -> Iterator[Op]:
        """Yield every op, outer before inner, in program order."""
        yield from walk(self.block)

    def ops(self, name: str) -> list[Op]:
        """Return the ops called `name`, at any depth."""
        return [op for op in self.walk() if op.name == name]

    def to_dot(self) -> str:
        """Return the graph in Graphviz's language."""
        from jitorch.ir.dot import to_dot

        return to_dot(self)


def walk(block: Block) -> Iterator[Op]:
    """Yield every op of the block, outer before inner, in program order."""
    for op in block.ops:
        yield op
        for inner in op.blocks:
            yield from walk(inner)


def defined_in(block: Block) -> set[Value]:
    """Return the values that the block and the blocks inside it define."""
    out = set(block.params)
    for op in block.ops:
        out.update(op.outputs)
        for inner in op.blocks:
            out |= defined_in(inner)
    return out


def free_values(block: Block) -> list[Value]:
    """Return the values the block uses from outside, in order of first use."""
    inside = defined_in(block)
    seen: dict[Value, None] = {}
    for op in walk(block):
        seen.update((v, None) for v in op.inputs)
        for inner in op.blocks:
            seen.update((v, None) for v in inner.results)
    seen.update((v, None) for v in block.results)
    return [v for v in seen if v not in inside]


def uses(block: Block) -> dict[Value, int]:
    """Return how often each value is used, block results and inner blocks included."""
    count: dict[Value, int] = {}

    def visit(b: Block) -> None:
        for op in b.ops:
            for v in op.inputs:
                count[v] = count.get(v, 0) + 1
            for inner in op.blocks:
                visit(inner)
        for v in b.results:
            count[v] = count.get(v, 0) + 1

    visit(block)
    return count
