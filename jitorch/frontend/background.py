"""Compilation beside the program: calls run as plain Python until their version is ready."""

from __future__ import annotations

import contextvars
import math
import os
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

_current: list[Background] = []  # the one in force is the last
_worker: list[ThreadPoolExecutor] = []
_lock = threading.Lock()


def _after_fork() -> None:
    """The worker did not come along into the child, nor did what it was doing."""
    global _lock
    _lock = threading.Lock()
    _worker.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def current() -> Background | None:
    """Return what compiles in the background, None where calls wait for the compiler."""
    return _current[-1] if _current else None


class Background:
    """Made by `compile_in_background`."""

    def __init__(self, max_seconds: float) -> None:
        self.max_seconds = max_seconds
        self.seconds = 0.0  # spent compiling so far
        self._jobs: set[Future[Any]] = set()

    def submit(self, compile_: Callable[[], Any]) -> Future[Any] | None:
        """Have something compiled; None if the time allowed is used up."""
        if self.seconds >= self.max_seconds:
            return None
        from concurrent.futures import ThreadPoolExecutor

        with _lock:
            if not _worker:
                _worker.append(ThreadPoolExecutor(1, "jitorch-compiler"))
            job = _worker[0].submit(contextvars.copy_context().run, self._timed, compile_)
        self._jobs.add(job)
        job.add_done_callback(self._jobs.discard)
        return job

    def _timed(self, compile_: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        try:
            return compile_()
        finally:
            self.seconds += time.perf_counter() - start

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until all that was asked for is compiled; return whether it is."""
        from concurrent.futures import wait

        return not wait(list(self._jobs), timeout).not_done

    def stop(self) -> None:
        """Let calls wait for the compiler again."""
        if self in _current:
            _current.remove(self)

    def __enter__(self) -> Background:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()


def compile_in_background(max_seconds: float = math.inf) -> Background:
    """Run calls of scripted functions as plain Python while a thread compiles what they need.

    In force for the process until `stop()`, or within a `with` block. Once compiling has taken
    `max_seconds` in all, nothing more is compiled: what is ready stays in use, the rest stays plain
    Python. An error of the compiler is raised by the next call with such arguments.

    >>> with jt.compile_in_background() as background:
    ...     y = fn(x)  # plain Python, at once
    ...     done = background.wait()
    ...     y = fn(x)  # compiled
    """
    if not max_seconds >= 0:
        raise ValueError(f"max_seconds must not be negative, got {max_seconds}")
    made = Background(max_seconds)
    _current.append(made)
    return made
