"""Both sides of every row of the rule table, on all its dtypes and the values that break rules."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from jitorch.ir.builder import Builder
from jitorch.ir.core import Block, Graph, Value
from jitorch.ir.dims import symbol
from jitorch.ir.interp import interpret
from jitorch.ir.types import DTYPES, DType, TensorType, bool_
from jitorch.passes.dce import dce
from jitorch.passes.rules import RULES, Call, Pattern, Rule
from jitorch.passes.simplify import simplify
from tests.support import SPECIAL, random_array, same

CASES = [
    (r, d)
    for r in RULES
    for d in DTYPES
    if d.kind in r.kinds and not (d.tag == "u8" and "neg" in str(r))
]


def variables(pattern: Pattern) -> list[str]:
    """Return the names in a pattern, in order."""
    if isinstance(pattern, Call):
        return list(dict.fromkeys(v for a in pattern.args for v in variables(a)))
    return [pattern] if isinstance(pattern, str) else []


def graph_of(pattern: Pattern, names: list[str], dtype: DType, scalar: bool = False) -> Graph:
    """Return the graph that computes a pattern; `c` is a condition."""
    shape = () if scalar else (symbol("n"),)
    params = {n: Value(TensorType(bool_ if n == "c" else dtype, shape), n) for n in names}
    build = Builder()

    def value(p: Pattern, condition: bool) -> Value:
        if isinstance(p, str):
            return params[p]
        if isinstance(p, Call):
            args = [value(a, p.name == "where" and i == 0) for i, a in enumerate(p.args)]
            return build.emit1(p.name, args)
        return build.constant(p, bool_ if condition else dtype)

    result = value(pattern, False)
    return Graph("f", Block(tuple(params.values()), tuple(build.ops), (result,)))


def values(dtype: DType, count: int) -> list[np.ndarray]:
    """Return vectors that hold every combination of special values, and random ones."""
    rng = np.random.default_rng(0)
    with np.errstate(over="ignore"):
        if dtype.kind == "float":
            special = np.array(SPECIAL).astype(dtype.numpy)
        elif dtype.kind == "int":
            info = np.iinfo(dtype.numpy)
            special = np.array([info.min, info.max, 0, 1, 2, 7], dtype.numpy)
        else:
            special = np.array([False, True])
    columns = np.array(list(itertools.product(special, repeat=count)), dtype.numpy).T
    return [np.concatenate([c, random_array(rng, dtype, (40,))]) for c in columns]


@pytest.mark.parametrize(("row", "dtype"), CASES, ids=lambda p: str(p))
def test_both_sides_have_the_same_value(row: Rule, dtype: DType) -> None:
    names = variables(row.left)
    left, right = (graph_of(p, names, dtype) for p in (row.left, row.right))
    data = dict(
        zip([n for n in names if n != "c"], values(dtype, len(set(names) - {"c"})), strict=True)
    )
    size = len(next(iter(data.values())))
    data["c"] = np.arange(size) % 3 == 0
    for count in (size, 0):
        args = [data[n][:count].copy() for n in names]
        assert same(interpret(left, args), interpret(right, args), row.ulp)
    left, right = (graph_of(p, names, dtype, scalar=True) for p in (row.left, row.right))
    for i in range(size):
        args = [data[n][i : i + 1].reshape(()) for n in names]
        assert same(interpret(left, args), interpret(right, args), row.ulp)


@pytest.mark.parametrize(("row", "dtype"), CASES, ids=lambda p: str(p))
def test_simplify_applies_the_row(row: Rule, dtype: DType) -> None:
    names = variables(row.left)
    left, right = (graph_of(p, names, dtype) for p in (row.left, row.right))
    found = dce(simplify(_used_inside(left)))
    assert str(found) == str(dce(_used_inside(right)))


def _used_inside(graph: Graph) -> Graph:
    """Return the graph with a copy of its result for a result: rules spare what callers get."""
    build = Builder()
    out = build.emit1("copy", graph.results)
    return Graph(graph.name, Block(graph.params, (*graph.block.ops, *build.ops), (out,)))
