"""Tensors from data: numbers, nested lists, arrays of NumPy and others."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np

from jitorch import dispatch
from jitorch.arrays import Array, as_array
from jitorch.cuda import adapter
from jitorch.dispatch import apply
from jitorch.errors import TypeMismatch
from jitorch.ir.builder import Operators
from jitorch.ir.dims import Sym
from jitorch.ir.opdef import OPS
from jitorch.ir.promotion import widen
from jitorch.ir.types import DType, from_numpy_dtype
from jitorch.ops.create import number_dtype, placed
from jitorch.ops.join import stack
from jitorch.tensor import Tensor, wrap

__all__ = ["as_tensor", "asarray", "from_dlpack", "from_numpy", "is_tensor", "numel", "tensor"]


def tensor(
    data: Any, *, dtype: DType | None = None, device: object = None, requires_grad: bool = False
) -> Any:
    """Return a new tensor with a copy of `data`: numbers, nested lists, an array, a tensor.

    Python's floats give the default dtype (float32) and integers int64; arrays, tensors and NumPy's
    numbers keep their dtype.

    >>> jt.tensor([[1, 2], [3, 4]])
    tensor([[1, 2],
            [3, 4]])
    """
    place = placed(device)
    if requires_grad:
        raise TypeMismatch("gradients are not part of this version", hint="leave requires_grad out")
    if isinstance(data, Tensor):
        return data.to(dtype or data.dtype, device=device, copy=True)
    if adapter.is_foreign(data):
        return _from_gpu(data).to(dtype, device=device, copy=True)
    current = dispatch.current()
    if current is not None and any(map(_at_run_time, _leaves(data))):
        kinds = [number_dtype(x) for x in _leaves(data)]
        made = _stacked(data, functools.reduce(widen, kinds) if dtype is None else dtype)
        return made.to(device=device)
    made = wrap(as_array(data, dtype))
    if current is not None:
        made = current.capture(made)  # type: ignore[attr-defined]
    return made.to(**place) if place else made


def _leaves(data: Any) -> Iterator[Any]:
    if not isinstance(data, (list, tuple)):
        yield data
        return
    for item in data:
        yield from _leaves(item)


def _at_run_time(x: Any) -> bool:
    """Whether a number is one of a program that is being recorded."""
    return isinstance(x, Sym) or (isinstance(x, Operators) and type(x) is not Tensor)


def _stacked(data: Any, dtype: DType) -> Any:
    """Return numbers that only run time knows as a tensor."""
    if isinstance(data, (list, tuple)):
        return stack([_stacked(item, dtype) for item in data])
    return apply(OPS["cast"], data, dtype=dtype)


def from_numpy(ndarray: Array) -> Tensor:
    """Return a tensor that shares memory with the array.

    >>> a = np.zeros(2)
    >>> x = jt.from_numpy(a)
    >>> a[0] = 7
    >>> x
    tensor([7., 0.], dtype=torch.float64)
    """
    current = dispatch.current()
    if isinstance(ndarray, Tensor) and current is not None and not getattr(current, "numpy", True):
        return ndarray  # an array among the arguments of a program on tensors
    if not isinstance(ndarray, np.ndarray):
        raise TypeMismatch(f"expected np.ndarray (got {type(ndarray).__name__})")
    return _shared(ndarray)


def _shared(array: Any) -> Tensor:
    """Return a tensor that shares an array's memory. Raises TypeMismatch for foreign dtypes."""
    try:
        from_numpy_dtype(array.dtype)
    except TypeError as error:
        raise TypeMismatch(str(error)) from None
    return wrap(array)


def _from_gpu(x: Any) -> Tensor:
    """Return a tensor that shares the memory of another library's array on a GPU."""
    return _shared(adapter.foreign(x))


def as_tensor(data: Any, dtype: DType | None = None, device: object = None) -> Any:
    """Return `data` as a tensor, sharing memory where that is possible."""
    if isinstance(data, Tensor):
        return data.to(dtype, device=device)
    if isinstance(data, np.ndarray):
        made = from_numpy(data)
    elif adapter.is_foreign(data):
        made = _from_gpu(data)
    elif hasattr(data, "__dlpack__") and not isinstance(data, np.generic):
        made = from_dlpack(data)
    else:
        return tensor(data, dtype=dtype, device=device)
    return made.to(dtype, device=device)


asarray = as_tensor


def from_dlpack(ext_tensor: Any) -> Tensor:
    """Return a tensor that shares memory with another library's array, by the DLPack protocol.

    An array on a GPU gives a tensor there.
    """
    if adapter.is_foreign(ext_tensor):
        return _from_gpu(ext_tensor)
    return from_numpy(np.from_dlpack(ext_tensor))


def is_tensor(obj: object) -> bool:
    """Return whether an object is a tensor."""
    return isinstance(obj, Tensor)


def numel(input: Tensor) -> int:
    """Return the number of elements."""
    count: int = input.numel()
    return count
