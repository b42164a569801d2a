"""Which loops a kernel has, and which is the innermost: what is fast, on one page.

Axes are walked in the order in which the first result has them, so that it is written as it lies.
Neighbouring axes that every operand walks without a gap become one loop. Then:

    no folds   one loop                                              FLAT
               several, all operands contiguous along the innermost  TILES
               an operand contiguous along another one               BLOCKS
    folds      over a few elements, their number known               SHORT
               most operands contiguous along an axis that stays     COLUMNS, BANDS
               otherwise, some axis stays                            ROWS
               none stays, or few points, their number known, that
               lie side by side                                      SPLIT
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Union

from jitorch.codegen.kernel import Layout, Stride
from jitorch.ir.dims import Dim, product
from jitorch.passes.domain import Domain

# Folds over at most this many elements are written out, in at most so many statements (each costs
# about a millisecond to compile). Longer rows fill vectors by themselves.
SHORT = 16
SHORT_STATEMENTS = 160
# Folds at so few points are written out side by side. More of them fill vectors by themselves.
NARROW = 32


class Anywhere:
    """A distance that tensors of indices tell, another one at each step."""


ANYWHERE = Anywhere()
Distance = Union[Dim, Stride]
Strides = dict[int, Distance]  # by axis; axes that are not listed: 0
Access = Mapping[int, Union[Distance, Anywhere]]  # likewise
Group = tuple[int, ...]


def longest_short(ops: int) -> int:
    """Return how many elements a fold in a kernel of `ops` ops may have to be written out."""
    # A fold alone has nothing to do but loads, of which at most 8 interleave.
    return 8 if ops == 1 else min(SHORT, SHORT_STATEMENTS // max(ops, 1))


def most_narrow(ops: int) -> int:
    """Return how many points around a long fold in a kernel of `ops` ops may be written out."""
    return min(NARROW, SHORT_STATEMENTS // max(ops, 1))


@dataclass(frozen=True)
class Habits:
    """What pays on a kind of processor.

    short  whether folds over a few elements, their number known, are written out, so that the
           innermost loop goes over the points around: it fills vectors
    keep   whether a costly value is kept in a result's memory for a later pass, instead of being
           computed again: where memory is near and arithmetic dear
    parts  whether the printer may cut any fold in parts, in a launch each, however it is laid out
    """

    short: bool
    keep: bool
    parts: bool


CPU = Habits(short=True, keep=True, parts=False)
# Threads stand in for vectors, and memory is what there is least of.
GPU = Habits(short=False, keep=False, parts=True)


@dataclass(frozen=True)
class Loops:
    """The chosen loops: groups of domain axes that became one loop each, outermost first."""

    layout: Layout
    outer: tuple[Group, ...]
    inner: tuple[Group, ...]


def choose_loops(
    domain: Domain,
    ops: int,
    order: Sequence[int],
    accesses: Sequence[Access],
    habits: Habits,
    in_bands: bool = False,
) -> Loops:
    """Return the loops of a kernel of `ops` ops.

    `order` has the axes of its domain, outermost first, `accesses` the strides of all that it reads
    from outside or writes. `in_bands` tells that folds across memory are long, at few points.
    """
    reduced = [a for a in order if a in domain.reduced]
    outer = [a for a in order if a not in domain.reduced]
    if not reduced:
        return _without_folds(_collapse(domain, outer, accesses), accesses)
    fast = _fastest(domain, accesses)
    if outer and habits.short and _is_short(domain, ops):
        layout = Layout.SHORT
    elif fast in outer:
        _move_last(outer, fast)
        narrow = habits.short and _is_narrow(domain, ops)
        wide = Layout.BANDS if in_bands else Layout.COLUMNS
        layout = Layout.SPLIT if narrow else wide
    else:
        if fast in reduced:
            _move_last(reduced, fast)
        layout = Layout.ROWS if outer else Layout.SPLIT
    return Loops(layout, _collapse(domain, outer, accesses), _collapse(domain, reduced, accesses))


def _without_folds(groups: tuple[Group, ...], accesses: Sequence[Access]) -> Loops:
    if len(groups) <= 1:
        return Loops(Layout.FLAT, (), groups)
    across = _across(groups, accesses)
    if across is None:
        return Loops(Layout.TILES, groups[:-1], groups[-1:])
    others = tuple(g for g in groups[:-1] if g is not across)
    return Loops(Layout.BLOCKS, (*others, across), groups[-1:])


def _move_last(axes: list[int], axis: int) -> None:
    axes.remove(axis)
    axes.append(axis)


def _across(groups: Sequence[Group], accesses: Sequence[Access]) -> Group | None:
    """Return the outer loop along which an operand is contiguous that jumps along the innermost.

    What is picked from is not turned.
    """
    *outer, (*_, last) = groups
    walked = [s for s in accesses if ANYWHERE not in s.values()]
    jumping = [s for s in walked if s.get(last, 0) not in (0, 1)]
    found = [g for g in outer if any(s.get(g[-1]) == 1 for s in jumping)]
    return found[-1] if found else None


def _is_short(domain: Domain, ops: int) -> bool:
    """Whether the folds are few enough steps to be written out."""
    folded = product(tuple(domain.sizes[a] for a in domain.reduced))
    return isinstance(folded, int) and 0 < folded <= longest_short(ops)


def _is_narrow(domain: Domain, ops: int) -> bool:
    """Whether the points around the folds are few enough to be written out."""
    points = product(tuple(domain.sizes[a] for a in domain.outer))
    return isinstance(points, int) and 0 < points <= most_narrow(ops)


def _fastest(domain: Domain, accesses: Sequence[Access]) -> int | None:
    """Return the axis along which most tensors that need folding are contiguous.

    Where none is, one along which elements are picked: they lie nearer than folds that jump.
    """
    votes: dict[int, int] = {}
    picked: list[int] = []
    for strides in accesses:
        if not domain.reduced & set(strides):
            continue
        for axis, distance in strides.items():
            if distance == 1:
                votes[axis] = votes.get(axis, 0) + len(strides)
            elif distance is ANYWHERE and axis in domain.outer:
                picked.append(axis)
    return max(votes, key=lambda a: votes[a]) if votes else next(reversed(picked), None)


def _collapse(domain: Domain, axes: Sequence[int], accesses: Sequence[Access]) -> tuple[Group, ...]:
    """Return the axes in groups that every access walks like one axis."""
    groups: list[Group] = []
    for axis in axes:
        if groups and all(_seamless(domain, s, groups[-1][-1], axis) for s in accesses):
            groups[-1] = (*groups[-1], axis)
        else:
            groups.append((axis,))
    return tuple(groups)


def _seamless(domain: Domain, strides: Access, a: int, b: int) -> bool:
    first, second = strides.get(a, 0), strides.get(b, 0)
    if isinstance(first, Anywhere) or isinstance(second, Anywhere):
        return first is second
    if isinstance(first, Stride) or isinstance(second, Stride):
        return False
    return first == second * domain.sizes[b]
