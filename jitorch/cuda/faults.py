"""Indices beyond the end, which kernels note and the host finds once it has waited for the GPU.

A kernel can't raise. It leaves the index and the size in memory that host and GPU share, at a place
that belongs to one use of a tensor of indices; whoever has waited for the GPU looks at all places.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from jitorch.errors import IndexOutOfRange, Loc

Array = np.ndarray[Any, np.dtype[Any]]

_NOTHING = -1  # as a size
_PLACES = 512  # made at once
_WORDS = 2  # of a place: the index and the size

# Returns so many int64 that the GPU can write to, and their address.
Allocate = Callable[[int], tuple[Array, int]]


class Faults:
    """Places for notes. `allocate` makes their memory, when it is first needed."""

    def __init__(self, allocate: Allocate) -> None:
        self._allocate = allocate
        self._lock = threading.Lock()
        self._memory: list[Array] = []
        self._free: dict[int, Array] = {}
        self._used: dict[int, tuple[Array, int, Loc]] = {}
        self._released: deque[int] = deque()

    def place(self, dim: int, loc: Loc) -> int:
        """Return the address of a place for indices along a dimension, used at a line of the user's."""
        with self._lock:
            if not self._free:
                self._take_back()
            if not self._free:
                self._grow()
            address, words = self._free.popitem()
            words[:] = _NOTHING
            self._used[address] = words, dim, loc
        return address

    def _grow(self) -> None:
        flat, start = self._allocate(_PLACES * _WORDS)
        memory = flat.reshape(_PLACES, _WORDS)
        memory[:] = _NOTHING
        self._memory.append(memory)
        self._free = {start + i * memory.strides[0]: memory[i] for i in range(_PLACES)}

    def release(self, addresses: Iterable[int]) -> None:
        """Take places back, when they have been looked at: kernels on their way may still write there.

        The garbage collector calls this, at any moment, also while this thread holds the lock.
        """
        self._released.extend(addresses)

    def _take_back(self) -> None:
        while self._released:
            address = self._released.popleft()
            self._free[address] = self._used.pop(address)[0]

    def check(self) -> None:
        """Raise IndexOutOfRange for a note that was left since the last time."""
        noted = any((memory[:, 1] != _NOTHING).any() for memory in self._memory)
        if not noted and not self._released:
            return
        with self._lock:
            errors = [
                IndexOutOfRange.beyond(int(words[0]), dim, int(words[1]), loc)
                for words, dim, loc in self._used.values()
                if words[1] != _NOTHING
            ]
            for memory in self._memory:
                memory[:] = _NOTHING
            self._take_back()
        for error in errors:
            raise error
