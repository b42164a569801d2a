"""Public functions and methods on a GPU: what they give on the CPU, there."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import jitorch as jt
from jitorch.dispatch import METHODS
from tests.cuda.pretend import Machine

FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{n: getattr(jt, n) for n in dir(jt) if not n.startswith("_")},
    **{f"F.{n}": getattr(jt.nn.functional, n) for n in dir(jt.nn.functional) if n[0] != "_"},
    **{f"Tensor.{n}": getattr(jt.Tensor, n) for n in METHODS if hasattr(jt.Tensor, n)},
}
# Those whose effect or result is not on tensors, and those that tell the device otherwise.
LEFT_OUT = (
    "as_tensor", "asarray", "get_rng_state", "normal", "promote_types", "seed", "set_default_dtype",
    "set_printoptions", "set_rng_state", "tensor",
)  # fmt: skip


def matrix() -> Any:
    return jt.tensor([[0.5, -1.25, 2.0], [3.0, 0.0, -0.5]])


def counts() -> Any:
    return jt.tensor([[1, 0, 1], [0, 1, 0]])


def arguments() -> Iterator[tuple[Any, ...]]:
    """Yield arguments of the kinds that functions take; each function gets those that it accepts."""
    m, i = matrix(), counts()
    yield from ((m,), (i,), (m[0],), (m[None],), (m > 0,), (i[0],))
    yield from ((m, m), (m, 1), (m, 0.5), (m, i), (i, 3), (m, m.T), (m[0], m[0]), ([m, m],))
    yield from (
        (m, 1, i),
        (m, m > 0, 2.0),
        (m, m, m),
        (m, -1, 1),
        (m, (3,)),
        (m, 0, 1),
        (m > 0, m, 0.0),
    )
    yield from ((m, 1, i, m), (m, 0, i[0, :2], 2.0), (m, 0, i[0, :2], m), (m, i[0, :2]), (m, m[0]))


def moved(x: Any, device: str) -> Any:
    if isinstance(x, jt.Tensor):
        return x.to(device)
    return type(x)(moved(i, device) for i in x) if isinstance(x, (list, tuple)) else x


def leaves(x: Any) -> list[Any]:
    if isinstance(x, (list, tuple)):
        return [leaf for i in x for leaf in leaves(i)]
    return [x]


def called(fn: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    jt.manual_seed(7)
    return fn(*args)


def accepted(fn: Callable[..., Any], args: tuple[Any, ...]) -> bool:
    try:
        called(fn, copy.deepcopy(args))
    except Exception:
        return False
    return True


@pytest.mark.parametrize("name", sorted(set(FUNCTIONS) - set(LEFT_OUT)))
def test_results_are_those_of_the_cpu(name: str, machine: Machine) -> None:
    fn = FUNCTIONS[name]
    if isinstance(fn, type) or not callable(fn):
        return
    for args in arguments():
        if not accepted(fn, args):
            continue
        wanted = called(fn, copy.deepcopy(args))
        found = called(fn, moved(args, "cuda:1"))
        for a, b in zip(leaves(found), leaves(wanted), strict=True):
            if not isinstance(b, jt.Tensor):
                assert type(a) is type(b)
                continue
            assert str(a.device) == "cuda:1"
            assert a.dtype is b.dtype
            np.testing.assert_array_equal(a.cpu().numpy(), b.numpy())
    assert machine.current == 0
