"""Blocks of work for library ops that copy and multiply matrices by turns.

In main memory they are small, for the cache, and Python threads share them: NumPy holds no lock
while it does either. BLAS has threads too, but they wait while one thread copies, so here BLAS gets
one thread. On a GPU they are large, since each should fill it, and follow one another in its queue.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from jitorch.locks import Lock
from jitorch.threads import blas_libraries, get_num_threads

T = TypeVar("T")

# Scratch memory of a block on a GPU: much work for a launch, and little of the memory that there is.
# Chosen, not measured.
GPU_BLOCK_BYTES = 1 << 28

_lock = Lock()  # the number of BLAS threads is one for the whole process


def at_once(xp: Any, scratch: int) -> int:
    """Return how many pieces of work, each with `scratch` bytes of memory, make a block.

    One in main memory, where threads share the pieces.
    """
    return 1 if xp is np else max(GPU_BLOCK_BYTES // max(scratch, 1), 1)


def parts(count: int, most: int) -> list[slice]:
    """Return equal parts of `range(count)`, no more than `most` in each."""
    if count <= most:
        return [slice(0, count)]
    step = -(-count // -(-count // most))
    return [slice(i, min(i + step, count)) for i in range(0, count, step)]


def run_all(xp: Any, start: Callable[[], Callable[[T], None]], tasks: Sequence[T]) -> None:
    """Do `work(task)` for all tasks, in main memory on as many threads as kernels use.

    Each thread calls `start()` for a `work` with scratch memory of its own.
    """
    count = min(get_num_threads(), len(tasks))
    if count < 2 or xp is not np:
        _drain(start, iter(tasks), [])
        return
    with _lock:
        before = [(library, library.num_threads) for library in blas_libraries()]
        for library, _ in before:
            library.set_num_threads(1)
        try:
            _share(start, tasks, count)
        finally:
            for library, threads in before:
                library.set_num_threads(threads)


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
