"""Elementary and special functions. Integers and booleans convert to floating point first."""

from __future__ import annotations

import math
from typing import Any

from jitorch.cuda.adapter import special
from jitorch.dispatch import apply
from jitorch.ops.elementwise import mul
from jitorch.ops.families import composite, function, unary
from jitorch.ops.rules import floating_only
from jitorch.ops.samples import unary_samples

__all__ = [
    "acos",
    "acosh",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctanh",
    "asin",
    "asinh",
    "atan",
    "atanh",
    "cbrt",
    "cos",
    "cosh",
    "deg2rad",
    "erf",
    "erfc",
    "exp",
    "exp2",
    "expm1",
    "lgamma",
    "log",
    "log1p",
    "log2",
    "log10",
    "logit",
    "rad2deg",
    "rsqrt",
    "sigmoid",
    "sin",
    "sinc",
    "sinh",
    "sqrt",
    "tan",
    "tanh",
]  # fmt: skip

REAL = unary_samples(floating_only(""))


def _rsqrt(xp: Any, x: Any) -> Any:
    return xp.reciprocal(xp.sqrt(x))


def _lgamma(xp: Any, x: Any) -> Any:
    # Where C and PyTorch have plus infinity, SciPy has minus: at -inf.
    return xp.where(xp.isinf(x), xp.abs(x), special(xp).gammaln(x))


exp = unary("exp", lambda xp, x: xp.exp(x), "exp({0})", "Return e ** x.")
exp2 = unary("exp2", lambda xp, x: xp.exp2(x), "exp2({0})", "Return 2 ** x.")
expm1 = unary(
    "expm1", lambda xp, x: xp.expm1(x), "expm1({0})", "Return exp(x) - 1, accurate near 0."
)
log = unary("log", lambda xp, x: xp.log(x), "log({0})", "Return the natural logarithm.")
log2 = unary("log2", lambda xp, x: xp.log2(x), "log2({0})", "Return the logarithm to base 2.")
log10 = unary("log10", lambda xp, x: xp.log10(x), "log10({0})", "Return the logarithm to base 10.")
log1p = unary(
    "log1p", lambda xp, x: xp.log1p(x), "log1p({0})", "Return log(1 + x), accurate near 0."
)
sqrt = unary("sqrt", lambda xp, x: xp.sqrt(x), "sqrt({0})", "Return the square root.")
rsqrt = unary("rsqrt", _rsqrt, "rsqrt({0})", "Return 1 / sqrt(x).")
cbrt = unary("cbrt", lambda xp, x: xp.cbrt(x), "cbrt({0})", "Return the cube root.", samples=REAL)
sin = unary("sin", lambda xp, x: xp.sin(x), "sin({0})", "Return the sine of x radians.")
cos = unary("cos", lambda xp, x: xp.cos(x), "cos({0})", "Return the cosine of x radians.")
tan = unary("tan", lambda xp, x: xp.tan(x), "tan({0})", "Return the tangent of x radians.")
asin = unary(
    "asin", lambda xp, x: xp.arcsin(x), "asin({0})",
    "Return the angle in radians whose sine is x.", methods=("arcsin",),
)  # fmt: skip
acos = unary(
    "acos", lambda xp, x: xp.arccos(x), "acos({0})",
    "Return the angle in radians whose cosine is x.", methods=("arccos",),
)  # fmt: skip
atan = unary(
    "atan", lambda xp, x: xp.arctan(x), "atan({0})",
    "Return the angle in radians whose tangent is x.", methods=("arctan",),
)  # fmt: skip
sinh = unary("sinh", lambda xp, x: xp.sinh(x), "sinh({0})", "Return the hyperbolic sine.")
cosh = unary("cosh", lambda xp, x: xp.cosh(x), "cosh({0})", "Return the hyperbolic cosine.")
tanh = unary("tanh", lambda xp, x: xp.tanh(x), "tanh({0})", "Return the hyperbolic tangent.")
asinh = unary(
    "asinh", lambda xp, x: xp.arcsinh(x), None,
    "Return the inverse hyperbolic sine.", methods=("arcsinh",),
)  # fmt: skip
acosh = unary(
    "acosh", lambda xp, x: xp.arccosh(x), None,
    "Return the inverse hyperbolic cosine.", methods=("arccosh",),
)  # fmt: skip
atanh = unary(
    "atanh", lambda xp, x: xp.arctanh(x), None,
    "Return the inverse hyperbolic tangent.", methods=("arctanh",),
)  # fmt: skip
erf = unary(
    "erf", lambda xp, x: special(xp).erf(x), "erf({0})", "Return the error function.", samples=REAL
)
erfc = unary(
    "erfc", lambda xp, x: special(xp).erfc(x), "erfc({0})",
    "Return 1 - erf(x), accurate for large x.", samples=REAL,
)  # fmt: skip
lgamma = unary(
    "lgamma", _lgamma, "lgamma({0})",
    "Return log(abs(gamma(x))).", samples=REAL,
)  # fmt: skip
sigmoid = unary(
    "sigmoid", lambda xp, x: special(xp).expit(x), "sigmoid({0})",
    "Return 1 / (1 + exp(-x)).", samples=REAL,
)  # fmt: skip

arcsin, arccos, arctan = asin, acos, atan
arcsinh, arccosh, arctanh = asinh, acosh, atanh


@function("deg2rad")
def deg2rad(input: Any) -> Any:
    """Return degrees as radians."""
    return mul(input, math.pi / 180)


@function("rad2deg")
def rad2deg(input: Any) -> Any:
    """Return radians as degrees."""
    return mul(input, 180 / math.pi)


@composite("logit", samples=REAL, inplace=True)
def logit_op(x: Any) -> Any:
    return log(x / (1 - x))


@function("logit")
def logit(input: Any, eps: float | None = None) -> Any:
    """Return log(x / (1 - x)); `eps` limits x to the range from eps to 1 - eps first."""
    return apply(logit_op, input if eps is None else input.clamp(eps, 1 - eps))


@composite("sinc", samples=REAL, inplace=True)
def sinc_op(x: Any) -> Any:
    angle = math.pi * x
    zero = x == 0
    return (sin(angle) / angle).masked_fill(zero, 1.0)


@function("sinc")
def sinc(input: Any) -> Any:
    """Return sin(pi x) / (pi x), and 1 at 0."""
    return apply(sinc_op, input)
