"""Kernel IR: what one fused kernel does, before it is written in any language.

    kernel, rows
      for i < n:
        pass 0, for j < m:
          x: f32 = p_x[i*m + j]
          top = fold racc_max(top, x) from to_f32(-INF)
        pass 1, for j < m:
          x: f32 = p_x[i*m + j]
          c: f32 = x - top
          ...

A kernel runs over *outer* axes, and for each of their points makes one or more passes over the
*inner* axes. A pass loads, computes and stores elements, and folds values into accumulators;
`after` is done with the results of the folds, once per outer point. Values are scalars in SSA form
with the user's names. All sizes and strides are slots of the argument table, or numbers.

`codegen/schedule/` makes kernels; `codegen/numba_cpu/` writes them as source.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Union

from jitorch.errors import UNKNOWN, Loc
from jitorch.ir.dims import Dim

# ----------------------------------------------------------------------------------- the arguments


@dataclass(frozen=True, slots=True)
class Input:
    """The data of the fused op's input `index`."""

    index: int


@dataclass(frozen=True, slots=True)
class Output:
    """The data of the fused op's output `index`."""

    index: int


@dataclass(frozen=True, slots=True)
class Number:
    """The value of the fused op's input `index`, a Python scalar."""

    index: int


@dataclass(frozen=True, slots=True)
class Size:
    """A size expression."""

    value: Dim


@dataclass(frozen=True, slots=True)
class Stride:
    """The distance, in elements, along a dimension of an input that need not be contiguous."""

    index: int
    dim: int


@dataclass(frozen=True, slots=True)
class Scratch:
    """Working memory: so many elements for each part of the folded range, or for the whole."""

    per_block: bool
    elements: Dim = 1


@dataclass(frozen=True, slots=True)
class Step:
    """First ("first") and last ("last") step of a split kernel that this launch carries out."""

    which: str


@dataclass(frozen=True, slots=True)
class Fault:
    """Where a kernel notes an index beyond the end and the size, two int64.

    `dim` and `loc` are the dimension and the line that the error will tell; `count` indices count along
    `size` elements. `others` has the dimensions along which index and operand are walked together, if
    only run time tells that the index is no larger: the dimension, its size and the operand's.
    """

    dim: int
    loc: Loc
    count: Dim
    size: Dim
    others: tuple[tuple[int, Dim, Dim], ...] = ()


Source = Union[Input, Output, Number, Size, Stride, Scratch, Step, Fault]


@dataclass(frozen=True, slots=True)
class Slot:
    """An entry of the argument table: a pointer to elements of dtype `tag`, or "int" or "float"."""

    name: str
    tag: str
    source: Source
    pointer: bool = False


# ---------------------------------------------------------------------------------- the statements

# A stride is a number or the name of a slot; axes that are not listed have stride 0.
Index = tuple[tuple[str, int | str], ...]


@dataclass(frozen=True, slots=True)
class Load:
    """name = pointer[index + picked]

    `picked` is the part of the place that tensors of indices tell: names, and their strides.
    """

    name: str
    tag: str
    pointer: str
    index: Index
    loc: Loc = UNKNOWN
    picked: Index = ()


@dataclass(frozen=True, slots=True)
class Place:
    """name = the index itself"""

    name: str
    tag: str
    index: Index
    loc: Loc = UNKNOWN
    picked: Index = ()


@dataclass(frozen=True, slots=True)
class Let:
    """name = an expression over `uses`; `notes` tells that it looks at an index, see `Fault`."""

    name: str
    tag: str
    text: str
    uses: tuple[str, ...]
    loc: Loc = UNKNOWN
    notes: bool = False


@dataclass(frozen=True, slots=True)
class Store:
    """pointer[index] = value"""

    pointer: str
    index: Index
    value: str
    loc: Loc = UNKNOWN


@dataclass(frozen=True, slots=True)
class Fold:
    """name = init, then name = step(name, value) for each element.

    `step` has `{acc}` and `{x}`. `rounds` tells that every step rounds, so that the order matters
    and long ranges are folded in blocks.
    """

    name: str
    tag: str
    init: str
    step: str
    value: str
    rounds: bool
    loc: Loc = UNKNOWN


Statement = Union[Load, Place, Let, Store]


@dataclass(frozen=True, slots=True)
class Pass:
    """One walk over the inner axes, and what follows it at each outer point."""

    body: tuple[Statement, ...]
    folds: tuple[Fold, ...]
    after: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Axis:
    """A loop: its variable and its size, a number or the name of a slot."""

    name: str
    size: int | str


class Layout(Enum):
    """How a kernel's range [lo, hi) is meant, and which loop is the innermost.

    FLAT     no outer axes, at most one inner axis, no folds: the range is over elements
    TILES    several axes, no folds: the range is over elements; what varies slower is computed
             once a row
    BLOCKS   as TILES, but some operand is contiguous along another axis than the innermost: the
             last outer axis and the innermost are walked in small squares, of which the range counts
             the rows
    ROWS     folds along the innermost axis: the range is over outer points
    COLUMNS  folds across memory: the range is over outer points, the last outer axis is the
             innermost loop
    BANDS    as COLUMNS, but the range is over blocks of the folded elements; two steps per pass
    SHORT    folds over few elements, their number known: written out, so that the innermost loop
             is the last outer axis; the range is over outer points
    SPLIT    no outer axes: the range is over blocks of the folded elements; two steps per pass
    """

    FLAT = "flat"
    TILES = "tiles"
    BLOCKS = "blocks"
    ROWS = "rows"
    COLUMNS = "columns"
    SHORT = "short"
    SPLIT = "split"
    BANDS = "bands"

    @property
    def in_steps(self) -> bool:
        """Whether blocks of the folded range are folded first, and then their results."""
        return self in (Layout.SPLIT, Layout.BANDS)


@dataclass(frozen=True, slots=True)
class Kernel:
    """See above. `once` is done before all loops, `row` at each outer point before the passes."""

    layout: Layout
    slots: tuple[Slot, ...]
    outer: tuple[Axis, ...]
    inner: tuple[Axis, ...]
    once: tuple[Statement, ...]
    row: tuple[Statement, ...]
    passes: tuple[Pass, ...]

    @property
    def axes(self) -> tuple[Axis, ...]:
        return (*self.outer, *self.inner)

    def extent(self, axis: Axis) -> Dim:
        """Return the size of an axis as a size expression."""
        if isinstance(axis.size, int):
            return axis.size
        source = next(slot.source for slot in self.slots if slot.name == axis.size)
        assert isinstance(source, Size)
        return source.value

    def carried(self, number: int) -> list[tuple[str, str]]:
        """Return (name, dtype) of what the end of a pass defines and a later pass uses."""
        return carried(self.passes, number)

    def __str__(self) -> str:
        outer, inner = (_show_axes(axes) for axes in (self.outer, self.inner))
        lines = [f"kernel, {self.layout.value}"]
        lines += [f"  once: {_show(s)}" for s in self.once]
        lines += [f"  for {outer or 'one point'}:"]
        lines += [f"    {_show(s)}" for s in self.row]
        for i, each in enumerate(self.passes):
            lines += [f"    pass {i}, for {inner or 'one element'}:"]
            lines += [f"      {_show(s)}" for s in each.body if not isinstance(s, Store)]
            lines += [
                f"      {f.name} = fold {f.step.format(acc=f.name, x=f.value)} from {f.init}"
                for f in each.folds
            ]
            lines += [f"      {_show(s)}" for s in each.body if isinstance(s, Store)]
            lines += [f"    {_show(s)}" for s in each.after]
        return "\n".join(lines)


def carried(passes: Sequence[Pass], number: int) -> list[tuple[str, str]]:
    """Return (name, dtype) of what the end of a pass defines and a later pass uses."""
    used = {name for later in passes[number + 1 :] for name in _uses(later)}
    return [(name, tag) for name, tag in _defined(passes[number]).items() if name in used]


def _defined(each: Pass) -> dict[str, str]:
    names = {fold.name: fold.tag for fold in each.folds}
    names.update((s.name, s.tag) for s in each.after if not isinstance(s, Store))
    return names


def _uses(each: Pass) -> set[str]:
    names = {fold.value for fold in each.folds}
    for s in (*each.body, *each.after):
        names.update(uses(s))
    return names


def uses(s: Statement) -> tuple[str, ...]:
    """Return the names that a statement uses."""
    match s:
        case Let():
            return s.uses
        case Store():
            return (s.value,)
        case Load() | Place():
            return tuple(name for name, _ in s.picked)


def _show_axes(axes: Sequence[Axis]) -> str:
    return ", ".join(f"{a.name} < {a.size}" for a in axes)


def _show(s: Statement) -> str:
    match s:
        case Load():
            return f"{s.name}: {s.tag} = {s.pointer}[{_show_index((*s.index, *s.picked))}]"
        case Place():
            return f"{s.name}: {s.tag} = {_show_index((*s.index, *s.picked))}"
        case Let():
            return f"{s.name}: {s.tag} = {s.text}"
        case Store():
            return f"{s.pointer}[{_show_index(s.index)}] = {s.value}"


def _show_index(index: Index) -> str:
    return " + ".join(axis if stride == 1 else f"{axis}*{stride}" for axis, stride in index) or "0"
