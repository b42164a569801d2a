"""`mode="reduce-overhead"`: launches captured once and replayed, or a reason why not."""

from __future__ import annotations

import re
from typing import Any

import pytest

import jitorch as jt
from jitorch.codegen.cuda import launch, replay
from jitorch.errors import CudaError, TypeMismatch
from tests.cuda import pretend
from tests.cuda.kernels import Kernels, compilers, install
from tests.cuda.pretend import CUDARuntimeError, Machine


@pytest.fixture(autouse=True)
def kernels(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Kernels:
    return install(monkeypatch)


def step(x: Any, w: Any) -> Any:
    h = (x @ w + 1).tanh()
    return h / h.sum(1, keepdim=True), h.cumsum(0)


def inputs(n: int, device: str) -> tuple[Any, Any]:
    return jt.arange(n * 3.0, device=device).reshape(n, 3) / 10, jt.ones(3, 4, device=device)


def test_results_are_those_of_the_function(machine: Machine) -> None:
    f = jt.script(step, mode="reduce-overhead")
    for times, n in enumerate((2, 5, 2, 5, 2), 1):
        x, w = inputs(n, "cuda:1")
        found = f(x * times, w)
        x, w = inputs(n, "cpu")
        for a, b in zip(found, step(x * times, w), strict=True):
            assert str(a.device) == "cuda:1"
            assert jt.allclose(a.cpu(), b)
    assert machine.replays == 5
    assert machine.current == 0
    assert "replayed, 2 captured" in f.explain(*inputs(2, "cuda:1")).replay
    assert re.search(r"launches\n +replayed, 2 captured", str(f.explain(*inputs(2, "cuda:1"))))


def test_a_call_starts_one_graph(machine: Machine, kernels: Kernels) -> None:
    f = jt.script(step, mode="reduce-overhead")
    x, w = inputs(2, "cuda")
    f(x, w)
    launched = len(kernels.launched)
    f(x, w)
    assert len(kernels.launched) == launched
    assert machine.replays == 2


def test_folds_in_parts_are_replayed(
    machine: Machine, kernels: Kernels, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "is_cut", lambda points, elements, lanes: elements > 50)
    f = jt.script(lambda x: (x.softmax(1), x.sum(0)), mode="reduce-overhead")
    for n, m in ((2, 400), (60, 3), (2, 400), (2, 3)):
        x = jt.arange(1.0 * n * m).reshape(n, m) / m
        for a, b in zip(f(x.cuda()), (x.softmax(1), x.sum(0)), strict=True):
            assert jt.allclose(a.cpu(), b)
    assert machine.replays == 4
    assert len(kernels.functions) == 1 + 5 + 1 + 2


def test_results_are_overwritten_by_the_next_call() -> None:
    f = jt.script(lambda x: x + 1, mode="reduce-overhead")
    first = f(jt.zeros(3).cuda())
    kept = first.clone()
    f(jt.ones(3).cuda())
    assert first.tolist() == [2, 2, 2]
    assert kept.tolist() == [1, 1, 1]


def test_numbers_belong_to_a_capture(machine: Machine) -> None:
    @jt.script(mode="reduce-overhead")
    def f(x: Any, k: float) -> Any:
        return x * k

    x = jt.ones(2).cuda()
    assert [f(x, k).tolist()[0] for k in (2.0, 3.0, 2.0)] == [2, 3, 2]
    assert "2 captured" in f.explain(x, 2.0).replay
    for k in range(replay.MOST_CAPTURES + 3):
        assert f(x, k + 0.5).tolist() == [k + 0.5] * 2
    assert "more than 8 sets of sizes and numbers" in f.explain(x, 2.0).replay


def test_zeros_of_both_signs_and_nan_are_numbers_of_their_own() -> None:
    f = jt.script(lambda x, k: x * k, mode="reduce-overhead")
    x = jt.ones(1).cuda()
    found = [str(f(x, k).item()) for k in (0.0, -0.0, float("nan"), float("nan"))]
    assert found == ["0.0", "-0.0", "nan", "nan"]
    assert "3 captured" in f.explain(x, 0.0).replay


def test_captured_tensors_are_not_copied() -> None:
    weight = jt.ones(3).cuda()
    f = jt.script(lambda x: x * weight, mode="reduce-overhead")
    x = jt.ones(3).cuda()
    assert f(x).tolist() == [1, 1, 1]
    weight.mul_(5)
    assert f(x).tolist() == [5, 5, 5]


def test_arguments_that_are_not_contiguous_or_empty() -> None:
    f = jt.script(lambda x: x * 2 + 1, mode="reduce-overhead")
    x = jt.arange(6.0).reshape(2, 3)
    for made in (x.cuda().T, x.cuda()[:, :2], x.cuda()[:0]):
        assert f(made).tolist() == (made.cpu() * 2 + 1).tolist()


def test_a_result_that_is_an_argument() -> None:
    f = jt.script(lambda x: (x, x + 1), mode="reduce-overhead")
    x = jt.ones(3).cuda()
    for _ in range(2):
        assert f(x)[0] is x


def reads(x: Any) -> Any:
    return x * x.sum().item()


def draws(x: Any) -> Any:
    return x + jt.rand_like(x)


def branches(x: Any) -> Any:
    return x + 1 if x.sum() > 0 else x - 1


def writes(x: Any) -> Any:
    x += 1
    return x * 2


def prints(x: Any) -> Any:
    print("called")
    return x + 1


def leaves(x: Any) -> Any:
    return x.cpu() + 1


def gives_a_view(x: Any) -> Any:
    return x[1:], x + 1


@pytest.mark.parametrize(
    ("fn", "why"),
    [
        (reads, "'item' reads the GPU's memory"), (draws, "has to be done anew by each call"),
        (branches, "reads the GPU's memory"), (writes, "'assign' has to be done anew"),
        (prints, "'print' has to be done anew"), (leaves, "a tensor is in main memory"),
        (gives_a_view, "a result is a view of an argument"),
    ],
    ids=lambda x: getattr(x, "__name__", ""),
)  # fmt: skip
def test_what_is_not_captured_runs_and_says_why(fn: Any, why: str, machine: Machine) -> None:
    f = jt.script(fn, mode="reduce-overhead")
    for _ in range(2):
        jt.manual_seed(1)
        found, wanted = (f(jt.ones(3).cuda()), jt.manual_seed(1), fn(jt.ones(3)))[::2]
        for a, b in zip(*((r if type(r) is tuple else (r,)) for r in (found, wanted)), strict=True):
            assert a.tolist() == b.tolist()
    assert machine.replays == 0
    assert why in f.explain(jt.ones(3).cuda()).replay


def test_a_failure_while_replaying(machine: Machine) -> None:
    f = jt.script(lambda x: x + 1, mode="reduce-overhead")
    x = jt.ones(3).cuda()
    f(x)
    machine.fail = CUDARuntimeError("cudaErrorLaunchFailure: unspecified launch failure")
    with pytest.raises(CudaError, match="unspecified launch failure"):
        f(x)
    assert f(x).tolist() == [2, 2, 2]


def test_traces_take_the_mode(machine: Machine) -> None:
    f = jt.jit.trace(step, inputs(2, "cuda"), mode="reduce-overhead")
    for a, b in zip(f(*inputs(4, "cuda")), step(*inputs(4, "cpu")), strict=True):
        assert jt.allclose(a.cpu(), b)
    assert machine.replays == 1


def test_on_the_cpu_the_mode_does_nothing() -> None:
    f = jt.script(lambda x: x + 1, mode="reduce-overhead")
    first = f(jt.zeros(3))
    f(jt.ones(3))
    assert first.tolist() == [1, 1, 1]
    assert f.explain(jt.zeros(3)).replay == ""


def test_without_a_compiler_the_mode_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    compilers(monkeypatch, "numba-cuda is not installed")
    f = jt.script(lambda x: x + 1, mode="reduce-overhead")
    with pytest.warns(RuntimeWarning, match="op by op"):
        assert f(jt.zeros(3).cuda()).tolist() == [1, 1, 1]


def test_modes_have_names() -> None:
    bad: Any = "fast"
    with pytest.raises(TypeMismatch, match="there is no mode 'fast'"):
        jt.script(lambda x: x, mode=bad)
    with pytest.raises(TypeMismatch, match="there is no mode 'fast'"):
        jt.jit.trace(lambda x: x, (jt.ones(1),), mode=bad)
    f = jt.script(lambda x: x + 1)
    assert jt.script(f) is f
    assert jt.script(f, mode="reduce-overhead") is not f


@pytest.mark.skipif(pretend.real() is None, reason="CuPy is not installed")
@pytest.mark.parametrize(
    "name",
    [
        "MemoryPool.malloc", "using_allocator", "Stream.begin_capture", "Stream.end_capture",
        "Graph.launch", "MemoryPointer.copy_from_device_async", "MemoryPointer.device_id",
        "runtime.getDevice", "driver.launchKernel", "function.Module.load",
        "function.Module.get_function", "function.Function.ptr", "Device.compute_capability",
    ],
)  # fmt: skip
def test_the_real_cupy_has_what_programs_use(name: str) -> None:
    found = pretend.real().cuda
    for part in name.split("."):
        found = getattr(found, part)
