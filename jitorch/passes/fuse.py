"""Fusion: ops that can share a loop nest become one `fused` op, one kernel.

    %d: f32[n, m] = sub(%x, %y)                  %s: f32[] = fused(%x, %y) (%a: ..., %b: ...) {
    %q: f32[n, m] = mul(%d, %d)          ->          ... sub, mul, sum ...
    %s: f32[] = sum(%q) {dim=(0, 1), ...}        }

`plan_fusion` is the analysis. It goes over a block's ops in order and merges the group of each with
the groups that produce its operands, the latest first, wherever `passes/domain.py` finds common
loops, the merge makes no cycle, and nothing costly would be computed again and again. Then groups
that read the same tensor are merged where they can be. `fuse` rewrites the graph by the plan. Ops
that cost nothing (renamed dimensions, constants) belong to no group: each group gets its own copy.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, replace

from jitorch.ir.core import Block, Graph, Op, Value
from jitorch.ir.rebuild import Rewrite, inline, rebuild
from jitorch.passes.dce import dce
from jitorch.passes.dependencies import Dependencies, operands
from jitorch.passes.fusible import is_free, is_fusible
from jitorch.passes.grouping import MAX_OPS as MAX_OPS, Group, Grouping


@dataclass(frozen=True, slots=True)
class FusionPlan:
    """The groups of every block of a graph, and why neighbouring ops are not in one group."""

    groups: tuple[Group, ...]
    reasons: tuple[str, ...]

    def __str__(self) -> str:
        lines = [f"kernel {i}: {group}" for i, group in enumerate(self.groups)]
        return "\n".join([*lines, *(f"not fused: {reason}" for reason in self.reasons)])


def plan_fusion(graph: Graph) -> FusionPlan:
    """Return which ops of the graph to fuse. What nothing uses must be gone, see `dce`."""
    groups: list[Group] = []
    reasons: list[str] = []
    for block in _blocks(graph.block):
        grouping = Grouping(block)
        grouping.run()
        groups += grouping.groups()
        reasons += grouping.reasons
    return FusionPlan(tuple(groups), tuple(reasons))


def fuse(graph: Graph) -> Graph:
    """Make each group of fusible ops one `fused` op."""
    live = dce(graph)
    plan = plan_fusion(live)
    if not plan.groups:
        return graph
    group_of = {op: group for group in plan.groups for op in group.ops}
    return replace(live, block=_rewrite(live.block, group_of))


def unfuse(graph: Graph) -> Graph:
    """Put the ops of each `fused` op in its place: the graph as it was before `fuse`."""

    def visit(op: Op) -> Rewrite:
        return inline(op.blocks[0], op.inputs) if op.name == "fused" else op

    return rebuild(graph, visit)


def _blocks(block: Block) -> Iterator[Block]:
    yield block
    for op in block.ops:
        if op.name != "fused":
            for inner in op.blocks:
                yield from _blocks(inner)


def _rewrite(block: Block, group_of: dict[Op, Group]) -> Block:
    """Return the block with each group as one op, in an order that keeps every dependency."""
    deps = Dependencies(block)
    number = {op: i for i, op in enumerate(block.ops)}
    # A group stands where its last op was.
    place = [
        number[group_of[op].ops[-1]] if op in group_of else i for i, op in enumerate(block.ops)
    ]
    needs: dict[int, set[int]] = {i: set() for i in place}
    for i, op in enumerate(block.ops):
        before = deps.behind_free(i) if op in group_of else deps.before[i]
        needs[place[i]] |= {place[j] for j in before} - {place[i]}
    ops = []
    for i in _topological(needs):
        op = block.ops[i]
        if op in group_of:
            ops.append(_fused_op(group_of[op], deps, block))
        elif op.blocks and op.name != "fused":
            ops.append(replace(op, blocks=tuple(_rewrite(b, group_of) for b in op.blocks)))
        else:
            ops.append(op)
    return _without_unused(Block(block.params, tuple(ops), block.results))


def _topological(needs: dict[int, set[int]]) -> list[int]:
    """Return the numbers so that each comes after those it needs, else in ascending order."""
    waiting: dict[int, list[int]] = {}
    for i, wanted in needs.items():
        for j in wanted:
            waiting.setdefault(j, []).append(i)
    missing = {i: len(wanted) for i, wanted in needs.items()}
    ready = [i for i, count in missing.items() if count == 0]
    heapq.heapify(ready)
    out: list[int] = []
    while ready:
        out.append(heapq.heappop(ready))
        for j in waiting.get(out[-1], ()):
            missing[j] -= 1
            if missing[j] == 0:
                heapq.heappush(ready, j)
    assert len(out) == len(needs), "a group depends on itself"
    return out


def _fused_op(group: Group, deps: Dependencies, block: Block) -> Op:
    """Return the group as a `fused` op that defines the same values."""
    inside = {v for op in group.ops for v in op.outputs}
    users = _users_outside(group, block)
    new: dict[Value, Value] = {}
    params: dict[Value, Value] = {}
    body: list[Op] = []

    def copied(v: Value) -> Value:
        if v in new:
            return new[v]
        producer = deps.producer.get(v)
        op = block.ops[producer] if producer is not None else None
        if op is not None and v not in inside and is_fusible(op) and is_free(op):
            return copy(op)
        params[v] = new[v] = Value(v.type, v.hint)
        return new[v]

    def copy(op: Op) -> Value:
        inputs = tuple(copied(v) for v in op.inputs)
        made = replace(op, inputs=inputs, outputs=(Value(op.output.type, op.output.hint),))
        body.append(made)
        new[op.output] = made.output
        return made.output

    for op in group.ops:
        copy(op)
    outputs = tuple(v for op in group.ops for v in op.outputs if v in users)
    results = tuple(new[v] for v in outputs)
    inner = Block(tuple(params.values()), tuple(body), results)
    return Op("fused", tuple(params), outputs, {}, (inner,), group.ops[-1].loc)


def _users_outside(group: Group, block: Block) -> set[Value]:
    """Return the values of the group that something else uses, free ops included."""
    members = set(group.ops)
    used: set[Value] = set(block.results)
    for op in block.ops:
        if op not in members:
            used.update(operands(op))
    return used


def _without_unused(block: Block) -> Block:
    """Drop free ops of which kernels have copies, and results of kernels that only those used."""
    ops: list[Op] = []
    used = set(block.results)
    for op in reversed(block.ops):
        if is_fusible(op) and is_free(op) and not used & set(op.outputs):
            continue
        if op.name == "fused":
            op = _with_outputs(op, used)
        ops.append(op)
        used.update(operands(op))
    return replace(block, ops=tuple(reversed(ops)))


def _with_outputs(op: Op, used: set[Value]) -> Op:
    kept = [i for i, v in enumerate(op.outputs) if v in used]
    (body,) = op.blocks
    results = tuple(body.results[i] for i in kept)
    outputs = tuple(op.outputs[i] for i in kept)
    return replace(op, outputs=outputs, blocks=(replace(body, results=results),))
