"""Kernels as Python source for Numba's CUDA compiler: one statement per line, the user's at its end.

    def fused_844e97b2c3ac(p_x, p_y, size_i, vectors):
        four_x = cuda.local.array(4, np.float32)
        four_y = cuda.local.array(4, np.float32)
        first = 4 * cuda.grid(1)
        while first < size_i:
            whole = vectors != 0 and first + 4 <= size_i
            if whole:
                load_4(p_x, first, four_x)
            else:
                for lane in range(4):
                    four_x[lane] = p_x[minimum(first + lane, size_i - 1)]
            for lane in range(4):
                x = four_x[lane]
                y = tanh(x)  # model.py:12
                four_y[lane] = y  # model.py:12
            ...

Pointers are indexed by element. The names that stand for operations are those of
`codegen/cuda/primitives.py`. The shape of a launch is in `codegen/cuda/launch.py`; source is right
for any shape.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from jitorch.codegen.cuda.folds import FoldWriter
from jitorch.codegen.cuda.launch import FOUR, SQUARE, Work
from jitorch.codegen.cuda.text import MEMORY
from jitorch.codegen.kernel import Axis, Kernel, Layout, Load, Slot, Statement, Step, Store
from jitorch.codegen.writer import lies_across, terms, without
from jitorch.ir.dims import Dim, product

VECTORS = "vectors"


@dataclass(frozen=True, slots=True)
class Entry:
    """A function to launch: `work` and `sizes` give the shape of the launch."""

    name: str
    work: Work
    sizes: tuple[Dim, ...]


@dataclass(frozen=True, slots=True)
class CudaSource:
    """A kernel as source.

    entries  what to launch, one after another
    slots    what the entries take, all of them the same: pointers, then ints and floats
    blocks   how many elements working memory has that is "per block" (`Scratch`)
    vectors  None, or what has to be known for the last argument, `vectors`: it is 1 if all pointers
             are multiples of 16 and these strides (numbers, or names of slots) multiples of four,
             else 0
    """

    name: str
    text: str
    entries: tuple[Entry, ...]
    slots: tuple[Slot, ...]
    blocks: Dim
    vectors: tuple[int | str, ...] | None

    @property
    def parameters(self) -> tuple[str, ...]:
        extra = () if self.vectors is None else (VECTORS,)
        return (*(slot.name for slot in self.slots), *extra)

    @property
    def types(self) -> tuple[tuple[str, bool], ...]:
        """The dtype or kind of each parameter, and whether it is a pointer."""
        extra = () if self.vectors is None else (("int", False),)
        return (*((slot.tag, slot.pointer) for slot in self.slots), *extra)


def source(kernel: Kernel) -> CudaSource:
    """Return the source of a kernel that was scheduled for GPUs."""
    writer = _Writer(kernel)
    writer.write()
    slots = tuple(s for s in kernel.slots if not isinstance(s.source, Step))
    entries = [Body(work, sizes, tuple(lines)) for work, sizes, lines in writer.entries]
    return assembled("fused", entries, slots, writer.blocks, writer.vectors)


@dataclass(frozen=True, slots=True)
class Body:
    """The lines of an entry, and the shape of its launch."""

    work: Work
    sizes: tuple[Dim, ...]
    lines: tuple[str, ...]


def assembled(
    kind: str,
    bodies: Sequence[Body],
    slots: tuple[Slot, ...],
    blocks: Dim = 0,
    vectors: tuple[int | str, ...] | None = None,
) -> CudaSource:
    """Return the source made of the bodies of its entries, named for its text."""
    names = [s.name for s in slots] + [VECTORS] * (vectors is not None)
    head = ", ".join(names)
    texts = ["\n".join(body.lines) for body in bodies]
    name = f"{kind}_{hashlib.sha256('|'.join([head, *texts]).encode()).hexdigest()[:12]}"
    entries = tuple(
        Entry(f"{name}_{i}" if len(bodies) > 1 else name, body.work, body.sizes)
        for i, body in enumerate(bodies)
    )
    functions = [f"def {e.name}({head}):\n{t}\n" for e, t in zip(entries, texts, strict=True)]
    return CudaSource(name, "\n\n".join(functions), entries, slots, blocks, vectors)


class _Writer(FoldWriter):
    """Writes the layouts without folds; `FoldWriter` has the others."""

    def __init__(self, kernel: Kernel) -> None:
        super().__init__(kernel)
        self.vectors: tuple[int | str, ...] | None = None

    def write(self) -> None:
        layouts = {
            Layout.FLAT: self.flat,
            Layout.TILES: self.tiles,
            Layout.BLOCKS: self.squares,
            Layout.ROWS: self.rows,
            Layout.COLUMNS: self.columns,
            Layout.SPLIT: self.split,
        }
        layouts[self.kernel.layout]()

    def flat(self) -> None:
        (only,) = self.kernel.passes
        axis = self.kernel.inner[0] if self.kernel.inner else Axis("i", 1)
        sizes = (self.kernel.extent(axis),)
        with self.entry(Work.ELEMENTS, sizes):
            arrays = self.arrays_of_four(only.body, axis)
            self.statements(self.kernel.once)
            self.line(f"first = {FOUR} * cuda.grid(1)")
            with self.block(f"while first < {axis.size}:"):
                self.four(only.body, axis, arrays)
                self.line(f"first += {FOUR} * cuda.gridsize(1)")

    def tiles(self) -> None:
        (only,) = self.kernel.passes
        (axis,), outer = self.kernel.inner, self.kernel.outer
        row = outer[0].name if len(outer) == 1 else "row"
        lines = product(tuple(map(self.kernel.extent, outer)))
        with self.entry(Work.LINES, (lines, self.kernel.extent(axis))):
            arrays = self.arrays_of_four(only.body, axis)
            self.statements(self.kernel.once)
            self.line(f"{row} = cuda.blockIdx.y * cuda.blockDim.y + cuda.threadIdx.y")
            with self.block(f"while {row} < {self.product(outer)}:"):
                self.decode(row, outer)
                self.prepare(self.kernel.row, None)
                self.statements(self.kernel.row)
                self.prepare(only.body, axis.name)
                start = "cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x"
                self.line(f"first = {FOUR} * ({start})")
                with self.block(f"while first < {axis.size}:"):
                    self.four(only.body, axis, arrays)
                    self.line(f"first += {FOUR} * cuda.blockDim.x * cuda.gridDim.x")
                self.line(f"{row} += cuda.blockDim.y * cuda.gridDim.y")

    # Four neighbouring elements at once, loaded and stored together where memory allows.

    def arrays_of_four(self, body: Sequence[Statement], axis: Axis) -> Mapping[Load | Store, str]:
        """Write the arrays for what lies contiguous along the axis, and return their names."""
        arrays: dict[Load | Store, str] = {}
        strides: dict[int | str, None] = {}
        for s in body:
            if isinstance(s, (Load, Store)) and dict(s.index).get(axis.name) == 1:
                name = s.name if isinstance(s, Load) else s.value
                kind = "four" if isinstance(s, Load) else "four_out"
                tag = self.tags[s.pointer]
                arrays[s] = self.unique(f"{kind}_{name}")
                self.line(f"{arrays[s]} = cuda.local.array({FOUR}, {MEMORY[tag]})")
                strides.update({stride: None for a, stride in s.index if a != axis.name})
        if arrays:
            self.vectors = tuple(strides)
        return arrays

    def four(
        self, body: Sequence[Statement], axis: Axis, arrays: Mapping[Load | Store, str]
    ) -> None:
        loads = [s for s in arrays if isinstance(s, Load)]
        stores = [s for s in arrays if isinstance(s, Store)]
        if arrays:
            self.line(f"whole = {VECTORS} != 0 and first + {FOUR} <= {axis.size}")
        if loads:
            self.load_four(loads, axis, arrays)
        with self.block(f"for lane in range({FOUR}):"):
            self.line(f"{axis.name} = minimum(first + lane, {axis.size} - 1)")
            for s in body:
                if isinstance(s, Load) and s in arrays:
                    self.line(f"{s.name} = {self.from_memory(s, f'{arrays[s]}[lane]')}", s.loc)
                elif isinstance(s, Store) and s in arrays:
                    self.line(f"{arrays[s]}[lane] = {self.to_memory(s)}", s.loc)
                elif isinstance(s, Store):
                    with self.block(f"if first + lane < {axis.size}:"):
                        self.statements([s], axis.name)
                else:
                    self.statements([s], axis.name)
        if stores:
            self.store_four(stores, axis, arrays)

    def load_four(
        self, loads: Sequence[Load], axis: Axis, arrays: Mapping[Load | Store, str]
    ) -> None:
        with self.block("if whole:"):
            for s in loads:
                self.line(f"load_4({s.pointer}, {self.address_at(s, axis, 'first')}, {arrays[s]})")
        with self.block("else:"), self.block(f"for lane in range({FOUR}):"):
            # What is past the end reads the last element: nothing that it gives is stored.
            self.line(f"{axis.name} = minimum(first + lane, {axis.size} - 1)")
            for s in loads:
                self.line(f"{arrays[s]}[lane] = {s.pointer}[{self.address(s.index, axis.name)}]")

    def store_four(
        self, stores: Sequence[Store], axis: Axis, arrays: Mapping[Load | Store, str]
    ) -> None:
        with self.block("if whole:"):
            for s in stores:
                self.line(f"store_4({s.pointer}, {self.address_at(s, axis, 'first')}, {arrays[s]})")
        with self.block("else:"), self.block(f"for lane in range({FOUR}):"):
            self.line(f"{axis.name} = first + lane")
            with self.block(f"if {axis.name} < {axis.size}:"):
                for s in stores:
                    at = self.address(s.index, axis.name)
                    self.line(f"{s.pointer}[{at}] = {arrays[s]}[lane]")

    def address_at(self, s: Load | Store, axis: Axis, place: str) -> str:
        """Return the address of an access where the axis's variable is `place`."""
        part = without(s.index, axis.name)
        parts = [self.offsets.get(part) or terms(part)] if part else []
        return " + ".join([*parts, place])

    # Squares: operands that lie across the loops are turned in shared memory.

    def squares(self) -> None:
        (only,) = self.kernel.passes
        (axis,) = self.kernel.inner
        *others, high = self.kernel.outer
        extents = tuple(self.kernel.extent(a) for a in (high, axis))
        count = product(tuple(map(self.kernel.extent, others)))
        turned = {
            s: self.unique(f"turned_{s.name}")
            for s in only.body
            if isinstance(s, Load) and lies_across(s, high, axis)
        }
        with self.entry(Work.SQUARES, (count, *extents)):
            for s, name in turned.items():
                # A column more than needed, so that a column's elements are in different banks.
                size = SQUARE * (SQUARE + 1)
                self.line(f"{name} = cuda.shared.array({size}, {MEMORY[self.tags[s.pointer]]})")
            self.statements(self.kernel.once)
            self.line(f"square_rows = ({high.size} + {SQUARE - 1}) // {SQUARE}")
            self.line(f"square_columns = ({axis.size} + {SQUARE - 1}) // {SQUARE}")
            self.line("block = cuda.blockIdx.x")
            total = " * ".join([*(str(a.size) for a in others), "square_rows", "square_columns"])
            with self.block(f"while block < {total}:"):
                self.square(only.body, others, high, axis, turned)
                self.line("block += cuda.gridDim.x")

    def square(
        self,
        body: Sequence[Statement],
        others: Sequence[Axis],
        high: Axis,
        axis: Axis,
        turned: Mapping[Load, str],
    ) -> None:
        self.line(f"square_left = block % square_columns * {SQUARE}")
        self.line("over = block // square_columns")
        self.line(f"square_top = over % square_rows * {SQUARE}")
        self.line("over = over // square_rows")
        if len(others) == 1:
            self.line(f"{others[0].name} = over")
        self.decode("over", others)
        inside = f"if {high.name} < {high.size} and {axis.name} < {axis.size}:"
        with self.lanes_of_square():
            self.line(f"{high.name} = square_top + cuda.threadIdx.x")
            self.line(f"{axis.name} = square_left + lane")
            with self.block(inside):
                for load, name in turned.items():
                    at = f"cuda.threadIdx.x * {SQUARE + 1} + lane"
                    value = f"{load.pointer}[{self.address(load.index, None)}]"
                    self.line(f"{name}[{at}] = {value}", load.loc)
        self.line("cuda.syncthreads()")
        with self.lanes_of_square():
            self.line(f"{high.name} = square_top + lane")
            self.line(f"{axis.name} = square_left + cuda.threadIdx.x")
            with self.block(inside):
                self.statements(self.kernel.row)
                for s in body:
                    if isinstance(s, Load) and s in turned:
                        element = f"{turned[s]}[lane * {SQUARE + 1} + cuda.threadIdx.x]"
                        self.line(f"{s.name} = {self.from_memory(s, element)}", s.loc)
                    else:
                        self.statements([s])
        self.line("cuda.syncthreads()")

    @contextmanager
    def lanes_of_square(self) -> Iterator[None]:
        """Loop over the lines of a square that a row of threads does."""
        self.line("lane = cuda.threadIdx.y")
        with self.block(f"while lane < {SQUARE}:"):
            yield
            self.line("lane += cuda.blockDim.y")
