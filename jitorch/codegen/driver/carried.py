"""What loops of native drivers carry: pairs of buffers, memory that is written to, lists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from jitorch.codegen.driver.base import Outer, Result
from jitorch.codegen.driver.ops import DriverOps
from jitorch.codegen.driver.paired import PairedWrite, paired_write
from jitorch.codegen.driver.renewed import renewed_by
from jitorch.codegen.driver.values import ListRef, Ref, Scalar, TensorRef
from jitorch.ir.core import Block, Op, Value
from jitorch.ir.dims import Dim, product
from jitorch.ir.facts import plain
from jitorch.ir.opdef import OPS
from jitorch.ir.types import ListType, TensorType

# More iterations than any list has room for: what `while` loops give as their number of trips.
_MANY = 2**40


@dataclass
class DriverCarried(DriverOps):
    """Writes the variables of carried values, before a loop and at the end of an iteration.

    `given` has, by result of the loop, the tensors from outside whose memory it may turn out to be.
    """

    given: dict[int, list[Value]] = field(default_factory=dict)

    def lies_in(self, address: str, v: Value) -> str:
        """Return the condition that an address lies in the memory of a tensor from outside."""
        outer = self.tensor(v)
        past = f"{outer.address} + {self.bytes(outer.type)}"
        return f"{address} == {outer.address} or {outer.address} <= {address} < {past}"

    def carry_in(self, op: Op, i: int, v: Value, init: Value, outermost: bool, entered: str) -> str:
        """Write the variable of a carried value and return its name.

        `entered` is the condition that there is an iteration.
        """
        t = v.type
        name = self.names.new(v.hint or "carried")
        if isinstance(t, ListType):
            return self.carry_list(op, i, v, init, name, outermost)
        if isinstance(t, TensorType):
            first = self.tensor(init)
            if first.strides is not None:
                raise self.unsupported("a carried tensor is not contiguous at first")
            for symbol, d in zip(t.shape, first.type.shape, strict=True):
                self.same_size(symbol, d)
            if self.mutation.is_changed(op, i):
                paired = None
                if first.root not in self.mutable:
                    paired = paired_write(op, i, self.is_fixed)
                if paired is not None:
                    return self.carry_pair(i, v, first, name, outermost, paired)
                return self.carry_memory(i, v, first, name, outermost)
            made = None if first.root in self.mutable else renewed_by(op, i, self.made)
            if made is not None:
                self.renewed[made] = v
                return self.carry_renewed(i, v, first, name, outermost, entered)
            self.line(f"{name} = {first.address}")
            self.env[v] = TensorRef(name, first.type, None)
            return name
        self.line(f"{name} = {self.scalar(init)}")
        self.env[v] = Scalar(name)
        self.learn(t, name)
        return name

    def carry_pair(
        self, i: int, v: Value, first: TensorRef, name: str, outermost: bool, paired: PairedWrite
    ) -> str:
        """Write the variables of a tensor whose two copies take turns."""
        other = self.names.own(f"next_{v.hint or 'x'}")
        for variable in (name, other):
            self.line(f"{variable} = {self.room(i, first, v, outermost and variable == name)}")
            self.line(f"copy_bytes({variable}, {first.address}, {self.bytes(first.type)})")
        self.env[v] = TensorRef(name, first.type, None, v)
        self.pairs[v] = other
        self.parts[paired.made] = TensorRef(other, first.type, None), paired
        return name

    def carry_renewed(
        self, i: int, v: Value, first: TensorRef, name: str, outermost: bool, entered: str
    ) -> str:
        """Write the variable of a tensor that kernels write over; without any it stays what it is."""
        self.line(f"{name} = {first.address}")
        self.line(f"if {entered}:")
        self.line(f"    {name} = {self.room(i, first, v, outermost)}")
        self.line(f"    copy_bytes({name}, {first.address}, {self.bytes(first.type)})")
        self.env[v] = TensorRef(name, first.type, None, v)
        return name

    def room(self, i: int, first: TensorRef, v: Value, outermost: bool) -> str:
        """Return the address of memory for a carried tensor: where the result goes, or new."""
        if outermost:
            return self.slot(Result(i), f"p_out{i}", "pointer", Result(i))
        return self.allocate(product(first.type.shape), first.type.dtype.itemsize, v.hint)

    def carry_memory(self, i: int, v: Value, first: TensorRef, name: str, outermost: bool) -> str:
        """Write the variable of a tensor that the loop writes to; inner loops share its memory."""
        if first.root in self.mutable:
            self.line(f"{name} = {first.address}")
            self.env[v] = replace(first, address=name)
            return name
        self.line(f"{name} = {self.room(i, first, v, outermost)}")
        self.line(f"copy_bytes({name}, {first.address}, {self.bytes(first.type)})")
        self.mutable.add(v)
        self.env[v] = TensorRef(name, first.type, None, v)
        return name

    def same_size(self, declared: Dim, actual: Dim) -> None:
        """Let a size that the loop's parameter leaves open be what it is at first."""
        symbol = plain(declared)
        if symbol is not None and symbol not in self.known and symbol not in self.sizes:
            self.sizes[symbol] = self.fixed_size(actual)
            self.open[symbol] = actual
        elif declared != actual and (symbol is None or self.open.get(symbol) != actual):
            raise self.unsupported("a carried tensor changes its size")

    def carry_list(self, op: Op, i: int, v: Value, init: Value, name: str, outermost: bool) -> str:
        assert isinstance(v.type, ListType)
        if not isinstance(v.type.item, TensorType) or v.type.item.strided:
            raise self.unsupported(f"a {v.type} is built up")
        if outermost:
            self.check_trips(op)
            count = self.slot(("length", i), f"length_{i}", "int", Outer(init))
            buffer = self.slot(Result(i), f"p_out{i}", "pointer", Result(i))
        else:
            found = self.ref(init)
            if not isinstance(found, ListRef):
                raise self.unsupported("a list of an inner loop starts there")
            count, buffer = found.count, found.buffer
        self.line(f"{name} = {count}")
        self.env[v] = ListRef(buffer, name, v.type.item)
        return name

    def check_trips(self, op: Op) -> None:
        """Refuse a list where nothing bounds the number of iterations."""
        made = self.outside.get(op.inputs[0])
        trips = made.attrs.get("value") if made is not None else 0
        if isinstance(trips, int) and trips > _MANY:
            raise self.unsupported("a list grows in a `while` loop")

    def double_buffers(self, body: Block) -> dict[int, Value]:
        """Return, by result, the values that become the carried ones: each gets two buffers."""
        roots: dict[int, Value] = {}
        made = {v: op for op in body.ops for v in op.outputs}
        for i, v in enumerate(body.results[1:]):
            root = v
            while root in made and OPS[made[root].name].view:
                root = made[root].inputs[0]
            direct = root in made and made[root].name in ("fused", "matmul")
            direct = direct and root not in self.renewed
            if direct and isinstance(v.type, TensorType) and root not in roots.values():
                t = root.type
                assert isinstance(t, TensorType)
                pair = tuple(
                    self.allocate(product(t.shape), t.dtype.itemsize, root.hint) for _ in range(2)
                )
                names = (
                    self.names.own(f"now_{root.hint or 'x'}"),
                    self.names.own(f"next_{root.hint or 'x'}"),
                )
                for name, address in zip(names, pair, strict=True):
                    self.line(f"{name} = {address}")
                self.place[root] = names
                roots[i] = root
        return roots

    def carry_on(self, body: Block, carried: Sequence[str], roots: dict[int, Value]) -> None:
        """Write the end of an iteration: what it made is what the next one starts from."""
        updates: list[tuple[str, str]] = []
        swaps: list[tuple[str, str]] = []
        for i, (param, v) in enumerate(zip(body.params[1:], body.results[1:], strict=True)):
            found, mine = self.ref(v), self.env[param]
            if v is param or self.renewed.get(v) is param or self.is_written(found, mine):
                continue
            if isinstance(found, Scalar):
                updates.append((carried[i], found.text))
            elif param in self.pairs:
                updates += [(carried[i], self.pairs[param]), (self.pairs[param], carried[i])]
            elif isinstance(found, ListRef):
                if not isinstance(mine, ListRef) or mine.buffer != found.buffer:
                    raise self.unsupported("lists change places")
                updates.append((carried[i], found.count))
            else:
                updates.append((carried[i], self.carry_tensor(i, param, found, roots, swaps)))
        fresh = [self.names.own("new") for _ in updates]
        for name, (_, text) in zip(fresh, updates, strict=True):
            self.line(f"{name} = {text}")
        for name, (target, _) in zip(fresh, updates, strict=True):
            self.line(f"{target} = {name}")
        for now, other in swaps:
            self.line(f"swap = {now}")
            self.line(f"{now} = {other}")
            self.line(f"{other} = swap")

    def is_written(self, found: Ref, mine: Ref) -> bool:
        """Whether a carried tensor's next value lies where it lies itself."""
        if not isinstance(found, TensorRef) or not isinstance(mine, TensorRef):
            return False
        return found.root in self.mutable and mine.root is found.root

    def carry_tensor(
        self,
        i: int,
        param: Value,
        found: TensorRef,
        roots: dict[int, Value],
        swaps: list[tuple[str, str]],
    ) -> str:
        mine = self.tensor(param)
        if found.strides is not None:
            raise self.unsupported("a carried tensor is not contiguous")
        for a, b in zip(mine.type.shape, found.type.shape, strict=True):
            self.same_size(b, a)
        if i in roots:
            swaps.append(self.place[roots[i]])
            return found.address
        pair = [
            self.allocate(product(mine.type.shape), mine.type.dtype.itemsize, param.hint)
            for _ in range(2)
        ]
        now, other = self.names.own("now"), self.names.own("next")
        self.head += [f"{now} = {pair[0]}", f"{other} = {pair[1]}"]
        # A tensor that this iteration left alone, or took from outside, stays where it is.
        kept = self.names.own("kept")
        self.line(f"{kept} = {found.address}")
        given = dict.fromkeys(v for shown in self.given.values() for v in shown)
        stays = [f"{kept} == {mine.address}", *(self.lies_in(kept, v) for v in given)]
        self.line(f"if not ({' or '.join(stays)}):")
        self.line(f"    copy_bytes({now}, {found.address}, {self.bytes(mine.type)})")
        self.line(f"    {kept} = {now}")
        self.line(f"    {now} = {other}")
        self.line(f"    {other} = {kept}")
        return kept

    def renamed(self, found: Ref, name: str) -> Ref:
        match found:
            case TensorRef():
                return replace(found, address=name)
            case ListRef():
                return replace(found, count=name)
        return Scalar(name)

    def item_address(self, xs: ListRef) -> str:
        return f"{xs.buffer} + ({xs.count}) * {self.bytes(xs.item)}"
