"""What a kernel is written in: its loops, its argument slots, and where values lie in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from jitorch.codegen.kernel import (
    Axis,
    Fold,
    Index,
    Input,
    Number,
    Output,
    Size,
    Slot,
    Source,
    Statement,
    Stride,
)
from jitorch.codegen.loops import ANYWHERE, Access, Distance, Habits, Strides, choose_loops
from jitorch.codegen.names import Names
from jitorch.codegen.strides import (
    Makers,
    Strides as Known,
    contiguous,
    strides_of,
)
from jitorch.ir.core import Op, Value
from jitorch.ir.dims import Dim, product
from jitorch.ir.opdef import OPS
from jitorch.ir.types import TensorType
from jitorch.passes.domain import Axes, Read, analyse
from jitorch.passes.fusible import filled_with, is_counting, is_known, picks_of


@dataclass
class Draft:
    """A pass being written."""

    body: list[Statement] = field(default_factory=list)
    folds: list[Fold] = field(default_factory=list)
    after: list[Statement] = field(default_factory=list)
    names: dict[object, str] = field(default_factory=dict)  # values and reads that the body has


class Frame:
    """Loops and slots of a kernel, and facts about the values of its block."""

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
        self.passes: list[Draft] = []
        self.outer_names: dict[object, str] = {}
        self.stored: dict[
            Value, tuple[int, int]
        ] = {}  # value -> (pass, output whose memory has it)
        self.hosts: dict[int, Value] = {}

    # Facts about values.

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

    def is_full(self, v: Value) -> bool:
        """Whether a result has an element for every point of the inner loops."""
        if not self.domain.reduced:
            return True
        return bool({a for a in self.domain.of[v] if a is not None} & self.level_axes)
