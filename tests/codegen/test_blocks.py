"""Operands that lie across the loops are turned in small squares."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import jitorch as jt
from jitorch.codegen import steps
from jitorch.codegen.kernel import Layout
from tests.checking import assert_same

pytestmark = pytest.mark.numba

PROGRAMS: list[Callable[[Any], Any]] = [
    lambda x: x.T * 2 + 1,
    lambda x: x.T.exp() + x.reshape(x.shape[1], x.shape[0]),
    lambda x: (x.reshape(x.shape[1], x.shape[0]) == x.T, x.T * x.T),
    lambda x: x.T * 1.5 + jt.arange(x.shape[0]),
    lambda x: jt.stack([x, x + 1, x * 3, x]).permute(1, 2, 0) * 2,
    lambda x: jt.stack([x, x + 1]).permute(2, 0, 1) * 2,
]


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("dtype", [jt.float32, jt.float64, jt.float16, jt.int64, jt.bool])
def test_turned_operands(program: Callable[[Any], Any], dtype: Any) -> None:
    fn = jt.script(program)
    for shape in ((1, 1), (3, 200), (64, 64), (65, 130), (0, 4), (200, 63), (7, 1)):
        x = (jt.randn(*shape) * 3).to(dtype)
        assert_same(fn(x), fn.eager(x), str(shape), 1e-2 if dtype is jt.float16 else 1e-5)


def test_layout() -> None:
    @jt.script
    def fn(x: Any, y: Any) -> Any:
        return x.T + y

    x = jt.rand(300, 70)
    assert_same(fn(x, x.T.contiguous()), x.T * 2, "sum", 1e-6)
    (version,) = next(iter(fn._versions.values()))
    (kernel,) = version.program.kernels  # type: ignore[attr-defined]
    assert kernel.kernel.layout is Layout.BLOCKS


def test_arguments_that_lie_across(monkeypatch: pytest.MonkeyPatch) -> None:
    turning = steps.turning()
    monkeypatch.setattr(turning, "plans", {})
    fn = jt.script(lambda x: (x * 2 + 1, x.sum(0)))
    big = jt.randn(70, 60, 50)
    x = [
        big.permute(2, 0, 1),
        big.permute(1, 2, 0),
        big.transpose(0, 2),
        big[::2].permute(2, 1, 0),  # with gaps: read as it is
        jt.randn(3, 4, 5).permute(2, 1, 0),  # too small to matter
    ]
    for each in x:
        before = each.clone()
        assert_same(fn(each), fn.eager(each), str(each.shape), 1e-5)
        assert_same(each, before, "left alone")
    orders = [(2, 0, 1), (1, 2, 0), (2, 1, 0)]
    assert sorted(turning.plans) == sorted(("f32", order) for order in orders)
    assert big.is_contiguous()
