"""Python threads for library ops that copy and multiply matrices by turns.

NumPy holds no lock while it does either. BLAS has threads too, but they wait while one thread
copies, so here BLAS gets one thread and the blocks of work are shared out.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from jitorch.locks import Lock
from jitorch.threads import blas_libraries, get_num_threads

T = TypeVar("T")

_lock = Lock()  # the number of BLAS threads is one for the whole process


def run_all(start: Callable[[], Callable[[T], None]], tasks: Sequence[T]) -> None:
    """Do `work(task)` for all tasks, on as many threads as kernels use.

    Each thread calls `start()` for a `work` with scratch memory of its own.
    """
    count = min(get_num_threads(), len(tasks))
    if count < 2:
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
