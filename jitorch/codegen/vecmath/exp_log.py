"""Exponentials and logarithms.

Exponentials split x = k ln 2 + r with ln 2 in two parts (W. J. Cody, W. Waite, "Software Manual for
the Elementary Functions", 1980), |r| <= ln(2)/2, and evaluate a minimax polynomial. Logarithms
split x = 2^k (1 + f) with sqrt(1/2) <= 1 + f < sqrt(2).
"""

from __future__ import annotations

import math
from typing import NamedTuple

from jitorch.codegen.vecmath import tables
from jitorch.codegen.vecmath.definition import elementary
from jitorch.codegen.vecmath.values import (
    FLOAT32,
    Bits,
    Flag,
    Format,
    Pair,
    Real,
    divide,
    fast_two_sum,
    fma,
    polynomial,
    round_product,
    two_product,
    two_sum,
)

INFINITY = math.inf
NAN = math.nan


class Limits(NamedTuple):
    """Where exp leaves the range of a format: surely zero below, surely infinite above."""

    low: float
    high: float


def exp_limits(form: Format) -> Limits:
    """The limits for exp; those of exp2 follow by log2(e)."""
    return Limits(-104.0, 89.0) if form is FLOAT32 else Limits(-746.0, 710.0)


def scale(x: Real, k: Bits) -> Real:
    """x * 2^k, rounded once, for |k| up to twice the exponent range."""
    half = k >> 1
    return x * half.power_of_two() * (k - half).power_of_two()


def less_ln2(x: Real, k: Real) -> Real:
    """x - k ln 2, for k that leaves little."""
    high, low = tables.LN2[x.format]
    return fma(k, -low, fma(k, -high, x))


def reduce_exp(x: Real) -> tuple[Bits, Real]:
    """The integer k and r with x = k ln 2 + r."""
    k, number = round_product(x, tables.LOG2_E[x.format][0])
    return k, less_ln2(x, number)


def small_expm1(r: Real) -> Real:
    """exp(r) - 1 for |r| <= ln(2)/2."""
    return fma(r * r, polynomial(r, tables.EXPM1[r.format]), r)


def reduced_exp(x: Real) -> tuple[Real, Bits]:
    """exp(x) = m * 2^k: m and k, for x within the limits."""
    k, r = reduce_exp(x)
    return small_expm1(r) + 1.0, k


def moderate_expm1(x: Real) -> Pair:
    """exp(x) - 1 for x <= 0 that is not below the range."""
    k, r = reduce_exp(x)
    power, grown = k.power_of_two(), small_expm1(r)
    base = power - 1.0
    total = fma(power, grown, base)
    return Pair(total, fma(power, grown, base - total))


@elementary
def exp(x: Real) -> Real:
    """e^x within 1.1 ULP, subnormal results included."""
    return scale(*reduced_exp(x.clamp(*exp_limits(x.format))))


@elementary
def exp2(x: Real) -> Real:
    """2^x within 1.1 ULP, subnormal results included."""
    limits = exp_limits(x.format)
    bounded = x.clamp(*[math.trunc(limit / math.log(2)) for limit in limits])
    k, number = bounded.round_to_int()
    return scale(small_expm1((bounded - number) * math.log(2)) + 1.0, k)


@elementary
def expm1(x: Real) -> Real:
    """e^x - 1 within 1.9 ULP."""
    form = x.format
    k, r = reduce_exp(x.clamp(-40.0, exp_limits(form).high))
    # Half of the result, because 2^k overflows slightly before the result does.
    power = (k - 1).power_of_two()
    tail = r * r * polynomial(r, tables.EXPM1[form])
    result = fma(power, tail, fma(power, r, power - 0.5)) * 2.0
    # Halves of subnormal numbers are not exact, and -0 would become +0.
    return (abs(x) < 2.0 ** (-2 - form.mantissa_bits)).select(x, result)


@elementary
def sigmoid(x: Real) -> Real:
    """1 / (1 + e^-x) within 1.5 ULP, subnormal results included."""
    small = scale(*reduced_exp((-abs(x)).clamp(exp_limits(x.format).low, 0.0)))
    top = (x < 0.0).select(small, 1.0)
    return divide(Pair(top, top.like(-0.0)), fast_two_sum(small.like(1.0), small))


class LogParts(NamedTuple):
    """log(x) = k ln 2 + f + rest, where f is exact and much larger than `rest`."""

    k: Real
    f: Real
    rest: Real


def decompose(x: Real) -> tuple[Bits, Real]:
    """k and m with x = 2^k m, sqrt(1/2) <= m < sqrt(2), for positive normal x."""
    bits, shift = x.as_bits(), x.format.mantissa_bits
    k = (bits - x.format.pattern(math.sqrt(0.5))) >> shift
    return k, (bits - (k << shift)).as_real()


def decompose_any(x: Real) -> tuple[Real, Real]:
    """The same for all positive x; k as a number."""
    digits = float(x.format.mantissa_bits + 1)
    subnormal = x < x.format.min_normal
    k, m = decompose(subnormal.select(x * 2.0**digits, x))
    return k.to_real() - subnormal.select(x.like(digits), 0.0), m


def small_log1p_rest(f: Real) -> Real:
    """log(1 + f) - f for sqrt(1/2) - 1 <= f <= sqrt(2) - 1."""
    if f.is_single():
        return f * f * polynomial(f, tables.LOG1P_SINGLE)
    # log(1 + f) = 2 artanh(s); its series in s^2 is a third as long, for one division.
    s = f / (f + 2.0)
    z = s * s
    half_square = f * f * 0.5
    return fma(s, fma(z, polynomial(z, tables.LOG_RATIO), half_square), -half_square)


def log_parts(x: Real) -> LogParts:
    """The logarithm of a positive finite x."""
    k, m = decompose_any(x)
    f = m - 1.0
    return LogParts(k, f, small_log1p_rest(f))


def log_in_domain(parts: LogParts) -> Real:
    """The natural logarithm from its parts."""
    high, low = tables.LN2[parts.f.format]
    return fma(parts.k, high, parts.f + fma(parts.k, low, parts.rest))


def at_log_ends(x: Real, inside: Real) -> Real:
    """Completes a logarithm: -inf at 0, NaN below, infinity and NaN unchanged."""
    outside = x.equals(0.0).select(x.like(-INFINITY), NAN)
    return (x > 0.0).select((x < INFINITY).select(inside, x), outside)


@elementary
def log(x: Real) -> Real:
    """The natural logarithm within 1 ULP."""
    return at_log_ends(x, log_in_domain(log_parts(x)))


@elementary
def log2(x: Real) -> Real:
    """The logarithm to base 2 within 1.1 ULP."""
    parts = log_parts(x)
    high, low = tables.LOG2_E[x.format]
    rest = fma(parts.f, low, parts.rest * high)
    return at_log_ends(x, parts.k + fma(parts.f, high, rest))


@elementary
def log10(x: Real) -> Real:
    """The logarithm to base 10 within 1.1 ULP."""
    parts = log_parts(x)
    high, low = tables.LOG10_E[x.format]
    step_high, step_low = tables.LOG10_2[x.format]
    rest = fma(parts.k, step_low, fma(parts.f, low, parts.rest * high))
    return at_log_ends(x, fma(parts.k, step_high, fma(parts.f, high, rest)))


def log1p_of_sum(x: Real, low: Real) -> Real:
    """log(1 + x + low) for a finite sum above 0; low is much smaller than x.

    The rounding error of the sum is carried into the fraction.
    """
    total, error = two_sum(x, x.like(1.0))
    k, m = decompose(total)
    # For k above the precision the error is nothing; the bound keeps the exponent valid.
    power = (0 - k).at_least(-x.format.bias).power_of_two()
    f = fma(error + low, power, m - 1.0)
    return log_in_domain(LogParts(k.to_real(), f, small_log1p_rest(f)))


@elementary
def log1p(x: Real) -> Real:
    """log(1 + x) within 1.6 ULP."""
    inside = log1p_of_sum(x, x.like(-0.0))
    beyond = x.equals(-1.0).select(x.like(-INFINITY), NAN)
    return (x > -1.0).select((x < INFINITY).select(inside.copysign(x), x), beyond)


@elementary
def pow(x: Real, y: Real) -> Real:
    """x^y within 1.2 ULP; special cases as in C99, annex F.9.4.4."""
    magnitude = (_pow_single if x.is_single() else _pow_double)(abs(x), y)
    integral, odd = _parity(y)
    sign = odd.select(x, 0.0).sign()
    signed = magnitude.flip_sign(sign)
    undefined = (x < 0.0) & (x > -INFINITY) & ~integral & (abs(y) < INFINITY)
    unit = x.equals(1.0) | y.equals(0.0) | (x.equals(-1.0) & abs(y).equals(INFINITY))
    return unit.select(1.0, undefined.select(NAN, signed))


def _parity(y: Real) -> tuple[Flag, Flag]:
    """Whether y is an integer, and whether it is an odd one."""
    half = y * 0.5
    integral = y.rint().equals(y)
    return integral, integral & ~half.rint().equals(half)


def _pow_single(x: Real, y: Real) -> Real:
    """x^y for x >= 0, computed in float64 to about 2^-29."""
    k, m = decompose_any(x)
    f = (m - 1.0).widen()
    # log2 of infinity and NaN is themselves, and f is finite even then.
    k = (x < INFINITY).select(x.equals(0.0).select(-INFINITY, k), x)
    log2_x = fma(f, polynomial(f, tables.LOG2_POW), k.widen())
    exponent = (y.widen() * log2_x).clamp(-200.0, 200.0)
    step, number = exponent.round_to_int()
    return (polynomial(exponent - number, tables.EXP2_POW) * step.power_of_two()).narrow()


def _pow_double(x: Real, y: Real) -> Real:
    """x^y for x >= 0, with the logarithm as an unevaluated sum of two numbers."""
    log2_high, log2_low = _log2_double_double(x)
    product, error = two_product(y, log2_high)
    error = fma(y, log2_low, error)
    bounded = product.clamp(-1100.0, 1100.0)
    error = (abs(error) < 1.0).select(error, 0.0)
    k, number = bounded.round_to_int()
    r = ((bounded - number) + error) * math.log(2)
    return scale(small_expm1(r) + 1.0, k)


def _log2_double_double(x: Real) -> tuple[Real, Real]:
    """log2(x) to about 2^-65, for x >= 0.

    log(m) = 2 s (1 + s^2/3 + ...), s = f / (2 + f); s and the term s^2/3 in two parts each.
    """
    k, m = decompose_any(x)
    f = m - 1.0
    bottom, bottom_error = two_sum(f, f.like(2.0))
    inverse = 1.0 / bottom
    s = f * inverse
    s_low = (fma(-s, bottom, f) - s * bottom_error) * inverse
    z, z_error = two_product(s, s)
    z_low = fma(s * s_low, 2.0, z_error)
    third, third_low = tables.THIRD
    t, t_error = two_product(z, third)
    t_low = fma(z, third_low, fma(z_low, third, t_error))
    t_low = fma(z * z, polynomial(z, tables.LOG_RATIO_POW), t_low)
    # 1 + t, then times s, then times 2 log2(e).
    one_t, one_t_low = fast_two_sum(t.like(1.0), t)
    one_t_low = one_t_low + t_low
    half, half_error = two_product(s, one_t)
    half_low = fma(s, one_t_low, fma(s_low, one_t, half_error))
    factor, factor_low = tables.TWICE_LOG2_E
    scaled, scaled_error = two_product(half, factor)
    scaled_low = fma(half, factor_low, fma(half_low, factor, scaled_error))
    high, low = two_sum(k, scaled)
    high, low = fast_two_sum(high, low + scaled_low)
    high = (x < INFINITY).select(high, x)
    high = x.equals(0.0).select(-INFINITY, high)
    return high, (abs(high) < INFINITY).select(low, 0.0)
