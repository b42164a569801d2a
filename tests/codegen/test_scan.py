"""Running folds as kernels: their results on all layouts, and how they are launched."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

import jitorch as jt
from jitorch.codegen.runtime import Executable
from jitorch.codegen.scan import BAND, PART
from jitorch.ir.types import BY_TAG
from tests.codegen.support import check, compiled

pytestmark = pytest.mark.numba


@pytest.fixture
def four_threads() -> Iterator[None]:
    """Run on four threads; the number is what it was afterwards."""
    before = jt.get_num_threads()
    jt.set_num_threads(4)
    yield
    jt.set_num_threads(before)


def graph(op: str, tag: str, rank: int, dim: int, layout: str = "") -> str:
    sizes = ", ".join("nmkl"[:rank])
    return f"""
        graph @f(%x: {tag}[{sizes}{layout}]) {{
          %y: {tag}[{sizes}] = {op}(%x) {{dim={dim}}}
          return %y
        }}"""


def numbers(tag: str, *shape: int) -> np.ndarray:
    """Return numbers whose float sums are exact, and whose products stay small."""
    return np.random.default_rng(3).integers(-2, 3, shape).astype(BY_TAG[tag].numpy)


def scans(executable: Executable) -> int:
    return len(executable.scans)


@pytest.mark.parametrize("tag", ["f16", "f32", "f64", "u8", "i8", "i16", "i32", "i64"])
@pytest.mark.parametrize("op", ["cumsum", "cumprod"])
def test_every_dtype(op: str, tag: str) -> None:
    for size in (1, 3, 4, 15, 16, 39):
        executable = check(graph(op, tag, 2, 1), numbers(tag, 5, size), tolerance=0)
        assert scans(executable) == 1
        check(graph(op, tag, 2, 0), numbers(tag, size, 11), tolerance=0)
        check(graph(op, tag, 2, 0), numbers(tag, size, 2), tolerance=0)


@pytest.mark.parametrize("dim", [0, 1, 2])
@pytest.mark.parametrize("shape", [(0, 3, 2), (2, 0, 3), (2, 3, 0), (1, 1, 1), (4, 1, BAND + 9)])
def test_shapes(shape: tuple[int, ...], dim: int) -> None:
    check(graph("cumsum", "f32", 3, dim), numbers("f32", *shape), tolerance=0)


def test_without_dimensions() -> None:
    text = """
        graph @f(%x: f32[]) {
          %y: f32[] = cumsum(%x) {dim=0}
          return %y
        }"""
    assert scans(check(text, np.array(-0.0, np.float32), tolerance=0)) == 1


@pytest.mark.parametrize("dim", [0, 1])
def test_strided_arguments(dim: int) -> None:
    text = graph("cumsum", "f32", 2, dim, "; strided")
    x = numbers("f32", 40, 60)
    for view in (x, x.T, x[::-1, ::2], x[:, 5:6]):
        assert scans(check(text, view, tolerance=0)) == 1


@pytest.mark.parametrize("size", [2 * PART, 2 * PART + 1, 5 * PART + 77])
@pytest.mark.parametrize("tag", ["f32", "f64", "i32"])
@pytest.mark.usefixtures("four_threads")
def test_long_lines_are_cut(tag: str, size: int) -> None:
    check(graph("cumsum", tag, 2, 1), numbers(tag, 3, size), tolerance=0)


@pytest.mark.parametrize("tag", ["f16", "f32", "f64"])
def test_nan_and_infinities(tag: str) -> None:
    text = graph("cumsum", tag, 1, 0)
    for special in ([np.nan], [np.inf], [-np.inf], [np.inf, -np.inf], [-0.0, -0.0]):
        for at in (0, 7, 30):
            x = numbers(tag, 60)
            x[at : at + len(special)] = special
            check(text, x, tolerance=0)
    check(text, np.full(40, -0.0, BY_TAG[tag].numpy), tolerance=0)


def test_sums_beyond_single_precision_may_come_back() -> None:
    big = np.float32(3e38)
    x = np.array([-big, big, big, -big] * 10 + [big, big, -big, -big] * 10, np.float32)
    (got,) = compiled(graph("cumsum", "f32", 1, 0)).run([x])
    with np.errstate(over="ignore"):
        wanted = x.astype(np.float64).cumsum().astype(np.float32)
    np.testing.assert_array_equal(got, wanted)


def test_products_of_floats_are_not_regrouped() -> None:
    x = np.array([1e-30, 1e30, 1e30, 1e-30] * 8, np.float32)
    for tag in ("f32", "f64"):
        check(graph("cumprod", tag, 1, 0), x.astype(BY_TAG[tag].numpy), tolerance=0)


def test_sums_are_more_accurate_than_plain_ones() -> None:
    x = np.random.default_rng(0).standard_normal(1 << 18).astype(np.float32)
    exact = x.astype(np.float64).cumsum()
    (got,) = compiled(graph("cumsum", "f32", 1, 0)).run([x])
    assert np.abs(got - exact).max() < 0.2 * np.abs(x.cumsum() - exact).max()


@pytest.mark.parametrize(("shape", "dim"), [((1, 200_001), 1), ((300, 1000), 1), ((500, 700), 0)])
@pytest.mark.usefixtures("four_threads")
def test_the_number_of_threads_changes_nothing(shape: tuple[int, ...], dim: int) -> None:
    x = np.random.default_rng(0).standard_normal(shape)
    executable = compiled(graph("cumsum", "f64", 2, dim))
    results = []
    for count in (1, 2, 3, 7):
        jt.set_num_threads(count)
        results += [executable.run([x])[0] for _ in range(5)]
    np.testing.assert_allclose(results[0], x.cumsum(dim), atol=1e-9)
    for other in results:
        np.testing.assert_array_equal(other, results[0])


def test_other_dtypes_are_library_calls() -> None:
    executable = check(graph("cumsum", "bool", 1, 0), np.array([False, True, False]))
    assert scans(executable) == 0
    check(graph("cumsum", "c64", 1, 0), np.array([1j, 2], np.complex64), tolerance=0)


def test_kernels_around_it_and_its_memory() -> None:
    executable = check(
        """
        graph @f(%x: f32[n, m]) {
          %a: f32[n, m] = exp(%x)
          %s: f32[n, m] = cumsum(%a) {dim=1}
          %y: f32[n, m] = tanh(%s)
          return %y
        }""",
        np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4),
        kernels=2,
    )
    facts = executable.facts
    assert any(line.startswith("scan_") and "cumsum (model.py:2)" in line for line in facts.groups)
    assert any("cumsum is a kernel of its own" in reason for reason in facts.reasons)
    assert "'y' takes the memory of 's'" in facts.memory
    for stage in ("kernels", "llvm", "asm"):
        assert "scan_" in executable.code(stage)


def test_in_a_loop() -> None:
    check(
        """
        graph @f(%x: f32[n, m], %k: int) {
          %go: bool = constant() {value=True}
          %y: f32[n, m] = loop(%k, %go, %x) (%i: int, %a: f32[n, m]) {
            %b: f32[n, m] = cumsum(%a) {dim=1}
            %c: f32[n, m] = tanh(%b)
            %on: bool = constant() {value=True}
            yield %on, %c
          }
          return %y
        }""",
        np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4),
        3,
    )
