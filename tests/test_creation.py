"""Tensors from data, sizes and ranges."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import pytest

import jitorch as jt
from jitorch.errors import JitorchError


@pytest.mark.parametrize(
    ("data", "dtype", "shape"),
    [
        (1, jt.int64, ()),
        (1.5, jt.float32, ()),
        (True, jt.bool, ()),
        (1j, jt.complex64, ()),
        ([], jt.float32, (0,)),
        ([[], []], jt.float32, (2, 0)),
        ([1, 2.5], jt.float32, (2,)),
        ([True, 2], jt.int64, (2,)),
        ((1, 2), jt.int64, (2,)),
        (range(3), jt.int64, (3,)),
        (np.float64(2.5), jt.float64, ()),
        ([np.float64(2.5)], jt.float64, (1,)),
        ([np.int32(2)], jt.int32, (1,)),
        ([np.ones(2), np.zeros(2)], jt.float64, (2, 2)),
        (np.ones((2, 3), np.float16), jt.float16, (2, 3)),
    ],
)
def test_tensor(data: Any, dtype: jt.dtype, shape: tuple[int, ...]) -> None:
    x = jt.tensor(data)
    assert (x.dtype, x.shape) == (dtype, shape)


def test_tensor_copies_and_as_tensor_shares() -> None:
    array = np.zeros(2)
    copied, shared = jt.tensor(array), jt.as_tensor(array)
    array[0] = 1
    assert copied[0].item() == 0
    assert shared[0].item() == 1
    assert jt.as_tensor(shared) is shared
    assert jt.as_tensor(shared, dtype=jt.float32).dtype is jt.float32
    assert jt.as_tensor([1, 2]).dtype is jt.int64
    assert jt.tensor(shared) is not shared


def test_tensor_of_tensors() -> None:
    assert jt.tensor([jt.tensor(1), jt.tensor(2)]).tolist() == [1, 2]
    assert jt.tensor([jt.ones(2), jt.zeros(2)]).shape == (2, 2)


def test_tensor_dtype() -> None:
    assert jt.tensor([1.7], dtype=jt.int64).item() == 1
    assert jt.tensor([-1], dtype=jt.uint8).item() == 255
    assert jt.tensor([0, 2], dtype=jt.bool).tolist() == [False, True]


def test_legacy_constructor() -> None:
    assert jt.Tensor([1, 2]).dtype is jt.float32
    assert jt.Tensor(2, 3).shape == (2, 3)
    assert jt.Tensor().shape == (0,)


@pytest.mark.parametrize(
    ("act", "error", "message"),
    [
        (lambda: jt.tensor([[1, 2], [3]]), ValueError, "of length 2 at dim 1 (got 1)"),
        (lambda: jt.tensor([[[1], [2]], [[1], [2, 3]]]), ValueError, "length 1 at dim 2 (got 2)"),
        (lambda: jt.tensor([[1], 2]), ValueError, "of length 1 at dim 1 (got 0)"),
        (lambda: jt.tensor("a"), TypeError, "can't make a tensor of str"),
        (lambda: jt.tensor([None]), TypeError, "can't make a tensor of NoneType"),
        (lambda: jt.tensor(2**63), TypeError, "does not fit into 64 bits"),
        (lambda: jt.tensor([300], dtype=jt.uint8), TypeError, "without overflow"),
        (lambda: jt.tensor([1j], dtype=jt.float32), TypeError, "complex numbers can't"),
        (lambda: jt.tensor(np.ones(2, np.uint16)), TypeError, "uint16"),
        (lambda: jt.from_numpy(cast(Any, [1])), TypeError, "expected np.ndarray (got list)"),
        (lambda: jt.from_numpy(np.array(["a"])), TypeError, "the supported types are"),
        (lambda: jt.tensor(1.0, requires_grad=True), TypeError, "gradients"),
        (lambda: jt.tensor(1.0, device="tpu"), TypeError, "Expected one of cpu, cuda device type"),
        (lambda: jt.zeros(2, device="meta"), TypeError, "type at start of device string: meta"),
        (lambda: jt.zeros(2, -1), RuntimeError, "negative dimension -1"),
        (lambda: jt.arange(3, 1), RuntimeError, "bound inconsistent with step sign"),
        (lambda: jt.arange(0, 3, 0), RuntimeError, "step must be nonzero"),
        (lambda: jt.linspace(0, 1, -1), RuntimeError, "number of steps must be non-negative"),
        (lambda: jt.eye(-1), RuntimeError, "n must be greater or equal to 0, got -1"),
        (lambda: jt.full((2,), "a"), TypeError, "expected a number to fill a tensor with"),
        (lambda: jt.meshgrid(jt.ones(2), indexing="x"), TypeError, "one of 'xy' or 'ij'"),
        (lambda: jt.meshgrid(jt.ones(2, 2)), RuntimeError, "Expected 0D or 1D tensor"),
    ],
)
def test_refusals(act: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=re.escape(message)) as caught:
        act()
    assert isinstance(caught.value, JitorchError)


def test_filled() -> None:
    assert jt.zeros(2, 3).tolist() == jt.zeros((2, 3)).tolist() == [[0.0] * 3] * 2
    assert jt.ones(2, dtype=jt.int32).dtype is jt.int32
    assert jt.full((2,), 7).tolist() == [7, 7]
    assert jt.full(2, 2.5).tolist() == [2.5, 2.5]
    assert jt.full((2,), jt.tensor(3)).tolist() == [3, 3]
    assert jt.empty(2).shape == (2,)
    i = jt.tensor([[1, 2]])
    assert jt.zeros_like(i).tolist() == [[0, 0]]
    assert jt.ones_like(i, dtype=jt.float32).dtype is jt.float32
    assert jt.full_like(i, 2.7).tolist() == [[2, 2]]
    assert jt.empty_like(i).shape == (1, 2)
    assert i.new_zeros(2).dtype is i.new_ones((2, 3)).dtype is i.new_empty(1).dtype is jt.int64
    assert i.new_full((2,), 3).tolist() == [3, 3]
    assert i.new_tensor([1.5]).tolist() == [1]


def test_ranges() -> None:
    assert jt.arange(3).tolist() == [0, 1, 2]
    assert jt.arange(5, 0, -2).tolist() == [5, 3, 1]
    assert jt.arange(2, 2).tolist() == []
    assert jt.arange(0, 1, 0.25).tolist() == [0, 0.25, 0.5, 0.75]
    assert jt.linspace(0, 1, 5).tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert jt.linspace(3, 3, 1).tolist() == [3]
    assert jt.linspace(0, 1, 0).tolist() == []
    assert jt.linspace(0, 10, 5, dtype=jt.int64).tolist() == [0, 2, 5, 7, 10]
    assert jt.linspace(0.1, 0.7, 7, dtype=jt.float64)[-1].item() == 0.7
    assert jt.logspace(0, 2, 3).tolist() == [1, 10, 100]
    assert jt.logspace(0, 3, 4, base=2).tolist() == [1, 2, 4, 8]


def test_matrices() -> None:
    assert jt.eye(2).tolist() == [[1, 0], [0, 1]]
    assert jt.eye(2, 3, dtype=jt.int64).tolist() == [[1, 0, 0], [0, 1, 0]]
    a, b = jt.tensor([1, 2]), jt.tensor([3, 4, 5])
    for indexing in ("ij", "xy"):
        ours = jt.meshgrid(a, b, indexing=indexing)
        wanted = np.meshgrid([1, 2], [3, 4, 5], indexing=indexing)
        for x, y in zip(ours, wanted, strict=True):
            np.testing.assert_array_equal(x.numpy(), y)


def test_names() -> None:
    assert jt.float is jt.float32
    assert jt.double is jt.float64
    assert jt.half is jt.float16
    assert (jt.long, jt.int, jt.short) == (jt.int64, jt.int32, jt.int16)
    assert isinstance(jt.float32, jt.dtype)
    assert jt.newaxis is None
    assert jt.pi == np.pi
    assert jt.inf == float("inf")
    assert jt.nan != jt.nan
    assert jt.can_cast(jt.int64, jt.float32)
    assert not jt.can_cast(jt.float32, jt.int64)


def test_python_types_are_dtypes_and_other_things_are_refused() -> None:
    number: Any = float
    assert jt.zeros(2, dtype=number).dtype is jt.tensor([1], dtype=number).dtype is jt.float64
    assert jt.ones(2).to(int).dtype is jt.int64
    wrong: Any = "float32"
    for make in (jt.zeros, jt.ones, jt.rand, jt.randn, jt.tensor, jt.arange, jt.eye, jt.empty):
        with pytest.raises(TypeError, match=r"argument 'dtype' must be torch.dtype, not str"):
            make(3, dtype=wrong)


def test_errors_are_what_pytorch_raises() -> None:
    x = jt.ones(2, 3)
    cases: list[Callable[[], Any]] = [
        lambda: x @ x,
        lambda: x + jt.ones(4),
        lambda: jt.tensor([1]).add_(1.5),
        lambda: -jt.tensor([True]),
        lambda: x.gather(0, jt.tensor([[5]])),
        lambda: x.topk(5),
    ]
    for wrong in cases:
        with pytest.raises(RuntimeError):
            wrong()
    with pytest.raises(IndexError):
        x[5]
    with pytest.raises(TypeError):
        x + "a"
