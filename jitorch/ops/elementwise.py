"""Elementwise ops: arithmetic, comparison, logic, rounding and the elementary functions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from jitorch.dispatch import apply, method
from jitorch.errors import TypeMismatch
from jitorch.ir.opdef import OpDef, Scalar, register
from jitorch.ir.promotion import common, division, floating
from jitorch.ir.shapes import broadcast
from jitorch.ir.types import DType, ScalarType, TensorType, Type, bool_, float32, float64
from jitorch.ops.families import binary, tensor_type, truth, unary


def _special() -> Any:
    """Return scipy.special, which costs too much to import before it is needed."""
    import scipy.special

    return scipy.special


def _numbers(name: str, *, boolean: bool = False) -> Any:
    """Return a promotion rule like `common` that refuses booleans, as PyTorch does for `name`."""

    def rule(operands: Any) -> DType:
        dtype = common(operands)
        if dtype is bool_ and not boolean:
            raise TypeMismatch(
                f"{name}: booleans have no such operation",
                hint="use logical_xor, ~ or logical_not, or convert with .to(torch.int64)",
            )
        return dtype

    return rule


def _real(name: str) -> Any:
    def rule(operands: Any) -> DType:
        dtype = common(operands)
        if dtype.is_complex:
            raise TypeMismatch(f"{name} is not supported for complex tensors")
        return dtype

    return rule


def _absolute(dtype: DType) -> DType:
    return {"c64": float32, "c128": float64}.get(dtype.tag, dtype)


# Arithmetic.

add_op = binary("add", lambda xp, x, y: xp.add(x, y), Scalar(float="{0} + {1}", int="{0} + {1}", bool="{0} | {1}"),
    "Return x + y.", commutative=True, inplace=False)  # fmt: skip
sub_op = binary("sub", lambda xp, x, y: xp.subtract(x, y), Scalar(float="{0} - {1}", int="{0} - {1}"),
    "Return x - y.", promote=_numbers("sub"), inplace=False)  # fmt: skip


@method("add")
def add(x: Any, other: Any, *, alpha: Any = 1) -> Any:
    """Return x + alpha * other.

    >>> jt.add(jt.tensor([1., 2.]), 10)
    tensor([11., 12.])
    """
    return add_op(x, other if _is_one(alpha) else mul(other, alpha))


@method("sub", "subtract")
def sub(x: Any, other: Any, *, alpha: Any = 1) -> Any:
    """Return x - alpha * other."""
    return sub_op(x, other if _is_one(alpha) else mul(other, alpha))


def _is_one(alpha: Any) -> bool:
    return isinstance(alpha, int) and alpha == 1


mul = binary("mul", lambda xp, x, y: xp.multiply(x, y), Scalar(float="{0} * {1}", int="{0} * {1}", bool="{0} & {1}"),
    "Return x * y.", commutative=True, methods=("multiply",))  # fmt: skip
div_op = binary("div", lambda xp, x, y: xp.true_divide(x, y), Scalar(float="{0} / {1}"),
    "Return x / y; integers divide to floats.", promote=division, scalar_result="float", inplace=False)  # fmt: skip
floor_divide = binary("floor_divide", lambda xp, x, y: xp.floor_divide(x, y),
    Scalar(float="ffloordiv({0}, {1})", int="floordiv({0}, {1})"),
    "Return x // y, rounded towards minus infinity.", promote=_numbers("floor_divide"))  # fmt: skip
remainder = binary("remainder", lambda xp, x, y: xp.remainder(x, y),
    Scalar(float="fmod_floor({0}, {1})", int="mod({0}, {1})"),
    "Return x % y, with the sign of y.", promote=_numbers("remainder"))  # fmt: skip
fmod = binary("fmod", lambda xp, x, y: xp.fmod(x, y), None,
    "Return the remainder of x / y with the sign of x.", promote=_numbers("fmod"))  # fmt: skip


@method("div", "divide", "true_divide")
def div(x: Any, other: Any, *, rounding_mode: str | None = None) -> Any:
    """Return x / other; with `rounding_mode` "floor" or "trunc" rounded, in the operands' own dtype."""
    if rounding_mode is None:
        return div_op(x, other)
    if rounding_mode == "floor":
        return floor_divide(x, other)
    if rounding_mode != "trunc":
        raise TypeMismatch(f"div: rounding_mode must be None, 'trunc' or 'floor', got {rounding_mode!r}")
    return trunc_divide(x, other)


trunc_divide = binary("trunc_divide", lambda xp, x, y: xp.trunc(xp.true_divide(x, y)), None,
    "Return x / y rounded towards zero.", promote=_numbers("div"))  # fmt: skip


def _power(xp: Any, x: Any, y: Any) -> Any:
    return xp.power(x, y)


pow_op = binary("pow", _power, Scalar(float="pow({0}, {1})", int="ipow({0}, {1})"),
    "Return x ** y.", promote=_numbers("pow"), inplace=False)  # fmt: skip


@method("pow")
def pow(x: Any, exponent: Any) -> Any:  # noqa: A001
    """Return x ** exponent. Small whole exponents are products, as in NumPy's and PyTorch's own kernels."""
    if isinstance(exponent, (int, float)) and not isinstance(exponent, bool) and exponent == 2 and _has_dtype(x):
        return mul(x, x) if isinstance(exponent, int) or x.dtype.kind in ("float", "complex") else pow_op(x, exponent)
    return pow_op(x, exponent)


def _has_dtype(x: Any) -> bool:
    return isinstance(getattr(x, "dtype", None), DType)


maximum = binary("maximum", lambda xp, x, y: xp.maximum(x, y), Scalar(float="maximum({0}, {1})", int="max({0}, {1})", bool="{0} | {1}"),
    "Return the larger of x and y; NaN if either is.", promote=_real("maximum"), commutative=True, inplace=False)  # fmt: skip
minimum = binary("minimum", lambda xp, x, y: xp.minimum(x, y), Scalar(float="minimum({0}, {1})", int="min({0}, {1})", bool="{0} & {1}"),
    "Return the smaller of x and y; NaN if either is.", promote=_real("minimum"), commutative=True, inplace=False)  # fmt: skip
atan2 = binary("atan2", lambda xp, x, y: xp.arctan2(x, y), Scalar(float="atan2({0}, {1})"),
    "Return the angle of the point (y, x), in radians.", promote=floating, scalar_result="float", methods=("arctan2",))  # fmt: skip
hypot = binary("hypot", lambda xp, x, y: xp.hypot(x, y), None,
    "Return sqrt(x*x + y*y) without overflow.", promote=floating, scalar_result="float")  # fmt: skip
copysign = binary("copysign", lambda xp, x, y: xp.copysign(x, y), Scalar(float="copysign({0}, {1})"),
    "Return x with the sign of y.", promote=floating, scalar_result="float")  # fmt: skip

neg = unary("neg", lambda xp, x: xp.negative(x), Scalar(float="-{0}", int="-{0}"),
    "Return -x.", promote=_numbers("neg"), methods=("negative",))  # fmt: skip
abs = unary("abs", lambda xp, x: xp.abs(x), Scalar(float="abs({0})", int="abs({0})"),
    "Return the absolute value.", promote=_numbers("abs", boolean=True), result=_absolute, methods=("absolute",))  # fmt: skip
sign = unary("sign", lambda xp, x: xp.sign(x), Scalar(float="sign({0})", int="sign({0})"),
    "Return -1, 0 or 1 by the sign of x.", promote=_numbers("sign"))  # fmt: skip
reciprocal = unary("reciprocal", lambda xp, x: xp.true_divide(1, x), "1 / {0}", "Return 1 / x.")
square = unary("square", lambda xp, x: xp.square(x), Scalar(float="{0} * {0}", int="{0} * {0}"),
    "Return x * x.", promote=_numbers("square"))  # fmt: skip

# Comparison and logic.

_COMPARE = {"promote": common, "result": truth, "inplace": False}
eq = binary("eq", lambda xp, x, y: xp.equal(x, y), "{0} == {1}", "Return x == y.", promote=common, result=truth, commutative=True, inplace=False)  # fmt: skip
ne = binary("ne", lambda xp, x, y: xp.not_equal(x, y), "{0} != {1}", "Return x != y.", promote=common, result=truth, commutative=True, inplace=False, methods=("not_equal",))  # fmt: skip
lt = binary("lt", lambda xp, x, y: xp.less(x, y), "{0} < {1}", "Return x < y.", promote=_real("lt"), result=truth, inplace=False, methods=("less",))  # fmt: skip
le = binary("le", lambda xp, x, y: xp.less_equal(x, y), "{0} <= {1}", "Return x <= y.", promote=_real("le"), result=truth, inplace=False, methods=("less_equal",))  # fmt: skip
gt = binary("gt", lambda xp, x, y: xp.greater(x, y), "{0} > {1}", "Return x > y.", promote=_real("gt"), result=truth, inplace=False, methods=("greater",))  # fmt: skip
ge = binary("ge", lambda xp, x, y: xp.greater_equal(x, y), "{0} >= {1}", "Return x >= y.", promote=_real("ge"), result=truth, inplace=False, methods=("greater_equal",))  # fmt: skip


def _logic(operands: Any) -> DType:
    return bool_


logical_and = binary("logical_and", lambda xp, x, y: xp.logical_and(x, y), Scalar(bool="{0} & {1}"),
    "Return x and y, elementwise.", promote=_logic, result=truth, commutative=True, inplace=False)  # fmt: skip
logical_or = binary("logical_or", lambda xp, x, y: xp.logical_or(x, y), Scalar(bool="{0} | {1}"),
    "Return x or y, elementwise.", promote=_logic, result=truth, commutative=True, inplace=False)  # fmt: skip
logical_xor = binary("logical_xor", lambda xp, x, y: xp.logical_xor(x, y), Scalar(bool="{0} ^ {1}"),
    "Return whether one of x, y is true and the other is not.", promote=_logic, result=truth, commutative=True, inplace=False)  # fmt: skip
logical_not = unary("logical_not", lambda xp, x: xp.logical_not(x), Scalar(bool="not {0}"),
    "Return not x, elementwise.", promote=_logic, result=truth, inplace=False)  # fmt: skip


def _integers(name: str) -> Any:
    def rule(operands: Any) -> DType:
        dtype = common(operands)
        if dtype.kind not in ("bool", "int"):
            raise TypeMismatch(f"{name}: expected integers or booleans, got {dtype.name}")
        return dtype

    return rule


bitwise_and = binary("bitwise_and", lambda xp, x, y: xp.bitwise_and(x, y), Scalar(int="{0} & {1}", bool="{0} & {1}"),
    "Return x & y.", promote=_integers("bitwise_and"), commutative=True)  # fmt: skip
bitwise_or = binary("bitwise_or", lambda xp, x, y: xp.bitwise_or(x, y), Scalar(int="{0} | {1}", bool="{0} | {1}"),
    "Return x | y.", promote=_integers("bitwise_or"), commutative=True)  # fmt: skip
bitwise_xor = binary("bitwise_xor", lambda xp, x, y: xp.bitwise_xor(x, y), Scalar(int="{0} ^ {1}", bool="{0} ^ {1}"),
    "Return x ^ y.", promote=_integers("bitwise_xor"), commutative=True)  # fmt: skip
bitwise_not = unary("bitwise_not", lambda xp, x: xp.invert(x), Scalar(int="~{0}", bool="not {0}"),
    "Return ~x.", promote=_integers("bitwise_not"))  # fmt: skip
bitwise_left_shift = binary("bitwise_left_shift", lambda xp, x, y: xp.left_shift(x, y), Scalar(int="shift_left({0}, {1})"),
    "Return x << y.", promote=_integers("bitwise_left_shift"))  # fmt: skip
bitwise_right_shift = binary("bitwise_right_shift", lambda xp, x, y: xp.right_shift(x, y), Scalar(int="shift_right({0}, {1})"),
    "Return x >> y.", promote=_integers("bitwise_right_shift"))  # fmt: skip

isnan = unary("isnan", lambda xp, x: xp.isnan(x), Scalar(float="{0} != {0}", int="False", bool="False"),
    "Return where x is NaN.", promote=common, result=truth, inplace=False)  # fmt: skip
isinf = unary("isinf", lambda xp, x: xp.isinf(x), Scalar(float="abs({0}) == INF", int="False", bool="False"),
    "Return where x is plus or minus infinity.", promote=common, result=truth, inplace=False)  # fmt: skip
isfinite = unary("isfinite", lambda xp, x: xp.isfinite(x), Scalar(float="abs({0}) < INF", int="True", bool="True"),
    "Return where x is neither NaN nor infinite.", promote=common, result=truth, inplace=False)  # fmt: skip

# Rounding.

floor = unary("floor", lambda xp, x: xp.floor(x), Scalar(float="floor({0})", int="{0}"), "Round down.", promote=_numbers("floor"))
ceil = unary("ceil", lambda xp, x: xp.ceil(x), Scalar(float="ceil({0})", int="{0}"), "Round up.", promote=_numbers("ceil"))
trunc = unary("trunc", lambda xp, x: xp.trunc(x), Scalar(float="trunc({0})", int="{0}"), "Round towards zero.",
    promote=_numbers("trunc"), methods=("fix",))  # fmt: skip
round_op = unary("round", lambda xp, x: xp.rint(x) if x.dtype.kind in "fc" else x, Scalar(float="rint({0})", int="{0}"),
    "Round to the nearest integer, halves to even.", promote=_numbers("round"), inplace=False)  # fmt: skip


@method("round")
def round(x: Any, *, decimals: int = 0) -> Any:  # noqa: A001
    """Round to `decimals` places, halves to even."""
    if decimals == 0:
        return round_op(x)
    scale = 10.0 ** math.fabs(decimals)
    return div(round_op(mul(x, scale)), scale) if decimals > 0 else mul(round_op(div(x, scale)), scale)


@method("frac")
def frac(x: Any) -> Any:
    """Return x - trunc(x)."""
    return sub(x, trunc(x))


# Elementary functions.

exp = unary("exp", lambda xp, x: xp.exp(x), "exp({0})", "Return e ** x.")
exp2 = unary("exp2", lambda xp, x: xp.exp2(x), "exp2({0})", "Return 2 ** x.")
expm1 = unary("expm1", lambda xp, x: xp.expm1(x), "expm1({0})", "Return exp(x) - 1, accurate near 0.")
log = unary("log", lambda xp, x: xp.log(x), "log({0})", "Return the natural logarithm.")
log2 = unary("log2", lambda xp, x: xp.log2(x), "log2({0})", "Return the logarithm to base 2.")
log10 = unary("log10", lambda xp, x: xp.log10(x), "log10({0})", "Return the logarithm to base 10.")
log1p = unary("log1p", lambda xp, x: xp.log1p(x), "log1p({0})", "Return log(1 + x), accurate near 0.")
sqrt = unary("sqrt", lambda xp, x: xp.sqrt(x), "sqrt({0})", "Return the square root.")
rsqrt = unary("rsqrt", lambda xp, x: xp.true_divide(1, xp.sqrt(x)), "rsqrt({0})", "Return 1 / sqrt(x).")
cbrt = unary("cbrt", lambda xp, x: xp.cbrt(x), "cbrt({0})", "Return the cube root.")
sin = unary("sin", lambda xp, x: xp.sin(x), "sin({0})", "Return the sine of x radians.")
cos = unary("cos", lambda xp, x: xp.cos(x), "cos({0})", "Return the cosine of x radians.")
tan = unary("tan", lambda xp, x: xp.tan(x), "tan({0})", "Return the tangent of x radians.")
asin = unary("asin", lambda xp, x: xp.arcsin(x), "asin({0})", "Return the angle in radians whose sine is x.", methods=("arcsin",))
acos = unary("acos", lambda xp, x: xp.arccos(x), "acos({0})", "Return the angle in radians whose cosine is x.", methods=("arccos",))
atan = unary("atan", lambda xp, x: xp.arctan(x), "atan({0})", "Return the angle in radians whose tangent is x.", methods=("arctan",))
sinh = unary("sinh", lambda xp, x: xp.sinh(x), "sinh({0})", "Return the hyperbolic sine.")
cosh = unary("cosh", lambda xp, x: xp.cosh(x), "cosh({0})", "Return the hyperbolic cosine.")
tanh = unary("tanh", lambda xp, x: xp.tanh(x), "tanh({0})", "Return the hyperbolic tangent.")
asinh = unary("asinh", lambda xp, x: xp.arcsinh(x), None, "Return the inverse hyperbolic sine.", methods=("arcsinh",))
acosh = unary("acosh", lambda xp, x: xp.arccosh(x), None, "Return the inverse hyperbolic cosine.", methods=("arccosh",))
atanh = unary("atanh", lambda xp, x: xp.arctanh(x), None, "Return the inverse hyperbolic tangent.", methods=("arctanh",))
erf = unary("erf", lambda xp, x: _special().erf(x), "erf({0})", "Return the error function.")
erfc = unary("erfc", lambda xp, x: _special().erfc(x), "erfc({0})", "Return 1 - erf(x), accurate for large x.")
lgamma = unary("lgamma", lambda xp, x: _special().gammaln(x), "lgamma({0})", "Return log(abs(gamma(x))).")
sigmoid = unary("sigmoid", lambda xp, x: _special().expit(x), "sigmoid({0})", "Return 1 / (1 + exp(-x)).")

# Conversion and selection.


def _cast_infer(x: Type, *, dtype: DType) -> Type:
    if isinstance(x, ScalarType):
        if x.kind not in ("bool", "int", "float", "complex"):
            raise TypeMismatch(f"can't convert a {x} to a tensor of {dtype.name}")
        return TensorType(dtype, ())
    t = tensor_type(x, "cast")
    return TensorType(dtype, t.shape, device=t.device)


def _cast_eager(xp: Any, x: Any, *, dtype: DType) -> Any:
    with np.errstate(invalid="ignore", over="ignore"):
        return xp.asarray(x).astype(dtype.numpy)


# The kernel generator writes a cast by its target dtype, which the expression of another op can't depend on.
cast_op = register(
    OpDef(
        name="cast",
        eager=_cast_eager,
        infer=_cast_infer,
        scalar=Scalar(float="to_{dtype}({0})", int="to_{dtype}({0})", bool="to_{dtype}({0})"),
    )
)


def _where_infer(condition: Type, x: Type, y: Type) -> Type:
    if isinstance(condition, ScalarType) and isinstance(x, ScalarType) and x == y:
        return x
    c, a, b = (tensor_type(t, "where") for t in (condition, x, y))
    if c.dtype is not bool_:
        raise TypeMismatch(f"where: expected the condition to be a bool tensor, got {c.dtype.name}")
    if a.dtype is not b.dtype:
        raise TypeMismatch(f"where: operands differ in dtype: {a} and {b}")
    return TensorType(a.dtype, broadcast(c.shape, a.shape, b.shape), device=a.device)


where_op = register(
    OpDef(
        name="where",
        eager=lambda xp, condition, x, y: xp.where(condition, x, y),
        infer=_where_infer,
        promote=common,
        promote_from=1,
        scalar=Scalar(float="select({0}, {1}, {2})", int="select({0}, {1}, {2})", bool="select({0}, {1}, {2})"),
    )
)


def where(condition: Any, x: Any, y: Any) -> Any:
    """Return x where the condition holds and y elsewhere; the three broadcast.

    >>> jt.where(jt.tensor([True, False]), 1.0, 0.0)
    tensor([1., 0.])
    """
    return apply(where_op, condition, x, y)


@method("where")
def where_method(x: Any, condition: Any, other: Any) -> Any:
    """Return x where the condition holds and `other` elsewhere."""
    return where(condition, x, other)


@method("clamp", "clip")
def clamp(x: Any, min: Any = None, max: Any = None) -> Any:  # noqa: A002
    """Return x limited to the range from `min` to `max`; either may be None or a tensor."""
    if min is None and max is None:
        raise TypeMismatch("clamp: at least one of 'min' or 'max' must not be None")
    if min is not None:
        x = maximum(x, min)
    return x if max is None else minimum(x, max)


@method("masked_fill")
def masked_fill(x: Any, mask: Any, value: Any) -> Any:
    """Return x with `value` where the mask holds."""
    return where(mask, value, x)


@method("lerp")
def lerp(x: Any, end: Any, weight: Any) -> Any:
    """Return x + weight * (end - x)."""
    return add(x, mul(weight, sub(end, x)))


@method("addcmul")
def addcmul(x: Any, tensor1: Any, tensor2: Any, *, value: Any = 1) -> Any:
    """Return x + value * tensor1 * tensor2."""
    return add(x, mul(mul(tensor1, tensor2), value))


@method("addcdiv")
def addcdiv(x: Any, tensor1: Any, tensor2: Any, *, value: Any = 1) -> Any:
    """Return x + value * tensor1 / tensor2."""
    return add(x, mul(div(tensor1, tensor2), value))
