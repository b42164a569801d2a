"""Convolutions and pooling on a GPU: the CPU's results, from few and large calls of CuPy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import Any

import numpy as np
import pytest

import jitorch as jt
import jitorch.nn.functional as F
from jitorch.errors import ShapeMismatch
from jitorch.ops import workers
from tests.cuda import pretend
from tests.cuda.kernels import install
from tests.cuda.pretend import Machine

RNG = np.random.default_rng(0)
DTYPES = ["float16", "float32", "float64"]
TOLERANCE = {"float16": 2e-3, "float32": 1e-5, "float64": 1e-13}

# sizes of pictures and of filters, arguments
CONVOLUTIONS: dict[str, tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = {
    "plain": ((3, 4, 7, 6), (5, 4, 3, 2), {}),
    "strides": ((3, 4, 9, 8), (5, 4, 3, 3), {"stride": (2, 3)}),
    "padding": ((3, 4, 5, 6), (5, 4, 3, 3), {"padding": (2, 1)}),
    "padding on one side": ((3, 4, 5, 6), (5, 4, 2, 4), {"padding": "same"}),
    "dilation": ((3, 4, 9, 8), (5, 4, 3, 3), {"dilation": (2, 3), "padding": 1}),
    "groups": ((3, 4, 6, 6), (6, 2, 3, 3), {"groups": 2, "padding": 1}),
    "groups and strides": ((3, 6, 6, 6), (6, 2, 3, 3), {"groups": 3, "stride": 2, "padding": 1}),
    "1x1": ((3, 4, 6, 5), (5, 4, 1, 1), {}),
    "1x1 in groups": ((3, 4, 6, 5), (6, 2, 1, 1), {"groups": 2}),
    "1x1 with strides": ((3, 4, 6, 5), (5, 4, 1, 1), {"stride": 2}),
    "depthwise": ((3, 4, 6, 6), (4, 1, 3, 3), {"groups": 4, "padding": 1}),
    "depthwise, two filters each": (
        (3, 4, 9, 8), (8, 1, 3, 2), {"groups": 4, "stride": (2, 1), "dilation": 2},
    ),
    "no pictures": ((0, 4, 6, 6), (5, 4, 3, 3), {"padding": 1}),
    "no channels": ((2, 0, 6, 6), (5, 0, 3, 3), {}),
    "no filters": ((2, 4, 6, 6), (0, 4, 3, 3), {}),
}  # fmt: skip

POOLS: dict[str, Callable[..., Any]] = {
    "largest": lambda x: F.max_pool2d(x, 2),
    "largest, overlapping": lambda x: F.max_pool2d(x, 3, 2, 1),
    "largest, dilated": lambda x: F.max_pool2d(x, 2, 1, 1, 3),
    "largest, to the end": lambda x: F.max_pool2d(x, 3, 2, 0, ceil_mode=True),
    "mean": lambda x: F.avg_pool2d(x, (2, 3)),
    "mean with padding": lambda x: F.avg_pool2d(x, 3, 2, 1),
    "mean without padding": lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False),
    "mean, to the end": lambda x: F.avg_pool2d(x, 3, 2, 1, True),
    "sum by a number": lambda x: F.avg_pool2d(x, 3, 1, 1, divisor_override=7),
}

Calls = Counter[str]


def normal(*shape: int, dtype: str = "float32") -> Any:
    return jt.from_numpy(RNG.standard_normal(shape).astype(dtype))


def check(fn: Callable[..., Any], *args: Any) -> None:
    """Compare a function's results on a GPU with the CPU's."""
    compare(fn(*(x.cuda(1) for x in args)), fn(*args))


def check_both(fn: Callable[..., Any], *args: Any) -> None:
    """Compare a function's results on a GPU, eager and scripted, with the CPU's."""
    check(fn, *args)
    compare(jt.script(fn)(*(x.cuda(1) for x in args)), fn(*args))


def compare(found: Any, wanted: Any) -> None:
    assert str(found.device) == "cuda:1"
    assert found.dtype is wanted.dtype
    bound = TOLERANCE[wanted.numpy().dtype.name]
    np.testing.assert_allclose(found.cpu().numpy(), wanted.numpy(), rtol=bound, atol=bound)
    assert pretend.machine.current == 0


@pytest.fixture
def calls(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Calls:
    """Count the calls of CuPy's functions, by name."""
    counted: Calls = Counter()

    def counting(name: str, fn: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            counted[name] += 1
            return fn(*args, **kwargs)

        return call

    for name in ("matmul", "copyto", "multiply", "add", "maximum", "full", "zeros", "arange"):
        monkeypatch.setattr(pretend.module(), name, counting(name, getattr(pretend.module(), name)))
    return counted


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_convolutions(case: str, dtype: str) -> None:
    pictures, filters, arguments = CONVOLUTIONS[case]
    x, w = normal(*pictures, dtype=dtype), normal(*filters, dtype=dtype)
    b = normal(filters[0], dtype=dtype)
    check_both(lambda x, w, b: F.conv2d(x, w, b, **arguments), x, w, b)


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", POOLS)
def test_pools(case: str, dtype: str) -> None:
    check_both(POOLS[case], normal(3, 2, 8, 9, dtype=dtype))
    check_both(POOLS[case], normal(0, 2, 8, 9, dtype=dtype))


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_half_precision_adds_in_single(device: str) -> None:
    x = jt.ones(1, 2, 50, 50, dtype=jt.float16, device=device)  # a sum in half would stop at 2048
    assert F.avg_pool2d(x, 50).flatten().tolist() == [1, 1]
    assert F.conv2d(x, x[0].unsqueeze(1), groups=2).flatten().tolist() == [2500, 2500]
    assert F.conv2d(x[:, :1], x[:, :1]).flatten().tolist() == [2500]


@pytest.mark.usefixtures("kernels")
def test_one_dimension() -> None:
    check_both(lambda x, w: F.conv1d(x, w, None, 2, 1, 1, 2), normal(2, 4, 9), normal(6, 2, 3))


def views() -> dict[str, Any]:
    return {
        "channels last": normal(3, 6, 7, 4).permute(0, 3, 1, 2),
        "turned": normal(7, 6, 4, 3).permute(3, 2, 1, 0),
        "every other": normal(6, 4, 12, 14)[::2, :, ::2, ::2],
        "the same picture": normal(1, 4, 6, 7).expand(3, 4, 6, 7),
    }


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize("case", views())
def test_operands_that_lie_across(case: str) -> None:
    x = views()[case]
    check(lambda x, w: F.conv2d(x, w, padding=1), x, normal(3, 2, 4, 5).permute(2, 3, 1, 0)[:, :4])
    check(lambda x, w: F.conv2d(x, w), x, normal(4, 5, 1, 1).permute(1, 0, 2, 3))
    check(lambda x, w: F.conv2d(x, w, groups=4), x, normal(4, 1, 3, 2).permute(0, 1, 3, 2))
    check(lambda x: F.max_pool2d(x, 2), x)
    check(lambda x: F.avg_pool2d(x, 3, 1, 1), x)


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize("budget", [1, 700, 5000, 20000])
@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_any_number_of_blocks(case: str, budget: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "GPU_BLOCK_BYTES", budget)
    pictures, filters, arguments = CONVOLUTIONS[case]
    check(lambda x, w: F.conv2d(x, w, **arguments), normal(*pictures), normal(*filters))


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize("case", POOLS)
def test_any_number_of_blocks_of_pools(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for budget in (1, 1500):
        monkeypatch.setattr(workers, "GPU_BLOCK_BYTES", budget)
        check(POOLS[case], normal(3, 2, 8, 9))


def test_blocks_have_as_many_pictures_as_memory_holds(
    calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    unrolled = 4 * 9 * 6 * 6 * 4  # bytes of a picture: channels, kernel, rows, columns, float32
    x, w = normal(10, 4, 6, 6).cuda(), normal(5, 4, 3, 3).cuda()
    found = {}
    for pictures in (10, 9, 4, 1):
        monkeypatch.setattr(workers, "GPU_BLOCK_BYTES", pictures * unrolled)
        calls.clear()
        F.conv2d(x, w, padding=1)
        found[pictures] = calls["matmul"], calls["copyto"]
    assert found == {10: (1, 1), 9: (2, 2), 4: (3, 3), 1: (10, 10)}
    monkeypatch.setattr(workers, "GPU_BLOCK_BYTES", unrolled // 2)
    calls.clear()
    F.conv2d(x, w, padding=1)
    assert calls["matmul"] == 20  # half a picture each


def test_parts_are_equal() -> None:
    assert workers.parts(10, 9) == [slice(0, 5), slice(5, 10)]
    assert workers.parts(10, 4) == [slice(0, 4), slice(4, 8), slice(8, 10)]
    assert workers.parts(3, 5) == [slice(0, 3)]


def test_calls_do_not_depend_on_the_number_of_pictures(calls: Calls) -> None:
    found = []
    for n in (1, 30):
        x = normal(n, 4, 12, 12).cuda()
        calls.clear()
        F.conv2d(x, normal(5, 4, 3, 3).cuda(), padding=1)
        F.conv2d(x, normal(4, 1, 3, 3).cuda(), groups=4)
        F.max_pool2d(x, 3, 2, 1)
        F.avg_pool2d(x, 2)
        found.append(Counter(calls))
    assert found[0] == found[1]
    assert found[0]["matmul"] == 1
    assert found[0]["multiply"] == 9


def test_what_needs_no_copy_makes_none(calls: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    x = normal(3, 4, 6, 6).cuda()
    monkeypatch.setattr(workers, "GPU_BLOCK_BYTES", 100)
    F.conv2d(x, normal(5, 4, 1, 1).cuda())
    assert calls == {"matmul": 1}
    calls.clear()
    F.avg_pool2d(x, 3)  # whole windows inside the picture: nothing around it, and none to count
    assert calls["arange"] == 0
    F.avg_pool2d(x, 3, 2, 1, count_include_pad=False)
    assert calls["arange"] == 2


def test_no_threads_on_a_gpu(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any) -> None:
        raise AssertionError("work is shared among threads")

    monkeypatch.setattr(workers, "get_num_threads", lambda: 4)
    monkeypatch.setattr(workers, "_share", refused)
    monkeypatch.setattr(workers, "GPU_BLOCK_BYTES", 1)
    x, w = normal(8, 4, 6, 6), normal(5, 4, 3, 3)
    for a, b in ((x.cuda(), w.cuda()), (x, w)):
        for call in (partial(F.conv2d, a, b), partial(F.max_pool2d, a, 2)):
            with nullcontext() if a.is_cuda else pytest.raises(AssertionError, match="threads"):
                call()


def test_misuse_is_refused(machine: Machine) -> None:
    x = jt.ones(1, 2, 5, 5).cuda()
    with pytest.raises(ShapeMismatch, match="to have 3 channels, but got 2 channels instead"):
        F.conv2d(x, jt.ones(4, 3, 3, 3).cuda())
    with pytest.raises(ShapeMismatch, match="the output size is too small"):
        F.max_pool2d(x, 6)


def test_they_are_captured(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch)
    monkeypatch.setattr(workers, "GPU_BLOCK_BYTES", 4000)  # several blocks share a buffer

    @jt.script(mode="reduce-overhead")
    def f(x: Any, w: Any, v: Any, one: Any) -> Any:
        y = F.conv2d(x, w, padding=1).relu()
        y = F.conv2d(F.max_pool2d(y, 3, 2, 1), v, padding=1, groups=6)
        return F.avg_pool2d(F.conv2d(y, one), 3, 2, 1, count_include_pad=False)

    w, v, one = normal(6, 4, 3, 3), normal(6, 1, 3, 3), normal(2, 6, 1, 1)
    for times in range(1, 4):
        x = normal(5, 4, 9, 9)
        found = f(*(t.cuda() for t in (x, w, v, one)))
        assert jt.allclose(found.cpu(), f.eager(x, w, v, one), rtol=1e-4, atol=1e-5)
        assert machine.replays == times
    assert "replayed, 1 captured" in f.explain(*(t.cuda() for t in (x, w, v, one))).replay
