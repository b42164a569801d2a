"""Running kernels over threads: the pool that does it.

The pool is native code (see `pool`), compiled by llvmlite on first use and kept in the disk cache
like any kernel. Python threads may launch at once, kernels may launch kernels, and a forked child
starts workers of its own. `jitorch.threads` says how many threads there are.
"""

from __future__ import annotations

import ctypes
import functools
import os
import threading

from jitorch.codegen import native, pool
from jitorch.codegen.native import NativeFunction
from jitorch.threads import get_num_threads, on_change

_PARALLEL_FOR = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 4)  # see native._ENTRY
_lock = threading.Lock()


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


def _configure(count: int) -> None:
    if _pool.cache_info().currsize:
        _pool().configure(count)


on_change(_configure)


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
