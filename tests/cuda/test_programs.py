"""What compiled programs on a GPU have to get right: devices, writes, lists, failures."""

from __future__ import annotations

from typing import Any

import pytest

import jitorch as jt
from jitorch.codegen.cuda import compiled, launch, runtime, toolkit
from jitorch.errors import CompileError, CudaError
from tests.cuda.kernels import Kernels
from tests.cuda.pretend import CUDARuntimeError, Machine

pytestmark = pytest.mark.usefixtures("kernels")


def test_kernels_run_on_the_device_of_their_tensors(kernels: Kernels | None) -> None:
    @jt.script
    def f(x: Any, y: Any) -> Any:
        a = (x * 2 + 1).cumsum(0)
        b = (y.exp() - 1).to(x.device)
        return a + b * b, (y * y + 3).sum()

    a, b = jt.arange(4.0), jt.ones(4)
    found = f(a.cuda(), b.cuda(1))
    wanted = f(a, b)
    assert [str(r.device) for r in found] == ["cuda:0", "cuda:1"]
    for got, expected in zip(found, wanted, strict=True):
        assert jt.allclose(got.cpu(), expected)
    if kernels is not None:
        assert {device for _, device in kernels.launched} == {0, 1}


def test_main_memory_takes_part() -> None:
    @jt.script
    def f(x: Any, scale: Any, table: Any) -> Any:
        t = table * 2 + scale
        y = x.clone()
        y[0] = scale
        return y * scale + t.cuda().sum(), t

    args = jt.ones(3), jt.tensor(2.0), jt.arange(5.0)
    there = f(args[0].cuda(), *args[1:])
    assert [str(r.device) for r in there] == ["cuda:0", "cpu"]
    for got, wanted in zip(there, f.eager(args[0].cuda(), *args[1:]), strict=True):
        assert jt.allclose(got.cpu(), wanted.cpu())


def test_writes_in_loops() -> None:
    @jt.script
    def f(x: Any, y: Any) -> Any:
        total = y.clone()
        for i in range(x.shape[0]):
            total[i] += x[i] * 2
            x[i] = total[i]
        return total

    a, b = (jt.arange(4.0, device=d) for d in ("cpu", "cuda:1"))
    wanted = f(a, jt.ones(4))
    assert f(b, jt.ones(4).cuda(1)).tolist() == wanted.tolist()
    assert b.tolist() == a.tolist()


def test_lists_that_grow() -> None:
    @jt.script
    def f(x: Any, n: int) -> Any:
        rows = []
        h = x
        while h.sum() < n:
            h = h * 2
            rows.append(h)
        return jt.stack(rows), len(rows)

    found, n = f(jt.ones(3).cuda(), 100)
    wanted, m = f(jt.ones(3), 100)
    assert (n, found.tolist()) == (m, wanted.tolist())


def test_a_quick_call_is_for_its_device() -> None:
    @jt.script
    def f(x: Any) -> Any:
        return x + 1

    for _ in range(3):
        for place in ("cuda:1", "cpu", "cuda:0"):
            made = f(jt.zeros(3, device=place))
            assert (str(made.device), made.tolist()) == (place, [1, 1, 1])
    assert len(f._entries) == 3
    assert all(type(e).__name__ == "function" for e in f._entries)


def test_a_launch_that_fails_has_its_place(machine: Machine) -> None:
    @jt.script
    def f(x: Any) -> Any:
        y = x * 2
        return y.exp()

    a = jt.ones(3).cuda()
    f(a)
    machine.fail = CUDARuntimeError("cudaErrorLaunchFailure: unspecified launch failure")
    with pytest.raises(CudaError, match="unspecified launch failure") as caught:
        f(a)
    assert caught.value.loc.known
    assert jt.allclose(f(a).cpu(), f(jt.ones(3)))


def cut_from(monkeypatch: pytest.MonkeyPatch, longest: int) -> None:
    """Cut folds of more elements in parts."""
    monkeypatch.setattr(launch, "is_cut", lambda points, elements, lanes: elements > longest)


def test_long_rows_are_compiled_for_when_they_are_met(
    kernels: Kernels | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_from(monkeypatch, 50)
    f = jt.script(lambda x: x.softmax(1))
    for m, loaded in ((5, 1), (400, 6), (50, 6), (401, 6)):
        x = jt.arange(2.0 * m).reshape(2, m) / m
        assert jt.allclose(f(x.cuda(1)).cpu(), x.softmax(1))
        assert kernels is None or len(kernels.functions) == loaded


def test_a_compiler_that_fails_late(
    kernels: Kernels | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kernels is None:
        return
    cut_from(monkeypatch, 50)
    binary = kernels.binary

    def failing(source: Any, entry: str, cc: tuple[int, int]) -> bytes:
        if entry.endswith("_1"):
            raise CompileError(f"the kernel '{entry}' could not be compiled for CUDA: too late")
        return binary(source, entry, cc)

    monkeypatch.setattr(runtime, "binary", failing)
    f = jt.script(lambda x: x.sum(1))
    for _ in range(2):
        assert f(jt.ones(2, 50).cuda()).tolist() == [50, 50]
        with pytest.raises(
            CompileError, match="could not be compiled for CUDA: too late"
        ) as caught:
            f(jt.ones(2, 51).cuda())
        assert caught.value.loc.known


def test_a_compiler_that_fails(kernels: Kernels | None, monkeypatch: pytest.MonkeyPatch) -> None:
    if kernels is None:
        return

    class Adapter:
        def ptx(self, *_: Any) -> str:
            raise ValueError("NVVM_ERROR_COMPILATION\nmore")

    def binary(source: Any, entry: str, cc: tuple[int, int]) -> bytes:
        return compiled.ptx(source, entry, cc).encode()

    monkeypatch.setattr(toolkit, "adapter", Adapter)
    monkeypatch.setattr(runtime, "binary", binary)
    with pytest.raises(CompileError, match="could not be compiled for CUDA: NVVM_ERROR") as caught:
        jt.script(lambda x: x.exp() * 17)(jt.ones(3).cuda())
    assert "jitorch doctor" in caught.value.hint
