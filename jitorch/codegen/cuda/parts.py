"""CUDA source of folds cut in parts: rows and columns that are long and few, and folds of everything.

Each pass is two entries. In the first, a block folds one part of a row, or of columns side by side,
and leaves the results in memory; in the second, a block folds the results of the parts of one point,
in their order, does what follows, and keeps what later passes use:

    parts = (size_j + 8191) // 8192
    unit = cuda.blockIdx.x
    while unit < size_i * parts:
        i = unit // parts
        ...  # fold part `unit % parts`
        part_s[unit] = s_sum

    i = cuda.blockIdx.x
    while i < size_i:
        ...  # fold part_s[i * parts], ...
        kept_s[i] = s

Parts have a fixed size, so a result is the same on every GPU. Where the range of a fold is several
lines, because memory has gaps between them, a part is a piece of a line or several whole ones. When
folds are cut is in `codegen/cuda/launch.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from jitorch.codegen.cuda.folds import ALONG_ROW, DOWN_COLUMN, FoldWriter, Walk
from jitorch.codegen.cuda.fours import Fours
from jitorch.codegen.cuda.launch import PART, PART_ROWS, THREADS, Work, cut_columns, cut_rows
from jitorch.codegen.cuda.text import read, written
from jitorch.codegen.kernel import Fold, Pass, Statement, Store
from jitorch.codegen.writer import needed, used
from jitorch.ir.dims import Dim

_THREAD = "cuda.threadIdx.y * cuda.blockDim.x + cuda.threadIdx.x"
_THREADS = "cuda.blockDim.x * cuda.blockDim.y"


class PartWriter(FoldWriter):
    """Writes folds whole, in parts or, if only run time knows which, both ways."""

    def folded_rows(self) -> None:
        sizes = self.row_sizes()
        whole, in_parts = _forms(cut_rows, sizes[:1], sizes[1:])
        if whole:
            self.rows()
        if in_parts:
            works = (Work.ROW_PARTS, Work.ROW_TOTALS)
            self.in_parts(self.row_part, works, sizes, PART, late=whole)

    def folded_columns(self) -> None:
        sizes = self.column_sizes()
        whole, in_parts = _forms(cut_columns, sizes[:2], sizes[2:])
        if whole:
            self.columns()
        if in_parts:
            works = (Work.COLUMN_PARTS, Work.COLUMN_TOTALS)
            self.in_parts(self.column_part, works, sizes, PART_ROWS, late=whole)

    def in_parts(
        self,
        write_part: Callable[[int, Pass], None],
        works: tuple[Work, Work],
        sizes: tuple[Dim, ...],
        length: int,
        late: bool,
    ) -> None:
        for number, each in enumerate(self.kernel.passes):
            if each.body or each.folds:
                with self.entry(works[0], sizes, late):
                    write_part(number, each)
            if each.folds or each.after:
                with self.entry(works[1], sizes, late):
                    self.totals(number, each, length)

    # Parts of rows: all threads of a block share a line, or those beside one another, if a part has
    # several.

    def row_part(self, number: int, each: Pass) -> None:
        kernel = self.kernel
        row = self.row(kernel.outer)
        single = len(kernel.inner) == 1
        walk = ALONG_ROW if single else Walk("cuda.threadIdx.x", "cuda.blockDim.x", "", "")
        self.lanes(each.folds, _THREAD, _THREADS)
        fours = self.neighbours([each.body], kernel.inner[-1], "end")
        fours = fours or self.ahead([each.body], kernel.inner[-1], "end", walk.lanes)
        self.statements(kernel.once)
        self.count_parts(PART)
        units = f"{self.product(kernel.outer)} * parts"
        with self.strided("unit", "cuda.blockIdx.x", units, "cuda.gridDim.x"):
            self.line(f"{row} = unit // parts")
            self.decode(row, kernel.outer)
            self.line("part = unit % parts")
            self.begin_pass(number, each, row)
            self.bounds(PART)
            self.line_by_line(each, fours, walk, "cuda.threadIdx.y", "cuda.blockDim.y")
            if each.folds:
                self.widen(each.folds)
                self.together(each.folds)
                self.leave(each.folds, "unit", "lane == 0")

    # Parts of columns: threads side by side have neighbouring columns, as in whole ones.

    def column_part(self, number: int, each: Pass) -> None:
        kernel = self.kernel
        *others, column = kernel.outer
        row = self.row(others)
        self.share_by_dtype(each.folds, THREADS)
        fours = self.ahead([each.body], kernel.inner[-1], "end", DOWN_COLUMN.lanes)
        self.statements(kernel.once)
        self.line("width = cuda.blockDim.x")
        self.line(f"lane = {_THREAD}")
        self.count_parts(PART_ROWS)
        self.line(f"bands = ({column.size} + width - 1) // width")
        units = f"{self.product(others)} * parts * bands"
        with self.strided("unit", "cuda.blockIdx.x", units, "cuda.gridDim.x"):
            self.line("first = unit % bands * width")
            self.own_column(column)
            self.line("part = unit // bands % parts")
            self.line(f"{row} = unit // bands // parts")
            self.decode(row, others)
            self.line(f"point = {row} * {column.size} + {column.name}")
            self.begin_pass(number, each, "point")
            self.bounds(PART_ROWS)
            self.line("end = select(inside, end, begin)")
            self.line_by_line(each, fours, DOWN_COLUMN, "0", "1")
            if each.folds:
                self.widen(each.folds)
                for f in each.folds:
                    self.down_columns(f)
                place = "point * parts + part"
                self.leave(each.folds, place, "inside and cuda.threadIdx.y == 0")

    # What parts of both kinds do.

    def count_parts(self, length: int) -> None:
        """Write in how many parts the range of a fold is cut, as `launch.parts_of` has it."""
        *lines, last = self.kernel.inner
        pieces = f"({last.size} + {length - 1}) // {length}"
        if not lines:
            self.line(f"parts = {pieces}")
            return
        self.line(f"pieces = {pieces}")
        self.line(f"group = maximum({length} // maximum({last.size}, 1), 1)")
        self.line(f"parts = pieces * (({self.product(lines)} + group - 1) // group)")

    def bounds(self, length: int) -> None:
        """Write where a part begins and ends on its lines."""
        *lines, last = self.kernel.inner
        self.line(f"begin = part % pieces * {length}" if lines else f"begin = part * {length}")
        self.line(f"end = minimum(begin + {length}, {last.size})")

    def begin_pass(self, number: int, each: Pass, point: str) -> None:
        """Write what is known before a pass at a point, and where its folds start."""
        row = needed(self.kernel.row, each.body, each.folds)
        self.prepare(row, None)
        self.statements(row)
        self.take_kept(number, each.body, each.folds, point)
        self.begin_folds(each.folds)

    def line_by_line(self, each: Pass, fours: Fours, walk: Walk, first: str, step: str) -> None:
        """Write a thread's way through a part; of its lines, it begins at `first`."""
        *lines, last = self.kernel.inner
        within = replace(walk, begin="begin", stop="end")
        if not lines:
            self.prepare(each.body, last.name)
            self.along(each, fours, within)
            return
        self.line("start = part // pieces * group")
        self.line(f"stop = minimum(start + group, {self.product(lines)})")
        line = lines[0].name if len(lines) == 1 else "line"
        with self.strided(line, f"start + {first}", "stop", step):
            self.decode(line, lines)
            self.prepare(each.body, last.name)
            self.along(each, fours, within)

    def leave(self, folds: Sequence[Fold], place: str, condition: str) -> None:
        """Write the storing of what a part came to."""
        with self.block(f"if {condition}:"):
            for f in folds:
                name, tag = self.total_of(f)
                self.line(f"part_{f.name}[{place}] = {written(tag, name)}")

    # The results of the parts.

    def totals(self, number: int, each: Pass, length: int) -> None:
        """Write what follows a pass at each point, a block each."""
        kernel = self.kernel
        row = self.row(kernel.outer)
        stores = [s for s in kernel.row if isinstance(s, Store)] if number == 0 else []
        after = [*stores, *each.after]
        self.lanes(each.folds, "cuda.threadIdx.x", "cuda.blockDim.x")
        self.statements(kernel.once)
        if each.folds:
            self.count_parts(length)
        points = self.product(kernel.outer)
        with self.strided(row, "cuda.blockIdx.x", points, "cuda.gridDim.x"):
            self.decode(row, kernel.outer)
            if each.folds:
                self.fold_parts(each.folds, row)
            self.take_kept(number, after, (), row)
            self.guarded([*needed(kernel.row, after, ()), *after], "lane == 0")
            self.keep(number, row)

    def fold_parts(self, folds: Sequence[Fold], row: str) -> None:
        for f in folds:
            self.line(f"{self.total_of(f)[0]} = {self.start(f)}", f.loc)
        with self.strided("part", "lane", "parts", "lanes"):
            for f in folds:
                name, tag = self.total_of(f)
                part = read(tag, f"part_{f.name}[{row} * parts + part]")
                self.line(f"{name} = {f.step.format(acc=name, x=part)}", f.loc)
        self.together(folds)
        self.narrow(folds)

    def keep(self, number: int, point: str) -> None:
        """Write the storing of what later passes use."""
        kept = self.kernel.carried(number)
        if kept:
            with self.block("if lane == 0:"):
                for name, tag in kept:
                    self.line(f"kept_{name}[{point}] = {written(tag, name)}")

    def take_kept(
        self, number: int, statements: Sequence[Statement], folds: Sequence[Fold], point: str
    ) -> None:
        """Write the reading of what earlier passes found."""
        wanted = used(statements, folds)
        for before in range(number):
            for name, tag in self.kernel.carried(before):
                if name in wanted:
                    self.line(f"{name} = {read(tag, f'kept_{name}[{point}]')}")


def _forms(
    is_cut: Callable[..., bool], outer: Sequence[Dim], inner: Sequence[Dim]
) -> tuple[bool, bool]:
    """Return whether folds may be done whole, and in parts, as far as their sizes are known."""
    if not all(isinstance(n, int) for n in inner):
        return True, True
    # The fewer points, the sooner folds are cut.
    may_be_cut = is_cut(*(n if isinstance(n, int) else 1 for n in outer), *inner)
    return not (may_be_cut and all(isinstance(n, int) for n in outer)), may_be_cut
