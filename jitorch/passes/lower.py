"""Write ops that a library carries out in ops that fuse, where a kernel does better.

    %i: i64[n] = argmax(%x) {dim=1, keepdim=False}

becomes

    require_elements() {name="argmax", shape=(n, m), dim=(1,)}
    %0: f32[n, 1] = peak(%x) {dim=(1,), keepdim=True}
    %1: bool[n, m] = eq(%x, %0)
    ...
    %i: i64[n] = trough(%6) {dim=(1,), keepdim=False}

which is one kernel, together with what makes %x and what uses %i. Only code generation asks for
this; without it the library is the better choice. The op table has the other form of each op
(`OpDef.lowered`).
"""

from __future__ import annotations

from jitorch.errors import at
from jitorch.ir.builder import expand
from jitorch.ir.core import Graph, Op
from jitorch.ir.dims import using_facts
from jitorch.ir.facts import all_symbols, facts_of
from jitorch.ir.opdef import OPS
from jitorch.ir.rebuild import Rewrite, rebuild
from jitorch.passes.cse import cse
from jitorch.passes.decompose import decompose, named


def lower(graph: Graph) -> Graph:
    """Return the graph with ops that fuse in place of those of libraries."""
    taken = all_symbols(graph)

    def visit(op: Op) -> Rewrite:
        how = OPS[op.name].lowered
        if how is None:
            return op
        with at(op.loc):
            made = expand(how, op.inputs, op.attrs, taken)
        return op if made is None else named(*made, op.outputs)

    with using_facts(facts_of(graph)):
        lowered = rebuild(graph, visit)
    return graph if lowered is graph else cse(decompose(lowered))
