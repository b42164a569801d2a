"""Derives the polynomial coefficients of `jitorch.codegen.vecmath.tables`.

    python -m benchmarks.fit_polynomials [NAME ...]

Each entry of `FITS` says what is approximated, on which interval, with which error weight, by how
many terms and in which format. The coefficients come from Remez's exchange algorithm (E. Remez,
"Sur un procede convergent d'approximations successives", 1934) in 60-digit arithmetic. They are
rounded to the format one at a time, lowest power first, the rest being fitted again after each.
NAME_32 and NAME_64 are the two entries of table NAME. Needs mpmath, which the library does not.
"""

from __future__ import annotations

import importlib
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

mp: Any = importlib.import_module("mpmath")
mp.mp.dps = 60

Function = Callable[[Any], Any]


@dataclass(frozen=True)
class Fit:
    """`target(x)` as a polynomial of `terms` terms, minimising max |weight * error|."""

    name: str
    target: Function
    weight: Function
    low: Any
    high: Any
    terms: int
    digits: int = 53


def rounded(value: Any, digits: int) -> Any:
    """`value` rounded to a float32 (24 digits) or a float64 (53)."""
    double = float(value)
    if digits == 53:
        return mp.mpf(double)
    return mp.mpf(struct.unpack("f", struct.pack("f", double))[0])


def polynomial(coefficients: list[Any], x: Any) -> Any:
    """Horner's scheme, lowest power first."""
    total = mp.mpf(0)
    for coefficient in reversed(coefficients):
        total = total * x + coefficient
    return total


def extrema(error: Function, low: Any, high: Any, count: int) -> list[Any]:
    """Up to `count` alternating extrema of `error`, from a Chebyshev-spaced grid."""
    grid_size = 24 * count
    half, middle = (high - low) / 2, (high + low) / 2
    grid = [middle - half * mp.cos(mp.pi * i / grid_size) for i in range(grid_size + 1)]
    values = [error(x) for x in grid]
    found: list[tuple[Any, Any]] = []
    for i, (x, value) in enumerate(zip(grid, values, strict=True)):
        if 0 < i < grid_size:
            x, value = _parabola_peak(error, grid[i - 1 : i + 2], values[i - 1 : i + 2])
        if found and (found[-1][1] > 0) == (value > 0):
            if abs(value) > abs(found[-1][1]):
                found[-1] = (x, value)
        else:
            found.append((x, value))
    while len(found) > count:
        found.pop(0 if abs(found[0][1]) < abs(found[-1][1]) else -1)
    return [x for x, _ in found]


def _parabola_peak(error: Function, x: list[Any], y: list[Any]) -> tuple[Any, Any]:
    """The grid point in the middle, or the peak of the parabola if it is one."""
    left, right = y[1] - y[0], y[1] - y[2]
    if not (left > 0 < right or left < 0 > right):
        return x[1], y[1]
    top = (x[1] - x[0]) ** 2 * right - (x[1] - x[2]) ** 2 * left
    bottom = (x[1] - x[0]) * right - (x[1] - x[2]) * left
    peak = x[1] - top / bottom / 2
    return (peak, error(peak)) if x[0] < peak < x[2] else (x[1], y[1])


def remez(target: Function, weight: Function, low: Any, high: Any, terms: int) -> list[Any]:
    """The minimax polynomial of `terms` terms, to a levelled error within a percent."""
    count = terms + 1
    half, middle = (high - low) / 2, (high + low) / 2
    points = [middle - half * mp.cos(mp.pi * i / terms) for i in range(count)]
    coefficients: list[Any] = []
    for _ in range(30):
        matrix = mp.matrix(count, count)
        right = mp.matrix(count, 1)
        for i, x in enumerate(points):
            for j in range(terms):
                matrix[i, j] = x**j
            matrix[i, terms] = (-1) ** i / weight(x)
            right[i] = target(x)
        solution = mp.lu_solve(matrix, right)
        coefficients = [solution[j] for j in range(terms)]

        def error(x: Any, fixed: list[Any] = coefficients) -> Any:
            return weight(x) * (polynomial(fixed, x) - target(x))

        found = extrema(error, low, high, count)
        if len(found) < count:
            break
        points = found
        sizes = [abs(error(x)) for x in points]
        if max(sizes) < min(sizes) * mp.mpf("1.01"):
            break
    return coefficients


def solve(fit: Fit) -> tuple[list[Any], float]:
    """Rounded coefficients, lowest power first, and log2 of their largest weighted error."""
    low, high = mp.mpf(fit.low), mp.mpf(fit.high)
    cache: dict[Any, Any] = {}

    def target(x: Any) -> Any:
        if x not in cache:
            cache[x] = fit.target(x)
        return cache[x]

    def error(polynomial_: list[Any]) -> Any:
        return max(abs(fit.weight(x) * (polynomial(polynomial_, x) - target(x))) for x in grid)

    grid = chebyshev_points(low, high, 12 * fit.terms)
    best = remez(target, fit.weight, low, high, fit.terms)
    plain = [rounded(each, fit.digits) for each in best]
    fixed: list[Any] = []
    while len(fixed) < fit.terms:
        fixed.append(rounded(best[len(fixed)], fit.digits))
        best = fixed + least_squares(target, fit.weight, grid, fixed, fit.terms)
    chosen = min(plain, fixed, key=error)
    return chosen, float(mp.log(error(chosen), 2))


def chebyshev_points(low: Any, high: Any, count: int) -> list[Any]:
    """`count` points that crowd towards the ends of the interval."""
    half, middle = (high - low) / 2, (high + low) / 2
    return [middle - half * mp.cos(mp.pi * (i + 0.5) / count) for i in range(count)]


def least_squares(
    target: Function, weight: Function, grid: list[Any], fixed: list[Any], terms: int
) -> list[Any]:
    """The coefficients above `fixed` that fit best."""
    done, free = len(fixed), terms - len(fixed)
    if not free:
        return []
    matrix, right = mp.matrix(len(grid), free), mp.matrix(len(grid), 1)
    for i, x in enumerate(grid):
        for j in range(free):
            matrix[i, j] = weight(x) * x ** (done + j)
        right[i] = weight(x) * (target(x) - polynomial(fixed, x))
    solution = mp.lu_solve(matrix, right)
    return [solution[j] for j in range(free)]


HALF_LN2 = mp.mpf("0.3467")
LOG_LOW, LOG_HIGH = mp.sqrt(0.5) - 1, mp.sqrt(2) - 1
ANGLE_SQUARED = mp.mpf("0.6175")
# Reduced angles of huge float32 arguments may exceed pi/4.
LARGER_ANGLE_SQUARED = mp.mpf("0.732")
TINY = mp.mpf("1e-6")
# Where 60 digits no longer show the difference between a function and its limit.
NEAR_ZERO = mp.mpf("1e-18")


def away_from_zero(x: Any) -> Any:
    """|x|, as an error weight that does not vanish at 0."""
    return max(abs(x), mp.mpf("0.02"))


def of_root(function: Function) -> Function:
    """`function(sqrt(z))` as a function of z, for even functions."""
    return lambda z: function(mp.sqrt(z))


def erfcx_scaled(center: float) -> Function:
    """(1 + 2x) exp(x^2) erfc(x), by t = (x - center) / (x + center)."""

    def target(t: Any) -> Any:
        x = center * (1 + t) / (1 - t)
        return (1 + 2 * x) * mp.exp(x * x) * mp.erfc(x)

    return target


def erfc_range(center: float, low: float, high: float) -> tuple[Any, Any]:
    """The interval of t that belongs to x in [low, high]."""
    return (mp.mpf(low) - center) / (low + center), (mp.mpf(high) - center) / (high + center)


def stirling_rest(z: Any) -> Any:
    """x times what Stirling's formula leaves of lgamma(x), z = 1/x^2."""
    x = 1 / mp.sqrt(z)
    return x * (mp.loggamma(x) - ((x - 0.5) * mp.log(x) - x + mp.log(2 * mp.pi) / 2))


def expm1_rest(r: Any) -> Any:
    """(exp(r) - 1 - r) / r^2."""
    return (mp.expm1(r) - r) / r**2 if abs(r) > NEAR_ZERO else mp.mpf("0.5")


def log1p_rest(f: Any) -> Any:
    """(log(1 + f) - f) / f^2."""
    return (mp.log1p(f) - f) / f**2 if abs(f) > NEAR_ZERO else mp.mpf("-0.5")


def log2_ratio(f: Any) -> Any:
    """log2(1 + f) / f."""
    return (mp.log1p(f) / f if abs(f) > NEAR_ZERO else 1) / mp.log(2)


def lgamma_ratio(u: Any) -> Any:
    """log(gamma(2 + u)) / u."""
    return mp.loggamma(2 + u) / u if abs(u) > NEAR_ZERO else 1 - mp.euler


def pair(
    name: str, target: Function, weight: Function, low: Any, high: Any, terms: tuple[int, int]
) -> list[Fit]:
    """The fits for float32 and for float64."""
    return [
        Fit(f"{name}_32", target, weight, low, high, terms[0], 24),
        Fit(f"{name}_64", target, weight, low, high, terms[1]),
    ]


def one(x: Any) -> Any:
    """The weight for an absolute error."""
    return mp.mpf(1)


def identity(x: Any) -> Any:
    """The weight x."""
    return x


def square(x: Any) -> Any:
    """The weight x^2."""
    return x * x


def sine_rest(r: Any) -> Any:
    """(sin(r) - r) / r^3."""
    return (mp.sin(r) - r) / r**3


def cosine_rest(r: Any) -> Any:
    """(cos(r) - 1 + r^2/2) / r^4."""
    return (mp.cos(r) - 1 + r**2 / 2) / r**4


def tangent_rest(r: Any) -> Any:
    """(tan(r) - r) / r^3."""
    return (mp.tan(r) - r) / r**3


def arc_tangent_rest(t: Any) -> Any:
    """(atan(t) - t) / t^3."""
    return (mp.atan(t) - t) / t**3


def arc_sine_rest(t: Any) -> Any:
    """(asin(t) - t) / t^3."""
    return (mp.asin(t) - t) / t**3


def log_ratio(s: Any) -> Any:
    """(2 artanh(s)/s - 2) / s^2."""
    return (2 * mp.atanh(s) / s - 2) / s**2


def log_ratio_rest(s: Any) -> Any:
    """(artanh(s)/s - 1 - s^2/3) / s^4."""
    return (mp.atanh(s) / s - 1 - s**2 / 3) / s**4


def sinh_rest(r: Any) -> Any:
    """(sinh(r) - r) / r^3."""
    return (mp.sinh(r) - r) / r**3


def cosh_rest(r: Any) -> Any:
    """(cosh(r) - 1) / r^2."""
    return (mp.cosh(r) - 1) / r**2


def erf_ratio(x: Any) -> Any:
    """erf(x)/x - 1."""
    return mp.erf(x) / x - 1


def minus_log_erfc(t: Any) -> Any:
    """-log(erfc(1 + t))."""
    return -mp.log(mp.erfc(1 + t))


def power_of_two(r: Any) -> Any:
    """2^r."""
    return mp.mpf(2) ** r


def erfc_one(t: Any) -> Any:
    """erfc(1 + t)."""
    return mp.erfc(1 + t)


HALF = mp.mpf("0.5")
SMALL = mp.mpf("1e-3")
LOG_RATIO_END = mp.mpf("0.02945")
TAN_EIGHTH_SQUARED = mp.mpf("0.1717")

FITS = [
    *pair("EXPM1", expm1_rest, away_from_zero, -HALF_LN2, HALF_LN2, (5, 11)),
    Fit("EXP2_POW", power_of_two, one, -HALF, HALF, 7),
    Fit("LOG1P_SINGLE", log1p_rest, away_from_zero, LOG_LOW, LOG_HIGH, 9, 24),
    Fit("LOG_RATIO", of_root(log_ratio), identity, mp.mpf("1e-4"), LOG_RATIO_END, 7),
    Fit("LOG_RATIO_POW", of_root(log_ratio_rest), square, SMALL, LOG_RATIO_END, 8),
    Fit("LOG2_POW", log2_ratio, one, LOG_LOW, LOG_HIGH, 13),
    Fit("SIN_32", of_root(sine_rest), identity, TINY, LARGER_ANGLE_SQUARED, 3, 24),
    Fit("SIN_64", of_root(sine_rest), identity, TINY, ANGLE_SQUARED, 6),
    Fit("COS_32", of_root(cosine_rest), square, SMALL, LARGER_ANGLE_SQUARED, 3, 24),
    Fit("COS_64", of_root(cosine_rest), square, SMALL, ANGLE_SQUARED, 6),
    Fit("TAN_WIDE", of_root(tangent_rest), identity, TINY, LARGER_ANGLE_SQUARED, 8),
    Fit("ATAN_SINGLE", of_root(arc_tangent_rest), identity, TINY, mp.mpf(1), 9, 24),
    Fit("ATAN_DOUBLE", of_root(arc_tangent_rest), identity, TINY, TAN_EIGHTH_SQUARED, 11),
    *pair("ASIN", of_root(arc_sine_rest), identity, TINY, mp.mpf("0.25"), (5, 13)),
    *pair("SINH", of_root(sinh_rest), identity, TINY, mp.mpf(1), (4, 7)),
    *pair("COSH", of_root(cosh_rest), identity, TINY, mp.mpf(1), (4, 8)),
    *pair("ERF", of_root(erf_ratio), one, TINY, mp.mpf(1), (7, 13)),
    Fit("ERF_TAIL", minus_log_erfc, erfc_one, TINY, mp.mpf("2.93"), 9, 24),
    Fit("ERFC_SINGLE", erfcx_scaled(2.25), one, *erfc_range(2.25, 0.5, 10.1), 11),
    Fit("ERFC", erfcx_scaled(3.75), one, *erfc_range(3.75, 0.5, 27.3), 25),
    Fit("LGAMMA", lgamma_ratio, one, mp.mpf("-0.586"), HALF, 21),
    Fit("STIRLING", stirling_rest, lambda z: z / 8, mp.mpf("1e-4"), mp.mpf(1) / 64, 7),
]


def main(names: list[str]) -> None:
    """Prints the tables asked for, all of them by default, as Python source."""
    for fit in FITS:
        if names and fit.name not in names:
            continue
        coefficients, error = solve(fit)
        print(f"# {fit.terms} terms, error 2^{error:.1f}")
        print(f"{fit.name} = (")
        for coefficient in coefficients:
            # A float32 is written with the digits of the equal float64: the value is exact.
            print(f"    {float(coefficient)!r},")
        print(")", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
