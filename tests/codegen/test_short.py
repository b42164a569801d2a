"""Folds over few elements: written out for the lengths that a program meets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import jitorch as jt
from jitorch.codegen.kernel import Layout
from tests.checking import assert_same, check

pytestmark = pytest.mark.numba


def distances(x: Any, y: Any) -> Any:
    return ((x[:, None] - y[None]) ** 2).sum(-1).sqrt()


def several(x: Any, y: Any) -> Any:
    centred = x - x.mean(1, keepdim=True)
    return centred.exp(), centred.amax(1), (centred * 2).sum(1), x.argmax(1)


PROGRAMS: list[Callable[[Any, Any], Any]] = [
    distances,
    several,
    lambda x, y: jt.softmax(x, 1),
    lambda x, y: jt.log_softmax(x, 0),
    lambda x, y: x.sum(0),
    lambda x, y: x.var(1),
    lambda x, y: (x.reshape(-1, 2, x.shape[1] // 2) * 3).sum((1, 2)),
    lambda x, y: (x > 0).all(1),
    lambda x, y: (x * 2).amin(1, keepdim=True) - x,
]


@pytest.mark.parametrize("program", PROGRAMS)
def test_all_lengths(program: Callable[[Any, Any], Any]) -> None:
    fn = jt.script(program)
    for length in (2, 4, 6, 8, 16, 18, 3, 40):
        if length % 2 and program is PROGRAMS[6]:
            continue
        for rows in (1, 5, 300):
            x, y = jt.randn(rows, length), jt.randn(7, length)
            x[0, 0] = float("nan")
            assert_same(fn(x, y), fn.eager(x, y), f"{rows} rows of {length}", 1e-5)


@pytest.mark.parametrize("dtype", [jt.float64, jt.float16, jt.int32, jt.uint8])
def test_dtypes(dtype: Any) -> None:
    @jt.script
    def fn(x: Any) -> Any:
        return x.sum(1), x.amax(1), (x * x).prod(1)

    for length in (2, 3, 9):
        x = jt.randint(0, 5, (33, length)).to(dtype)
        assert_same(fn(x), fn.eager(x), f"{dtype}, {length}", 1e-2)


def test_nothing_to_fold_and_no_rows() -> None:
    @jt.script
    def fn(x: Any) -> Any:
        return (x * 2).sum(1)

    for shape in ((3, 0), (0, 3), (0, 0), (3, 2)):
        x = jt.ones(*shape)
        assert_same(fn(x), fn.eager(x), str(shape), 1e-6)


def test_inside_loops() -> None:
    @jt.script
    def fn(x: Any, n: int) -> Any:
        for _ in range(n):
            x = x - (x * x).sum(1, keepdim=True) / 10
        return x

    x = jt.rand(50, 3)
    assert_same(fn(x, 4), fn.eager(x, 4), "loop", 1e-5)


def test_strided_rows() -> None:
    @jt.script
    def fn(x: Any) -> Any:
        return (x + 1).sum(1)

    base = np.arange(600.0).reshape(100, 6)
    for view in (base[:, ::2], base[::-1, :3], base[:4].T, base[:3].T):
        assert_same(fn(view), fn.eager(view), str(view.strides), 1e-12)


def test_one_kernel_for_each_short_length_and_one_for_all_others() -> None:
    @jt.script
    def fn(x: Any) -> Any:
        return jt.softmax(x, 1)

    for length in (3, 3, 8, 100, 200, 3, 50):
        fn(jt.ones(9, length))
    (version,) = next(iter(fn._versions.values()))
    layouts = [k.kernel.layout for k in version.program.kernels]  # type: ignore[attr-defined]
    assert sorted(layouts, key=str) == [Layout.ROWS, Layout.SHORT, Layout.SHORT]


def test_sizes_that_no_operand_has() -> None:
    def spread(x: Any, n: int) -> Any:
        return (x.reshape(1, -1).expand(n, x.shape[0]) * 2).sum(1)

    check(spread, *((jt.arange(3.0), n) for n in (1, 5, 9)), compiled=True)


def test_views_whose_strides_have_sizes_of_their_own() -> None:
    def rows(x: Any) -> Any:
        return (x[0, :, :3] * 2).sum(1), (x[..., 1].t() * 2).sum(0)

    check(rows, (jt.arange(60.0).reshape(3, 4, 5),), compiled=True)
