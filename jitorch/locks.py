"""Locks that a forked process finds open."""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from types import TracebackType

_all: weakref.WeakSet[Lock] = weakref.WeakSet()


class Lock:
    """A lock that the thread which has it may take again, and that is open after a fork.

    When a process forks, another thread may have a lock; in the child nobody would release it.

    >>> with Lock():
    ...     pass
    """

    __slots__ = ("__weakref__", "_lock")

    def __init__(self) -> None:
        self.renew()
        _all.add(self)

    def renew(self) -> None:
        """Open the lock, whoever has it."""
        self._lock = threading.RLock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(RuntimeError):  # the thread that had it has forked meanwhile
            self._lock.release()


def _renew_all() -> None:
    for lock in list(_all):
        lock.renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_all)
