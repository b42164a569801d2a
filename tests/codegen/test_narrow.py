"""Long folds at few points: written out for the widths that a program meets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import jitorch as jt
from jitorch.codegen.kernel import Layout
from tests.checking import check

pytestmark = [pytest.mark.numba, pytest.mark.usefixtures("seed")]

Program = Callable[..., Any]


def several(x: Any) -> Any:
    w = x[0] + 1
    y = (x - x.mean(0)) * w
    return y.abs().sum(0), (y * y).mean(0, keepdim=True), y.argmax(0), w * 2, y


PROGRAMS: list[Program] = [
    lambda x: x.sum(0),
    lambda x: x.var(0),
    lambda x: jt.softmax(x, 0),
    lambda x: (x.amax(0), x.argmin(0)),
    lambda x: (x > 0).any(0),
    lambda x: x[:, ::2].sum(0),
    lambda x: (x * jt.arange(x.shape[0], dtype=x.dtype)[:, None]).amax(0),
    several,
]


@pytest.mark.parametrize("program", PROGRAMS)
def test_all_widths(program: Program) -> None:
    calls = []
    for rows, width in (
        (4096, 1),
        (5000, 2),
        (20_000, 3),
        (9000, 8),
        (5000, 33),
        (4095, 3),
        (0, 3),
    ):
        x = jt.randn(rows, width)
        if rows:
            x[rows // 2, 0] = float("nan")
        calls.append((x,))
    check(program, *calls, compiled=True, rtol=2e-4)


@pytest.mark.parametrize("dtype", ["float16", "float64", "int8", "uint8", "int64", "bool"])
def test_all_dtypes(dtype: str) -> None:
    x = jt.tensor((np.random.default_rng(0).standard_normal((5000, 3)) * 9).astype(dtype))
    check(lambda x: (x.sum(0), x.amax(0), x.argmax(0)), (x,), compiled=True, rtol=2e-3)


def test_several_axes_around() -> None:
    calls = [(jt.randn(2, 5000, *more),) for more in ((3,), (2, 2), (40,))]
    check(lambda x: (x.sum(1), x.std(1)), *calls, compiled=True, rtol=2e-4)
    check(lambda x: x.sum(0), (jt.randn(5000, 6, 7),), compiled=True, rtol=2e-4)


def test_the_long_range_is_shared() -> None:
    fn: Any = jt.script(lambda x: x.sum(0))
    fn(jt.ones(20_000, 3))
    (versions,) = fn._versions.values()
    kinds = {k.kernel.layout for k in versions[-1].program.kernels}
    assert kinds == {Layout.COLUMNS, Layout.SPLIT}
    fn(jt.ones(20_000, 70))
    kinds = {k.kernel.layout for k in versions[-1].program.kernels}
    assert kinds == {Layout.COLUMNS, Layout.SPLIT, Layout.BANDS}


def test_results_do_not_depend_on_the_number_of_threads() -> None:
    fn, before = jt.script(lambda x: x.sum(0)), jt.get_num_threads()
    for width in (3, 70):
        x = jt.randn(100_000, width)
        try:
            jt.set_num_threads(1)
            alone = fn(x)
            jt.set_num_threads(4)
            assert (fn(x) == alone).all()
        finally:
            jt.set_num_threads(before)


def test_names_with_suffixes_meet_no_others() -> None:
    def program(x: Any, x__1: Any) -> Any:
        x_1 = x * 2
        return (x_1 + x__1).sum(0), (x_1 * x).sum(0)

    check(program, (jt.randn(5000, 3), jt.randn(5000, 3)), compiled=True, rtol=1e-3)
