"""The text of a graph: what is printed parses, and prints the same."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from jitorch.errors import Loc, VerifyError
from jitorch.ir.core import Attr, Block, Graph, Op, Value
from jitorch.ir.dims import Dim, dim_max, dim_min, floordiv, mod, symbol
from jitorch.ir.parser import parse, parse_type
from jitorch.ir.printer import print_attr, print_graph
from jitorch.ir.types import (
    BOOL,
    DTYPES,
    FLOAT,
    INT,
    NONE,
    STR,
    ListType,
    ScalarType,
    TensorType,
    TupleType,
    Type,
)

TESTS = Path(__file__).parent.parent
EXAMPLES = sorted(TESTS.glob("**/*.ir"))

symbols_ = st.sampled_from(["n", "m", "batch", "n0", "größe", "x_1"]).map(symbol)
atoms: st.SearchStrategy[Dim] = st.one_of(st.integers(0, 9), symbols_)


def _combined(inner: st.SearchStrategy[Dim]) -> st.SearchStrategy[Dim]:
    sums = st.builds(lambda a, b: a + b, inner, inner)
    differences = st.builds(lambda a, b: a - b, inner, inner)
    products = st.builds(lambda a, b: a * b, inner, inner)
    quotients = st.builds(floordiv, inner, st.integers(1, 5))
    others = [st.builds(f, inner, inner) for f in (dim_max, dim_min)]
    return st.one_of(
        sums, differences, products, quotients, st.builds(mod, inner, st.integers(1, 5)), *others
    )


dims = st.recursive(atoms, _combined, max_leaves=6)
numbers = st.one_of(
    st.booleans(),
    st.integers(),
    st.floats(),
    st.sampled_from([math.inf, -math.inf, math.nan, 0.0, -0.0, 1e-300, 1e300, 5e-324]),
    st.complex_numbers(allow_nan=False),
)
attrs: st.SearchStrategy[Attr] = st.recursive(
    st.one_of(st.none(), numbers, st.text(), dims, st.sampled_from(DTYPES)),
    lambda inner: st.lists(inner, max_size=3).map(tuple),
    max_leaves=5,
)
tensors = st.builds(
    TensorType,
    st.sampled_from(DTYPES),
    st.lists(dims, max_size=3).map(tuple),
    st.booleans(),
    st.sampled_from(["cpu", "cuda", "cuda:0", "cuda:12"]),
)
types: st.SearchStrategy[Type] = st.recursive(
    st.one_of(
        tensors,
        st.sampled_from([BOOL, INT, FLOAT, STR, NONE, ScalarType("complex")]),
        dims.map(lambda d: ScalarType("int", d)),
    ),
    lambda inner: st.one_of(
        inner.map(ListType), st.lists(inner, max_size=2).map(lambda i: TupleType(tuple(i)))
    ),
    max_leaves=3,
)
hints = st.sampled_from(
    ["", "", "x", "x.1", "y", "3", "0", "1.5", "a.b.c", "größe", "_", "<lambda>", "x y"]
)
keys = st.sampled_from(["dim", "inf", "f32", "True_", "value", "größe", "n"])


@st.composite
def blocks(draw: st.DrawFn, outer: tuple[Value, ...] = (), depth: int = 2) -> Block:
    def new() -> Value:
        return Value(draw(types), draw(hints))

    def some(pool: tuple[Value, ...]) -> tuple[Value, ...]:
        return tuple(draw(st.lists(st.sampled_from(pool), max_size=3))) if pool else ()

    params = tuple(new() for _ in range(draw(st.integers(0, 2))))
    seen, ops = (*outer, *params), []
    for _ in range(draw(st.integers(0, 3))):
        inner = draw(st.lists(blocks(seen, depth - 1), max_size=2)) if depth else []
        outputs = tuple(new() for _ in range(draw(st.integers(0, 2))))
        given_attrs = draw(st.dictionaries(keys, attrs, max_size=2))
        name = draw(st.sampled_from(["add", "if", "loop", "größe", "x_1"]))
        ops.append(Op(name, some(seen), outputs, given_attrs, tuple(inner)))
        seen = (*seen, *outputs)
    return Block(params, tuple(ops), some(seen))


constraints = st.lists(st.tuples(dims, dims), max_size=2).map(tuple)
graphs = st.builds(Graph, st.sampled_from(["f", "<lambda>", "_g1", "9"]), blocks(), constraints)


@given(graphs)
@settings(max_examples=150, deadline=None)
def test_any_graph_comes_back_from_its_text(graph: Graph) -> None:
    text = str(graph)
    assert str(parse(text)) == text
    assert str(parse(print_graph(graph, locations=True))) == text


@given(attrs)
@settings(max_examples=300, deadline=None)
def test_any_attribute_comes_back_from_its_text(attr: Attr) -> None:
    graph = Graph("f", Block((), (Op("exp", (), (), {"a": attr}),), ()))
    (op,) = parse(str(graph)).block.ops
    assert print_attr(op.attrs["a"]) == print_attr(attr)
    assert type(op.attrs["a"]) is type(attr)


@given(types)
@settings(max_examples=150, deadline=None)
def test_any_type_comes_back_from_its_text(t: Type) -> None:
    assert parse_type(str(t)) == t


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: str(p.relative_to(TESTS)))
def test_every_graph_of_the_tests_comes_back(path: Path) -> None:
    text = str(parse(path.read_text(encoding="utf-8")))
    assert str(parse(text)) == text


def test_attributes_that_python_holds_equal_print_differently() -> None:
    texts = [print_attr(a) for a in (1, 1.0, True, 0.0, -0.0, "1", (1,), 1 + 0j)]
    assert len(set(texts)) == len(texts)


def test_names_are_the_users_where_free() -> None:
    x, y = Value(FLOAT, "x"), Value(FLOAT, "x")
    ops = (Op("exp", (x,), (y,)), Op("exp", (y,), (z := Value(FLOAT),)))
    assert str(Graph("f", Block((x,), ops, (z,)))).split("\n")[1:3] == [
        "  %x.1: float = exp(%x)",
        "  %0: float = exp(%x.1)",
    ]


def test_locations_are_comments() -> None:
    x = Value(FLOAT, "x")
    op = Op("exp", (x,), (Value(FLOAT),), loc=Loc("model.py", 12))
    text = print_graph(Graph("f", Block((x,), (op,), ())), locations=True)
    assert "%0: float = exp(%x)  # model.py:12" in text


ERRORS = {
    "graph f() {\n  return\n}": ("line 1: expected '@name', found 'f'", "graph f() {", "      ^"),
    "graph @f(%x f32) {": (
        "line 1: expected ':', found 'f32'",
        "graph @f(%x f32) {",
        "            ^",
    ),
    "graph @f() {\n  return %y\n}": ("line 2: %y is not defined here", "return %y", "       ^"),
    "graph @f() {\n  %y: f99[] = g()": ("line 2: unknown type 'f99'", "%y: f99[] = g()", "    ^"),
    "graph @f() {\n  %y: int = g($)": (
        "line 2: unexpected character '$'",
        "%y: int = g($)",
        "            ^",
    ),
    "graph @f() {\n  g() {a=1, a=2}": (
        "line 2: attribute 'a' is given twice",
        "g() {a=1, a=2}",
        "          ^",
    ),
    "graph @f() {\n  g() {a=1 2}": (
        "line 2: not a size expression: '1 2'",
        "g() {a=1 2}",
        "       ^",
    ),
    "graph @f() {\n  g()\n}": ("line 3: a block must end with 'return'", "}", "^"),
    "graph @f(%x: int) {\n  %x: int = g()\n  return": (
        "line 2: %x is defined twice",
        "%x: int = g()",
        "^",
    ),
    "graph @f(%x: int, %x: int)": (
        "line 1: %x is defined twice",
        "graph @f(%x: int, %x: int)",
        "                  ^",
    ),
    "graph @f() {\n  return\n} more": ("line 3: expected the end, found 'more'", "} more", "  ^"),
    "graph @f() {\n  g() {a=(1": (
        "line 2: a size expression does not end",
        "g() {a=(1",
        "         ^",
    ),
    "graph @f() {\n  g() {a=complex(1)}": (
        "line 2: expected complex(real, imaginary)",
        "g() {a=complex(1)}",
        "       ^",
    ),
}


@pytest.mark.parametrize("text", ERRORS)
def test_parse_errors_show_the_line_with_a_caret(text: str) -> None:
    with pytest.raises(VerifyError) as caught:
        parse(text)
    message, line, caret = ERRORS[text]
    assert str(caught.value).split("\n") == [message, "    " + line, "    " + caret]
