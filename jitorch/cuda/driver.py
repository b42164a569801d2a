"""What the NVIDIA driver says of itself and its GPUs, asked without any CUDA package."""

from __future__ import annotations

import ctypes
import sys
from dataclasses import dataclass
from typing import Any

_LIBRARIES = {"win32": "nvcuda.dll"}
_LINUX = "libcuda.so.1"
_NO_DEVICE = 100
_MAJOR, _MINOR = 75, 76  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, _MINOR


class DriverError(Exception):
    """The driver did not answer; the message says to what."""


@dataclass(frozen=True)
class Gpu:
    """A GPU that the driver sees."""

    index: int
    name: str
    capability: tuple[int, int]
    memory: int


def library() -> Any:
    """Return the driver's library, None where there is none."""
    try:
        return ctypes.CDLL(_LIBRARIES.get(sys.platform, _LINUX))
    except OSError:
        return None


def version(driver: Any) -> int:
    """Return the newest CUDA that the driver knows, as it counts: 13000 for 13.0."""
    return _number(driver, "cuDriverGetVersion")


def gpus(driver: Any) -> list[Gpu]:
    """Return the GPUs that the driver sees."""
    status = int(driver.cuInit(0))
    if status == _NO_DEVICE:
        return []
    if status:
        raise DriverError(f"cuInit fails with error {status}")
    return [_gpu(driver, index) for index in range(_number(driver, "cuDeviceGetCount"))]


def _gpu(driver: Any, index: int) -> Gpu:
    handle = _number(driver, "cuDeviceGet", index)
    name = ctypes.create_string_buffer(256)
    _checked(driver, "cuDeviceGetName", name, len(name), handle)
    memory = ctypes.c_size_t()
    _checked(driver, "cuDeviceTotalMem_v2", ctypes.byref(memory), handle)
    major, minor = (_number(driver, "cuDeviceGetAttribute", a, handle) for a in (_MAJOR, _MINOR))
    return Gpu(index, name.value.decode(errors="replace"), (major, minor), int(memory.value))


def _number(driver: Any, function: str, *args: int) -> int:
    out = ctypes.c_int()
    _checked(driver, function, ctypes.byref(out), *args)
    return int(out.value)


def _checked(driver: Any, function: str, *args: Any) -> None:
    status = int(getattr(driver, function)(*args))
    if status:
        raise DriverError(f"{function} fails with error {status}")
