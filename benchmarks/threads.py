"""Gives every library the same two processors. Imported before any of them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

THREADS = 2

# What libraries read while they load.
VARIABLES = (
    "JITORCH_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMEXPR_MAX_THREADS",
    "NUMBA_NUM_THREADS",
    "NPROC",  # XLA's thread pool
)


def limit() -> None:
    """Keep this process and its children to two processors and two threads of each library.

    XLA has no setting for the number of its threads but the number of processors, so processors
    beyond the second are taken away, where the system can do that.
    """
    os.environ.update(dict.fromkeys(VARIABLES, str(THREADS)))
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, chosen(sorted(os.sched_getaffinity(0)), siblings))


def siblings(cpu: int) -> str:
    """Return the processors that are one core with this one, as the system writes them."""
    path = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
    try:
        return path.read_text().strip()
    except OSError:
        return str(cpu)


def chosen(available: list[int], core_of: Callable[[int], str]) -> list[int]:
    """Return processors on different cores as far as there are any, at most THREADS of them."""
    first_of_core = {core_of(cpu): cpu for cpu in reversed(available)}
    first = sorted(first_of_core.values())
    rest = [cpu for cpu in available if cpu not in first]
    return (first + rest)[:THREADS]
