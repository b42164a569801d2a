"""Which GPUs there are, and which one is the current."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jitorch.cuda import adapter
from jitorch.device import device as Device
from jitorch.errors import CudaError, TypeMismatch
from jitorch.philox import default_generator


def is_available() -> bool:
    """Return whether tensors can be put on a GPU: CuPy, a driver and a GPU are there.

    >>> jt.cuda.is_available() == (jt.cuda.device_count() > 0)
    True
    """
    try:
        adapter.load()
    except CudaError:
        return False
    return True


def device_count() -> int:
    """Return the number of GPUs, 0 where CUDA can't be used."""
    return int(adapter.load().cuda.runtime.getDeviceCount()) if is_available() else 0


def init() -> None:
    """Load CuPy now instead of with the first tensor. Raises CudaError where CUDA can't be used."""
    adapter.load()


def is_initialized() -> bool:
    """Return whether CUDA has been used in this process."""
    return adapter.cupy is not None


def place(device: Any) -> Device:
    """Return the GPU that an argument `device` means: the current one for None."""
    found = adapter.resolved("cuda" if device is None else device)
    if found.type != "cuda":
        raise TypeMismatch(f"Expected a cuda device, but got: {found}")
    return found


def current_device() -> int:
    """Return the number of the GPU that `device="cuda"` means."""
    return int(adapter.load().cuda.runtime.getDevice())


def set_device(device: Any) -> None:
    """Make a GPU the one that `device="cuda"` means, in this thread."""
    found = place(device)
    with adapter.translated():
        adapter.load().cuda.runtime.setDevice(found.index)


class device:
    """A context in which a GPU is the current one; None leaves it as it is.

    >>> with jt.cuda.device(1):  # doctest: +SKIP
    ...     x = jt.zeros(3, device="cuda")
    >>> x.device  # doctest: +SKIP
    device(type='cuda', index=1)
    """

    def __init__(self, device: Any) -> None:
        self._place = None if device is None else place(device)
        self._entered: list[Any] = []

    def __enter__(self) -> device:
        index = current_device() if self._place is None else self._place.index
        context = adapter.load().cuda.Device(index)
        context.__enter__()
        self._entered.append(context)
        return self

    def __exit__(self, *error: object) -> None:
        self._entered.pop().__exit__(*error)


def synchronize(device: Any = None) -> None:
    """Wait until a GPU has done all it was asked for; errors of earlier work show here."""
    found = place(device)
    with adapter.translated():
        adapter.load().cuda.Device(found.index).synchronize()
    adapter.faults.check()


@dataclass(frozen=True)
class DeviceProperties:
    """What a GPU is."""

    name: str
    major: int
    minor: int
    total_memory: int
    multi_processor_count: int
    warp_size: int
    max_threads_per_multi_processor: int
    shared_memory_per_multiprocessor: int
    L2_cache_size: int


# Ours: CUDA's name, as CuPy gives it.
_PROPERTIES = {
    "major": "major",
    "minor": "minor",
    "total_memory": "totalGlobalMem",
    "multi_processor_count": "multiProcessorCount",
    "warp_size": "warpSize",
    "max_threads_per_multi_processor": "maxThreadsPerMultiProcessor",
    "shared_memory_per_multiprocessor": "sharedMemPerMultiprocessor",
    "L2_cache_size": "l2CacheSize",
}


def get_device_properties(device: Any = None) -> DeviceProperties:
    """Return what a GPU is: its name, compute capability, memory and processors."""
    found = place(device)
    with adapter.translated():
        told = adapter.load().cuda.runtime.getDeviceProperties(found.index)
    name = told["name"]
    numbers = {ours: int(told[theirs]) for ours, theirs in _PROPERTIES.items()}
    return DeviceProperties(name.decode() if isinstance(name, bytes) else str(name), **numbers)


def get_device_name(device: Any = None) -> str:
    """Return the name of a GPU."""
    return get_device_properties(device).name


def get_device_capability(device: Any = None) -> tuple[int, int]:
    """Return the compute capability of a GPU, such as (9, 0)."""
    told = get_device_properties(device)
    return told.major, told.minor


def manual_seed(seed: int) -> None:
    """Start the generator over with a seed. All devices draw from one, so this is `jt.manual_seed`."""
    default_generator.manual_seed(seed)


def manual_seed_all(seed: int) -> None:
    """As `manual_seed`."""
    default_generator.manual_seed(seed)
