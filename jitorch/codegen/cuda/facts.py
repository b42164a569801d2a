"""What `explain` tells about a program on a GPU."""

from __future__ import annotations

from jitorch.codegen.cuda.compiled import kernel_of
from jitorch.codegen.facts import Facts, lines
from jitorch.codegen.strides import makers
from jitorch.ir.core import Graph
from jitorch.ir.interp import device_for
from jitorch.passes.fuse import plan_fusion, unfuse
from jitorch.passes.memory import MemoryPlan


def facts_of(graph: Graph, memory: MemoryPlan) -> Facts:
    """Return the facts of a graph that was compiled for a GPU."""
    made = makers(graph)
    groups = []
    for op in graph.walk():
        source = kernel_of(op, made) if device_for(op) != "cpu" else None
        if source is None:
            continue
        ops = [o for o in op.blocks[0].ops if o.inputs] if op.blocks else [op]
        groups.append(f"{source.name}: {', '.join(o.name for o in ops)}{lines(ops)}")
    written = [
        f"{op.name} changes '{op.inputs[0].hint}' in place{lines([op])}" for op in memory.in_place
    ]
    return Facts(tuple(groups), tuple(plan_fusion(unfuse(graph)).reasons), tuple(written))
