"""Programs for a GPU, as far as they go without one: plans, machine code kept on disk, launches."""

from __future__ import annotations

import contextlib
import ctypes
import struct
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from jitorch.codegen import cache
from jitorch.codegen.cuda import compiled, runtime
from jitorch.codegen.cuda.printer import CudaSource
from jitorch.codegen.cuda.runtime import Gpu, binary
from jitorch.codegen.cuda.steps import compile_graph
from jitorch.errors import IndexOutOfRange
from jitorch.ir.core import Graph
from jitorch.ir.parser import parse
from tests.codegen.cuda import suite
from tests.conftest import Golden

CC = (9, 0)


def fused(name: str) -> Graph:
    return suite.prepared(parse(suite.GRAPHS[name]))


def source_of(name: str) -> CudaSource:
    return next(compiled.units(fused(name))).source


class Device(contextlib.nullcontext[None]):
    """The only GPU."""

    compute_capability = "90"


class Pretended:
    """Stands in for CuPy: NumPy's arrays at addresses of their own, and a driver that takes notes."""

    def __init__(self) -> None:
        self.empty = np.empty
        self.asarray = np.asarray
        self.ascontiguousarray = np.ascontiguousarray
        self.loaded: list[bytes] = []
        self.started: list[tuple[Any, ...]] = []
        self.cuda = SimpleNamespace(
            Device=Device,
            runtime=SimpleNamespace(getDevice=lambda: 0),
            driver=SimpleNamespace(launchKernel=self.start),
            function=SimpleNamespace(Module=self.module),
            get_current_stream=lambda: SimpleNamespace(ptr=77),
        )

    def module(self) -> Any:
        number = 1000 + len(self.loaded)
        return SimpleNamespace(
            load=self.loaded.append, get_function=lambda name: SimpleNamespace(ptr=number)
        )

    def start(self, *words: Any) -> None:
        marks = (ctypes.c_void_p * 5).from_address(words[-1])
        assert marks[1] is not None
        assert marks[3] is not None
        size = ctypes.c_size_t.from_address(marks[3]).value
        self.started.append((*words[:-1], ctypes.string_at(marks[1], size)))


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Gpu:
    """A GPU that takes notes, and machine code that is its entry's name."""
    monkeypatch.setattr(runtime, "binary", lambda source, entry, cc: entry.encode())
    made = Gpu(Pretended(), 0)
    monkeypatch.setattr(made, "address", lambda array: array.ctypes.data)
    return made


@pytest.mark.parametrize("name", ["softmax", "softmax_of_everything", "half", "running_sum_f32"])
def test_plans(name: str, gpu: Gpu, golden: Golden) -> None:
    golden(f"{name}.plan", compile_graph(fused(name), {"cpu": gpu}).plan.source)


def test_a_launch_is_one_call_with_packed_arguments(gpu: Gpu) -> None:
    program = compile_graph(fused("softmax"), {"cpu": gpu})
    x = np.zeros((5, 300), np.float32)
    (y,) = program.run([x])
    assert gpu.capability == (9, 0)
    assert gpu.xp.loaded == [program.sources[0].entries[0].name.encode()]
    ((*call, packed),) = gpu.xp.started
    assert call == [1000, 5, 1, 1, 128, 1, 1, 0, 77, 0]
    *words, vectors = struct.unpack("=9q", packed)
    assert words == [x.ctypes.data, y.ctypes.data, 0, 0, 0, 0, 5, 300]
    assert vectors == int((x.ctypes.data | y.ctypes.data) % 16 == 0)


def test_nothing_is_launched_for_nothing(gpu: Gpu) -> None:
    program = compile_graph(fused("softmax"), {"cpu": gpu})
    for m in (3, 1_000_000):
        (y,) = program.run([np.zeros((0, m), np.float32)])
        assert y.shape == (0, m)
    assert gpu.xp.started == []
    assert len(gpu.xp.loaded) == 1


def test_entries_are_launched_in_order_on_shared_memory(gpu: Gpu) -> None:
    program = compile_graph(fused("softmax_of_everything"), {"cpu": gpu})
    program.run([np.zeros((100, 3000), np.float32)])
    assert [call[0] for call in gpu.xp.started] == [1001, 1002, 1003, 1004, 1005]
    assert [call[1] for call in gpu.xp.started] == [37, 1, 37, 1, 37]
    (packed,) = {call[-1] for call in gpu.xp.started}
    *pointers, size, _vectors = struct.unpack("=8q", packed)
    assert size == 300_000
    first, *others = pointers[2:]  # of 37 float32, 37 float64, and one float32 each
    assert [pointer - first for pointer in others] == [160, 464, 480]


def test_what_sizes_do_not_need_is_not_loaded(gpu: Gpu) -> None:
    program = compile_graph(fused("column_sum"), {"cpu": gpu})
    whole, *parts = (entry.name.encode() for entry in program.sources[0].entries)
    program.run([np.zeros((100, 3), np.float32)])
    assert gpu.xp.loaded == [whole]
    for n in (100_000, 200_000, 100_000):
        program.run([np.zeros((n, 3), np.float32)])
    assert gpu.xp.loaded == [whole, *parts]


def test_one_kernel_serves_all_ops_of_its_text(gpu: Gpu) -> None:
    text = """
    graph @f(%x: f32[n], %y: f32[m]) {
      %a: f32[n] = exp(%x)
      %b: f32[m] = exp(%y)
      return %a, %b
    }"""
    program = compile_graph(suite.prepared(parse(text)), {"cpu": gpu})
    program.run([np.zeros(3, np.float32), np.zeros(4, np.float32)])
    assert len(gpu.xp.started) == 2
    assert len(gpu.xp.loaded) == len(program.sources)


def test_a_maximum_of_nothing_is_an_error(gpu: Gpu) -> None:
    text = """
    graph @f(%x: f32[n, m]) {
      %top: f32[n] = amax(%x) {dim=(1,), keepdim=False}
      return %top
    }"""
    program = compile_graph(suite.prepared(parse(text)), {"cpu": gpu})
    with pytest.raises(IndexOutOfRange, match="amax"):
        program.run([np.zeros((3, 0), np.float32)])


# Machine code on disk.


@pytest.mark.numba
def test_machine_code_is_kept_on_disk(
    compiler: None, cache_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = source_of("chain")
    first = binary(made, made.name, CC)
    assert first.startswith(b"\x7fELF")
    (entry,) = cache.entries()
    assert entry.name == f"{made.name} sm_90"

    def refused(*_: object) -> bytes:
        raise AssertionError("compiled again")

    monkeypatch.setattr(compiled, "cubin", refused)
    assert binary(made, made.name, CC) == first
    with pytest.raises(AssertionError, match="compiled again"):
        binary(made, made.name, (8, 0))


@pytest.mark.numba
def test_kept_machine_code_needs_no_compiler(compiler: None, cache_dir: Path) -> None:
    made = source_of("chain")
    binary(made, made.name, CC)
    script = (
        "import sys\n"
        "from tests.codegen.cuda.test_runtime import CC, binary, source_of\n"
        "made = source_of('chain')\n"
        "assert binary(made, made.name, CC).startswith(b'\\x7fELF')\n"
        "assert not {'numba', 'numba_cuda'} & set(sys.modules)\n"
    )
    root = Path(__file__).parents[3]
    subprocess.run([sys.executable, "-c", script], check=True, cwd=root)


@pytest.mark.numba
def test_a_damaged_file_is_compiled_anew(compiler: None, cache_dir: Path) -> None:
    made = source_of("chain")
    first = binary(made, made.name, CC)
    (entry,) = cache.entries()
    entry.path.write_bytes(entry.path.read_bytes()[:-9])
    with pytest.warns(RuntimeWarning, match="incomplete"):
        again = binary(made, made.name, CC)
    assert again == first


@pytest.mark.numba
def test_machine_code_is_kept_for_the_modules_that_made_it() -> None:
    script = (
        "import sys, jitorch.codegen.cuda.runtime; known = set(sys.modules);"
        "import jitorch.codegen.cuda.lowering; print(*set(sys.modules) - known)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    package = "jitorch.codegen."
    loaded = {m.removeprefix(package) for m in done.stdout.split() if m.startswith(package)}
    ours = {name.removesuffix(".py").replace("/", ".") for name in runtime._MEANING}
    assert "cuda.device" in loaded
    # `notes` is for the CPU: nothing of a GPU's kernel comes from there.
    assert {m for m in loaded if m.split(".")[0] != "nest"} - ours == {"notes", "numba_api"}
