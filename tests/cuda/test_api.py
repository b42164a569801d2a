"""`jitorch.cuda`: devices, memory, streams, events."""

from __future__ import annotations

import subprocess
import sys

import pytest

import jitorch as jt
from jitorch.cuda import adapter
from jitorch.errors import CudaError, TypeMismatch
from tests.cuda.pretend import TOTAL, CUDARuntimeError, Machine


def test_devices(machine: Machine) -> None:
    assert jt.cuda.is_available()
    assert (jt.cuda.device_count(), jt.cuda.current_device()) == (2, 0)
    jt.cuda.set_device("cuda:1")
    assert jt.cuda.current_device() == 1
    with jt.cuda.device(0):
        assert jt.cuda.current_device() == 0
        with jt.cuda.device(None):
            assert jt.cuda.current_device() == 0
    assert jt.cuda.current_device() == 1
    with jt.cuda.device(jt.device("cuda:0")) as d, d:  # may be entered again
        assert jt.cuda.current_device() == 0
    assert jt.cuda.current_device() == 1


def test_an_op_leaves_the_current_device_alone(machine: Machine) -> None:
    x = jt.ones(2, device="cuda:1")
    assert (x + 1).device == x.device
    machine.fail = CUDARuntimeError("cudaErrorUnknown: unknown error")
    with pytest.raises(CudaError, match="cudaErrorUnknown"):
        x.exp()
    assert jt.cuda.current_device() == 0


def test_properties(machine: Machine) -> None:
    assert jt.cuda.get_device_name(1) == "Pretend GPU 1"
    assert jt.cuda.get_device_capability() == (9, 0)
    told = jt.cuda.get_device_properties("cuda:1")
    assert (told.total_memory, told.multi_processor_count) == (TOTAL, 132)


def test_which_devices_are_refused(machine: Machine) -> None:
    with pytest.raises(CudaError, match=r"invalid device ordinal: cuda:7 \(there is cuda:0, cuda"):
        jt.zeros(2, device="cuda:7")
    with pytest.raises(TypeMismatch, match="Expected a cuda device, but got: cpu"):
        jt.cuda.synchronize("cpu")


def test_memory(machine: Machine) -> None:
    machine.used, machine.free_blocks = [100, 300], [20, 0]
    assert jt.cuda.memory_allocated() == 100
    assert jt.cuda.memory_allocated(1) == 300
    assert jt.cuda.memory_reserved() == 120
    assert jt.cuda.mem_get_info(1) == (TOTAL - 300, TOTAL)
    jt.cuda.empty_cache()
    assert jt.cuda.memory_reserved() == 100


def test_synchronize(machine: Machine) -> None:
    jt.cuda.synchronize()
    jt.cuda.synchronize(1)
    assert machine.synchronized == [0, 1]


def test_streams(machine: Machine) -> None:
    first, second = jt.cuda.Stream(), jt.cuda.Stream(device=1)
    assert (str(first.device), str(second.device)) == ("cuda:0", "cuda:1")
    with jt.cuda.stream(second):
        assert jt.cuda.current_device() == 1
        assert jt.cuda.current_stream().cupy is second.cupy
    assert jt.cuda.current_device() == 0
    assert jt.cuda.current_stream().cuda_stream == 0
    assert jt.cuda.default_stream().cuda_stream == 0
    with jt.cuda.stream(None):
        assert jt.cuda.current_stream().cuda_stream == 0
    second.wait_stream(first)
    assert len(second.cupy.waited) == 1
    first.synchronize()
    assert first.query()
    assert machine.synchronized == [first.cupy]
    assert repr(first) == "<jitorch.cuda.Stream device=cuda:0 cuda_stream=0x1000>"


def test_events(machine: Machine) -> None:
    start, end = (jt.cuda.Event(enable_timing=True) for _ in range(2))
    with pytest.raises(CudaError, match="must be recorded before"):
        start.elapsed_time(end)
    start.record()
    end.record(jt.cuda.Stream())
    end.synchronize()
    assert end.query()
    assert start.elapsed_time(end) == 1.0
    stream = jt.cuda.Stream()
    start.wait(stream)
    assert stream.cupy.waited == [start.cupy]
    with pytest.raises(CudaError, match="enable_timing=True"):
        jt.cuda.Event().elapsed_time(end)


def test_one_seed_for_all_devices(machine: Machine) -> None:
    jt.cuda.manual_seed(4)
    first = jt.rand(3, device="cuda")
    jt.cuda.manual_seed_all(4)
    assert jt.rand(3, device="cuda:1").tolist() == first.tolist()
    jt.manual_seed(4)
    assert jt.rand(3).tolist() == first.tolist()


@pytest.mark.usefixtures("no_wheels")
def test_without_cuda() -> None:
    assert not jt.cuda.is_available()
    assert jt.cuda.device_count() == 0
    assert not jt.cuda.is_initialized()
    jt.cuda.manual_seed(1)
    jt.cuda.empty_cache()
    for ask in (
        jt.cuda.init,
        jt.cuda.current_device,
        jt.cuda.synchronize,
        jt.cuda.memory_allocated,
        jt.cuda.memory_reserved,
        jt.cuda.mem_get_info,
        jt.cuda.get_device_name,
        jt.cuda.Stream,
        jt.cuda.Event,
        jt.cuda.current_stream,
        lambda: jt.cuda.set_device(0),
        lambda: jt.cuda.device(0),
    ):
        with pytest.raises(CudaError, match=r"pip install 'jitorch\[cuda\]'"):
            ask()


def test_importing_loads_no_cuda() -> None:
    script = (
        "import sys, jitorch as jt; x = jt.ones(2) + 1; jt.device('cuda:0'); x.to('cpu').cpu();"
        "print(sorted(m for m in sys.modules if m.split('.')[0] in ('cupy', 'cuda', 'numba')),"
        "'importlib.metadata' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == "[] False\n", done.stderr


def test_tf32_is_off_until_it_is_allowed(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapter, "tf32", False)
    assert jt.backends.cuda.matmul.allow_tf32 is False
    jt.backends.cuda.matmul.allow_tf32 = True
    assert machine.products == {}  # CuPy is not loaded for it
    jt.cuda.init()
    products = sys.modules["cupy._core._routines_linalg"]
    assert machine.products == {"float32": products.COMPUTE_TYPE_TF32}
    jt.backends.cuda.matmul.allow_tf32 = False
    assert machine.products == {"float32": products.COMPUTE_TYPE_DEFAULT}
