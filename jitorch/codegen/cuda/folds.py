"""CUDA source of kernels with folds.

Lanes fold what they load, then with each other: within a warp by shuffles, between warps through
shared memory, always in the same order, so that a sum is the same at each run. Sums of float32 go on
in double once several lanes are put together: a lane has few elements, a row may have many lanes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from jitorch.codegen.cuda.fours import Fours, FourWriter
from jitorch.codegen.cuda.launch import FOUR, MOST_THREADS, PART, WARP, Work
from jitorch.codegen.cuda.text import MEMORY, read, written
from jitorch.codegen.kernel import Axis, Fold, Let, Pass, Statement, Store
from jitorch.codegen.writer import used, varying
from jitorch.ir.dims import floordiv, product


class FoldWriter(FourWriter):
    """Writes rows, columns and split folds."""

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

    def lanes(self) -> None:
        """Write which lane of a row this is, and the shared memory in which the warps meet."""
        self.line("lane = cuda.threadIdx.x")
        self.line("lanes = cuda.blockDim.x")
        self.line(f"warp = lane // {WARP}")
        self.line(f"place = lane % {WARP}")
        for each in self.kernel.passes:
            for f in each.folds:
                memory = MEMORY[self.total_of(f)[1]]
                self.line(f"share_{f.name} = cuda.shared.array({WARP}, {memory})")

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
    def strided(self, axis: Axis, start: str, stop: str, step: str) -> Iterator[None]:
        """Loop over an axis, each lane a part."""
        self.line(f"{axis.name} = {start}")
        with self.block(f"while {axis.name} < {stop}:"):
            yield
            self.line(f"{axis.name} += {step}")

    # Rows: several lanes fold a row together, of a warp or of a block.

    def rows(self) -> None:
        kernel = self.kernel
        outer = kernel.outer
        row = outer[0].name if len(outer) == 1 else "row"
        count = product(tuple(map(kernel.extent, outer)))
        with self.entry(Work.ROWS, (count, kernel.extent(kernel.inner[-1]))):
            self.lanes()
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
        *outer, last = self.kernel.inner
        for f in each.folds:
            self.line(f"{f.name} = {f.init}", f.loc)
        if each.body or each.folds:
            with self.nested(outer):
                self.prepare(each.body, last.name)
                self.along(each, last, fours)
        self.across_lanes(each.folds)
        self.guarded(each.after, "inside and lane == 0", "inside")

    def along(self, each: Pass, axis: Axis, fours: Fours | None) -> None:
        """Write a lane's walk along a row, by fours where elements lie together."""
        if fours is None:
            with self.strided(axis, "lane", "stop", "lanes"):
                self.fold_element(each, axis.name)
            return
        with self.quads(f"{FOUR} * lane", "stop", f"{FOUR} * lanes"):
            self.four(fours, each.body, each.folds)

    @contextmanager
    def quads(self, start: str, stop: str, step: str) -> Iterator[None]:
        """Loop by fours, each lane a part."""
        self.line(f"quad = {start}")
        with self.block(f"while quad < {stop}:"):
            yield
            self.line(f"quad += {step}")

    # Columns: threads side by side have neighbouring columns, threads above one another share one.

    def columns(self) -> None:
        kernel = self.kernel
        *others, column = kernel.outer
        moving = varying(kernel.row, column.name)
        steady = [s for s in kernel.row if s not in moving]
        count = product(tuple(map(kernel.extent, others)))
        sizes = (count, kernel.extent(column), kernel.extent(kernel.inner[0]))
        with self.entry(Work.COLUMNS, sizes):
            for tag in sorted({self.total_of(f)[1] for p in kernel.passes for f in p.folds}):
                self.line(f"share_{tag} = cuda.shared.array({MOST_THREADS}, {MEMORY[tag]})")
            bodies = [each.body for each in kernel.passes]
            single = bodies if len(kernel.inner) == 1 else []
            fours = self.ahead(single, kernel.inner[0], "stop", "cuda.blockDim.y")
            self.statements(kernel.once)
            self.line("width = cuda.blockDim.x")
            self.line("lane = cuda.threadIdx.y * width + cuda.threadIdx.x")
            row = others[0].name if len(others) == 1 else "row"
            self.line(f"{row} = cuda.blockIdx.y")
            with self.block(f"while {row} < {self.product(others)}:"):
                self.decode(row, others)
                self.guarded(steady, "lane == 0 and cuda.blockIdx.x == 0")
                self.column_band(column, moving, fours)
                self.line(f"{row} += cuda.gridDim.y")

    def column_band(self, column: Axis, moving: Sequence[Statement], fours: Fours) -> None:
        self.line("first = cuda.blockIdx.x * width")
        with self.block(f"while first < {column.size}:"):
            self.line(f"inside = first + cuda.threadIdx.x < {column.size}")
            self.line(f"{column.name} = minimum(first + cuda.threadIdx.x, {column.size} - 1)")
            self.guarded(moving, "inside and cuda.threadIdx.y == 0")
            self.line(f"stop = select(inside, {self.kernel.inner[0].size}, 0)")
            for each in self.kernel.passes:
                self.column_pass(each, fours)
            self.line("first += width * cuda.gridDim.x")

    def column_pass(self, each: Pass, fours: Fours) -> None:
        for f in each.folds:
            self.line(f"{f.name} = {f.init}", f.loc)
        if each.body or each.folds:
            self.down(each, fours)
        self.widen(each.folds)
        for f in each.folds:
            self.down_columns(f)
        self.narrow(each.folds)
        self.guarded(each.after, "inside and cuda.threadIdx.y == 0", "inside")

    def down(self, each: Pass, fours: Fours) -> None:
        """Write a thread's walk down a column, by fours if it is a single loop."""
        top, *rest = self.kernel.inner
        if rest:
            with (
                self.strided(top, "cuda.threadIdx.y", "stop", "cuda.blockDim.y"),
                self.nested(rest),
            ):
                self.fold_element(each, rest[-1].name)
            return
        self.prepare(each.body, top.name)
        with self.quads("cuda.threadIdx.y", "stop", f"{FOUR} * cuda.blockDim.y"):
            self.four(fours, each.body, each.folds)

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

    # Split: a fold of everything. A block folds a part; then one block folds the results of the
    # parts, in their order, and does what follows. Each pass is two entries.

    def split(self) -> None:
        sizes = (product(tuple(map(self.kernel.extent, self.kernel.inner))),)
        self.blocks = floordiv(sizes[0] + (PART - 1), PART)
        for number, each in enumerate(self.kernel.passes):
            if each.body or each.folds:
                with self.entry(Work.PARTS, sizes):
                    self.begin()
                    self.take_kept(number, each.body, each.folds)
                    self.part(each)
            after = [*(self.kernel.row if number == 0 else ()), *each.after]
            if after or each.folds:
                with self.entry(Work.TOTAL, sizes):
                    self.begin()
                    self.total(number, each, after)

    def begin(self) -> None:
        self.lanes()
        self.statements(self.kernel.once)

    def part(self, each: Pass) -> None:
        inner = self.kernel.inner
        fours = self.neighbours([each.body], inner[0], "end") if len(inner) == 1 else None
        self.line(f"begin = cuda.blockIdx.x * {PART}")
        self.line(f"end = minimum(begin + {PART}, {self.product(inner)})")
        for f in each.folds:
            self.line(f"{f.name} = {f.init}", f.loc)
        if fours is not None:
            with self.quads(f"begin + {FOUR} * lane", "end", f"{FOUR} * lanes"):
                self.four(fours, each.body, each.folds)
        else:
            element = inner[0].name if len(inner) == 1 else "row"
            with self.strided(Axis(element, 0), "begin + lane", "end", "lanes"):
                self.decode(element, inner)
                self.fold_element(each, None)
        self.across_lanes(each.folds)
        if each.folds:
            with self.block("if lane == 0:"):
                for f in each.folds:
                    tag = self.tags[f"part_{f.name}"]
                    value = f"{f.name}_sum" if f.rounds else f.name
                    self.line(f"part_{f.name}[cuda.blockIdx.x] = {written(tag, value)}")

    def total(self, number: int, each: Pass, after: Sequence[Statement]) -> None:
        if each.folds:
            self.line(f"blocks = ({self.product(self.kernel.inner)} + {PART - 1}) // {PART}")
            for f in each.folds:
                self.line(f"{self.total_of(f)[0]} = {self.start(f)}", f.loc)
            self.line("block = lane")
            with self.block("while block < blocks:"):
                for f in each.folds:
                    name, tag = self.total_of(f)
                    part = read(tag, f"part_{f.name}[block]")
                    self.line(f"{name} = {f.step.format(acc=name, x=part)}", f.loc)
                self.line("block += lanes")
            self.together(each.folds)
            self.narrow(each.folds)
        self.take_kept(number, after, ())
        self.guarded(after, "lane == 0")
        kept = self.kernel.carried(number)
        if kept:
            with self.block("if lane == 0:"):
                for name, tag in kept:
                    self.line(f"kept_{name}[0] = {written(tag, name)}")

    def take_kept(
        self, number: int, statements: Sequence[Statement], folds: Sequence[Fold]
    ) -> None:
        """Write the reading of what earlier passes found."""
        wanted = used(statements, folds)
        for before in range(number):
            for name, tag in self.kernel.carried(before):
                if name in wanted:
                    self.line(f"{name} = {read(tag, f'kept_{name}[0]')}")
