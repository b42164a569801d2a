"""Tracing: what a trace keeps, what it refuses, and the facts it relies on."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import pytest

import jitorch as jt
from jitorch import jit
from jitorch.errors import TraceError
from tests.checking import check
from tests.frontend import helpers

X = jt.tensor([1.0, -2.0, 3.0])
M = jt.tensor([[1.0, 2.0, 0.5], [-3.0, 4.0, 7.0]])


def normalise(x: Any) -> Any:
    y = x - x.mean(-1, keepdim=True)
    for _ in range(2):
        y = y * 2 + x.shape[-1]
    return {"y": y / math.sqrt(2), "parts": [y.sum(), (x[0], x.shape[0])]}


def changes_its_argument(x: Any, y: Any) -> Any:
    x += y
    x[0] = 5
    v = x[1:]
    v *= 2
    return x, v


def attention(q: Any) -> Any:
    scores = q @ q.transpose(-2, -1) / math.sqrt(q.shape[-1])
    return jt.softmax(scores, -1) @ q


def test_traces_are_checked_like_scripts() -> None:
    check(normalise, (X,), trace=True)
    check(changes_its_argument, (X, X * 2), trace=True)
    check(attention, (M,), (M * 2,), trace=True)


def test_sizes_stay_free() -> None:
    traced = jit.trace(lambda x: x.reshape(-1) * x.shape[0], (jt.ones(2, 3),))
    for n in (2, 5, 9):
        assert traced(jt.ones(n, 3)).tolist() == [float(n)] * (3 * n)


def test_numbers_made_of_sizes_meet_tensors() -> None:
    def f(x: Any) -> Any:
        n = x.shape[0]
        return n * x[0] + x[1] * n + (n - x[0]) + (n + x[0]) + x.sum() / n

    traced = jit.trace(f, (jt.ones(4),))
    for n in (4, 7):
        assert traced(jt.ones(n)).item() == f(jt.ones(n)).item()


def test_sizes_that_python_branched_on_are_guarded() -> None:
    def f(x: Any) -> Any:
        return x * 2 if x.shape[0] > 2 else x

    traced = jit.trace(f, (jt.ones(3),))
    assert traced(jt.ones(5)).tolist() == [2.0] * 5
    with pytest.raises(
        TraceError, match=r"this trace holds only where 2 < x\.shape\[0\] \(.*test_trace"
    ):
        traced(jt.ones(2))


def test_other_kinds_of_arguments_are_refused() -> None:
    traced = jit.trace(lambda x: x * 2, (X,))
    with pytest.raises(TraceError, match=r"'x' was float32\[n\], now float64\[n\]"):
        traced(X.double())
    with pytest.raises(TraceError, match=r"'x' was float32\[n\], now float32\[n, n\]"):
        traced(M)


def on_bool(x: Any) -> Any:
    if x.sum() > 0:
        return x
    return -x


def on_item(x: Any) -> Any:
    return x * x[0].item()


def on_float(x: Any) -> Any:
    return x * float(x[0])


def on_int(x: Any) -> Any:
    return x * int(x[0])


def on_numpy(x: Any) -> Any:
    return x * x.numpy()


def on_array(x: Any) -> Any:
    return x * np.asarray(x)


def on_tolist(x: Any) -> Any:
    return x * x.tolist()[0]


def on_while(x: Any) -> Any:
    while x.sum() > 1:
        x = x / 2
    return x


def on_assert(x: Any) -> Any:
    assert (x > -100).all()
    return x


@pytest.mark.parametrize(
    ("fn", "line"),
    [
        (on_bool, "if x.sum() > 0:"),
        (on_item, "x[0].item()"),
        (on_float, "float(x[0])"),
        (on_int, "int(x[0])"),
        (on_numpy, "x.numpy()"),
        (on_array, "np.asarray(x)"),
        (on_tolist, "x.tolist()"),
        (on_while, "while x.sum() > 1:"),
        (on_assert, "assert (x > -100).all()"),
    ],
)
def test_data_may_not_flow_into_python(fn: Any, line: str) -> None:
    with pytest.raises(TraceError, match="while tracing") as info:
        jit.trace(fn, (X,))
    text = str(info.value)
    assert line in text
    assert "^" in text
    assert "@jit.script" in text
    assert info.value.loc.func == fn.__name__


def test_a_scripted_callee_keeps_its_control_flow() -> None:
    def f(x: Any) -> Any:
        return helpers.countdown(helpers.scripted_swish(x) * 2, 3)

    traced = jit.trace(f, (X,))
    names = [op.name for op in traced.graph("typed").walk()]
    assert {"if", "loop"} <= set(names)
    for x in (X, -X):
        assert traced(x).tolist() == f(x).tolist()


def test_printing_a_tensor_while_tracing_does_not_fail(capsys: pytest.CaptureFixture[str]) -> None:
    def f(x: Any) -> Any:
        print(x, f"{x}")
        return x + 1

    traced = jit.trace(f, (X,))
    assert "<tensor f32[n] being recorded>" in capsys.readouterr().out
    traced(X)
    assert capsys.readouterr().out == ""


def test_check_inputs_find_what_the_trace_misses() -> None:
    jit.trace(lambda x: x * 2, (X,), check_inputs=[(X,), (-X,)])
    with pytest.raises(TraceError, match="differs from the function on check input 1"):
        jit.trace(lambda x: x * random.random(), (X,), check_inputs=[(X,)])
    counter = [0]

    def counts(x: Any) -> Any:
        counter[0] += 1
        return x, counter[0]

    with pytest.raises(TraceError, match="differs"):
        jit.trace(counts, (X,), check_inputs=[(X,)])


def test_check_inputs_compare_structure_and_changed_arguments() -> None:
    state = {"n": 0}

    def grows(x: Any) -> Any:
        state["n"] += 1
        return [x] * state["n"]

    with pytest.raises(TraceError, match="differs"):
        jit.trace(grows, (X,), check_inputs=[(X,)])
    x = X.clone()
    jit.trace(changes_its_argument, (X.clone(), X), check_inputs=[(x, X)])
    assert x.tolist() == X.tolist()


def test_tracing_leaves_the_example_alone() -> None:
    x = X.clone()
    jit.trace(changes_its_argument, (x, X))
    assert x.tolist() == X.tolist()


def test_a_traced_function_looks_like_the_function() -> None:
    traced = jit.trace(attention, M)
    assert traced.__name__ == "attention"
    assert traced.eager(M).tolist() == attention(M).tolist()
    assert str(traced.graph("typed")).startswith("graph @attention(%q: f32[")


def test_a_leaked_tensor_is_refused() -> None:
    kept: list[Any] = []

    def leaks(x: Any) -> Any:
        kept.append(x * 2)
        return x

    jit.trace(leaks, (X,))
    with pytest.raises(TraceError, match="a trace that has ended"):
        kept[0] + 1


def test_positions_of_ops_are_the_users() -> None:
    traced = jit.trace(lambda x: x.exp() + helpers.scaled(x), (X,))
    lines = {(op.loc.file.rsplit("/", 1)[-1], op.loc.func) for op in traced.graph("typed").walk()}
    assert lines == {("test_trace.py", "<lambda>"), ("helpers.py", "scaled")}


def test_ints_are_numbers_as_in_python() -> None:
    def f(x: Any, n: int) -> Any:
        return x * n**-1, x * divmod(n, 2)[0] + divmod(7, n)[1], x * (n // 1), jt.tensor([n, 1])

    x = jt.ones(2)
    for made, wanted in zip(jit.trace(f, (x, 3))(x, 5), f(x, 5), strict=True):
        assert made.tolist() == wanted.tolist()
    assert jit.trace(lambda x: x.shape, x)(x) == jt.Size((2,))
