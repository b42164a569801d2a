"""The interpreter: Python's numbers, views that are views, sizes, and errors with their place."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest

from jitorch.errors import IndexOutOfRange, Loc, ShapeMismatch, TypeMismatch, VerifyError
from jitorch.ir.core import Block, Graph, Op, Value
from jitorch.ir.dims import symbol
from jitorch.ir.interp import interpret
from jitorch.ir.parser import parse
from jitorch.ir.types import TensorType, float32


def run(params: str, body: str, *args: Any) -> Any:
    """Run the graph with the given body; a single result comes bare."""
    results = interpret(parse(f"graph @f({params}) {{\n{body}\n}}"), args)
    return results[0] if len(results) == 1 else results


X = np.arange(6, dtype=np.float32).reshape(2, 3)


def test_loops_run_while_the_condition_holds() -> None:
    body = """
      %c: bool = lt(%a, %limit)
      %y: int, %n: int = loop(%k, %c, %a, %zero) (%i: int(i), %b: int, %m: int) {
        %b2: int = add(%b, %b)
        %c2: bool = lt(%b2, %limit)
        yield %c2, %b2, %i
      }
      return %y, %n"""
    params = "%a: int, %limit: int, %k: int, %zero: int"
    assert run(params, body, 1, 100, 50, -1) == (128, 6)
    assert run(params, body, 1, 100, 3, -1) == (8, 2)
    assert run(params, body, 1, 1, 50, -1) == (1, -1)
    assert run(params, body, 1, 100, 0, -1) == (1, -1)


def test_sizes_are_bound_where_they_come_up() -> None:
    body = """
      %nz: i64[u, 2] = nonzero(%x)
      %y: int(2*u + n) = dim() {value=2*u + n}
      return %y"""
    assert run("%x: f32[n, 3]", body, X) == 12


def test_a_loop_binds_its_sizes_anew_each_turn() -> None:
    body = """
      %t: bool = constant() {value=True}
      %y: f32[w] = loop(%k, %t, %x) (%i: int(i), %a: f32[u]) {
        %b: f32[u - i] = slice(%a) {dim=0, start=i, length=u - i, step=1}
        yield %t, %b
      }
      return %y"""
    assert run("%x: f32[n], %k: int", body, np.arange(10, dtype=np.float32), 4).tolist() == [
        6,
        7,
        8,
        9,
    ]


def test_views_and_assignments_alias_the_arguments() -> None:
    x = X.copy()
    body = """
      %r: f32[3; strided] = select(%x) {dim=0, index=1}
      %two: f32[] = constant() {value=2, dtype=f32}
      %d: f32[n, 3] = mul(%x, %two)
      assign(%x, %d)
      return %r"""
    row = run("%x: f32[n, 3]", body, x)
    assert np.shares_memory(row, x)
    assert x.tolist() == (X * 2).tolist()
    row[0] = -1
    assert x[1, 0] == -1


def test_what_a_type_calls_contiguous_is() -> None:
    transposed = np.asarray(X.T)
    y = run("%x: f32[3, n; strided]", "%y: f32[3, n] = exp(%x)\nreturn %y", transposed)
    assert y.flags.c_contiguous
    with pytest.raises(
        TypeMismatch, match=r"x: expected f32\[3, n\], got an array that is not contiguous"
    ):
        run("%x: f32[3, n]", "return %x", transposed)


def test_dtypes_are_the_declared_ones() -> None:
    y = run(
        "%x: i32[n]",
        "%y: i32[] = sum(%x) {dim=(0,), keepdim=False}\nreturn %y",
        np.ones(3, np.int32),
    )
    assert y.dtype == np.int32
    assert y.shape == ()


@pytest.mark.parametrize(
    ("name", "a", "b", "expected"),
    [
        ("add", 2, 3, 5),
        ("floor_divide", -7, 2, -4),
        ("remainder", -7, 2, 1),
        ("mul", True, True, 1),
    ],
)
def test_integers_are_pythons(name: str, a: int, b: int, expected: int) -> None:
    kind = type(a).__name__
    found = run(f"%a: {kind}, %b: {kind}", f"%y: int = {name}(%a, %b)\nreturn %y", a, b)
    assert found == expected
    assert type(found) is int


@pytest.mark.parametrize("name", ["floor_divide", "remainder"])
def test_dividing_an_integer_by_zero_raises(name: str) -> None:
    with pytest.raises(ZeroDivisionError):
        run("%a: int, %b: int", f"%y: int = {name}(%a, %b)\nreturn %y", 1, 0)
    with pytest.raises(ZeroDivisionError):
        run("%a: int, %b: int", "%y: float = div(%a, %b)\nreturn %y", 1, 0)


def test_composites_run_their_body_and_fused_groups_their_block() -> None:
    body = """
      %s: f32[n, 3] = softmax(%x) {dim=1}
      %y: f32[n, 3] = fused(%s, %x) (%a: f32[n, 3], %b: f32[n, 3]) {
        %0: f32[n, 3] = mul(%a, %b)
        yield %0
      }
      return %y"""
    e = np.exp(X - X.max(1, keepdims=True))
    np.testing.assert_allclose(
        run("%x: f32[n, 3]", body, X), X * e / e.sum(1, keepdims=True), rtol=1e-6
    )


def test_errors_carry_the_users_place() -> None:
    x = Value(TensorType(float32, (symbol("n"),)), "x")
    loc = Loc("model.py", 7)
    op = Op("select", (x,), (Value(TensorType(float32, ())),), {"dim": 0, "index": 9}, loc=loc)
    with pytest.raises(IndexOutOfRange) as caught:
        interpret(Graph("f", Block((x,), (op,), op.outputs)), [np.zeros(3, np.float32)])
    assert caught.value.loc is loc


@pytest.mark.parametrize(
    ("params", "args", "error", "message"),
    [
        ("%x: f32[n]", [], TypeMismatch, "f takes 1 arguments, got 0"),
        ("%x: f32[n]", [1.0], TypeMismatch, "x: expected f32[n], got float"),
        ("%x: f32[n]", [np.zeros(2)], TypeMismatch, "x: expected f32[n], got f64[2]"),
        ("%x: f32[n, 4]", [X], ShapeMismatch, "x: expected f32[n, 4], got [2, 3]"),
        ("%x: f32[n, n]", [X], ShapeMismatch, "x: expected f32[n, n], got [2, 3]"),
        ("%k: int", [True], TypeMismatch, "k: expected int, got bool"),
        (
            "%x: f32[2*k, 3], %k: int(k)",
            [X, 2],
            ShapeMismatch,
            "x: expected f32[2*k, 3], got [2, 3]",
        ),
    ],
)
def test_arguments_that_do_not_fit_are_refused(
    params: str, args: list[Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as caught:
        run(params, "return", *args)
    assert str(caught.value) == message


def test_constraints_are_checked() -> None:
    graph = parse("graph @f(%x: f32[n], %y: f32[m]) where (n == 2*m) { return %x }")
    interpret(graph, [np.zeros(4, np.float32), np.zeros(2, np.float32)])
    with pytest.raises(ShapeMismatch, match=r"relies on n == 2\*m, got 4 and 6"):
        interpret(graph, [np.zeros(4, np.float32), np.zeros(3, np.float32)])


def test_a_type_that_a_value_does_not_have_is_caught() -> None:
    with pytest.raises(
        VerifyError, match=r"a value of type f32\[n \+ 1\] is \[2\] at run time \(n=2\)"
    ):
        run("%x: f32[n]", "%y: f32[n + 1] = exp(%x)\nreturn %y", np.zeros(2, np.float32))


def test_values_are_let_go_after_their_last_use() -> None:
    alive: list[Any] = []

    def note(op: Op, inputs: Any, outputs: Any) -> None:
        gc.collect()
        alive.append(sum(r() is not None for r in refs))
        refs.extend(weakref.ref(o) for o in outputs if isinstance(o, np.ndarray))

    refs: list[Any] = []
    text = "graph @f(%x: f32[n]) {\n" + "".join(
        f"  %y{i + 1}: f32[n] = exp(%{'x' if i == 0 else f'y{i}'})\n" for i in range(6)
    )
    interpret(parse(text + "  return %y6\n}"), [np.zeros(4, np.float32)], on_op=note)
    assert max(alive) <= 1


def test_every_op_is_reported() -> None:
    seen: list[str] = []
    graph = parse(
        "graph @f(%x: f32[n]) { %y: f32[n] = exp(%x)\n %z: f32[n] = neg(%y)\n return %z }"
    )
    interpret(
        graph, [np.zeros(2, np.float32)], on_op=lambda op, inputs, outputs: seen.append(op.name)
    )
    assert seen == ["exp", "neg"]
