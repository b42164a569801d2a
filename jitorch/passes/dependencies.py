"""Which ops of a block must come before which."""

from __future__ import annotations

from collections.abc import Iterator

from jitorch.ir.core import Block, Op, Value, free_values, walk
from jitorch.ir.facts import binders, op_symbols, type_symbols
from jitorch.ir.opdef import OPS
from jitorch.passes.fusible import is_free, is_fusible


class Dependencies:
    """Which ops of a block must come before which: by values, sizes, side effects, errors and writes."""

    def __init__(self, block: Block) -> None:
        self.ops = block.ops
        self.producer = {v: i for i, op in enumerate(block.ops) for v in op.outputs}
        self.free = [is_fusible(op) and is_free(op) for op in block.ops]
        self.before: list[set[int]] = []
        binder: dict[str, int] = {}
        effect: int | None = None
        seen: int | None = None
        picking: set[int] = set()  # what may raise since then
        write: int | None = None
        for i, op in enumerate(block.ops):
            found = {self.producer[v] for v in operands(op) if v in self.producer}
            found |= {binder[name] for name in _symbols_used(op) if name in binder}
            if any(not OPS[o.name].pure for o in with_inner(op)):
                found |= set() if effect is None else {effect}
                effect = i
            if any(OPS[o.name].picks is not None for o in with_inner(op)):
                found |= set() if seen is None else {seen}
                picking.add(i)
            if any(OPS[o.name].seen for o in with_inner(op)):
                found |= picking - {i}
                seen, picking = i, set()
            # Whatever stands before a write to an argument may read what it overwrites.
            if any(o.name == "assign" for o in with_inner(op)):
                found |= set(range(i))
                write = i
            elif write is not None:
                found.add(write)
            self.before.append(found)
            for name in new_symbols(op):
                binder.setdefault(name, i)

    def behind_free(self, i: int) -> set[int]:
        """Return the ops that op `i` depends on, with free ops replaced by what they depend on."""
        out: set[int] = set()
        todo = list(self.before[i])
        while todo:
            j = todo.pop()
            if self.free[j]:
                todo += self.before[j]
            else:
                out.add(j)
        return out


def with_inner(op: Op) -> Iterator[Op]:
    yield op
    for block in op.blocks:
        yield from walk(block)


def operands(op: Op) -> list[Value]:
    return [*op.inputs, *(v for block in op.blocks for v in free_values(block))]


def _symbols_used(op: Op) -> set[str]:
    names: set[str] = set()
    for each in with_inner(op):
        names |= op_symbols(each)
        names.update(name for v in each.outputs for name in type_symbols(v.type))
    return names


def new_symbols(op: Op) -> set[str]:
    """Return the symbols that the op's results give a value: those its inputs do not mention."""
    old = {name for v in op.inputs for name in type_symbols(v.type)} | op_symbols(op)
    return {name for v in op.outputs for name in binders(v.type)} - old
