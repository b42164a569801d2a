"""Memory planning: which results take over memory that nothing needs any more.

    %a = fused(%x) ...          new memory
    %b = fused(%a) ...          where %a was, if nothing uses %a afterwards
    %q = write(%p, %v) ...      in place, if nothing reads the old %p afterwards
    %l = append(%k, %v)         in place, if %k is used nowhere else

Arguments, constants and whatever the caller may still see are never written to. `plan_memory` only
states what may be done; the kernel generator leaves a result alone whose kernel reads the old
memory at another index than it writes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from jitorch.ir.alias import shared
from jitorch.ir.core import Block, Graph, Op, Value, free_values, uses
from jitorch.ir.dims import Dim, dim_max, product
from jitorch.ir.opdef import OPS
from jitorch.ir.types import ListType, TensorType
from jitorch.passes.mutation import Mutation


@dataclass(frozen=True)
class MemoryPlan:
    """What may happen in place.

    reuse     result of a kernel -> the operand whose memory it may take
    in_place  `write` and `append` ops that may change their first operand
    parts     result of a kernel -> the op that joins it with others, for which alone it is made
    own       tensors carried by loops that need a copy of their own before the first iteration
    peak      bytes of the largest set of tensors that are alive at once, arguments left out
    """

    reuse: dict[Value, Value]
    in_place: frozenset[Op]
    own: frozenset[Value]
    parts: dict[Value, Op]
    peak: Dim

    def __str__(self) -> str:
        lines = [f"{_name(v)} takes the memory of {_name(old)}" for v, old in self.reuse.items()]
        lines += [f"{op.name} '{_name(op.inputs[0])}' happens in place" for op in self.in_place]
        lines += [f"{_name(v)} is made in {_name(op.output)}" for v, op in self.parts.items()]
        return "\n".join([*lines, f"peak: {self.peak} bytes besides the arguments"])


def plan_memory(graph: Graph) -> MemoryPlan:
    """Return what of a fused graph may happen in place."""
    planner = _Planner(graph)
    for block in _blocks(graph.block):
        planner.block(block)
    return MemoryPlan(
        planner.reuse,
        frozenset(planner.in_place),
        frozenset(planner.own),
        planner.parts,
        planner.peak(graph.block),
    )


def _blocks(block: Block) -> Iterator[Block]:
    yield block
    for op in block.ops:
        if op.name != "fused":
            for inner in op.blocks:
                yield from _blocks(inner)


class _Planner:
    def __init__(self, graph: Graph) -> None:
        ops = list(graph.walk())
        self.uses = uses(graph.block)
        self.maker = {v: op for op in ops for v in op.outputs}
        self.sharing: dict[Value, list[Value]] = {}
        for op in ops:
            for out, source in shared(op):
                self.sharing.setdefault(source, []).append(out)
        self.reuse: dict[Value, Value] = {}
        self.in_place: set[Op] = set()
        self.own: set[Value] = set()
        self.parts: dict[Value, Op] = {}

    def block(self, block: Block) -> None:
        last = _last_uses(block)
        made = {v for op in block.ops for v in op.outputs}
        for i, op in enumerate(block.ops):
            if op.name == "fused":
                self.kernel(op, i, last, made)
            elif op.name == "write":
                if (
                    op.inputs[0] in made
                    and self.is_ours(op.inputs[0])
                    and self.dies(op.inputs[0], op, i, last)
                ):
                    self.in_place.add(op)
            elif op.name == "append" and self.grows_alone(op, block):
                self.in_place.add(op)
            elif op.name == "loop":
                self.loop(op, block)
            elif OPS[op.name].joins is not None:
                self.join(op, made)

    def kernel(self, op: Op, i: int, last: dict[Value, int], made: set[Value]) -> None:
        taken: set[Value] = set()
        for out in op.outputs:
            for v in op.inputs:
                fits = v.type == out.type and isinstance(v.type, TensorType) and v.type.ndim > 0
                if (
                    fits
                    and v not in taken
                    and v in made
                    and self.is_ours(v)
                    and self.dies(v, op, i, last)
                ):
                    self.reuse[out] = v
                    taken.add(v)
                    break

    def join(self, op: Op, made: set[Value]) -> None:
        """Let kernels compute what is joined in its place, if the places are pieces of memory."""
        joins, t = OPS[op.name].joins, op.output.type
        assert joins is not None
        assert isinstance(t, TensorType)
        if product(t.shape[: joins(**op.attrs)]) != 1:
            return
        for v in op.inputs:
            chain = same_elements(v, self.maker)
            root = chain[-1]
            maker = self.maker.get(root)
            alone = all(self.uses[each] == 1 for each in chain)
            if maker is not None and maker.name == "fused" and alone and root in made:
                self.parts[root] = op
                self.reuse.pop(root, None)

    def is_ours(self, v: Value) -> bool:
        """Whether the value's memory was made for it; other library calls may return an operand."""
        op = self.maker.get(v)
        if op is None:
            return False
        creates = OPS[op.name].pure and not op.blocks and not op.inputs and op.name != "constant"
        creates = creates or OPS[op.name].scan is not None
        return op.name in ("fused", "matmul", "write") or creates

    def dies(self, v: Value, op: Op, i: int, last: dict[Value, int]) -> bool:
        """Whether nothing can see the value's memory after op `i` of the block."""
        seen, todo = {v}, [v]
        while todo:
            for other in self.sharing.get(todo.pop(), ()):
                if other not in seen:
                    seen.add(other)
                    todo.append(other)
        if op.name == "write":
            seen.discard(op.output)
        inside = [x for x in op.inputs if x in seen]
        return len(inside) == 1 and all(last.get(x, i) <= i for x in seen)

    def grows_alone(self, op: Op, block: Block) -> bool:
        """Whether the list that grows is used here only, and not again when a loop comes back."""
        base = op.inputs[0]
        if self.uses[base] != 1:
            return False
        if any(base in o.outputs for o in block.ops):
            return self.maker[base].name in ("empty_list", "list", "append", "extend")
        return base in self.carried_lists

    @property
    def carried_lists(self) -> set[Value]:
        """Return the lists that a loop carries, that start as new and are only handed on."""
        out: set[Value] = set()
        for op in {o for o in self.maker.values() if o.name == "loop"}:
            (body,) = op.blocks
            for k, (param, result) in enumerate(
                zip(body.params[1:], body.results[1:], strict=True)
            ):
                init = op.inputs[k + 2]
                fresh = init in self.maker and self.maker[init].name in (
                    "empty_list",
                    "list",
                    "append",
                )
                if isinstance(param.type, ListType) and fresh and self.uses[init] == 1:
                    grown = self.maker.get(result)
                    if grown is not None and grown.name == "append" and grown.inputs[0] is param:
                        out.add(param)
        return out

    def loop(self, op: Op, block: Block) -> None:
        """Let writes to carried tensors happen in place, in a copy made before the loop."""
        mutation = Mutation(op)
        (body,) = op.blocks
        for k, param in enumerate(body.params[1:]):
            if isinstance(param.type, TensorType) and mutation.is_changed(op, k):
                writes = [
                    o
                    for o in mutation.place
                    if o.name == "write" and mutation.origin(o.output) is param
                ]
                if writes and not any(mutation.is_read_later(o) for o in writes):
                    self.own.add(param)
                    self.in_place.update(writes)

    def peak(self, block: Block) -> Dim:
        """Return the most bytes that tensors of the block take at once."""
        last = _last_uses(block)
        most: Dim = 0
        alive: dict[Value, Dim] = {}
        for i, op in enumerate(block.ops):
            inner: Dim = 0
            for each in op.blocks if op.name != "fused" else ():
                inner = dim_max(inner, self.peak(each))
            for v in op.outputs:
                if isinstance(v.type, TensorType) and not OPS[op.name].view and v not in self.reuse:
                    alive[v] = product(v.type.shape) * v.type.dtype.itemsize
            total: Dim = inner
            for size in alive.values():
                total = total + size
            most = _larger(most, total)
            for v in [
                v
                for v in alive
                if last.get(v, len(block.ops)) <= i and v not in self.reuse.values()
            ]:
                del alive[v]
        return most


def same_elements(v: Value, maker: Mapping[Value, Op]) -> list[Value]:
    """Return the tensor and those it is made of by ops that only put in or leave out sizes of 1."""
    chain = [v]
    while (op := maker.get(chain[-1])) is not None and _keeps_order(op):
        chain.append(op.inputs[0])
    return chain


def _keeps_order(op: Op) -> bool:
    rename = OPS[op.name].axes
    if rename is None:
        return False
    x, t = op.inputs[0].type, op.output.type
    assert isinstance(x, TensorType)
    assert isinstance(t, TensorType)
    dims = [d for d in rename(x, **op.attrs) if d is not None]
    return dims == sorted(dims) and product(x.shape) == product(t.shape)


def _larger(a: Dim, b: Dim) -> Dim:
    """Return the larger of two sizes, symbols being at least 0; their maximum where it is open."""
    difference = b - a
    if isinstance(difference, int):
        return b if difference > 0 else a
    factors = [factor for _, factor in difference.terms]
    if all(f > 0 for f in factors):
        return b
    return a if all(f < 0 for f in factors) else dim_max(a, b)


def _last_uses(block: Block) -> dict[Value, int]:
    """Return the number of the last op that uses each value; results are used after all ops."""
    last: dict[Value, int] = {}
    for i, op in enumerate(block.ops):
        for v in (*op.inputs, *(v for inner in op.blocks for v in free_values(inner))):
            last[v] = i
    last.update((v, len(block.ops)) for v in block.results)
    return last


def _name(v: Value) -> str:
    return v.hint or "an unnamed value"
