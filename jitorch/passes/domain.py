"""The iteration domain of a set of fusible ops: which dimensions of which values are one loop.

Every dimension whose size is not the number 1 belongs to an *axis*. Elementwise ops join the axes
of their operands, reductions drop axes, and ops that only rename dimensions (`OpDef.axes`) rename
them:

    %c: f32[n, m] = sub(%x, %mean)        x: (i, j)   mean: (i, -)   c: (i, j)
    %s: f32[n] = sum(%c) {dim=(1,)}       s: (i,)     reduced: {j}

Fusion asks `analyse` whether ops can share a loop nest; the kernel generator asks it again, of the
fused block alone, for the loops. Tensors from outside get new axes at each use, so that `x + x.T`
reads `x` in two ways; the axes of a value that the set computes are the same at all uses.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from jitorch.ir.core import Op, Value
from jitorch.ir.dims import Dim, Shape
from jitorch.ir.opdef import OPS, Picks
from jitorch.ir.types import TensorType
from jitorch.passes.fusible import is_known, picks_of

Axes = tuple[int | None, ...]  # for each dimension its axis, None for a size of 1


@dataclass(frozen=True, slots=True)
class Read:
    """How an op sees an operand: the value behind any renaming, and its axes.

    `dims` has an axis for each dimension of `root` (None: size 1, or not used); `shape` for each
    dimension as the op sees it. `picked` has, where an op picks by indices, the operands that are
    indices and the dimensions of `root` along which they count.
    """

    root: Value
    dims: Axes
    shape: Axes
    picked: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Domain:
    """The loops of a set of ops, in order, and how each value lies in them."""

    sizes: tuple[Dim, ...]
    reduced: frozenset[int]
    of: Mapping[Value, Axes]
    reads: Mapping[tuple[Op, int], Read]
    varies: Mapping[Value, frozenset[int]]

    @property
    def axes(self) -> frozenset[int]:
        return frozenset(range(len(self.sizes)))

    @property
    def outer(self) -> frozenset[int]:
        return self.axes - self.reduced


class Mismatch(Exception):
    """Why ops can't share a loop nest."""


@dataclass
class _Analysis:
    ops: Sequence[Op]
    parent: list[int] = field(default_factory=list)
    sizes: list[Dim] = field(default_factory=list)
    of: dict[Value, Axes] = field(default_factory=dict)
    reads: dict[tuple[Op, int], Read] = field(default_factory=dict)
    reductions: dict[Op, tuple[int, ...]] = field(default_factory=dict)

    # Axes are merged as a union-find forest.

    def fresh(self, size: Dim) -> int:
        self.parent.append(len(self.parent))
        self.sizes.append(size)
        return len(self.parent) - 1

    def find(self, axis: int) -> int:
        while self.parent[axis] != axis:
            self.parent[axis] = self.parent[self.parent[axis]]
            axis = self.parent[axis]
        return axis

    def join(self, a: int, b: int) -> int:
        a, b = sorted((self.find(a), self.find(b)))
        self.parent[b] = a
        if isinstance(self.sizes[b], int):
            self.sizes[a] = self.sizes[b]
        return a

    def found(self, axes: Iterable[int | None]) -> Axes:
        return tuple(None if a is None else self.find(a) for a in axes)

    # The walk.

    def run(self) -> None:
        renames = {op.output: op for op in self.ops if OPS[op.name].axes is not None}
        for op in self.ops:
            if op.output in renames or is_known(op):  # has new axes at each use
                continue
            how = picks_of(op)
            if how is not None:
                self.of[op.output] = self.picked(op, how, renames)
                continue
            reads = [self.read(v, renames) for v in op.inputs]
            self.reads.update({(op, i): r for i, r in enumerate(reads)})
            if OPS[op.name].reduce is not None:
                self.of[op.output] = self.reduction(op, reads[0].shape)
            else:
                self.of[op.output] = self.elementwise(reads, op.output)

    def read(self, v: Value, renames: Mapping[Value, Op]) -> Read:
        if v in renames:
            return self.renamed(renames[v], renames)
        axes = self.of[v] if v in self.of else self.new_axes(_shape(v))
        return Read(v, axes, axes)

    def renamed(self, op: Op, renames: Mapping[Value, Op]) -> Read:
        inner = self.read(op.inputs[0], renames)
        rename = OPS[op.name].axes
        assert rename is not None
        source = rename(op.inputs[0].type, **op.attrs)
        axes = [None if d is None else inner.shape[d] for d in source]
        shape = _shape(op.output)
        # A dimension that `expand` repeats is an axis that the root does not depend on.
        spread = tuple(
            self.fresh(n) if a is None and n != 1 else a for a, n in zip(axes, shape, strict=True)
        )
        return Read(inner.root, inner.dims, spread)

    def new_axes(self, shape: Shape) -> Axes:
        return tuple(None if n == 1 else self.fresh(n) for n in shape)

    def elementwise(self, reads: Sequence[Read], output: Value) -> Axes:
        out: list[int | None] = [None] * len(_shape(output))
        self.broadcast(reads, out, len(out))
        return tuple(out)

    def broadcast(self, reads: Sequence[Read], out: list[int | None], stop: int) -> None:
        """Join the axes of operands with those of the result, of which theirs end before `stop`."""
        for read in reads:
            for i, axis in enumerate(read.shape, stop - len(read.shape)):
                if axis is not None:
                    known = out[i]
                    out[i] = axis if known is None else self.join(known, axis)

    def picked(self, op: Op, how: Picks, renames: Mapping[Value, Op]) -> Axes:
        table, *indices = (self.read(v, renames) for v in op.inputs)
        if table.root in self.of:
            raise Mismatch("it picks from what the kernel computes")
        shape = _shape(op.output)
        out: list[int | None] = [None] * len(shape)
        self.broadcast(indices, out, how.at + max(len(r.shape) for r in indices))
        walked: dict[int | None, int] = {}  # axis of the table -> that of the result
        for d, at in enumerate(how.walks):
            axis = table.shape[d]
            if at is not None and axis is not None and shape[at] != 1:
                known = out[at]
                out[at] = walked[axis] = axis if known is None else self.join(known, axis)
                # Of the table, no more is walked along than the result has.
                self.sizes[self.find(axis)] = shape[at]
        numbers = {table.shape[d]: k for k, d in enumerate(how.dims, 1)}
        picked = tuple(
            (numbers[axis], d)
            for d, axis in enumerate(table.dims)
            if axis is not None and axis in numbers
        )
        dims = tuple(walked.get(axis) for axis in table.dims)
        self.reads[op, 0] = Read(table.root, dims, (), picked)
        self.reads.update({(op, k): read for k, read in enumerate(indices, 1)})
        return tuple(out)

    def reduction(self, op: Op, axes: Axes) -> Axes:
        dims, keep = op.attrs["dim"], op.attrs["keepdim"]
        assert isinstance(dims, tuple)
        self.reductions[op] = tuple(a for i, a in enumerate(axes) if i in dims and a is not None)
        if keep:
            return tuple(None if i in dims else a for i, a in enumerate(axes))
        return tuple(a for i, a in enumerate(axes) if i not in dims)

    # Conclusions.

    def spaces(self) -> list[tuple[Shape, Axes]]:
        """Return the shapes and axes that values and reads have, in order, each once."""
        out: dict[tuple[Shape, Axes], None] = {}
        for op in self.ops:
            for i in range(len(op.inputs)):
                if (op, i) in self.reads and not (i == 0 and picks_of(op)):
                    out[_shape(op.inputs[i]), self.reads[op, i].shape] = None
            if op.output in self.of:
                out[_shape(op.output), self.of[op.output]] = None
        return list(out)

    def align(self, spaces: Sequence[tuple[Shape, Axes]]) -> Axes:
        """Walk through values of one shape together, where nothing says otherwise.

        Returns the axes of the largest value.
        """
        shape, main = max(spaces, key=lambda s: len(_known(s[1])), default=((), ()))
        for other_shape, axes in spaces:
            if other_shape == shape and self.in_step(self.found(main), self.found(axes)):
                for a, b in zip(main, axes, strict=True):
                    if a is not None and b is not None:
                        self.join(a, b)
        return self.found(main)

    def in_step(self, a: Axes, b: Axes) -> bool:
        """Whether the axes that two values share stand at the same dimensions of both."""
        shared = set(_known(a)) & set(_known(b))
        return all(x == y for x, y in zip(a, b, strict=True) if x in shared or y in shared)

    def domain(self) -> Domain:
        spaces = self.spaces()
        main = _known(self.align(spaces))
        for _, axes in spaces:
            known = _known(self.found(axes))
            if len(set(known)) < len(known):
                raise Mismatch("one dimension would have to run along two")
            if not set(known) <= set(main):
                raise Mismatch("their shapes differ")
        reduced = self.reduced_axes(set(main))
        number = {axis: i for i, axis in enumerate(main)}

        def numbered(axes: Axes) -> Axes:
            return tuple(None if a is None else number[self.find(a)] for a in axes)

        of = {v: numbered(axes) for v, axes in self.of.items()}
        reads = {
            key: Read(r.root, numbered(r.dims), numbered(r.shape), r.picked)
            for key, r in self.reads.items()
        }
        folded = {op: frozenset(_known(numbered(axes))) for op, axes in self.reductions.items()}
        varies = self.varies(reads, folded)
        sizes = tuple(self.sizes[a] for a in main)
        return Domain(sizes, frozenset(number[a] for a in reduced), of, reads, varies)

    def reduced_axes(self, main: set[int]) -> set[int]:
        reduced: set[int] = set()
        for op, raw in self.reductions.items():
            axes = set(_known(self.found(raw)))
            if not axes:
                continue
            if reduced and axes != reduced:
                raise Mismatch("they reduce over different dimensions")
            reduced = axes
            if set(_known(self.found(self.reads[op, 0].shape))) != main:
                raise Mismatch("a reduction would be repeated for every element of a larger shape")
        return reduced

    def varies(
        self, reads: Mapping[tuple[Op, int], Read], reductions: Mapping[Op, frozenset[int]]
    ) -> dict[Value, frozenset[int]]:
        out: dict[Value, frozenset[int]] = {}
        for op in self.ops:
            if op.output not in self.of:
                continue
            axes: frozenset[int] = frozenset()
            for i in range(len(op.inputs)):
                read = reads[op, i]
                axes |= out.get(read.root, frozenset(_known(read.dims)))
            out[op.output] = axes - reductions.get(op, frozenset())
        return out


def analyse(ops: Sequence[Op]) -> Domain:
    """Return the loops that the ops share. Raises Mismatch where they can't."""
    analysis = _Analysis(ops)
    analysis.run()
    return analysis.domain()


def _shape(v: Value) -> Shape:
    return v.type.shape if isinstance(v.type, TensorType) else ()


def _known(axes: Iterable[int | None]) -> tuple[int, ...]:
    return tuple(a for a in axes if a is not None)
