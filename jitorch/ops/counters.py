"""Random numbers in kernels: the words of the generator that belong to elements, and arithmetic.

    %seed, %start = draw() {shape=(n, m)}
    %0: i64[n, m] = positions() {shape=(n, m)}
    %1: i64[n, m] = add(%0, %start)
    %2: i64[n, m] = philox(%1, %seed, 0)
    ...

is `rand` of the shape (n, m), but for arithmetic. Only `draw` touches the generator; the rest is
computed wherever it is used.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from jitorch import philox
from jitorch.dispatch import apply
from jitorch.ir.dims import Shape
from jitorch.ir.opdef import OpDef, Scalar, register
from jitorch.ir.types import DType, float32, float64, int64
from jitorch.ops.control import draw
from jitorch.ops.create import positions
from jitorch.ops.elementary import cos, log, sqrt
from jitorch.ops.families import as_dtype, elementwise_infer, same
from jitorch.ops.samples import fixed

__all__: list[str] = []

Word = Callable[[int], Any]  # stream -> the words of all elements, as int64


_WORD = Scalar(int="philox({0}, {1}, {2})")
_ODD = np.array([0, 1, 2, 3, 4, 2**34 + 5, 2**62])
_ENDS = np.array([-1, -(2**63), 2**63 - 1])

philox_op = register(
    OpDef(
        name="philox",
        eager=philox.words_of,
        infer=elementwise_infer("philox", same, _WORD),
        scalar=_WORD,
        promote=lambda operands: int64,
        samples=fixed(
            ((_ODD, np.array(-7), np.array(0)), {}),
            ((_ENDS, _ENDS, _ENDS), {}),
            ((np.arange(6).reshape(2, 3), np.array(2**40 + 1), np.array(3)), {}),
        ),
    )
)


def words(shape: Shape, device: str) -> Word:
    """Take as many numbers of the generator as the shape has elements; return their words."""
    seed, start = apply(draw, shape=tuple(shape))
    numbers = positions(*shape, device=device) + start
    return lambda stream: apply(philox_op, numbers, seed, stream)


# The same numbers as those of `jitorch.philox`.


def uniform(word: Word, dtype: DType) -> Any:
    if dtype is float64:
        high, low = as_dtype(word(0) >> 5, dtype), as_dtype(word(1) >> 6, dtype)
        return (high * 2.0**26 + low) * 2.0**-53
    bits = 24 if dtype is float32 else 11
    return as_dtype(word(0) >> 32 - bits, dtype) * 2.0**-bits


def normal(word: Word, dtype: DType) -> Any:
    if dtype is float64:
        w = [as_dtype(word(stream), dtype) for stream in range(4)]
        angle = (w[2] * 2.0**32 + w[3]) * (2 * math.pi * 2.0**-64)
        return sqrt(log((w[0] * 2.0**32 + w[1] + 0.5) * 2.0**-64) * -2) * cos(angle)
    near = (as_dtype(word(0), float32) + 0.5) * 2.0**-32
    turn = as_dtype(word(1) >> 8, float32) * (2 * math.pi * 2.0**-24)
    return as_dtype(sqrt(log(near) * -2) * cos(turn), dtype)


def integers(word: Word, dtype: DType, low: int, high: int) -> Any:
    x1, x0 = word(0), word(1)
    r1, r0 = divmod(high - low, 2**32)
    # Products are of 64 bits without a sign, held in int64.
    middle = x1 * r0 + _high(x0 * r0)
    carry = x0 * r1 + _low(middle)
    return as_dtype(x1 * r1 + _high(middle) + _high(carry) + low, dtype)


def _high(x: Any) -> Any:
    return _low(x >> 32)


def _low(x: Any) -> Any:
    return x & 0xFFFFFFFF
