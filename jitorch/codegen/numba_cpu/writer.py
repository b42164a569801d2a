"""What all layouts are written with: lines, statements, addresses, loops."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from jitorch.codegen.kernel import (
    Axis,
    Index,
    Kernel,
    Let,
    Load,
    Pass,
    Statement,
    Store,
)
from jitorch.codegen.numba_cpu.sizes import (
    COLUMN_BLOCK,
    SCRATCH_SLOT,
)
from jitorch.errors import UNKNOWN, Loc


class Writer:
    def __init__(self, kernel: Kernel, shared: Mapping[str, str]) -> None:
        self.kernel = kernel
        self.shared = shared
        self.lines: list[str] = []
        self.depth = 1
        self.offsets: dict[Index, str] = {}
        self.count = 0
        self.arrays = 0

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
                    self.line(
                        f"{s.name} = load({s.pointer}, {self.address(s.index, inner)})", s.loc
                    )
                case Let():
                    self.line(f"{s.name} = {s.text}", s.loc)
                case Store():
                    self.line(
                        f"store({s.pointer}, {self.address(s.index, inner)}, {s.value})", s.loc
                    )

    def prepare(self, statements: Sequence[Statement], inner: str | None) -> None:
        """Write the offsets that the statements need outside the loop over `inner`."""
        for s in statements:
            if isinstance(s, (Load, Store)):
                part = without(s.index, inner)
                if part not in self.offsets and not is_plain(part):
                    name = f"at{self.count or ''}"
                    self.count += 1
                    self.line(f"{name} = {total(part)}")
                    self.offsets[part] = name

    def address(self, index: Index, inner: str | None) -> str:
        part = without(index, inner)
        terms = [self.offsets.get(part) or total(part)] if part else []
        terms += [total(((a, s),)) for a, s in index if a == inner]
        return " + ".join(terms) or "0"

    @contextmanager
    def segments(self, lo: str, hi: str, axes: Sequence[Axis]) -> Iterator[None]:
        """Walk the flat range [lo, hi) over `axes` by rows: `start` to `stop` of the last axis."""
        *outer, last = axes
        if not outer:
            self.line(f"start = {lo}")
            self.line(f"stop = {hi}")
            yield
            return
        row = outer[0].name if len(outer) == 1 else "row"
        ends = f"{lo} // {last.size}, ({hi} + {last.size} - 1) // {last.size}"
        with self.block(f"for {row} in range({ends}):"):
            self.line(f"start = maximum({lo} - {row} * {last.size}, 0)")
            self.line(f"stop = minimum({hi} - {row} * {last.size}, {last.size})")
            self.decode(row, outer)
            yield

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

    def array(self, name: str, tag: str, size: int = COLUMN_BLOCK) -> None:
        self.line(f"{name} = scratch_{tag}({SCRATCH_SLOT + self.arrays}, {size})")
        self.arrays += 1

    def fold_body(self, each: Pass, inner: str) -> None:
        self.statements([s for s in each.body if not isinstance(s, Store)], inner)
        for fold in each.folds:
            self.line(f"{fold.name} = {fold.step.format(acc=fold.name, x=fold.value)}", fold.loc)
        self.statements([s for s in each.body if isinstance(s, Store)], inner)


def without(index: Index, axis: str | None) -> Index:
    return tuple((a, s) for a, s in index if a != axis)


def is_plain(index: Index) -> bool:
    """Whether the offset is no more than a name."""
    return not index or (len(index) == 1 and index[0][1] == 1)


def total(index: Index) -> str:
    return (
        " + ".join(axis if stride == 1 else f"{axis} * {stride}" for axis, stride in index) or "0"
    )
