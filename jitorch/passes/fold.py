"""Carry out at compile time what depends on constants only.

An op without side effects whose inputs are all constants is run by its own `eager` function, and a
constant takes its place. Only numbers and 0-d tensors are kept: a large constant would be stored,
where making it costs little. An op that raises is left where it is, for the user to see it raise
there.

    %0: f32[] = constant() {value=2.0, dtype=f32}
    %1: f32[] = sqrt(%0)
    %n: int(8) = dim() {value=8}

becomes

    %0: f32[] = constant() {value=2.0, dtype=f32}
    %1: f32[] = constant() {value=1.4142135381698608, dtype=f32}
    %n: int(8) = constant() {value=8}
"""

from __future__ import annotations

from typing import Any

import numpy as np

from jitorch.ir.core import Attr, Graph, Op, Value
from jitorch.ir.facts import op_symbols
from jitorch.ir.interp import run_op
from jitorch.ir.opdef import OPS
from jitorch.ir.rebuild import Rewrite, rebuild
from jitorch.ir.types import ScalarType, TensorType, Type


def fold(graph: Graph) -> Graph:
    """Return the graph with ops on constants replaced by their results."""
    known: dict[Value, Any] = {}

    def visit(op: Op) -> Rewrite:
        if op.name == "constant":
            known[op.output] = run_op(op, ())[0]
            return op
        if not _foldable(op) or any(v not in known for v in op.inputs):
            return op
        try:
            results = run_op(op, [known[v] for v in op.inputs])
        except Exception:  # whatever an op raises, it shall raise at run time
            return op
        ops = [_constant(x, v, op) for x, v in zip(results, op.outputs, strict=True)]
        known.update((new.output, x) for new, x in zip(ops, results, strict=True))
        return ops, [new.output for new in ops]

    return rebuild(graph, visit)


def _foldable(op: Op) -> bool:
    definition = OPS[op.name]
    return (
        definition.pure
        and definition.compose is None
        and not op.blocks
        and not op_symbols(op)
        and all(_small(v.type) for v in op.outputs)
    )


def _small(t: Type) -> bool:
    if isinstance(t, TensorType):
        return t.shape == () and t.device == "cpu"  # a GPU need not be there at compile time
    return isinstance(t, ScalarType)


def _constant(x: Any, v: Value, op: Op) -> Op:
    """Return the constant op that makes `x` in place of `v`."""
    attrs: dict[str, Attr] = {"value": x.item() if isinstance(x, np.ndarray) else x}
    if isinstance(v.type, TensorType):
        attrs["dtype"] = v.type.dtype
    out = v
    if isinstance(v.type, ScalarType) and v.type.kind == "int" and v.type.value != x:
        out = Value(ScalarType("int", x), v.hint)
    return Op("constant", (), (out,), attrs, loc=op.loc)
