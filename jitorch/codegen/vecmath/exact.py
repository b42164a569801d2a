"""Functions that are exact, or correctly rounded by the hardware."""

from __future__ import annotations

from jitorch.codegen.vecmath import values
from jitorch.codegen.vecmath.definition import elementary
from jitorch.codegen.vecmath.values import Flag, Real


@elementary
def floor(x: Real) -> Real:
    """The largest integer not above x; exact."""
    return x.call("llvm.floor")


@elementary
def ceil(x: Real) -> Real:
    """The smallest integer not below x; exact."""
    return x.call("llvm.ceil")


@elementary
def trunc(x: Real) -> Real:
    """x without its fraction; exact."""
    return x.call("llvm.trunc")


@elementary
def rint(x: Real) -> Real:
    """The nearest integer, ties to even; exact."""
    return x.rint()


@elementary
def abs_(x: Real) -> Real:
    """The magnitude of x; exact."""
    return abs(x)


@elementary
def copysign(x: Real, y: Real) -> Real:
    """The magnitude of x with the sign of y; exact."""
    return x.copysign(y)


@elementary
def fma(x: Real, y: Real, z: Real) -> Real:
    """x * y + z, rounded once."""
    return values.fma(x, y, z)


@elementary
def maximum(x: Real, y: Real) -> Real:
    """The larger argument, NaN if either is; +0 is larger than -0 (IEEE 754-2019 maximum)."""
    return x.call("llvm.maximum", y)


@elementary
def minimum(x: Real, y: Real) -> Real:
    """The smaller argument, NaN if either is; -0 is smaller than +0 (IEEE 754-2019 minimum)."""
    return x.call("llvm.minimum", y)


@elementary
def isnan(x: Real) -> Flag:
    """Whether x is NaN."""
    return x.is_unordered(x)


@elementary
def sqrt(x: Real) -> Real:
    """The square root, correctly rounded."""
    return x.sqrt()


@elementary
def rsqrt(x: Real) -> Real:
    """1 / sqrt(x), within 1.5 ULP: the square root and the quotient are each rounded."""
    return 1.0 / x.sqrt()
