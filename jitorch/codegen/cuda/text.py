"""What all layouts of CUDA source share: entries, elements in memory, sizes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from jitorch.codegen.cuda.launch import Work
from jitorch.codegen.kernel import Axis, Kernel, Load, Store
from jitorch.codegen.writer import SourceWriter
from jitorch.ir.dims import Dim, product

# The type of elements in memory, by dtype. A bool is a byte.
MEMORY = {
    "bool": "np.uint8",
    "u8": "np.uint8",
    "i8": "np.int8",
    "i16": "np.int16",
    "i32": "np.int32",
    "i64": "np.int64",
    "f16": "np.float16",
    "f32": "np.float32",
    "f64": "np.float64",
}


@dataclass(frozen=True, slots=True)
class Body:
    """The lines of an entry, and what they do. `late` tells that sizes may leave nothing to do."""

    work: Work
    lines: tuple[str, ...]
    late: bool = False


class CudaWriter(SourceWriter):
    """Writes entries, one after another; each has lines of its own."""

    def __init__(self, kernel: Kernel) -> None:
        super().__init__()
        self.kernel = kernel
        self.tags = {slot.name: slot.tag for slot in kernel.slots}
        self.sizes: tuple[Dim, ...] = ()  # of all entries
        self.entries: list[Body] = []
        self.taken: set[str] = set()

    @contextmanager
    def entry(self, work: Work, sizes: tuple[Dim, ...], late: bool = False) -> Iterator[None]:
        """Write one more function."""
        self.lines, self.offsets, self.count, self.taken = [], {}, 0, set()
        self.sizes = sizes
        yield
        self.entries.append(Body(work, tuple(self.lines), late))

    # Memory. Inside a kernel half is held in single, and a bool is one.

    def load(self, s: Load, address: str) -> str:
        return self.from_memory(s, f"{s.pointer}[{address}]")

    def store(self, s: Store, address: str) -> str:
        return f"{s.pointer}[{address}] = {self.to_memory(s)}"

    def from_memory(self, s: Load, element: str) -> str:
        return read(self.tags[s.pointer], element)

    def to_memory(self, s: Store) -> str:
        return written(self.tags[s.pointer], s.value)

    # Names and sizes.

    def unique(self, wanted: str) -> str:
        """Return a name that no other array of this entry has."""
        name, number = wanted, 1
        while name in self.taken:
            name, number = f"{wanted}_{number}", number + 1
        self.taken.add(name)
        return name

    def product(self, axes: Sequence[Axis]) -> str:
        """Return the text of the number of points of some axes."""
        return " * ".join(str(a.size) for a in axes) or "1"

    def points(self, axes: Sequence[Axis]) -> Dim:
        """Return the number of points of some axes."""
        return product(tuple(map(self.kernel.extent, axes)))

    def row(self, axes: Sequence[Axis]) -> str:
        """Return the variable that counts the points of some axes."""
        return axes[0].name if len(axes) == 1 else "row"


def read(tag: str, element: str) -> str:
    """Return what an element in memory is in a register."""
    return {"bool": f"to_bool({element})", "f16": f"to_f32({element})"}.get(tag, element)


def written(tag: str, value: str) -> str:
    """Return what a value is in memory."""
    return {"bool": f"to_u8({value})", "f16": f"to_half({value})"}.get(tag, value)
