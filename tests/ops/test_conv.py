"""Convolutions and pooling against loops over the windows."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import jitorch as jt
import jitorch.nn.functional as F
from jitorch.errors import ShapeMismatch, TypeMismatch

RNG = np.random.default_rng(0)


def normal(*shape: int, dtype: Any = np.float32) -> Any:
    return RNG.standard_normal(shape).astype(dtype)


def naive(x: Any, w: Any, stride: Any, pads: Any, dilation: Any, groups: int) -> Any:
    """Return the convolution in double; `pads` is (above, below), (left, right)."""
    x = np.pad(x.astype(np.float64), ((0, 0), (0, 0), *pads))
    o, per_group, kh, kw = w.shape
    rows = (x.shape[2] - dilation[0] * (kh - 1) - 1) // stride[0] + 1
    columns = (x.shape[3] - dilation[1] * (kw - 1) - 1) // stride[1] + 1
    out = np.zeros((len(x), o, rows, columns))
    for k, y, z in itertools.product(range(o), range(rows), range(columns)):
        group = k // (o // groups) * per_group
        down = slice(y * stride[0], y * stride[0] + dilation[0] * (kh - 1) + 1, dilation[0])
        right = slice(z * stride[1], z * stride[1] + dilation[1] * (kw - 1) + 1, dilation[1])
        out[:, k, y, z] = (x[:, group : group + per_group, down, right] * w[k]).sum((1, 2, 3))
    return out


# channels, filters, kernel, stride, padding, dilation, groups
CASES = [
    (3, 4, (3, 3), (1, 1), (1, 1), (1, 1), 1),
    (3, 4, (3, 2), (2, 1), (0, 1), (1, 2), 1),
    (4, 6, (1, 1), (1, 1), (0, 0), (1, 1), 2),
    (4, 6, (1, 1), (2, 2), (0, 0), (1, 1), 1),
    (4, 8, (3, 3), (2, 2), (2, 1), (1, 1), 4),
    (3, 3, (3, 3), (1, 1), (1, 1), (2, 1), 3),
]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(
    "compiler", [lambda fn: fn, pytest.param(jt.script, marks=pytest.mark.numba)]
)
def test_conv2d(case: Any, dtype: Any, compiler: Callable[..., Any]) -> None:
    c, o, kernel, stride, padding, dilation, groups = case
    x, w = normal(3, c, 9, 8, dtype=dtype), normal(o, c // groups, *kernel, dtype=dtype)
    b = normal(o, dtype=dtype)

    def fn(x: Any, w: Any, b: Any) -> Any:
        return jt.relu(F.conv2d(x, w, b, stride, padding, dilation, groups))

    got = compiler(fn)(*map(jt.from_numpy, (x, w, b))).numpy()
    pads = [(p, p) for p in padding]
    want = naive(x, w, stride, pads, dilation, groups) + b[:, None, None]
    assert got.dtype == dtype
    np.testing.assert_allclose(got, np.maximum(want, 0), rtol=0, atol=3e-5)


def test_conv2d_in_many_blocks() -> None:
    x, w = normal(2, 40, 40, 33), normal(5, 40, 3, 3)
    got = F.conv2d(jt.from_numpy(x), jt.from_numpy(w), padding=1).numpy()
    want = naive(x, w, (1, 1), [(1, 1), (1, 1)], (1, 1), 1)
    np.testing.assert_allclose(got, want, rtol=0, atol=2e-4)


def test_padding_by_name() -> None:
    x, w = normal(2, 3, 6, 7), normal(4, 3, 2, 4)
    same = F.conv2d(jt.from_numpy(x), jt.from_numpy(w), padding="same").numpy()
    np.testing.assert_allclose(
        same, naive(x, w, (1, 1), [(0, 1), (1, 2)], (1, 1), 1), rtol=0, atol=1e-5
    )
    valid = F.conv2d(jt.from_numpy(x[0]), jt.from_numpy(w), padding="valid").numpy()
    np.testing.assert_allclose(
        valid, naive(x[:1], w, (1, 1), [(0, 0)] * 2, (1, 1), 1)[0], rtol=0, atol=1e-5
    )


def test_conv1d() -> None:
    x, w, b = normal(2, 4, 9), normal(6, 2, 3), normal(6)
    tensors = [jt.from_numpy(each) for each in (x, w, b)]
    got = F.conv1d(tensors[0], tensors[1], tensors[2], 2, 1, 1, 2).numpy()
    want = naive(x[:, :, None], w[:, :, None], (1, 2), [(0, 0), (1, 1)], (1, 1), 2)[:, :, 0]
    np.testing.assert_allclose(got, want + b[:, None], rtol=0, atol=1e-5)


@pytest.mark.parametrize("ceil", [False, True])
@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize(
    "compiler", [lambda fn: fn, pytest.param(jt.script, marks=pytest.mark.numba)]
)
def test_pools(ceil: bool, inside: bool, compiler: Callable[..., Any]) -> None:
    x = normal(2, 3, 8, 7)

    def fn(x: Any) -> Any:
        largest = F.max_pool2d(x, 3, 2, 1, ceil_mode=ceil)
        return largest, F.avg_pool2d(x, 3, 2, 1, ceil, not inside)

    largest, mean = (t.numpy() for t in compiler(fn)(jt.from_numpy(x)))
    rows, columns = (4 + ceil, 4)
    assert largest.shape == mean.shape == (2, 3, rows, columns)
    for y, z in itertools.product(range(rows), range(columns)):
        top, left = 2 * y - 1, 2 * z - 1
        part = x[:, :, max(top, 0) : top + 3, max(left, 0) : left + 3]
        count = (min(top + 3, 9) - top) * (min(left + 3, 8) - left)
        count = part.shape[2] * part.shape[3] if inside else count
        np.testing.assert_array_equal(largest[:, :, y, z], part.max((2, 3)))
        np.testing.assert_allclose(mean[:, :, y, z], part.sum((2, 3)) / count, atol=1e-6)


def test_misuse_is_refused() -> None:
    x, w = jt.ones(1, 2, 5, 5), jt.ones(4, 3, 3, 3)
    with pytest.raises(ShapeMismatch, match="to have 3 channels, but got 2 channels instead"):
        F.conv2d(x, w)
    with pytest.raises(ShapeMismatch, match=r"size per channel: \(5 x 5\). Kernel size: \(6 x 1\)"):
        F.conv2d(x, jt.ones(1, 2, 6, 1))
    with pytest.raises(ShapeMismatch, match="divisible by 2 at dimension 0"):
        F.conv2d(x, jt.ones(3, 1, 3, 3), groups=2)
    with pytest.raises(ShapeMismatch, match="expected bias to be 1-dimensional with 4 elements"):
        F.conv2d(x, jt.ones(4, 2, 3, 3), jt.ones(3))
    with pytest.raises(TypeMismatch, match='"conv2d" not implemented for int64'):
        F.conv2d(jt.ones(1, 1, 3, 3, dtype=jt.int64), jt.ones(1, 1, 1, 1, dtype=jt.int64))
    with pytest.raises(ValueError, match="not supported for strided"):
        F.conv2d(x, jt.ones(4, 2, 3, 3), stride=2, padding="same")
    with pytest.raises(ValueError, match="at most half of kernel size"):
        F.max_pool2d(x, 2, padding=2)
