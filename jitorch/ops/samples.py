"""Inputs for the generic tests of the op table.

A sample is `(args, attrs)`: arrays and numbers as users pass them, before promotion. Every family
has defaults made of the cases that break things: empty, 0-d, broadcast and strided operands, NaN,
infinities, negative zero, the ends of the integers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from jitorch.errors import TypeMismatch
from jitorch.ir.promotion import Promote
from jitorch.ir.types import ScalarType, TensorType, from_numpy_dtype

Array = np.ndarray[Any, np.dtype[Any]]
Sample = tuple[Sequence[Any], Mapping[str, Any]]
Samples = Callable[[], Sequence[Sample]]


def ramp(*shape: int, dtype: Any = np.float32) -> Array:
    """Return distinct numbers around zero (from zero up for unsigned types and booleans)."""
    kind: np.dtype[Any] = np.dtype(dtype)
    size = int(np.prod(shape))
    if kind.kind == "b":
        return np.equal(np.arange(size) % 3, 0).reshape(shape)
    start = 0 if kind.kind == "u" else -(size // 2)
    step = 0.37 if kind.kind in "fc" else 1
    return ((start + np.arange(size)) * step).astype(kind).reshape(shape)


def special() -> Array:
    """Return the float32 values that formulas get wrong."""
    values = [0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 1e-40, 3e38, np.inf, -np.inf, np.nan]
    return np.array(values, np.float32)


def extremes() -> Array:
    """Return the int32 values that arithmetic gets wrong."""
    return np.array([0, 1, -1, 2, -3, 7, 2**31 - 1, -(2**31)], np.int32)


def strided() -> Array:
    """Return a float64 matrix that is neither contiguous nor in row-major order."""
    return ramp(6, 5, dtype=np.float64)[::2].T


def arrays() -> list[Array]:
    """Return operands of every kind of shape and dtype."""
    return [
        special(),
        strided(),
        ramp(0, 3),
        np.array(0.75, np.float32),
        ramp(5, dtype=np.float16),
        extremes(),
        ramp(4, dtype=np.uint8),
        ramp(2, 3, dtype=np.bool_),
        ramp(3) + 1j * ramp(3, dtype=np.float64).astype(np.float32),
    ]


def pairs() -> list[tuple[Any, Any]]:
    """Return two operands that broadcast, of like and unlike dtypes."""
    x = special()
    return [
        (x[:, None], x),
        (strided(), ramp(5, 1, dtype=np.float64)),
        (ramp(0, 3), ramp(3)),
        (np.array(2.5, np.float32), ramp(3, 2)),
        (ramp(3, dtype=np.float16), 1.5),
        (extremes()[:, None], extremes()),
        (np.array([-(2**63), 7], np.int64), np.array([-1, 0], np.int64)),
        (ramp(4, dtype=np.uint8), np.array([1, 3, 0, 255], np.uint8)),
        (ramp(4, dtype=np.int8), ramp(4)),
        (ramp(4, dtype=np.int64), 3),
        (np.array([True, False]), np.array([[True], [False]])),
        (ramp(3) + 1j, ramp(3)),
    ]


def _accepts(promote: Promote | None, args: Sequence[Any]) -> bool:
    """Whether an op with this promotion rule takes the operands."""
    types = [
        TensorType(from_numpy_dtype(a.dtype), a.shape)
        if isinstance(a, np.ndarray)
        else ScalarType(type(a).__name__)
        for a in args
    ]
    try:
        return promote is None or bool(promote(types))
    except TypeMismatch:
        return False


def unary_samples(promote: Promote | None) -> Samples:
    """Return the samples of an elementwise op of one operand."""
    return lambda: [((x,), {}) for x in arrays() if _accepts(promote, (x,))]


def binary_samples(promote: Promote | None) -> Samples:
    """Return the samples of an elementwise op of two operands."""
    return lambda: [(pair, {}) for pair in pairs() if _accepts(promote, pair)]


def fixed(*samples: Sample) -> Samples:
    """Return samples that are cheap enough to be made at once."""
    return lambda: list(samples)


def each(args: Callable[[], Sequence[Any]], *attrs: Mapping[str, Any]) -> Samples:
    """Return one sample per set of attributes, all on the same inputs."""
    return lambda: [(tuple(args()), a) for a in attrs]
