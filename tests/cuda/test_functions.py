"""Scripted and traced functions on tensors of a GPU: as kernels, and op by op without a compiler."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from typing import Any

import pytest

import jitorch as jt
from jitorch.errors import CompileError, CudaError, DeviceMismatch, TraceError, TypeMismatch
from jitorch.ir.interp import interpret
from jitorch.ir.parser import parse
from tests.cuda.kernels import Kernels
from tests.cuda.pretend import Machine

pytestmark = pytest.mark.usefixtures("kernels")


def softmax_like(x: Any) -> Any:
    e = (x - x.max(1, keepdim=True).values).exp()
    return e / e.sum(1, keepdim=True)


def with_control(x: Any, steps: int) -> Any:
    total = jt.zeros_like(x)
    for i in range(steps):
        if x.sum() > 1:
            total = total + x * i
        else:
            total = total - 1
    return total


def with_writes(x: Any) -> Any:
    y = x.clone()
    y[0] = 7
    y[:, 1] += 1
    return y


def with_lists(x: Any) -> Any:
    out = []
    for row in x:
        out.append(row * 2)
    return jt.stack(out)


def with_making(x: Any) -> Any:
    n = x.shape[0]
    mask = jt.arange(n, device=x.device) > 0
    two = jt.full((1,), 2.0, device=x.device)
    return jt.where(mask.unsqueeze(1), x, 0.5) + two + jt.eye(n, x.shape[1], device=x.device)


def with_number_before_tensor(x: Any) -> Any:
    total = 0.0
    for row in x:
        total = total + row
    return total


def with_indices(x: Any) -> Any:
    return x[[1, 0]] + x[jt.arange(2, device=x.device)]


def with_composites(x: Any) -> Any:
    y = jt.nn.functional.layer_norm(x, (x.shape[1],))
    return jt.nn.functional.gelu(y) + jt.log_softmax(x, 1)


PROGRAMS = [
    (softmax_like, ()), (with_control, (3,)), (with_writes, ()), (with_lists, ()), (with_making, ()),
    (with_number_before_tensor, ()), (with_indices, ()), (with_composites, ()),
]  # fmt: skip


def x() -> Any:
    return jt.tensor([[1.0, 2.0, 3.0], [0.5, -1.0, 0.25]])


@pytest.mark.parametrize(("fn", "rest"), PROGRAMS, ids=[f.__name__ for f, _ in PROGRAMS])
def test_results_are_those_of_the_cpu(fn: Callable[..., Any], rest: tuple[Any, ...]) -> None:
    wanted = fn(x(), *rest)
    for found in (
        fn(x().cuda(1), *rest),
        jt.script(fn)(x().cuda(1), *rest),
    ):
        assert str(found.device) == "cuda:1"
        assert jt.allclose(found.cpu(), wanted)


def test_a_trace_is_for_its_device() -> None:
    f = jt.jit.trace(softmax_like, (x().cuda(),))
    assert jt.allclose(f(x().cuda()).cpu(), softmax_like(x()))
    with pytest.raises(TraceError, match=r"'x' was float32\[n, n\] on cuda:0, now float32\[n, n\]"):
        f(x())


def test_each_device_has_its_version() -> None:
    reasons: list[str] = []

    @jt.script
    def double(x: Any) -> Any:
        return x * 2

    for a in (jt.ones(3), jt.ones(3).cuda(), jt.ones(3).cuda(1), jt.ones(3), jt.ones(3).cuda(1)):
        assert double(a).device == a.device
    reasons = [v.reason for versions in double._versions.values() for v in versions]
    assert reasons == [
        "first call",
        "'x' was float32[n], now float32[n] on cuda:0",
        "'x' was float32[n] on cuda:0, now float32[n] on cuda:1",
    ]


def test_arguments_that_are_written() -> None:
    @jt.script
    def change(x: Any) -> None:
        x[0] = 5.0
        x *= 2

    a = jt.ones(3, device="cuda:1")
    change(a)
    assert a.tolist() == [10, 2, 2]


def test_the_device_in_a_program() -> None:
    @jt.script
    def f(x: Any) -> Any:
        if x.is_cuda:
            return x.cpu() + 1
        return x.cuda() + 2

    there = f(jt.zeros(2))
    assert (str(there.device), there.tolist()) == ("cuda:0", [2, 2])
    here = f(there)
    assert (str(here.device), here.tolist()) == ("cpu", [3, 3])
    assert "transfer" in str(f.graph(jt.zeros(2), stage="typed"))


def test_devices_do_not_mix_in_a_program() -> None:
    @jt.script
    def f(x: Any, y: Any) -> Any:
        return x + y

    with pytest.raises(DeviceMismatch, match="at least two devices, cuda:0 and cpu!") as caught:
        f(jt.ones(2), jt.ones(2).cuda())
    assert caught.value.loc.known
    assert f(jt.tensor(2.0), jt.ones(2).cuda()).tolist() == [3, 3]


def test_captured_tensors() -> None:
    weight = jt.full((3,), 2.0, device="cuda:1")

    @jt.script
    def f(x: Any) -> Any:
        return x * weight

    assert f(jt.ones(3, device="cuda:1")).tolist() == [2, 2, 2]
    with pytest.raises(DeviceMismatch):
        f(jt.ones(3))


def test_printing_in_a_program(capsys: pytest.CaptureFixture[str]) -> None:
    @jt.script
    def f(x: Any) -> Any:
        print("x is", x)
        return x

    f(jt.ones(1).cuda())
    assert capsys.readouterr().out == "x is tensor([1.], device='cuda:0')\n"


def test_one_warning(kernels: Kernels | None) -> None:
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        for n in (1, 2):
            jt.script(lambda x: x + 1)(jt.ones(n).cuda())
    if kernels is not None:
        assert seen == []
        return
    (only,) = seen
    assert "run op by op on CUDA tensors" in str(only.message)
    assert "numba-cuda is not installed. Install what is missing with: pip install" in str(
        only.message
    )


def test_graphs_say_where_tensors_are() -> None:
    @jt.script
    def f(x: Any) -> Any:
        return x + jt.zeros(3, device="cuda:1")

    text = str(f.graph(jt.ones(3, device="cuda:1"), stage="typed"))
    assert "%x: f32[n] @cuda:1" in text or "%x: f32[3] @cuda:1" in text
    assert str(parse(text)) == text
    (made,) = interpret(parse(text), [jt.ones(3, device="cuda:1")._data])
    assert made.device.id == 1
    with pytest.raises(TypeMismatch, match=re.escape("got a tensor on cpu")):
        interpret(parse(text), [jt.ones(3).numpy()])


def test_a_program_may_be_the_first_to_use_a_gpu() -> None:
    @jt.script
    def f(n: int) -> Any:
        return jt.full((n,), 2.0, device="cuda:1") + 1

    made = f(2)
    assert (str(made.device), made.tolist()) == ("cuda:1", [3, 3])


def test_code_can_be_shown(kernels: Kernels | None) -> None:
    f = jt.script(softmax_like)
    assert "'x' was" not in str(f.explain(x().cuda()))
    with pytest.raises(TypeMismatch, match="there is no code for the CPU"):
        f.code(x().cuda(), device="cpu")
    if kernels is None:
        with pytest.raises(CompileError, match="the compilers for CUDA are not installed"):
            f.code(x().cuda())
        return
    assert "cuda.threadIdx.x" in f.code(x().cuda())
    with pytest.raises(TypeMismatch, match="there is no code at stage 'llvm'") as caught:
        f.code(x().cuda(), stage="llvm")
    assert caught.value.hint == "the stages for cuda are: kernels, ptx, sass"


@pytest.mark.numba
def test_machine_code_can_be_shown(kernels: Kernels | None, compiler: None) -> None:
    if kernels is None:
        pytest.skip("no compiler, no code")
    f = jt.script(softmax_like)
    assert ".target sm_90" in f.code(x().cuda(), stage="ptx")
    assert "EXIT" in f.code(x().cuda(), stage="sass")
    assert ".target sm_80" in f.code(x().cuda(), stage="ptx", device="cuda", cc="8.0")


def test_what_was_compiled_is_explained(kernels: Kernels | None) -> None:
    text = str(jt.script(softmax_like).explain(x().cuda()))
    if kernels is not None:
        assert re.search(r"kernels\n +fused_\w+: peak, sub, exp, sum, div \(test_functions", text)


def test_a_trace_is_checked() -> None:
    jt.jit.trace(softmax_like, (x().cuda(),), check_inputs=[(x().cuda() * 2,)])
    factors = [2.0, 2.0, 3.0]
    with pytest.raises(TraceError, match="the trace differs from the function"):
        jt.jit.trace(lambda a: a * factors.pop(), (x().cuda(),), check_inputs=[(x().cuda(),)])


def test_numbers_of_a_seed_are_the_same() -> None:
    @jt.script
    def f(x: Any) -> Any:
        return jt.rand_like(x) + jt.randn(3, device=x.device)

    jt.manual_seed(5)
    wanted = f.eager(jt.ones(3))
    jt.manual_seed(5)
    assert f(jt.ones(3).cuda()).tolist() == wanted.tolist()


def test_a_program_can_be_recorded_for_a_gpu_that_is_not_here(machine: Machine) -> None:
    machine.driver = 0

    @jt.script
    def f(x: Any) -> Any:
        return x.to("cuda:0") * 2

    assert "@cuda:0" in str(f.graph(jt.ones(3), stage="optimized"))
    with pytest.raises(CudaError, match="found no NVIDIA driver") as caught:
        f(jt.ones(3))
    assert "x.to" in str(caught.value)
