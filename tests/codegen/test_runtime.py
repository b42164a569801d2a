"""Compiled graphs against the interpreter: values, dtypes, shapes, errors."""

from __future__ import annotations

import itertools
import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

import jitorch as jt
from jitorch.codegen.runtime import compile_graph
from jitorch.errors import IndexOutOfRange
from jitorch.ir.interp import interpret
from jitorch.ir.parser import parse
from tests.codegen.random_graphs import RandomGraph
from tests.codegen.support import assert_same, check, compiled, prepared

pytestmark = pytest.mark.numba

SPECIAL = [0.0, -0.0, 1.0, -2.5, np.inf, -np.inf, np.nan, 1e-40, 3e38]


def normal(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


# ------------------------------------------------------------------------------------- elementwise


def test_chain_with_broadcasting_and_two_results() -> None:
    text = """
    graph @f(%x: f32[n, m], %w: f32[m], %c: f32[n, 1], %alpha: float) {
      %a: f32[] = cast(%alpha) {dtype=f32}
      %0: f32[n, m] = mul(%x, %w)
      %1: f32[n, m] = add(%0, %c)
      %2: f32[n, m] = mul(%1, %a)
      %y: f32[n, m] = tanh(%2)
      return %y, %1
    }"""
    check(text, normal(7, 45), normal(45), normal(7, 1), 0.3, kernels=1)
    check(text, normal(1, 1), normal(1), normal(1, 1), 0.3)
    check(text, normal(0, 5), normal(5), normal(0, 1), 0.3)
    check(text, normal(5, 0), normal(0), normal(5, 1), 0.3)


def test_kernels_of_one_text_have_sizes_of_their_own() -> None:
    text = """
    graph @f(%x: f32[n, m]) {
      %0: f32[n, m - 1; strided] = slice(%x) {dim=1, start=1, length=m - 1, step=1}
      %1: f32[n, floordiv(m + 1, 2); strided] = slice(%x) {dim=1, start=0, length=floordiv(m + 1, 2), step=2}
      %y: f32[n, m - 1] = exp(%0)
      %z: f32[n, floordiv(m + 1, 2)] = exp(%1)
      return %y, %z
    }"""
    check(text, normal(3, 4), kernels=2)
    check(text, normal(5, 9))


def test_special_values_keep_their_signs() -> None:
    values = np.array(list(itertools.product(SPECIAL, SPECIAL)), np.float32)
    check(
        """
        graph @f(%x: f32[n], %y: f32[n]) {
          %zero: f32[] = constant() {value=-0.0, dtype=f32}
          %0: f32[n] = add(%x, %zero)
          %1: f32[n] = mul(%x, %y)
          %2: f32[n] = maximum(%x, %y)
          %3: bool[n] = isnan(%1)
          %4: bool[n] = isinf(%x)
          %5: f32[n] = where(%4, %y, %0)
          %6: f32[n] = neg(%x)
          return %0, %1, %2, %3, %5, %6
        }""",
        values[:, 0].copy(),
        values[:, 1].copy(),
        tolerance=1e-6,
    )


INTEGERS = ["u8", "i8", "i16", "i32", "i64"]
NUMPY = {"u8": "u1", "i8": "i1", "i16": "i2", "i32": "i4", "i64": "i8", "f16": "f2", "f32": "f4"}
NUMPY |= {"f64": "f8", "bool": "?"}


@pytest.mark.parametrize("tag", NUMPY)
def test_every_dtype(tag: str) -> None:
    rng = np.random.default_rng(0)
    x, y = ((rng.standard_normal((4, 30)) * 50).astype(NUMPY[tag]) for _ in range(2))
    numeric = ["add", "sub", "mul", "maximum", "minimum"]
    names = ["logical_and", "logical_xor", "maximum"] if tag == "bool" else numeric
    lines = [f"%{name}: {tag}[n, m] = {name}(%x, %y)" for name in names]
    lines += [f"%c{name}: bool[n, m] = {name}(%x, %y)" for name in ("eq", "lt", "ge")]
    lines += [f"%k{to}: {to}[n, m] = cast(%x) {{dtype={to}}}" for to in NUMPY if to != tag]
    lines += [f"%w: {tag}[n, m] = where(%ceq, %x, %y)"]
    results = ", ".join(line.split(":")[0] for line in lines)
    body = "\n".join(lines)
    check(
        f"graph @f(%x: {tag}[n, m], %y: {tag}[n, m]) {{\n{body}\nreturn {results}\n}}",
        x,
        y,
        kernels=1,
        tolerance=1e-3 if tag == "f16" else 1e-6,
    )


def test_integers_wrap() -> None:
    check(
        """
        graph @f(%x: i8[n]) {
          %y: i8[n] = mul(%x, %x)
          %z: i8[n] = add(%y, %x)
          return %z
        }""",
        np.arange(-128, 128, dtype=np.int8),
    )


def test_strided_arguments() -> None:
    wide = normal(9, 40, 3)
    check(
        """
        graph @f(%x: f32[n, m, k; strided], %y: f32[n, m, k]) {
          %z: f32[n, m, k] = sub(%x, %y)
          %s: f32[n] = sum(%z) {dim=(1, 2), keepdim=False}
          return %z, %s
        }""",
        wide[::2, 3:33, ::-1],
        normal(5, 30, 3, seed=1),
        kernels=1,
    )


def test_a_tensor_and_its_transpose() -> None:
    check(
        """
        graph @f(%x: f32[n, n]) {
          %t: f32[n, n; strided] = permute(%x) {dims=(1, 0)}
          %0: f32[n, n] = add(%x, %t)
          %e: f32[n, n] = exp(%0)
          %u: f32[n, n; strided] = permute(%e) {dims=(1, 0)}
          %y: f32[n, n] = sub(%e, %u)
          return %y, %u
        }""",
        normal(33, 33),
        kernels=2,
    )


def test_numbers_without_dimensions() -> None:
    check(
        """
        graph @f(%x: f32[], %k: int, %b: bool) {
          %0: f32[] = exp(%x)
          %1: f32[] = cast(%k) {dtype=f32}
          %2: bool[] = cast(%b) {dtype=bool}
          %3: f32[] = where(%2, %0, %1)
          return %3
        }""",
        np.array(0.5, np.float32),
        3,
        True,
    )


# -------------------------------------------------------------------------------------- reductions

DIMS = [d for n in (1, 2, 3) for d in itertools.combinations(range(3), n)]


@pytest.mark.parametrize("dims", DIMS, ids=str)
def test_reductions_over_every_choice_of_dimensions(dims: tuple[int, ...]) -> None:
    kept = ", ".join("1" if i in dims else "abc"[i] for i in range(3))
    rest = ", ".join("abc"[i] for i in range(3) if i not in dims)
    attrs = f"{{dim=({', '.join(map(str, dims))},), keepdim="
    check(
        f"""
        graph @f(%x: f32[a, b, c]) {{
          %top: f32[{kept}] = amax(%x) {attrs}True}}
          %c: f32[a, b, c] = sub(%x, %top)
          %e: f32[a, b, c] = exp(%c)
          %s: f32[{kept}] = sum(%e) {attrs}True}}
          %y: f32[a, b, c] = div(%e, %s)
          %p: f32[{rest}] = sum(%x) {attrs}False}}
          %q: f32[{rest}] = tanh(%p)
          return %y, %q
        }}""",
        normal(5, 37, 6),
        kernels=1,
    )


@pytest.mark.parametrize("tag", [t for t in NUMPY if t != "bool"])
@pytest.mark.parametrize("dims", ["(0,)", "(1,)", "(0, 1)"])
def test_reductions_of_every_dtype(tag: str, dims: str) -> None:
    rng = np.random.default_rng(0)
    x = (rng.standard_normal((20, 30)) * 5).astype(NUMPY[tag])
    shape = {"(0,)": "m", "(1,)": "n", "(0, 1)": ""}[dims]
    lines = [
        f"%{name}: {'bool' if name in ('any', 'all') else tag}[{shape}] = {name}(%x) "
        f"{{dim={dims}, keepdim=False}}"
        for name in ("sum", "amax", "amin", "any", "all")
    ]
    body, results = "\n".join(lines), ", ".join(line.split(":")[0] for line in lines)
    check(
        f"graph @f(%x: {tag}[n, m]) {{\n{body}\nreturn {results}\n}}",
        x,
        kernels=1,
        tolerance=1e-2 if tag == "f16" else 1e-5,
    )


SUM = "graph @f(%x: f32[n]) {\n%s: f32[] = sum(%x) {dim=(0,), keepdim=False}\nreturn %s\n}"


@pytest.mark.parametrize("n", [0, 1, 1000, 8192, 8193, 3_000_000])
def test_a_full_sum_is_as_accurate_as_numpy(n: int) -> None:
    x = np.random.default_rng(1).random(n).astype(np.float32)
    (s,) = compiled(SUM).run([x])
    exact = x.astype(np.float64).sum()
    assert abs(float(s) - exact) <= 2e-7 * max(exact, 1)


def test_sums_do_not_depend_on_the_number_of_threads() -> None:
    x = normal(2_000_000)
    executable = compiled(SUM)
    before = jt.get_num_threads()
    try:
        found = []
        for count in (1, 2, 3):
            jt.set_num_threads(count)
            found.append(float(executable.run([x])[0]))
    finally:
        jt.set_num_threads(before)
    assert len(set(found)) == 1


def test_nothing_has_no_maximum() -> None:
    executable = compiled("""
    graph @f(%x: f32[n, m]) {
      %y: f32[n] = amax(%x) {dim=(1,), keepdim=False}
      return %y
    }""")
    with pytest.raises(
        IndexOutOfRange, match=r"amax\(\): Expected reduction dim 1 to have non-zero size"
    ):
        executable.run([normal(3, 0)])


def test_pairwise_distances() -> None:
    text = """
    graph @f(%x: f32[n, d], %y: f32[m, d]) {
      %0: f32[n, 1, d] = unsqueeze(%x) {dim=1}
      %1: f32[1, m, d] = unsqueeze(%y) {dim=0}
      %2: f32[n, m, d] = sub(%0, %1)
      %3: f32[n, m, d] = square(%2)
      %z: f32[n, m] = sum(%3) {dim=(2,), keepdim=False}
      return %z
    }"""
    check(text, normal(9, 17), normal(11, 17, seed=1), kernels=1)


# ---------------------------------------------------------------------------------- everything else


def test_library_calls_views_and_lists() -> None:
    check(
        """
        graph @f(%x: f32[n, k], %w: f32[k, m]) {
          %0: f32[n, k] = tanh(%x)
          %1: f32[n, m] = matmul(%0, %w)
          %2: f32[n; strided] = select(%1) {dim=1, index=1}
          %3: f32[m, n; strided] = permute(%1) {dims=(1, 0)}
          %4: f32[n, m] = cumsum(%1) {dim=1}
          %5: list[f32[n, m]] = list(%1, %4)
          %6: f32[q, n, m] = list_stack(%5) {dim=0}
          return %2, %3, %6
        }""",
        normal(4, 5),
        normal(5, 6),
    )


def test_control_flow_in_python() -> None:
    text = """
    graph @f(%x: f32[n], %t: int) {
      %c: bool = constant() {value=True}
      %zero: int = constant() {value=0}
      %y: f32[n], %k: int = loop(%t, %c, %x, %zero) (%i: int(i), %v: f32[n], %j: int) {
        %w: f32[n], %0: i64[n] = sort(%v) {dim=0, descending=False}
        %one: int = constant() {value=1}
        %more: int = add(%j, %one)
        %odd: bool = eq(%more, %one)
        %z: f32[n] = if(%odd) () {
          %1: f32[n] = neg(%w)
          yield %1
        } () {
          yield %w
        }
        yield %c, %z, %more
      }
      return %y, %k
    }"""
    executable = check(text, normal(10), 3)
    assert not executable.drivers
    assert any("'sort' has no native form" in reason for reason in executable.facts.reasons)


def test_sizes_from_data() -> None:
    x = normal(20)
    check(
        """
        graph @f(%x: f32[n]) {
          %zero: f32[] = constant() {value=0.0, dtype=f32}
          %m: bool[n] = gt(%x, %zero)
          %p: f32[k] = index(%x, %m) {dims=(0,)}
          %y: f32[k] = exp(%p)
          %d: int(k) = dim() {value=k}
          return %y, %d
        }""",
        x,
    )


def test_an_argument_is_written_to_by_assign_only() -> None:
    executable = compiled("""
    graph @f(%x: f32[n]) {
      %0: f32[n] = exp(%x)
      %1: f32[n] = neg(%0)
      assign(%x, %1)
      return %0
    }""")
    x = normal(10)
    kept = x.copy()
    (y,) = executable.run([x])
    np.testing.assert_allclose(y, np.exp(kept), rtol=1e-6)
    np.testing.assert_array_equal(x, -y)


def test_errors_name_the_users_line() -> None:
    executable = compiled("""
    graph @f(%x: f32[n], %i: int(i)) {
      %0: f32[n] = exp(%x)
      %1: f32[] = select(%0) {dim=0, index=i}
      return %1
    }""")
    with pytest.raises(IndexOutOfRange, match="index 7 is out of bounds") as caught:
        executable.run([normal(3), 7])
    assert str(caught.value.loc) == "/home/me/model.py:2"


def test_several_threads_run_one_executable() -> None:
    executable = compiled(SUM)
    inputs = [normal(100_000, seed=i) for i in range(4)]
    wanted = [executable.run([x])[0] for x in inputs]
    wrong: list[int] = []

    def work(i: int) -> None:
        for _ in range(50):
            if executable.run([inputs[i]])[0] != wanted[i]:
                wrong.append(i)

    workers = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for w in workers:
        w.start()
    for w in workers:
        w.join()
    assert not wrong


def test_code_and_facts_can_be_read() -> None:
    executable = compiled("""
    graph @f(%x: f32[n, m], %w: f32[m, m]) {
      %a: f32[n, m] = exp(%x)
      %k: f32[n, m] = matmul(%a, %w)
      %b: f32[n, m] = neg(%k)
      %y: f32[n, m] = tanh(%b)
      return %y
    }""")
    assert "def f_plan(args):" in executable.code("plan")
    assert "tanh(b)" in executable.code("kernels")
    assert "define void @fused_" in executable.code("llvm")
    assert ".globl\tfused_" in executable.code("asm")
    facts = executable.facts
    assert [g.split(": ")[1] for g in facts.groups] == [
        "exp (model.py:1)",
        "neg, tanh (model.py:3, 4)",
    ]
    assert facts.reasons == ("neg 'b' (/home/me/model.py:3): matmul is a library call",)
    assert facts.memory[0] == "'y' takes the memory of 'k'"
    with pytest.raises(ValueError, match="there is no code at stage 'ptx'"):
        executable.code("ptx")


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 10_000))
def test_random_graphs_mean_the_same_fused(seed: int) -> None:
    text, args = RandomGraph(seed).build(3 + seed % 14)
    fused = compile_graph(prepared(parse(text))).run(list(args))
    plain = compile_graph(parse(text)).run(list(args))
    assert_same(fused, list(interpret(parse(text), args)), 2e-4)
    assert_same(fused, plain, 2e-4)
