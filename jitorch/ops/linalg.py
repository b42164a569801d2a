"""Matrix products."""

from __future__ import annotations

from typing import Any

from jitorch.dispatch import apply, method
from jitorch.errors import ShapeMismatch
from jitorch.ir.dims import equal
from jitorch.ir.opdef import OpDef, register
from jitorch.ir.promotion import common
from jitorch.ir.shapes import broadcast, show
from jitorch.ir.types import TensorType, Type
from jitorch.ops.families import tensor_type
from jitorch.ops.shape import squeeze, unsqueeze


def _matmul_infer(a: Type, b: Type) -> Type:
    x, y = tensor_type(a, "matmul"), tensor_type(b, "matmul")
    if x.ndim < 2 or y.ndim < 2:
        raise ShapeMismatch(f"matmul: expected matrices, got {x} and {y}")
    if not equal(x.shape[-1], y.shape[-2]):
        raise ShapeMismatch(
            f"mat1 and mat2 shapes cannot be multiplied ({show(x.shape)} and {show(y.shape)})",
            hint=f"the last size of the first ({x.shape[-1]}) must equal the last but one of the second ({y.shape[-2]})",
        )
    batch = broadcast(x.shape[:-2], y.shape[:-2])
    return TensorType(x.dtype, (*batch, x.shape[-2], y.shape[-1]), device=x.device)


matmul_op = register(
    OpDef(name="matmul", eager=lambda xp, a, b: xp.matmul(a, b), infer=_matmul_infer, promote=common)
)


@method("matmul", "mm", "bmm", "mv")
def matmul(x: Any, other: Any) -> Any:
    """Return the matrix product, with NumPy's rules for vectors and batches; `x @ other`."""
    for t in (x, other):
        if t.ndim == 0:
            raise ShapeMismatch("both arguments to matmul need to be at least 1D, but they are 0D")
    a = unsqueeze(x, 0) if x.ndim == 1 else x
    b = unsqueeze(other, 1) if other.ndim == 1 else other
    out = apply(matmul_op, a, b)
    if other.ndim == 1:
        out = squeeze(out, -1)
    return squeeze(out, -1 if other.ndim == 1 else -2) if x.ndim == 1 else out


@method()
def dot(x: Any, other: Any) -> Any:
    """Return the inner product of two vectors."""
    if x.ndim != 1 or other.ndim != 1:
        raise ShapeMismatch(f"1D tensors expected, but got {x.ndim}D and {other.ndim}D tensors")
    return matmul(x, other)


@method("outer", "ger")
def outer(x: Any, vec2: Any) -> Any:
    """Return the outer product of two vectors."""
    if x.ndim != 1 or vec2.ndim != 1:
        raise ShapeMismatch(f"outer: expected 1-D tensors, but got {x.ndim}D and {vec2.ndim}D tensors")
    return unsqueeze(x, 1) * vec2
