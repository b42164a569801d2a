"""Every op of the table on a GPU: the same results as on the CPU."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

import jitorch as jt
from jitorch.dispatch import apply
from jitorch.tensor import Tensor, wrap
from tests.cuda import pretend
from tests.cuda.kernels import install
from tests.cuda.pretend import Machine
from tests.ops.test_table import SAMPLES, run, sample


def compiles(name: str, number: int) -> bool:
    """Whether a program may take a sample's arguments: complex tensors have no compiled form."""
    _, args, _ = sample(name, number)
    return not any(np.iscomplexobj(x) for x in args)


# Every third: samples of an op often differ by their dtype only.
COMPILED = [(name, i) for name, i in SAMPLES if i % 3 == 0 and compiles(name, i)]


def there(x: Any) -> Any:
    return wrap(x).cuda(1) if isinstance(x, np.ndarray) else x


@pytest.mark.parametrize(("name", "number"), SAMPLES)
def test_results_are_those_of_the_cpu(name: str, number: int, machine: Machine) -> None:
    op, args, attrs = sample(name, number)
    jt.manual_seed(3)
    wanted = run(op, args, attrs)
    jt.manual_seed(3)
    operands = [there(x) for x in args]
    named = {"device": "cuda:1"} if not any(isinstance(x, Tensor) for x in operands) else {}
    takes_device = "device" in op.infer.__kwdefaults__ if op.infer.__kwdefaults__ else False
    made = apply(op, *operands, **attrs, **(named if takes_device else {}))
    found = made if isinstance(made, tuple) else (made,)
    assert len(found) == len(wanted)
    for a, b in zip(found, wanted, strict=True):
        if operands and name != "transfer":
            assert str(a.device) == "cuda:1"
        assert a.dtype is b.dtype
        np.testing.assert_array_equal(a.cpu().numpy(), b.numpy())
    assert machine.current == 0


@pytest.mark.parametrize(("name", "number"), COMPILED)
def test_compiled_programs_of_one_op(
    name: str, number: int, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    op, args, attrs = sample(name, number)
    jt.manual_seed(3)
    wanted = run(op, args, attrs)
    install(monkeypatch)
    operands = [there(x) for x in args]
    program = jt.jit.trace(lambda *xs: apply(op, *xs, **attrs), tuple(operands))
    jt.manual_seed(3)
    made = program(*operands)
    found = made if isinstance(made, tuple) else (made,)
    for a, b in zip(found, wanted, strict=True):
        assert a.dtype is b.dtype
        # Emulated kernels compute functions by NumPy, which rounds them as libdevice does not.
        np.testing.assert_allclose(a.cpu().numpy(), b.numpy(), rtol=2e-3, atol=1e-6)


@pytest.mark.skipif(pretend.real() is None, reason="CuPy is not installed")
@pytest.mark.usefixtures("machine")
def test_the_stand_in_refuses_what_cupy_refuses() -> None:
    cupy = sys.modules["cupy"]
    a = cupy.asarray(np.ones(3, np.complex64))
    with pytest.raises(AssertionError, match="has no loop for"):
        cupy.floor(a)
    with pytest.raises(TypeError, match="initial"):
        cupy.amax(a, initial=0)
    with pytest.raises(TypeError, match=r"Unsupported type <class 'numpy\.ndarray'>"):
        cupy.add(a, np.ones(3))
    with pytest.raises(TypeError, match="Implicit conversion"):
        np.asarray(a)
    assert cupy.exp(cupy.asarray(np.ones(3, np.int8))).dtype == np.float16
