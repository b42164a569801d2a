"""The one module that knows CuPy. It loads it when CUDA is first asked for, and translates its errors.

`cupy` is None until then, so that whoever computes on the CPU pays for one look at it and no more.
Everybody else handles CUDA arrays by their NumPy-like interface, on the module that `cupy` then is.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import numpy as np

from jitorch.cuda import diagnosis
from jitorch.cuda.faults import Faults
from jitorch.device import CPU, device as Device
from jitorch.errors import CudaError, DeviceMismatch

cupy: Any = None
tf32 = False  # whether products of float32 may be computed in TF32


def load() -> Any:
    """Return CuPy, ready to compute. Raises CudaError, with what to do, where that can't be."""
    global cupy
    if cupy is None:
        module = diagnosis.imported()
        diagnosis.check(module)
        cupy = module
        if tf32:
            allow_tf32(tf32)
    return cupy


def allow_tf32(allowed: bool) -> None:
    """Let products of float32 be computed in TF32, or not; CuPy is told when it is loaded."""
    global tf32
    tf32 = allowed
    if cupy is None:
        return
    products = importlib.import_module("cupy._core._routines_linalg")
    kind = products.COMPUTE_TYPE_TF32 if allowed else products.COMPUTE_TYPE_DEFAULT
    with translated():
        products.set_compute_type(np.float32, kind)


def is_array(x: object) -> bool:
    """Whether `x` is an array in GPU memory."""
    return cupy is not None and isinstance(x, cupy.ndarray)


def is_data(x: object) -> bool:
    """Whether `x` is what tensors hold: an array in main or in GPU memory."""
    return isinstance(x, np.ndarray) or is_array(x)


@functools.cache
def _cuda(index: int) -> Device:
    return Device("cuda", index)


def device_of(array: Any) -> Device:
    """Return where an array is."""
    return CPU if isinstance(array, np.ndarray) else _cuda(int(array.device.id))


def named(place: Any) -> Device:
    """Return the device that a user means, with its number if it is a GPU. Asks for none to exist."""
    if place is CPU or place == "cpu":
        return CPU
    found = Device(place)
    if found.type == "cpu":
        return CPU
    if found.index is not None:
        return _cuda(found.index)
    # CUDA starts with device 0, which nobody can have changed before CuPy was loaded.
    return _cuda(0 if cupy is None else int(cupy.cuda.runtime.getDevice()))


def resolved(place: Any) -> Device:
    """Return the device that a user means. Raises CudaError unless it is there."""
    found = named(place)
    if found is CPU:
        return CPU
    module = load()
    count = int(module.cuda.runtime.getDeviceCount())
    if found.index is None or found.index >= count:
        there = ", ".join(f"cuda:{i}" for i in range(count))
        raise CudaError(f"CUDA error: invalid device ordinal: {found} (there is {there})")
    return found


@contextmanager
def on(place: Device) -> Iterator[None]:
    """Compute on a GPU within the block, and translate the errors of CuPy."""
    with load().cuda.Device(place.index), translated():  # told by the GPU that it is about
        yield


@contextmanager
def translated() -> Iterator[None]:
    """Raise what CuPy raises within the block in our words."""
    try:
        yield
    except Exception as error:
        told = diagnosis.in_words(error, cupy)
        if told is None:
            raise
        raise told from error


def common(operands: Sequence[Any]) -> Device | None:
    """Return the GPU that arrays are to be computed with on; None where all are in main memory.

    Arrays of no dimensions in main memory go with any. Raises DeviceMismatch for others.
    """
    found: Device | None = None
    in_main_memory = False
    for x in operands:
        if isinstance(x, np.ndarray):
            in_main_memory = in_main_memory or x.ndim > 0
        elif isinstance(x, cupy.ndarray):
            place = device_of(x)
            if found is not None and place is not found:
                raise DeviceMismatch.between(found, place)
            found = place
    if found is not None and in_main_memory:
        raise DeviceMismatch.between(found, CPU)
    return found


def place_of(operands: Sequence[Any], attrs: Mapping[str, Any]) -> Device | None:
    """Return the GPU that an op runs on: that of its operands, or the one it makes a tensor on."""
    if any(map(is_data, operands)):
        return common(operands)
    place = resolved(attrs.get("device", "cpu"))
    return None if place is CPU else place


def run(fn: Callable[..., Any], operands: Sequence[Any], attrs: Mapping[str, Any]) -> Any:
    """Return `fn(cupy, *operands, **attrs)` on the current GPU; arrays in main memory go there first."""
    there = [cupy.asarray(x) if isinstance(x, np.ndarray) else x for x in operands]
    return fn(cupy, *there, **attrs)


def beside(array: Any) -> AbstractContextManager[None]:
    """Compute where an array is within the block."""
    return nullcontext() if isinstance(array, np.ndarray) else on(device_of(array))


def moved(array: Any, place: object) -> Any:
    """Return an array on a device; itself if it is there."""
    target = resolved(place)
    if device_of(array) is target:
        return array
    if target is CPU:
        return to_host(array)
    with on(target):
        return cupy.asarray(array)


def copied(array: Any, place: object) -> Any:
    """Return a copy of an array on a device."""
    out = moved(array, place)
    return array.copy() if out is array else out


def to_host(array: Any) -> Any:
    """Return an array in main memory, a copy where it comes from a GPU."""
    if isinstance(array, np.ndarray):
        return array
    with on(device_of(array)):
        # Laid out as it was, so that strides keep their order.
        copy = array.get(order="A")
    faults.check()
    return copy


def _shared(count: int) -> tuple[Any, int]:
    """Return so many int64 in main memory that all GPUs can write to, and their address."""
    memory = load().cuda.alloc_pinned_memory(8 * count)
    return np.frombuffer(memory, np.int64, count), int(memory.ptr)


# To be checked by whoever has waited for a GPU.
faults = Faults(_shared)


def foreign(x: Any) -> Any:
    """Return another library's array in GPU memory as an array that shares it.

    CuPy's own, and what has `__cuda_array_interface__` or the DLPack protocol.
    """
    module = load()
    with translated():
        if isinstance(x, module.ndarray):
            return x
        if hasattr(x, "__cuda_array_interface__"):
            return module.asarray(x)
        return module.from_dlpack(x)


def is_foreign(x: Any) -> bool:
    """Whether another library's object is an array in GPU memory."""
    if isinstance(x, (np.ndarray, np.generic)):
        return False
    if hasattr(x, "__cuda_array_interface__"):
        return True
    return hasattr(x, "__dlpack_device__") and int(x.__dlpack_device__()[0]) in _DLPACK_CUDA


_DLPACK_CUDA = (2, 13)  # kDLCUDA, kDLCUDAManaged


def may_share_memory(a: Any, b: Any) -> bool:
    """Whether two arrays may overlap; those on different devices do not."""
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return isinstance(a, np.ndarray) and isinstance(b, np.ndarray) and np.may_share_memory(a, b)
    return device_of(a) is device_of(b) and bool(cupy.may_share_memory(a, b))


def special(module: Any) -> Any:
    """Return the special functions for arrays of a module: SciPy's, or CuPy's of the same names."""
    # Either costs too much to import before it is needed.
    return importlib.import_module("scipy.special" if module is np else "cupyx.scipy.special")
