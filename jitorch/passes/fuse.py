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
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from jitorch.ir.core import Block, Graph, Op, Value, free_values, walk
from jitorch.ir.dims import Shape
from jitorch.ir.facts import binders, op_symbols, type_symbols
from jitorch.ir.opdef import OPS
from jitorch.ir.rebuild import Rewrite, inline, rebuild
from jitorch.ir.types import TensorType
from jitorch.passes.cost import is_expensive
from jitorch.passes.dce import dce
from jitorch.passes.domain import Domain, Mismatch, analyse, is_free, is_fusible

# A kernel has an argument slot for each tensor, and its compile time grows with its ops.
MAX_OPS = 256
MAX_TENSORS = 64

_REPEATED = "once for every element of a larger shape"


@dataclass(frozen=True, slots=True)
class Group:
    """Ops that become one kernel, in program order."""

    ops: tuple[Op, ...]

    def __str__(self) -> str:
        return " ".join(op.name for op in self.ops)


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
        grouping = _Grouping(block)
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


# ------------------------------------------------------------------------------------ dependencies


class Dependencies:
    """Which ops of a block must come before which: by values, sizes, side effects and writes."""

    def __init__(self, block: Block) -> None:
        self.ops = block.ops
        self.producer = {v: i for i, op in enumerate(block.ops) for v in op.outputs}
        self.free = [is_fusible(op) and is_free(op) for op in block.ops]
        self.before: list[set[int]] = []
        binder: dict[str, int] = {}
        effect: int | None = None
        write: int | None = None
        for i, op in enumerate(block.ops):
            found = {self.producer[v] for v in _operands(op) if v in self.producer}
            found |= {binder[name] for name in _symbols_used(op) if name in binder}
            if any(not OPS[o.name].pure for o in _with_inner(op)):
                found |= set() if effect is None else {effect}
                effect = i
            # Whatever stands before a write to an argument may read what it overwrites.
            if any(o.name == "assign" for o in _with_inner(op)):
                found |= set(range(i))
                write = i
            elif write is not None:
                found.add(write)
            self.before.append(found)
            for name in _new_symbols(op):
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


def _with_inner(op: Op) -> Iterator[Op]:
    yield op
    for block in op.blocks:
        yield from walk(block)


def _operands(op: Op) -> list[Value]:
    return [*op.inputs, *(v for block in op.blocks for v in free_values(block))]


def _symbols_used(op: Op) -> set[str]:
    names: set[str] = set()
    for each in _with_inner(op):
        names |= op_symbols(each)
        names.update(name for v in each.outputs for name in type_symbols(v.type))
    return names


def _new_symbols(op: Op) -> set[str]:
    """Return the symbols that the op's results give a value: those its inputs do not mention."""
    old = {name for v in op.inputs for name in type_symbols(v.type)} | op_symbols(op)
    return {name for v in op.outputs for name in binders(v.type)} - old


# ---------------------------------------------------------------------------------------- analysis


class _Grouping:
    """The groups of one block, a union-find forest over op numbers."""

    def __init__(self, block: Block) -> None:
        self.block = block
        self.ops = block.ops
        self.deps = Dependencies(block)
        self.free = self.deps.free
        self.fusible = [
            is_fusible(op) and not free for op, free in zip(self.ops, self.free, strict=True)
        ]
        self.parent = list(range(len(self.ops)))
        self.members = {i: [i] for i in range(len(self.ops)) if not self.free[i]}
        self.needs = {i: self.deps.behind_free(i) for i in self.members}
        self.users = self.find_users()
        self.uniform: dict[int, Shape | None] = {i: self.uniform_shape(i) for i in self.members}
        self.reasons: list[str] = []

    def find_users(self) -> dict[Value, set[int]]:
        """Return the ops that use each value, also behind free ops; -1 for the block's results."""
        users: dict[Value, set[int]] = {}
        for i, op in enumerate(self.ops):
            if not self.free[i]:
                for v in _operands(op):
                    users.setdefault(v, set()).add(i)
        for v in self.block.results:
            users.setdefault(v, set()).add(-1)
        for i in reversed(range(len(self.ops))):
            if self.free[i]:
                for v in self.ops[i].inputs:
                    users.setdefault(v, set()).update(users.get(self.ops[i].output, ()))
        return users

    def uniform_shape(self, i: int) -> Shape | None:
        """Return the one shape that all tensors of an elementwise op have, scalars aside."""
        op = self.ops[i]
        if not self.fusible[i] or OPS[op.name].reduce is not None:
            return None
        shapes = set()
        for v in (*op.inputs, *op.outputs):
            j = self.deps.producer.get(v)
            if j is not None and OPS[self.ops[j].name].axes is not None:
                return None
            if isinstance(v.type, TensorType) and (v.type.shape or v in op.outputs):
                shapes.add(v.type.shape)
        return shapes.pop() if len(shapes) == 1 else None

    def find(self, i: int) -> int:
        while self.parent[i] != i:
            self.parent[i] = self.parent[self.parent[i]]
            i = self.parent[i]
        return i

    def run(self) -> None:
        for i in range(len(self.ops)):
            if self.fusible[i]:
                self.join_producers(i)
        self.join_siblings()

    def join_producers(self, i: int) -> None:
        for j in sorted(self.value_producers(i), reverse=True):
            if self.find(i) == self.find(j):
                continue
            if not self.fusible[j]:
                scans = OPS[self.ops[j].name].scan is not None
                what = "a kernel of its own" if scans else "a library call"
                reason = f"{self.ops[j].name} is {what}"
                if any(isinstance(v.type, TensorType) for v in self.ops[j].outputs):
                    self.reasons.append(f"{_name(self.ops[i])}: {reason}")
                continue
            reason = self.merge(i, j)
            if reason:
                self.reasons.append(f"{_name(self.ops[i])} with {_name(self.ops[j])}: {reason}")

    def value_producers(self, i: int) -> set[int]:
        """Return the ops that compute the operands of op `i`, behind any free ops."""
        out: set[int] = set()
        todo = list(self.ops[i].inputs)
        while todo:
            j = self.deps.producer.get(todo.pop())
            if j is not None and self.free[j]:
                todo += self.ops[j].inputs
            elif j is not None:
                out.add(j)
        return out

    def join_siblings(self) -> None:
        """Merge groups that read the same tensor."""
        readers: dict[Value, list[int]] = {}
        for i in range(len(self.ops)):
            if self.fusible[i]:
                for v in self.ops[i].inputs:
                    if isinstance(v.type, TensorType) and v.type.shape:
                        readers.setdefault(v, []).append(i)
        for indices in readers.values():
            for i, j in itertools.pairwise(indices):
                if self.find(i) != self.find(j):
                    self.merge(i, j)

    def merge(self, i: int, j: int) -> str:
        """Make one group of the groups of two ops, or return why that can't be."""
        a, b = self.find(i), self.find(j)
        members = sorted(self.members[a] + self.members[b])
        reason = self.obstacle(a, b, members)
        if reason:
            return reason
        self.parent[b] = a
        self.members[a] = members
        del self.members[b]
        self.needs[a] |= self.needs.pop(b)
        same = self.uniform[a] == self.uniform[b]
        self.uniform[a] = self.uniform[a] if same else None
        return ""

    def obstacle(self, a: int, b: int, members: list[int]) -> str:
        if len(members) > MAX_OPS:
            return f"a kernel holds at most {MAX_OPS} ops"
        if self.device(a) != self.device(b):
            return "they are on different devices"
        if self.makes_cycle(a, b):
            return "an op between them needs the one and is needed by the other"
        ops = self.with_free(members)
        if (
            len({v for op in ops for v in (*op.inputs, *op.outputs)} & self.crossing(members))
            > MAX_TENSORS
        ):
            return f"a kernel takes at most {MAX_TENSORS} tensors"
        if self.uniform[a] is not None and self.uniform[a] == self.uniform[b]:
            return ""
        try:
            domain = analyse(ops)
        except Mismatch as mismatch:
            return str(mismatch)
        return self.waste(members, domain)

    def device(self, i: int) -> str:
        """Return where the group of a fusible op computes."""
        t = self.ops[i].output.type
        assert isinstance(t, TensorType)
        return t.device

    def makes_cycle(self, a: int, b: int) -> bool:
        """Whether a path leads out of the two groups and back into them."""
        todo = [g for g in map(self.find, self.needs[a] | self.needs[b]) if g not in (a, b)]
        seen = set(todo)
        while todo:
            for g in map(self.find, self.needs[todo.pop()]):
                if g in (a, b):
                    return True
                if g not in seen:
                    seen.add(g)
                    todo.append(g)
        return False

    def with_free(self, members: Sequence[int]) -> list[Op]:
        """Return the ops with the free ops they use, in program order."""
        inside = set(members)
        todo = list(members)
        while todo:
            for v in self.ops[todo.pop()].inputs:
                j = self.deps.producer.get(v)
                if j is not None and self.free[j] and j not in inside:
                    inside.add(j)
                    todo.append(j)
        return [self.ops[i] for i in sorted(inside)]

    def crossing(self, members: Iterable[int]) -> set[Value]:
        """Return the values that the group reads from outside or hands out."""
        inside = set(members)
        read = {
            v for i in inside for v in self.ops[i].inputs if self.deps.producer.get(v) not in inside
        }
        return read | {
            v for i in inside for v in self.ops[i].outputs if self.users.get(v, set()) - inside
        }

    def waste(self, members: Sequence[int], domain: Domain) -> str:
        """Return why a kernel over the domain would do work more than once, "" if it would not."""
        handed_out = self.crossing(members)
        for i in members:
            op = self.ops[i]
            axes = {a for a in domain.of[op.output] if a is not None}
            per_row = bool(domain.reduced) and not axes & domain.reduced
            whole = domain.outer if per_row else domain.axes
            if axes == whole:
                continue
            if op.output in handed_out:
                return f"the result of {_name(op)} would be stored {_REPEATED}"
            varies = domain.varies[op.output]
            if is_expensive(op) and varies and not _leading(varies):
                return f"{_name(op)} would be computed {_REPEATED}"
        return ""

    def groups(self) -> list[Group]:
        roots = sorted(
            (g for g in self.members if self.fusible[g]), key=lambda g: self.members[g][0]
        )
        return [Group(tuple(self.ops[i] for i in self.members[g])) for g in roots]


def _leading(axes: frozenset[int]) -> bool:
    """Whether the axes are the outermost ones: what varies with them is computed once per row."""
    return axes == frozenset(range(len(axes)))


def _name(op: Op) -> str:
    hint = next((v.hint for v in op.outputs if v.hint), "")
    what = f"{op.name} '{hint}'" if hint else op.name
    return f"{what} ({op.loc})" if op.loc.known else what


# ----------------------------------------------------------------------------------------- rewrite


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
            used.update(_operands(op))
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
        used.update(_operands(op))
    return replace(block, ops=tuple(reversed(ops)))


def _with_outputs(op: Op, used: set[Value]) -> Op:
    kept = [i for i, v in enumerate(op.outputs) if v in used]
    (body,) = op.blocks
    results = tuple(body.results[i] for i in kept)
    outputs = tuple(op.outputs[i] for i in kept)
    return replace(op, outputs=outputs, blocks=(replace(body, results=results),))
