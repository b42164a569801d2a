"""Tensors on GPUs, eagerly: making, moving, mixing, printing, sharing."""

from __future__ import annotations

import copy
import pickle
import re
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import jitorch as jt
from jitorch.errors import DeviceMismatch, IndexOutOfRange, ShapeMismatch, TypeMismatch
from tests.cuda.pretend import Machine

pytestmark = pytest.mark.usefixtures("machine")


def there(*values: float) -> Any:
    return jt.tensor(values, device="cuda")


# Devices.


def test_device_objects() -> None:
    assert str(jt.device("cuda")) == "cuda"
    assert jt.device("cuda:1") == jt.device("cuda", 1) == jt.device(1)
    assert jt.device("cuda") != jt.device("cuda:0")
    assert repr(jt.device("cuda:0")) == "device(type='cuda', index=0)"
    assert jt.device(jt.device("cuda:1")).index == 1
    with pytest.raises(TypeMismatch, match="Invalid device string: 'cuda:x'"):
        jt.device("cuda:x")
    with pytest.raises(TypeMismatch, match="must not include an index"):
        jt.device("cuda:1", 1)


def test_what_a_tensor_says_of_its_device() -> None:
    x = there(1.0, 2.0)
    assert (x.device, x.is_cuda, x.get_device()) == (jt.device("cuda:0"), True, 0)
    assert (x.cpu().device, x.cpu().is_cuda, x.cpu().get_device()) == (jt.device("cpu"), False, -1)
    assert x.dtype is jt.float32
    assert (x.stride(), x.is_contiguous(), x.nbytes) == ((1,), True, 8)
    assert x.data_ptr() != 0


# Moving.


def test_moving() -> None:
    x = jt.tensor([1.0, 2.0])
    y = x.cuda()
    assert y.cuda() is y
    assert y.to("cuda:0") is y
    assert y.to(jt.device("cuda:0")) is y
    assert str(y.to("cuda:1").device) == "cuda:1"
    assert str(y.cuda(1).device) == "cuda:1"
    assert str(x.to(1).device) == "cuda:1"
    assert y.cpu().tolist() == [1, 2]
    assert x.cpu() is x
    z = x.to(device="cuda:1", dtype=jt.float64)
    assert (str(z.device), z.dtype) == ("cuda:1", jt.float64)
    w = x.to(z)
    assert (str(w.device), w.dtype) == ("cuda:1", jt.float64)
    assert y.to(jt.int64).tolist() == [1, 2]
    assert str(y.to("cuda:1", jt.int64).device) == "cuda:1"


def test_moving_copies() -> None:
    x = jt.zeros(2)
    y = x.cuda()
    y[0] = 5
    assert (x.tolist(), y.tolist()) == ([0, 0], [5, 0])
    z = y.to("cuda:0", copy=True)
    z[1] = 7
    assert y.tolist() == [5, 0]


def test_layout_survives_the_way_there_and_back() -> None:
    x = jt.arange(6).reshape(2, 3).T
    assert x.cuda().stride() == x.stride()
    assert x.cuda().cpu().stride() == x.stride()
    assert x.cuda().tolist() == x.tolist()


def test_copies_and_pickles_stay_on_their_device() -> None:
    x = jt.tensor([1.0, 2.0], device="cuda:1")
    for twin in (copy.deepcopy(x), pickle.loads(pickle.dumps(x)), x.clone()):
        assert (str(twin.device), twin.tolist()) == ("cuda:1", [1, 2])


# Making.


@pytest.mark.parametrize(
    "make",
    [
        lambda **on: jt.tensor([1, 2], **on),
        lambda **on: jt.as_tensor([1, 2], **on),
        lambda **on: jt.as_tensor(np.arange(3), **on),
        lambda **on: jt.zeros(2, 3, **on),
        lambda **on: jt.ones((2,), **on),
        lambda **on: jt.full((2,), 7, **on),
        lambda **on: jt.full((2,), jt.tensor(7), **on),
        lambda **on: jt.empty(2, **on),
        lambda **on: jt.arange(5, **on),
        lambda **on: jt.linspace(0, 1, 5, **on),
        lambda **on: jt.logspace(0, 1, 5, **on),
        lambda **on: jt.eye(3, **on),
        lambda **on: jt.rand(2, **on),
        lambda **on: jt.randn(2, **on),
        lambda **on: jt.randint(9, (3,), **on),
        lambda **on: jt.randperm(4, **on),
        lambda **on: jt.zeros_like(jt.ones(2), **on),
        lambda **on: jt.rand_like(jt.ones(2), **on),
        lambda **on: jt.ones(2).new_zeros(3, **on),
        lambda **on: jt.ones(2).new_tensor([1], **on),
    ],
)
def test_making(make: Callable[..., Any]) -> None:
    jt.manual_seed(1)
    there = make(device="cuda:1")
    jt.manual_seed(1)
    here = make(device="cpu")
    assert (str(there.device), str(here.device)) == ("cuda:1", "cpu")
    assert there.dtype is here.dtype
    assert there.tolist() == here.tolist()


def test_lists_of_tensors_are_read() -> None:
    x = there(1.0, 2.0)
    made = jt.tensor([x[0], x[1] * 3])
    assert (str(made.device), made.tolist()) == ("cpu", [1, 6])
    assert jt.tensor([x[0]], device="cuda:1").tolist() == [1]


def test_what_follows_a_tensor() -> None:
    x = jt.ones(2, 3, device="cuda:1")
    made = [
        jt.zeros_like(x), jt.full_like(x, 2), jt.rand_like(x), jt.randn_like(x),
        jt.randint_like(x, 3), x.new_zeros(2), x.new_ones(2), x.new_full((2,), 3), x.new_empty(1),
        x.new_tensor([1]), jt.bernoulli(x), jt.nn.functional.dropout(x), jt.normal(x, x),
        jt.nn.functional.one_hot(x.long(), 3), jt.tensor(x), jt.as_tensor(x),
    ]  # fmt: skip
    assert {str(m.device) for m in made} == {"cuda:1"}


def test_the_current_device_decides() -> None:
    with jt.cuda.device(1):
        assert str(jt.zeros(2, device="cuda").device) == "cuda:1"
        assert str(jt.zeros(2).cuda().device) == "cuda:1"
    assert str(jt.zeros(2, device="cuda").device) == "cuda:0"


# Computing.


def test_ops_stay_on_the_device() -> None:
    x = jt.tensor([[1.0, 2.0], [3.0, 4.0]], device="cuda:1")
    for y in (x + 1, 1 - x, x.exp(), x @ x, x.sum(), x.T, x[0], x[:, :1], x[[0, 1, 0]], x > 2):
        assert str(y.device) == "cuda:1"
    assert (x[[1, 0]] * 2).tolist() == [[6, 8], [2, 4]]
    assert x[x > 2].tolist() == [3, 4]
    assert x[jt.tensor([1])].tolist() == [[3, 4]]  # indices may be in main memory
    assert x.sort(1, descending=True).values.tolist() == [[2, 1], [4, 3]]
    assert jt.where(x > 2, x, 0.0).tolist() == [[0, 0], [3, 4]]
    assert jt.nn.functional.gelu(x).device == x.device
    assert jt.softmax(x, 1).sum(1).round(decimals=4).tolist() == [1, 1]


def test_promotion_is_that_of_the_cpu() -> None:
    i, f = jt.tensor([1, 2], device="cuda"), jt.tensor([0.5], device="cuda", dtype=jt.float16)
    assert (i + 1.5).dtype is jt.float32
    assert (i * f).dtype is jt.float16
    assert (i / 2).tolist() == [0.5, 1.0]
    assert (i // 0).tolist() == [0, 0]


def test_python_numbers() -> None:
    x = there(3.0)
    assert (float(x), int(x), bool(x), x.item()) == (3.0, 3, True, 3.0)
    assert f"{x.sum():.1f}" == "3.0"
    assert [10, 20][jt.tensor(1, device="cuda")] == 20
    assert [row.item() for row in there(1.0, 2.0)] == [1, 2]
    with pytest.raises(ShapeMismatch, match="more than one value is ambiguous"):
        bool(there(1.0, 2.0))


def test_writing() -> None:
    x = jt.zeros(4, device="cuda:1")
    x[0] = 1
    x[1:3] = jt.tensor([2.0, 3.0])  # from main memory, as PyTorch copies it
    x += 1
    x[jt.tensor([3])] = 9.0
    x[x == 2] = -1.0
    x.mul_(2)
    assert x.tolist() == [-2, 6, 8, 18]
    view = x[:2]
    view.fill_(5)
    assert x.tolist() == [5, 5, 8, 18]
    x.copy_(jt.arange(4))
    assert x.tolist() == [0, 1, 2, 3]
    main = jt.zeros(4)
    main.copy_(x)
    assert main.tolist() == [0, 1, 2, 3]
    assert (str(x.device), str(main.device)) == ("cuda:1", "cpu")
    for change in (x.uniform_, x.normal_, x.bernoulli_, x.exponential_, x.random_):
        assert change() is x


def test_an_index_beyond_the_end_is_an_error() -> None:
    x = there(1.0, 2.0)
    with pytest.raises(IndexOutOfRange, match="index 2 is out of bounds for dimension 0 with size"):
        x[[0, 2]]
    with pytest.raises(IndexOutOfRange, match="index -3 is out of bounds"):
        x[jt.tensor([-3])] = 0.0
    with pytest.raises(IndexOutOfRange, match="index 5 is out of bounds"):
        jt.gather(x, 0, jt.tensor([5], device="cuda"))


def test_adding_at_repeated_indices() -> None:
    at = jt.tensor([0, 0, 2], device="cuda")
    for dtype in (jt.int64, jt.int8, jt.uint8, jt.float32, jt.bool):
        x, new = jt.ones(3, device="cuda").to(dtype), jt.ones(3, device="cuda").to(dtype)
        wanted = jt.index_add(x.cpu(), 0, at.cpu(), new.cpu())
        assert jt.index_add(x, 0, at, new).tolist() == wanted.tolist()
    x = jt.tensor([-5, 2**62, 0])
    new = jt.tensor([-1, 2**62, 2**62])
    at = jt.tensor([0, 1, 1])
    there = jt.scatter_add(x.cuda(), 0, at.cuda(), new.cuda())
    assert there.tolist() == jt.scatter_add(x, 0, at, new).tolist()


def test_shifts_beyond_the_width() -> None:
    for dtype in (jt.int8, jt.uint8, jt.int64):
        x = jt.tensor([1, 3, 100, 77]).to(dtype)
        x[1] = x[1] * -1 if dtype.is_signed else x[1]
        y = jt.tensor([1, 9, 64, 7]).to(dtype)
        for shift in (jt.bitwise_left_shift, jt.bitwise_right_shift):
            assert shift(x.cuda(), y.cuda()).tolist() == shift(x, y).tolist()


def test_views_share_memory() -> None:
    x = jt.zeros(2, 3, device="cuda")
    x.view(6)[0] = 1
    x.T[2, 1] = 2
    x.diagonal()[1] = 3
    assert x.tolist() == [[1, 0, 0], [0, 3, 2]]
    with pytest.raises(ShapeMismatch, match="view size is not compatible"):
        x.T.view(6)


# Mixing.


@pytest.mark.parametrize(
    ("act", "found"),
    [
        (lambda a, b: a + jt.zeros(2), "cuda:0 and cpu!"),
        (lambda a, b: jt.zeros(2) + a, "cuda:0 and cpu!"),
        (lambda a, b: a + b, "cuda:0 and cuda:1!"),
        (lambda a, b: jt.zeros(2) * jt.tensor(1.0, device="cuda"), "cuda:0 and cpu!"),
        (lambda a, b: jt.where(a > 0, jt.zeros(2), a), "cuda:0 and cpu!"),
        (lambda a, b: jt.cat([a, jt.zeros(2)]), "cuda:0 and cpu!"),
        (lambda a, b: a @ jt.zeros(2), "cuda:0 and cpu!"),
        (lambda a, b: a.add_(b), "cuda:0 and cuda:1!"),
        (lambda a, b: np.zeros(2) + a, "cuda:0 and cpu!"),
    ],
)
def test_devices_do_not_mix(act: Callable[[Any, Any], Any], found: str) -> None:
    a, b = jt.ones(2, device="cuda:0"), jt.ones(2, device="cuda:1")
    message = "Expected all tensors to be on the same device, but found at least two devices, "
    with pytest.raises(DeviceMismatch, match=re.escape(message + found)) as caught:
        act(a, b)
    assert isinstance(caught.value, RuntimeError)
    assert "x.to('cuda:0')" in str(caught.value)


def test_numbers_in_main_memory_go_with_any_device() -> None:
    x = jt.ones(2, device="cuda:1")
    assert (x + jt.tensor(2.0)).tolist() == [3, 3]
    assert (jt.tensor(2.0) * x).device == x.device
    assert jt.where(x > 0, jt.tensor(5.0), x).tolist() == [5, 5]
    assert (x + np.float32(1)).tolist() == [2, 2]


# Printing.


def test_printing() -> None:
    assert repr(there(1.0)) == "tensor([1.], device='cuda:0')"
    x = jt.tensor([1.0], device="cuda:1", dtype=jt.float64)
    assert repr(x) == "tensor([1.], device='cuda:1', dtype=torch.float64)"
    empty = jt.zeros(0, 2, device="cuda")
    assert repr(empty) == "tensor([], device='cuda:0', size=(0, 2))"
    assert repr(jt.ones(1)) == "tensor([1.])"


# NumPy and the others.


def test_numpy_needs_main_memory() -> None:
    x = there(1.0)
    message = (
        "can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() to copy the tensor to "
        "host memory first."
    )
    for act in (x.numpy, lambda: np.asarray(x), lambda: np.sort(x), lambda: jt.from_numpy(x)):
        with pytest.raises(TypeError, match=re.escape(message) + "|expected np.ndarray"):
            act()
    assert x.numpy(force=True).tolist() == [1.0]
    assert np.exp(there(0.0)).device == x.device


def test_arrays_of_cupy() -> None:
    cupy = sys.modules["cupy"]
    a = cupy.zeros(3)
    for x in (jt.as_tensor(a), jt.asarray(a), jt.from_dlpack(a)):
        x[0] += 1
        assert x.is_cuda
    assert a[0].item() == 3.0
    y = jt.tensor(a)
    y[0] = 9
    assert a[0].item() == 3.0
    assert (jt.ones(3, device="cuda") + a).tolist() == [4, 1, 1]
    assert jt.as_tensor(a, device="cpu").tolist() == [3, 0, 0]


def test_cupy_takes_ours() -> None:
    cupy = sys.modules["cupy"]
    x = jt.zeros(2, device="cuda:1")
    assert x.__dlpack_device__() == (2, 1)
    cupy.from_dlpack(x)[0] = 4
    assert x.tolist() == [4, 0]
    assert x.__cuda_array_interface__["shape"] == (2,)
    assert x.__dlpack__(stream=7)[2] == 7
    with cupy.cuda.Device(1):
        cupy.asarray(x)[1] = 5
    assert x.tolist() == [4, 5]


def test_dtypes_that_tensors_lack() -> None:
    cupy = sys.modules["cupy"]
    with pytest.raises(TypeMismatch, match="uint16"):
        jt.as_tensor(cupy.asarray(np.ones(2, np.uint16)))


def test_main_memory_has_no_cuda_array_interface() -> None:
    assert not hasattr(jt.zeros(2), "__cuda_array_interface__")
    assert jt.zeros(2).__dlpack_device__() == (1, 0)
    with pytest.raises(AttributeError, match=r"non-CUDA tensor type: torch\.FloatTensor"):
        _ = jt.zeros(2).__cuda_array_interface__


def test_the_cpu_goes_on_as_before(machine: Machine) -> None:
    there(1.0)
    assert (jt.ones(2) + 1).tolist() == [2, 2]
    assert type((jt.ones(2) + 1).numpy()) is np.ndarray
