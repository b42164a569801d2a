"""Which dtype operands meet in: PyTorch's table, and what the ops make of it."""

from __future__ import annotations

import copy
import pickle
import re
from typing import Any

import numpy as np
import pytest

import jitorch as jt
from jitorch.errors import TypeMismatch
from jitorch.ir.types import BY_TAG, TensorType
from tests.ops import promotion_table

ORDER = promotion_table.ORDER.split()
COMPLEX_HALF = "c32"  # we have none: half precision meets complex numbers in complex64
NUMBERS: tuple[Any, ...] = (True, 2, 2.5, 2j)


def rows(table: str) -> list[tuple[str, list[str]]]:
    lines = table.replace(COMPLEX_HALF, "c64").strip().split("\n")
    return [(left, line.split()) for left, line in zip(ORDER, lines, strict=True)]


def check(a: Any, b: Any, wanted: str) -> None:
    dtype = BY_TAG[wanted]
    assert jt.result_type(a, b) is dtype
    assert jt.add(a, b).dtype is dtype
    assert jt.result_type(b, a) is dtype


@pytest.mark.parametrize(("left", "row"), rows(promotion_table.TENSORS))
def test_tensors(left: str, row: list[str]) -> None:
    for right, wanted in zip(ORDER, row, strict=True):
        a, b = jt.ones(2, dtype=BY_TAG[left]), jt.ones(2, dtype=BY_TAG[right])
        check(a, b, wanted)
        assert jt.promote_types(a.dtype, b.dtype) is BY_TAG[wanted]


@pytest.mark.parametrize(("left", "row"), rows(promotion_table.ZERO_DIM))
def test_tensor_and_0d_tensor(left: str, row: list[str]) -> None:
    for right, wanted in zip(ORDER, row, strict=True):
        check(jt.ones(2, dtype=BY_TAG[left]), jt.ones((), dtype=BY_TAG[right]), wanted)


@pytest.mark.parametrize(("left", "row"), rows(promotion_table.NUMBERS))
def test_tensor_and_number(left: str, row: list[str]) -> None:
    for number, wanted in zip(NUMBERS, row, strict=True):
        check(jt.ones(2, dtype=BY_TAG[left]), number, wanted)


@pytest.mark.parametrize(("left", "row"), rows(promotion_table.ZERO_DIM_NUMBERS))
def test_0d_tensor_and_number(left: str, row: list[str]) -> None:
    for number, wanted in zip(NUMBERS, row, strict=True):
        check(jt.ones((), dtype=BY_TAG[left]), number, wanted)


@pytest.mark.parametrize("number", [np.float64(2), np.float32(2), np.float16(2)])
def test_numpy_numbers_are_weak(number: Any) -> None:
    assert (jt.tensor([1, 2]) * number).dtype is jt.float32
    assert (number * jt.ones(2, dtype=jt.float16)).dtype is jt.float16


def test_numpy_arrays_are_tensors() -> None:
    product = np.array([1.0, 2.0]) * jt.ones(2)
    assert isinstance(product, jt.Tensor)
    assert product.dtype is jt.float64


def test_default_dtype() -> None:
    jt.set_default_dtype(jt.float64)
    try:
        assert jt.tensor([1.5]).dtype is jt.float64
        assert jt.zeros(1).dtype is jt.float64
        assert jt.tensor(1j).dtype is jt.complex128
        assert (jt.tensor([1]) * 1.5).dtype is jt.float64
        assert jt.tensor([1]).exp().dtype is jt.float64
        assert repr(jt.tensor([1.5])) == "tensor([1.5000])"
    finally:
        jt.set_default_dtype(jt.float32)
    with pytest.raises(TypeMismatch, match="only float"):
        jt.set_default_dtype(jt.int64)


@pytest.mark.parametrize(
    ("expression", "dtype"),
    [
        ("i / i", jt.float32),
        ("i // i", jt.int64),
        ("i ** 2", jt.int64),
        ("b + b", jt.bool),
        ("b * 2", jt.int64),
        ("b ** 2", jt.int64),
        ("i < i", jt.bool),
        ("i.exp()", jt.float32),
        ("b.sqrt()", jt.float32),
        ("h.exp()", jt.float16),
        ("i.sum()", jt.int64),
        ("u.sum()", jt.int64),
        ("b.sum()", jt.int64),
        ("b.cumsum(0)", jt.int64),
        ("u.prod()", jt.int64),
        ("h.sum()", jt.float16),
        ("u.any()", jt.uint8),
        ("i.any()", jt.bool),
        ("c.abs()", jt.float32),
        ("c.real", jt.float32),
        ("i.argmax()", jt.int64),
        ("i.clamp(0.5)", jt.float32),
        ("jt.where(b, 1, 2)", jt.int64),
        ("jt.where(b, 1.0, i)", jt.float32),
        ("jt.cat([i, h])", jt.float16),
        ("i.masked_fill(b, 1.5)", jt.int64),
        ("i.logsumexp(0)", jt.float32),
        ("jt.arange(3)", jt.int64),
        ("jt.arange(0, 1, 0.5)", jt.float32),
        ("jt.full((1,), True)", jt.bool),
        ("jt.full((1,), 1j)", jt.complex64),
    ],
)
def test_result_dtypes(expression: str, dtype: jt.dtype) -> None:
    names = {
        "jt": jt,
        "b": jt.tensor([True, False]),
        "i": jt.tensor([1, 2]),
        "u": jt.tensor([1, 2], dtype=jt.uint8),
        "h": jt.tensor([1.0, 2.0], dtype=jt.float16),
        "c": jt.tensor([1j, 2.0]),
    }
    assert eval(expression, names).dtype is dtype


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("b - b", "with two bool tensors is not supported"),
        ("f - b", "with a bool tensor is not supported"),
        ("-b", "Negation, the `-` operator, on a bool tensor"),
        ("b // b", '"floor_divide" not implemented for bool'),
        ("b % b", '"remainder" not implemented for bool'),
        ("c < c", '"lt" not implemented for complex64'),
        ("f & f", '"bitwise_and" not implemented for float32'),
        ("f << 1", "not implemented for float32"),
        ("b.floor()", '"floor" not implemented for bool'),
        ("i.mean()", "could not infer output dtype"),
        ("i ** -1", "Integers to negative integer powers are not allowed"),
        ("jt.add(i, i, alpha=1.5)", "alpha must not be a floating point number"),
        ("jt.where(i, f, f)", "expected condition to be a boolean tensor"),
        ("jt.relu(b)", "Boolean inputs not supported"),
        ("jt.softmax(i, 0)", '"softmax" not implemented for int64'),
        ("c.amax()", "complex numbers have no order"),
        ("jt.clamp(f)", "At least one of 'min' or 'max'"),
        ("jt.div(f, f, rounding_mode='x')", "but found 'x'"),
        ("f + 'a'", "unsupported operand type: str"),
        ("f + None", "unsupported operand type: NoneType"),
        ("f + [1]", "got list"),
    ],
)
def test_refused_dtypes(expression: str, message: str) -> None:
    names = {
        "jt": jt,
        "b": jt.tensor([True, False]),
        "i": jt.tensor([1, 2]),
        "f": jt.tensor([1.0, 2.0]),
        "c": jt.tensor([1j, 2.0]),
    }
    with pytest.raises(TypeMismatch, match=re.escape(message)):
        eval(expression, names)


def test_dtypes_are_themselves_after_copying() -> None:
    for dtype in BY_TAG.values():
        assert (
            copy.deepcopy(dtype) is copy.copy(dtype) is pickle.loads(pickle.dumps(dtype)) is dtype
        )


def test_dtypes_print_as_pytorchs() -> None:
    assert str(jt.float32) == repr(jt.float32) == f"{jt.zeros(2).dtype}" == "torch.float32"
    assert str(TensorType(jt.float32, (2,))) == "f32[2]"
