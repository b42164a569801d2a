"""Running folds, whatever the processor: how a tensor lies in lines, and what is carried along them."""

from __future__ import annotations

from dataclasses import dataclass

from jitorch.ir.core import Op
from jitorch.ir.dims import Dim, product
from jitorch.ir.opdef import OPS, Scan
from jitorch.ir.types import DType, TensorType

# The operators of `Scan.step`.
SYMBOLS = {"add": "+", "mul": "*"}


@dataclass(frozen=True)
class Lines:
    """How a tensor lies along one dimension: `count` lines of `size`, neighbours `inner` apart."""

    count: Dim
    size: Dim
    inner: Dim


def lines_of(op: Op) -> Lines:
    """Return how the operand lies along the dimension of the fold."""
    t = op.inputs[0].type
    assert isinstance(t, TensorType)
    if not t.shape:
        return Lines(1, 1, 1)
    dim = op.attrs["dim"]
    assert isinstance(dim, int)
    inner = product(t.shape[dim + 1 :])
    return Lines(product((*t.shape[:dim], inner)), t.shape[dim], inner)


def has_kernel(op: Op) -> bool:
    """Whether the op is a running fold with a kernel for the dtype of its operand."""
    scan = OPS[op.name].scan
    if scan is None:
        return False
    t = op.inputs[0].type
    return isinstance(t, TensorType) and scan.init.text(t.dtype) is not None


def carried_in(scan: Scan, dtype: DType) -> str:
    """Return the tag of the dtype in which the fold is carried."""
    if dtype.kind != "float":
        return dtype.tag
    if dtype.tag == "f16" or (dtype.tag == "f32" and not scan.joins(dtype)):
        return "f32"
    return "f64"
