"""A machine that runs programs for GPUs in Numba's simulator, on NumPy arrays.

Kernels get what the driver would: a buffer of packed addresses and numbers.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np

from jitorch.codegen.cuda.launch import Shape
from jitorch.codegen.cuda.printer import CudaSource
from jitorch.codegen.cuda.runtime import Arguments
from jitorch.ir.types import BY_TAG
from tests.codegen.cuda import simulator


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


class Simulated:
    """What `jitorch.codegen.cuda.runtime.Gpu` is, without a GPU. `launches` has what was started."""

    xp: Any = np

    def __init__(self) -> None:
        self.launches: list[tuple[str, Shape, tuple[Any, ...]]] = []

    def load(self, source: CudaSource) -> Sequence[Any]:
        return [(source, entry.name) for entry in source.entries]

    def address(self, array: Any) -> int:
        return int(array.ctypes.data)

    def launch(self, function: Any, shape: Shape, arguments: Arguments) -> None:
        source, entry = function
        words = self.received(arguments)
        assert len(words) == len(source.types)
        self.launches.append((entry, shape, words))
        values = [
            Address(word, tag) if pointer else (np.float64 if tag == "float" else np.int64)(word)
            for word, (tag, pointer) in zip(words, source.types, strict=True)
        ]
        simulator.start(source, entry, shape, values)

    def received(self, arguments: Arguments) -> tuple[Any, ...]:
        """Read the arguments as the driver does: a list of markers, pointers and a size."""
        marks = (ctypes.c_void_p * 5).from_address(arguments.extra)
        assert (marks[0], marks[2], marks[4]) == (1, 2, None)
        assert marks[1] is not None
        assert marks[3] is not None
        size = ctypes.c_size_t.from_address(marks[3]).value
        return struct.unpack(arguments.packer.format, ctypes.string_at(marks[1], size))
