"""Which ops share a kernel: groups grow from consumers to producers, then siblings join."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from jitorch.ir.core import Block, Op, Value
from jitorch.ir.dims import Shape
from jitorch.ir.opdef import OPS
from jitorch.ir.types import TensorType
from jitorch.passes.cost import is_expensive
from jitorch.passes.dependencies import Dependencies, operands
from jitorch.passes.domain import Domain, Mismatch, analyse
from jitorch.passes.fusible import is_fusible, picks_of

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


class Grouping:
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
                for v in operands(op):
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
        definition = OPS[op.name]
        if not self.fusible[i] or definition.reduce is not None or definition.picks is not None:
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
        if self.tensors(ops, members) > MAX_TENSORS:
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

    def tensors(self, ops: Sequence[Op], members: Sequence[int]) -> int:
        """Return how many values a kernel of `ops`, free ones among them, takes and hands out."""
        made = {v for op in ops for v in op.outputs}
        read = {v for op in ops for v in op.inputs if v not in made}
        return len(read) + len(self.handed_out(members))

    def handed_out(self, members: Iterable[int]) -> set[Value]:
        """Return the values of the group that others use."""
        inside = set(members)
        return {v for i in inside for v in self.ops[i].outputs if self.users.get(v, set()) - inside}

    def waste(self, members: Sequence[int], domain: Domain) -> str:
        """Return why a kernel over the domain would do work more than once, "" if it would not."""
        handed_out = self.handed_out(members)
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
        return "" if domain.reduced else self.across(members, handed_out, domain)

    def across(self, members: Sequence[int], handed_out: set[Value], domain: Domain) -> str:
        """Return why a kernel would pick rows and walk across them, "" if it would not."""
        innermost = {axes[-1] for v in handed_out if (axes := domain.of[v])}
        for i in members:
            op = self.ops[i]
            how = picks_of(op)
            rows = how is not None and how.walks[-1] is not None
            if rows and innermost.isdisjoint({None, domain.of[op.output][-1]}):
                return f"{_name(op)} would pick rows and walk across them"
        return ""

    def groups(self) -> list[Group]:
        roots = sorted(
            (g for g in self.members if self.fusible[g] and self.pays(g)),
            key=lambda g: self.members[g][0],
        )
        return [Group(tuple(self.ops[i] for i in self.members[g])) for g in roots]

    def pays(self, g: int) -> bool:
        """Whether a group is worth a kernel: a lone copy is not, unless it turns its operand."""
        first, *others = self.members[g]
        if others or not OPS[self.ops[first].name].moves:
            return True
        read = analyse(self.with_free([first])).reads[self.ops[first], 0]
        axes = [a for a in read.dims if a is not None]
        return axes != sorted(axes)


def _leading(axes: frozenset[int]) -> bool:
    """Whether the axes are the outermost ones: what varies with them is computed once per row."""
    return axes == frozenset(range(len(axes)))


def _name(op: Op) -> str:
    hint = next((v.hint for v in op.outputs if v.hint), "")
    what = f"{op.name} '{hint}'" if hint else op.name
    return f"{what} ({op.loc})" if op.loc.known else what
