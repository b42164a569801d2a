"""Elements picked by indices: loads whose place is in part a value."""

from __future__ import annotations

from jitorch.codegen import expression
from jitorch.codegen.kernel import (
    Fault,
    Let,
    Load,
    Place,
)
from jitorch.codegen.schedule.values import Values
from jitorch.ir.core import Op
from jitorch.ir.dims import Dim, at_least, product
from jitorch.ir.opdef import Picks
from jitorch.ir.types import TensorType
from jitorch.passes.fusible import filled_with


class Picking(Values):
    """Writes what is picked."""

    def pick(self, op: Op, how: Picks, number: int) -> None:
        """Write the load of an element whose place indices tell."""
        read, v = self.domain.reads[op, 0], op.output
        places = {k: self.place(op, how, k, number) for k in range(1, len(op.inputs))}
        table, t = read.root, v.type
        assert isinstance(t, TensorType)
        strides = self.strides(table, tuple(range(table.type.ndim)))  # type: ignore[union-attr]
        steps: dict[int, int | str] = dict.fromkeys(places, 0)  # so that each index is looked at
        steps.update((k, self.distance(strides[d], table)) for k, d in read.picked)
        picked = tuple((places[k], step) for k, step in steps.items())
        name, tag, block = (
            self.name_of(v, number),
            expression.register(t.dtype),
            self.block_of(v, number),
        )
        index = self.index(table, read.dims)
        if table in self.filled:
            text = self.constant(table, filled_with(self.filled[table]))
            block.append(Let(name, tag, text, tuple(places.values()), op.loc))
        elif table in self.counting:
            block.append(Place(name, tag, index, op.loc, picked))
        else:
            block.append(Load(name, tag, self.pointer(table), index, op.loc, picked))

    def picks(self, op: Op, how: Picks) -> Dim:
        """Return how many places the indices tell together."""
        made = op.output.type
        assert isinstance(made, TensorType)
        ndim = max(v.type.ndim for v in op.inputs[1:])  # type: ignore[union-attr]
        return product(made.shape[how.at : how.at + ndim])

    def place(self, op: Op, how: Picks, k: int, number: int) -> str:
        """Return the name of operand `k`, an index, checked and counted from the start."""
        index = self.operand(op, k, number)
        read, t = self.domain.reads[op, k], op.inputs[0].type
        assert isinstance(t, TensorType)
        varies = self.varies(read)
        inner = bool(varies & self.level_axes)
        names = self.passes[number].names if inner else self.outer_names
        if (op, k) in names:
            return names[op, k]
        name = names[op, k] = self.names.new(f"{op.inputs[0].hint or 'x'}_place")
        dim = how.dims[k - 1]
        size = t.shape[dim]
        note = Fault(dim, op.loc, self.picks(op, how), size, self.may_exceed(op, how))
        fault = self.slot((op, k), "p_fault", "i64", note, pointer=True)
        check = "picked" if how.back else "picked_ahead"
        text = f"{check}({index}, {self.size(size, 'size')}, {fault})"
        uses = (index,) if index.isidentifier() else ()
        body = self.passes[number].body if inner else None
        block = self.outer_block(self.phase.get(read.root, 0), varies) if body is None else body
        block.append(Let(name, "i64", text, uses, op.loc, notes=True))
        return name

    def may_exceed(self, op: Op, how: Picks) -> tuple[tuple[int, Dim, Dim], ...]:
        """Return the dimensions along which the result may be larger than what it picks from."""
        x, made = op.inputs[0].type, op.output.type
        assert isinstance(x, TensorType)
        assert isinstance(made, TensorType)
        sizes = [
            (d, made.shape[at], x.shape[d]) for d, at in enumerate(how.walks) if at is not None
        ]
        return tuple(each for each in sizes if not at_least(each[2], each[1]))
