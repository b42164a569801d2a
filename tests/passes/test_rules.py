"""Both sides of every row of the rule table, on all its dtypes and the values that break rules."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from jitorch.ir.builder import Builder
from jitorch.ir.core import Block, Graph, Value
from jitorch.ir.dims import symbol
from jitorch.ir.interp import interpret
from jitorch.ir.types import BOOL, DTYPES, FLOAT, INT, DType, ScalarType, TensorType, bool_
from jitorch.passes.dce import dce
from jitorch.passes.rules import RULES, Call, Pattern, Rule
from jitorch.passes.simplify import simplify
from tests.support import SPECIAL, outcome, random_array, same

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


NUMBERS: dict[ScalarType, list[bool | int | float]] = {
    FLOAT: [2.5, -2.5, 0.0, -0.0, 1.0, float("inf"), float("nan")],
    INT: [0, 1, -3, 7],
    BOOL: [False, True],
}


@pytest.mark.parametrize("kind", NUMBERS, ids=str)
@pytest.mark.parametrize("convert", [int, float])
@pytest.mark.parametrize("row", RULES, ids=str)
def test_rows_hold_for_python_numbers(row: Rule, kind: ScalarType, convert: type) -> None:
    """An int among the operands of a float op says nothing about the other one."""
    names = variables(row.left)
    params = {n: Value(BOOL if n == "c" else kind, n) for n in names}
    build = Builder()

    def value(p: Pattern) -> Value:
        if isinstance(p, str):
            return params[p]
        if isinstance(p, Call):
            return build.emit1(p.name, [value(a) for a in p.args])
        return build.constant(p if isinstance(p, bool) else convert(p))

    try:
        result = value(row.left)
    except TypeError:
        pytest.skip("the op takes no such numbers")
    graph = Graph("f", Block(tuple(params.values()), tuple(build.ops), (result,)))
    simple = simplify(graph)
    for args in itertools.product(*(NUMBERS[kind] if n != "c" else [True, False] for n in names)):
        found, wanted = (outcome(g, list(args)) for g in (simple, graph))
        # The text tells zeros apart by sign, and one NaN is like another.
        assert repr(found) == repr(wanted) or (
            row.ulp and found == pytest.approx(wanted, rel=1e-15)
        )


def _used_inside(graph: Graph) -> Graph:
    """Return the graph with a copy of its result for a result: rules spare what callers get."""
    build = Builder()
    out = build.emit1("copy", graph.results)
    return Graph(graph.name, Block(graph.params, (*graph.block.ops, *build.ops), (out,)))
