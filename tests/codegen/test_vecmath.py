"""The vectorised elementary functions: accuracy, special cases and vector code.

These are samples of what `benchmarks/ulp.py` checks over all float32 arguments.
"""

from __future__ import annotations

import functools
import math
import platform
import re
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
import pytest
from llvmlite.binding import get_host_cpu_features
from scipy import special

from jitorch.codegen.vecmath import FUNCTIONS

pytestmark = pytest.mark.numba

Array = npt.NDArray[Any]
Function = Callable[..., Any]

INF, NAN = math.inf, math.nan
SPECIALS = [0.0, 1e-45, 1e-40, 1.2e-38, 1e-20, 0.1, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 10.0, 87.3, 88.7]
SPECIALS += [89.0, 103.9, 1e4, 8388607.5, 16777216.0, 1e10, 1e20, 1e30, 3.4e38, INF, NAN]

UNARY: dict[str, Function] = {
    "abs": np.abs,
    "acos": np.arccos,
    "acosh": np.arccosh,
    "asin": np.arcsin,
    "asinh": np.arcsinh,
    "atan": np.arctan,
    "atanh": np.arctanh,
    "cbrt": np.cbrt,
    "ceil": np.ceil,
    "cos": np.cos,
    "cosh": np.cosh,
    "erf": special.erf,
    "erfc": special.erfc,
    "exp": np.exp,
    "exp2": np.exp2,
    "expm1": np.expm1,
    "floor": np.floor,
    "lgamma": lambda x: np.where(np.isneginf(x), INF, special.gammaln(x)),
    "log": np.log,
    "log10": np.log10,
    "log1p": np.log1p,
    "log2": np.log2,
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
BINARY: dict[str, Function] = {
    "atan2": np.arctan2,
    "copysign": np.copysign,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "pow": np.power,
}
# There is no long double form of these in NumPy; the C library's are good to an ULP themselves.
LIBRARY: dict[str, Function] = {"erf": math.erf, "erfc": math.erfc}
LIBM = [*FUNCTIONS, "fabs", "fmax", "fmin", "fmod", "frexp", "ldexp"]
HAS_FMA = bool(get_host_cpu_features().get("fma")) or platform.machine() in ("aarch64", "arm64")
FORMATS = pytest.mark.parametrize("dtype", ["float32", "float64"])


def compile_loop(name: str, dtype: str, *, fastmath: Any = False) -> Function:
    """The function over contiguous arrays, the last of which takes the results."""
    function = FUNCTIONS[name]
    index = numba.uint64

    def unary(x: Array, out: Array) -> None:
        for i in range(out.size):
            out[index(i)] = function(x[index(i)])

    def binary(x: Array, y: Array, out: Array) -> None:
        for i in range(out.size):
            out[index(i)] = function(x[index(i)], y[index(i)])

    def ternary(x: Array, y: Array, z: Array, out: Array) -> None:
        for i in range(out.size):
            out[index(i)] = function(x[index(i)], y[index(i)], z[index(i)])

    body = ternary if name == "fma" else binary if name in BINARY else unary
    array = getattr(numba, dtype)[::1]
    signature = numba.void(*[array] * body.__code__.co_argcount)
    loop: Function = numba.njit(signature, error_model="numpy", fastmath=fastmath)(body)
    return loop


loop_of = functools.cache(compile_loop)


def call(name: str, *arguments: Array) -> Array:
    """The results for arrays of one type."""
    out = np.empty_like(arguments[0])
    loop_of(name, arguments[0].dtype.name)(*arguments, out)
    return out


def singles() -> Array:
    """Every 65,537th float32 and the special values."""
    bits = np.arange(0, 1 << 32, 65537, dtype=np.uint64).astype(np.uint32)
    return np.concatenate([bits.view(np.float32), specials("float32")])


def doubles() -> Array:
    """Random float64 numbers and the special values."""
    generator = np.random.default_rng(0)
    bits = generator.integers(0, 2**64 - 1, 20_000, np.uint64, endpoint=True)
    usual = generator.normal(size=20_000) * 3
    near_one = generator.uniform(-1.5, 1.5, 20_000)
    return np.concatenate([bits.view(np.float64), usual, near_one, specials("float64")])


def specials(dtype: str) -> Array:
    """The special values and their negatives."""
    return np.array([*SPECIALS, *[-value for value in SPECIALS]]).astype(dtype)


def assert_close(got: Array, expected: Array, bound: float) -> None:
    """Results within `bound` ULP; NaN, infinities and signs of zeros as expected."""
    with np.errstate(all="ignore"):
        rounded = expected.astype(got.dtype)
        error = np.abs(got.astype(expected.dtype) - expected) / np.abs(np.spacing(rounded))
    np.testing.assert_array_equal(np.isnan(got), np.isnan(rounded))
    np.testing.assert_array_equal(got[np.isinf(rounded)], rounded[np.isinf(rounded)])
    zeros = (got == 0) & (rounded == 0)
    np.testing.assert_array_equal(np.signbit(got[zeros]), np.signbit(rounded[zeros]))
    assert error[np.isfinite(rounded)].max() <= bound


@pytest.mark.parametrize("name", UNARY)
def test_single_is_within_2_ulp(name: str) -> None:
    x = singles()
    with np.errstate(all="ignore"):
        expected = UNARY[name](x.astype(np.float64))
    assert_close(call(name, x), expected, 2.0)


@pytest.mark.parametrize("name", [name for name in UNARY if name != "lgamma"])
def test_double_is_within_2_ulp(name: str) -> None:
    x = doubles()
    if name in LIBRARY:
        assert_close(call(name, x), np.array([LIBRARY[name](value) for value in x]), 3.0)
        return
    with np.errstate(all="ignore"):
        expected = UNARY[name](x.astype(np.longdouble))
    assert_close(call(name, x), expected, 2.0)


def test_double_lgamma() -> None:
    x = np.array([1e-300, 0.1, 0.5, 0.9, 1.0, 1.1, 1.4, 1.7, 2.0, 2.6, 5.5, 7.9, 8.1, 100.0, 1e5])
    expected = np.array([math.lgamma(value) for value in x])
    np.testing.assert_allclose(call("lgamma", x), expected, rtol=1e-15, atol=1e-15)
    below = np.array([-0.3, -0.7, -1.5, -2.5, -10.1, -1e-310])
    expected = np.array([math.lgamma(value) for value in below])
    np.testing.assert_allclose(call("lgamma", below), expected, rtol=1e-14)


def test_lgamma_at_poles_and_ends() -> None:
    x = np.array([0.0, -0.0, -1.0, -2.0, -(2.0**60), INF, -INF, 1e307])
    assert np.all(call("lgamma", x) == INF)


@pytest.mark.parametrize("name", ["atan2", "pow"])
@FORMATS
def test_two_arguments(name: str, dtype: str) -> None:
    generator = np.random.default_rng(0)
    x, y = (each.ravel() for each in np.meshgrid(specials(dtype), specials(dtype)))
    random = (generator.normal(size=(2, 50_000)) * 4).astype(dtype)
    x, y = np.concatenate([x, random[0], abs(random[0])]), np.concatenate([y, *random[[1, 1]]])
    wide = np.float64 if dtype == "float32" else np.longdouble
    with np.errstate(all="ignore"):
        expected = BINARY[name](x.astype(wide), y.astype(wide))
    assert_close(call(name, x, y), expected, 2.0)


@pytest.mark.parametrize(
    ("x", "y", "expected"),
    [
        (NAN, 0.0, 1.0),
        (1.0, NAN, 1.0),
        (-1.0, INF, 1.0),
        (-1.0, -INF, 1.0),
        (-0.0, -3.0, -INF),
        (-0.0, -2.0, INF),
        (-0.0, 3.0, -0.0),
        (-0.0, 0.5, 0.0),
        (-2.0, 3.0, -8.0),
        (-2.0, 0.5, NAN),
        (-INF, 3.0, -INF),
        (-INF, -3.0, -0.0),
        (-INF, 0.5, INF),
        (0.5, INF, 0.0),
        (0.5, -INF, INF),
        (2.0, -INF, 0.0),
        (INF, -1.0, 0.0),
    ],
)
@FORMATS
def test_pow_at_special_values(x: float, y: float, expected: float, dtype: str) -> None:
    got = call("pow", np.array([x]).astype(dtype), np.array([y]).astype(dtype))
    np.testing.assert_array_equal(got, np.array([expected]).astype(dtype))
    assert np.signbit(got[0]) == np.signbit(expected)


@pytest.mark.parametrize("name", ["maximum", "minimum", "copysign"])
@FORMATS
def test_exact_functions_of_two_arguments(name: str, dtype: str) -> None:
    x, y = (each.ravel() for each in np.meshgrid(specials(dtype), specials(dtype)))
    got, expected = call(name, x, y), BINARY[name](x, y)
    np.testing.assert_array_equal(got, expected)
    assert np.array_equal(np.signbit(got), np.signbit(expected)) or name != "copysign"


@FORMATS
def test_fma_rounds_once(dtype: str) -> None:
    step = np.finfo(dtype).eps
    x, y, z = (np.array([value]).astype(dtype) for value in (1 + step, 1 - step, -1))
    assert call("fma", x, y, z)[0] == -(step**2)


@FORMATS
def test_isnan(dtype: str) -> None:
    function = FUNCTIONS["isnan"]

    @numba.njit
    def is_nan(x: float) -> Any:
        return function(x)

    number = np.dtype(dtype).type
    assert [is_nan(number(value)) for value in (NAN, 1.0, INF)] == [True, False, False]


@pytest.mark.parametrize(
    ("x", "sine", "cosine"),
    [
        (math.pi, 1.2246467991473531772e-16, -1.0),
        (1e22, -0.8522008497671888018, 0.52321478539513894),
        (1.7976931348623157e308, 0.0049619547891840627059, -0.99998768942655991),
        # As near to a multiple of pi/2 as float64 numbers of their magnitude get, or any.
        (1.9117386748358852e122, 4.3527049461132045714e-12, 1.0),
        (1.028241775932357e175, 3.9765860601896555228e-17, 1.0),
        (3.580703081615749e286, 1.0, 9.6161388033105380668e-18),
        (6381956970095103.0 * 2.0**797, 1.0, -4.6871659242546276111e-19),
    ],
)
def test_double_angles_are_reduced_fully(x: float, sine: float, cosine: float) -> None:
    for name, expected in (("sin", sine), ("cos", cosine), ("tan", sine / cosine)):
        got = call(name, np.array([x]))[0]
        assert got == pytest.approx(expected, rel=5e-16, abs=0.0)


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if name != "isnan"])
@FORMATS
@pytest.mark.skipif(not HAS_FMA, reason="without FMA instructions LLVM leaves the loops scalar")
def test_loop_is_vectorised(name: str, dtype: str) -> None:
    compiled: Any = loop_of(name, dtype)
    text = next(iter(compiled.inspect_llvm().values()))
    scalar = "float" if dtype == "float32" else "double"
    assert re.search(rf"<(vscale x )?\d+ x {scalar}>", text)
    assert not re.search(rf"@({'|'.join(LIBM)})f?\(", text)


@pytest.mark.parametrize("name", ["exp", "tanh", "log1p", "sin", "erfc", "lgamma", "pow"])
@FORMATS
def test_flags_of_the_caller_do_not_matter(name: str, dtype: str) -> None:
    flags = {"contract", "reassoc", "nsz", "arcp", "afn"}
    x = singles() if dtype == "float32" else doubles()
    arguments = (x, x[::-1].copy()) if name in BINARY else (x,)
    got = np.empty_like(x)
    compile_loop(name, dtype, fastmath=flags)(*arguments, got)
    np.testing.assert_array_equal(got, call(name, *arguments))
