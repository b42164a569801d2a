"""Hyperbolic functions."""

from __future__ import annotations

from typing import NamedTuple

from jitorch.codegen.vecmath import tables
from jitorch.codegen.vecmath.definition import elementary
from jitorch.codegen.vecmath.exp_log import less_ln2, moderate_expm1
from jitorch.codegen.vecmath.values import Pair, Real, divide, fast_two_sum, fma, polynomial


@elementary
def tanh(x: Real) -> Real:
    """The hyperbolic tangent within 2 ULP, as -u / (2 + u) with u = exp(-2|x|) - 1."""
    u = moderate_expm1(abs(x).at_most(22.0) * -2.0)
    bottom, error = fast_two_sum(u.high.like(2.0), u.high)
    return divide(u, Pair(bottom, error + u.low)).copysign(x)


class _Parts(NamedTuple):
    """cosh(r) - 1, sinh(r) and the powers that give sinh and cosh of |x| = k ln 2 + r.

    sinh |x| = cosh(r) (2^k - 2^-k)/2 + sinh(r) (2^k + 2^-k)/2, and cosh likewise, without a
    division. k = 0 up to 1, where sinh would suffer from cancellation, and |r| <= ln(2)/2 beyond.
    """

    cosh_rest: Real
    sinh: Real
    sum: Real
    difference: Real
    factor: Real


def _split(x: Real) -> _Parts:
    """The parts for x >= 0."""
    form = x.format
    bounded = x.at_most(89.5 if x.is_single() else 710.6)
    turns = (x < 1.0).select(0.0, bounded * tables.LOG2_E[form][0])
    k, number = turns.round_to_int()
    r = less_ln2(bounded, number)
    z = r * r
    # 2^(k-1) may overflow before the result does: halved for the largest k, doubled at the end.
    carry = k >> (form.width - form.mantissa_bits - 2)
    up = (k - carry - 1).power_of_two()
    down = (-1 - carry - k).at_least(-form.bias).power_of_two()
    return _Parts(
        cosh_rest=z * polynomial(z, tables.COSH[form]),
        sinh=fma(z * r, polynomial(z, tables.SINH[form]), r),
        sum=up + down,
        difference=up - down,
        factor=carry.power_of_two(),
    )


@elementary
def sinh(x: Real) -> Real:
    """The hyperbolic sine within 2 ULP."""
    parts = _split(abs(x))
    rest = fma(parts.cosh_rest, parts.difference, parts.sinh * parts.sum)
    return ((parts.difference + rest) * parts.factor).copysign(x)


@elementary
def cosh(x: Real) -> Real:
    """The hyperbolic cosine within 2 ULP."""
    parts = _split(abs(x))
    rest = fma(parts.cosh_rest, parts.sum, parts.sinh * parts.difference)
    return (parts.sum + rest) * parts.factor
