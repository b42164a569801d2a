"""Gathers and scatters: index tensors with one index for each element."""

from __future__ import annotations

from typing import Any

import numpy as np

from jitorch.dispatch import apply
from jitorch.errors import IndexOutOfRange, ShapeMismatch, TypeMismatch
from jitorch.ir import dims as D
from jitorch.ir.opdef import OpDef, Picks, register
from jitorch.ir.shapes import axis, broadcast, show
from jitorch.ir.types import DType, TensorType, Type, common_device
from jitorch.ops.families import function, tensor_type
from jitorch.ops.index import add_at
from jitorch.ops.samples import fixed, ramp, strided
from jitorch.ops.select import filling
from jitorch.ops.shape import expand, reshape

__all__ = ["gather", "scatter", "scatter_add", "take_along_dim"]


def _gather_infer(x: Type, index: Type, *, dim: int) -> Type:
    t, i = tensor_type(x, "gather"), tensor_type(index, "gather")
    if i.dtype.name not in ("int64", "int32"):
        raise TypeMismatch(f"gather(): Expected dtype int32/int64 for index, got {i.dtype.name}")
    if i.ndim != t.ndim:
        raise ShapeMismatch(
            "gather(): Index tensor must have the same number of dimensions as input tensor"
        )
    for d, (have, most) in enumerate(zip(i.shape, t.shape, strict=True)):
        if d != dim and D.at_least(most, have) is False:
            raise ShapeMismatch(
                f"Size does not match at dimension {d} expected index {show(i.shape)} to be no "
                f"larger than self {show(t.shape)} apart from dimension {dim}"
            )
    return TensorType(t.dtype, i.shape, device=common_device((t, i)))


def _check_bounds(index: Any, dim: int, size: int) -> None:
    bad = index[(index < 0) | (index >= size)]
    if bad.size:
        raise IndexOutOfRange.beyond(int(bad[0]), dim, size)


def _gather_eager(xp: Any, x: Any, index: Any, *, dim: int) -> Any:
    if x.ndim == 0:
        _check_bounds(index, dim, 1)
        return x.copy()
    _check_bounds(index, dim, x.shape[dim])
    cut = tuple(slice(n) if d != dim else slice(None) for d, n in enumerate(index.shape))
    return xp.take_along_axis(x[cut], index, axis=dim)


def _gather_picks(x: Type, index: Type, *, dim: int) -> Picks | None:
    ndim = tensor_type(x, "gather").ndim
    if not ndim:
        return None
    walks = tuple(None if d == dim else d for d in range(ndim))
    return Picks(dims=(dim,), walks=walks, at=0, back=False)


gather_op = register(
    OpDef(
        name="gather",
        eager=_gather_eager,
        infer=_gather_infer,
        picks=_gather_picks,
        samples=fixed(
            ((ramp(3, 4), np.array([[0, 1], [3, 3]])), {"dim": 1}),
            ((strided(), np.array([[2, 0, 1]])), {"dim": 0}),
            ((ramp(3, 4), np.zeros((0, 4), np.int64)), {"dim": 0}),
        ),
    )
)


def _scatter_infer(x: Type, index: Type, src: Type, *, dim: int, accumulate: bool) -> Type:
    t = tensor_type(x, "scatter")
    _gather_infer(x, index, dim=dim)
    if tensor_type(src, "scatter").dtype is not t.dtype:
        raise TypeMismatch("scatter(): Expected self.dtype to be equal to src.dtype")
    return TensorType(t.dtype, t.shape, device=common_device((t, index, src)))


def _scatter_eager(xp: Any, x: Any, index: Any, src: Any, *, dim: int, accumulate: bool) -> Any:
    _check_bounds(index, dim, x.shape[dim])
    out = x.copy()
    where = [
        xp.arange(n).reshape([-1 if i == d else 1 for i in range(index.ndim)])
        for d, n in enumerate(index.shape)
    ]
    where[dim] = index
    part = xp.broadcast_to(src, index.shape) if not src.ndim else src[_corner(index.shape)]
    if accumulate:
        return add_at(xp, out, tuple(where), part)
    out[tuple(where)] = part
    return out


def _corner(shape: tuple[int, ...]) -> tuple[slice, ...]:
    return tuple(map(slice, shape))


scatter_op = register(
    OpDef(
        name="scatter",
        eager=_scatter_eager,
        infer=_scatter_infer,
        samples=fixed(
            (
                (ramp(3, 4), np.array([[0, 1], [3, 3]]), ramp(2, 2)),
                {"dim": 1, "accumulate": False},
            ),
            (
                (ramp(3, 4), np.array([[2, 0, 0]]), ramp(3, 3)),
                {"dim": 0, "accumulate": True},
            ),
            (
                (ramp(3), np.array([1]), np.array(9, np.float32)),
                {"dim": 0, "accumulate": False},
            ),
        ),
    )
)


@function("gather")
def gather(input: Any, dim: int, index: Any) -> Any:
    """Return out[i][j] = input[index[i][j]][j] (for dim 0), and so on for other dimensions."""
    return apply(gather_op, input, index, dim=axis(dim, input.ndim))


@function("take_along_dim")
def take_along_dim(input: Any, indices: Any, dim: int | None = None) -> Any:
    """As `gather`, with inputs that broadcast; without a dimension, from the flattened input."""
    if dim is None:
        return gather(reshape(input, -1), 0, reshape(indices, -1))
    at = axis(dim, input.ndim)

    def without(x: Any) -> D.Shape:
        return tuple(1 if i == at else d for i, d in enumerate(x.shape))

    spread = expand(indices, *broadcast(without(input), tuple(indices.shape)))
    return gather(expand(input, *broadcast(tuple(input.shape), without(indices))), at, spread)


def _source(value: Any, dtype: DType) -> Any:
    return value if hasattr(value, "dtype") else filling(value, dtype)


@function("scatter", inplace=True)
def scatter(input: Any, dim: int, index: Any, src: Any = None, *, value: Any = None) -> Any:
    """Return a copy of the input with out[index[i][j]][j] = src[i][j] (for dim 0).

    `src` may be a number, also given as `value`.
    """
    new = _source(value if src is None else src, input.dtype)
    return apply(scatter_op, input, index, new, dim=axis(dim, input.ndim), accumulate=False)


@function("scatter_add", inplace=True)
def scatter_add(input: Any, dim: int, index: Any, src: Any) -> Any:
    """Return a copy of the input with src[i][j] added to out[index[i][j]][j] (for dim 0)."""
    new = _source(src, input.dtype)
    return apply(scatter_op, input, index, new, dim=axis(dim, input.ndim), accumulate=True)
