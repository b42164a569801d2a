"""CUDA source of kernels with folds.

Lanes fold what they load, then with each other: within a warp by shuffles, between warps through
shared memory, always in the same order, so that a sum is the same at each run. Sums of float32 go on
in double once several lanes are put together: a lane has few elements, a row may have many lanes.

Long rows and columns, if there are few, are cut in parts: `codegen/cuda/parts.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from jitorch.codegen.cuda.fours import Fours, FourWriter
from jitorch.codegen.cuda.launch import FOUR, MOST_THREADS, WARP, Work
from jitorch.codegen.cuda.text import MEMORY, read, written
from jitorch.codegen.kernel import Axis, Fold, Let, Pass, Statement, Store
from jitorch.codegen.writer import varying
from jitorch.ir.dims import Dim


@dataclass(frozen=True, slots=True)
class Walk:
    """How threads share out an axis: from `begin` to `stop`, this one being `lane` of `lanes`."""

    lane: str
    lanes: str
    begin: str
    stop: str

    def first(self, apart: int) -> str:
        """Return where this thread begins, if there are `apart` elements to each."""
        lane = self.lane if apart == 1 else f"{apart} * {self.lane}"
        return f"{self.begin} + {lane}" if self.begin else lane


ALONG_ROW = Walk("lane", "lanes", "", "stop")
DOWN_COLUMN = Walk("cuda.threadIdx.y", "cuda.blockDim.y", "", "stop")


class FoldWriter(FourWriter):
    """Writes rows and columns, each folded by the threads of one block or less."""

    # Folding across lanes.

    def total_of(self, fold: Fold) -> tuple[str, str]:
        """Return name and dtype of a fold's result while lanes are put together."""
        return (f"{fold.name}_sum", "f64") if fold.rounds else (fold.name, fold.tag)

    def widen(self, folds: Sequence[Fold]) -> None:
        for f in folds:
            if f.rounds:
                self.line(f"{f.name}_sum = to_f64({f.name})", f.loc)

    def narrow(self, folds: Sequence[Fold]) -> None:
        for f in folds:
            if f.rounds:
                self.line(f"{f.name} = to_{f.tag}({f.name}_sum)", f.loc)

    def across_lanes(self, folds: Sequence[Fold]) -> None:
        """Write what gives every lane of a row the fold over all of them."""
        if folds:
            self.widen(folds)
            self.together(folds)
            self.narrow(folds)

    def together(self, folds: Sequence[Fold]) -> None:
        self.within_warp(folds, f"minimum(lanes, {WARP}) // 2")
        with self.block(f"if lanes > {WARP}:"):
            with self.block("if place == 0:"):
                for f in folds:
                    name, tag = self.total_of(f)
                    self.line(f"share_{f.name}[warp] = {written(tag, name)}")
            self.line("cuda.syncthreads()")
            for f in folds:
                self.line(f"{self.total_of(f)[0]} = {self.start(f)}")
            with self.block(f"if place < lanes // {WARP}:"):
                for f in folds:
                    name, tag = self.total_of(f)
                    self.line(f"{name} = {read(tag, f'share_{f.name}[place]')}")
            self.within_warp(folds, str(WARP // 2))
            self.line("cuda.syncthreads()")

    def within_warp(self, folds: Sequence[Fold], distance: str) -> None:
        self.line(f"distance = {distance}")
        with self.block("while distance > 0:"):
            for f in folds:
                name, _ = self.total_of(f)
                step = f.step.format(acc=name, x=f"shuffle({name}, distance)")
                self.line(f"{name} = {step}", f.loc)
            self.line("distance = distance // 2")

    def start(self, f: Fold) -> str:
        return f"to_f64({f.init})" if f.rounds else f.init

    def lanes(self, folds: Sequence[Fold], lane: str, lanes: str) -> None:
        """Write which lane of a row this is, and the shared memory in which the warps meet."""
        self.line(f"lane = {lane}")
        self.line(f"lanes = {lanes}")
        self.line(f"warp = lane // {WARP}")
        self.line(f"place = lane % {WARP}")
        for f in folds:
            memory = MEMORY[self.total_of(f)[1]]
            self.line(f"share_{f.name} = cuda.shared.array({WARP}, {memory})")

    def begin_folds(self, folds: Sequence[Fold]) -> None:
        for f in folds:
            self.line(f"{f.name} = {f.init}", f.loc)

    def walk(self, each: Pass, fours: Fours | None, walk: Walk) -> None:
        """Write a thread's way through the elements of a pass."""
        *lines, last = self.kernel.inner
        if each.body or each.folds:
            with self.nested(lines):
                self.prepare(each.body, last.name)
                self.along(each, fours, walk)

    def along(self, each: Pass, fours: Fours | None, walk: Walk) -> None:
        """Write a thread's way along the innermost axis, by fours where there are any."""
        axis = self.kernel.inner[-1]
        if fours is None:
            with self.strided(axis.name, walk.first(1), walk.stop, walk.lanes):
                self.fold_element(each, axis.name)
            return
        start = walk.first(FOUR if fours.apart is None else 1)
        with self.strided("quad", start, walk.stop, f"{FOUR} * {walk.lanes}"):
            self.four(fours, each.body, each.folds)

    def fold_element(self, each: Pass, inner: str | None) -> None:
        """Write what is done at one element."""
        self.statements([s for s in each.body if not isinstance(s, Store)], inner)
        for f in each.folds:
            self.line(f"{f.name} = {f.step.format(acc=f.name, x=f.value)}", f.loc)
        self.statements([s for s in each.body if isinstance(s, Store)], inner)

    def guarded(
        self, statements: Sequence[Statement], condition: str, folded: str | None = None
    ) -> None:
        """Write statements that every lane computes and one lane stores.

        `folded` is the condition that a lane has folded something: others have no index to look at.
        """
        self.prepare(statements, None)
        for s in statements:
            if isinstance(s, Let) and s.notes and folded is not None:
                self.line(f"{s.name} = to_{s.tag}(0)", s.loc)
                with self.block(f"if {folded}:"):
                    self.statements([s])
            elif not isinstance(s, Store):
                self.statements([s])
        stores = [s for s in statements if isinstance(s, Store)]
        if stores:
            with self.block(f"if {condition}:"):
                self.statements(stores)

    @contextmanager
    def strided(self, variable: str, start: str, stop: str, step: str) -> Iterator[None]:
        """Loop from start to stop, each lane a part."""
        self.line(f"{variable} = {start}")
        with self.block(f"while {variable} < {stop}:"):
            yield
            self.line(f"{variable} += {step}")

    # Rows: several lanes fold a row together, of a warp or of a block.

    def row_sizes(self) -> tuple[Dim, ...]:
        """Return how many rows there are, how many lines each has, and how long these are."""
        (*lines, last), outer = self.kernel.inner, self.kernel.outer
        return self.points(outer), self.points(lines), self.kernel.extent(last)

    def rows(self) -> None:
        kernel = self.kernel
        outer = kernel.outer
        row = self.row(outer)
        with self.entry(Work.ROWS, self.row_sizes()):
            folds = [f for each in kernel.passes for f in each.folds]
            self.lanes(folds, "cuda.threadIdx.x", "cuda.blockDim.x")
            bodies = [each.body for each in kernel.passes]
            fours = self.neighbours(bodies, kernel.inner[-1], "stop")
            self.statements(kernel.once)
            self.line("first = cuda.blockIdx.x * cuda.blockDim.y")
            rows = self.product(outer)
            with self.block(f"while first < {rows}:"):
                # Lanes without a row go along, for the shuffles: they fold and store nothing.
                self.line(f"inside = first + cuda.threadIdx.y < {rows}")
                self.line(f"{row} = minimum(first + cuda.threadIdx.y, {rows} - 1)")
                self.decode(row, outer)
                self.guarded(kernel.row, "inside and lane == 0")
                self.line(f"stop = select(inside, {kernel.inner[-1].size}, 0)")
                for each in kernel.passes:
                    self.row_pass(each, fours)
                self.line("first += cuda.gridDim.x * cuda.blockDim.y")

    def row_pass(self, each: Pass, fours: Fours | None) -> None:
        self.begin_folds(each.folds)
        self.walk(each, fours, ALONG_ROW)
        self.across_lanes(each.folds)
        self.guarded(each.after, "inside and lane == 0", "inside")

    # Columns: threads side by side have neighbouring columns, threads above one another share one.

    def column_sizes(self) -> tuple[Dim, ...]:
        """Return how many columns lie side by side, how often, and their lines and their depth."""
        (*others, column), (*lines, last) = self.kernel.outer, self.kernel.inner
        sizes = self.kernel.extent(column), self.points(lines), self.kernel.extent(last)
        return (self.points(others), *sizes)

    def columns(self) -> None:
        kernel = self.kernel
        *others, column = kernel.outer
        moving = varying(kernel.row, column.name)
        steady = [s for s in kernel.row if s not in moving]
        with self.entry(Work.COLUMNS, self.column_sizes()):
            self.share_by_dtype([f for each in kernel.passes for f in each.folds], MOST_THREADS)
            bodies = [each.body for each in kernel.passes]
            fours = self.ahead(bodies, kernel.inner[-1], "stop", "cuda.blockDim.y")
            self.statements(kernel.once)
            self.line("width = cuda.blockDim.x")
            self.line("lane = cuda.threadIdx.y * width + cuda.threadIdx.x")
            row = self.row(others)
            with self.strided(row, "cuda.blockIdx.y", self.product(others), "cuda.gridDim.y"):
                self.decode(row, others)
                self.guarded(steady, "lane == 0 and cuda.blockIdx.x == 0")
                self.column_band(column, moving, fours)

    def share_by_dtype(self, folds: Sequence[Fold], threads: int) -> None:
        """Write the shared memory in which the threads of a column meet."""
        for tag in sorted({self.total_of(f)[1] for f in folds}):
            self.line(f"share_{tag} = cuda.shared.array({threads}, {MEMORY[tag]})")

    def column_band(self, column: Axis, moving: Sequence[Statement], fours: Fours) -> None:
        self.line("first = cuda.blockIdx.x * width")
        with self.block(f"while first < {column.size}:"):
            self.own_column(column)
            self.guarded(moving, "inside and cuda.threadIdx.y == 0")
            self.line(f"stop = select(inside, {self.kernel.inner[-1].size}, 0)")
            for each in self.kernel.passes:
                self.column_pass(each, fours)
            self.line("first += width * cuda.gridDim.x")

    def own_column(self, column: Axis) -> None:
        # Threads beside the last column go along: they fold and store nothing.
        self.line(f"inside = first + cuda.threadIdx.x < {column.size}")
        self.line(f"{column.name} = minimum(first + cuda.threadIdx.x, {column.size} - 1)")

    def column_pass(self, each: Pass, fours: Fours) -> None:
        self.begin_folds(each.folds)
        self.walk(each, fours, DOWN_COLUMN)
        self.widen(each.folds)
        for f in each.folds:
            self.down_columns(f)
        self.narrow(each.folds)
        self.guarded(each.after, "inside and cuda.threadIdx.y == 0", "inside")

    def down_columns(self, f: Fold) -> None:
        """Write what gives every thread of a column the fold over all of them."""
        name, tag = self.total_of(f)
        share = f"share_{tag}"
        self.line(f"{share}[lane] = {written(tag, name)}")
        self.line("cuda.syncthreads()")
        self.line("distance = cuda.blockDim.y // 2")
        with self.block("while distance > 0:"):
            with self.block("if cuda.threadIdx.y < distance:"):
                other = read(tag, f"{share}[lane + distance * width]")
                self.line(f"{name} = {f.step.format(acc=name, x=other)}", f.loc)
                self.line(f"{share}[lane] = {written(tag, name)}")
            self.line("cuda.syncthreads()")
            self.line("distance = distance // 2")
        self.line(f"{name} = {read(tag, f'{share}[cuda.threadIdx.x]')}")
        self.line("cuda.syncthreads()")
