"""The LLVM of every kernel of the suite, run on this CPU, against the interpreter. No GPU is needed."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from jitorch.codegen.cuda.lowering import kernel_module
from jitorch.codegen.numba_api import errors
from jitorch.ir.parser import parse
from jitorch.ir.types import from_numpy_dtype
from tests.codegen.cuda import processor, suite
from tests.codegen.cuda.cases import CASES, PART_CASES, compare, ends_of_integers, special_floats
from tests.codegen.cuda.host import expected, run_graph
from tests.codegen.cuda.names import all_in_parts, small_blocks
from tests.codegen.random_graphs import RandomGraph
from tests.codegen.support import assert_same
from tests.support import random_arguments

pytestmark = pytest.mark.numba


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    small_blocks(monkeypatch)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(("name", "sizes"), CASES, ids=str)
def test_blocks_of_threads(name: str, sizes: dict[str, int]) -> None:
    graph = parse(suite.GRAPHS[name])
    compare(name, random_arguments(graph, np.random.default_rng(1), sizes), processor.start)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(("name", "sizes"), PART_CASES, ids=str)
def test_folds_in_parts(name: str, sizes: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    all_in_parts(monkeypatch)
    graph = parse(suite.GRAPHS[name])
    args = random_arguments(graph, np.random.default_rng(1), sizes)
    for start in (processor.start, processor.one_thread):
        compare(name, args, start)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("name", suite.GRAPHS)
@pytest.mark.parametrize("sizes", [{"n": 5, "m": 13}, {"n": 3, "m": 64}], ids=str)
def test_one_thread(name: str, sizes: dict[str, int]) -> None:
    graph = parse(suite.GRAPHS[name])
    compare(name, random_arguments(graph, np.random.default_rng(1), sizes), processor.one_thread)


@pytest.mark.parametrize("tag", ["f16", "f32", "f64"])
def test_special_floats(tag: str) -> None:
    compare(f"elementwise_{tag}", special_floats(tag), processor.one_thread)


@pytest.mark.parametrize("tag", ["u8", "i8", "i16", "i32", "i64"])
def test_ends_of_integers(tag: str) -> None:
    compare(f"elementwise_{tag}", ends_of_integers(tag), processor.one_thread)


@pytest.mark.parametrize(
    "values",
    [
        np.array([1 + 2**-11 + 2**-40, 1 + 2**-11, 1 + 3 * 2**-11, 65519.999, 65520.0, 2**-25.0]),
        np.array([2049, 2051, 65519, 65520, -(2**62) - 1]),
        np.array([1 + 2**-11, 1 + 2**-11 + 2**-20, 2**-24.5], np.float32),
    ],
    ids=["f64", "i64", "f32"],
)
def test_half_is_rounded_once(values: Any) -> None:
    tag = from_numpy_dtype(values.dtype).tag
    graph = parse(f"""
        graph @f(%x: {tag}[n]) {{
          %y: f16[n] = cast(%x) {{dtype=f16}}
          return %y
        }}""")
    (got,) = run_graph(suite.prepared(graph), [values], processor.one_thread)
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(got, values.astype(np.float16))


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 10_000))
def test_random_graphs(seed: int) -> None:
    text, args = RandomGraph(seed).build(3 + seed % 14)
    graph = parse(text)
    got = run_graph(suite.prepared(graph), args, processor.one_thread)
    assert_same(got, expected(graph, args), 3e-4)


def text(*lines: str) -> str:
    """Return the LLVM of a kernel (p_x: i32*, p_y: f32*, n) of these lines."""
    source = "\n".join(["def f(p_x, p_y, n):", *("    " + line for line in lines)])
    return str(kernel_module(source, "f", [("i32", True), ("f32", True), ("int", False)]))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("p_x[0] = nothing(n)", "'nothing' is not defined as an operation"),
        ("p_x[0] = cuda.nothing(n)", "'cuda.nothing' is not defined as an operation"),
        ("p_x[0] = nothing", "'nothing' is not defined"),
        ("p_x[0] = n[0]", "int64 has no elements"),
        ("p_x[p_y[0]] = n", "a whole number expected, not float32"),
        ("p_x[0] = p_y + 1", "no arithmetic for"),
        ("p_x[0] = cuda.threadIdx.z", "'cuda.threadIdx.z' is not known"),
        ("p_x[0] = np.nothing(n)", "'np.nothing' is no type of numbers here"),
        ("p_x[0] = shuffle(p_y[0] < 0, 1) + shuffle_up(p_y[0] < 0, 1)", "do not shuffle bool"),
        ("p_x[0], n = n, 0", "no meaning in a kernel: p_x[0]"),
        ("return n", "no meaning in a kernel: return n"),
        ("share = cuda.shared.array(n, np.int32)", "no meaning in a kernel: cuda.shared.array"),
    ],
)
def test_source_without_a_meaning(line: str, message: str) -> None:
    with pytest.raises(errors.TypingError, match=f"(?s){re.escape(message)}.*line 2: "):
        text(line)
    with pytest.raises(errors.TypingError, match="the source has no function 'g'"):
        kernel_module("def f():\n    pass\n", "g", [])


def test_values_of_two_types_meet_in_one_that_has_both() -> None:
    made = text("p_y[0] = select(n > 0, p_x[0], n)")
    assert "sext i32" in made
    assert "phi  i64" in made
    assert "phi  double" in text("p_y[0] = select(n > 0, p_y[1], n)")


def test_single_precision_calls_the_functions_for_it() -> None:
    assert '@"__nv_expf"(float' in text("p_y[0] = exp(p_y[0])")
    assert '@"__nv_exp"(double' in text("p_y[0] = exp(to_f64(p_y[0]))")


def test_a_table_of_functions_leaves_no_calls() -> None:
    made = text("p_y[0] = minimum(p_y[0], p_y[1])", "p_x[0] = to_i32(floordiv(p_x[0], p_x[1]))")
    assert "call" not in made
    assert made.count("define") == 1
