"""Python threads for library ops that copy and multiply matrices by turns.

NumPy holds no lock while it does either. BLAS has threads too, but they wait while one thread
copies, so here BLAS gets one thread and the blocks of work are shared out.
"""

from __future__ import annotations

import contextvars
import ctypes
import functools
import importlib
import os
import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

T = TypeVar("T")

_SPELLINGS = (
    "scipy_openblas_{}_num_threads64_", "scipy_openblas_{}_num_threads",
    "openblas_{}_num_threads64_", "openblas_{}_num_threads",
)  # fmt: skip

_lock = threading.Lock()  # the number of BLAS threads is one for the whole process


def _after_fork() -> None:
    """Another thread may have held the lock when the process forked."""
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


@functools.cache
def _blas_threads() -> tuple[Callable[[], int], Callable[[int], Any]] | None:
    """Return what reads and what sets the number of threads of NumPy's BLAS, if it is OpenBLAS."""
    try:
        module = importlib.import_module("numpy._core._multiarray_umath")
        library = ctypes.CDLL(str(module.__file__))
    except (ImportError, OSError):
        return None
    for name in _SPELLINGS:
        if hasattr(library, name.format("get")) and hasattr(library, name.format("set")):
            return getattr(library, name.format("get")), getattr(library, name.format("set"))
    return None


def run_all(start: Callable[[], Callable[[T], None]], tasks: Sequence[T]) -> None:
    """Do `work(task)` for all tasks, on as many threads as BLAS uses.

    Each thread calls `start()` for a `work` with scratch memory of its own.
    """
    blas = _blas_threads()
    if blas is None or len(tasks) < 2:
        _drain(start, iter(tasks), [])
        return
    get, set_ = blas
    with _lock:
        count = get()
        set_(1)
        try:
            _share(start, tasks, min(count, len(tasks)))
        finally:
            set_(count)


def _share(start: Callable[[], Callable[[T], None]], tasks: Sequence[T], threads: int) -> None:
    waiting = iter(tasks)
    errors: list[BaseException] = []

    def help_out() -> None:
        try:
            _drain(start, waiting, errors)
        except BaseException as error:  # raised again by the caller's thread
            errors.append(error)

    # The context carries NumPy's settings for floating-point errors along.
    contexts = [contextvars.copy_context() for _ in range(threads - 1)]
    helpers = [threading.Thread(target=c.run, args=(help_out,)) for c in contexts]
    for helper in helpers:
        helper.start()
    help_out()
    for helper in helpers:
        helper.join()
    if errors:
        raise errors[0]


def _drain(start: Callable[[], Callable[[T], None]], waiting: Any, errors: list[Any]) -> None:
    work = start()
    for task in waiting:
        if errors:
            return
        work(task)
