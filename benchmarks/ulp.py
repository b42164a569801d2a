"""Measures the accuracy of the vectorised elementary functions.

    python -m benchmarks.ulp [--functions exp,log] [--dtype float32] [--stride N] [--threads 2]

float32 functions of one argument are compared with float64 results of NumPy and SciPy at all 2^32
arguments (every N-th with --stride). Functions of more arguments, and float64, are sampled: special
values, random bit patterns and usual magnitudes; float64 is compared with long doubles, or with
mpmath where NumPy has no such function. Beside the largest error the table counts failures: a NaN
where there should be a number or the reverse, or a zero of the wrong sign. The exit status is 1 if
there are any, or if an error is above --bound.
"""

from __future__ import annotations

import argparse
import importlib
import itertools
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
from scipy import special

from jitorch.codegen.vecmath import FUNCTIONS

Array = npt.NDArray[Any]
Function = Callable[..., Any]

CHUNK = 1 << 20


def larger(x: Array, y: Array) -> Array:
    """np.maximum, but with +0 above -0."""
    return np.where(x == y, np.where(np.signbit(x), y, x), np.maximum(x, y))


def smaller(x: Array, y: Array) -> Array:
    """np.minimum, but with -0 below +0."""
    return np.where(x == y, np.where(np.signbit(x), x, y), np.minimum(x, y))


def lgamma(x: Array) -> Array:
    """SciPy's function, with C's value at -inf."""
    result: Array = np.where(np.isneginf(x), np.inf, special.gammaln(x))
    return result


REFERENCES: dict[str, Function] = {
    "abs": np.abs,
    "acos": np.arccos,
    "acosh": np.arccosh,
    "asin": np.arcsin,
    "asinh": np.arcsinh,
    "atan": np.arctan,
    "atan2": np.arctan2,
    "atanh": np.arctanh,
    "cbrt": np.cbrt,
    "ceil": np.ceil,
    "copysign": np.copysign,
    "cos": np.cos,
    "cosh": np.cosh,
    "erf": special.erf,
    "erfc": special.erfc,
    "exp": np.exp,
    "exp2": np.exp2,
    "expm1": np.expm1,
    "floor": np.floor,
    "fma": lambda x, y, z: x * y + z,
    "lgamma": lgamma,
    "log": np.log,
    "log10": np.log10,
    "log1p": np.log1p,
    "log2": np.log2,
    "maximum": larger,
    "minimum": smaller,
    "pow": np.power,
    "rint": np.rint,
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "sin": np.sin,
    "sinh": np.sinh,
    "sqrt": np.sqrt,
    "tan": np.tan,
    "tanh": np.tanh,
    "trunc": np.trunc,
}
ARITY = {"atan2": 2, "copysign": 2, "fma": 3, "maximum": 2, "minimum": 2, "pow": 2}
# NumPy has these not, or not in long double; mpmath is slow, so the sample is small.
MULTIPRECISION = {"erf": "erf", "erfc": "erfc", "lgamma": "loggamma"}
MULTIPRECISION_SAMPLE = 20_000

SPECIALS = [0.0, 1e-45, 1e-40, 1.17549435e-38, 1e-20, 1e-4, 0.25, 0.5, 0.99999994, 1.0, 1.0000001]
SPECIALS += [1.5, 2.0, 2.5, 3.0, 3.1415927, 4.0, 5.0, 10.0, 88.0, 89.0, 1e4, 8388607.5, 16777215.0]
SPECIALS += [16777216.0, 1e10, 1e20, 1e38, 3.4028235e38, np.inf, np.nan]


@dataclass
class Result:
    """The largest error in ULP and where; how many failures and where the first was."""

    error: float
    worst: tuple[float, ...]
    failures: int
    failure: tuple[float, ...] | None

    def merge(self, other: Result) -> Result:
        """Both results as one."""
        larger_error = other if other.error > self.error else self
        failure = self.failure if self.failure is not None else other.failure
        failures = self.failures + other.failures
        return Result(larger_error.error, larger_error.worst, failures, failure)


def compile_loop(name: str) -> Function:
    """The function over arrays."""
    function = FUNCTIONS[name]

    def unary(x: Array, out: Array) -> None:
        for i in range(out.size):
            out[i] = function(x[i])

    def binary(x: Array, y: Array, out: Array) -> None:
        for i in range(out.size):
            out[i] = function(x[i], y[i])

    def ternary(x: Array, y: Array, z: Array, out: Array) -> None:
        for i in range(out.size):
            out[i] = function(x[i], y[i], z[i])

    chosen = (unary, binary, ternary)[ARITY.get(name, 1) - 1]
    loop: Function = numba.njit(nogil=True, error_model="numpy")(chosen)
    return loop


def _single_scales() -> Array:
    """1 / ULP of float32 by the biased exponent of a float64."""
    exponent = np.clip(np.arange(2048) - 1023, -126, 127)
    return np.ldexp(1.0, 23 - exponent)


def _compare_singles(
    got: Array, expected: Array, exponents: Array, scales: Array
) -> tuple[float, int, int, int]:
    """The largest error, its index, the number of failures, the index of one."""
    error, worst, failures, failure = 0.0, 0, 0, -1
    limit = 2.0**128
    for i in range(got.size):
        z, y = np.float64(got[i]), expected[i]
        if z != z or y != y:
            wrong = (z != z) != (y != y)
        else:
            wrong = z == 0.0 and np.signbit(z) != np.signbit(y)
            # Infinity counts as the number that follows the largest.
            difference = abs(min(max(z, -limit), limit) - min(max(y, -limit), limit))
            difference *= scales[(exponents[i] >> 52) & 2047]
            if difference > error:
                error, worst = difference, i
        if wrong:
            failures, failure = failures + 1, i
    return error, worst, failures, failure


compare_singles: Function = numba.njit(nogil=True)(_compare_singles)
SCALES = _single_scales()


def arguments_at(arguments: tuple[Array, ...], index: int) -> tuple[float, ...]:
    """The arguments of one evaluation."""
    return tuple(float(each[index]) for each in arguments)


def check_singles(name: str, loop: Function, arguments: tuple[Array, ...]) -> Result:
    """Compares float32 results with float64 ones."""
    got = np.empty_like(arguments[0])
    loop(*arguments, got)
    with np.errstate(all="ignore"):
        expected = REFERENCES[name](*[each.astype(np.float64) for each in arguments])
    exponents = expected.view(np.int64)
    error, worst, failures, failure = compare_singles(got, expected, exponents, SCALES)
    first = arguments_at(arguments, failure) if failure >= 0 else None
    return Result(error, arguments_at(arguments, worst), failures, first)


def check_doubles(name: str, loop: Function, arguments: tuple[Array, ...]) -> Result:
    """Compares float64 results with long doubles or mpmath."""
    if name in MULTIPRECISION:
        arguments = tuple(each[:MULTIPRECISION_SAMPLE] for each in arguments)
    got = np.empty_like(arguments[0])
    loop(*arguments, got)
    expected, shift = reference_of_doubles(name, arguments)
    finite = np.isfinite(got) & np.isfinite(expected)
    with np.errstate(all="ignore"):
        difference = np.abs((got - expected) - shift) / np.spacing(np.abs(expected))
    errors = np.where(finite, difference, 0.0).astype(np.float64)
    same = (got == expected) | (np.isnan(got) & np.isnan(expected))
    wrong = ~finite & ~same
    wrong |= (got == 0) & (expected == 0) & (np.signbit(got) != np.signbit(expected))
    worst, failure = int(np.argmax(errors)), int(np.argmax(wrong))
    failures = int(wrong.sum())
    first = arguments_at(arguments, failure) if failures else None
    return Result(float(errors[worst]), arguments_at(arguments, worst), failures, first)


def reference_of_doubles(name: str, arguments: tuple[Array, ...]) -> tuple[Array, Array]:
    """The results rounded to float64, and what the rounding left."""
    with np.errstate(all="ignore"):
        if name not in MULTIPRECISION:
            exact = REFERENCES[name](*[each.astype(np.longdouble) for each in arguments])
            rounded = exact.astype(np.float64)
            rest = np.where(np.isfinite(rounded), exact - rounded, 0)
            return rounded, rest.astype(np.float64)
    mp: Any = importlib.import_module("mpmath")
    mp.mp.dps = 40
    function = getattr(mp, MULTIPRECISION[name])
    usual = REFERENCES[name](*arguments)
    rounded, rest = np.empty(usual.size), np.zeros(usual.size)
    for i, x in enumerate(arguments[0]):
        end = x <= 0 and x == np.floor(x) if name == "lgamma" else x == 0 or abs(x) > 30
        if end or not np.isfinite(x):
            rounded[i] = usual[i]
            continue
        value = mp.re(function(mp.mpf(float(x))))
        rounded[i] = float(value)
        rest[i] = float(value - mp.mpf(float(value))) if np.isfinite(rounded[i]) else 0.0
    return rounded, rest


def every_single(stride: int) -> Iterator[tuple[Array, ...]]:
    """All float32 numbers, or every `stride`-th, in chunks."""
    step = CHUNK * stride
    for start in range(0, 1 << 32, step):
        stop = min(start + step, 1 << 32)
        yield (np.arange(start, stop, stride, dtype=np.uint64).astype(np.uint32).view(np.float32),)


def sample(name: str, dtype: npt.DTypeLike, size: int) -> Iterator[tuple[Array, ...]]:
    """Special values in all combinations, then random arguments."""
    arity = ARITY.get(name, 1)
    with np.errstate(all="ignore"):
        values = np.array(SPECIALS).astype(dtype)
    values = np.concatenate([values, -values])
    yield tuple(each.ravel().copy() for each in np.meshgrid(*[values] * arity))
    generator = np.random.default_rng(0)
    draws = itertools.cycle(itertools.product(DRAWS, repeat=arity))
    for _ in range(0, size, CHUNK):
        yield tuple(draw(generator, np.dtype(dtype)) for draw in next(draws))


def random_patterns(generator: np.random.Generator, dtype: np.dtype[Any]) -> Array:
    """Numbers of any magnitude."""
    unsigned = np.dtype(f"u{dtype.itemsize}")
    bits = generator.integers(0, np.iinfo(unsigned).max, CHUNK, unsigned, endpoint=True)
    return bits.view(dtype)


def random_normals(generator: np.random.Generator, dtype: np.dtype[Any]) -> Array:
    """Usual numbers."""
    return (generator.normal(size=CHUNK) * 3).astype(dtype)


def random_near_one(generator: np.random.Generator, dtype: np.dtype[Any]) -> Array:
    """Numbers around +1 and -1."""
    near = 1 + generator.normal(size=CHUNK) * 2.0 ** generator.uniform(-20, -2, CHUNK)
    return with_random_signs(generator, near).astype(dtype)


def random_scales(generator: np.random.Generator, dtype: np.dtype[Any]) -> Array:
    """Numbers from 2^-12 to 2^12, of both signs."""
    return with_random_signs(generator, 2.0 ** generator.uniform(-12, 12, CHUNK)).astype(dtype)


def with_random_signs(generator: np.random.Generator, values: Array) -> Array:
    """`values`, about half of them negated."""
    signs: Array = generator.choice([-1.0, 1.0], values.size)
    return values * signs


DRAWS = (random_patterns, random_normals, random_near_one, random_scales)


def measure(name: str, dtype: str, stride: int, size: int, threads: int) -> Result:
    """Checks one function."""
    loop = compile_loop(name)
    single = dtype == "float32"
    exhaustive = single and ARITY.get(name, 1) == 1
    chunks = every_single(stride) if exhaustive else sample(name, dtype, size)
    total = (1 << 32) // (CHUNK * stride) + 1 if exhaustive else size // CHUNK + 2
    check = check_singles if single else check_doubles
    result = Result(0.0, (0.0,), 0, None)
    with ThreadPoolExecutor(threads) as pool:
        pending: list[Any] = []
        for done, chunk in enumerate(chunks):
            pending.append(pool.submit(check, name, loop, chunk))
            if len(pending) > threads:
                result = result.merge(pending.pop(0).result())
            if done % 32 == 0:
                print(f"\r{name} {done / total:.0%} ", end="", file=sys.stderr, flush=True)
        for each in pending:
            result = result.merge(each.result())
    print("\r" + " " * 40 + "\r", end="", file=sys.stderr, flush=True)
    return result


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="benchmarks.ulp", description=__doc__)
    parser.add_argument("--functions", default=",".join(REFERENCES), help="comma-separated names")
    parser.add_argument("--dtype", choices=["float32", "float64"], default="float32")
    parser.add_argument("--stride", type=int, default=1, help="check every N-th float32")
    parser.add_argument("--size", type=int, default=20_000_000, help="random arguments to draw")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--bound", type=float, default=2.0, help="the largest error allowed")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Prints the table."""
    options = parse(arguments)
    print(f"{options.dtype}, stride {options.stride}")
    print(f"{'function':<10}{'max ULP':>9}  {'worst at':<34}{'failures':>9}{'seconds':>9}")
    good = True
    for name in options.functions.split(","):
        if name == "fma" and options.dtype == "float64":
            continue  # No reference is exact.
        start = time.perf_counter()
        result = measure(name, options.dtype, options.stride, options.size, options.threads)
        seconds = time.perf_counter() - start
        worst = ", ".join(f"{value:.9g}" for value in result.worst)
        note = "" if result.failure is None else f"  first at {result.failure}"
        line = f"{name:<10}{result.error:>9.3f}  {worst:<34}{result.failures:>9}{seconds:>9.1f}"
        print(line + note, flush=True)
        good &= not result.failures and result.error <= options.bound
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
