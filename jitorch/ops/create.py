"""Creation: tensors from sizes and numbers. Defaults are PyTorch's (float32, int64)."""

from __future__ import annotations

import math
from typing import Any

from jitorch.dispatch import apply
from jitorch.errors import ShapeMismatch, TypeMismatch
from jitorch.ir.dims import Dim, Shape, Sym, at_least, dim_max, floordiv
from jitorch.ir.opdef import OPS, OpDef, register
from jitorch.ir.types import DType, TensorType, Type, bool_, complex64, float32, int64

FillValue = bool | int | float | complex


def _full_infer(*, shape: Shape, value: FillValue, dtype: DType) -> Type:
    for d in shape:
        if isinstance(d, int) and d < 0:
            raise ShapeMismatch(f"Trying to create tensor with negative dimension {d}: {list(shape)}")
    return TensorType(dtype, tuple(shape))


full_op = register(
    OpDef(
        name="full",
        eager=lambda xp, *, shape, value, dtype: xp.full(shape, xp.asarray(value).astype(dtype.numpy)),
        infer=_full_infer,
    )
)


def _arange_infer(*, start: Any, step: Any, length: Dim, dtype: DType) -> Type:
    return TensorType(dtype, (length,))


def _arange_eager(xp: Any, *, start: Any, step: Any, length: int, dtype: DType) -> Any:
    wide = xp.int64 if isinstance(start, int) and isinstance(step, int) else xp.float64
    return (start + step * xp.arange(length, dtype=wide)).astype(dtype.numpy)


arange_op = register(OpDef(name="arange", eager=_arange_eager, infer=_arange_infer))


def default_dtype(value: object) -> DType:
    """Return the dtype of a tensor made from a Python number."""
    for python_type, dtype in ((bool, bool_), (int, int64), (float, float32), (complex, complex64)):
        if isinstance(value, python_type):
            return dtype
    raise TypeMismatch(f"expected a number, got {type(value).__name__}")


def _shape(size: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(size) == 1 and isinstance(size[0], (tuple, list)):
        return tuple(size[0])
    return size


def full(size: Any, fill_value: FillValue, *, dtype: DType | None = None, device: Any = None) -> Any:
    """Return a tensor of the given size filled with a number.

    >>> jt.full((2,), 7)
    tensor([7, 7])
    """
    shape = tuple(size) if isinstance(size, (tuple, list)) else (size,)
    if not isinstance(fill_value, (bool, int, float, complex)):  # a run-time number
        return _spread(fill_value, shape, dtype)
    return apply(full_op, shape=shape, value=fill_value, dtype=dtype or default_dtype(fill_value))


def _spread(value: Any, shape: tuple[Any, ...], dtype: DType | None) -> Any:
    """Return a run-time number spread over a shape."""
    wanted = dtype or getattr(value, "dtype", None) or (int64 if getattr(value, "kind", "") == "int" else float32)
    return apply(OPS["copy"], apply(OPS["expand"], apply(OPS["cast"], value, dtype=wanted), shape=shape))


def zeros(*size: Any, dtype: DType | None = None, device: Any = None) -> Any:
    """Return a tensor of zeros (float32 by default)."""
    return full(_shape(size), 0.0, dtype=dtype or float32)


def ones(*size: Any, dtype: DType | None = None, device: Any = None) -> Any:
    """Return a tensor of ones (float32 by default)."""
    return full(_shape(size), 1.0, dtype=dtype or float32)


def empty(*size: Any, dtype: DType | None = None, device: Any = None) -> Any:
    """Return a tensor whose contents mean nothing; ours are zeros, so that runs repeat."""
    return zeros(*size, dtype=dtype)


def zeros_like(input: Any, *, dtype: DType | None = None) -> Any:  # noqa: A002
    """Return zeros of the shape and dtype of `input`."""
    return full(tuple(input.shape), 0, dtype=dtype or input.dtype)


def ones_like(input: Any, *, dtype: DType | None = None) -> Any:  # noqa: A002
    """Return ones of the shape and dtype of `input`."""
    return full(tuple(input.shape), 1, dtype=dtype or input.dtype)


def full_like(input: Any, fill_value: FillValue, *, dtype: DType | None = None) -> Any:  # noqa: A002
    """Return a tensor of the shape and dtype of `input` filled with a number."""
    return full(tuple(input.shape), fill_value, dtype=dtype or input.dtype)


def empty_like(input: Any, *, dtype: DType | None = None) -> Any:  # noqa: A002
    """Return a tensor of the shape and dtype of `input` whose contents mean nothing."""
    return zeros_like(input, dtype=dtype)


def arange(start: Any, end: Any = None, step: Any = 1, *, dtype: DType | None = None, device: Any = None) -> Any:
    """Return start, start + step, ... up to but without `end`.

    >>> jt.arange(0, 1, 0.25)
    tensor([0.0000, 0.2500, 0.5000, 0.7500])
    """
    if end is None:
        start, end = 0, start
    if isinstance(step, (int, float)) and step == 0:
        raise ShapeMismatch("step must be nonzero")
    whole = all(isinstance(v, (int, Sym)) for v in (start, end, step))
    length = _steps(start, end, step, whole)
    return apply(arange_op, start=start, step=step, length=length, dtype=dtype or (int64 if whole else float32))


def _steps(start: Any, end: Any, step: Any, whole: bool) -> Any:
    if not whole:
        length: Dim = math.ceil((end - start) / step)
    else:
        length = 0 - floordiv(start - end, step)
    positive = at_least(length, 0)
    if positive is False:
        raise ShapeMismatch("upper bound and lower bound inconsistent with step sign")
    return length if positive else dim_max(length, 0)
