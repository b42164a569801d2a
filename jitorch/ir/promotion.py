"""Which dtype operands of different types meet in.

PyTorch's rule, and NumPy's (NEP 50) where a function gets NumPy arrays only. Python scalars are
weak in both: they decide the kind (bool < int < float < complex), never the width.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Union

import numpy as np

from jitorch.errors import TypeMismatch
from jitorch.ir.types import (
    DType,
    ScalarType,
    TensorType,
    bool_,
    complex64,
    complex128,
    float32,
    float64,
    from_numpy_dtype,
    int64,
)

Operand = Union[TensorType, ScalarType, bool, int, float, complex]
Promote = Callable[[Sequence[Operand]], DType]

_RANK = {"bool": 0, "int": 1, "float": 2, "complex": 3}
_COMPLEX = {float32: complex64, float64: complex128}
_default_float = float32
_WEAK: dict[str, Any] = {"bool": True, "int": 0, "float": 0.0, "complex": 0j}

_numpy_rules: contextvars.ContextVar[bool] = contextvars.ContextVar(
    "jitorch_numpy_rules", default=False
)


def get_default_dtype() -> DType:
    """Return the dtype of new floating-point tensors: float32 unless changed."""
    return _default_float


def set_default_dtype(dtype: DType) -> None:
    """Make `dtype` (float32 or float64) that of new floating-point tensors."""
    global _default_float
    if dtype not in _COMPLEX:
        raise TypeMismatch(
            f"only float32 and float64 are supported as the default type, got {dtype!r}"
        )
    _default_float = dtype


def default_dtype(value: object) -> DType:
    """Return the dtype of a tensor made from a Python number."""
    if isinstance(value, bool):
        return bool_
    if isinstance(value, int):
        return int64
    if isinstance(value, float):
        return _default_float
    if isinstance(value, complex):
        return _COMPLEX[_default_float]
    raise TypeMismatch(f"expected a number, got {type(value).__name__}")


def numpy_rules() -> bool:
    """Whether NumPy's promotion is in force."""
    return _numpy_rules.get()


@contextmanager
def using_numpy_rules(on: bool = True) -> Iterator[None]:
    """Promote as NumPy does (or as PyTorch does, with `on=False`) within the block."""
    token = _numpy_rules.set(on)
    try:
        yield
    finally:
        _numpy_rules.reset(token)


def scalar_kind(operand: Operand) -> str | None:
    """Return the kind of a Python scalar operand, None for a tensor."""
    if isinstance(operand, TensorType):
        return None
    if isinstance(operand, ScalarType):
        return operand.kind
    for python_type in (bool, int, float, complex):
        if isinstance(operand, python_type):
            return python_type.__name__
    raise TypeError(f"unsupported operand type: {type(operand).__name__}")


def common(operands: Sequence[Operand]) -> DType:
    """Return the dtype in which arithmetic on the operands happens."""
    return _numpy_common(operands) if numpy_rules() else _torch_common(operands)


def _torch_common(operands: Sequence[Operand]) -> DType:
    # Tensors with dimensions outrank 0-d tensors, which outrank scalars, unless the lower class is
    # of a higher kind; then its own default width is used.
    classes: list[DType | None] = [None, None, None]
    for operand in operands:
        if isinstance(operand, TensorType):
            index, dtype = (0 if operand.shape else 1), operand.dtype
        else:
            index, dtype = 2, default_dtype(_WEAK[scalar_kind(operand) or "bool"])
        seen = classes[index]
        classes[index] = dtype if seen is None else widen(seen, dtype)
    best: DType | None = None
    for dtype_or_none in classes:
        if dtype_or_none is None:
            continue
        if best is None or _RANK[dtype_or_none.kind] > _RANK[best.kind]:
            best = _outranked(best, dtype_or_none)
    assert best is not None
    return best


def _outranked(dtype: DType | None, other: DType) -> DType:
    """Return the dtype where `other`, of a lower class, is of a higher kind.

    It is that of `other`, but complex numbers take their width from floats that they meet.
    """
    if dtype is not None and other.kind == "complex" and dtype.kind == "float":
        return from_numpy_dtype(np.result_type(dtype.numpy, np.complex64))
    return other


def widen(a: DType, b: DType) -> DType:
    """Return the smaller dtype that both convert to, by PyTorch's lattice."""
    if a is b:
        return a
    if _RANK[a.kind] < _RANK[b.kind]:
        a, b = b, a
    if a.kind in ("float", "complex") and b.kind in ("bool", "int"):
        return a  # integers never widen a float
    return from_numpy_dtype(np.promote_types(a.numpy, b.numpy))


def _numpy_common(operands: Sequence[Operand]) -> DType:
    if not any(isinstance(o, TensorType) for o in operands):
        return _torch_common(operands)
    concrete = [
        o.dtype.numpy if isinstance(o, TensorType) else _WEAK[scalar_kind(o) or "bool"]
        for o in operands
    ]
    return from_numpy_dtype(np.result_type(*concrete))


def floating(operands: Sequence[Operand]) -> DType:
    """Return the dtype for functions whose result is never an integer, such as `exp`."""
    dtype = common(operands)
    if dtype.kind in ("float", "complex"):
        return dtype
    if not numpy_rules():
        return _default_float
    # NumPy takes the first floating loop that the integers convert to safely.
    return next(
        from_numpy_dtype(t)
        for t in (np.float16, np.float32, np.float64)
        if np.can_cast(dtype.numpy, t)
    )


def division(operands: Sequence[Operand]) -> DType:
    """Return the dtype of true division: as `floating`, but NumPy divides integers in float64."""
    dtype = common(operands)
    if dtype.kind in ("float", "complex"):
        return dtype
    return float64 if numpy_rules() else _default_float


def arithmetic(operands: Sequence[Operand]) -> DType:
    """As `common`, for ops that need numbers: booleans count as int64."""
    dtype = common(operands)
    return int64 if dtype is bool_ else dtype


def boolean(operands: Sequence[Operand]) -> DType:
    """Logic happens on truth values."""
    return bool_
