"""The interpreter that computes: each op at once, on NumPy, or on CuPy where its operands are on a GPU."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from jitorch.arrays import Array
from jitorch.cuda import adapter
from jitorch.device import device as Device
from jitorch.dispatch import set_default
from jitorch.errors import TypeMismatch
from jitorch.ir.opdef import OpDef
from jitorch.ir.promotion import get_default_dtype, numpy_rules, using_numpy_rules
from jitorch.ir.types import DType, ScalarType, TensorType, Type, from_numpy_dtype
from jitorch.tensor import Tensor, wrap

_NUMBERS = (bool, int, float, complex, str, type(None))

# What an op's type rule needs to know of an input: dtype and shape of an array, type of a number.
Key = Any
Plan = tuple[Any, Any]


class Eager:
    """Carries out ops on tensors, arrays and numbers."""

    def apply(self, op: OpDef, inputs: tuple[Any, ...], attrs: dict[str, Any]) -> Any:
        if op.compose is not None:
            return op.compose(*inputs, **attrs)
        arrays = [_operand(x) for x in inputs]
        if adapter.cupy is not None:  # once CUDA was asked for; until then this is all it costs
            place = adapter.place_of(arrays, attrs)
            if place is not None:
                return _on_gpu(op, place, arrays, attrs)
        dtype, result = plan(op, arrays, attrs)
        with np.errstate(all="ignore"):
            if dtype is not None:
                first = op.promote_from
                arrays[first:] = [_converted(a, dtype) for a in arrays[first:]]
            out = op.eager(np, *arrays, **attrs)
        if isinstance(result, tuple):
            return tuple(wrap(_typed(o, t)) for o, t in zip(out, result, strict=True))
        return wrap(_typed(out, result)) if isinstance(result, TensorType) else out

    def wrap(self, array: Array) -> Tensor:
        """Return the tensor that shows an array."""
        return wrap(array)


def _on_gpu(op: OpDef, place: Device, arrays: list[Any], attrs: dict[str, Any]) -> Any:
    """Carry out an op on CuPy's arrays, as `apply` does on NumPy's."""
    keys = tuple((a.dtype, a.shape) if adapter.is_data(a) else type(a) for a in arrays)
    dtype, result = _plan_of(op, keys, attrs)
    first = op.promote_from
    with adapter.on(place):
        if dtype is not None:
            arrays[first:] = [_converted(a, dtype) for a in arrays[first:]]
        out = adapter.run(op.eager, arrays, attrs)
        if isinstance(result, tuple):
            return tuple(wrap(_typed(o, t)) for o, t in zip(out, result, strict=True))
        return wrap(_typed(out, result)) if isinstance(result, TensorType) else out


def _operand(x: Any) -> Any:
    """Return an input of an op as an array or a Python number."""
    if isinstance(x, Tensor):
        return x._data
    if isinstance(x, np.generic):
        # PyTorch takes NumPy's numbers for Python's, which never widen a tensor.
        return np.asarray(x) if numpy_rules() else x.item()
    if isinstance(x, (np.ndarray, *_NUMBERS)):
        return x
    if adapter.is_foreign(x):
        return adapter.foreign(x)
    if hasattr(x, "__dlpack__"):
        return np.from_dlpack(x)
    raise TypeMismatch(f"expected a tensor, an array or a number, got {type(x).__name__}")


def plan(op: OpDef, arrays: Sequence[Any], attrs: dict[str, Any]) -> Plan:
    """Return the dtype that an op's operands convert to (or None), and its result types.

    They follow from types and attributes alone, so they are kept for the next time.
    """
    return _plan_of(
        op,
        tuple((a.dtype, a.shape) if isinstance(a, np.ndarray) else type(a) for a in arrays),
        attrs,
    )


def _plan_of(op: OpDef, keys: tuple[Key, ...], attrs: dict[str, Any]) -> Plan:
    rules = numpy_rules(), get_default_dtype()
    try:
        return _remembered_plan(op, keys, tuple(attrs.items()), rules)
    except TypeError as error:
        if "unhashable" not in str(error):
            raise
    return _plan(op, keys, tuple(attrs.items()), rules)


def _plan(
    op: OpDef, keys: tuple[Key, ...], attrs: tuple[Any, ...], rules: tuple[bool, DType]
) -> Plan:
    types = [_type(key) for key in keys]
    dtype = None
    if op.promote is not None:
        dtype = _promoted(op, types[op.promote_from :], rules[0])
        types[op.promote_from :] = [
            TensorType(dtype, t.shape if isinstance(t, TensorType) else ())
            for t in types[op.promote_from :]
        ]
    return None if dtype is None else dtype.numpy, op.infer(*types, **dict(attrs))


_remembered_plan = lru_cache(maxsize=4096)(_plan)


def _type(key: Key) -> Type:
    if isinstance(key, tuple):
        return TensorType(from_numpy_dtype(key[0]), key[1])
    return ScalarType("none" if key is type(None) else key.__name__)


def _promoted(op: OpDef, types: Sequence[Type], as_numpy: bool) -> DType:
    assert op.promote is not None
    for t in types:
        if isinstance(t, ScalarType) and t.kind in ("str", "none"):
            kind = {"none": "NoneType"}.get(t.kind, t.kind)
            raise TypeMismatch(f"{op.name}: unsupported operand type: {kind}")
    with using_numpy_rules(as_numpy):
        return op.promote([t for t in types if isinstance(t, (TensorType, ScalarType))])


def _converted(a: Any, dtype: np.dtype[Any]) -> Array:
    if isinstance(a, np.ndarray):
        return a if a.dtype == dtype else a.astype(dtype)
    if adapter.is_array(a):
        return a.astype(dtype, copy=False)  # type: ignore[no-any-return]
    if type(a) is int and not -(2**63) <= a < 2**63:
        raise TypeMismatch(f"the integer {a} does not fit into 64 bits")
    return np.asarray(a).astype(dtype)  # Python's integers wrap around


def _typed(a: Any, t: Type) -> Array:
    assert isinstance(t, TensorType)
    array = a if isinstance(a, np.ndarray) or adapter.is_array(a) else np.asarray(a)
    return array if array.dtype == t.dtype.numpy else array.astype(t.dtype.numpy)


set_default(Eager())
