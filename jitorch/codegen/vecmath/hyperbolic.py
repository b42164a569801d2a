"""Hyperbolic functions."""

from __future__ import annotations

from jitorch.codegen.vecmath import tables
from jitorch.codegen.vecmath.definition import elementary
from jitorch.codegen.vecmath.exp_log import moderate_expm1, reduce_exp
from jitorch.codegen.vecmath.values import Bits, Real, fma, horner


@elementary
def tanh(x: Real) -> Real:
    """The hyperbolic tangent within 2 ULP, as -u / (2 + u) with u = exp(-2|x|) - 1."""
    u = moderate_expm1(abs(x).at_most(22.0) * -2.0)
    return (-u / (u + 2.0)).copysign(x)


class _Parts:
    """cosh(r), sinh(r) and the powers that give sinh and cosh of k ln 2 + r, |r| <= ln(2)/2.

    sinh(k ln 2 + r) = cosh(r) (2^k - 2^-k)/2 + sinh(r) (2^k + 2^-k)/2, and cosh likewise: no
    division, and no cancellation near 0, where k = 0.
    """

    def __init__(self, magnitude: Real) -> None:
        form = magnitude.format
        limit = 89.5 if magnitude.is_single() else 710.6
        k, number, r = reduce_exp(magnitude.at_most(limit))
        z = r * r
        self.cosh = fma(z, horner(z, tables.COSH[form]), 1.0)
        self.sinh = fma(z * r, horner(z, tables.SINH[form]), r)
        # 2^(k-1) may overflow before the result does: halved for large k, doubled at the end.
        large = number > 64.0
        one = Bits(k.builder, form, k.builder.zext(large.value, form.integer))
        self.last_factor = large.select(number.like(2.0), 1.0)
        up = (k - one - 1).power_of_two()
        down = (-1 - one - k).at_least(-form.bias).power_of_two()
        self.sum, self.difference = up + down, up - down


@elementary
def sinh(x: Real) -> Real:
    """The hyperbolic sine within 2 ULP."""
    parts = _Parts(abs(x))
    result = fma(parts.cosh, parts.difference, parts.sinh * parts.sum)
    return (result * parts.last_factor).copysign(x)


@elementary
def cosh(x: Real) -> Real:
    """The hyperbolic cosine within 2 ULP."""
    parts = _Parts(abs(x))
    return fma(parts.cosh, parts.sum, parts.sinh * parts.difference) * parts.last_factor
