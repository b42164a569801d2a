"""What all writers of kernel source share: lines, addresses, and which statements need which.

A printer for a target derives from `SourceWriter` and says how an element is loaded and stored.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from jitorch.codegen.kernel import Axis, Fold, Index, Let, Load, Place, Statement, Store, uses
from jitorch.errors import UNKNOWN, Loc


class SourceWriter:
    """Lines of Python source, indented, each with the user's place."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.depth = 1
        self.offsets: dict[Index, str] = {}
        self.count = 0

    def load(self, s: Load, address: str) -> str:
        """Return the expression that loads an element."""
        raise NotImplementedError

    def store(self, s: Store, address: str) -> str:
        """Return the statement that stores an element."""
        raise NotImplementedError

    # Lines.

    def line(self, text: str, loc: Loc = UNKNOWN) -> None:
        comment = f"  # {os.path.basename(loc.file)}:{loc.line}" if loc.known else ""
        self.lines.append("    " * self.depth + text + comment)

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """Write an indented block; offsets computed in it end with it."""
        self.line(head)
        known = dict(self.offsets)
        self.depth += 1
        yield
        self.depth -= 1
        self.offsets = known

    def statements(self, statements: Sequence[Statement], inner: str | None = None) -> None:
        for s in statements:
            match s:
                case Load():
                    self.line(f"{s.name} = {self.load(s, self.place(s, inner))}", s.loc)
                case Place():
                    self.line(f"{s.name} = to_{s.tag}({terms((*s.index, *s.picked))})", s.loc)
                case Let():
                    self.line(f"{s.name} = {s.text}", s.loc)
                case Store():
                    self.line(self.store(s, self.address(s.index, inner)), s.loc)

    # Addresses: the part that the innermost loop does not change is computed before it.

    def prepare(self, statements: Sequence[Statement], inner: str | None) -> None:
        """Write the offsets that the statements need outside the loop over `inner`."""
        for s in statements:
            if isinstance(s, (Load, Store)):
                part = without(s.index, inner)
                if part not in self.offsets and not is_plain(part):
                    name = f"at{self.count or ''}"
                    self.count += 1
                    self.line(f"{name} = {terms(part)}")
                    self.offsets[part] = name

    def place(self, s: Load, inner: str | None) -> str:
        """Return where in memory an element is."""
        address = self.address(s.index, inner)
        return f"{address} + {terms(s.picked)}" if s.picked else address

    def address(self, index: Index, inner: str | None) -> str:
        part = without(index, inner)
        parts = [self.offsets.get(part) or terms(part)] if part else []
        parts += [terms(((a, s),)) for a, s in index if a == inner]
        return " + ".join(parts) or "0"

    # Loops.

    def decode(self, row: str, axes: Sequence[Axis]) -> None:
        """Write the axes' variables from the number of the row."""
        if len(axes) < 2:
            return
        rest = row
        for axis in reversed(axes[1:]):
            self.line(f"{axis.name} = {rest} % {axis.size}")
            self.line(f"over_{axis.name} = {rest} // {axis.size}")
            rest = f"over_{axis.name}"
        self.line(f"{axes[0].name} = {rest}")

    @contextmanager
    def nested(self, axes: Sequence[Axis]) -> Iterator[None]:
        """Write a loop over each axis, the first outermost."""
        if not axes:
            yield
            return
        with self.block(f"for {axes[0].name} in range({axes[0].size}):"), self.nested(axes[1:]):
            yield


def renamed(text: str, suffix: str, own: set[str]) -> str:
    """Return a text with a suffix at each of the names `own`, which makes names that nothing has."""
    return re.sub(r"\b[A-Za-z_]\w*", lambda m: f"{m[0]}__{suffix}" if m[0] in own else m[0], text)


def lies_across(s: Load, high: Axis, axis: Axis) -> bool:
    """Whether an operand is contiguous along `high` and jumps along `axis`."""
    strides = dict(s.index)
    return not s.picked and strides.get(high.name) == 1 and strides.get(axis.name, 0) not in (0, 1)


def without(index: Index, axis: str | None) -> Index:
    """Return an index less its part along an axis."""
    return tuple((a, s) for a, s in index if a != axis)


def is_plain(index: Index) -> bool:
    """Whether the offset is no more than a name."""
    return not index or (len(index) == 1 and index[0][1] == 1)


def terms(index: Index) -> str:
    """Return an index as a sum."""
    return (
        " + ".join(axis if stride == 1 else f"{axis} * {stride}" for axis, stride in index) or "0"
    )


def used(statements: Sequence[Statement], folds: Sequence[Fold]) -> set[str]:
    """Return the names that statements and folds use."""
    names = {fold.value for fold in folds}
    for s in statements:
        names.update(uses(s))
    return names


def copied(s: Statement, suffix: str, own: set[str], moved: Callable[[Index], Index]) -> Statement:
    """Return a copy of a statement: the names `own` get a suffix, its index is moved."""
    if isinstance(s, Let):
        uses = tuple(renamed(u, suffix, own) for u in s.uses)
        name, text = renamed(s.name, suffix, own), renamed(s.text, suffix, own)
        return replace(s, name=name, text=text, uses=uses)
    if isinstance(s, Store):
        return replace(s, value=renamed(s.value, suffix, own), index=moved(s.index))
    picked = tuple((renamed(name, suffix, own), stride) for name, stride in s.picked)
    name = renamed(s.name, suffix, own)
    return replace(s, name=name, index=moved(s.index), picked=picked)


def placed(s: Statement, at: Mapping[str, int], suffix: str, own: set[str]) -> Statement:
    """Return a statement at one point of some axes, which become numbers."""

    def moved(index: Index) -> Index:
        return tuple(
            _steps(at[axis], stride) if axis in at else (axis, stride)
            for axis, stride in index
            if at.get(axis) != 0
        )

    return copied(s, suffix, own, moved)


def below(s: Statement, axis: str, k: int, own: set[str]) -> Statement:
    """Return a statement for `k` steps further on along an axis."""

    def moved(index: Index) -> Index:
        stride = dict(index).get(axis)
        return (*index, _steps(k, stride)) if k and stride else index

    return copied(s, str(k), own, moved)


def _steps(count: int, stride: int | str) -> tuple[str, int | str]:
    """Return the part of an index that so many steps are."""
    return (str(count * stride), 1) if isinstance(stride, int) else (str(count), stride)


def varying(
    statements: Sequence[Statement], axis: str, known: Iterable[str] = ()
) -> list[Statement]:
    """Return the statements whose results change along the axis, as the `known` names do."""
    names = set(known)
    out: list[Statement] = []
    for s in statements:
        moves = not isinstance(s, Let) and any(a == axis for a, _ in s.index)
        if moves or used([s], ()) & names:
            out.append(s)
            if not isinstance(s, Store):
                names.add(s.name)
    return out


def needed(
    available: Sequence[Statement], statements: Sequence[Statement], folds: Sequence[Fold]
) -> list[Statement]:
    """Return the available statements that the others use, directly or not."""
    names = used(statements, folds)
    out: list[Statement] = []
    for s in reversed(available):
        if not isinstance(s, Store) and s.name in names:
            out.append(s)
            names |= used([s], ())
    return out[::-1]
