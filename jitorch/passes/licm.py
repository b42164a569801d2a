"""Move what a loop computes anew each time, and always the same, in front of the loop.

An op moves out if it has no side effect and takes nothing that the loop makes. A loop may run zero
times, so an op that can raise moves only out of a loop that is known to run, and only from before
its first side effect. Inner loops come first: what leaves one may then leave the next.

    %y: f32[n] = loop(%k, %true, %x) (%i: int(i), %a: f32[n]) {
      %0: f32[n] = exp(%w)
      %1: f32[n] = add(%a, %0)
      yield %true, %1
    }

becomes

    %0: f32[n] = exp(%w)
    %y: f32[n] = loop(%k, %true, %x) (%i: int(i), %a: f32[n]) {
      %1: f32[n] = add(%a, %0)
      yield %true, %1
    }
"""

from __future__ import annotations

from jitorch.errors import CompileError
from jitorch.ir.alias import escaping, owns_memory
from jitorch.ir.core import Block, Graph, Op, Value
from jitorch.ir.dims import using_facts
from jitorch.ir.facts import Equalities, bound_by, definitions, op_symbols, type_symbols
from jitorch.ir.opdef import OPS, result_types
from jitorch.ir.rebuild import with_block, with_ops, with_parts
from jitorch.ir.types import ScalarType


def licm(graph: Graph) -> Graph:
    """Return the graph with what does not change in a loop moved in front of it."""
    # Only what holds before the loop may be relied on, so not what `assume` says inside.
    with using_facts(Equalities(graph.constraints)):
        return with_block(graph, _Mover(graph).block(graph.block))


class _Mover:
    def __init__(self, graph: Graph) -> None:
        self.binder = bound_by(graph)
        self.kept = escaping(graph)
        self.true = {op.output for op in graph.ops("constant") if op.attrs["value"] is True}

    def block(self, block: Block) -> Block:
        ops: list[Op] = []
        for op in block.ops:
            op = with_parts(op, op.inputs, tuple(map(self.block, op.blocks)))
            if op.name == "loop":
                moved, op = self.split(op)
                ops += moved
            ops.append(op)
        return with_ops(block, ops, block.results)

    def split(self, loop: Op) -> tuple[list[Op], Op]:
        """Return the ops that leave the loop, and what is left of it."""
        (body,) = loop.blocks
        varying = set(body.params)
        moved, stay = list[Op](), list[Op]()
        certain = self.surely_runs(loop)
        for op in body.ops:
            if self.invariant(op, varying) and (certain or _harmless(op)):
                moved.append(op)
                continue
            stay.append(op)
            varying.update(v for b in op.blocks for v in definitions(b))
            varying.update(op.outputs)
            certain = certain and OPS[op.name].pure and not op.blocks
        return moved, with_parts(loop, loop.inputs, (with_ops(body, stay, body.results),))

    def invariant(self, op: Op, varying: set[Value]) -> bool:
        if op.blocks or not OPS[op.name].pure or not varying.isdisjoint(op.inputs):
            return False
        if owns_memory(op) and not self.kept.isdisjoint(op.outputs):
            return False  # each turn gives the caller a tensor of its own
        sizes = op_symbols(op).union(*(type_symbols(v.type) for v in op.outputs))
        own = set(op.outputs)
        return all(self.binder[s] in own or self.binder[s] not in varying for s in sizes)

    def surely_runs(self, loop: Op) -> bool:
        trips, condition = loop.inputs[:2]
        assert isinstance(trips.type, ScalarType)
        known = trips.type.value
        return isinstance(known, int) and known > 0 and condition in self.true


def _harmless(op: Op) -> bool:
    """Whether the op can't raise, here, before the loop."""
    definition = OPS[op.name]
    if not definition.never_raises:
        return False
    if definition.elementwise and any(isinstance(v.type, ScalarType) for v in op.outputs):
        return False  # dividing Python numbers by zero
    try:
        result_types(op.name, [v.type for v in op.inputs], op.attrs)
    except CompileError:
        return False
    return True
