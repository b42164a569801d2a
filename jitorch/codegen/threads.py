"""Running kernels over threads: how many, and the pool that does it.

The pool is native code (see `pool`), compiled by llvmlite on first use and kept in the disk cache
like any kernel. Python threads may launch at once, kernels may launch kernels, and a forked child
starts workers of its own.
"""

from __future__ import annotations

import ctypes
import functools
import math
import os
import threading
from pathlib import Path

from jitorch.codegen import native, pool
from jitorch.codegen.native import NativeFunction

_PARALLEL_FOR = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 4)  # see native._ENTRY


# ------------------------------------------------------------------------------ number of threads


def available_cpus() -> int:
    """The processors this process may use: by affinity, and by the quota of its control group."""
    try:
        count = len(os.sched_getaffinity(0))
    except AttributeError:  # not on Linux
        count = os.cpu_count() or 1
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


_threads: int | None = None
_lock = threading.Lock()


def get_num_threads() -> int:
    """How many threads kernels run on, the caller's included."""
    global _threads
    if _threads is None:
        _threads = _initial_threads()
    return _threads


def set_num_threads(count: int) -> None:
    """Run kernels on `count` threads, the caller's included."""
    global _threads
    if count < 1:
        raise ValueError(f"the number of threads must be at least 1, not {count}")
    _threads = count
    if _pool.cache_info().currsize:
        _pool().configure(count)


# ----------------------------------------------------------------------------------------- launch


class _Pool:
    """The native pool of this process."""

    def __init__(self) -> None:
        (self._setup,) = native.cached([pool_job()])
        self._setup.keep()  # its workers run in it until the process ends
        self._table = (ctypes.c_int64 * 1)()
        self.configure(get_num_threads(), fresh=True)
        self.address = int(self._table[0])
        self.parallel_for = _PARALLEL_FOR(self.address)

    def configure(self, threads: int, *, fresh: bool = False) -> None:
        self._setup(ctypes.addressof(self._table), threads if pool.available() else 1, int(fresh))


def pool_job() -> native.Job:
    """The pool as something to have compiled."""
    return native.llvm_job(pool.text() if pool.available() else _SERIAL, pool.SYMBOL)


# Where there are no POSIX threads.
_SERIAL = f"""
define internal void @parallel_for(i64 %entry, i64 %args, i64 %n, i64 %grain) {{
  %function = inttoptr i64 %entry to ptr
  call void %function(i64 %args, i64 0, i64 %n)
  ret void
}}
define void @{pool.SYMBOL}(i64 %table, i64 %threads, i64 %fresh) {{
  %slot = inttoptr i64 %table to ptr
  store ptr @parallel_for, ptr %slot
  ret void
}}
"""


@functools.cache
def _pool() -> _Pool:
    with _lock:
        return _Pool()


def parallel_for_address() -> int:
    """The native function (kernel address, args, n, grain), for compiled code to call."""
    return _pool().address


def launch(fn: NativeFunction, args_address: int, n: int, grain: int) -> None:
    """Run `fn` over [0, n): on this thread if n <= grain, else split over the threads.

    A kernel must not depend on how the range is split. The interpreter lock is released meanwhile.
    """
    if n <= grain or get_num_threads() == 1:
        fn.call(args_address, 0, n)
        return
    _pool().parallel_for(fn.address, args_address, n, grain)


def _after_fork() -> None:
    """The child has no workers, and whatever they held is free."""
    global _lock
    _lock = threading.Lock()
    if _pool.cache_info().currsize:
        _pool().configure(get_num_threads(), fresh=True)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
