"""Convolutions by tiles, against unrolled products in double precision."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

import jitorch as jt
from jitorch.codegen import direct, direct_text, llvm
from jitorch.nn import functional as F
from jitorch.ops.conv import conv_op
from tests.checking import check

pytestmark = pytest.mark.numba

PLAIN: dict[str, Any] = {
    "stride": (1, 1), "padding": (0, 0, 0, 0), "dilation": (1, 1), "groups": 1,
}  # fmt: skip
# Input, filters, attributes: more or fewer filters than a tile, rows shorter and longer than one, many blocks.
CASES: list[tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = [
    ((2, 3, 7, 9), (5, 3, 3, 3), {}),
    ((1, 8, 20, 56), (64, 8, 3, 3), {"padding": (1, 1, 1, 1)}),
    ((3, 4, 5, 5), (4, 4, 5, 5), {"padding": (2, 2, 2, 2)}),
    ((2, 8, 9, 30), (12, 4, 3, 2), {"padding": (0, 2, 1, 0), "dilation": (2, 3), "groups": 2}),
    ((1, 1, 1, 100), (8, 1, 1, 7), {}),
    ((5, 2, 3, 3), (9, 2, 3, 3), {}),
    ((1, 600, 9, 9), (8, 600, 3, 3), {"padding": (1, 1, 1, 1)}),
    ((1, 16, 40, 300), (7, 16, 2, 2), {"padding": (9, 0, 0, 9)}),
]


def normal(*shape: int, dtype: Any = np.float32) -> Any:
    return np.random.default_rng(0).standard_normal(shape).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("size", "filters", "attrs"), CASES)
def test_values(size: Any, filters: Any, attrs: Any, dtype: Any, monkeypatch: Any) -> None:
    x, w = normal(*size, dtype=dtype), normal(*filters, dtype=dtype)
    exact = conv_op.eager(np, x.astype(np.float64), w.astype(np.float64), **PLAIN | attrs)
    monkeypatch.setattr(direct, "conv_op", None)  # no way out
    found = direct.convolve(np, x, w, **PLAIN | attrs)
    assert found.dtype == dtype
    error = np.abs(found - exact).max() / np.abs(exact).max()
    assert error < (1e-5 if dtype == np.float32 else 1e-13)


@pytest.mark.parametrize(
    ("size", "filters", "attrs"),
    [
        ((2, 4, 6, 6), (8, 4, 3, 3), {"stride": (2, 1)}),
        ((2, 4, 6, 6), (8, 4, 1, 1), {}),
        ((2, 4, 6, 6), (4, 1, 3, 3), {"groups": 4}),
        ((0, 4, 6, 6), (8, 4, 3, 3), {}),
        ((2, 0, 6, 6), (8, 0, 3, 3), {}),
    ],
)
def test_what_is_left_to_the_unrolled_product(size: Any, filters: Any, attrs: Any) -> None:
    x, w = normal(*size), normal(*filters)
    expected = conv_op.eager(np, x, w, **PLAIN | attrs)
    np.testing.assert_array_equal(direct.convolve(np, x, w, **PLAIN | attrs), expected)


def block(x: Any, w: Any, b: Any) -> Any:
    y = F.conv2d(x, w, b, padding=1).relu()
    return F.conv2d(y.transpose(2, 3), w, padding="same", dilation=2) + x.transpose(2, 3)


def test_in_programs() -> None:
    w, b = jt.tensor(normal(6, 6, 3, 3)), jt.tensor(normal(6))
    calls = [(jt.tensor(normal(n, 6, 8, 5)), w, b) for n in (1, 3, 0)]
    check(block, *calls, compiled=True, rtol=1e-4)


def test_nan_and_infinity_stay_where_the_filter_meets_them() -> None:
    x, w = normal(1, 1, 6, 40), np.ones((4, 1, 3, 3), np.float32)
    x[0, 0, 2, 20], x[0, 0, 0, 39] = np.nan, np.inf
    found = direct.convolve(np, x, w, **PLAIN)
    expected = conv_op.eager(np, x, w, **PLAIN)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_threads_at_once() -> None:
    x, w = normal(4, 8, 30, 30), normal(8, 8, 3, 3)
    expected = direct.convolve(np, x, w, **PLAIN)
    found: list[Any] = []
    workers = [
        threading.Thread(target=lambda: found.append(direct.convolve(np, x, w, **PLAIN)))
        for _ in range(4)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(found) == 4
    for each in found:
        np.testing.assert_array_equal(each, expected)


@pytest.mark.parametrize(
    "tile", [direct_text.Tile(8, 3, 16), direct_text.Tile(8, 3, 4), direct_text.Tile(4, 3, 2)]
)
def test_the_text_of_other_processors_is_code(tile: direct_text.Tile) -> None:
    assert llvm.compile_llvm([direct_text.text("f32", tile, 3, 1)], "direct").data
