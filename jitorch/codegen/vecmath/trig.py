"""Trigonometric functions and their inverses.

sin, cos and tan reduce every argument exactly enough: x * 2/pi is computed modulo 4 from as many
digits of 2/pi as the exponent of x calls for (M. H. Payne, R. N. Hanek, "Radian reduction for
trigonometric functions", 1983), with the digits chosen by selects, so that it vectorises.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from jitorch.codegen.vecmath import tables
from jitorch.codegen.vecmath.definition import elementary
from jitorch.codegen.vecmath.values import (
    FLOAT32,
    FLOAT64,
    Bits,
    Flag,
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


class Angle(NamedTuple):
    """|x| = quadrant * pi/2 + high + low, quadrant modulo 4."""

    quadrant: Bits
    high: Real
    low: Real


def reduce_single(x: Real) -> Angle:
    """The angle of a float32; high and quadrant are float64 and its integer, low is zero.

    Large x is a multiple of a power of two that can be divided out; 2/pi times that power,
    modulo 4, takes the place of 2/pi.
    """
    magnitude = abs(x)
    first, *others = tables.TURNS
    beyond = [magnitude >= region.start for region in others]
    factor = magnitude.like(first.factor)
    for flag, region in zip(beyond, others, strict=True):
        factor = flag.select(region.factor, factor)
    wide = (magnitude * factor).widen()
    high, low = (wide.like(part) for part in first.parts)
    for flag, region in zip(beyond, others, strict=True):
        high = flag.select(region.parts[0], high)
        low = flag.select(region.parts[1], low)
    # The product is never rounded itself: it has up to 50 bits before the point.
    quadrant, number = round_product(wide, high)
    fraction = fma(wide, low, fma(wide, high, -number))
    return Angle(quadrant, fraction * (math.pi / 2), fraction.like(0.0))


def reduce_double(x: Real) -> Angle:
    """The angle of a float64, to about 2^-115 in absolute terms.

    2/pi is held in digits of 53 bits. With |x| = y * 2^(53 i), y < 2^106, only digits i to i + 4
    matter modulo 4. No x * 2/pi is closer to an integer than about 2^-61, so that the result keeps
    its full precision.
    """
    magnitude = abs(x)
    exponent = magnitude.as_bits().logical_right(52)
    index = _digit_index(exponent)
    y = (magnitude.as_bits() - ((index * 53) << 52)).as_real()
    # The subtraction makes a number of an infinity or NaN; the result must be NaN.
    y = (magnitude < math.inf).select(y, math.nan)
    digits = _select_digits(index, x)
    d = [digit * 2.0 ** (-51 - 53 * n) for n, digit in enumerate(digits)]
    h0, l0 = two_product(y, d[0])
    h1, l1 = two_product(y, d[1])
    h2, l2 = two_product(y, d[2])
    h3, l3 = two_product(y, d[3])
    h0, l0, h1 = _modulo_4(h0), _modulo_4(l0), _modulo_4(h1)
    # From here on sums of pairs, each with its error: up to 61 bits may cancel.
    h3, e3 = two_sum(h3, l2)
    h2, e2 = two_sum(h2, l1)
    h0, e0 = fast_two_sum(h0, l0)
    h0, e1 = two_sum(h0, h1)
    total, e4 = two_sum(h0, h2)
    quadrant, number = total.round_to_int()
    total = total - number
    small, e5 = two_sum(e2, h3)
    large, e6 = two_sum(e0, e1)
    low, e7 = two_sum(large, small)
    low, e8 = two_sum(low, e4)
    rest = (e5 + e6) + (e7 + e8) + (e3 + fma(y, d[4], l3))
    total, error = two_sum(total, low)
    fraction, fraction_low = fast_two_sum(total, error + rest)
    pi_high, pi_low = tables.HALF_PI[FLOAT64]
    high, high_error = two_product(fraction, pi_high)
    low = fma(fraction, pi_low, fma(fraction_low, pi_high, high_error))
    # The products of tiny arguments and digits lose bits to underflow.
    tiny = magnitude < 2.0**-300
    return Angle(quadrant, tiny.select(magnitude, high), tiny.select(0.0, low))


def _digit_index(exponent: Bits) -> Bits:
    """floor((exponent - 1075) / 53), at least 0, by multiplication."""
    beyond = (exponent - 1075).at_least(0)
    return (beyond * 1237).logical_right(16)


def _select_digits(index: Bits, x: Real) -> list[Real]:
    """Digits index to index + 4 of 2/pi, by halving the candidates with each bit of `index`."""
    digits = [x.like(digit) for digit in tables.TWO_OVER_PI_DIGITS]
    for step in (16, 8, 4, 2, 1):
        chosen: Flag = (index & step).nonzero()
        keep = min(step + 4, len(digits))
        digits = [
            chosen.select(digits[i + step], digits[i]) if i + step < len(digits) else digits[i]
            for i in range(keep)
        ]
    return digits


def _modulo_4(x: Real) -> Real:
    """x less a multiple of 4, in [-2, 2]; exact."""
    return fma((x * 0.25).rint(), -4.0, x)


def sine_and_cosine(angle: Angle) -> tuple[Pair, Pair]:
    """sin and cos of angle.high + angle.low."""
    r, low = angle.high, angle.low
    z = r * r
    form = r.format
    sine_rest = z * r * polynomial(z, tables.SIN[form])
    cosine_rest = z * z * polynomial(z, tables.COS[form])
    if r.is_single():
        return Pair(r, sine_rest), Pair(r.like(1.0), fma(z, -0.5, cosine_rest))
    half = z * 0.5
    top = 1.0 - half
    top_error = (1.0 - top) - half
    sine_rest = fma(low, top, sine_rest)
    return Pair(r, sine_rest), Pair(top, top_error + fma(-r, low, cosine_rest))


def _circular(x: Real, shift: int) -> Real:
    """sin(|x| + shift * pi/2)."""
    angle = reduce_single(x) if x.is_single() else reduce_double(x)
    quadrant = angle.quadrant + shift
    if x.is_single():
        quadrant = quadrant.low_half()
        angle = Angle(quadrant, angle.high.narrow(), angle.low)
    sine, cosine = sine_and_cosine(angle)
    odd = (quadrant & 1).nonzero()
    result = odd.select(cosine.high, sine.high) + odd.select(cosine.low, sine.low)
    return result.flip_sign((quadrant << (x.format.width - 2)) & x.format.sign_bit)


@elementary
def sin(x: Real) -> Real:
    """The sine within 1.7 ULP, for every argument."""
    return _circular(x, 0).flip_sign(x.sign())


@elementary
def cos(x: Real) -> Real:
    """The cosine within 1.7 ULP, for every argument."""
    return _circular(x, 1)


@elementary
def tan(x: Real) -> Real:
    """The tangent within 1.6 ULP, for every argument."""
    result = _tan_single(x) if x.is_single() else _tan_double(x)
    return result.flip_sign(x.sign())


def _tan_single(x: Real) -> Real:
    """tan |x| from a polynomial in float64; its inverse, negative, in odd quadrants."""
    angle = reduce_single(x)
    z = angle.high * angle.high
    tangent = fma(z * angle.high, polynomial(z, tables.TAN_WIDE), angle.high).narrow()
    odd = (angle.quadrant.low_half() & 1).nonzero()
    return odd.select(-1.0 / tangent, tangent)


def _tan_double(x: Real) -> Real:
    """tan |x| as the quotient of sine and cosine."""
    angle = reduce_double(x)
    sine, cosine = (fast_two_sum(*pair) for pair in sine_and_cosine(angle))
    odd = (angle.quadrant & 1).nonzero()
    top = Pair(*[odd.select(-c, s) for s, c in zip(sine, cosine, strict=True)])
    bottom = Pair(*[odd.select(s, c) for s, c in zip(sine, cosine, strict=True)])
    return divide(top, bottom)


@elementary
def asin(x: Real) -> Real:
    """The arc sine within 2 ULP; beyond 1/2 as pi/2 - 2 asin(sqrt((1 - |x|)/2))."""
    magnitude = abs(x)
    inner, root, root_low, rest = _asin_parts(magnitude)
    high, low = tables.HALF_PI[x.format]
    outer = high - fma(root + fma(root, rest, root_low), 2.0, -low)
    return inner.select(fma(root, rest, root), outer).copysign(x)


@elementary
def acos(x: Real) -> Real:
    """The arc cosine within 1 ULP."""
    magnitude = abs(x)
    inner, root, root_low, rest = _asin_parts(magnitude)
    high, low = tables.HALF_PI[x.format]
    signed = root.copysign(x)
    near_zero = high - (signed - fma(-signed, rest, low))
    twice = (root + fma(root, rest, root_low)) * 2.0
    near_end = (x < 0.0).select(2.0 * high - (twice - 2.0 * low), twice)
    return inner.select(near_zero, near_end)


def _asin_parts(x: Real) -> tuple[Flag, Real, Real, Real]:
    """Whether x <= 1/2; s and its error; asin(s)/s - 1, with s = x or sqrt((1 - x)/2)."""
    inner = x <= 0.5
    half = fma(x, -0.5, 0.5)
    z = inner.select(x * x, half)
    root = half.sqrt()
    # One Newton step for the rounding error; the bound avoids 0/0 at x = 1.
    error = fma(-root, root, half) / (root + root.format.min_normal) * 0.5
    s = inner.select(x, root)
    s_low = inner.select(0.0, error)
    return inner, s, s_low, z * polynomial(z, tables.ASIN[x.format])


@elementary
def atan(x: Real) -> Real:
    """The arc tangent within 1.4 ULP."""
    magnitude = abs(x)
    if not x.is_single():
        # Beyond the bound the result is pi/2, and infinity would give NaN on the way.
        return _atan_double(magnitude.at_most(2.0**100), x.like(1.0)).copysign(x)
    swap = magnitude > 1.0
    angle = _small_atan_single(swap.select(1.0 / magnitude, magnitude))
    high, low = tables.HALF_PI[FLOAT32]
    return swap.select(high - (angle - low), angle).copysign(x)


def _small_atan_single(t: Real) -> Real:
    """atan(t) for a float32 |t| <= 1."""
    z = t * t
    return fma(z * t, polynomial(z, tables.ATAN_SINGLE), t)


def _atan_double(y: Real, x: Real) -> Real:
    """atan(y / x) for float64 y, x >= 0, finite and not both 0.

    In three ranges, around 0, pi/4 and pi/2, each up to tan(pi/8) away.
    """
    low_range = y <= x * math.tan(math.pi / 8)
    high_range = y > x * math.tan(3 * math.pi / 8)
    difference, difference_error = two_sum(y, -x)
    total, total_error = two_sum(y, x)
    top = low_range.select(y, high_range.select(-x, difference))
    bottom = low_range.select(x, high_range.select(y, total))
    middle = low_range.select(0.0, high_range.select(y.like(0.0), 1.0))
    inverse = 1.0 / bottom
    t = top * inverse
    error = fma(middle, difference_error - t * total_error, fma(-t, bottom, top)) * inverse
    z = t * t
    rest = error + z * t * polynomial(z, tables.ATAN_DOUBLE)
    base, base_low = (
        low_range.select(0.0, high_range.select(y.like(half), quarter))
        for half, quarter in zip(tables.HALF_PI[FLOAT64], tables.QUARTER_PI, strict=True)
    )
    head, head_error = fast_two_sum(base, t)
    return low_range.select(t + rest, head + (head_error + (base_low + rest)))


@elementary
def atan2(y: Real, x: Real) -> Real:
    """The angle of the point (x, y) within 1.6 ULP; special cases as in C99, annex F.9.1.4."""
    return (_atan2_single if x.is_single() else _atan2_double)(y, x)


def _atan2_single(y: Real, x: Real) -> Real:
    """atan2 from the arc tangent of the smaller over the larger magnitude."""
    height, width = _finite_direction(abs(y), abs(x))
    swap, left = height > width, x.sign().nonzero()
    t = swap.select(width, height) / swap.select(height, width)
    angle = _small_atan_single(t)
    angle = (swap ^ left).select(-angle, angle)
    high, low = tables.HALF_PI[FLOAT32]
    base = swap.select(high, left.select(x.like(2 * high), 0.0))
    base_low = swap.select(low, left.select(x.like(2 * low), 0.0))
    angle = base + (base_low + angle)
    return x.is_unordered(y).select(math.nan, angle).copysign(y)


def _finite_direction(height: Real, width: Real) -> tuple[Real, Real]:
    """A point in the same direction without infinities; that of (1, 0) for (0, 0)."""
    tall, wide = height.equals(math.inf), width.equals(math.inf)
    up = tall.select(1.0, wide.select(0.0, height))
    right = wide.select(1.0, tall.select(0.0, width))
    return up, up.equals(0.0).select(1.0, right)


def _atan2_double(y: Real, x: Real) -> Real:
    """atan2, with both arguments scaled if their sum or its inverse could overflow."""
    large = (abs(x) > 2.0**1020) | (abs(y) > 2.0**1020)
    small = (abs(x) < 2.0**-900) & (abs(y) < 2.0**-900)
    factor = large.select(x.like(0.25), small.select(x.like(2.0**300), 1.0))
    height, width = _finite_direction(abs(y) * factor, abs(x) * factor)
    angle = _atan_double(height, width)
    high, low = (2 * part for part in tables.HALF_PI[FLOAT64])
    angle = x.sign().nonzero().select(high - (angle - low), angle)
    return x.is_unordered(y).select(math.nan, angle).copysign(y)
