"""The memory of GPUs. Tensors take it from CuPy's pool, as CuPy's own arrays do."""

from __future__ import annotations

from typing import Any

from jitorch.cuda import adapter
from jitorch.cuda.devices import place


def memory_allocated(device: Any = None) -> int:
    """Return the bytes that tensors (and arrays of CuPy) hold on a GPU."""
    with adapter.on(place(device)):
        return int(adapter.cupy.get_default_memory_pool().used_bytes())


def memory_reserved(device: Any = None) -> int:
    """Return the bytes that the pool holds on a GPU, those of freed tensors included."""
    with adapter.on(place(device)):
        return int(adapter.cupy.get_default_memory_pool().total_bytes())


def mem_get_info(device: Any = None) -> tuple[int, int]:
    """Return the free and the total bytes of a GPU, as its driver counts them."""
    with adapter.on(place(device)):
        free, total = adapter.cupy.cuda.runtime.memGetInfo()
    return int(free), int(total)


def empty_cache() -> None:
    """Return the memory of freed tensors to all GPUs. Does nothing where CUDA was not used."""
    if adapter.cupy is None:
        return
    for index in range(int(adapter.cupy.cuda.runtime.getDeviceCount())):
        with adapter.on(place(index)):
            adapter.cupy.get_default_memory_pool().free_all_blocks()
