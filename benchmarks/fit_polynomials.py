"""Derives the polynomial coefficients of `jitorch.codegen.vecmath.tables`.

    python -m benchmarks.fit_polynomials [NAME ...]

Each entry of `FITS` says what is approximated, on which interval, with which error weight, by how
many terms and in which format. The coefficients come from Remez's exchange algorithm (E. Remez,
"Sur un procede convergent d'approximations successives", 1934) in 60-digit arithmetic. They are
rounded to the format one at a time, lowest power first, refitting the rest after each rounding.
Needs mpmath, which the library itself does not.
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

    # Refitting after each rounding only pays while it can move the coefficients that are left.
    coefficients = remez(target, fit.weight, low, high, fit.terms)
    fixed: list[Any] = []
    for i in range(fit.terms):
        fixed.append(rounded(coefficients[i], fit.digits))
        rest = fit.terms - i - 1
        if rest and i < REFITS and low > 0:
            done = len(fixed)

            def remainder(x: Any, done: int = done) -> Any:
                return (target(x) - polynomial(fixed[:done], x)) / x**done

            def weight(x: Any, done: int = done) -> Any:
                return fit.weight(x) * max(abs(x), mp.mpf("1e-6")) ** done

            refit = remez(remainder, weight, low, high, rest)
            coefficients = fixed + refit
    samples = [low + (high - low) * i / 2000 for i in range(2001)]
    worst = max(abs(fit.weight(x) * (polynomial(fixed, x) - target(x))) for x in samples)
    return fixed, float(mp.log(worst, 2))


REFITS = 3
HALF_LN2 = mp.mpf("0.3467")
LOG_LOW, LOG_HIGH = mp.sqrt(0.5) - 1, mp.sqrt(2) - 1
QUARTER_PI_SQUARED = mp.mpf("0.6175")
TINY = mp.mpf("1e-6")


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
    return (mp.expm1(r) - r) / r**2 if r else mp.mpf("0.5")


def log1p_rest(f: Any) -> Any:
    """(log(1 + f) - f) / f^2."""
    return (mp.log1p(f) - f) / f**2 if f else mp.mpf("-0.5")


def pair(name: str, target: Function, weight: Function, low: Any, high: Any, a: int, b: int) -> list[Fit]:
    """The float32 fit of `a` terms and the float64 fit of `b`."""
    return [
        Fit(f"{name}_32", target, weight, low, high, a, 24),
        Fit(f"{name}_64", target, weight, low, high, b),
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


FITS = [
    *pair("EXPM1", expm1_rest, away_from_zero, -HALF_LN2, HALF_LN2, 5, 11),
    Fit("EXP2_POW", lambda r: mp.mpf(2) ** r, one, mp.mpf("-0.5"), mp.mpf("0.5"), 7),
    Fit("LOG1P_32", log1p_rest, away_from_zero, LOG_LOW, LOG_HIGH, 9, 24),
    Fit("LOG_RATIO_64", of_root(lambda s: (2 * mp.atanh(s) / s - 2) / s**2), identity, mp.mpf("1e-4"), mp.mpf("0.02945"), 7),
    Fit("LOG_RATIO_POW", of_root(lambda s: (mp.atanh(s) / s - 1 - s**2 / 3) / s**4), square, mp.mpf("1e-3"), mp.mpf("0.02945"), 8),
    Fit("LOG2_POW", lambda f: (mp.log1p(f) / f if f else 1) / mp.log(2), one, LOG_LOW, LOG_HIGH, 13),
    *pair("SIN", of_root(lambda r: (mp.sin(r) - r) / r**3), identity, TINY, QUARTER_PI_SQUARED, 3, 6),
    *pair("COS", of_root(lambda r: (mp.cos(r) - 1 + r**2 / 2) / r**4), square, mp.mpf("1e-3"), QUARTER_PI_SQUARED, 3, 6),
    Fit("ATAN_32", of_root(lambda t: (mp.atan(t) - t) / t**3), identity, TINY, mp.mpf(1), 9, 24),
    Fit("ATAN_64", of_root(lambda t: (mp.atan(t) - t) / t**3), identity, TINY, mp.mpf("0.1717"), 11),
    *pair("ASIN", of_root(lambda t: (mp.asin(t) - t) / t**3), identity, TINY, mp.mpf("0.25"), 5, 13),
    *pair("SINH", of_root(lambda r: (mp.sinh(r) - r) / r**3), identity, TINY, HALF_LN2**2, 2, 5),
    *pair("COSH", of_root(lambda r: (mp.cosh(r) - 1) / r**2), identity, TINY, HALF_LN2**2, 3, 6),
    *pair("ERF", of_root(lambda x: mp.erf(x) / x - 1), one, TINY, mp.mpf(1), 7, 13),
    Fit("ERF_TAIL_32", lambda t: -mp.log(mp.erfc(1 + t)), lambda t: mp.erfc(1 + t), TINY, mp.mpf("2.93"), 9, 24),
    Fit("ERFC_32", erfcx_scaled(2.25), one, *erfc_range(2.25, 0.5, 10.1), 11),
    Fit("ERFC_64", erfcx_scaled(3.75), one, *erfc_range(3.75, 0.5, 27.3), 26),
    Fit("LGAMMA", lambda u: mp.loggamma(2 + u) / u if u else 1 - mp.euler, one, mp.mpf("-0.5"), mp.mpf("0.5"), 20),
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
