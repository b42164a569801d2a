"""Where each value is computed: statements, written backwards from what a pass has to produce."""

from __future__ import annotations

from jitorch.codegen import expression
from jitorch.codegen.kernel import (
    Let,
    Load,
    Number,
    Place,
    Statement,
    Store,
)
from jitorch.codegen.schedule.frame import Frame
from jitorch.errors import Loc
from jitorch.ir.core import Op, Value
from jitorch.ir.opdef import OPS, Picks
from jitorch.ir.types import TensorType
from jitorch.passes.cost import is_expensive
from jitorch.passes.domain import Read
from jitorch.passes.fusible import filled_with, picks_of


class Values(Frame):
    """Writes the statements that give names to values."""

    def outer_block(self, phase: int, varies: set[int] | frozenset[int]) -> list[Statement]:
        if phase > 0:
            return self.passes[phase - 1].after
        return self.row if varies else self.once

    def loc(self, v: Value) -> Loc:
        return self.producer[v].loc

    def operand(self, op: Op, i: int, number: int) -> str:
        read = self.domain.reads[op, i]
        if read.root in self.filled:
            return self.constant(read.root, filled_with(self.filled[read.root]))
        if read.root in self.params or read.root in self.counting:
            return self.load(op, read, number)
        return self.value(read.root, number)

    def load(self, op: Op, read: Read, number: int) -> str:
        """Return the name of an element of an operand, read where its axes are known."""
        v = read.root
        if not isinstance(v.type, TensorType):
            kind = "float" if v.type.kind == "float" else "int"  # type: ignore[union-attr]
            return self.slot(
                v, self.names.again(v, v.hint or "scalar"), kind, Number(self.params[v])
            )
        key = (v, read.dims)
        axes = self.read_axes(read)
        inner = bool(axes & self.level_axes)
        names = self.passes[number].names if inner else self.outer_names
        if key not in names:
            name = self.names.again(key, v.hint)
            names[key] = name
            block = self.passes[number].body if inner else self.outer_block(0, axes)
            tag, index = expression.register(v.type.dtype), self.index(v, read.dims)
            if v in self.counting:
                block.append(Place(name, tag, index, op.loc))
            else:
                block.append(Load(name, tag, self.pointer(v), index, op.loc))
        return names[key]

    def value(self, v: Value, number: int) -> str:
        """Return the text that stands for a computed value in pass `number`."""
        op = self.producer[v]
        if op.name == "constant":
            return self.constant(v, op.attrs["value"])
        if self.known(v, number) is None:
            for needed in self.unknown(v, number):
                self.compute(needed, number)
        name = self.known(v, number)
        assert name is not None
        return name

    def constant(self, v: Value, number: object) -> str:
        """Return the text of a number as an element of a value."""
        t = v.type
        assert isinstance(t, TensorType)
        return expression.constant(number, t.dtype)

    def known(self, v: Value, number: int) -> str | None:
        """Return the name of a value that pass `number` has."""
        return self.names_for(v, number).get(v)

    def names_for(self, v: Value, number: int) -> dict[object, str]:
        return self.passes[number].names if self.is_inner(v) else self.outer_names

    def unknown(self, v: Value, number: int) -> list[Value]:
        """Return, in program order, what is to be computed for `v`; take back what can be."""
        found: set[Value] = set()
        todo = [v]
        while todo:
            x = todo.pop()
            op = self.producer.get(x)
            if op is None or op.name == "constant" or x in found:
                continue
            if self.known(x, number) is None and not self.take_back(x, op, number):
                found.add(x)
                todo += [self.domain.reads[op, i].root for i in range(len(op.inputs))]
        return [op.output for op in self.ops if op.output in found]

    def compute(self, v: Value, number: int) -> None:
        """Write the statement that computes a value, where what it varies with is known."""
        op, t = self.producer[v], v.type
        assert isinstance(t, TensorType)
        how = picks_of(op)
        if how is not None:
            self.pick(op, how, number)
            return
        operands = [self.operand(op, i, number) for i in range(len(op.inputs))]
        if OPS[op.name].reduce is not None:  # over dimensions of size 1
            text = expression.fold_step(op).format(acc=expression.fold_init(op), x=operands[0])
        else:
            text = expression.elementwise(op, operands)
        name = self.name_of(v, number)
        uses = tuple(o for o in operands if o.isidentifier())
        let = Let(name, expression.register(t.dtype), text, uses, op.loc)
        self.block_of(v, number).append(let)

    def pick(self, op: Op, how: Picks, number: int) -> None:
        """Write the load of an element whose place indices tell; `Picking` does."""
        raise NotImplementedError

    def name_of(self, v: Value, number: int) -> str:
        name = self.names_for(v, number)[v] = self.names.again(v, v.hint)
        return name

    def block_of(self, v: Value, number: int) -> list[Statement]:
        """Return where a value is computed in pass `number`."""
        if self.is_inner(v):
            return self.passes[number].body
        return self.outer_block(self.phase[v], self.domain.varies[v])

    # What a later pass needs again.

    def take_back(self, v: Value, op: Op, number: int) -> bool:
        """Load a value of an earlier pass from memory, if it is there or worth being there."""
        if not self.is_inner(v):
            return False
        made = self.first_pass(v)
        if made is None or made >= number:
            return False
        if v not in self.stored and not (self.is_costly(v) and self.keep(v, made, number)):
            return False
        since, host = self.stored[v]
        if since >= number or self.overwritten(v, host, number):
            return False
        result = self.body.results[host]
        t = v.type
        assert isinstance(t, TensorType)
        name = self.names.again(v, v.hint)
        self.passes[number].names[v] = name
        index = self.index(result, self.domain.of[result])
        tag = expression.register(t.dtype)
        self.passes[number].body.append(Load(name, tag, self.pointer(result), index, op.loc))
        return True

    def first_pass(self, v: Value) -> int | None:
        return next(
            (i for i, d in enumerate(self.passes) if v in d.names and i < len(self.passes) - 1),
            None,
        )

    def overwritten(self, v: Value, host: int, number: int) -> bool:
        """Whether the memory that had the value has the result itself by now."""
        result = self.body.results[host]
        return result is not v and self.phase[result] < number

    def is_costly(self, v: Value) -> bool:
        """Whether computing the value again costs more than keeping it."""
        if not self.habits.keep:
            return False
        seen: set[Value] = set()
        todo = [v]
        while todo:
            op = self.producer.get(todo.pop())
            if op is None or op.output in seen or not self.is_inner(op.output):
                continue
            seen.add(op.output)
            if is_expensive(op):
                return True
            if op.output not in self.stored:
                todo += [self.domain.reads[op, i].root for i in range(len(op.inputs))]
        return False

    def keep(self, v: Value, made: int, number: int) -> bool:
        """Store the value, in the pass that makes it, where a result will be later."""
        for w, index in self.outputs.items():
            fits = w.type == v.type and self.is_full(w) and self.domain.of[w] == self.domain.of[v]
            if fits and is_exact(v) and index not in self.hosts and self.phase[w] >= number:
                self.hosts[index] = v
                draft = self.passes[made]
                store = Store(
                    self.pointer(w), self.index(w, self.domain.of[w]), draft.names[v], self.loc(v)
                )
                draft.body.append(store)
                self.stored[v] = (made, index)
                return True
        return False


def is_exact(v: Value) -> bool:
    """Whether a value comes back from memory as it was: half is computed in single and rounded there."""
    return isinstance(v.type, TensorType) and v.type.dtype.tag != "f16"
