"""Each way in which CUDA can't be used or fails gives one clear error; the CPU goes on."""

from __future__ import annotations

import importlib.metadata
import re
import sys
import types
from collections.abc import Callable
from typing import Any

import pytest

import jitorch as jt
from jitorch.cuda import adapter, diagnosis
from jitorch.errors import CudaError, OutOfMemoryError
from tests.cuda import pretend
from tests.cuda.kernels import compilers
from tests.cuda.pretend import CUDARuntimeError, Machine, OutOfMemoryError as OutOfMemoryOfCupy

Golden = Callable[[str, str], None]
Break = Callable[[Machine, pytest.MonkeyPatch], None]


def no_wheels(machine: Machine, patch: pytest.MonkeyPatch) -> None:
    patch.setitem(sys.modules, "cupy", None)


def broken_wheels(machine: Machine, patch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> Any:
        raise ImportError("libcublas.so.13: cannot open shared object file\nand more")

    patch.setattr("importlib.import_module", fail)


def no_driver(machine: Machine, patch: pytest.MonkeyPatch) -> None:
    machine.driver = 0


def old_driver(machine: Machine, patch: pytest.MonkeyPatch) -> None:
    machine.driver = 12040


def no_gpu(machine: Machine, patch: pytest.MonkeyPatch) -> None:
    patch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    machine.gpus = 0


def hidden_gpu(machine: Machine, patch: pytest.MonkeyPatch) -> None:
    patch.setenv("CUDA_VISIBLE_DEVICES", "")
    machine.gpus = 0


@pytest.mark.parametrize(
    "trouble", [no_wheels, broken_wheels, no_driver, old_driver, no_gpu, hidden_gpu]
)
def test_no_cuda(
    trouble: Break, machine: Machine, monkeypatch: pytest.MonkeyPatch, golden: Golden
) -> None:
    monkeypatch.setattr(
        importlib.metadata, "packages_distributions", lambda: {"cupy": ["cupy-cuda13x"]}
    )
    trouble(machine, monkeypatch)
    ways: list[Callable[[], Any]] = [
        lambda: jt.zeros(2).cuda(),
        lambda: jt.zeros(2).to("cuda:0"),
        lambda: jt.zeros(2, device="cuda"),
        lambda: jt.tensor([1], device="cuda"),
        jt.cuda.init,
    ]
    texts = set()
    for way in ways:
        with pytest.raises(CudaError) as caught:
            way()
        texts.add(str(caught.value))
    (text,) = texts
    golden(f"{trouble.__name__}.txt", text + "\n")
    assert not jt.cuda.is_available()
    assert jt.cuda.device_count() == 0
    assert (jt.ones(2) + 1).tolist() == [2, 2]
    assert jt.script(lambda x: x + 1).eager(jt.ones(1)).tolist() == [2]


def test_cuda_may_come_later(machine: Machine) -> None:
    machine.driver = 0
    assert not jt.cuda.is_available()
    machine.driver = 13000
    assert jt.cuda.is_available()


FAILURES = {
    "out_of_memory": OutOfMemoryOfCupy(
        "Out of memory allocating 8,589,934,592 bytes (allocated so far: 1,073,741,824 bytes)."
    ),
    "launch_failure": CUDARuntimeError(
        "cudaErrorIllegalAddress: an illegal memory access was encountered"
    ),
    "memory_of_the_runtime": CUDARuntimeError("cudaErrorMemoryAllocation: out of memory"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_failures(name: str, machine: Machine, golden: Golden) -> None:
    x = jt.ones(2, device="cuda:1")
    machine.used = [0, 15 * 2**30]
    acts: list[Callable[[], Any]] = [lambda: x + 1, x.exp, lambda: jt.zeros(9, device="cuda:1")]
    texts = set()
    for act in acts:
        machine.fail = FAILURES[name]
        with pytest.raises(CudaError) as caught:
            act()
        texts.add(str(caught.value))
        assert isinstance(caught.value, OutOfMemoryError) == ("memory" in name)
        assert caught.value.__cause__ is FAILURES[name]
    (text,) = texts
    golden(f"{name}.txt", text + "\n")
    assert (x + 1).tolist() == [2, 2]


def test_a_failure_shows_where_the_program_waits(machine: Machine) -> None:
    x = jt.ones(2, device="cuda")
    for wait in (x.tolist, x.cpu, jt.cuda.synchronize, lambda: str(x)):
        machine.fail = FAILURES["launch_failure"]
        with pytest.raises(CudaError, match="illegal memory access"):
            wait()


def test_a_failure_in_a_program_has_its_place(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    @jt.script
    def f(x: Any) -> Any:
        return x * 2

    x = jt.ones(2, device="cuda")
    compilers(monkeypatch, "numba-cuda is not installed")
    with pytest.warns(RuntimeWarning, match="run op by op"):
        f(x)
    machine.fail = FAILURES["out_of_memory"]
    with pytest.raises(OutOfMemoryError) as caught:
        f(x)
    assert "return x * 2" in str(caught.value)
    assert isinstance(caught.value, RuntimeError)
    assert jt.cuda.OutOfMemoryError is jt.OutOfMemoryError is OutOfMemoryError


def test_errors_of_others_stay_as_they_are(machine: Machine) -> None:
    x = jt.ones(2, device="cuda")
    machine.fail = KeyError("mine")
    with pytest.raises(KeyError, match="mine"):
        _ = x + 1


def test_errors_while_compiling(machine: Machine) -> None:
    kind = type("CompileException", (Exception,), {"__module__": "cupy.cuda.compiler"})
    x = jt.ones(2, device="cuda")
    machine.fail = kind("nvrtc: error: invalid value\nmore")
    with pytest.raises(CudaError, match="could not compile a kernel: nvrtc: error: invalid value"):
        _ = x + 1


def test_a_new_error_of_cupy_is_told(machine: Machine) -> None:
    kind = type("NewError", (Exception,), {"__module__": "cupy.somewhere"})
    x = jt.ones(2, device="cuda")
    machine.fail = kind("odd")
    with pytest.raises(CudaError, match="NewError: odd"):
        _ = x + 1


def test_sizes_are_shown_as_in_pytorch() -> None:
    assert [diagnosis.size(n) for n in (5, 2048, 3 * 2**20, 2**34)] == [
        "5 bytes", "2.00 KiB", "3.00 MiB", "16.00 GiB",
    ]  # fmt: skip


# The real CuPy, where it is installed and there is no GPU.


@pytest.mark.skipif(pretend.real() is None, reason="CuPy is not installed")
def test_the_real_cupy_without_a_driver() -> None:
    module: types.ModuleType = pretend.real()
    if module.cuda.runtime.driverGetVersion():
        pytest.skip("there is a driver")
    assert not jt.cuda.is_available()
    with pytest.raises(CudaError, match="found no NVIDIA driver"):
        jt.zeros(2).cuda()
    told = diagnosis.in_words(_raised(lambda: module.zeros(3)), module)
    assert isinstance(told, CudaError)
    assert re.match("CUDA error: cudaErrorInsufficientDriver", told.message)
    assert adapter.cupy is None


def _raised(act: Callable[[], Any]) -> Exception:
    try:
        act()
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")
