"""From a fused op to a kernel: loops, passes, and where each value is computed.

The steps, in order: find the axes (`passes/domain.py`); choose the loop order and the layout;
collapse neighbouring axes that every operand walks without a gap, so that contiguous tensors become
one flat loop; number the passes (a reduction's result is known one pass after its operand); then
write each pass backwards from what it has to produce, reading again, computing again, or taking
back from memory what earlier passes had.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jitorch.codegen import expression, narrow
from jitorch.codegen.kernel import (
    Axis,
    Fold,
    Kernel,
    Layout,
    Pass,
    Scratch,
    Step,
    Store,
    carried,
)
from jitorch.codegen.loops import CPU, Habits
from jitorch.codegen.schedule.frame import Draft
from jitorch.codegen.schedule.picks import Picking
from jitorch.codegen.schedule.values import is_exact
from jitorch.codegen.strides import (
    NO_PARTS,
    NOTHING_MADE,
    Makers,
    Strides as Known,
)
from jitorch.ir.core import Op, Value
from jitorch.ir.dims import product
from jitorch.ir.types import TensorType


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


class _Scheduler(Picking):
    """Writes passes."""

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
            self.passes.append(Draft(names=self.passes[0].names) if short else Draft())
            self.write_pass(number)
        outer, once, row = self.axes(self.loops.outer), tuple(self.once), tuple(self.row)
        passes = self.written_passes()
        if outer and self.loops.layout is Layout.SPLIT:
            once, passes = narrow.written_out(outer, once, row, passes)
            outer, row = (), ()
        if self.habits.parts and self.domain.reduced:
            self.part_slots(passes, outer)
        elif self.loops.layout.in_steps:
            self.part_slots(passes, outer)
            self.slot("first", "first_step", "int", Step("first"))
            self.slot("last", "last_step", "int", Step("last"))
        slots = tuple(sorted(self.slots.values(), key=lambda s: not s.pointer))
        inner = self.axes(self.loops.inner)
        return Kernel(self.loops.layout, slots, outer, inner, once, row, passes)

    def written_passes(self) -> tuple[Pass, ...]:
        return tuple(Pass(tuple(d.body), tuple(d.folds), tuple(d.after)) for d in self.passes)

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

    def write_fold(self, op: Op, number: int, draft: Draft) -> None:
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

    # Kernels whose folds are cut in parts.

    def part_slots(self, passes: Sequence[Pass], outer: Sequence[Axis]) -> None:
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
