"""What is joined along the outermost dimension is computed where it will lie."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import jitorch as jt
from tests.checking import check

pytestmark = [pytest.mark.numba, pytest.mark.usefixtures("seed")]

Program = Callable[..., Any]


def halves(x: Any, y: Any) -> Any:
    return jt.cat([x * 2, y + 1])


def with_arguments(x: Any, y: Any) -> Any:
    return jt.cat([x, y.exp(), x[:1], y.exp() + x.sum()], 0)


def stacked(x: Any, y: Any) -> Any:
    return jt.stack([x + y, x - y, x])


def along_the_second(x: Any, y: Any) -> Any:
    return jt.cat([x * 2, y + 1], 1), jt.stack([x * 2, y + 1], -1)


def under_one(x: Any, y: Any) -> Any:
    return jt.cat([(x * 2)[None], (y + 1)[None]], 1)


def seen_elsewhere(x: Any, y: Any) -> Any:
    a, b = x * 2, y + 1
    return jt.cat([a, b, b]), a


def of_two_dtypes(x: Any, y: Any) -> Any:
    return jt.cat([x.double() * 2, y + 1])


def folded(x: Any, y: Any) -> Any:
    return jt.cat([x.sum(0, keepdim=True), jt.softmax(y, 1)])


def smoothed(x: Any, y: Any) -> Any:
    inner = (x[:-2] + x[2:]) / 2
    return jt.cat([x[:1], inner, x[-1:]])


def in_a_loop(x: Any, y: Any) -> Any:
    parts = []
    for i in range(3):
        y = jt.cat([y[1:] * i, x[:1] + i])
        parts.append(y)
    return jt.stack(parts)


def turned(x: Any, y: Any) -> Any:
    return jt.cat([(x * 2).T, (y + 1).T]), jt.cat(
        [(x + 1)[:, None].expand(-1, 2, -1), y[:, None]], 1
    )


def joined_twice(x: Any, y: Any) -> Any:
    return jt.cat([jt.cat([x + 1, y + 2]) * 3, x + 4])


PROGRAMS = [
    halves,
    with_arguments,
    stacked,
    along_the_second,
    under_one,
    seen_elsewhere,
    of_two_dtypes,
    folded,
    smoothed,
    in_a_loop,
    joined_twice,
    turned,
]


@pytest.mark.parametrize("program", PROGRAMS)
def test_joined_tensors_are_those_of_eager_mode(program: Program) -> None:
    calls = []
    for shape in ((4, 3), (5, 1), (5000, 3), (300, 300)):
        x, y = jt.randn(*shape), jt.randn(*shape)
        calls += [(x, y), (x, y.flip(0))]
    check(program, *calls, compiled=True, rtol=1e-3)


def test_nothing_may_be_joined() -> None:
    check(halves, (jt.ones(0, 3), jt.ones(0, 3)), (jt.ones(0, 3), jt.ones(2, 3)), compiled=True)


def test_parts_are_not_copied() -> None:
    fn = jt.script(halves)
    x = jt.ones(3, 3)
    fn(x, x)
    (versions,) = fn._versions.values()
    program: Any = versions[-1].program
    assert "concatenate" not in program.code("plan")
    assert program.code("plan").count("joined_") > 2
    assert str(fn.explain(x, x)).count("is made in") == 2


def test_sizes_that_only_run_time_tells() -> None:
    def program(x: Any) -> Any:
        return jt.cat([x * 2, x[x > 0] + 1])

    check(program, (jt.randn(50),), compiled=True)


def test_numpy_functions_join_too() -> None:
    def smooth(x: Any) -> Any:
        return np.concatenate([x[:1], (x[:-2] + x[2:]) / 2, x[-1:]])

    x = np.random.default_rng(0).standard_normal(50)
    np.testing.assert_allclose(jt.script(smooth)(x), smooth(x))
