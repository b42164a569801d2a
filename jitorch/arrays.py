"""Arrays from anything that a user may call data: numbers, nested lists, arrays, tensors."""

from __future__ import annotations

from typing import Any

import numpy as np

from jitorch.errors import ShapeMismatch, TypeMismatch
from jitorch.ir.promotion import default_dtype
from jitorch.ir.types import DType, from_numpy_dtype, known_dtype

Array = np.ndarray[Any, np.dtype[Any]]

_SCALARS = {"b": True, "i": 0, "f": 0.0, "c": 0j}


def as_array(data: Any, dtype: DType | None = None) -> Array:
    """Return a new array of the data. Python numbers get PyTorch's default dtypes.

    Raises TypeMismatch for what tensors can't hold, ShapeMismatch for ragged lists.
    """
    if hasattr(data, "numpy"):  # a tensor
        data = data.numpy()
    if hasattr(data, "__dlpack__") and not isinstance(data, np.ndarray):
        data = np.from_dlpack(data)
    dtype = None if dtype is None else known_dtype(dtype)
    python = _is_python(data)
    array = _array(_plain(data))
    if dtype is None:
        example = _SCALARS.get(array.dtype.kind) if python else None
        dtype = _dtype_of(array) if example is None else default_dtype(example)
    elif python and dtype.kind == "int" and array.dtype.kind == "i":
        _check_range(array, dtype)
    if array.dtype.kind == "c" and not dtype.is_complex and dtype.kind != "bool":
        raise TypeMismatch(f"complex numbers can't be converted to {dtype.name}")
    return array.astype(dtype.numpy, copy=False)


def _dtype_of(array: Array) -> DType:
    try:
        return from_numpy_dtype(array.dtype)
    except TypeError as error:
        raise TypeMismatch(str(error)) from None


def _plain(data: Any) -> Any:
    """Return nested sequences with arrays in place of tensors, which are copied from a GPU."""
    if isinstance(data, (list, tuple)):
        return [_plain(d) for d in data]
    if getattr(data, "is_cuda", False):
        data = data.cpu()
    return data.numpy() if hasattr(data, "numpy") else data


def _is_python(data: Any) -> bool:
    """Whether data is made of Python's numbers, which have no width of their own."""
    while isinstance(data, (list, tuple)) and len(data):
        data = data[0]
    return not (isinstance(data, (np.ndarray, np.generic)) or hasattr(data, "numpy"))


def _array(data: Any) -> Array:
    try:
        array = np.array(data)
    except ValueError:
        raise ShapeMismatch(_ragged(data, 0) or "expected sequences of equal length") from None
    except OverflowError as error:
        raise TypeMismatch(str(error)) from None
    if array.dtype.kind in "OUS" or (array.dtype == np.uint64 and _is_python(data)):
        raise TypeMismatch(_unusable(data))
    return array


def _ragged(data: Any, dim: int) -> str:
    """Return which list has not the length of its siblings."""
    if not isinstance(data, list) or not data or not isinstance(data[0], list):
        return ""
    for item in data[1:]:
        length = len(item) if isinstance(item, (list, tuple)) else 0
        if length != len(data[0]):
            return f"expected sequence of length {len(data[0])} at dim {dim + 1} (got {length})"
    return next(filter(None, (_ragged(item, dim + 1) for item in data)), "")


def _unusable(data: Any) -> str:
    """Return what is wrong with data that became an array of objects or of texts."""
    leaves = [data]
    while any(isinstance(d, (list, tuple)) for d in leaves):
        leaves = [x for d in leaves for x in (d if isinstance(d, (list, tuple)) else [d])]
    for leaf in leaves:
        if isinstance(leaf, int):
            continue
        if not isinstance(leaf, (float, complex, np.ndarray, np.generic)):
            return f"can't make a tensor of {type(leaf).__name__}"
    return "Overflow when unpacking long long: an integer does not fit into 64 bits"


def _check_range(array: Array, dtype: DType) -> None:
    info = np.iinfo(dtype.numpy)
    # Negative numbers wrap around in unsigned types, as in PyTorch.
    low = info.min if info.min else -info.max
    if array.size and (array.min() < low or array.max() > info.max):
        raise TypeMismatch(f"value cannot be converted to type {dtype.name} without overflow")
