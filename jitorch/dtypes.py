"""Facts about dtypes under PyTorch's names: `finfo`, `promote_types`, `result_type`, ..."""

from __future__ import annotations

from typing import Any

import numpy as np

from jitorch.errors import TypeMismatch
from jitorch.ir.promotion import common, get_default_dtype, widen
from jitorch.ir.types import DType, TensorType, known_dtype
from jitorch.ops.families import has_dtype

_KINDS = ("bool", "int", "float", "complex")


class finfo:
    """The limits of a floating-point dtype (by default float32).

    >>> jt.finfo(jt.float16).eps
    0.0009765625
    """

    def __init__(self, type: DType | None = None) -> None:
        self._dtype = get_default_dtype() if type is None else known_dtype(type)
        if self._dtype.kind not in ("float", "complex"):
            raise TypeMismatch(
                "torch.finfo() requires a floating point input type. Use torch.iinfo to handle "
                "'torch.finfo'"
            )
        info = np.finfo(self._dtype.numpy)
        self.bits = int(info.bits)
        self.eps, self.resolution = float(info.eps), 10.0**-info.precision
        self.min, self.max = float(info.min), float(info.max)
        self.tiny = self.smallest_normal = float(info.smallest_normal)
        self.dtype = self._dtype.name

    def __repr__(self) -> str:
        names = ("resolution", "min", "max", "eps", "smallest_normal", "tiny")
        facts = ", ".join(f"{name}={getattr(self, name):g}" for name in names)
        return f"finfo({facts}, dtype={self.dtype})"


class iinfo:
    """The limits of an integer dtype.

    >>> jt.iinfo(jt.int8)
    iinfo(min=-128, max=127, dtype=int8)
    """

    def __init__(self, type: DType) -> None:
        type = known_dtype(type)
        if type.kind != "int":
            raise TypeMismatch(
                "torch.iinfo() requires an integer input type. Use torch.finfo to handle "
                "'torch.iinfo'"
            )
        info = np.iinfo(type.numpy)
        self.bits, self.min, self.max = int(info.bits), int(info.min), int(info.max)
        self.dtype = type.name

    def __repr__(self) -> str:
        return f"iinfo(min={self.min}, max={self.max}, dtype={self.dtype})"


def promote_types(type1: DType, type2: DType) -> DType:
    """Return the smallest dtype that both convert to.

    >>> jt.promote_types(jt.uint8, jt.int8)
    torch.int16
    """
    return widen(type1, type2)


def result_type(tensor1: Any, tensor2: Any) -> DType:
    """Return the dtype of arithmetic on two operands, tensors or numbers."""
    return common([_operand(x) for x in (tensor1, tensor2)])


def _operand(x: Any) -> Any:
    return TensorType(x.dtype, tuple(x.shape)) if has_dtype(x) else x


def is_floating_point(input: Any) -> bool:
    """Return whether a tensor's dtype is float16, float32 or float64."""
    return bool(input.dtype.is_floating_point)


def is_complex(input: Any) -> bool:
    """Return whether a tensor's dtype is complex."""
    return bool(input.dtype.is_complex)


def can_cast(from_: DType, to: DType) -> bool:
    """Return whether an in-place operation may convert from one dtype to the other."""
    return _KINDS.index(from_.kind) <= _KINDS.index(to.kind)
