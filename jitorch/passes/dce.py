"""Drop what nobody uses.

From the last op to the first: an op stays if it has a side effect, if one of its values is used, or
if a size that it binds is. Of an `if` the unused results go, of a `loop` the carried values that
only serve themselves. A loop without side effects whose results nobody uses goes too, even if it
might not end.

    %0: f32[n] = exp(%x)                                     -
    %a: f32[n], %b: f32[n] = if(%c) () {                     %a: f32[n] = if(%c) () {
      yield %x, %x                                   ->        yield %x
    } () {                                                   } () {
      %1: f32[n] = neg(%x)                                     -
      yield %x, %1                                             yield %x
    }                                                        }
    return %a                                                return %a
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from jitorch.ir.core import Block, Graph, Op, Value, walk
from jitorch.ir.facts import bound_by, op_symbols, type_symbols
from jitorch.ir.opdef import OPS
from jitorch.ir.rebuild import with_block, with_ops


def dce(graph: Graph) -> Graph:
    """Return the graph without unused ops, loop-carried values and results of branches."""
    return with_block(graph, _Sweep(graph).block(graph.block, range(len(graph.results))))


class _Sweep:
    def __init__(self, graph: Graph) -> None:
        self.binder = bound_by(graph)
        self.live: set[Value] = set()

    def use(self, values: Sequence[Value]) -> None:
        """Mark values as used, and those that bind the sizes in their types."""
        todo = [v for v in values if v not in self.live]
        while todo:
            v = todo.pop()
            self.live.add(v)
            needed = (self.binder[s] for s in type_symbols(v.type) if s in self.binder)
            todo += [b for b in needed if b not in self.live]

    def block(self, block: Block, kept: Sequence[int]) -> Block:
        """Return the block with only the results `kept`, and what they need."""
        results = [block.results[i] for i in kept]
        self.use(results)
        ops: list[Op] = []
        for op in reversed(block.ops):
            swept = self.op(op)
            if swept is not None:
                ops.append(swept)
        return with_ops(block, ops[::-1], results)

    def op(self, op: Op) -> Op | None:
        used = [i for i, v in enumerate(op.outputs) if v in self.live]
        if not used and not _has_effect(op):
            return None
        if op.name == "if":
            op = self.if_op(op, used)
        elif op.name == "loop":
            op = self.loop(op, used)
        elif op.blocks:
            op = replace(op, blocks=tuple(self.block(b, range(len(b.results))) for b in op.blocks))
        self.use(op.inputs)
        self.use(op.outputs)
        self.use([self.binder[s] for s in op_symbols(op) if s in self.binder])
        return op

    def if_op(self, op: Op, used: list[int]) -> Op:
        blocks = tuple(self.block(b, used) for b in op.blocks)
        return _changed(op, op.inputs, [op.outputs[i] for i in used], blocks)

    def loop(self, op: Op, used: list[int]) -> Op:
        (body,) = op.blocks
        # A carried value stays if its result is used, or if the body uses it to make one that
        # stays.
        while True:
            trial = _Sweep.__new__(_Sweep)
            trial.binder, trial.live = self.binder, set(self.live)
            swept = trial.block(body, [0, *(i + 1 for i in used)])
            more = [i for i, p in enumerate(body.params[1:]) if p in trial.live and i not in used]
            if not more:
                break
            used = sorted([*used, *more])
        self.live = trial.live
        params = (body.params[0], *(body.params[i + 1] for i in used))
        if len(params) < len(body.params):
            swept = replace(swept, params=params)
        inputs = (*op.inputs[:2], *(op.inputs[i + 2] for i in used))
        return _changed(op, inputs, [op.outputs[i] for i in used], (swept,))


def _has_effect(op: Op) -> bool:
    return not OPS[op.name].pure or any(
        not OPS[inner.name].pure for b in op.blocks for inner in walk(b)
    )


def _changed(
    op: Op, inputs: Sequence[Value], outputs: Sequence[Value], blocks: tuple[Block, ...]
) -> Op:
    if len(outputs) == len(op.outputs) and all(
        a is b for a, b in zip(blocks, op.blocks, strict=True)
    ):
        return op
    return replace(op, inputs=tuple(inputs), outputs=tuple(outputs), blocks=blocks)
