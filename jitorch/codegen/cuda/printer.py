"""Kernels as Python source for Numba's CUDA compiler: one statement per line, the user's at its end.

    def fused_844e97b2c3ac(p_x, p_y, size_i, vectors):
        four_x = cuda.local.array(4, np.float32)
        four_out_y = cuda.local.array(4, np.float32)
        quad = 4 * cuda.grid(1)
        while quad < size_i:
            ...  # four elements are loaded: see `codegen/cuda/fours.py`
            for each in range(4):
                i = minimum(quad + each, size_i - 1)
                x = four_x[each]
                y = tanh(x)  # model.py:12
                four_out_y[each] = y  # model.py:12
            ...  # and stored
            quad += 4 * cuda.gridsize(1)

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
from jitorch.codegen.cuda.fours import VECTORS, Fours
from jitorch.codegen.cuda.launch import FOUR, SHARED, SQUARE, Work
from jitorch.codegen.cuda.text import MEMORY
from jitorch.codegen.kernel import Axis, Kernel, Layout, Load, Slot, Statement, Step
from jitorch.codegen.writer import lies_across
from jitorch.ir.dims import Dim, product
from jitorch.ir.types import BY_TAG

# Elements of a square in shared memory: a column more than it has, so that the elements of a column
# are in different banks.
_TURNED = SQUARE * (SQUARE + 1)


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
        with self.entry(Work.ELEMENTS, (self.kernel.extent(axis),)):
            fours = self.fours(only.body, axis)
            self.statements(self.kernel.once)
            self.line(f"quad = {FOUR} * cuda.grid(1)")
            with self.block(f"while quad < {axis.size}:"):
                self.four(fours, only.body)
                self.line(f"quad += {FOUR} * cuda.gridsize(1)")

    def tiles(self) -> None:
        (only,) = self.kernel.passes
        (axis,), outer = self.kernel.inner, self.kernel.outer
        row = outer[0].name if len(outer) == 1 else "row"
        lines = product(tuple(map(self.kernel.extent, outer)))
        with self.entry(Work.LINES, (lines, self.kernel.extent(axis))):
            fours = self.fours(only.body, axis)
            self.statements(self.kernel.once)
            self.line(f"{row} = cuda.blockIdx.y * cuda.blockDim.y + cuda.threadIdx.y")
            with self.block(f"while {row} < {self.product(outer)}:"):
                self.decode(row, outer)
                self.prepare(self.kernel.row, None)
                self.statements(self.kernel.row)
                self.prepare(only.body, axis.name)
                start = "cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x"
                self.line(f"quad = {FOUR} * ({start})")
                with self.block(f"while quad < {axis.size}:"):
                    self.four(fours, only.body)
                    self.line(f"quad += {FOUR} * cuda.blockDim.x * cuda.gridDim.x")
                self.line(f"{row} += cuda.blockDim.y * cuda.gridDim.y")

    def fours(self, body: Sequence[Statement], axis: Axis) -> Fours:
        stop = str(axis.size)
        return self.neighbours([body], axis, stop) or Fours(axis, stop, None, {})

    # Squares: operands that lie across the loops are turned in shared memory.

    def squares(self) -> None:
        (only,) = self.kernel.passes
        (axis,) = self.kernel.inner
        *others, high = self.kernel.outer
        extents = tuple(self.kernel.extent(a) for a in (high, axis))
        count = product(tuple(map(self.kernel.extent, others)))
        turned = self.turned(only.body, high, axis)
        with self.entry(Work.SQUARES, (count, *extents)):
            for s, name in turned.items():
                memory = MEMORY[self.tags[s.pointer]]
                self.line(f"{name} = cuda.shared.array({_TURNED}, {memory})")
            self.statements(self.kernel.once)
            self.line(f"square_rows = ({high.size} + {SQUARE - 1}) // {SQUARE}")
            self.line(f"square_columns = ({axis.size} + {SQUARE - 1}) // {SQUARE}")
            self.line("block = cuda.blockIdx.x")
            total = " * ".join([*(str(a.size) for a in others), "square_rows", "square_columns"])
            with self.block(f"while block < {total}:"):
                self.square(only.body, others, high, axis, turned)
                self.line("block += cuda.gridDim.x")

    def turned(self, body: Sequence[Statement], high: Axis, axis: Axis) -> dict[Load, str]:
        """Return a name for each operand to be turned: as many as shared memory has room for."""
        found: dict[Load, str] = {}
        room = SHARED
        for s in body:
            if isinstance(s, Load) and lies_across(s, high, axis):
                room -= _TURNED * BY_TAG[self.tags[s.pointer]].itemsize
                if room >= 0:
                    found[s] = f"turned_{s.name}"
        return found

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
        if turned:
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
