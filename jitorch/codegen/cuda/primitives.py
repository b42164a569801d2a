"""The names that CUDA kernel source may use, as plain Python functions of scalars.

The expressions of the op table are written with the same names for all processors; here each has
its meaning on a GPU. `MATH` are those that Python's `math` has: libdevice computes them. `TABLE` has
the others, by the dtype or kind of the first operand where that matters ("f32", "float", "int",
"bool"; "any" else). A function sees `cuda`, `math`, `np` and the names of the table, no more, so that
Numba's simulator can run it as it stands. Its source is what is compiled (`lowering`): statements
that kernels have, and `return`.

Small integers are computed in 64 bits, which wrap as they should once the result is cast to its
dtype; expressions of integers are always cast (`codegen/expression.py`). An int and a float32 would
meet in float64: constants have the dtype of what they meet.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

Function = Callable[..., Any]

# Name in the op table -> name in `math`.
MATH = {
    "acos": "acos", "asin": "asin", "atan": "atan", "atan2": "atan2", "ceil": "ceil",
    "copysign": "copysign", "cos": "cos", "cosh": "cosh", "erf": "erf", "erfc": "erfc",
    "exp": "exp", "exp2": "exp2", "expm1": "expm1", "floor": "floor", "lgamma": "lgamma",
    "log": "log", "log10": "log10", "log1p": "log1p", "log2": "log2", "pow": "pow", "sin": "sin",
    "sinh": "sinh", "sqrt": "sqrt", "tan": "tan", "tanh": "tanh",
}  # fmt: skip

# Every thread of a warp takes part in a shuffle.
ALL_LANES = 0xFFFFFFFF

# Elements that `load_4` and `store_4` take at once.
FOUR = 4

# Put in place by who runs the functions: see `codegen/cuda/lowering.py`.
cuda: Any = None


# Arithmetic.


def maximum(x: Any, y: Any) -> Any:
    """The larger one; NaN if either is."""
    return x if x > y or x != x else y


def minimum(x: Any, y: Any) -> Any:
    """The smaller one; NaN if either is."""
    return x if x < y or x != x else y


def select(condition: Any, x: Any, y: Any) -> Any:
    return x if condition else y


def racc_add(acc: Any, x: Any) -> Any:
    return acc + x


def racc_mul(acc: Any, x: Any) -> Any:
    return acc * x


def floordiv(x: Any, y: Any) -> Any:
    """Floor quotient of integers; 0 for a division by 0, and no trap for the least one by -1."""
    if y == 0:
        return np.int64(0)
    if y == -1:
        return -np.int64(x)
    return np.int64(x) // np.int64(y)


def mod(x: Any, y: Any) -> Any:
    """Remainder of floor division of integers; 0 for a division by 0."""
    if y == 0 or y == -1:
        return np.int64(0)
    return np.int64(x) % np.int64(y)


def shift_left(x: Any, n: Any) -> Any:
    """0 where the count is negative, or the width of x or more: the cast drops what is above."""
    return np.int64(x) << np.int64(n) if 0 <= n < 64 else np.int64(0)


def shift_right(x: Any, n: Any) -> Any:
    """The sign where the count is negative, or the width of x or more."""
    return np.int64(x) >> (np.int64(n) if 0 <= n < 64 else np.int64(63))


def ipow(x: Any, n: Any) -> Any:
    """An integer power by squaring. For n < 0 it is 1/x truncated: 0 unless x is 1 or -1."""
    base = np.int64(x)
    left = np.int64(n)
    if left < 0:
        if base == 1:
            return np.int64(1)
        if base == -1:
            return np.int64(1) - np.int64(2) * (left & np.int64(1))
        return np.int64(0)
    result = np.int64(1)
    while left > 0:
        if left & np.int64(1):
            result = result * base
        base = base * base
        left = left >> np.int64(1)
    return result


def fmod_floor(x: Any, y: Any) -> Any:
    """Remainder of floats with the sign of y."""
    rest = math.fmod(x, y)
    if y == 0:
        return rest
    if rest == 0:
        return math.copysign(rest, y)
    return rest + y if (y < 0) != (rest < 0) else rest


def floor_quotient(x: Any, y: Any, one: Any) -> Any:
    """Floor quotient of floats, as NumPy defines it: from the exact remainder."""
    ratio = x / y
    if y == 0:
        return ratio
    rest = math.fmod(x, y)
    quotient = (x - rest) / y
    if rest != 0 and (y < 0) != (rest < 0):
        quotient = quotient - one
    if quotient == 0:
        return math.copysign(quotient, ratio)
    # The division may have rounded: take the integer that is nearest.
    down = math.floor(quotient)
    return down + one if quotient - down > 0.5 else down


def ffloordiv_f32(x: Any, y: Any) -> Any:
    return floor_quotient(x, y, np.float32(1))


def ffloordiv_f64(x: Any, y: Any) -> Any:
    return floor_quotient(x, y, np.float64(1))


def sign_f32(x: Any) -> Any:
    return x if x != x else np.float32(x > 0) - np.float32(x < 0)


def sign_f64(x: Any) -> Any:
    return x if x != x else np.float64(x > 0) - np.float64(x < 0)


def sign_int(x: Any) -> Any:
    return np.int64(x > 0) - np.int64(x < 0)


# Rounding.


def trunc(x: Any) -> Any:
    return math.floor(x) if x >= 0 else math.ceil(x)


def rint_f32(x: Any) -> Any:
    """To the nearest integer, halves to even: what adding a large number and taking it off leaves."""
    large = np.float32(8388608.0)
    size = abs(x)
    return math.copysign((size + large) - large, x) if size < large else x


def rint_f64(x: Any) -> Any:
    large = np.float64(4503599627370496.0)
    size = abs(x)
    return math.copysign((size + large) - large, x) if size < large else x


# Elementary functions that `math` has not.


def cbrt(x: Any) -> Any:
    return cuda.cbrt(x)


def rsqrt_f32(x: Any) -> Any:
    return np.float32(1) / math.sqrt(x)


def rsqrt_f64(x: Any) -> Any:
    return np.float64(1) / math.sqrt(x)


def sigmoid_f32(x: Any) -> Any:
    small = math.exp(-abs(x))
    return (np.float32(1) if x >= 0 else small) / (np.float32(1) + small)


def sigmoid_f64(x: Any) -> Any:
    small = math.exp(-abs(x))
    return (np.float64(1) if x >= 0 else small) / (np.float64(1) + small)


# Conversions, with the values of NumPy's astype on x86: INT_MIN for NaN and whatever does not fit,
# of which a smaller integer takes the low bits.


def to_bool(x: Any) -> Any:
    return x != 0


def to_i64_float(x: Any) -> Any:
    return np.int64(x) if abs(x) < 9223372036854775808.0 else np.int64(-9223372036854775808)


def to_i32_float(x: Any) -> Any:
    return np.int32(x) if abs(x) < 2147483648.0 else np.int32(-2147483648)


def to_i16_float(x: Any) -> Any:
    return np.int16(to_i32_float(x))


def to_i8_float(x: Any) -> Any:
    return np.int8(to_i32_float(x))


def to_u8_float(x: Any) -> Any:
    return np.uint8(to_i32_float(x))


def to_i64_int(x: Any) -> Any:
    return np.int64(x)


def to_i32_int(x: Any) -> Any:
    return np.int32(x)


def to_i16_int(x: Any) -> Any:
    return np.int16(x)


def to_i8_int(x: Any) -> Any:
    return np.int8(x)


def to_u8_int(x: Any) -> Any:
    return np.uint8(x)


def to_f32(x: Any) -> Any:
    return np.float32(x)


def to_f64(x: Any) -> Any:
    return np.float64(x)


def to_f16_float(x: Any) -> Any:
    """Rounded to half precision, held in a float32."""
    return np.float32(np.float16(x))


def to_f16_int(x: Any) -> Any:
    return np.float32(np.float16(np.int64(x)))


def to_half(x: Any) -> Any:
    """Rounded to half precision, for memory."""
    return np.float16(x)


# Indices.


def picked(index: Any, size: Any, fault: Any) -> Any:
    """An index counted from the start; 0, and a note at `fault`, for one beyond the end."""
    place = np.int64(index)
    if place < 0:
        place = place + size
    if place >= 0 and place < size:
        return place
    fault[0] = np.int64(index)
    fault[1] = np.int64(size)
    return np.int64(0)


def picked_ahead(index: Any, size: Any, fault: Any) -> Any:
    """As `picked`, with negative indices beyond the end too."""
    place = np.int64(index)
    if place >= 0 and place < size:
        return place
    fault[0] = place
    fault[1] = np.int64(size)
    return np.int64(0)


# Random numbers.


def philox(number: Any, seed: Any, stream: Any) -> Any:
    """Word `stream` of element `number` of the generator: see `jitorch.philox`.

    Written so that each product is one instruction, of two 32-bit words without a sign.
    """
    n, key, low = np.int64(number), np.int64(seed), np.int64(0xFFFFFFFF)
    c0, c1 = (
        np.uint32((n >> np.int64(2)) & low),
        np.uint32((n >> np.int64(34)) & (low >> np.int64(2))),
    )
    c2, c3 = np.uint32(np.int64(stream) & low), np.uint32(0)
    k0, k1 = np.uint32(key & low), np.uint32((key >> np.int64(32)) & low)
    word, half = np.uint64(0xFFFFFFFF), np.uint64(32)
    for _ in range(10):
        a, b = np.uint64(c0) * np.uint64(0xD2511F53), np.uint64(c2) * np.uint64(0xCD9E8D57)
        c0, c1 = np.uint32(np.uint32(b >> half) ^ c1 ^ k0), np.uint32(b & word)
        c2, c3 = np.uint32(np.uint32(a >> half) ^ c3 ^ k1), np.uint32(a & word)
        k0 = np.uint32((np.uint64(k0) + np.uint64(0x9E3779B9)) & word)
        k1 = np.uint32((np.uint64(k1) + np.uint64(0xBB67AE85)) & word)
    second = (n & np.int64(2)) != 0
    even, odd = c2 if second else c0, c3 if second else c1
    return np.int64(odd if n & np.int64(1) else even)


# Between the lanes of a warp.


def shuffle(x: Any, distance: Any) -> Any:
    """What the lane has whose number differs in the bits of `distance`."""
    return cuda.shfl_xor_sync(ALL_LANES, x, distance)


def shuffle_i8(x: Any, distance: Any) -> Any:
    return np.int8(cuda.shfl_xor_sync(ALL_LANES, np.int32(x), distance))


def shuffle_i16(x: Any, distance: Any) -> Any:
    return np.int16(cuda.shfl_xor_sync(ALL_LANES, np.int32(x), distance))


def shuffle_u8(x: Any, distance: Any) -> Any:
    return np.uint8(cuda.shfl_xor_sync(ALL_LANES, np.int32(x), distance))


def shuffle_bool(x: Any, distance: Any) -> Any:
    return cuda.shfl_xor_sync(ALL_LANES, np.int32(x), distance) != 0


def shuffle_up(x: Any, distance: Any) -> Any:
    """What the lane has whose number is lower by `distance`; x where there is none."""
    return cuda.shfl_up_sync(ALL_LANES, x, distance)


def shuffle_up_i8(x: Any, distance: Any) -> Any:
    return np.int8(cuda.shfl_up_sync(ALL_LANES, np.int32(x), distance))


def shuffle_up_i16(x: Any, distance: Any) -> Any:
    return np.int16(cuda.shfl_up_sync(ALL_LANES, np.int32(x), distance))


def shuffle_up_u8(x: Any, distance: Any) -> Any:
    return np.uint8(cuda.shfl_up_sync(ALL_LANES, np.int32(x), distance))


TABLE: Mapping[str, Mapping[str, Function]] = {
    "cbrt": {"any": cbrt},
    "ffloordiv": {"f32": ffloordiv_f32, "f64": ffloordiv_f64},
    "floor_quotient": {"any": floor_quotient},
    "floordiv": {"any": floordiv},
    "fmod_floor": {"any": fmod_floor},
    "ipow": {"any": ipow},
    "max": {"any": maximum},
    "maximum": {"any": maximum},
    "min": {"any": minimum},
    "minimum": {"any": minimum},
    "mod": {"any": mod},
    "philox": {"any": philox},
    "picked": {"any": picked},
    "picked_ahead": {"any": picked_ahead},
    "racc_add": {"any": racc_add},
    "racc_max": {"any": maximum},
    "racc_min": {"any": minimum},
    "racc_mul": {"any": racc_mul},
    "rint": {"f32": rint_f32, "f64": rint_f64},
    "rsqrt": {"f32": rsqrt_f32, "f64": rsqrt_f64},
    "select": {"any": select},
    "shift_left": {"any": shift_left},
    "shift_right": {"any": shift_right},
    "shuffle": {
        "any": shuffle,
        "bool": shuffle_bool,
        "i8": shuffle_i8,
        "i16": shuffle_i16,
        "u8": shuffle_u8,
    },
    "shuffle_up": {
        "any": shuffle_up,
        "i8": shuffle_up_i8,
        "i16": shuffle_up_i16,
        "u8": shuffle_up_u8,
    },
    "sigmoid": {"f32": sigmoid_f32, "f64": sigmoid_f64},
    "sign": {"f32": sign_f32, "f64": sign_f64, "int": sign_int},
    "to_bool": {"any": to_bool},
    "to_f16": {"any": to_f16_int, "float": to_f16_float},
    "to_f32": {"any": to_f32},
    "to_f64": {"any": to_f64},
    "to_half": {"any": to_half},
    "to_i16": {"any": to_i16_int, "float": to_i16_float},
    "to_i32": {"any": to_i32_int, "float": to_i32_float},
    "to_i32_float": {"any": to_i32_float},
    "to_i64": {"any": to_i64_int, "float": to_i64_float},
    "to_i8": {"any": to_i8_int, "float": to_i8_float},
    "to_u8": {"any": to_u8_int, "float": to_u8_float},
    "trunc": {"any": trunc},
}


def variant(name: str, tag: str, kind: str) -> Function:
    """Return the function of a name for a first operand of dtype `tag`, of "float", "int" or "bool"."""
    found = TABLE[name]
    return found.get(tag) or found.get(kind) or found["any"]
