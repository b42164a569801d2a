"""One test over the whole op table: what an entry says about itself holds on all its samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import jitorch as jt
from jitorch.dispatch import METHODS, apply
from jitorch.ir import dims as D
from jitorch.ir.dims import Dim, Sym
from jitorch.ir.opdef import OPS, OpDef
from jitorch.ir.types import ScalarType, TensorType, Type, from_numpy_dtype
from jitorch.ops import control, structure
from jitorch.tensor import Tensor, wrap

# Ops that hold a program together have no sense on plain arrays; the tests of the IR cover them.
PROGRAM = {
    op.name
    for module in (control, structure)
    for op in vars(module).values()
    if isinstance(op, OpDef)
}
TABLE = sorted(set(OPS) - PROGRAM)
SAMPLES = [(name, i) for name in TABLE for i in range(len((OPS[name].samples or list)()))]


def sample(name: str, number: int) -> tuple[OpDef, list[Any], Mapping[str, Any]]:
    op = OPS[name]
    assert op.samples is not None
    args, attrs = op.samples()[number]
    return op, list(args), attrs


def types_of(op: OpDef, args: Sequence[Any]) -> list[Type]:
    """Return the types of the arguments as the op gets them: promoted."""
    types: list[Type] = [
        TensorType(from_numpy_dtype(a.dtype), a.shape)
        if isinstance(a, np.ndarray)
        else ScalarType(type(a).__name__)
        for a in args
    ]
    first = op.promote_from
    if op.promote is not None:
        dtype = op.promote([t for t in types[first:] if isinstance(t, (TensorType, ScalarType))])
        types[first:] = [TensorType(dtype, getattr(t, "shape", ())) for t in types[first:]]
    return types


def run(op: OpDef, args: Sequence[Any], attrs: Mapping[str, Any]) -> tuple[Any, ...]:
    out = apply(op, *(wrap(a) if isinstance(a, np.ndarray) else a for a in args), **attrs)
    return out if isinstance(out, tuple) else (out,)


def as_tuple(types: Type | tuple[Type, ...]) -> tuple[Type, ...]:
    return types if isinstance(types, tuple) else (types,)


class KnownSizes:
    """Facts about symbols whose values are known."""

    def __init__(self, env: Mapping[str, int]) -> None:
        self.env = env

    def equal(self, a: Dim, b: Dim) -> bool:
        return D.evaluate(a, self.env) == D.evaluate(b, self.env)

    def at_least(self, a: Dim, b: Dim) -> bool | None:
        return D.evaluate(a, self.env) >= D.evaluate(b, self.env)

    def concrete(self, d: Sym) -> int:
        return D.evaluate(d, self.env)


def symbolic(t: Type, env: dict[str, int]) -> Type:
    """Return the type with a symbol in place of each size but 0 and 1."""
    if not isinstance(t, TensorType):
        return t
    shape: list[Dim] = []
    for d in t.shape:
        assert isinstance(d, int)
        if d > 1:
            env[f"n{d}"] = d
        shape.append(D.symbol(f"n{d}") if d > 1 else d)
    return replace(t, shape=tuple(shape))


def check_types(results: Sequence[Any], types: Sequence[Type], env: Mapping[str, int]) -> None:
    assert len(results) == len(types)
    for result, t in zip(results, types, strict=True):
        assert isinstance(t, TensorType)
        assert result.dtype is t.dtype
        assert result.ndim == t.ndim
        for have, said in zip(result.shape, t.shape, strict=True):
            if "_" not in D.symbols(said):  # a size that only run time tells
                assert have == D.evaluate(said, env)


def test_every_entry_has_samples() -> None:
    missing = [name for name in TABLE if not OPS[name].samples or not OPS[name].samples()]  # type: ignore[misc]
    assert missing == []


@pytest.mark.parametrize("name", TABLE)
def test_entry_is_consistent(name: str) -> None:
    op = OPS[name]
    assert op.name == name
    assert op.scalar is None or op.reduce is None
    if op.inplace:
        assert hasattr(Tensor, f"{name}_")


@pytest.mark.parametrize(("name", "number"), SAMPLES)
def test_infer_tells_what_eager_gives(name: str, number: int) -> None:
    op, args, attrs = sample(name, number)
    before = [np.copy(a) for a in args]
    results = run(op, args, attrs)
    types = as_tuple(op.infer(*types_of(op, args), **attrs))
    check_types(results, types, {})
    if not op.view and op.compose is None:
        assert not any(np.shares_memory(r.numpy(), a) for r in results for a in args)
    for a, b in zip(args, before, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(("name", "number"), SAMPLES)
def test_infer_with_symbols(name: str, number: int) -> None:
    op, args, attrs = sample(name, number)
    env: dict[str, int] = {}
    types = [symbolic(t, env) for t in types_of(op, args)]
    with D.using_facts(KnownSizes(env)):
        found = as_tuple(op.infer(*types, **attrs))
    check_types(run(op, args, attrs), found, env)


@pytest.mark.parametrize("name", sorted(METHODS))
def test_methods_are_documented(name: str) -> None:
    assert METHODS[name].__doc__


@pytest.mark.parametrize("name", [n for n in dir(jt) if not n.startswith("_")])
def test_public_functions_are_documented(name: str) -> None:
    thing = getattr(jt, name)
    if callable(thing):
        assert thing.__doc__
