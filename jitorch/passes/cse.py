"""Compute nothing twice: an op equal to an earlier one gives way to it.

Two ops are equal when they have the same name, inputs and attributes, and no side effect.
Attributes are compared as printed, since Python holds `1 == True == 1.0` and `0.0 == -0.0`.
Operands that may be exchanged are put in one order. The earlier op must be in the same block or in
one around it.

A tensor that the caller gets keeps memory of its own: `return x + 1, x + 1` are two tensors.

    %0: f32[n] = exp(%x)
    %1: f32[n] = exp(%x)
    %2: f32[n] = mul(%0, %1)

becomes

    %0: f32[n] = exp(%x)
    %2: f32[n] = mul(%0, %0)
"""

from __future__ import annotations

from collections.abc import Sequence

from jitorch.ir.alias import escaping, owns_memory
from jitorch.ir.core import Block, Graph, Op, Value
from jitorch.ir.opdef import OPS
from jitorch.ir.printer import print_attr
from jitorch.ir.rebuild import (
    Scope,
    substitute_attr,
    substitute_dims,
    with_block,
    with_ops,
    with_parts,
)

Key = tuple[object, ...]
Seen = dict[Key, tuple[Value, ...]]


def cse(graph: Graph) -> Graph:
    """Return the graph with each repeated op replaced by the first."""
    scope = Scope()
    block = _block(graph.block, {}, scope, escaping(graph))
    return substitute_dims(with_block(graph, block), scope.sizes)


def _block(block: Block, outer: Seen, scope: Scope, kept: set[Value]) -> Block:
    seen = dict(outer)  # what an inner block computes is not there outside it
    ops: list[Op] = []
    for old in block.ops:
        inputs = scope.all(old.inputs)
        op = with_parts(old, inputs, tuple(_block(b, seen, scope, kept) for b in old.blocks))
        earlier = _earlier(op, seen, scope, kept)
        if earlier is None:
            ops.append(op)
            continue
        for before, after in zip(op.outputs, earlier, strict=True):
            scope.put(before, after)
    return with_ops(block, ops, scope.all(block.results))


def _earlier(op: Op, seen: Seen, scope: Scope, kept: set[Value]) -> Sequence[Value] | None:
    """Return the outputs of an equal op, None (and note this one) where there is none."""
    if op.blocks or not OPS[op.name].pure:
        return None
    found = seen.setdefault(_key(op, scope), op.outputs)
    if found is op.outputs or (owns_memory(op) and not kept.isdisjoint(op.outputs)):
        return None
    return found


def _key(op: Op, scope: Scope) -> Key:
    inputs: Sequence[int] = [id(v) for v in op.inputs]
    if OPS[op.name].commutative:
        inputs = sorted(inputs)
    attrs = {k: print_attr(substitute_attr(a, scope.sizes)) for k, a in op.attrs.items()}
    return op.name, *inputs, *sorted(attrs.items())
