"""The eager `Tensor`: a NumPy array, or a CuPy array on a GPU, with PyTorch's interface."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from jitorch.arrays import Array, as_array
from jitorch.cuda import adapter
from jitorch.device import CPU
from jitorch.dispatch import METHODS, apply
from jitorch.errors import ShapeMismatch, TypeMismatch
from jitorch.inplace import LEGACY, check_assignable as check_assignable
from jitorch.ir.dims import product
from jitorch.ir.opdef import OPS
from jitorch.ir.promotion import get_default_dtype
from jitorch.ir.shapes import axis
from jitorch.ir.types import DTYPES, DType, from_numpy_dtype
from jitorch.ops.families import INPLACE
from jitorch.placement import Placed
from jitorch.printing import tensor_repr
from jitorch.size import Size


class Tensor(Placed):
    """An n-dimensional array of one dtype.

    Make one with `jitorch.tensor`, `from_numpy`, `zeros` and their kin. Methods and operators are
    PyTorch's; those of the op table are bound below. `Tensor(data)` holds a copy of the data in the
    default dtype, `Tensor(2, 3)` zeros of that size.
    """

    __array_priority__ = 1000

    requires_grad = False
    grad = None
    is_leaf = True

    def __init__(self, *data: Any) -> None:
        if len(data) == 1 and not isinstance(data[0], int):
            self._data = as_array(data[0], get_default_dtype())
        else:
            self._data = np.zeros(data or (0,), get_default_dtype().numpy)

    # What it is.

    @property
    def shape(self) -> Any:
        return Size(self._data.shape)

    @property
    def dtype(self) -> DType:
        return from_numpy_dtype(self._data.dtype)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def data(self) -> Any:
        return self.detach()

    @property
    def T(self) -> Any:
        return METHODS["permute"](self, *reversed(range(self.ndim)))

    @property
    def mT(self) -> Any:
        return METHODS["transpose"](self, -2, -1)

    @property
    def H(self) -> Any:
        return METHODS["adjoint"](self)

    mH = H

    @property
    def real(self) -> Any:
        return METHODS["real"](self)

    @property
    def imag(self) -> Any:
        return METHODS["imag"](self)

    @property
    def itemsize(self) -> int:
        return self.dtype.itemsize

    @property
    def nbytes(self) -> Any:
        return self.numel() * self.itemsize

    def size(self, dim: int | None = None) -> Any:
        """Return the shape, or the size of one dimension."""
        return self.shape if dim is None else self.shape[axis(dim, self.ndim)]

    def dim(self) -> int:
        """Return the number of dimensions."""
        return self.ndim

    ndimension = dim

    def numel(self) -> Any:
        """Return the number of elements."""
        return product(tuple(self.shape))

    nelement = numel

    def element_size(self) -> int:
        """Return the bytes that one element takes."""
        return self.itemsize

    def is_floating_point(self) -> bool:
        """Return whether the dtype is float16, float32 or float64."""
        return self.dtype.is_floating_point

    def is_complex(self) -> bool:
        """Return whether the dtype is complex."""
        return self.dtype.is_complex

    def is_signed(self) -> bool:
        """Return whether the dtype has negative numbers."""
        return self.dtype.is_signed

    def is_same_size(self, other: Any) -> bool:
        """Return whether another tensor has the same shape."""
        return tuple(self.shape) == tuple(other.shape)

    def stride(self, dim: int | None = None) -> Any:
        """Return the strides in elements, or that of one dimension."""
        strides = tuple(s // self._data.itemsize for s in self._data.strides)
        return strides if dim is None else strides[dim]

    def is_contiguous(self) -> bool:
        """Return whether the elements lie in row-major order without gaps."""
        return bool(self._data.flags.c_contiguous)

    def data_ptr(self) -> int:
        """Return the address of the first element."""
        data = self._data
        return int(data.ctypes.data if isinstance(data, np.ndarray) else data.data.ptr)

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError("len() of a 0-d tensor")
        return int(self.shape[0])

    def __iter__(self) -> Iterator[Any]:
        if not self.ndim:
            raise TypeError("iteration over a 0-d tensor")
        return iter(METHODS["unbind"](self))

    def __contains__(self, item: Any) -> bool:
        return bool((self == item).any())

    # Values out.

    def item(self) -> Any:
        """Return the only element as a Python number."""
        if self._data.size != 1:
            raise ShapeMismatch(
                f"a Tensor with {self._data.size} elements cannot be converted to Scalar"
            )
        data = self._data if isinstance(self._data, np.ndarray) else self._host()
        return data.item()

    def tolist(self) -> Any:
        """Return the elements as nested lists."""
        return self._host().tolist()

    def __bool__(self) -> bool:
        if self._data.size != 1:
            what = "no values" if self._data.size == 0 else "more than one value"
            raise ShapeMismatch(
                f"Boolean value of Tensor with {what} is ambiguous",
                hint="reduce it with .any() or .all()",
            )
        return bool(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __float__(self) -> float:
        return float(self.item())

    def __complex__(self) -> complex:
        return complex(self.item())

    def __index__(self) -> int:
        if self.dtype.kind not in ("int", "bool") or self._data.size != 1:
            raise TypeMismatch(
                "only integer tensors of a single element can be converted to an index"
            )
        return int(self.item())

    def __eq__(self, other: object) -> Any:
        return NotImplemented if _foreign(other) else METHODS["eq"](self, other)

    def __ne__(self, other: object) -> Any:
        return NotImplemented if _foreign(other) else METHODS["ne"](self, other)

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        place = self.device
        return tensor_repr(self._host(), self.dtype, None if place is CPU else place)

    def __format__(self, spec: str) -> str:
        if self.ndim and spec:
            raise TypeError(f"unsupported format string passed to Tensor.__format__: {spec!r}")
        return format(repr(self) if self.ndim else self.item(), spec)

    def __reduce__(self) -> Any:
        host = self._host()
        array = np.ascontiguousarray(host).reshape(host.shape)
        return (wrap, (array,)) if host is self._data else (_on_device, (array, str(self.device)))

    # NumPy and the others.

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.array(self.numpy(), dtype=dtype, copy=copy)

    def __array_ufunc__(self, ufunc: Any, how: str, *inputs: Any, **kwargs: Any) -> Any:
        fn = METHODS.get(_UFUNCS.get(ufunc.__name__, ufunc.__name__))
        if how == "__call__" and fn is not None and not kwargs:
            return fn(*inputs)
        return _wrapped(getattr(ufunc, how)(*_unwrapped(inputs), **_unwrapped(kwargs)))

    def __array_function__(self, fn: Any, types: Any, args: Any, kwargs: Any) -> Any:
        """NumPy's functions work on the arrays, by NumPy's rules, and return tensors."""
        return _wrapped(fn(*_unwrapped(args), **_unwrapped(kwargs)))

    # Conversion.

    def type(self, dtype: DType | str | None = None) -> Any:
        """Return the name of the type ("torch.FloatTensor"), or the tensor as another."""
        if dtype is None:
            return f"torch.{LEGACY[self.dtype.name]}Tensor"
        if isinstance(dtype, str):
            dtype = next(d for d in DTYPES if dtype == f"torch.{LEGACY[d.name]}Tensor")
        return self.to(dtype)

    def view(self, *shape: Any) -> Any:
        """Return the tensor with another shape and the same memory; with a dtype, reinterpreted.

        Raises ShapeMismatch where the memory layout does not allow it: use `reshape` then.
        """
        if len(shape) == 1 and isinstance(shape[0], DType):
            return wrap(self._data.view(shape[0].numpy))
        out = METHODS["reshape"](self, *shape)
        if (
            type(out) is Tensor
            and out._data.size
            and not adapter.may_share_memory(out._data, self._data)
        ):
            raise ShapeMismatch(
                "view size is not compatible with input tensor's size and stride (at least one "
                "dimension spans across two contiguous subspaces).",
                hint="use .reshape(...) instead",
            )
        return out

    def detach(self) -> Any:
        """Return the tensor without gradient history; as there is none, itself."""
        return self

    def requires_grad_(self, requires_grad: bool = True) -> Any:
        """Refuse to record gradients, which are not part of this version."""
        if requires_grad:
            raise TypeMismatch("gradients are not part of this version")
        return self

    def new_tensor(self, data: Any, *, dtype: DType | None = None, device: object = None) -> Any:
        """Return a new tensor of this tensor's dtype, on its device."""
        made = apply(OPS["cast"], as_array(data), dtype=dtype or self.dtype)
        return made.to(device=self.device if device is None else device)


def _foreign(x: object) -> bool:
    """Whether `x` is nothing that a tensor may be compared with."""
    return x is None or isinstance(x, (str, bytes, list, tuple, dict, set))


def _unwrapped(x: Any) -> Any:
    """Return x, or what is in it, with arrays in place of tensors."""
    if isinstance(x, Tensor):
        return x.numpy()
    if isinstance(x, (list, tuple)):
        return type(x)(map(_unwrapped, x))
    return {k: _unwrapped(v) for k, v in x.items()} if isinstance(x, dict) else x


def _wrapped(x: Any) -> Any:
    """Return x with tensors in place of the arrays and NumPy numbers that tensors can hold."""
    if isinstance(x, (list, tuple)):
        return type(x)(map(_wrapped, x)) if type(x) in (list, tuple) else x
    if not isinstance(x, (np.ndarray, np.generic)):
        return x
    held = any(x.dtype == d.numpy for d in DTYPES)
    return wrap(np.asarray(x)) if held else x


# NumPy's names of ufuncs whose meaning is that of a method of another name.
_UFUNCS = {
    "subtract": "sub",
    "multiply": "mul",
    "true_divide": "div",
    "divide": "div",
    "power": "pow",
    "negative": "neg",
    "absolute": "abs",
    "rint": "round",
    "equal": "eq",
    "greater": "gt",
    "less": "lt",
    "invert": "bitwise_not",
    "left_shift": "bitwise_left_shift",
    "right_shift": "bitwise_right_shift",
}


def wrap(array: Any) -> Tensor:
    """Return a tensor that shares the array's memory."""
    out = Tensor.__new__(Tensor)
    held = isinstance(array, np.ndarray) or adapter.is_array(array)
    out._data = array if held else np.asarray(array)
    return out


def _on_device(array: Array, device: str) -> Any:
    """Return a tensor on a device; what pickles of those on a GPU call."""
    return wrap(array).to(device=device)


# Methods of the op table.


def _in_place(fn: Callable[..., Any]) -> Callable[..., Any]:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return self._assign(fn(self, *args, **kwargs))

    return method


def _bind() -> None:
    """Give Tensor the methods of the op table, and their in-place forms."""
    flagged = {name for name in METHODS if name in OPS and OPS[name].inplace} | INPLACE
    changing = {id(METHODS[name]) for name in flagged & METHODS.keys()}
    for name, fn in METHODS.items():
        if name not in Tensor.__dict__:
            setattr(Tensor, name, fn)
        if id(fn) in changing:
            inplace = _in_place(fn)
            inplace.__name__, inplace.__doc__ = name + "_", f"As `{name}`, in place."
            setattr(Tensor, name + "_", inplace)


_bind()
