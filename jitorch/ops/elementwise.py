"""Elementwise arithmetic, comparison and logic. Operands broadcast and meet in a common dtype.

Integers wrap around. An integer division or remainder by zero gives 0, and the smallest integer
divided by -1 itself, as in NumPy; a kernel has no cheap way to raise there.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from jitorch.dispatch import METHODS
from jitorch.errors import TypeMismatch
from jitorch.ir.opdef import Scalar
from jitorch.ir.promotion import arithmetic, boolean, common, division, floating
from jitorch.ops.families import binary, function, has_dtype, truth, unary
from jitorch.ops.rules import integral, magnitude, negation, numeric, real, subtraction
from jitorch.ops.samples import binary_samples

__all__ = [
    "absolute", "add", "arctan2", "atan2", "bitwise_and", "bitwise_left_shift", "bitwise_not",
    "bitwise_or", "bitwise_right_shift", "bitwise_xor", "ceil", "copysign", "div", "divide", "eq",
    "fix", "floor", "floor_divide", "fmax", "fmin", "fmod", "frac", "ge", "greater",
    "greater_equal", "gt", "hypot", "isfinite", "isinf", "isnan", "isneginf", "isposinf", "le",
    "less", "less_equal", "logical_and", "logical_not", "logical_or", "logical_xor", "lt",
    "maximum", "minimum", "mul", "multiply", "ne", "neg", "negative", "not_equal", "reciprocal",
    "remainder", "rsub", "sign", "signbit", "square", "sub", "subtract", "true_divide", "trunc",
]  # fmt: skip

# Arithmetic.

add_op = binary(
    "add", lambda xp, x, y: xp.add(x, y),
    Scalar(float="{0} + {1}", int="{0} + {1}", bool="{0} | {1}"),
    "Return x + y.", commutative=True,
)  # fmt: skip
sub_op = binary(
    "sub", lambda xp, x, y: xp.subtract(x, y), Scalar(float="{0} - {1}", int="{0} - {1}"),
    "Return x - y.", promote=subtraction,
)  # fmt: skip


@function("add")
def add(input: Any, other: Any, *, alpha: Any = 1) -> Any:
    """Return input + alpha * other.

    >>> jt.add(jt.tensor([1., 2.]), 10)
    tensor([11., 12.])
    """
    return add_op(input, _scaled(other, alpha, input))


@function("sub", "subtract")
def sub(input: Any, other: Any, *, alpha: Any = 1) -> Any:
    """Return input - alpha * other."""
    return sub_op(input, _scaled(other, alpha, input))


subtract = sub


@function("rsub")
def rsub(input: Any, other: Any, *, alpha: Any = 1) -> Any:
    """Return other - alpha * input."""
    return sub_op(other, _scaled(input, alpha, other))


def _scaled(x: Any, alpha: Any, target: Any) -> Any:
    """Return alpha * x."""
    if isinstance(alpha, int) and alpha == 1:
        return x
    kinds = [t.dtype.kind for t in (x, target) if has_dtype(t)]
    if isinstance(alpha, float) and all(kind in ("int", "bool") for kind in kinds):
        raise TypeMismatch(
            "For integral input tensors, argument alpha must not be a floating point number."
        )
    return mul(x, alpha)


mul = binary(
    "mul", lambda xp, x, y: xp.multiply(x, y),
    Scalar(float="{0} * {1}", int="{0} * {1}", bool="{0} & {1}"),
    "Return x * y.", commutative=True, methods=("multiply",),
)  # fmt: skip
multiply = mul
div_op = binary(
    "div", lambda xp, x, y: xp.true_divide(x, y), Scalar(float="{0} / {1}"),
    "Return x / y; integers divide to floats.",
    promote=division, scalar_result="float",
)  # fmt: skip
floor_divide = binary(
    "floor_divide", lambda xp, x, y: xp.floor_divide(x, y),
    Scalar(float="ffloordiv({0}, {1})", int="floordiv({0}, {1})"),
    "Return x // y, rounded towards minus infinity. An integer divided by 0 gives 0.",
    promote=real("floor_divide"),
)  # fmt: skip
remainder = binary(
    "remainder", lambda xp, x, y: xp.remainder(x, y),
    Scalar(float="fmod_floor({0}, {1})", int="mod({0}, {1})"),
    "Return x % y, with the sign of y. An integer modulo 0 gives 0.",
    promote=real("remainder"),
)  # fmt: skip
fmod = binary(
    "fmod", lambda xp, x, y: xp.fmod(x, y), None,
    "Return the remainder of x / y with the sign of x. An integer modulo 0 gives 0.",
    promote=real("fmod"),
)  # fmt: skip


def _trunc_divide(xp: Any, x: Any, y: Any) -> Any:
    if x.dtype.kind == "f":
        return xp.trunc(xp.true_divide(x, y))
    # Floor division rounds down where the signs differ and something is left over.
    quotient = xp.floor_divide(x, y)
    return quotient + ((xp.remainder(x, y) != 0) & ((x < 0) != (y < 0))).astype(x.dtype)


trunc_divide = binary(
    "trunc_divide", _trunc_divide, Scalar(float="trunc({0} / {1})"),
    "Return x / y rounded towards zero. An integer divided by 0 gives 0.",
    promote=real("div"), inplace=False,
)  # fmt: skip


@function("div", "divide", "true_divide")
def div(input: Any, other: Any, *, rounding_mode: str | None = None) -> Any:
    """Return input / other; integers divide to floats.

    With `rounding_mode` "floor" or "trunc" the quotient is rounded, in the operands' own dtype.
    """
    if rounding_mode is None:
        return div_op(input, other)
    if rounding_mode == "floor":
        return floor_divide(input, other)
    if rounding_mode != "trunc":
        raise TypeMismatch(
            "div expected rounding_mode to be one of None, 'trunc', or 'floor' but found "
            f"{rounding_mode!r}"
        )
    return trunc_divide(input, other)


divide = true_divide = div


def _power(xp: Any, x: Any, y: Any) -> Any:
    if x.dtype.kind not in "iu" or y.dtype.kind not in "iu" or not xp.any(y < 0):
        return xp.power(x, y)
    # A negative power is 1/x truncated: 0, unless x is 1 or -1. NumPy refuses it.
    odd = xp.where(y % 2 == 0, x * x, x)
    return xp.where(y < 0, xp.where(xp.abs(x) == 1, odd, x * 0), xp.power(x, xp.maximum(y, 0)))


pow_op = binary(
    "pow", _power, Scalar(float="pow({0}, {1})", int="ipow({0}, {1})"),
    "Return x ** y.", promote=numeric("pow"),
)  # fmt: skip


@function("pow")
def pow_(input: Any, exponent: Any) -> Any:
    """Return input ** exponent.

    Integers stay integers: a tensor of negative exponents gives 1/x truncated, and a negative
    number as the exponent is refused, as PyTorch does.
    """
    kind = input.dtype.kind if has_dtype(input) else ""
    if kind in ("float", "complex") and isinstance(exponent, (int, float)) and exponent == 2:
        return mul(input, input)  # correctly rounded, and cheaper
    if kind in ("float", "complex") and isinstance(exponent, float) and exponent == 0.5:
        return METHODS["sqrt"](input)  # as PyTorch and NumPy do, which shows for -0.0 and -inf
    if kind in ("bool", "int") and isinstance(exponent, int) and exponent < 0:
        raise TypeMismatch(
            "Integers to negative integer powers are not allowed.",
            hint="convert first: x.float() ** n",
        )
    return pow_op(input, exponent)


maximum = binary(
    "maximum", lambda xp, x, y: xp.maximum(x, y),
    Scalar(float="maximum({0}, {1})", int="max({0}, {1})", bool="{0} | {1}"),
    "Return the larger of x and y; NaN if either is.",
    promote=real("maximum", boolean=True), commutative=True, inplace=False,
    scalar_result="same",
)  # fmt: skip
minimum = binary(
    "minimum", lambda xp, x, y: xp.minimum(x, y),
    Scalar(float="minimum({0}, {1})", int="min({0}, {1})", bool="{0} & {1}"),
    "Return the smaller of x and y; NaN if either is.",
    promote=real("minimum", boolean=True), commutative=True, inplace=False,
    scalar_result="same",
)  # fmt: skip
fmax = binary(
    "fmax", lambda xp, x, y: xp.fmax(x, y), None,
    "Return the larger of x and y; NaN only if both are.",
    promote=real("fmax", boolean=True), inplace=False,
)  # fmt: skip
fmin = binary(
    "fmin", lambda xp, x, y: xp.fmin(x, y), None,
    "Return the smaller of x and y; NaN only if both are.",
    promote=real("fmin", boolean=True), inplace=False,
)  # fmt: skip
atan2 = binary(
    "atan2", lambda xp, x, y: xp.arctan2(x, y), Scalar(float="atan2({0}, {1})"),
    "Return the angle of the point (y, x), in radians.",
    promote=floating, scalar_result="float", methods=("arctan2",),
    samples=binary_samples(real("")),
)  # fmt: skip
arctan2 = atan2
hypot = binary(
    "hypot", lambda xp, x, y: xp.hypot(x, y), None,
    "Return sqrt(x*x + y*y) without overflow.",
    promote=floating, scalar_result="float", samples=binary_samples(real("")),
)  # fmt: skip
copysign = binary(
    "copysign", lambda xp, x, y: xp.copysign(x, y), Scalar(float="copysign({0}, {1})"),
    "Return x with the sign of y.",
    promote=floating, scalar_result="float", samples=binary_samples(real("")),
)  # fmt: skip

neg = unary(
    "neg", lambda xp, x: xp.negative(x), Scalar(float="-{0}", int="-{0}"),
    "Return -x.", promote=negation, methods=("negative",),
)  # fmt: skip
negative = neg
abs_ = unary(
    "abs", lambda xp, x: xp.abs(x), Scalar(float="abs({0})", int="abs({0})"),
    "Return the absolute value.",
    promote=numeric("abs"), result=magnitude, methods=("absolute",),
)  # fmt: skip
absolute = abs_
sign = unary(
    "sign", lambda xp, x: x.copy() if x.dtype == np.bool_ else xp.sign(x),
    Scalar(float="sign({0})", int="sign({0})", bool="{0}"),
    "Return -1, 0 or 1 by the sign of x.", promote=real("sign", boolean=True),
)  # fmt: skip
reciprocal = unary("reciprocal", lambda xp, x: xp.reciprocal(x), "1 / {0}", "Return 1 / x.")
square = unary(
    "square", lambda xp, x: xp.multiply(x, x), Scalar(float="{0} * {0}", int="{0} * {0}"),
    "Return x * x.", promote=arithmetic,
)  # fmt: skip

# Comparison.

eq = binary(
    "eq", lambda xp, x, y: xp.equal(x, y), "{0} == {1}", "Return x == y.",
    result=truth, commutative=True,
)  # fmt: skip
ne = binary(
    "ne", lambda xp, x, y: xp.not_equal(x, y), "{0} != {1}", "Return x != y.",
    result=truth, commutative=True, methods=("not_equal",),
)  # fmt: skip
lt = binary(
    "lt", lambda xp, x, y: xp.less(x, y), "{0} < {1}", "Return x < y.",
    promote=real("lt", boolean=True), result=truth, methods=("less",),
)  # fmt: skip
le = binary(
    "le", lambda xp, x, y: xp.less_equal(x, y), "{0} <= {1}", "Return x <= y.",
    promote=real("le", boolean=True), result=truth, methods=("less_equal",),
)  # fmt: skip
gt = binary(
    "gt", lambda xp, x, y: xp.greater(x, y), "{0} > {1}", "Return x > y.",
    promote=real("gt", boolean=True), result=truth, methods=("greater",),
)  # fmt: skip
ge = binary(
    "ge", lambda xp, x, y: xp.greater_equal(x, y), "{0} >= {1}", "Return x >= y.",
    promote=real("ge", boolean=True), result=truth, methods=("greater_equal",),
)  # fmt: skip
not_equal, less, less_equal, greater, greater_equal = ne, lt, le, gt, ge

isnan = unary(
    "isnan", lambda xp, x: xp.isnan(x), Scalar(float="{0} != {0}", int="False", bool="False"),
    "Return where x is NaN.", promote=common, result=truth, inplace=False,
)  # fmt: skip
isinf = unary(
    "isinf", lambda xp, x: xp.isinf(x), Scalar(float="abs({0}) == INF", int="False", bool="False"),
    "Return where x is plus or minus infinity.", promote=common, result=truth, inplace=False,
)  # fmt: skip
isfinite = unary(
    "isfinite", lambda xp, x: xp.isfinite(x),
    Scalar(float="abs({0}) < INF", int="True", bool="True"),
    "Return where x is neither NaN nor infinite.", promote=common, result=truth, inplace=False,
)  # fmt: skip
signbit = unary(
    "signbit", lambda xp, x: xp.signbit(x) if x.dtype.kind == "f" else x < 0,
    Scalar(float="copysign(1, {0}) < 0", int="{0} < 0", bool="False"),
    "Return where the sign bit is set: negative numbers and -0.0.",
    promote=real("signbit", boolean=True), result=truth, inplace=False,
)  # fmt: skip


@function("isposinf")
def isposinf(input: Any) -> Any:
    """Return where the input is plus infinity."""
    return eq(input, math.inf)


@function("isneginf")
def isneginf(input: Any) -> Any:
    """Return where the input is minus infinity."""
    return eq(input, -math.inf)


# Logic.

logical_and = binary(
    "logical_and", lambda xp, x, y: xp.logical_and(x, y), Scalar(bool="{0} & {1}"),
    "Return x and y, elementwise.", promote=boolean, result=truth, commutative=True,
)  # fmt: skip
logical_or = binary(
    "logical_or", lambda xp, x, y: xp.logical_or(x, y), Scalar(bool="{0} | {1}"),
    "Return x or y, elementwise.", promote=boolean, result=truth, commutative=True,
)  # fmt: skip
logical_xor = binary(
    "logical_xor", lambda xp, x, y: xp.logical_xor(x, y), Scalar(bool="{0} ^ {1}"),
    "Return whether one of x, y is true and the other is not.",
    promote=boolean, result=truth, commutative=True,
)  # fmt: skip
logical_not = unary(
    "logical_not", lambda xp, x: xp.logical_not(x), Scalar(bool="not {0}"),
    "Return not x, elementwise.", promote=boolean, result=truth,
)  # fmt: skip

bitwise_and = binary(
    "bitwise_and", lambda xp, x, y: xp.bitwise_and(x, y), Scalar(int="{0} & {1}", bool="{0} & {1}"),
    "Return x & y.", promote=integral("bitwise_and"), commutative=True, scalar_result="same",
)  # fmt: skip
bitwise_or = binary(
    "bitwise_or", lambda xp, x, y: xp.bitwise_or(x, y), Scalar(int="{0} | {1}", bool="{0} | {1}"),
    "Return x | y.", promote=integral("bitwise_or"), commutative=True, scalar_result="same",
)  # fmt: skip
bitwise_xor = binary(
    "bitwise_xor", lambda xp, x, y: xp.bitwise_xor(x, y), Scalar(int="{0} ^ {1}", bool="{0} ^ {1}"),
    "Return x ^ y.", promote=integral("bitwise_xor"), commutative=True, scalar_result="same",
)  # fmt: skip
bitwise_not = unary(
    "bitwise_not", lambda xp, x: xp.invert(x), Scalar(int="~{0}", bool="not {0}"),
    "Return ~x.", promote=integral("bitwise_not"),
)  # fmt: skip


# Where NumPy has a result for counts that are negative or too large, a GPU has any.


def _too_far(xp: Any, x: Any, y: Any) -> Any:
    return (y < 0) | (y >= 8 * x.dtype.itemsize)


def _left_shift(xp: Any, x: Any, y: Any) -> Any:
    if xp is np:
        return xp.left_shift(x, y)
    beyond = _too_far(xp, x, y)
    return xp.where(beyond, x * 0, xp.left_shift(x, xp.where(beyond, y * 0, y)))


def _right_shift(xp: Any, x: Any, y: Any) -> Any:
    if xp is np:
        return xp.right_shift(x, y)
    beyond = _too_far(xp, x, y)
    sign = (x < 0).astype(x.dtype) * -1 if x.dtype.kind == "i" else x * 0
    return xp.where(beyond, sign, xp.right_shift(x, xp.where(beyond, y * 0, y)))


bitwise_left_shift = binary(
    "bitwise_left_shift", _left_shift, Scalar(int="shift_left({0}, {1})"),
    "Return x << y; 0 where y is negative or the number of bits or more.",
    promote=integral("bitwise_left_shift"),
)  # fmt: skip
bitwise_right_shift = binary(
    "bitwise_right_shift", _right_shift,
    Scalar(int="shift_right({0}, {1})"),
    "Return x >> y; only the sign is left where y is negative or the number of bits or more.",
    promote=integral("bitwise_right_shift"),
)  # fmt: skip

# Rounding. Integers are round already.

floor = unary(
    "floor", lambda xp, x: xp.floor(x), Scalar(float="floor({0})", int="{0}"),
    "Round down.", promote=real("floor"),
)  # fmt: skip
ceil = unary(
    "ceil", lambda xp, x: xp.ceil(x), Scalar(float="ceil({0})", int="{0}"),
    "Round up.", promote=real("ceil"),
)  # fmt: skip
trunc = unary(
    "trunc", lambda xp, x: xp.trunc(x), Scalar(float="trunc({0})", int="{0}"),
    "Round towards zero.", promote=real("trunc"), methods=("fix",),
)  # fmt: skip
fix = trunc
round_op = unary(
    "round", lambda xp, x: xp.rint(x) if x.dtype.kind == "f" else x.copy(),
    Scalar(float="rint({0})", int="{0}"),
    "Round to the nearest integer, halves to even.", promote=real("round"),
)  # fmt: skip


@function("round")
def round_(input: Any, *, decimals: int = 0) -> Any:
    """Round to `decimals` places, halves to even.

    >>> jt.round(jt.tensor([0.5, 1.5, 2.345]), decimals=0)
    tensor([0., 2., 2.])
    """
    if decimals == 0:
        return round_op(input)
    scale = 10.0 ** abs(decimals)
    if decimals > 0:
        return div(round_op(mul(input, scale)), scale)
    return mul(round_op(div(input, scale)), scale)


@function("frac")
def frac(input: Any) -> Any:
    """Return input - trunc(input)."""
    return sub(input, trunc(input))
