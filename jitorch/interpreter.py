"""The interpreter that computes: each op at once, on NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np

from jitorch.arrays import Array
from jitorch.dispatch import set_default
from jitorch.errors import TypeMismatch
from jitorch.ir.opdef import OpDef
from jitorch.ir.promotion import Operand, numpy_rules
from jitorch.ir.types import ScalarType, TensorType, Type, from_numpy_dtype
from jitorch.tensor import Tensor, wrap

_NUMBERS = (bool, int, float, complex, str, type(None))


class Eager:
    """Carries out ops on tensors, arrays and numbers."""

    def apply(self, op: OpDef, inputs: tuple[Any, ...], attrs: dict[str, Any]) -> Any:
        if op.compose is not None:
            return op.compose(*inputs, **attrs)
        arrays = [_operand(x) for x in inputs]
        if op.promote is not None:
            arrays = promoted(op, arrays)
        result = op.infer(*map(type_of, arrays), **attrs)
        with np.errstate(all="ignore"):
            out = op.eager(np, *arrays, **attrs)
        if isinstance(result, tuple):
            return tuple(wrap(_typed(o, t)) for o, t in zip(out, result, strict=True))
        return wrap(_typed(out, result)) if isinstance(result, TensorType) else out

    def wrap(self, array: Array) -> Tensor:
        """Return the tensor that shows an array."""
        return wrap(array)


def _operand(x: Any) -> Any:
    """Return an input of an op as an array or a Python number."""
    if isinstance(x, Tensor):
        return x._data
    if isinstance(x, np.generic):
        # PyTorch takes NumPy's numbers for Python's, which never widen a tensor.
        return np.asarray(x) if numpy_rules() else x.item()
    if isinstance(x, (np.ndarray, *_NUMBERS)):
        return x
    if hasattr(x, "__dlpack__"):
        return np.from_dlpack(x)
    raise TypeMismatch(f"expected a tensor, an array or a number, got {type(x).__name__}")


def type_of(a: Any) -> Type:
    """Return the IR type of an array or number."""
    if isinstance(a, np.ndarray):
        return TensorType(from_numpy_dtype(a.dtype), a.shape)
    return ScalarType("none" if a is None else type(a).__name__)


def promoted(op: OpDef, arrays: list[Any]) -> list[Any]:
    """Convert an op's operands to the dtype its rule gives."""
    assert op.promote is not None
    first = op.promote_from
    operands: list[Operand] = []
    for a in arrays[first:]:
        t = TensorType(from_numpy_dtype(a.dtype), a.shape) if isinstance(a, np.ndarray) else a
        operands.append(t)
    try:
        dtype = op.promote(operands).numpy
    except TypeMismatch:
        raise
    except TypeError as error:
        raise TypeMismatch(f"{op.name}: {error}") from None
    with np.errstate(all="ignore"):
        return arrays[:first] + [
            a if isinstance(a, np.ndarray) and a.dtype == dtype else _converted(a, dtype)
            for a in arrays[first:]
        ]


def _converted(a: Any, dtype: np.dtype[Any]) -> Array:
    # Python's integers wrap around, whatever their size.
    if type(a) is int and not -(2**63) <= a < 2**63:
        raise TypeMismatch(f"the integer {a} does not fit into 64 bits")
    return np.asarray(a).astype(dtype)


def _typed(a: Any, t: Type) -> Array:
    assert isinstance(t, TensorType)
    array = a if isinstance(a, np.ndarray) else np.asarray(a)
    return array if array.dtype == t.dtype.numpy else array.astype(t.dtype.numpy)


set_default(Eager())
