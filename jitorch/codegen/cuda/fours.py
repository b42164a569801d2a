"""Four elements of a thread at once: all are loaded before the first is stored.

A thread waits for memory as rarely as can be, and where the four are neighbours, and pointers and
strides are multiples of four elements (`vectors`), one access has them all:

    whole = vectors != 0 and quad + 4 <= size_i
    if whole:
        load_4(p_x, quad, four_x)
    else:
        for each in range(4):
            i = minimum(quad + each, size_i - 1)
            four_x[each] = p_x[i]
    for each in range(4):
        i = minimum(quad + each, size_i - 1)
        x = four_x[each]
        ...

What is past the end reads the last element again: nothing that it gives is stored or folded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jitorch.codegen.cuda.launch import FOUR
from jitorch.codegen.cuda.text import MEMORY, CudaWriter
from jitorch.codegen.kernel import Axis, Fold, Index, Kernel, Load, Statement, Store, uses
from jitorch.codegen.writer import terms, without

VECTORS = "vectors"


@dataclass(frozen=True)
class Fours:
    """The loop that goes by fours.

    axis    its variable
    stop    where it ends
    apart   how far the four elements are apart; None: they are neighbours
    arrays  for each access that is one of four at once, where the four are kept
    """

    axis: Axis
    stop: str
    apart: str | None
    arrays: Mapping[Load | Store, str]

    def place(self) -> str:
        """Return the place of an element."""
        return "quad + each" if self.apart is None else f"quad + each * {self.apart}"


class FourWriter(CudaWriter):
    """Writes loops that go by fours. `vectors` has the strides that must be multiples of four."""

    def __init__(self, kernel: Kernel) -> None:
        super().__init__(kernel)
        self.vectors: tuple[int | str, ...] | None = None

    def neighbours(
        self, bodies: Sequence[Sequence[Statement]], axis: Axis, stop: str
    ) -> Fours | None:
        """Write the arrays for what lies contiguous along the axis; None if nothing does."""
        found = [s for body in bodies for s in body if _contiguous(s, axis) and _early(s, body)]
        arrays = self.arrays(found)
        if not arrays:
            return None
        strides = [stride for s in arrays for a, stride in _index(s) if a != axis.name]
        self.vectors = tuple(dict.fromkeys([*(self.vectors or ()), *strides]))
        return Fours(axis, stop, None, arrays)

    def ahead(
        self, bodies: Sequence[Sequence[Statement]], axis: Axis, stop: str, apart: str
    ) -> Fours:
        """Write the arrays for what is loaded along an axis that is walked in steps."""
        found = [s for body in bodies for s in body if isinstance(s, Load) and _early(s, body)]
        return Fours(axis, stop, apart, self.arrays(found))

    def arrays(self, found: Sequence[Statement]) -> dict[Load | Store, str]:
        arrays: dict[Load | Store, str] = {}
        known: dict[tuple[str, str], str] = {}  # passes that load an element again share its array
        for s in found:
            if not isinstance(s, (Load, Store)):
                continue
            name = f"four_{s.name}" if isinstance(s, Load) else f"four_out_{s.value}"
            if (name, s.pointer) not in known:
                known[name, s.pointer] = self.unique(name)
                memory = MEMORY[self.tags[s.pointer]]
                self.line(f"{known[name, s.pointer]} = cuda.local.array({FOUR}, {memory})")
            arrays[s] = known[name, s.pointer]
        return arrays

    def four(self, fours: Fours, body: Sequence[Statement], folds: Sequence[Fold] = ()) -> None:
        """Write what is done with the four elements from `quad` on."""
        accesses = [s for s in body if isinstance(s, (Load, Store)) and s in fours.arrays]
        loads = [s for s in accesses if isinstance(s, Load)]
        stores = [s for s in accesses if isinstance(s, Store)]
        if accesses and fours.apart is None:
            self.line(f"whole = {VECTORS} != 0 and quad + {FOUR} <= {fours.stop}")
        if loads:
            self.load_four(fours, loads)
        with self.block(f"for each in range({FOUR}):"):
            self.element(fours)
            later = [s for s in body if isinstance(s, Store)]
            for s in body:
                if not isinstance(s, Store):
                    self.loaded(fours, s)
            for f in folds:
                step = f.step.format(acc=f.name, x=f.value)
                inside = f"{fours.place()} < {fours.stop}"
                self.line(f"{f.name} = select({inside}, {step}, {f.name})", f.loc)
            for store in later:
                self.stored(fours, store)
        if stores:
            self.store_four(fours, stores)

    def element(self, fours: Fours) -> None:
        self.line(f"{fours.axis.name} = minimum({fours.place()}, {fours.stop} - 1)")

    def loaded(self, fours: Fours, s: Statement) -> None:
        if isinstance(s, Load) and s in fours.arrays:
            self.line(f"{s.name} = {self.from_memory(s, f'{fours.arrays[s]}[each]')}", s.loc)
        else:
            self.statements([s], fours.axis.name)

    def stored(self, fours: Fours, s: Store) -> None:
        if s in fours.arrays:
            self.line(f"{fours.arrays[s]}[each] = {self.to_memory(s)}", s.loc)
            return
        with self.block(f"if {fours.place()} < {fours.stop}:"):
            self.statements([s], fours.axis.name)

    def load_four(self, fours: Fours, loads: Sequence[Load]) -> None:
        if fours.apart is not None:
            self.load_each(fours, loads)
            return
        with self.block("if whole:"):
            for s in loads:
                self.line(f"load_4({s.pointer}, {self.first(fours, s)}, {fours.arrays[s]})")
        with self.block("else:"):
            self.load_each(fours, loads)

    def load_each(self, fours: Fours, loads: Sequence[Load]) -> None:
        with self.block(f"for each in range({FOUR}):"):
            self.element(fours)
            for s in loads:
                place = self.place(s, fours.axis.name)
                self.line(f"{fours.arrays[s]}[each] = {s.pointer}[{place}]")

    def store_four(self, fours: Fours, stores: Sequence[Store]) -> None:
        with self.block("if whole:"):
            for s in stores:
                self.line(f"store_4({s.pointer}, {self.first(fours, s)}, {fours.arrays[s]})")
        with self.block("else:"), self.block(f"for each in range({FOUR}):"):
            self.line(f"{fours.axis.name} = quad + each")
            with self.block(f"if {fours.axis.name} < {fours.stop}:"):
                for s in stores:
                    address = self.address(s.index, fours.axis.name)
                    self.line(f"{s.pointer}[{address}] = {fours.arrays[s]}[each]")

    def first(self, fours: Fours, s: Load | Store) -> str:
        """Return the address of the first of four neighbours."""
        part = without(s.index, fours.axis.name)
        parts = [self.offsets.get(part) or terms(part)] if part else []
        picked = [terms(s.picked)] if isinstance(s, Load) and s.picked else []
        return " + ".join([*parts, *picked, "quad"])


def _index(s: Load | Store) -> Index:
    return (*s.index, *s.picked) if isinstance(s, Load) else s.index


def _early(s: Statement, body: Sequence[Statement]) -> bool:
    """Whether the place of an element is known before the body."""
    own = {other.name for other in body if not isinstance(other, Store)}
    return not isinstance(s, Load) or own.isdisjoint(uses(s))


def _contiguous(s: Statement, axis: Axis) -> bool:
    return isinstance(s, (Load, Store)) and dict(s.index).get(axis.name) == 1
