"""How many threads jitorch runs on: kernels, matrix products and convolutions alike."""

from __future__ import annotations

import math
import operator
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

_MOST = 1024  # threads, on machines that have fewer processors

_threads: int | None = None
_listeners: list[Callable[[int], None]] = []
_blas: list[Any] | None = None


def get_num_threads() -> int:
    """Return how many threads work is shared over, the caller's included.

    At first that is JITORCH_NUM_THREADS or OMP_NUM_THREADS, if the environment has one, else the
    processors that this process may use: by affinity, and by the quota of its control group. (NumPy's
    own products, which eager mode uses, follow `set_num_threads` and the variables of their BLAS.)

    >>> import jitorch as jt
    >>> jt.get_num_threads() >= 1
    True
    """
    global _threads
    if _threads is None:
        _threads = _initial_threads()
    return _threads


def set_num_threads(count: int) -> None:
    """Share work over `count` threads, the caller's included: kernels and BLAS, in all threads.

    Raises ValueError if `count` is less than 1, or absurd. Results do not depend on it, but for the last bits
    of matrix products.

    >>> import jitorch as jt
    >>> before = jt.get_num_threads()
    >>> jt.set_num_threads(1)
    >>> jt.get_num_threads()
    1
    >>> jt.set_num_threads(before)
    """
    global _threads
    try:
        count = operator.index(count)
    except TypeError:
        raise TypeError(f"set_num_threads expects an int, but got {type(count).__name__}") from None
    if count < 1:
        raise ValueError(f"set_num_threads expects a positive integer, but got {count}")
    if count > max(_MOST, _affinity()):
        raise ValueError(f"set_num_threads expects at most {_MOST}, but got {count}")
    _threads = count
    for listener in _listeners:
        listener(count)
    limit_blas()


def on_change(listener: Callable[[int], None]) -> None:
    """Call `listener(count)` whenever the number of threads is set."""
    _listeners.append(listener)


# ------------------------------------------------------------------------------------------- BLAS


def blas_libraries() -> list[Any]:
    """Return what controls the threads of each BLAS in the process: `num_threads`, `set_num_threads`."""
    global _blas
    if _blas is None:
        from threadpoolctl import ThreadpoolController

        _blas = ThreadpoolController().select(user_api="blas").lib_controllers
    return _blas


def limit_blas() -> None:
    """Let every BLAS in the process use as many threads as kernels do."""
    for library in blas_libraries():
        library.set_num_threads(get_num_threads())


def blas_was_loaded() -> None:
    """Take notice of another BLAS in the process; by itself it knows nothing of our settings."""
    global _blas
    _blas = None
    if get_num_threads() != _affinity():
        limit_blas()


# --------------------------------------------------------------------------------- the environment


def _affinity() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on Linux
        return os.cpu_count() or 1


def available_cpus() -> int:
    """The processors this process may use: by affinity, and by the quota of its control group."""
    from pathlib import Path  # not at import time: it brings half a dozen modules

    count = _affinity()
    quota = _cpu_quota(Path("/sys/fs/cgroup"), Path("/proc/self/cgroup"))
    return max(1, count if quota is None else min(count, math.ceil(quota)))


def _cpu_quota(root: Path, membership: Path) -> float | None:
    """The tightest CPU limit of our control group and those around it, in processors."""
    limits = []
    for folder in _group_folders(root, membership):
        limit = _read_quota(folder)
        if limit is not None:
            limits.append(limit)
    return min(limits, default=None)


def _group_folders(root: Path, membership: Path) -> list[Path]:
    """The folders that may hold a limit: version 2 groups, and the cpu controller of version 1."""
    try:
        lines = membership.read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        lines = []
    folders = [root, root / "cpu"]  # inside a container the root is the group itself
    for line in lines:
        controllers, _, path = line.partition(":")[2].partition(":")
        if controllers and "cpu" not in controllers.split(","):
            continue
        base = root / controllers if controllers else root
        folder = base / path.lstrip("/")
        folders += [each for each in (folder, *folder.parents) if each.is_relative_to(base)]
    return list(dict.fromkeys(folders))


def _read_quota(folder: Path) -> float | None:
    """The limit of one control group, in processors."""
    for read in (_read_quota_v2, _read_quota_v1):
        try:
            quota, period = read(folder)
        except (OSError, ValueError):
            continue
        if quota > 0 and period > 0:
            return quota / period
    return None


def _read_quota_v2(folder: Path) -> tuple[int, int]:
    quota, period = (folder / "cpu.max").read_text().split()
    return int(quota), int(period)  # "max" is no number: no limit


def _read_quota_v1(folder: Path) -> tuple[int, int]:
    quota = int((folder / "cpu.cfs_quota_us").read_text())
    return quota, int((folder / "cpu.cfs_period_us").read_text())


def _initial_threads() -> int:
    """JITORCH_NUM_THREADS, else OMP_NUM_THREADS, else what the machine gives."""
    for name in ("JITORCH_NUM_THREADS", "OMP_NUM_THREADS"):
        first = os.environ.get(name, "").split(",")[0].strip()  # OpenMP lists one per level
        if first.isdigit() and int(first) > 0:
            return int(first)
    return available_cpus()
