"""The error function, the gamma function's logarithm and the cube root."""

from __future__ import annotations

import math

from jitorch.codegen.vecmath import tables
from jitorch.codegen.vecmath.definition import elementary
from jitorch.codegen.vecmath.exp_log import (
    log_in_domain,
    log_parts,
    reduce_exp,
    reduced_exp,
    scale,
    small_expm1,
)
from jitorch.codegen.vecmath.values import (
    FLOAT32,
    FLOAT64,
    Pair,
    Real,
    divide,
    fast_two_sum,
    fma,
    polynomial,
)


@elementary
def erf(x: Real) -> Real:
    """The error function within 1.1 ULP."""
    magnitude = abs(x)
    small = _small_erf(magnitude, tables.ERF[x.format])
    large = _large_erf_single(magnitude) if x.is_single() else 1.0 - _large_erfc(magnitude)
    return (magnitude >= 1.0).select(large, small).copysign(x)


def _small_erf(x: Real, coefficients: tuple[float, ...]) -> Real:
    """erf(x) for |x| <= 1."""
    return fma(x, polynomial(x * x, coefficients), x)


def _large_erf_single(x: Real) -> Real:
    """erf(x) for a float32 x >= 1, as 1 - exp(-g(x)) with a polynomial g."""
    g = polynomial(x.at_most(3.93) - 1.0, tables.ERF_TAIL)
    m, k = reduced_exp(-g)
    return fma(m, -k.power_of_two(), 1.0)


@elementary
def erfc(x: Real) -> Real:
    """The complement of the error function within 1.7 ULP, subnormal results included."""
    if x.is_single():
        wide = x.widen()
        return _erfc(wide, _large_erfc_single(abs(wide)), tables.ERF[FLOAT32]).narrow()
    return _erfc(x, _large_erfc(abs(x)), tables.ERF[FLOAT64])


def _erfc(x: Real, large: Real, coefficients: tuple[float, ...]) -> Real:
    """erfc(x), given erfc(|x|) for |x| >= 1/2."""
    small = 1.0 - _small_erf(x, coefficients)
    outer = (x < 0.0).select(2.0 - large, large)
    return (abs(x) >= 0.5).select(outer, small)


def _large_erfc_single(x: Real) -> Real:
    """erfc(x) to float32 precision for a float64 x >= 1/2; see `_large_erfc`."""
    x = x.at_most(10.2)
    center = tables.ERFC_CENTER_SINGLE
    below, above = x + center, fma(x, 2.0, 1.0)
    inverse = 1.0 / (below * above)
    ratio = polynomial((x - center) * above * inverse, tables.ERFC_SINGLE)
    k, number = (power := x * x * -tables.LOG2_E[FLOAT64][0]).round_to_int()
    exponential = polynomial(power - number, tables.EXP2_POW) * k.power_of_two()
    return exponential * ratio * below * inverse


def _large_erfc(x: Real) -> Real:
    """erfc(x) for x >= 1/2, as exp(-x^2) q(t) / (1 + 2x), t = (x - c) / (x + c).

    M. M. Shepherd, J. G. Laframboise, "Chebyshev approximation of (1 + 2x) exp(x^2) erfc x",
    Mathematics of Computation 36 (1981).
    """
    x = x.at_most(27.3)
    center = tables.ERFC_CENTER
    square = x * x
    k, r = reduce_exp(-square)
    growth = small_expm1(r - fma(x, x, -square))
    t = (x - center) / (x + center)
    slope = polynomial(t, tables.ERFC[1:])
    ratio = fma(slope, t, tables.ERFC[0])
    ratio_low = fma(slope, t, tables.ERFC[0] - ratio)
    top = fast_two_sum(ratio, fma(ratio, growth, ratio_low))
    bottom = fma(x, 2.0, 1.0)
    return scale(divide(top, Pair(bottom, fma(x, 2.0, 1.0 - bottom))), k)


@elementary
def lgamma(x: Real) -> Real:
    """log |gamma(x)|, infinite at the poles.

    float32, computed in float64: within 0.6 ULP. float64: within 2 ULP for x > -1/2; below, where
    there are zeros between the poles, within 1e-15 (1 + |x| log(1 + |x|)) in absolute terms.
    """
    return _lgamma(x.widen()).narrow() if x.is_single() else _lgamma(x)


def _lgamma(x: Real) -> Real:
    """The logarithm of the gamma function of a float64; reflected below -1/2."""
    magnitude = abs(x)
    reflect = x <= -0.5
    right = _lgamma_right(reflect.select(magnitude, x))
    # gamma(-a) gamma(a) = -pi / (a sin(pi a))
    sine = _absolute_sine_of_pi(magnitude)
    left = math.log(math.pi) - (_log(magnitude * sine) + right)
    left = sine.equals(0.0).select(math.inf, left)
    result = reflect.select(left, right)
    return (magnitude < math.inf).select(x.equals(0.0).select(math.inf, result), magnitude)


def _log(x: Real) -> Real:
    """log(x) for positive finite x."""
    return log_in_domain(log_parts(x))


def _lgamma_right(x: Real) -> Real:
    """The same for x > -1/2: near 2 a polynomial, reached by recurrence; from 8 on Stirling."""
    large = x >= 8.0
    up_one, up_two = x < math.sqrt(2), x < 0.5
    t, product = _shift_down(x)
    u = up_two.select(x, up_one.select(x - 1.0, t - 2.0))
    product = up_two.select(abs(fma(x, x, x)), up_one.select(x, product))
    parts = log_parts(large.select(x, product))
    # log gamma(1 + u) = log gamma(2 + u) - log(1 + u), where u itself cancels exactly.
    cancels = up_one & parts.f.equals(u)
    first = cancels.select(x.like(tables.LGAMMA[0] - 1.0), tables.LGAMMA[0])
    f = cancels.select(0.0, parts.f)
    logarithm = log_in_domain(parts._replace(f=f))
    slope = fma(u, polynomial(u, tables.LGAMMA[1:]), first)
    small = fma(u, slope, up_one.select(-logarithm, logarithm)) + 0.0
    inverse = 1.0 / x
    rest = fma(inverse, polynomial(inverse * inverse, tables.STIRLING), tables.STIRLING_CONSTANT)
    return large.select(fma(x - 0.5, logarithm - 1.0, rest), small)


def _shift_down(x: Real) -> tuple[Real, Real]:
    """t in [3/2, 5/2) and p with gamma(x) = p gamma(t), for x in [3/2, 8)."""
    t, product = x, x.like(1.0)
    for _ in range(6):
        again = t >= 2.5
        less = t - 1.0
        product = again.select(product * less, product)
        t = again.select(less, t)
    return t, product


def _absolute_sine_of_pi(x: Real) -> Real:
    """|sin(pi x)| for x >= 0, by twice the sine and cosine of half the angle."""
    angle = (x - x.rint()) * (math.pi / 2)
    z = angle * angle
    sine = fma(z * angle, polynomial(z, tables.SIN[FLOAT64]), angle)
    cosine = fma(z, fma(z, polynomial(z, tables.COS[FLOAT64]), -0.5), 1.0)
    return abs(sine * cosine * 2.0)


@elementary
def cbrt(x: Real) -> Real:
    """The cube root within 1 ULP.

    1/cbrt(x) is guessed from the bit pattern to 10 %, and refined twice by four terms of
    (1 - h)^(-1/3), h = 1 - x r^3; the last step corrects the rounding of x r^2.
    """
    form = x.format
    magnitude = abs(x)
    subnormal = magnitude < form.min_normal
    scaled = subnormal.select(magnitude * 2.0**54, magnitude)
    r = _inverse_cube_root_guess(scaled)
    for _ in range(2):
        h = fma(scaled * r * r, -r, 1.0)
        r = fma(r * h, polynomial(h, (1 / 3, 2 / 9, 14 / 81)), r)
    root = scaled * r * r
    square = root * root
    excess = fma(square, root, -scaled) + fma(root, root, -square) * root
    root = fma(excess * r * r, -1 / 3, root)
    root = subnormal.select(root * 2.0**-18, root)
    finite = (magnitude > 0.0) & (magnitude < math.inf)
    return finite.select(root.copysign(x), x)


def _inverse_cube_root_guess(x: Real) -> Real:
    """1/cbrt(x) from (4/3 bias - bits / 3), for positive normal x.

    The division by 3 is done on the upper bits as a number: there is no vector division of
    integers.
    """
    form = x.format
    drop = form.width - 1 - form.mantissa_bits
    shifter = form.pattern(float(2**form.mantissa_bits))
    upper = (x.as_bits().logical_right(drop) | shifter).as_real() - float(2**form.mantissa_bits)
    third = fma(upper, 1 / 3, float(2**form.mantissa_bits)).as_bits()
    magic = int((form.bias - tables.CUBE_ROOT_SHIFT) * 4 / 3 * 2**20) << (form.mantissa_bits - 20)
    return (magic - ((third - shifter) << drop)).as_real()
