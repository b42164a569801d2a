"""What the numbers were measured on."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import re
import time
from dataclasses import dataclass
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


DISTURBING = 0.05  # processors that others keep busy, above which times are not to be relied on


@dataclass(frozen=True)
class Usage:
    """Seconds of processor time used so far: by everything on the machine, and by this process."""

    all: float
    own: float
    clock: float

    @staticmethod
    def now() -> Usage | None:
        """Return the usage until now, where the system tells."""
        try:
            first = Path("/proc/stat").read_text().splitlines()[0].split()
        except OSError:
            return None
        user, nice, system, _, _, irq, softirq, steal = map(int, first[1:9])
        busy = user + nice + system + irq + softirq + steal
        times = os.times()
        own = times.user + times.system + times.children_user + times.children_system
        return Usage(busy / os.sysconf("SC_CLK_TCK"), own, time.perf_counter())


def disturbance(before: Usage | None, after: Usage | None) -> float | None:
    """Return how many processors others kept busy between two moments, on average."""
    if before is None or after is None:
        return None
    others = (after.all - before.all) - (after.own - before.own)
    return max(0.0, others / (after.clock - before.clock))


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
