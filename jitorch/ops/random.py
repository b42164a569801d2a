"""Random numbers, all from one generator (`jitorch.philox`), in the order they are asked for.

A call for n numbers takes the next n of the generator's sequence, so compiled code, which makes the
same calls in the same order, draws the same numbers.
"""

from __future__ import annotations

import math
import operator
import struct
from collections.abc import Callable
from typing import Any

import numpy as np

from jitorch import philox
from jitorch.dispatch import apply, current, display
from jitorch.errors import ShapeMismatch, TypeMismatch, UnsupportedSyntax
from jitorch.ir.dims import Dim, Shape, at_least
from jitorch.ir.opdef import OpDef, register
from jitorch.ir.promotion import get_default_dtype
from jitorch.ir.shapes import check_sizes
from jitorch.ir.types import (
    DType,
    TensorType,
    Type,
    float16,
    float32,
    float64,
    int32,
    int64,
    known_dtype,
)
from jitorch.ops import counters
from jitorch.ops.create import placed, shape_of
from jitorch.ops.elementary import log1p
from jitorch.ops.elementwise import mul
from jitorch.ops.families import as_dtype, function
from jitorch.ops.samples import fixed
from jitorch.ops.select import filling, where
from jitorch.philox import Generator, default_generator

__all__ = [
    "Generator", "bernoulli", "default_generator", "dropout", "get_rng_state", "initial_seed",
    "manual_seed", "normal", "rand", "rand_like", "randint", "randint_like", "randn", "randn_like",
    "randperm", "seed", "set_rng_state",
]  # fmt: skip

# Drawing is a side effect: it moves the generator on.


def _shaped_infer(*, shape: Shape, dtype: DType, device: str = "cpu", **bounds: int) -> Type:
    check_sizes(shape)
    return TensorType(dtype, tuple(shape), device=device)


def _draw(numbers: Callable[..., Any]) -> Callable[..., Any]:
    """Return the `eager` of an op that draws one number for each element of its shape."""

    def eager(
        xp: Any, *, shape: tuple[int, ...], dtype: DType, device: str = "cpu", **bounds: int
    ) -> Any:
        check_sizes(shape)  # before the generator moves; only run time may tell them
        count = math.prod(shape)
        drawn = numbers(xp, *default_generator.take(count), count, dtype.numpy, **bounds)
        return drawn.reshape(shape)

    return eager


def _lowered(form: Callable[..., Any]) -> Callable[..., Any]:
    """Return the `lowered` of an op that draws one number for each element of its shape."""

    def lowered(*, shape: Shape, dtype: DType, device: str = "cpu", **bounds: Dim) -> Any:
        if not all(isinstance(bound, int) for bound in bounds.values()):
            return None
        return form(counters.words(shape, device), dtype, **bounds)

    return lowered


rand_op = register(
    OpDef(
        name="rand",
        eager=_draw(philox.uniform),
        infer=_shaped_infer,
        lowered=_lowered(counters.uniform),
        pure=False,
        samples=fixed(
            ((), {"shape": (2, 3), "dtype": float32}),
            ((), {"shape": (), "dtype": float64}),
            ((), {"shape": (0, 2), "dtype": float16}),
        ),
    )
)
randn_op = register(
    OpDef(
        name="randn",
        eager=_draw(philox.normal),
        infer=_shaped_infer,
        lowered=_lowered(counters.normal),
        pure=False,
        samples=fixed(
            ((), {"shape": (2, 3), "dtype": float32}),
            ((), {"shape": (), "dtype": float64}),
            ((), {"shape": (3,), "dtype": float16}),
        ),
    )
)
randint_op = register(
    OpDef(
        name="randint",
        eager=_draw(philox.integers),
        infer=_shaped_infer,
        lowered=_lowered(counters.integers),
        pure=False,
        samples=fixed(
            ((), {"shape": (2, 3), "dtype": int64, "low": -3, "high": 4}),
            ((), {"shape": (5,), "dtype": int32, "low": -(2**63), "high": 2**63 - 1}),
        ),
    )
)


def _randperm_infer(*, n: Dim, dtype: DType, device: str = "cpu") -> Type:
    return TensorType(dtype, (n,), device=device)


def _check_count(n: Dim) -> None:
    if at_least(n, 0) is False:
        raise ShapeMismatch(f"n must be non-negative, got {n}")


def _randperm_eager(xp: Any, *, n: int, dtype: DType, device: str = "cpu") -> Any:
    _check_count(n)
    drawn = philox.permutation(xp, *default_generator.take(n), n)
    return drawn.astype(dtype.numpy, copy=False)


randperm_op = register(
    OpDef(
        name="randperm",
        eager=_randperm_eager,
        infer=_randperm_infer,
        pure=False,
        samples=fixed(((), {"n": 5, "dtype": int64}), ((), {"n": 0, "dtype": int64})),
    )
)


def _floating(name: str, dtype: DType | None) -> DType:
    dtype = get_default_dtype() if dtype is None else known_dtype(dtype)
    if not dtype.is_floating_point:
        raise TypeMismatch(f'"{name}" not implemented for {dtype.name} tensors')
    return dtype


def rand(*size: Any, dtype: DType | None = None, device: object = None) -> Any:
    """Return numbers evenly distributed over [0, 1).

    >>> _ = jt.manual_seed(0)
    >>> x = jt.rand(2, 3)
    >>> bool(((x >= 0) & (x < 1)).all())
    True
    """
    place = placed(device)
    return apply(rand_op, shape=shape_of(size), dtype=_floating("rand", dtype), **place)


def randn(*size: Any, dtype: DType | None = None, device: object = None) -> Any:
    """Return normally distributed numbers of mean 0 and variance 1."""
    place = placed(device)
    return apply(randn_op, shape=shape_of(size), dtype=_floating("randn", dtype), **place)


def randint(
    low: int,
    high: Any = None,
    size: Any = None,
    *,
    dtype: DType | None = None,
    device: object = None,
) -> Any:
    """Return integers low <= x < high, as int64; `randint(high, size)` starts at 0.

    A 64-bit number x gives low + floor(x * (high - low) / 2**64).
    """
    place = placed(device)
    if size is None:
        low, high, size = 0, low, high
    if size is None or high is None:
        raise TypeMismatch("randint() needs `high` and `size`")
    if at_least(low, high) is not False:
        raise ShapeMismatch(f"random_ expects 'from' to be less than 'to', but got {low} >= {high}")
    shape = shape_of((size,))
    return apply(randint_op, shape=shape, dtype=dtype or int64, low=low, high=high, **place)


def randperm(n: Dim, *, dtype: DType | None = None, device: object = None) -> Any:
    """Return the integers 0, ..., n - 1 in random order."""
    place = placed(device)
    _check_count(n)
    return apply(randperm_op, n=n, dtype=dtype or int64, **place)


@function()
def rand_like(input: Any, *, dtype: DType | None = None, device: object = None) -> Any:
    """Return `rand` of the shape, dtype and device of the input."""
    return rand(tuple(input.shape), dtype=dtype or input.dtype, device=device or input.device)


@function()
def randn_like(input: Any, *, dtype: DType | None = None, device: object = None) -> Any:
    """Return `randn` of the shape, dtype and device of the input."""
    return randn(tuple(input.shape), dtype=dtype or input.dtype, device=device or input.device)


@function()
def randint_like(
    input: Any,
    low: int,
    high: int | None = None,
    *,
    dtype: DType | None = None,
    device: object = None,
) -> Any:
    """Return `randint` of the shape, dtype and device of the input."""
    low, high = (0, low) if high is None else (low, high)
    place = device or input.device
    return randint(low, high, tuple(input.shape), dtype=dtype or input.dtype, device=place)


@function("bernoulli")
def bernoulli(input: Any, p: float | None = None) -> Any:
    """Return 1 with the probability that the element tells (or `p`), and 0 otherwise."""
    dtype = input.dtype if input.dtype.is_floating_point else get_default_dtype()
    chance = input if p is None else p
    return as_dtype(rand_like(input, dtype=dtype) < chance, input.dtype)


@function()
def normal(mean: Any, std: Any = 1.0, size: Any = None) -> Any:
    """Return normally distributed numbers of the given means and standard deviations.

    Both are numbers, with a `size`, or tensors that broadcast.
    """
    if size is not None:
        return randn(size) * std + mean
    like = mul(mean, std)
    return randn_like(like) * std + mean


@function()
def dropout(input: Any, p: float = 0.5, training: bool = True) -> Any:
    """Return the input with each element set to 0 with probability p, the rest over 1 - p."""
    if not 0.0 <= p <= 1.0:
        raise ShapeMismatch(f"dropout probability has to be between 0 and 1, but got {p}")
    if not training or p == 0:
        return input
    if p == 1:
        return input * 0
    return where(rand_like(input) < p, filling(0, input.dtype), input / (1 - p))


def exponential(like: Any, rate: float) -> Any:
    """Return numbers distributed as waiting times: of density rate * exp(-rate * x)."""
    return log1p(-rand_like(like)) / -rate


# The generator.


def _reseed(xp: Any, *, seed: Any) -> tuple[()]:
    default_generator.manual_seed(operator.index(seed))
    return ()


manual_seed_op = register(
    OpDef(
        name="manual_seed",
        eager=_reseed,
        infer=lambda *, seed: (),
        pure=False,
        samples=fixed(((), {"seed": 3})),
    )
)


def _not_recording(name: str) -> None:
    """Refuse what would happen once, while compiling, and not in each call."""
    if current() is not None:
        raise UnsupportedSyntax(
            f"{name}() has no compiled form",
            hint="call it outside of the compiled function; manual_seed may stand inside",
        )


def manual_seed(seed: int) -> Generator:
    """Start the generator over with a seed, and return it.

    >>> _ = jt.manual_seed(3)
    >>> a = jt.rand(2)
    >>> _ = jt.manual_seed(3)
    >>> bool((jt.rand(2) == a).all())
    True
    """
    if isinstance(seed, int):
        seed = (seed + 2**63) % 2**64 - 2**63  # the same to the generator, and fits into an int64
    apply(manual_seed_op, seed=seed)
    return default_generator


def seed() -> int:
    """Start the generator over with a seed from the operating system, and return that."""
    _not_recording("seed")
    return default_generator.seed()


def initial_seed() -> int:
    """Return the generator's seed."""
    _not_recording("initial_seed")
    return default_generator.initial_seed()


_STATE = struct.Struct("<QQ")


def get_rng_state() -> Any:
    """Return the generator's state, as a uint8 tensor."""
    _not_recording("get_rng_state")
    return display(np.frombuffer(_STATE.pack(*default_generator.state()), np.uint8).copy())


def set_rng_state(new_state: Any) -> None:
    """Continue from a state that `get_rng_state` gave."""
    _not_recording("set_rng_state")
    data = np.asarray(new_state, np.uint8).tobytes()
    if len(data) != _STATE.size:
        raise TypeMismatch("RNG state is wrong size", hint="pass what get_rng_state() gave")
    default_generator.restore(*_STATE.unpack(data))
