"""What `explain` tells about an executable."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from jitorch.codegen.compiled import sharing
from jitorch.codegen.numba_cpu import source
from jitorch.codegen.schedule import schedule
from jitorch.codegen.steps import Steps
from jitorch.codegen.strides import Makers, makers
from jitorch.ir.core import Graph, Op
from jitorch.passes.fuse import plan_fusion, unfuse
from jitorch.passes.memory import MemoryPlan


@dataclass(frozen=True)
class Facts:
    """Lines of text.

    groups   for each kernel its name, its ops and the user's lines
    reasons  why neighbouring ops are in different kernels, and loops not native
    memory   what takes over the memory of what, and the most bytes alive at once
    """

    groups: tuple[str, ...]
    reasons: tuple[str, ...]
    memory: tuple[str, ...]


def facts_of(graph: Graph, steps: Steps, memory: MemoryPlan) -> Facts:
    """Return the facts of a compiled graph."""
    made = makers(graph)
    groups = [_group(op, made, memory) for op in graph.ops("fused")]
    groups += [f"{kernel.name}: {op.name}{lines([op])}" for op, kernel in steps.scans.items()]
    groups += [f"one native function for the loop{lines([op])}" for op in steps.native_loops]
    placed = [
        f"{_name(v.hint)} is made in {_name(memory.parts[v].output.hint)}" for v in steps.placed
    ]
    taken = [f"{_name(v.hint)} takes the memory of {_name(old.hint)}" for v, old in steps.reused]
    written = [
        f"{op.name} changes {_name(op.inputs[0].hint)} in place{lines([op])}"
        for op in memory.in_place
    ]
    return Facts(
        tuple(groups),
        (*plan_fusion(unfuse(graph)).reasons, *steps.reasons),
        (*taken, *placed, *written, f"at most {memory.peak} bytes at once, arguments left out"),
    )


def _group(op: Op, made: Makers, memory: MemoryPlan) -> str:
    kernel = schedule(op, made)
    name, _ = source(kernel, sharing(kernel, op, memory.reuse))
    ops = [o for o in op.blocks[0].ops if o.inputs]
    return f"{name}: {', '.join(o.name for o in ops)}{lines(ops)}"


def lines(ops: Sequence[Op]) -> str:
    """Return ` (model.py:12, 14)`: the user's lines of the ops."""
    by_file: dict[str, set[int]] = {}
    for op in ops:
        if op.loc.known:
            by_file.setdefault(os.path.basename(op.loc.file), set()).add(op.loc.line)
    places = [f"{file}:{', '.join(map(str, sorted(lines)))}" for file, lines in by_file.items()]
    return f" ({'; '.join(places)})" if places else ""


def _name(hint: str) -> str:
    return f"'{hint}'" if hint else "an unnamed value"
