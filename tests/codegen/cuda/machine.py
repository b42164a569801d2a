"""A machine that runs programs for GPUs in a simulator, on NumPy arrays.

Kernels get what the driver would: a buffer of packed addresses and numbers.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from jitorch.codegen.cuda.launch import Shape
from jitorch.codegen.cuda.printer import CudaSource, Entry
from jitorch.codegen.cuda.runtime import Arguments, Capture
from jitorch.cuda.faults import Faults
from jitorch.ir.types import BY_TAG

# start(source, entry, shape, arguments)
Start = Callable[[CudaSource, str, Shape, Sequence[Any]], None]


class Address:
    """Elements at an address."""

    def __init__(self, address: int, tag: str) -> None:
        self.address = address
        self.dtype = np.dtype(np.uint8) if tag == "bool" else BY_TAG[tag].numpy

    def at(self, index: Any) -> Any:
        place = self.address + int(index) * self.dtype.itemsize
        memory: Any = (ctypes.c_char * self.dtype.itemsize).from_address(place)
        return np.frombuffer(memory, self.dtype)

    def __getitem__(self, index: Any) -> Any:
        return self.at(index)[0]

    def __setitem__(self, index: Any, value: Any) -> None:
        self.at(index)[0] = value


def _allocate(count: int) -> tuple[Any, int]:
    memory = np.empty(count + 2, np.int64)
    start = -memory.ctypes.data // 8 % 2  # places are multiples of 16
    return memory[start:][:count], memory.ctypes.data + 8 * start


class Simulated:
    """What `jitorch.codegen.cuda.runtime.Gpu` is, without a GPU. `launches` has what was started.

    `start` is the simulator's function to run an entry.
    """

    xp: Any = np
    capability = (9, 0)

    def here(self) -> AbstractContextManager[Any]:
        return nullcontext()

    def is_current(self) -> bool:
        return True

    def __init__(self, start: Start) -> None:
        self.start = start
        self.faults = Faults(_allocate)
        self.launches: list[tuple[str, Shape, tuple[Any, ...]]] = []

    def load(self, source: CudaSource, entry: Entry) -> Any:
        return source, entry.name

    def address(self, array: Any) -> int:
        return int(array.ctypes.data)

    def launch(self, function: Any, shape: Shape, arguments: Arguments) -> None:
        source, entry = function
        words = received(source, arguments.extra)
        self.launches.append((entry, shape, words))
        self.start(source, entry, shape, values(source, words))

    def capture(self, run: Callable[[], Sequence[Any]]) -> Capture:
        raise NotImplementedError


def received(source: CudaSource, extra: int) -> tuple[Any, ...]:
    """Read the arguments as the driver does: a list of markers, pointers and a size."""
    marks = (ctypes.c_void_p * 5).from_address(extra)
    assert (marks[0], marks[2], marks[4]) == (1, 2, None)
    assert marks[1] is not None
    assert marks[3] is not None
    size = ctypes.c_size_t.from_address(marks[3]).value
    layout = "".join("d" if tag == "float" else "q" for tag, _ in source.types)
    return struct.unpack(f"={layout}", ctypes.string_at(marks[1], size))


def values(source: CudaSource, words: Sequence[Any]) -> list[Any]:
    """Return what a kernel's parameters are: elements at addresses, and numbers."""
    return [
        Address(word, tag) if pointer else (np.float64 if tag == "float" else np.int64)(word)
        for word, (tag, pointer) in zip(words, source.types, strict=True)
    ]
