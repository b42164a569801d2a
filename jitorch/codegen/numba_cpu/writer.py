"""What all layouts are written with for the CPU."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from jitorch.codegen.kernel import Axis, Kernel, Load, Pass, Store
from jitorch.codegen.numba_cpu.sizes import COLUMN_BLOCK, SCRATCH_SLOT
from jitorch.codegen.writer import SourceWriter


class Writer(SourceWriter):
    def __init__(self, kernel: Kernel, shared: Mapping[str, str]) -> None:
        super().__init__()
        self.kernel = kernel
        self.shared = shared
        self.arrays = 0

    def load(self, s: Load, address: str) -> str:
        return f"load({s.pointer}, {address})"

    def store(self, s: Store, address: str) -> str:
        return f"store({s.pointer}, {address}, {s.value})"

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

    def tag(self, pointer: str) -> str:
        """Return the dtype of the elements behind a pointer."""
        return next(slot.tag for slot in self.kernel.slots if slot.name == pointer)

    def array(self, name: str, tag: str, size: int = COLUMN_BLOCK) -> None:
        self.line(f"{name} = scratch_{tag}({SCRATCH_SLOT + self.arrays}, {size})")
        self.arrays += 1

    def fold_body(self, each: Pass, inner: str) -> None:
        self.statements([s for s in each.body if not isinstance(s, Store)], inner)
        for fold in each.folds:
            self.line(f"{fold.name} = {fold.step.format(acc=fold.name, x=fold.value)}", fold.loc)
        self.statements([s for s in each.body if isinstance(s, Store)], inner)
