"""Writing to tensors: `x[...] = v`, `x += y`, `fill_` and their kin.

Everything goes through `_assign`, which the recorder of the front ends replaces: it makes a new
value of the memory instead of changing it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jitorch import ops
from jitorch.arrays import Array, as_array
from jitorch.cuda import adapter
from jitorch.dispatch import METHODS, apply
from jitorch.errors import ShapeMismatch, TypeMismatch
from jitorch.ir.builder import Operators
from jitorch.ir.dims import equal
from jitorch.ir.opdef import OPS
from jitorch.ir.promotion import get_default_dtype
from jitorch.ir.shapes import broadcast, show
from jitorch.ir.types import DType, from_numpy_dtype, int64

# PyTorch's older names of dtypes, which live on in messages.
LEGACY = {
    "bool": "Bool",
    "uint8": "Byte",
    "int8": "Char",
    "int16": "Short",
    "int32": "Int",
    "int64": "Long",
    "float16": "Half",
    "float32": "Float",
    "float64": "Double",
    "complex64": "ComplexFloat",
    "complex128": "ComplexDouble",
}
_ORDER = ("bool", "int", "float", "complex")


def check_assignable(
    dtype: DType, shape: Sequence[Any], new: DType, new_shape: Sequence[Any]
) -> None:
    """Raise unless a `new` tensor can be written in place, as PyTorch rules."""
    if _ORDER.index(new.kind) > _ORDER.index(dtype.kind):
        raise TypeMismatch(
            f"result type {LEGACY[new.name]} can't be cast to the desired output type "
            f"{LEGACY[dtype.name]}",
            hint="an in-place operation keeps the dtype of its target; use the out-of-place form",
        )
    out = broadcast(tuple(shape), tuple(new_shape))
    if len(out) != len(shape) or not all(map(equal, out, shape)):
        raise ShapeMismatch(
            f"output with shape {show(shape)} doesn't match the broadcast shape {show(out)}"
        )


def _converted(value: Any, dtype: DType) -> Any:
    """Return what a user writes into a tensor of `dtype` as a tensor of it."""
    if isinstance(value, InPlace):
        return value.to(dtype)
    if isinstance(value, (bool, int, float, complex)):
        return apply(OPS["constant"], value=value, dtype=dtype)
    if isinstance(value, (list, tuple, np.ndarray, np.generic)):
        value = as_array(value)
    return apply(OPS["cast"], value, dtype=dtype)


def _without_leading_ones(value: Any, ndim: int) -> Any:
    """`x[i] = v` takes a v with more dimensions than x[i] where the extra ones are of size 1."""
    while value.ndim > ndim and value.shape[0] == 1:
        value = METHODS["squeeze"](value, 0)
    return value


class InPlace(Operators):
    """The methods of Tensor that change it; `jitorch.tensor` adds `add_`, `exp_`, ... to them."""

    _data: Array

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...

        def __getitem__(self, key: Any) -> Any: ...

    def _assign(self, new: Any) -> Any:
        """Overwrite the elements with those of `new`, which must broadcast to the shape."""
        array = new._data if isinstance(new, InPlace) else np.asarray(new)
        check_assignable(self.dtype, tuple(self.shape), from_numpy_dtype(array.dtype), array.shape)
        if self._data.size and any(
            s == 0 and n > 1 for s, n in zip(self._data.strides, self.shape, strict=True)
        ):
            raise ShapeMismatch(
                "unsupported operation: more than one element of the written-to tensor refers to a "
                "single memory location.",
                hint="clone() the tensor before performing the operation",
            )
        self._write(array)
        return self

    def _write(self, array: Array) -> None:
        if adapter.cupy is not None:
            array = adapter.moved(array, adapter.device_of(self._data))
        if adapter.is_array(self._data):
            with adapter.on(self.device):
                self._data[...] = array
            return
        if not self._data.flags.writeable:
            raise TypeMismatch(
                "can't write to a tensor that shares memory with a read-only array",
                hint="clone() it first",
            )
        self._data[...] = array

    def copy_(self, src: Any, non_blocking: bool = False) -> Any:
        """Overwrite the elements with those of `src`, converted and broadcast."""
        return self._assign(_converted(src, self.dtype))

    def fill_(self, value: Any) -> Any:
        """Set every element to a number."""
        if isinstance(value, complex) and not self.dtype.is_complex:
            raise TypeMismatch(f"value cannot be converted to type {self.dtype.name}")
        self._fill(_converted(value, self.dtype))
        return self

    def _fill(self, filled: Any) -> None:
        self._write(filled._data)  # also where elements share memory: all get the same

    def zero_(self) -> Any:
        """Set every element to 0."""
        return self.fill_(0)

    def uniform_(self, from_: float = 0.0, to: float = 1.0) -> Any:
        """Set the elements to numbers evenly distributed over [from_, to)."""
        return self._assign(ops.random.rand_like(self) * (to - from_) + from_)

    def normal_(self, mean: float = 0.0, std: float = 1.0) -> Any:
        """Set the elements to normally distributed numbers."""
        return self._assign(ops.random.randn_like(self) * std + mean)

    def bernoulli_(self, p: Any = 0.5) -> Any:
        """Set the elements to 1 with probability p (a number or a tensor) and to 0 otherwise."""
        drawn = ops.random.rand_like(self, dtype=get_default_dtype()) < p
        return self._assign(drawn.to(self.dtype))

    def exponential_(self, lambd: float = 1.0) -> Any:
        """Set the elements to waiting times: numbers of density lambd * exp(-lambd * x)."""
        return self._assign(ops.random.exponential(self, lambd))

    def random_(self, from_: int = 0, to: int | None = None) -> Any:
        """Set the elements to integers from_ <= x < to; `random_(n)` starts at 0."""
        low, high = (0, from_) if to is None and from_ else (from_, to)
        drawn = ops.random.randint_like(self, low, 2**31 if high is None else high, dtype=int64)
        return self._assign(drawn.to(self.dtype))

    def __setitem__(self, key: Any, value: Any) -> None:
        view, rest = ops.keys.basic_view(self, key)
        value = _converted(value, self.dtype)
        if rest:
            view._assign(ops.keys.put(view, rest, value))
        else:
            view._assign(_without_leading_ones(value, view.ndim))

    def __iadd__(self, other: Any) -> Any:
        return self._assign(METHODS["add"](self, other))

    def __isub__(self, other: Any) -> Any:
        return self._assign(METHODS["sub"](self, other))

    def __imul__(self, other: Any) -> Any:
        return self._assign(METHODS["mul"](self, other))

    def __itruediv__(self, other: Any) -> Any:
        return self._assign(METHODS["div"](self, other))

    def __ifloordiv__(self, other: Any) -> Any:
        return self._assign(METHODS["floor_divide"](self, other))

    def __imod__(self, other: Any) -> Any:
        return self._assign(METHODS["remainder"](self, other))

    def __ipow__(self, other: Any) -> Any:
        return self._assign(METHODS["pow"](self, other))

    def __iand__(self, other: Any) -> Any:
        return self._assign(METHODS["bitwise_and"](self, other))

    def __ior__(self, other: Any) -> Any:
        return self._assign(METHODS["bitwise_or"](self, other))

    def __ixor__(self, other: Any) -> Any:
        return self._assign(METHODS["bitwise_xor"](self, other))

    def __ilshift__(self, other: Any) -> Any:
        return self._assign(METHODS["bitwise_left_shift"](self, other))

    def __irshift__(self, other: Any) -> Any:
        return self._assign(METHODS["bitwise_right_shift"](self, other))
