"""CUDA devices, as `torch.cuda` has them. CuPy is loaded when a GPU is first asked for, not before.

Where CUDA can't be used, `is_available()` is False and everything that needs a GPU raises
`CudaError`, which says why and what to do; `jitorch doctor` says more.
"""

from __future__ import annotations

from jitorch.cuda.devices import (
    current_device as current_device,
    device as device,
    device_count as device_count,
    get_device_capability as get_device_capability,
    get_device_name as get_device_name,
    get_device_properties as get_device_properties,
    init as init,
    is_available as is_available,
    is_initialized as is_initialized,
    manual_seed as manual_seed,
    manual_seed_all as manual_seed_all,
    set_device as set_device,
    synchronize as synchronize,
)
from jitorch.cuda.memory import (
    empty_cache as empty_cache,
    mem_get_info as mem_get_info,
    memory_allocated as memory_allocated,
    memory_reserved as memory_reserved,
)
from jitorch.cuda.streams import (
    Event as Event,
    Stream as Stream,
    current_stream as current_stream,
    default_stream as default_stream,
    stream as stream,
)
from jitorch.errors import CudaError as CudaError, OutOfMemoryError as OutOfMemoryError
