"""What the numbers were measured on."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import re
from pathlib import Path
from typing import Any

from benchmarks.threads import THREADS

PACKAGES = (
    "jitorch", "numpy", "scipy", "numba", "llvmlite", "numexpr", "torch", "jax", "jaxlib",
)  # fmt: skip


def describe() -> dict[str, Any]:
    """Return processor, memory, system, versions and date. The name of the host is nobody's affair."""
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "threads": THREADS,
        "memory_bytes": memory(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": versions(),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }


def disturbances() -> list[str]:
    """Return a line if other programs are running, which the numbers would suffer from."""
    load = os.getloadavg()[0]
    if load < 0.5:
        return []
    return [
        f"The machine was not idle at the start (load average {load:.1f}). Libraries whose threads "
        "wait for each other by spinning, as OpenMP's do, lose most by that. Measure again."
    ]


def processor() -> str:
    """Return the processor's model as the system names it."""
    try:
        found = re.search(r"^model name\s*:\s*(.*)$", Path("/proc/cpuinfo").read_text(), re.M)
    except OSError:
        found = None
    return found[1] if found else platform.processor() or platform.machine()


def memory() -> int | None:
    """Return the bytes of main memory, where the system tells."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def versions() -> dict[str, str | None]:
    """Return the version of each package, None for one that isn't installed."""
    return {name: version(name) for name in PACKAGES}


def version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
