"""What is wrong where CUDA can't be used, or fails: one clear error each, with what to do."""

from __future__ import annotations

import importlib
import os
import re
from typing import Any

from jitorch.errors import CudaError, OutOfMemoryError

INSTALL = "pip install 'jitorch[cuda]'"
DRIVER_PAGE = "https://www.nvidia.com/drivers"
_OR_CPU = "everything works on the CPU without it: leave device= and .cuda() out"


def imported() -> Any:
    """Return CuPy. Raises CudaError where it is not installed, or can't be imported."""
    try:
        return importlib.import_module("cupy")
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] != "cupy":
            raise _broken(error) from error
        raise CudaError(
            "CUDA is not available: CuPy, which computes on GPUs, is not installed",
            hint=f"{INSTALL}; {_OR_CPU}",
        ) from None
    except Exception as error:
        raise _broken(error) from error


def _broken(error: Exception) -> CudaError:
    reason = str(error).strip().splitlines() or [repr(error)]
    return CudaError(
        f"CUDA is not available: CuPy is installed and can't be imported: {reason[0]}",
        hint=f"pip install --force-reinstall {wheel()}; `jitorch doctor` shows what is installed",
    )


def wheel() -> str:
    """Return the name of the installed package that brings CuPy."""
    import importlib.metadata  # only an error pays for it

    found = importlib.metadata.packages_distributions().get("cupy", [])
    return found[0] if found else "'jitorch[cuda]'"


def shown(version: int) -> str:
    """Return a version as CUDA counts it (12040) as people write it (12.4)."""
    return f"{version // 1000}.{version % 1000 // 10}"


def check(module: Any) -> None:
    """Raise CudaError unless there is a driver, new enough for CuPy, and a GPU."""
    runtime = module.cuda.runtime
    driver = _asked(runtime.driverGetVersion)
    if not driver:
        raise CudaError(
            "CUDA is not available: found no NVIDIA driver on this machine",
            hint=f"install the driver of the GPU ({DRIVER_PAGE}); {_OR_CPU}",
        )
    built = _asked(runtime.runtimeGetVersion)
    # A driver serves all runtimes of its own major version, and those before it.
    if driver // 1000 < built // 1000:
        raise CudaError(too_old(driver, built), hint=too_old_remedy(driver, built))
    try:
        count = int(runtime.getDeviceCount())
    except Exception as error:
        raise _unusable(error, driver, built) from error
    if count == 0:
        raise _no_gpu()


def _asked(question: Any) -> int:
    """Return a version, 0 where the library that knows it is missing."""
    try:
        return int(question())
    except Exception:
        return 0


def too_old(driver: int, runtime: int) -> str:
    """Return what is wrong where a driver is older than the runtime."""
    return (
        f"CUDA is not available: the NVIDIA driver knows CUDA {shown(driver)} and is too old for "
        f"the CUDA {shown(runtime)} that is installed"
    )


def too_old_remedy(driver: int, runtime: int) -> str:
    """Return what to do where a driver is older than the runtime."""
    return (
        f"install a driver for CUDA {runtime // 1000} or later ({DRIVER_PAGE}), or a CuPy for this "
        f"one: pip uninstall {wheel()}; pip install cupy-cuda{driver // 1000}x"
    )


def _unusable(error: Exception, driver: int, built: int) -> CudaError:
    text = str(error)
    if "cudaErrorNoDevice" in text:
        return _no_gpu()
    if "cudaErrorInsufficientDriver" in text:
        return CudaError(too_old(driver, built), hint=too_old_remedy(driver, built))
    return CudaError(
        f"CUDA is not available: the driver (CUDA {shown(driver)}) answers {text}",
        hint="`nvidia-smi` shows whether the driver sees a GPU; `jitorch doctor` what is installed",
    )


def _no_gpu() -> CudaError:
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    hint = "`nvidia-smi` shows the GPUs that the driver sees"
    if visible is not None:
        hint = f"CUDA_VISIBLE_DEVICES={visible!r} limits what is visible; unset it to see all"
    return CudaError("CUDA is not available: the driver sees no GPU", hint=hint)


# Errors of calls.

_ALLOCATING = re.compile(r"allocating ([\d,]+) bytes(?: \(allocated so far: ([\d,]+) bytes)?")
_LAUNCH = (
    "kernels run asynchronously, so an earlier call may be the cause: CUDA_LAUNCH_BLOCKING=1 shows which; "
    "after such an error the process has to be started anew"
)


def in_words(error: Exception, module: Any) -> CudaError | None:
    """Return an error of CuPy as one of ours, None for one that is not CuPy's."""
    kind = type(error)
    if kind.__module__.split(".")[0] not in ("cupy", "cupy_backends"):
        return None
    text = str(error).strip()
    if kind.__name__ == "OutOfMemoryError" or "cudaErrorMemoryAllocation" in text:
        return _out_of_memory(text, module)
    if kind.__name__ == "CompileException":
        return CudaError(
            f"CuPy could not compile a kernel: {text.splitlines()[0] if text else kind.__name__}",
            hint="`jitorch doctor` shows whether NVRTC fits the driver",
        )
    if kind.__name__.startswith("CUDA") or "CUDA_ERROR" in text:
        return CudaError(f"CUDA error: {text}", hint=_LAUNCH)
    return CudaError(f"{kind.__name__}: {text}", hint="`jitorch doctor` shows what is installed")


def _out_of_memory(text: str, module: Any) -> OutOfMemoryError:
    found = _ALLOCATING.search(text)
    wanted, held = (_number(found[1]), _number(found[2])) if found else (None, None)
    parts = ["CUDA out of memory."]
    if wanted is not None:
        parts.append(f"Tried to allocate {size(wanted)}.")
    try:
        number = module.cuda.runtime.getDevice()
        free, total = module.cuda.runtime.memGetInfo()
        parts.append(
            f"GPU {number} has a total capacity of {size(total)} of which {size(free)} is free."
        )
    except Exception:  # a GPU in this state need not answer
        pass
    if held is not None:
        parts.append(f"{size(held)} is held by this process.")
    return OutOfMemoryError(
        " ".join(parts),
        hint="work on smaller pieces, delete tensors, or call jt.cuda.empty_cache() to return free "
        "blocks to the device",
    )


def _number(text: str | None) -> int | None:
    return None if text is None else int(text.replace(",", ""))


def size(count: int) -> str:
    """Return a number of bytes in PyTorch's units."""
    for unit, factor in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if count >= factor:
            return f"{count / factor:.2f} {unit}"
    return f"{count} bytes"
