"""Tensors print as PyTorch's do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import jitorch as jt
from jitorch.errors import TypeMismatch
from tests.printing_cases import CASES


@pytest.fixture(autouse=True)
def _default_options() -> Iterator[None]:
    jt.set_printoptions(profile="default")
    yield
    jt.set_printoptions(profile="default")


@pytest.mark.parametrize(("data", "options", "text"), CASES)
def test_repr(data: str, options: dict[str, Any], text: str) -> None:
    with np.errstate(all="ignore"):
        x = jt.tensor(eval(data, {"np": np}))
    jt.set_printoptions(**options)
    assert repr(x) == text


def test_views_print_their_elements() -> None:
    assert repr(jt.arange(6).reshape(2, 3).T[::2]) == "tensor([[0, 3],\n        [2, 5]])"


def test_str_and_format() -> None:
    x = jt.tensor([1.0, 2.5])
    assert str(x) == f"{x}" == "tensor([1.0000, 2.5000])"
    assert f"{x[1]}" == "2.5"
    assert f"{x[1]:.3f}" == "2.500"
    with pytest.raises(TypeError):
        f"{x:.3f}"


def test_options_stay_until_changed() -> None:
    jt.set_printoptions(precision=2)
    jt.set_printoptions(linewidth=100)
    assert repr(jt.tensor(1.25)) == "tensor(1.25)"


def test_unknown_profile() -> None:
    with pytest.raises(TypeMismatch, match="no such profile"):
        jt.set_printoptions(profile="long")


def test_facts_about_dtypes() -> None:
    assert repr(jt.finfo(jt.float32)) == (
        "finfo(resolution=1e-06, min=-3.40282e+38, max=3.40282e+38, eps=1.19209e-07, "
        "smallest_normal=1.17549e-38, tiny=1.17549e-38, dtype=float32)"
    )
    assert repr(jt.iinfo(jt.uint8)) == "iinfo(min=0, max=255, dtype=uint8)"
    assert jt.finfo().bits == 32
    with pytest.raises(TypeMismatch, match=r"Use torch\.iinfo"):
        jt.finfo(jt.int8)
    with pytest.raises(TypeMismatch, match=r"Use torch\.finfo"):
        jt.iinfo(jt.float32)


def test_small_things() -> None:
    assert repr(jt.device("cpu")) == "device(type='cpu')"
    assert repr(jt.device("cpu:0")) == "device(type='cpu', index=0)"
    assert str(jt.zeros(1).device) == "cpu"
    assert repr(jt.zeros(2, 3).shape) == "torch.Size([2, 3])"
    assert repr(jt.float32) == "torch.float32"
