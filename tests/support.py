"""Helpers of the tests: random arguments for a graph, and what counts as the same result."""

from __future__ import annotations

from typing import Any

import numpy as np

from jitorch.ir.core import Graph
from jitorch.ir.dims import evaluate, symbols
from jitorch.ir.facts import binders, facts_of
from jitorch.ir.interp import interpret
from jitorch.ir.types import DType, ScalarType, TensorType, Type, sizes_in
from jitorch.philox import default_generator

SPECIAL = (0.0, -0.0, 1.0, -1.0, 0.5, -2.5, np.inf, -np.inf, np.nan, 1e-40, 3e38)


def random_array(rng: np.random.Generator, dtype: DType, shape: tuple[int, ...]) -> Any:
    """Return an array of ordinary values with special ones among them."""
    if dtype.kind == "bool":
        return rng.random(shape) < 0.5
    if dtype.kind == "int":
        info = np.iinfo(dtype.numpy)
        small = rng.integers(max(info.min, -9), 10, shape)
        ends = rng.choice(np.array([info.min, info.max, 0, 1], dtype.numpy), shape)
        return np.where(rng.random(shape) < 0.2, ends, small.astype(dtype.numpy))
    if dtype.is_complex:
        half = {8: np.float32, 16: np.float64}[dtype.itemsize]
        parts = rng.standard_normal((*shape, 2)).astype(half)
        return np.ascontiguousarray(parts).view(dtype.numpy).reshape(shape)
    with np.errstate(over="ignore", under="ignore"):
        values = (rng.standard_normal(shape) * 3).astype(dtype.numpy)
        special = rng.choice(np.array(SPECIAL), shape).astype(dtype.numpy)
    return np.where(rng.random(shape) < 0.3, special, values)


def random_arguments(
    graph: Graph, rng: np.random.Generator, sizes: dict[str, int] | None = None
) -> list[Any]:
    """Return arguments that fit the graph's parameters; sizes not given are 0 to 4."""
    env = dict(sizes or {})
    facts = facts_of(graph)
    bound = [name for v in graph.params for name in binders(v.type)]
    for name in bound:
        env.setdefault(name, int(rng.integers(0, 5)))
    for name, d in facts.solved.items():
        if all(s in env for s in symbols(d)):
            env[name] = evaluate(d, env)
    return [_random_value(v.type, rng, env) for v in graph.params]


def _random_value(t: Type, rng: np.random.Generator, sizes: dict[str, int]) -> Any:
    shape = tuple(evaluate(d, sizes) for d in sizes_in(t))
    if isinstance(t, TensorType):
        array = random_array(rng, t.dtype, shape)
        # A strided tensor is every other column of a wider one.
        return (
            np.repeat(array, 2, axis=-1)[..., ::2]
            if t.strided and array.ndim
            else np.ascontiguousarray(array).reshape(shape)
        )
    assert isinstance(t, ScalarType)
    match t.kind:
        case "bool":
            return bool(rng.random() < 0.5)
        case "int":
            return shape[0] if shape else int(rng.integers(-5, 6))
        case "float":
            return float(rng.standard_normal())
    raise AssertionError(f"no random {t}")


def same(a: Any, b: Any, ulp: int = 0) -> bool:
    """Whether two results are the same in type, shape, and to the bit (NaNs are alike) or `ulp`."""
    if isinstance(a, (tuple, list)):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    if not isinstance(a, np.ndarray):
        return (
            type(a) is type(b)
            and (a == b or (a != a and b != b))
            and np.copysign(1, a) == np.copysign(1, b)
            if isinstance(a, float)
            else bool(a == b)
        )
    if not isinstance(b, np.ndarray) or a.dtype != b.dtype or a.shape != b.shape:
        return False
    if a.dtype.kind == "c":
        return same(np.ascontiguousarray(a.real), np.ascontiguousarray(b.real)) and same(
            np.ascontiguousarray(a.imag), np.ascontiguousarray(b.imag)
        )
    if a.dtype.kind != "f":
        return bool(np.array_equal(a, b))
    nan = np.isnan(a) & np.isnan(b)
    steps = np.abs(_ordered(a) - _ordered(b))
    return bool(np.all(nan | (steps <= ulp) & (np.isnan(a) == np.isnan(b))))


def _ordered(a: Any) -> Any:
    """Return floats as integers in the same order, one apart for neighbours (-0.0, 0.0 are)."""
    bits = a.view({2: np.int16, 4: np.int32, 8: np.int64}[a.dtype.itemsize]).astype(object)
    return np.where(bits < 0, -(bits & (2 ** (8 * a.dtype.itemsize - 1) - 1)) - 1, bits)


def assert_same_meaning(before: Graph, after: Graph, seed: int = 0, runs: int = 4) -> None:
    """Run both graphs on random arguments and compare results and what became of the arguments."""
    rng = np.random.default_rng(seed)
    for _ in range(runs):
        args = random_arguments(before, rng)
        first = [a.copy(order="K") if isinstance(a, np.ndarray) else a for a in args]
        second = [a.copy(order="K") if isinstance(a, np.ndarray) else a for a in args]
        expected, found = outcome(before, first), outcome(after, second)
        assert same(expected, found), f"{expected}\n{found}\n{args}\n{before}\n{after}"
        assert same(first, second), "the arguments were left different"


def outcome(graph: Graph, args: list[Any]) -> Any:
    """Return the results, or the kind of error. Random numbers are those of one seed."""
    default_generator.manual_seed(0)
    try:
        return interpret(graph, args)
    except (IndexError, ValueError, ArithmeticError, AssertionError) as error:
        return (type(error).__name__,)
