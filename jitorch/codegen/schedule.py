"""From a fused op to a kernel: loops, passes, and where each value is computed.

The steps, in order: find the axes (`passes/domain.py`); choose the loop order and the layout;
collapse neighbouring axes that every operand walks without a gap, so that contiguous tensors become
one flat loop; number the passes (a reduction's result is known one pass after its operand); then
write each pass backwards from what it has to produce, reading again, computing again, or taking
back from memory what earlier passes had.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from jitorch.codegen import expression, narrow
from jitorch.codegen.kernel import (
    Axis,
    Fault,
    Fold,
    Index,
    Input,
    Kernel,
    Layout,
    Let,
    Load,
    Number,
    Output,
    Pass,
    Place,
    Scratch,
    Size,
    Slot,
    Source,
    Statement,
    Step,
    Store,
    Stride,
    carried,
)
from jitorch.codegen.loops import ANYWHERE, CPU, Access, Distance, Habits, Strides, choose_loops
from jitorch.codegen.names import Names
from jitorch.codegen.strides import (
    NO_PARTS,
    NOTHING_MADE,
    Makers,
    Strides as Known,
    contiguous,
    strides_of,
)
from jitorch.errors import Loc
from jitorch.ir.core import Op, Value
from jitorch.ir.dims import Dim, at_least, product
from jitorch.ir.opdef import OPS, Picks
from jitorch.ir.types import TensorType
from jitorch.passes.cost import is_expensive
from jitorch.passes.domain import (
    Axes,
    Read,
    analyse,
    filled_with,
    is_counting,
    is_known,
    picks_of,
)


def schedule(
    op: Op,
    made: Makers = NOTHING_MADE,
    parts: Mapping[Value, Known] = NO_PARTS,
    habits: Habits = CPU,
) -> Kernel:
    """Return the kernel of a `fused` op.

    `made` has the ops that made its operands, if known; `parts` the strides of results that are
    parts of other tensors.
    """
    return _Scheduler(op, made, parts, habits).kernel()


@dataclass
class _Draft:
    """A pass being written."""

    body: list[Statement] = field(default_factory=list)
    folds: list[Fold] = field(default_factory=list)
    after: list[Statement] = field(default_factory=list)
    names: dict[object, str] = field(default_factory=dict)  # values and reads that the body has


class _Scheduler:
    def __init__(self, op: Op, made: Makers, parts: Mapping[Value, Known], habits: Habits) -> None:
        (self.body,) = op.blocks
        self.habits = habits
        self.params = {v: i for i, v in enumerate(self.body.params)}
        self.walked = {
            v: strides_of(outer, made)
            for v, outer in zip(self.body.params, op.inputs, strict=True)
            if isinstance(outer.type, TensorType)
        }
        results = zip(self.body.results, op.outputs, strict=True)
        self.walked.update((v, parts[outer]) for v, outer in results if outer in parts)
        self.domain = analyse(self.body.ops)
        self.counting = {o.output for o in self.body.ops if is_counting(o)}
        self.filled = {o.output: o for o in self.body.ops if filled_with(o) is not None}
        self.ops = [o for o in self.body.ops if OPS[o.name].axes is None and not is_known(o)]
        self.producer = {o.output: o for o in self.ops}
        self.position = {o: i for i, o in enumerate(self.ops)}
        self.outputs = {v: self.body.results.index(v) for v in self.body.results}
        self.phase = self.phases()
        self.loops = choose_loops(
            self.domain,
            len(self.ops),
            self.loop_order(),
            self.accesses(),
            habits,
            in_bands=bool(op.attrs.get("in_bands")),
        )
        self.level_axes = {a for group in self.loops.inner for a in group}
        self.names = Names()
        self.slots: dict[object, Slot] = {}
        self.axis_of: dict[int, Axis] = {}
        self.once: list[Statement] = []
        self.row: list[Statement] = []
        self.passes: list[_Draft] = []
        self.outer_names: dict[object, str] = {}
        self.stored: dict[
            Value, tuple[int, int]
        ] = {}  # value -> (pass, output whose memory has it)
        self.hosts: dict[int, Value] = {}

    # Facts about values.

    def is_constant(self, v: Value) -> bool:
        op = self.producer.get(v)
        return op is not None and op.name == "constant"

    def folds(self, op: Op) -> bool:
        """Whether the op is a reduction over at least one axis of this kernel."""
        if OPS[op.name].reduce is None:
            return False
        dims = op.attrs["dim"]
        assert isinstance(dims, tuple)
        return any(self.domain.reads[op, 0].shape[int(d)] is not None for d in dims)  # type: ignore[arg-type]

    def phases(self) -> dict[Value, int]:
        """Return the pass in which each value is first known."""
        phase: dict[Value, int] = {}
        for op in self.ops:
            roots = [self.domain.reads[op, i].root for i in range(len(op.inputs))]
            latest = max((phase.get(r, 0) for r in roots), default=0)
            phase[op.output] = latest + 1 if self.folds(op) else latest
        return phase

    def is_inner(self, v: Value) -> bool:
        return bool(self.domain.varies[v] & self.level_axes)

    def read_axes(self, read: Read) -> set[int]:
        return {a for a in read.dims if a is not None}

    # Loops.

    def strides(self, v: Value, axes: Axes) -> Strides:
        t = v.type
        assert isinstance(t, TensorType)
        known = self.walked[v] if v in self.walked else contiguous(t)
        out: Strides = {}
        for d, (axis, stride) in enumerate(zip(axes, known, strict=True)):
            if axis is not None:
                out[axis] = Stride(self.params[v], d) if stride is None else stride
        return out

    def accesses(self) -> list[Access]:
        """Return the strides of every read of a tensor from outside and of every result.

        Those of indices too: a loop over several axes does not know the place along one of them.
        """
        reads = [
            (op, i, r)
            for (op, i), r in self.domain.reads.items()
            if (r.root in self.params or r.root in self.counting) and r.dims
        ]
        results: list[Access] = [self.strides(v, self.domain.of[v]) for v in self.outputs]
        return results + [
            {**(self.picking(op) if i == 0 else {}), **self.strides(r.root, r.dims)}
            for op, i, r in reads
        ]

    def picking(self, op: Op) -> Access:
        """Return the axes along which indices tell what an op picks, if it does."""
        if picks_of(op) is None:
            return {}
        indices = (self.domain.reads[op, k] for k in range(1, len(op.inputs)))
        return {axis: ANYWHERE for r in indices for axis in self.varies(r)}

    def varies(self, read: Read) -> frozenset[int]:
        """Return the axes along which what is read changes."""
        return self.domain.varies.get(read.root, frozenset(self.read_axes(read)))

    def loop_order(self) -> list[int]:
        """Return all axes, outermost first: as the first result has them, then as they come."""
        order: list[int] = []
        for v in self.outputs:
            order += [a for a in self.domain.of[v] if a is not None and a not in order]
        rest = [a for a in range(len(self.domain.sizes)) if a not in order]
        if set(order) >= self.domain.outer:
            return order + rest
        return sorted(self.domain.axes)

    # Slots.

    def slot(
        self, key: object, name: str, tag: str, source: Source, *, pointer: bool = False
    ) -> str:
        if key not in self.slots:
            taken = isinstance(source, Number)
            self.slots[key] = Slot(name if taken else self.names.own(name), tag, source, pointer)
        return self.slots[key].name

    def pointer(self, v: Value) -> str:
        t = v.type
        assert isinstance(t, TensorType)
        source = Input(self.params[v]) if v in self.params else Output(self.outputs[v])
        return self.slot(v, f"p_{v.hint or 'x'}", t.dtype.tag, source, pointer=True)

    def size(self, d: Dim, name: str) -> int | str:
        return d if isinstance(d, int) else self.slot(str(d), name, "int", Size(d))

    def name_axes(self) -> None:
        letters = iter("ijklmnop")
        for group in (*self.loops.outer, *self.loops.inner):
            name = self.names.own(next(letters, "q"))
            size = self.size(product(tuple(self.domain.sizes[a] for a in group)), f"size_{name}")
            self.axis_of[group[-1]] = Axis(name, size)
        if not self.axis_of:
            self.names.own("i")  # the loop over one point

    def axes(self, groups: Sequence[tuple[int, ...]]) -> tuple[Axis, ...]:
        return tuple(self.axis_of[group[-1]] for group in groups)

    def index(self, v: Value, axes: Axes) -> Index:
        strides = self.strides(v, axes)
        return tuple(
            (axis.name, self.distance(strides[a], v))
            for a, axis in self.axis_of.items()
            if a in strides
        )

    def distance(self, stride: Distance, v: Value) -> int | str:
        if isinstance(stride, Stride):
            return self.slot(stride, f"{v.hint or 'x'}_stride_{stride.dim}", "int", stride)
        return self.size(stride, "stride")

    # Statements.

    def kernel(self) -> Kernel:
        for v in self.params:
            if isinstance(v.type, TensorType):
                self.pointer(v)
        for v in self.outputs:
            self.pointer(v)
        self.name_axes()
        self.write_outer_stores(0)
        folding = [self.phase[o.output] - 1 for o in self.ops if self.folds(o)]
        storing = [self.phase[v] for v in self.outputs if self.is_full(v)]
        last = max([*folding, *storing], default=0)
        for number in range(last + 1):
            # Written-out elements stay in registers: what one pass has, all later ones have.
            short = self.loops.layout is Layout.SHORT and bool(self.passes)
            self.passes.append(_Draft(names=self.passes[0].names) if short else _Draft())
            self.write_pass(number)
        outer, once, row = self.axes(self.loops.outer), tuple(self.once), tuple(self.row)
        passes = self.written_passes()
        if self.loops.layout.in_steps:
            if outer and self.loops.layout is Layout.SPLIT:
                once, passes = narrow.written_out(outer, once, row, passes)
                outer, row = (), ()
            self.split_slots(passes, outer)
        slots = tuple(sorted(self.slots.values(), key=lambda s: not s.pointer))
        inner = self.axes(self.loops.inner)
        return Kernel(self.loops.layout, slots, outer, inner, once, row, passes)

    def written_passes(self) -> tuple[Pass, ...]:
        return tuple(Pass(tuple(d.body), tuple(d.folds), tuple(d.after)) for d in self.passes)

    def is_full(self, v: Value) -> bool:
        """Whether a result has an element for every point of the inner loops."""
        if not self.domain.reduced:
            return True
        return bool({a for a in self.domain.of[v] if a is not None} & self.level_axes)

    def write_pass(self, number: int) -> None:
        draft = self.passes[number]
        for op in self.ops:
            if self.folds(op) and self.phase[op.output] == number + 1:
                self.write_fold(op, number, draft)
        stores = [v for v in self.outputs if self.is_full(v) and self.phase[v] == number]
        values = [(v, self.value(v, number)) for v in stores]
        for v, name in values:
            draft.body.append(
                Store(self.pointer(v), self.index(v, self.domain.of[v]), name, self.loc(v))
            )
            if is_exact(v):
                self.stored[v] = (number, self.outputs[v])
        self.write_outer_stores(number + 1)

    def write_fold(self, op: Op, number: int, draft: _Draft) -> None:
        value = self.operand(op, 0, number)
        t = op.output.type
        assert isinstance(t, TensorType)
        step = expression.fold_step(op)
        rounds = t.dtype.is_floating_point and ("racc_add" in step or "racc_mul" in step)
        name = self.names.new(op.output.hint)
        tag = expression.register(t.dtype)
        draft.folds.append(Fold(name, tag, expression.fold_init(op), step, value, rounds, op.loc))
        self.outer_names[op.output] = name

    def write_outer_stores(self, phase: int) -> None:
        for v in self.outputs:
            if not self.is_full(v) and self.phase[v] == phase:
                name = self.value(v, phase)
                store = Store(self.pointer(v), self.index(v, self.domain.of[v]), name, self.loc(v))
                self.outer_block(phase, {-1}).append(store)

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

    def name_of(self, v: Value, number: int) -> str:
        name = self.names_for(v, number)[v] = self.names.again(v, v.hint)
        return name

    def block_of(self, v: Value, number: int) -> list[Statement]:
        """Return where a value is computed in pass `number`."""
        if self.is_inner(v):
            return self.passes[number].body
        return self.outer_block(self.phase[v], self.domain.varies[v])

    # Elements picked by indices.

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

    # Split kernels.

    def split_slots(self, passes: Sequence[Pass], outer: Sequence[Axis]) -> None:
        points = product(tuple(self.domain.sizes[a] for a in self.domain.outer)) if outer else 1
        for each in passes:
            for fold in each.folds:
                tag = "f64" if fold.rounds else fold.tag
                partial = Scratch(True, points)
                self.slot(("partial", fold.name), f"part_{fold.name}", tag, partial, pointer=True)
        for number in range(len(passes)):
            for name, tag in carried(passes, number):
                kept = Scratch(False, points)
                self.slot(("kept", name), f"kept_{name}", tag, kept, pointer=True)
        self.slot("first", "first_step", "int", Step("first"))
        self.slot("last", "last_step", "int", Step("last"))


def is_exact(v: Value) -> bool:
    """Whether a value comes back from memory as it was: half is computed in single and rounded there."""
    return isinstance(v.type, TensorType) and v.type.dtype.tag != "f16"
