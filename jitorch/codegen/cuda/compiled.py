"""The kernels of a graph for CUDA: source, PTX and machine code of each."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass

from jitorch.codegen.cuda import toolkit
from jitorch.codegen.cuda.launch import BOUNDS
from jitorch.codegen.cuda.printer import CudaSource, Entry, source
from jitorch.codegen.cuda.scans import scan_source
from jitorch.codegen.lines import has_kernel
from jitorch.codegen.loops import GPU
from jitorch.codegen.schedule import schedule
from jitorch.codegen.strides import NOTHING_MADE, Makers, makers
from jitorch.errors import CompileError
from jitorch.ir.core import Graph, Op
from jitorch.ir.interp import device_for

STAGES = ("kernels", "ptx", "sass")


@dataclass(frozen=True)
class Unit:
    """One entry of a kernel, which is what is compiled and launched."""

    source: CudaSource
    entry: Entry

    @property
    def name(self) -> str:
        return self.entry.name

    def text(self, stage: str, cc: tuple[int, int]) -> str:
        """Return the unit at a stage; the source of all entries comes with the first."""
        if stage == "kernels":
            return self.source.text if self.entry is self.source.entries[0] else ""
        if stage == "ptx":
            return ptx(self.source, self.entry.name, cc)
        return toolkit.disassemble(cubin(self.source, self.entry.name, cc))


def units(graph: Graph) -> Iterator[Unit]:
    """Yield what there is to compile for a fused graph, in order, each text once."""
    seen: set[str] = set()
    ops = makers(graph)
    # What is in main memory beside tensors on a GPU stays there.
    placed = any(device_for(op) != "cpu" for op in graph.walk())
    for op in graph.walk():
        made = None if placed and device_for(op) == "cpu" else kernel_of(op, ops)
        if made is not None and made.name not in seen:
            seen.add(made.name)
            yield from (Unit(made, entry) for entry in made.entries)


def kernel_of(op: Op, made: Makers = NOTHING_MADE) -> CudaSource | None:
    """Return the kernel of an op; None if it has none, and is done by a library.

    `made` has the ops that made its operands, whose strides may follow from that.
    """
    if op.name == "fused":
        return source(schedule(op, made, habits=GPU))
    return scan_source(op) if has_kernel(op) else None


@functools.lru_cache(maxsize=256)
def ptx(made: CudaSource, entry: str, cc: tuple[int, int]) -> str:
    """Return the PTX text of an entry."""
    (work,) = (e.work for e in made.entries if e.name == entry)
    try:
        text: str = toolkit.adapter().ptx(made.text, entry, made.types, cc, BOUNDS[work])
    except CompileError:
        raise
    except Exception as error:  # whatever the walk, NVVM or NVRTC fail with
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise CompileError(
            f"the kernel '{entry}' could not be compiled for CUDA: {reason[0]}",
            hint="`jitorch doctor` shows which compilers are installed and whether they fit",
        ) from error
    return text


def cubin(made: CudaSource, entry: str, cc: tuple[int, int]) -> bytes:
    """Return the machine code of an entry."""
    return toolkit.assemble(ptx(made, entry, cc), cc)


def code(graph: Graph, stage: str, cc: tuple[int, int]) -> str:
    """Return all kernels of a fused graph as text: `stage` is kernels, ptx or sass."""
    if stage not in STAGES:
        raise ValueError(f"there is no code at stage {stage!r}; there are: {', '.join(STAGES)}")
    return "\n".join(filter(None, (unit.text(stage, cc) for unit in units(graph))))
