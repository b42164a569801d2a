"""The Tensor: what it is, conversion, writing in place, and its manners with Python and NumPy."""

from __future__ import annotations

import copy
import operator
import pickle
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import jitorch as jt
from jitorch.errors import IndexOutOfRange, JitorchError, ShapeMismatch, TypeMismatch


def matrix() -> Any:
    return jt.arange(6.0).reshape(2, 3)


# What it is.


def test_facts() -> None:
    x = matrix()
    assert x.shape == (2, 3) == x.size()
    assert isinstance(x.shape, jt.Size)
    assert (x.ndim, x.dim(), x.numel(), x.nelement(), len(x)) == (2, 2, 6, 6, 2)
    assert (x.size(-1), x.shape.numel(), x.itemsize, x.nbytes, x.element_size()) == (3, 6, 4, 24, 4)
    assert (x.stride(), x.stride(0), x.T.stride()) == ((3, 1), 3, (1, 3))
    assert (x.is_contiguous(), x.T.is_contiguous()) == (True, False)
    assert (x.dtype, x.device, x.requires_grad, x.grad) == (
        jt.float32,
        jt.device("cpu"),
        False,
        None,
    )
    assert (x.is_floating_point(), x.is_complex(), x.is_signed()) == (True, False, True)
    assert x.data_ptr() == x.numpy().ctypes.data
    assert x.is_same_size(x + 1)
    assert jt.is_tensor(x)
    assert jt.numel(x) == 6
    assert jt.is_floating_point(x)
    assert not jt.is_complex(x)
    with pytest.raises(IndexOutOfRange, match=r"expected to be in range of \[-2, 1\]"):
        x.size(2)


def test_size() -> None:
    size = jt.Size([2, 3])
    assert size.__add__((4,)) == (2, 3, 4)
    assert isinstance(size.__add__((4,)), jt.Size)
    assert isinstance(size[:1], jt.Size)
    assert size[0] == 2


def test_attributes_that_are_views() -> None:
    x = matrix()
    x.T[0, 1] = 9
    x.mT[2, 0] = 8
    assert x.tolist() == [[0, 1, 8], [9, 4, 5]]
    z = jt.tensor([1 + 2j, 3])
    assert (z.real.tolist(), z.imag.tolist(), z.reshape(1, 2).H.tolist()) == (
        [1, 3],
        [2, 0],
        [[1 - 2j], [3 - 0j]],
    )


# Python's protocols.


def test_python_numbers() -> None:
    assert (int(jt.tensor(3)), float(jt.tensor([2.5])), complex(jt.tensor(1j))) == (3, 2.5, 1j)
    assert bool(jt.tensor([[1]]))
    assert not jt.tensor(0.0)
    assert [10, 20][jt.tensor(1)] == 20
    assert list(range(jt.tensor(2))) == [0, 1]
    assert jt.tensor([5]).item() == 5
    assert type(jt.tensor(1, dtype=jt.int8).item()) is int


def test_iteration() -> None:
    assert [row.tolist() for row in matrix()] == [[0, 1, 2], [3, 4, 5]]
    first, second = jt.tensor([1, 2])
    assert (first.item(), second.item()) == (1, 2)
    assert 3 in matrix()
    assert 7 not in matrix()


def test_identity() -> None:
    x = matrix()
    assert len({x, x, x.clone()}) == 2
    assert (x == None) is False  # noqa: E711
    assert (x != "a") is True
    assert (x == x).all()


def test_operators() -> None:
    x, i = jt.tensor([1.0, -2.0]), jt.tensor([7, -7])
    assert (5 - x).tolist() == [4, 7]
    assert (2 / x).tolist() == [2, -1]
    assert (2 ** i.abs()).tolist() == [128, 128]
    assert (7 // jt.tensor([2, -2])).tolist() == [3, -4]
    assert (7 % jt.tensor([4, -4])).tolist() == [3, -1]
    assert (1 << jt.tensor([0, 3])).tolist() == [1, 8]
    assert (~jt.tensor([True, False])).tolist() == [False, True]
    assert (i & 3 | 8 ^ 1).tolist() == [(7 & 3) | (8 ^ 1), (-7 & 3) | (8 ^ 1)]
    assert (-x).tolist() == [-1, 2]
    assert (+x).tolist() == [1, -2]
    assert abs(x).tolist() == [1, 2]
    assert (x @ x).item() == 5


def test_copies() -> None:
    x = matrix()
    for twin in (copy.deepcopy(x), pickle.loads(pickle.dumps(x.T)).T, x.clone()):
        assert jt.equal(twin, x)
        twin.zero_()
    assert x.sum().item() == 15
    shared = [x, x]
    a, b = copy.deepcopy(shared)
    assert a is b


@pytest.mark.parametrize(
    ("act", "error", "message"),
    [
        (lambda: bool(matrix()), RuntimeError, "more than one value is ambiguous"),
        (lambda: bool(jt.tensor([])), RuntimeError, "no values is ambiguous"),
        (lambda: matrix().item(), RuntimeError, "a Tensor with 6 elements cannot be converted"),
        (lambda: int(matrix()), ValueError, "cannot be converted to Scalar"),
        (lambda: len(jt.tensor(1)), TypeError, "len() of a 0-d tensor"),
        (lambda: list(jt.tensor(1)), TypeError, "iteration over a 0-d tensor"),
        (lambda: [1][jt.tensor(0.0)], TypeError, "only integer tensors of a single element"),
        (lambda: matrix().to([3]), TypeError, "to() received an invalid argument"),
        (lambda: matrix().to("tpu"), TypeError, "Expected one of cpu, cuda device type"),
        (lambda: matrix().cuda("cpu"), TypeError, "Invalid device, must be cuda device: cpu"),
        (lambda: matrix().requires_grad_(), TypeError, "gradients are not part"),
        (lambda: matrix().T.view(6), RuntimeError, "view size is not compatible"),
        (lambda: jt.device("cpu:x"), TypeError, "Invalid device string"),
    ],
)
def test_refusals(act: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=re.escape(message)) as caught:
        act()
    assert isinstance(caught.value, (JitorchError, TypeError))


# Conversion.


def test_to() -> None:
    x = matrix()
    assert x.to(jt.float32) is x
    assert x.to("cpu") is x.to(jt.device("cpu")) is x.cpu() is x
    assert x.to(jt.float64).dtype is x.to(jt.zeros(1, dtype=jt.float64)).dtype is jt.float64
    assert x.to("cpu", jt.int32).dtype is jt.int32
    assert x.to(jt.float32, copy=True) is not x
    assert x.detach() is x
    assert jt.tensor([1.9, -1.9]).long().tolist() == [1, -1]
    assert jt.tensor(300).to(jt.uint8).item() == 44
    assert jt.tensor([1 + 2j]).to(jt.float32).tolist() == [1]


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        ("float", jt.float32),
        ("double", jt.float64),
        ("half", jt.float16),
        ("long", jt.int64),
        ("int", jt.int32),
        ("short", jt.int16),
        ("char", jt.int8),
        ("byte", jt.uint8),
        ("bool", jt.bool),
    ],
)
def test_conversion_methods(name: str, dtype: jt.dtype) -> None:
    x = jt.tensor([0.0, 1.0])
    converted = getattr(x, name)()
    assert converted.dtype is dtype
    assert converted.tolist() == [0, 1]
    assert getattr(converted, name)() is converted
    assert x.type_as(converted).dtype is dtype


def test_type() -> None:
    assert matrix().type() == "torch.FloatTensor"
    assert matrix().type("torch.IntTensor").dtype is jt.int32
    assert matrix().type(jt.int8).dtype is jt.int8


def test_view() -> None:
    x = matrix()
    x.view(3, 2)[0, 0] = 7
    assert x[0, 0].item() == 7
    assert x.view(jt.int32)[0, 1].item() == 1065353216
    assert x.reshape(6).numpy().base is not None


# Writing in place.


def test_in_place_methods_return_the_tensor() -> None:
    x = jt.tensor([1.0, 4.0])
    assert x.add_(1).mul_(2).sub_(1).div_(3) is x
    assert x.tolist() == [1, 3]
    assert x.sqrt_().neg_().abs_().pow_(2).round_().tolist() == [1, 3]
    assert x.clamp_(max=2).masked_fill_(x > 1, 5).tolist() == [1, 5]
    assert x.fill_(3).zero_().copy_(jt.tensor([1, 2])).tolist() == [1, 2]
    assert x.exp_().log_().lerp_(jt.zeros(2), 0.5).tolist() == pytest.approx([0.5, 1])
    assert x.multiply_(2).subtract_(1).tolist() == pytest.approx([0, 1], abs=1e-6)
    assert jt.ones(2, 2).tril_().triu_().tolist() == [[1, 0], [0, 1]]


@pytest.mark.parametrize(
    ("sign", "value", "wanted"),
    [
        ("iadd", 2, [9, -5]),
        ("isub", 2, [5, -9]),
        ("imul", 2, [14, -14]),
        ("ifloordiv", 2, [3, -4]),
        ("imod", 4, [3, 1]),
        ("ipow", 2, [49, 49]),
        ("iand", 6, [6, 0]),
        ("ior", 8, [15, -7]),
        ("ixor", 1, [6, -8]),
        ("ilshift", 1, [14, -14]),
        ("irshift", 1, [3, -4]),
    ],
)
def test_in_place_operators(sign: str, value: int, wanted: list[int]) -> None:
    x = jt.tensor([7, -7])
    alias = x
    out = getattr(operator, sign)(x, value)
    assert out is x
    assert alias.tolist() == wanted


def test_in_place_division() -> None:
    x = jt.tensor([3.0])
    x /= 2
    assert x.item() == 1.5


def test_writing_through_views() -> None:
    x = jt.zeros(3, 3)
    x.diagonal().fill_(1)
    x[0].add_(2)
    x[:, 1] *= 5
    x.T[2, 1] = 7
    x.reshape(9)[8] = 9
    x.expand(2, 3, 3)[1, 2, 0] = 4
    assert x.tolist() == [[3, 10, 2], [0, 5, 7], [4, 0, 9]]


def test_results_do_not_share_memory() -> None:
    i, b = jt.tensor([1, 2]), jt.tensor([True])
    for make in (jt.round, jt.floor, jt.ceil, jt.trunc, jt.abs, jt.conj, jt.real, jt.relu):
        make(i).add_(1)
    b.sign().logical_not_()
    assert i.tolist() == [1, 2]
    assert b.tolist() == [True]


def test_overlapping_copies() -> None:
    x = jt.arange(5)
    x[1:] = x[:-1]
    assert x.tolist() == [0, 0, 1, 2, 3]


def _read_only() -> Any:
    array = np.ones(2)
    array.flags.writeable = False
    return jt.from_numpy(array)


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: jt.tensor([1]).add_(1.5), "result type Float can't be cast to the desired"),
        (lambda: jt.tensor([1]).div_(2), "desired output type Long"),
        (lambda: jt.tensor([True]).add_(1), "result type Long can't be cast to the desired"),
        (lambda: jt.ones(2).mul_(1j), "result type ComplexFloat"),
        (lambda: jt.ones(2).add_(jt.ones(2, 2)), "output with shape [2] doesn't match"),
        (lambda: jt.ones(1).add_(jt.ones(2)), "doesn't match the broadcast shape [2]"),
        (lambda: jt.ones(2).copy_(jt.ones(3)), "must match the size of tensor b (3)"),
        (lambda: jt.ones(1).expand(3).add_(1), "more than one element of the written-to tensor"),
        (lambda: jt.ones(1).expand(3).copy_(jt.ones(3)), "more than one element"),
        (lambda: jt.tensor([1]).fill_(1j), "value cannot be converted to type int64"),
        (lambda: _read_only().add_(1), "read-only array"),
    ],
)
def test_refused_writes(act: Callable[[], Any], message: str) -> None:
    with pytest.raises((TypeMismatch, ShapeMismatch), match=re.escape(message)):
        act()


def test_fill_of_shared_elements_is_allowed() -> None:
    x = jt.ones(1)
    x.expand(3).fill_(4)
    assert x.item() == 4


def test_integers_keep_their_dtype() -> None:
    assert jt.tensor([1]).fill_(2.7).item() == 2
    assert jt.tensor([1, 2]).copy_(jt.tensor([1.9, -1.9])).tolist() == [1, -1]
    assert jt.tensor([3, 250], dtype=jt.uint8).add_(300).tolist() == [47, 38]
    assert (jt.tensor([127], dtype=jt.int8) + 1).item() == -128


# NumPy and others.


def test_memory_is_shared_with_numpy() -> None:
    array = np.zeros(3)
    x = jt.from_numpy(array)
    x[0] = 1
    array[1] = 2
    assert x.tolist() == array.tolist() == [1, 2, 0]
    assert x.numpy() is array
    assert np.asarray(x) is array or np.shares_memory(np.asarray(x), array)
    assert np.array(x, dtype=np.int32).tolist() == [1, 2, 0]
    assert jt.from_numpy(array[::-1])[0].item() == 0


def test_ufuncs_give_tensors() -> None:
    x = jt.tensor([1.0, 4.0])
    assert jt.equal(np.sqrt(x), jt.tensor([1.0, 2.0]))
    assert np.add(x, np.array([1.0, 2.0])).dtype is jt.float64
    assert np.maximum(2, x).tolist() == [2, 4]
    assert np.add.reduce(x).item() == 5
    assert np.spacing(x).dtype is jt.float32
    array = np.ones(2)
    array += x
    assert array.tolist() == [2, 5]
    out = jt.zeros(2)
    np.multiply(x, 2, out=out.numpy())
    assert out.tolist() == [2, 8]


def test_numpy_functions_give_tensors() -> None:
    x = matrix()
    for result, wanted in (
        (np.sum(x, axis=0), [3, 5, 7]),
        (np.mean(x, axis=1, keepdims=True), [[1], [4]]),
        (np.concatenate([x, x])[2], [0, 1, 2]),
        (np.where(x > 2, x, 0), [[0, 0, 0], [3, 4, 5]]),
        (np.stack([x[0], x[1]], 1)[0], [0, 3]),
        (np.clip(x, 1, 4)[0], [1, 1, 2]),
        (np.transpose(x)[0], [0, 3]),
        (np.split(x, 2)[1], [[3, 4, 5]]),
        (np.einsum("ij->i", x), [3, 12]),
    ):
        assert isinstance(result, jt.Tensor)
        assert result.tolist() == wanted
    assert np.shape(x) == (2, 3)


def test_numpy_names_of_arguments() -> None:
    x = matrix()
    assert x.sum(axis=0).tolist() == [3, 5, 7]
    amax: Any = jt.amax
    assert amax(x, axis=1, keepdims=True).tolist() == [[2], [5]]


def test_functions_take_arrays() -> None:
    a = np.arange(6.0).reshape(2, 3)
    assert jt.sum(a, 0).tolist() == [3, 5, 7]
    assert jt.softmax(a, 1).dtype is jt.float64
    assert jt.cat([a, jt.ones(1, 3)]).shape == (3, 3)
    assert jt.where(a > 2, a, 0.0).sum().item() == 12
    assert jt.exp(a[0]).dtype is jt.float64
    assert jt.mse_loss(a, a).item() == 0
    assert jt.zeros_like(a).dtype is jt.float64


def test_dlpack() -> None:
    x = matrix()
    assert np.shares_memory(np.from_dlpack(x), x.numpy())
    assert x.__dlpack_device__() == (1, 0)
    assert jt.from_dlpack(np.arange(3)).tolist() == [0, 1, 2]

    class Other:
        """An array of another library."""

        __dlpack__ = x.__dlpack__
        __dlpack_device__ = x.__dlpack_device__

    assert jt.as_tensor(Other()).tolist() == x.tolist()
    assert jt.tensor(Other()).tolist() == x.tolist()
    assert (x + Other()).tolist() == (x * 2).tolist()
