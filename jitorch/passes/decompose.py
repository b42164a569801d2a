"""Replace composite ops by the ops they are made of.

A composite (`softmax`, `layer_norm`, ...) is a function of other ops; the front ends keep it whole
so that graphs read as they were written. From here on every op is one that a kernel, a library or
the interpreter carries out, and fusion and the other passes see through what was composite. The
user's place stays.

    %y: f32[n, 4] = softmax(%x) {dim=1}

becomes

    %0: f32[n, 1] = amax(%x) {dim=(1,), keepdim=True}
    %1: f32[n, 4] = sub(%x, %0)
    %2: f32[n, 4] = exp(%1)
    %3: f32[n, 1] = sum(%2) {dim=(1,), keepdim=True}
    %y: f32[n, 4] = div(%2, %3)
"""

from __future__ import annotations

from collections.abc import Sequence

from jitorch.errors import at
from jitorch.ir.builder import compose
from jitorch.ir.core import Graph, Op, Value
from jitorch.ir.dims import using_facts
from jitorch.ir.facts import all_symbols, facts_of
from jitorch.ir.opdef import OPS
from jitorch.ir.rebuild import Rewrite, Scope, rebuild


def decompose(graph: Graph) -> Graph:
    """Return the graph without composite ops."""
    taken = all_symbols(graph)

    def visit(op: Op) -> Rewrite:
        if OPS[op.name].compose is None:
            return op
        ops, results = _expanded(op, taken)
        return named(ops, results, op.outputs)

    with using_facts(facts_of(graph)):
        return rebuild(graph, visit)


def _expanded(op: Op, taken: set[str]) -> tuple[list[Op], tuple[Value, ...]]:
    """Return the ops that a composite stands for, composites among them expanded in turn."""
    with at(op.loc):
        ops, results = compose(OPS[op.name], op.inputs, op.attrs, taken)
    scope, out = Scope(), list[Op]()
    for inner in ops:
        inner = Op(
            inner.name, scope.all(inner.inputs), inner.outputs, inner.attrs, inner.blocks, inner.loc
        )
        if OPS[inner.name].compose is None:
            out.append(inner)
            continue
        more, made = _expanded(inner, taken)
        out += more
        for old, new in zip(inner.outputs, made, strict=True):
            scope.put(old, new)
    return out, scope.all(results)


def named(
    ops: list[Op], results: Sequence[Value], outputs: Sequence[Value]
) -> tuple[list[Op], Sequence[Value]]:
    """Let the results be an op's own outputs where the ops in its place make them: names stay."""
    made = {v for op in ops for v in op.outputs}
    scope = Scope(
        {r: o for r, o in zip(results, outputs, strict=True) if r in made and r.type == o.type}
    )
    renamed = [
        Op(op.name, scope.all(op.inputs), scope.all(op.outputs), op.attrs, op.blocks, op.loc)
        for op in ops
    ]
    return renamed, scope.all(results)
