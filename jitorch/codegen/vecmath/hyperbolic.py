"""Hyperbolic functions and their inverses."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from jitorch.codegen.vecmath import tables
from jitorch.codegen.vecmath.definition import elementary
from jitorch.codegen.vecmath.exp_log import less_ln2, log1p_of_sum, moderate_expm1
from jitorch.codegen.vecmath.values import (
    Flag,
    Pair,
    Real,
    divide,
    fast_two_sum,
    fma,
    polynomial,
    two_product,
    two_sum,
)


@elementary
def tanh(x: Real) -> Real:
    """The hyperbolic tangent within 1.5 ULP, as -u / (2 + u) with u = exp(-2|x|) - 1."""
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
    """The hyperbolic sine within 1.9 ULP."""
    parts = _split(abs(x))
    rest = fma(parts.cosh_rest, parts.difference, parts.sinh * parts.sum)
    return ((parts.difference + rest) * parts.factor).copysign(x)


@elementary
def cosh(x: Real) -> Real:
    """The hyperbolic cosine within 2 ULP."""
    parts = _split(abs(x))
    rest = fma(parts.cosh_rest, parts.sum, parts.sinh * parts.difference)
    return (parts.sum + rest) * parts.factor


def _in_double(define: Callable[[Real], Real], x: Real) -> Real:
    """A function for float64, also used for float32."""
    return define(x.widen()).narrow() if x.is_single() else define(x)


@elementary
def asinh(x: Real) -> Real:
    """The inverse hyperbolic sine within 1.8 ULP: log(1 + x + x^2 / (1 + sqrt(1 + x^2)))."""
    return _in_double(_asinh, x)


def _asinh(x: Real) -> Real:
    """asinh of a float64."""
    a = abs(x)
    huge = a > LOG_OF_TWICE
    square = a * a
    part = square / ((square + 1.0).sqrt() + 1.0)
    t, low = two_sum(a, part)
    result = _log_of_sum(huge, a, t, low)
    return (a < math.inf).select(result, a).copysign(x)


@elementary
def acosh(x: Real) -> Real:
    """The inverse hyperbolic cosine within 2 ULP: log(1 + t + sqrt(t (t + 2))), t = x - 1."""
    return _in_double(_acosh, x)


def _acosh(x: Real) -> Real:
    """acosh of a float64."""
    t = x - 1.0
    square, error = two_product(t, t + 2.0)
    root = square.sqrt()
    # One Newton step for the rounding error; the bound avoids 0/0 at x = 1.
    root_low = (fma(-root, root, square) + error) * 0.5 / (root + root.format.min_normal)
    total, low = two_sum(root, t)
    result = _log_of_sum(x > LOG_OF_TWICE, x, total, low + root_low)
    return (x >= 1.0).select((x < math.inf).select(result, x), math.nan)


LOG_OF_TWICE = 2.0**60
"""Above this asinh(x) and acosh(x) are log(2x)."""


def _log_of_sum(huge: Flag, x: Real, t: Real, low: Real) -> Real:
    """log(1 + t + low), or log(2x) if `huge`."""
    result = log1p_of_sum(huge.select(x, t), huge.select(0.0, low))
    return result + huge.select(x.like(math.log(2)), 0.0)


@elementary
def atanh(x: Real) -> Real:
    """The inverse hyperbolic tangent within 1.6 ULP: log(1 + 2x / (1 - x)) / 2."""
    return _in_double(_atanh, x)


def _atanh(x: Real) -> Real:
    """atanh of a float64."""
    a = abs(x)
    bottom, error = fast_two_sum(a.like(1.0), -a)
    inverse = 1.0 / bottom
    t = a * 2.0 * inverse
    low = (fma(-t, bottom, a * 2.0) - t * error) * inverse
    result = log1p_of_sum(t, low) * 0.5
    outside = a.equals(1.0).select(a.like(math.inf), math.nan)
    return (a < 1.0).select(result, outside).copysign(x)
