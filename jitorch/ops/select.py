"""Conversion between dtypes, choice between values, and what is composed of the two."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from jitorch.dispatch import apply
from jitorch.errors import ShapeMismatch, TypeMismatch
from jitorch.ir.opdef import OPS, OpDef, Scalar, register
from jitorch.ir.promotion import common
from jitorch.ir.shapes import broadcast
from jitorch.ir.types import (
    DType,
    ScalarType,
    TensorType,
    Type,
    bool_,
    common_device,
    complex64,
    complex128,
    float16,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    uint8,
)
from jitorch.ops.elementary import exp, log, log1p
from jitorch.ops.elementwise import (
    abs_,
    add,
    div,
    eq,
    isfinite,
    isnan,
    logical_and,
    logical_or,
    maximum,
    minimum,
    mul,
    sub,
)
from jitorch.ops.families import as_dtype, as_operand, function, has_dtype, tensor_type
from jitorch.ops.samples import Samples, arrays, ramp, special, strided

__all__ = [
    "addcdiv", "addcmul", "clamp", "clamp_max", "clamp_min", "clip", "heaviside", "isclose",
    "lerp", "logaddexp", "masked_fill", "nan_to_num", "threshold", "where", "xlogy",
]  # fmt: skip


# Conversion.


def _cast_infer(x: Type, *, dtype: DType) -> Type:
    if isinstance(x, ScalarType):
        if x.kind not in ("bool", "int", "float", "complex"):
            raise TypeMismatch(f"can't convert a {x} to a tensor of {dtype.name}")
        return TensorType(dtype, ())
    t = tensor_type(x, "cast")
    return TensorType(dtype, t.shape, device=t.device)


def _cast_eager(xp: Any, x: Any, *, dtype: DType) -> Any:
    array = xp.asarray(x)
    if array.dtype.kind == "c" and not dtype.is_complex and dtype is not bool_:
        array = array.real
    return array.astype(dtype.numpy)


_TARGETS = (bool_, uint8, int8, int32, int64, float16, float32, float64, complex64, complex128)


def _cast_samples() -> Samples:
    # Out of range is left out: what an integer makes of it differs between machines.
    values = [x for x in arrays() if x.dtype.kind != "f" or x.shape != special().shape]
    return lambda: (
        [((x,), {"dtype": d}) for x in [*values, ramp(3, 4)] for d in _TARGETS]
        + [((special(),), {"dtype": d}) for d in (bool_, float16, float64)]
    )


# The kernel generator writes a cast by its target dtype, which no other expression depends on.
cast_op = register(
    OpDef(
        name="cast",
        eager=_cast_eager,
        infer=_cast_infer,
        scalar=Scalar(float="to_{dtype}({0})", int="to_{dtype}({0})", bool="to_{dtype}({0})"),
        samples=_cast_samples(),
    )
)


@function("type_as")
def type_as(input: Any, other: Any) -> Any:
    """Return the input with the dtype of `other`."""
    return as_dtype(input, other.dtype)


def _converter(name: str, dtype: DType) -> None:
    def convert(input: Any) -> Any:
        return as_dtype(input, dtype)

    convert.__name__ = name
    convert.__doc__ = f"Return the input as {dtype.name}; itself if it is that already."
    function(name)(convert)


_converter("float", float32)
_converter("double", float64)
_converter("half", float16)
_converter("long", int64)
_converter("int", int32)
_converter("short", int16)
_converter("char", int8)
_converter("byte", uint8)
_converter("bool", bool_)

# Choice.


def _where_infer(condition: Type, x: Type, y: Type) -> Type:
    if isinstance(condition, ScalarType) and isinstance(x, ScalarType) and x == y:
        return x
    c, a, b = (tensor_type(t, "where") for t in (condition, x, y))
    if c.dtype is not bool_:
        raise TypeMismatch(
            "where expected condition to be a boolean tensor, but got a tensor with dtype "
            f"{c.dtype.name}",
            hint="compare first: condition != 0",
        )
    if a.dtype is not b.dtype:
        raise TypeMismatch(f"where: operands differ in dtype: {a} and {b}")
    return TensorType(
        a.dtype, broadcast(c.shape, a.shape, b.shape), device=common_device((c, a, b))
    )


_SELECT = "select({0}, {1}, {2})"

where_op = register(
    OpDef(
        name="where",
        eager=lambda xp, condition, x, y: xp.where(condition, x, y),
        infer=_where_infer,
        promote=common,
        promote_from=1,
        scalar=Scalar(float=_SELECT, int=_SELECT, bool=_SELECT),
        samples=lambda: [
            ((special() > 0, special(), 0.0), {}),
            ((strided() > 0, ramp(5, 1, dtype=np.float64), ramp(3)), {}),
            ((np.array(True), ramp(3), ramp(3, dtype=np.int64)), {}),
            ((ramp(0, 3) > 0, ramp(3, dtype=np.bool_), True), {}),
            ((ramp(2, 3) > 0, 1, 2), {}),
        ],
    )
)


def where(condition: Any, input: Any = None, other: Any = None) -> Any:
    """Return `input` where the condition holds and `other` elsewhere; the three broadcast.

    With the condition alone, return the indices where it holds, one tensor per dimension.

    >>> jt.where(jt.tensor([True, False]), 1.0, 0.0)
    tensor([1., 0.])
    """
    if input is None and other is None:
        found = apply(OPS["nonzero"], condition)
        return tuple(apply(OPS["select"], found, dim=1, index=i) for i in range(condition.ndim))
    return apply(where_op, as_operand(condition), input, other)


@function("where")
def where_method(input: Any, condition: Any, other: Any) -> Any:
    """Return the tensor where the condition holds and `other` elsewhere."""
    return where(condition, input, other)


@function("clamp", "clip", inplace=True)
def clamp(input: Any, min: Any = None, max: Any = None) -> Any:
    """Return the input limited to the range from `min` to `max`: numbers, tensors or None.

    Where min > max the result is max. NaN stays, and a NaN bound gives NaN.
    """
    if min is None and max is None:
        raise TypeMismatch("torch.clamp: At least one of 'min' or 'max' must not be None")
    if input.dtype is bool_:
        input = as_dtype(input, int64)
    if min is not None:
        input = maximum(input, min)
    return input if max is None else minimum(input, max)


clip = clamp


@function("clamp_min", inplace=True)
def clamp_min(input: Any, min: Any) -> Any:
    """Return the input limited from below."""
    return clamp(input, min=min)


@function("clamp_max", inplace=True)
def clamp_max(input: Any, max: Any) -> Any:
    """Return the input limited from above."""
    return clamp(input, max=max)


@function("masked_fill", inplace=True)
def masked_fill(input: Any, mask: Any, value: Any) -> Any:
    """Return the input with `value`, a number or a 0-d tensor, where the mask holds."""
    if has_dtype(value) and value.ndim:
        raise ShapeMismatch(
            "masked_fill only supports a 0-dimensional value tensor, but got tensor with "
            f"{value.ndim} dimension(s)."
        )
    return where(mask, filling(value, input.dtype), input)


def filling(value: Any, dtype: DType) -> Any:
    """Return a number (or a 0-d tensor) as a 0-d tensor of `dtype`."""
    if isinstance(value, (bool, int, float, complex)):
        return apply(OPS["constant"], value=value, dtype=dtype)
    return apply(cast_op, value, dtype=dtype)


# Composed of the above.


@function("lerp", inplace=True)
def lerp(input: Any, end: Any, weight: Any) -> Any:
    """Return input + weight * (end - input)."""
    return add(input, mul(weight, sub(end, input)))


@function("addcmul", inplace=True)
def addcmul(input: Any, tensor1: Any, tensor2: Any, *, value: Any = 1) -> Any:
    """Return input + value * tensor1 * tensor2."""
    return add(input, mul(tensor1, tensor2), alpha=value)


@function("addcdiv", inplace=True)
def addcdiv(input: Any, tensor1: Any, tensor2: Any, *, value: Any = 1) -> Any:
    """Return input + value * tensor1 / tensor2."""
    return add(input, div(tensor1, tensor2), alpha=value)


@function("nan_to_num", inplace=True)
def nan_to_num(
    input: Any, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None
) -> Any:
    """Return the input with NaN and infinities replaced.

    By default NaN becomes 0 and infinities the largest and smallest finite numbers.
    """
    if input.dtype.kind != "float":
        return input
    limit = np.finfo(input.dtype.numpy)
    high = float(limit.max) if posinf is None else posinf
    low = float(limit.min) if neginf is None else neginf
    out = where(isnan(input), filling(nan, input.dtype), input)
    out = where(eq(input, math.inf), filling(high, input.dtype), out)
    return where(eq(input, -math.inf), filling(low, input.dtype), out)


@function("heaviside", inplace=True)
def heaviside(input: Any, values: Any) -> Any:
    """Return 1 where the input is positive, `values` where it is 0, and 0 elsewhere."""
    step = as_dtype(input > 0, input.dtype)
    return where(eq(input, 0), values, step)


@function("xlogy", inplace=True)
def xlogy(input: Any, other: Any) -> Any:
    """Return input * log(other), and 0 where the input is 0 and other is not NaN."""
    zero = logical_and(eq(input, 0), eq(other, other))
    return where(zero, 0.0, mul(input, log(other)))


@function("logaddexp")
def logaddexp(input: Any, other: Any) -> Any:
    """Return log(exp(input) + exp(other)), without overflow."""
    top = maximum(input, other)
    # Equal infinities differ by NaN; they are their own answer.
    gap = where(eq(input, other), 0.0, sub(minimum(input, other), top))
    return add(top, log1p(exp(gap)))


@function("isclose")
def isclose(
    input: Any, other: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> Any:
    """Return where abs(input - other) <= atol + rtol * abs(other).

    Infinities are close to themselves only; NaN is close to NaN with `equal_nan`.
    """
    near = abs_(sub(input, other)) <= add(mul(abs_(other), rtol), atol)
    close = logical_or(eq(input, other), logical_and(near, isfinite(other)))
    if equal_nan:
        close = logical_or(close, logical_and(isnan(input), isnan(other)))
    return close


@function()
def threshold(input: Any, threshold: float, value: float) -> Any:
    """Return the input where it is greater than `threshold`, and `value` elsewhere."""
    return where(input <= threshold, filling(value, input.dtype), input)
