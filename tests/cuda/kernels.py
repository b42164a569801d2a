"""Kernels on the pretended GPU: loaded for the device that is current, run by the emulator.

Machine code is a text that names the source, so no compiler is needed.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from jitorch import compile as compiling
from jitorch.codegen.cuda import runtime, toolkit
from jitorch.codegen.cuda.launch import Shape
from jitorch.codegen.cuda.printer import CudaSource
from tests.codegen.cuda import emulator
from tests.codegen.cuda.machine import received, values
from tests.codegen.cuda.names import small_blocks
from tests.cuda import pretend
from tests.cuda.pretend import machine


class Kernels:
    """Machine code and launches. `launched` has the entries that were started, with their GPU."""

    def __init__(self) -> None:
        self.binaries: dict[bytes, tuple[CudaSource, str]] = {}
        self.functions: list[tuple[CudaSource, str, int]] = []
        self.launched: list[tuple[str, int]] = []

    def binary(self, source: CudaSource, entry: str, cc: tuple[int, int]) -> bytes:
        """Return what stands for the machine code of an entry."""
        assert cc == (9, 0)
        code = f"{source.name} {entry} {len(self.binaries)}".encode()
        self.binaries[code] = source, entry
        return code

    def module(self) -> Any:
        """Return an empty module, as `cupy.cuda.function.Module` does."""
        loaded: list[bytes] = []

        def get_function(name: str) -> Any:
            source, entry = self.binaries[loaded[0]]
            assert entry == name
            assert machine.capture is None, "nothing is loaded while a stream captures"
            self.functions.append((source, entry, machine.current))
            return SimpleNamespace(ptr=len(self.functions) - 1)

        return SimpleNamespace(load=loaded.append, get_function=get_function)

    def launch(self, function: int, x: int, y: int, z: int, *rest: Any) -> None:
        """Start an entry, as `cupy.cuda.driver.launchKernel` does."""
        pretend.may_fail()
        wide, high, deep, shared, _stream, arguments, extra = rest
        assert (z, deep, shared, arguments) == (1, 1, 0, 0)
        source, entry, device = self.functions[function]
        assert device == machine.current, "a kernel is loaded on one GPU and launched on another"
        words = received(source, extra)
        self.launched.append((entry, device))
        shape = Shape((x, y), (wide, high))
        pretend.recorded(lambda: emulator.start(source, entry, shape, values(source, words)))


def install(monkeypatch: pytest.MonkeyPatch) -> Kernels:
    """Let functions on the pretended GPU be compiled to kernels."""
    kernels = Kernels()
    small_blocks(monkeypatch)
    compilers(monkeypatch, None)
    monkeypatch.setattr(runtime, "binary", kernels.binary)
    cuda = pretend.module().cuda
    cuda.function = SimpleNamespace(Module=kernels.module)
    cuda.driver = SimpleNamespace(launchKernel=kernels.launch)
    return kernels


def compilers(monkeypatch: pytest.MonkeyPatch, missing: str | None) -> None:
    """Pretend that the compilers for CUDA are installed, or something is missing."""
    monkeypatch.setattr(toolkit, "missing", lambda: missing)
    compiling.has_cuda_compilers.cache_clear()
