"""Strides that follow from how a view was made: a kernel that knows them needs no numbers at run time.

    %a: f32[n, m]            m, 1
    %b = slice(%a) {dim=1, step=2}        m, 2       elements two apart: LLVM loads whole vectors
    %c = permute(%b) {dims=(1, 0)}        2, m

What the caller passes, and views no rule tells about, have strides that only run time knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Union

from jitorch.ir.core import Graph, Op, Value
from jitorch.ir.dims import Dim, product
from jitorch.ir.opdef import OPS
from jitorch.ir.types import TensorType

# By dimension, in elements; None: known at run time.
Strides = tuple[Union[Dim, None], ...]
Makers = Mapping[Value, Op]
NOTHING_MADE: Makers = MappingProxyType({})
NO_PARTS: Mapping[Value, Strides] = MappingProxyType({})


def makers(graph: Graph) -> dict[Value, Op]:
    """Return, for each value of a graph that an op makes, the op."""
    return {v: op for op in graph.walk() for v in op.outputs}


def contiguous(t: TensorType) -> Strides:
    """Return the strides of a tensor without gaps."""
    return tuple(product(t.shape[d + 1 :]) for d in range(t.ndim))


def strides_of(v: Value, made: Makers) -> Strides:
    """Return what is known of the strides of a tensor; `made` has the ops that made values."""
    t = v.type
    assert isinstance(t, TensorType)
    if not t.strided:
        return contiguous(t)
    op = made.get(v)
    if op is None or not OPS[op.name].view:
        return (None,) * t.ndim
    return through_view(op, strides_of(op.inputs[0], made))


def through_view(op: Op, strides: Strides) -> Strides:
    """Return the strides of what a view op shows of a tensor with the given ones."""
    walks = OPS[op.name].walked(op.inputs[0].type, op.attrs)
    t = op.output.type
    assert isinstance(t, TensorType)
    if walks is None:
        return (None,) * t.ndim
    return tuple(_times(strides[d], step) if d is not None else 0 for d, step in walks)


def _times(stride: Dim | None, step: int) -> Dim | None:
    return None if stride is None else stride * step
