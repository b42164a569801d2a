"""Matrix products. `einsum` has its own module."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from jitorch.dispatch import apply
from jitorch.errors import ShapeMismatch
from jitorch.ir import dims as D
from jitorch.ir.dims import equal
from jitorch.ir.opdef import OpDef, register
from jitorch.ir.shapes import axis, broadcast, show
from jitorch.ir.types import TensorType, Type, common_device
from jitorch.ops.elementwise import add, mul
from jitorch.ops.families import function, tensor_type
from jitorch.ops.reduce import sum_
from jitorch.ops.rules import numeric
from jitorch.ops.samples import fixed, ramp, strided
from jitorch.ops.shape import as_list, diagonal, permute, reshape, squeeze, transpose, unsqueeze

__all__ = [
    "addmm", "addmv", "baddbmm", "bmm", "dot", "ger", "inner", "linear", "matmul", "mm", "mv",
    "outer", "tensordot", "trace", "vdot",
]  # fmt: skip


def _by(shape: D.Shape) -> str:
    return "x".join(map(str, shape))


def _matmul_infer(a: Type, b: Type) -> Type:
    x, y = tensor_type(a, "matmul"), tensor_type(b, "matmul")
    if x.ndim < 2 or y.ndim < 2:
        raise ShapeMismatch(f"matmul: expected matrices, got {x} and {y}")
    if not equal(x.shape[-1], y.shape[-2]):
        raise ShapeMismatch(
            f"mat1 and mat2 shapes cannot be multiplied ({_by(x.shape)} and {_by(y.shape)})",
            hint=f"the last size of the first ({x.shape[-1]}) must equal the last but one of the "
            f"second ({y.shape[-2]})",
        )
    batch = broadcast(x.shape[:-2], y.shape[:-2])
    return TensorType(x.dtype, (*batch, x.shape[-2], y.shape[-1]), device=common_device((x, y)))


def _matmul_eager(xp: Any, a: Any, b: Any) -> Any:
    if a.dtype == xp.float16:  # half precision accumulates in single
        return _product(xp, a.astype(xp.float32), b.astype(xp.float32)).astype(xp.float16)
    return _product(xp, a, b)


def _product(xp: Any, a: Any, b: Any) -> Any:
    if a.ndim == 2 or b.ndim > 2 or not a.flags.c_contiguous:
        return xp.matmul(a, b)
    # A batch times one matrix is a single product of more rows, a third of the time.
    rows = math.prod(a.shape[:-1])
    return xp.matmul(a.reshape(rows, a.shape[-1]), b).reshape(*a.shape[:-1], b.shape[-1])


matmul_op = register(
    OpDef(
        name="matmul",
        total=True,
        eager=_matmul_eager,
        infer=_matmul_infer,
        promote=numeric("matmul"),
        samples=fixed(
            ((ramp(2, 3), ramp(3, 4)), {}),
            ((strided(), ramp(2, 3, 2, dtype=np.float64)), {}),
            ((ramp(5, 1, 2, 3), ramp(4, 3, 2)), {}),
            ((ramp(4, 2, 3), ramp(3, 2)), {}),
            ((ramp(4, 0, 3), ramp(3, 2)), {}),
            ((ramp(2, 0), ramp(0, 3)), {}),
            ((ramp(2, 3, dtype=np.int64), ramp(3, 2, dtype=np.int32)), {}),
            ((ramp(2, 3, dtype=np.float16), ramp(3, 2, dtype=np.float16)), {}),
            ((ramp(2, 3) * 1j, ramp(3, 2)), {}),
        ),
    )
)


@function("matmul", "__matmul__")
def matmul(input: Any, other: Any) -> Any:
    """Return the matrix product, with NumPy's rules for vectors and batches; `input @ other`.

    >>> jt.ones(2, 3) @ jt.ones(3)
    tensor([3., 3.])
    """
    if input.ndim == 0 or other.ndim == 0:
        raise ShapeMismatch(
            "both arguments to matmul need to be at least 1D, but they are "
            f"{input.ndim}D and {other.ndim}D"
        )
    a = unsqueeze(input, 0) if input.ndim == 1 else input
    b = unsqueeze(other, 1) if other.ndim == 1 else other
    out = apply(matmul_op, a, b)
    if other.ndim == 1:
        out = squeeze(out, -1)
    return squeeze(out, -1 if other.ndim == 1 else -2) if input.ndim == 1 else out


def _require(name: str, **ranks: tuple[Any, int]) -> None:
    kinds = {1: "1D tensor", 2: "matrix", 3: "3D tensor"}
    for argument, (x, ndim) in ranks.items():
        if x.ndim != ndim:
            raise ShapeMismatch(f"{name}: {argument} must be a {kinds[ndim]}, got {x.ndim}D")


@function("mm")
def mm(input: Any, mat2: Any) -> Any:
    """Return the product of two matrices."""
    _require("mm", input=(input, 2), mat2=(mat2, 2))
    return matmul(input, mat2)


@function("bmm")
def bmm(input: Any, mat2: Any) -> Any:
    """Return the products of two batches of matrices, (b, n, m) and (b, m, p)."""
    _require("bmm", batch1=(input, 3), batch2=(mat2, 3))
    if not equal(input.shape[0], mat2.shape[0]):
        raise ShapeMismatch(
            f"bmm: batches differ in size: {show(input.shape)} and {show(mat2.shape)}"
        )
    return matmul(input, mat2)


@function("mv")
def mv(input: Any, vec: Any) -> Any:
    """Return the product of a matrix and a vector."""
    _require("mv", input=(input, 2), vec=(vec, 1))
    return matmul(input, vec)


@function("dot")
def dot(input: Any, tensor: Any) -> Any:
    """Return the inner product of two vectors."""
    if input.ndim != 1 or tensor.ndim != 1:
        raise ShapeMismatch(
            f"1D tensors expected, but got {input.ndim}D and {tensor.ndim}D tensors"
        )
    if not equal(input.shape[0], tensor.shape[0]):
        raise ShapeMismatch(
            f"inconsistent tensor size, expected tensor {show(input.shape)} and src "
            f"{show(tensor.shape)} to have the same number of elements"
        )
    return matmul(input, tensor)


@function("vdot")
def vdot(input: Any, other: Any) -> Any:
    """Return the inner product of two vectors, the first one conjugated."""
    return dot(input.conj(), other)


@function("outer", "ger")
def outer(input: Any, vec2: Any) -> Any:
    """Return the outer product of two vectors."""
    _require("outer", input=(input, 1), vec2=(vec2, 1))
    return mul(unsqueeze(input, 1), vec2)


ger = outer


@function("inner")
def inner(input: Any, other: Any) -> Any:
    """Return the sums of products over the last dimensions."""
    if input.ndim == 0 or other.ndim == 0:
        return mul(input, other)
    return tensordot(input, other, ([-1], [-1]))


def _mixed(input: Any, product: Any, beta: Any, alpha: Any) -> Any:
    """Return beta * input + alpha * product."""
    if isinstance(beta, (int, float)) and beta == 0:
        return mul(product, alpha)  # NaN in the input does not count then
    return add(input if beta == 1 else mul(input, beta), product, alpha=alpha)


@function("addmm", inplace=True)
def addmm(input: Any, mat1: Any, mat2: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
    """Return beta * input + alpha * (mat1 @ mat2)."""
    return _mixed(input, mm(mat1, mat2), beta, alpha)


@function("addmv", inplace=True)
def addmv(input: Any, mat: Any, vec: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
    """Return beta * input + alpha * (mat @ vec)."""
    return _mixed(input, mv(mat, vec), beta, alpha)


@function("baddbmm", inplace=True)
def baddbmm(input: Any, batch1: Any, batch2: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
    """Return beta * input + alpha * bmm(batch1, batch2)."""
    return _mixed(input, bmm(batch1, batch2), beta, alpha)


@function()
def linear(input: Any, weight: Any, bias: Any = None) -> Any:
    """Return input @ weight.T + bias, for a weight of shape (out, in) and inputs (..., in)."""
    out = matmul(input, transpose(weight, -2, -1) if weight.ndim > 1 else weight)
    return out if bias is None else add(out, bias)


@function()
def tensordot(a: Any, b: Any, dims: Any = 2) -> Any:
    """Return the sums of products over the dimensions `dims`.

    `dims` is a pair of lists, dimensions of `a` and of `b`; a number n stands for the last n of `a`
    and the first n of `b`.
    """
    if isinstance(dims, int):
        left, right = list(range(a.ndim - dims, a.ndim)), list(range(dims))
    else:
        left = [axis(d, a.ndim) for d in as_list(dims[0])]
        right = [axis(d, b.ndim) for d in as_list(dims[1])]
    if len(left) != len(right):
        raise ShapeMismatch("tensordot: both dimension lists should have same length")
    for i, j in zip(left, right, strict=True):
        if not equal(a.shape[i], b.shape[j]):
            raise ShapeMismatch(
                f"contracted dimensions need to match, but first has size {a.shape[i]} in dim {i} "
                f"and second has size {b.shape[j]} in dim {j}"
            )
    kept_a = [i for i in range(a.ndim) if i not in left]
    kept_b = [j for j in range(b.ndim) if j not in right]
    inner_size = D.product(tuple(a.shape[i] for i in left))
    rows, columns = ([t.shape[i] for i in kept] for t, kept in ((a, kept_a), (b, kept_b)))
    x = reshape(permute(a, *kept_a, *left), D.product(tuple(rows)), inner_size)
    y = reshape(permute(b, *right, *kept_b), inner_size, D.product(tuple(columns)))
    return reshape(apply(matmul_op, x, y), *rows, *columns)


@function("trace")
def trace(input: Any) -> Any:
    """Return the sum of the diagonal of a matrix."""
    if input.ndim != 2:
        raise ShapeMismatch("trace: expected a matrix, but got tensor with dim " + str(input.ndim))
    return sum_(diagonal(input))
