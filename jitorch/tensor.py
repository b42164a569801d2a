"""The eager `Tensor`: a NumPy array with PyTorch's interface, and the interpreter that computes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jitorch import dispatch, ops
from jitorch.dispatch import METHODS, apply
from jitorch.errors import ShapeMismatch, TypeMismatch
from jitorch.ir.builder import Operators
from jitorch.ir.opdef import OPS, OpDef
from jitorch.ir.promotion import Operand
from jitorch.ir.shapes import show
from jitorch.ir.types import DType, TensorType, Type, complex64, float32, from_numpy_dtype, int64

Array = np.ndarray[Any, np.dtype[Any]]


class Size(tuple[int, ...]):
    """A shape: a tuple with PyTorch's extras."""

    def numel(self) -> int:
        """Return the number of elements."""
        return int(np.prod(self, dtype=np.int64))

    def __repr__(self) -> str:
        return f"torch.Size([{', '.join(map(str, self))}])"


class Tensor(Operators):
    """An n-dimensional array of one dtype.

    Make one with `jitorch.tensor`, `from_numpy`, `zeros` and their kin. Methods and operators are PyTorch's.
    """

    __array_priority__ = 1000
    _data: Array

    def __init__(self, data: Any = (), *, dtype: DType | None = None) -> None:
        self._data = as_array(data, dtype)

    if TYPE_CHECKING:
        # Methods are bound from the op table below.
        def __getattr__(self, name: str) -> Any: ...

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
    def device(self) -> str:
        return "cpu"

    @property
    def T(self) -> Any:  # noqa: N802
        return METHODS["permute"](self, *reversed(range(self.ndim)))

    @property
    def mT(self) -> Any:  # noqa: N802
        return METHODS["transpose"](self, -2, -1)

    def size(self, dim: int | None = None) -> Any:
        """Return the shape, or the size of one dimension."""
        from jitorch.ir.shapes import axis

        return self.shape if dim is None else self.shape[axis(dim, self.ndim)]

    def dim(self) -> int:
        """Return the number of dimensions."""
        return self.ndim

    def numel(self) -> Any:
        """Return the number of elements."""
        from jitorch.ir.dims import product

        return product(tuple(self.shape))

    nelement = numel

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError("len() of a 0-d tensor")
        return int(self.shape[0])

    def __iter__(self) -> Iterator[Any]:
        if not self.ndim:
            raise TypeError("iteration over a 0-d tensor")
        return iter(METHODS["unbind"](self))

    def stride(self, dim: int | None = None) -> Any:
        """Return the strides in elements, or that of one dimension."""
        strides = tuple(s // self._data.itemsize for s in self._data.strides)
        return strides if dim is None else strides[dim]

    def is_contiguous(self) -> bool:
        """Return whether the elements lie in row-major order without gaps."""
        return bool(self._data.flags.c_contiguous)

    def data_ptr(self) -> int:
        """Return the address of the first element."""
        return int(self._data.ctypes.data)

    # Values out.

    def numpy(self) -> Array:
        """Return the array behind the tensor; they share memory."""
        return self._data

    def item(self) -> Any:
        """Return the only element as a Python number."""
        if self._data.size != 1:
            raise ShapeMismatch(
                f"a Tensor with {self._data.size} elements cannot be converted to Scalar"
            )
        return self._data.item()

    def tolist(self) -> Any:
        """Return the elements as nested lists."""
        return self._data.tolist()

    def __bool__(self) -> bool:
        if self._data.size != 1:
            what = "no values" if self._data.size == 0 else "more than one value"
            raise ShapeMismatch(f"Boolean value of Tensor with {what} is ambiguous")
        return bool(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __float__(self) -> float:
        return float(self.item())

    def __complex__(self) -> complex:
        return complex(self.item())

    def __index__(self) -> int:
        if self.dtype.kind not in ("int", "bool"):
            raise TypeMismatch(
                "only integer tensors of a single element can be converted to an index"
            )
        return int(self.item())

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.array(self._data, dtype=dtype, copy=copy)

    def __array_ufunc__(self, ufunc: Any, how: str, *inputs: Any, **kwargs: Any) -> Any:
        fn = METHODS.get(_UFUNC_NAMES.get(ufunc.__name__, ufunc.__name__))
        if how != "__call__" or kwargs or fn is None:
            arrays = [x._data if isinstance(x, Tensor) else x for x in inputs]
            return getattr(ufunc, how)(*arrays, **kwargs)
        return fn(*inputs)

    def __dlpack__(self, **kwargs: Any) -> Any:
        return self._data.__dlpack__(**kwargs)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._data.__dlpack_device__()

    def __repr__(self) -> str:
        from jitorch.printing import tensor_repr

        return tensor_repr(self._data, self.dtype)

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec and not self.ndim else format(repr(self), spec)

    # Conversion.

    def to(
        self, *args: Any, dtype: DType | None = None, device: Any = None, copy: bool = False
    ) -> Any:
        """Return the tensor with another dtype (or the dtype of another tensor); itself if nothing changes."""
        for a in args:
            if isinstance(a, DType):
                dtype = a
            elif isinstance(a, Tensor):
                dtype = a.dtype
            elif isinstance(a, str):
                device = a
            else:
                raise TypeMismatch(f"to() received an invalid argument: {a!r}")
        if device not in (None, "cpu"):
            raise TypeMismatch(
                f"device '{device}' is not available in this build", hint="use device='cpu'"
            )
        if dtype is None or dtype is self.dtype:
            return apply(OPS["copy"], self) if copy else self
        return apply(OPS["cast"], self, dtype=dtype)

    def type(self, dtype: DType) -> Any:
        """As `to(dtype)`."""
        return self.to(dtype)

    def cpu(self) -> Any:
        """Return the tensor in main memory."""
        return self

    def detach(self) -> Any:
        """Return the tensor without gradient history."""
        return self

    def new_tensor(self, data: Any, *, dtype: DType | None = None) -> Any:
        """Return a new tensor of this tensor's dtype."""
        return Tensor(data, dtype=dtype or self.dtype)

    # In place.

    def _assign(self, new: Any) -> Any:
        """Overwrite the elements with those of `new`, which must broadcast to the shape."""
        array = new._data if isinstance(new, Tensor) else np.asarray(new)
        check_assignable(self.dtype, tuple(self.shape), from_numpy_dtype(array.dtype), array.shape)
        self._data[...] = array
        return self

    def copy_(self, src: Any) -> Any:
        """Overwrite the elements with those of `src`, converted and broadcast."""
        value = src if isinstance(src, Tensor) else as_tensor(src)
        return self._assign(value.to(self.dtype))

    def fill_(self, value: Any) -> Any:
        """Set every element to a number."""
        return self.copy_(number_like(value, self.dtype))

    def zero_(self) -> Any:
        """Set every element to 0."""
        return self.fill_(0)

    def __setitem__(self, key: Any, value: Any) -> None:
        view, rest = ops.index.basic_view(self, key)
        value = (
            value.to(self.dtype) if isinstance(value, Tensor) else number_like(value, self.dtype)
        )
        if rest:
            view._assign(ops.index.put(view, rest, value))
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


def number_like(value: Any, dtype: DType) -> Any:
    """Return a number, list or array as a tensor of `dtype`."""
    if isinstance(value, (bool, int, float, complex)):
        return apply(OPS["constant"], value=value, dtype=dtype)
    if isinstance(value, (list, tuple, np.ndarray, np.generic)):
        return as_tensor(value).to(dtype)
    return apply(OPS["cast"], value, dtype=dtype)


def _without_leading_ones(value: Any, ndim: int) -> Any:
    """`x[i] = v` takes a v with more dimensions than x[i] where the extra ones are of size 1."""
    while value.ndim > ndim and value.shape[0] == 1:
        value = METHODS["squeeze"](value, 0)
    return value


def check_assignable(
    dtype: DType, shape: Sequence[Any], new: DType, new_shape: Sequence[Any]
) -> None:
    """Raise unless a `new` tensor can be written in place, as PyTorch rules."""
    order = ("bool", "int", "float", "complex")
    if order.index(new.kind) > order.index(dtype.kind):
        raise TypeMismatch(
            f"result type {_PLAIN.get(new.name, new.name)} can't be cast to the desired output type "
            f"{_PLAIN.get(dtype.name, dtype.name)}",
            hint="an in-place operation keeps the dtype of its target; use the out-of-place form",
        )
    from jitorch.ir.shapes import broadcast

    out = broadcast(tuple(shape), tuple(new_shape))
    if len(out) != len(shape) or any(
        a != b and not _size_equal(a, b) for a, b in zip(out, shape, strict=True)
    ):
        raise ShapeMismatch(
            f"output with shape {show(shape)} doesn't match the broadcast shape {show(out)}"
        )


def _size_equal(a: Any, b: Any) -> bool:
    from jitorch.ir.dims import equal

    return equal(a, b)


_PLAIN = {"float32": "Float", "float64": "Double", "int64": "Long", "int32": "Int", "bool": "Bool"}

_UFUNC_NAMES = {
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


def as_array(data: Any, dtype: DType | None = None) -> Array:
    """Return a new array from nested lists, numbers, arrays or tensors, with PyTorch's default dtypes."""
    if isinstance(data, Tensor):
        data = data._data
    if isinstance(data, (list, tuple)):
        data = _unwrap_items(data)
    try:
        array = (
            np.array(data)
            if not hasattr(data, "__dlpack__") or isinstance(data, np.ndarray)
            else np.array(np.from_dlpack(data))
        )
    except ValueError as error:
        raise ShapeMismatch(f"expected sequences of equal length: {error}") from None
    if dtype is None and not isinstance(data, (np.ndarray, np.generic)) and not _holds_arrays(data):
        dtype = {"f": float32, "c": complex64, "i": int64}.get(array.dtype.kind)
    try:
        return array.astype(
            dtype.numpy if dtype else from_numpy_dtype(array.dtype).numpy, copy=False
        )
    except TypeError as error:
        raise TypeMismatch(str(error)) from None


def _unwrap_items(data: Any) -> Any:
    return [
        _unwrap_items(d)
        if isinstance(d, (list, tuple))
        else d._data
        if isinstance(d, Tensor)
        else d
        for d in data
    ]


def _holds_arrays(data: Any) -> bool:
    return (
        isinstance(data, list)
        and bool(data)
        and (isinstance(data[0], (np.ndarray, np.generic)) or _holds_arrays(data[0]))
    )


def wrap(array: Any) -> Tensor:
    """Return a tensor that shares the array's memory."""
    out = Tensor.__new__(Tensor)
    out._data = array if isinstance(array, np.ndarray) else np.asarray(array)
    return out


def tensor(
    data: Any, *, dtype: DType | None = None, device: Any = None, requires_grad: bool = False
) -> Any:
    """Return a new tensor with a copy of `data`: numbers, nested lists, an array, a tensor.

    Floats give float32 and integers int64; arrays and tensors keep their dtype.

    >>> jt.tensor([[1, 2], [3, 4]])
    tensor([[1, 2],
            [3, 4]])
    """
    if requires_grad:
        raise TypeMismatch("gradients are not part of this version", hint="leave requires_grad out")
    if isinstance(data, Tensor):
        return data.to(dtype or data.dtype, copy=True)
    made = wrap(as_array(data, dtype))
    current = dispatch.current()
    return made if current is None else current.capture(made)  # type: ignore[attr-defined]


def from_numpy(array: Array) -> Tensor:
    """Return a tensor that shares memory with the array."""
    if not isinstance(array, np.ndarray):
        raise TypeMismatch(f"expected np.ndarray (got {type(array).__name__})")
    from_numpy_dtype(array.dtype)
    return wrap(array)


def as_tensor(data: Any, *, dtype: DType | None = None) -> Any:
    """Return `data` as a tensor, sharing memory where that is possible."""
    if isinstance(data, Tensor):
        return data.to(dtype) if dtype else data
    made = from_numpy(data) if isinstance(data, np.ndarray) else wrap(as_array(data))
    return made.to(dtype) if dtype else made


class Eager:
    """The interpreter that computes each op at once, on NumPy."""

    def apply(self, op: OpDef, inputs: tuple[Any, ...], attrs: dict[str, Any]) -> Any:
        if op.compose is not None:
            return op.compose(*inputs, **attrs)
        arrays = [_operand(x) for x in inputs]
        if op.promote is not None:
            arrays = promoted(op, arrays)
        types = [type_of(a) for a in arrays]
        result = op.infer(*types, **attrs)
        with np.errstate(all="ignore"):
            out = op.eager(np, *arrays, **attrs)
        if isinstance(result, tuple):
            return tuple(wrap(_typed(o, t)) for o, t in zip(out, result, strict=True))
        return wrap(_typed(out, result)) if isinstance(result, TensorType) else out

    def wrap(self, array: Array) -> Tensor:
        return wrap(array)


def _operand(x: Any) -> Any:
    if isinstance(x, Tensor):
        return x._data
    if isinstance(x, np.generic):
        return np.asarray(x)
    if isinstance(x, (np.ndarray, bool, int, float, complex, str, type(None))):
        return x
    if hasattr(x, "__dlpack__"):
        return np.from_dlpack(x)
    raise TypeMismatch(f"expected a tensor, an array or a number, got {type(x).__name__}")


def type_of(a: Any) -> Type:
    """Return the IR type of an array or number."""
    from jitorch.ir.types import ScalarType

    if isinstance(a, np.ndarray):
        return TensorType(from_numpy_dtype(a.dtype), a.shape)
    return ScalarType("none" if a is None else type(a).__name__)


def promoted(op: OpDef, arrays: list[Any]) -> list[Any]:
    """Convert an op's operands to the dtype its rule gives."""
    assert op.promote is not None
    operands: list[Operand] = []
    for a in arrays[op.promote_from :]:
        operands.append(
            TensorType(from_numpy_dtype(a.dtype), a.shape) if isinstance(a, np.ndarray) else a
        )
    try:
        dtype = op.promote(operands).numpy
    except TypeError as error:
        if isinstance(error, TypeMismatch):
            raise
        raise TypeMismatch(f"{op.name}: {error}") from None
    with np.errstate(all="ignore"):
        return arrays[: op.promote_from] + [
            a if isinstance(a, np.ndarray) and a.dtype == dtype else np.asarray(a).astype(dtype)
            for a in arrays[op.promote_from :]
        ]


def _typed(a: Any, t: Type) -> Array:
    assert isinstance(t, TensorType)
    array = a if isinstance(a, np.ndarray) else np.asarray(a)
    return array if array.dtype == t.dtype.numpy else array.astype(t.dtype.numpy)


def _in_place(fn: Any) -> Any:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return self._assign(fn(self, *args, **kwargs))

    return method


_INPLACE_ALSO = (
    "add",
    "sub",
    "div",
    "pow",
    "clamp",
    "round",
    "masked_fill",
    "lerp",
    "addcmul",
    "addcdiv",
)


def _bind() -> None:
    """Give Tensor the methods of the op table."""
    for name, fn in METHODS.items():
        if name not in Tensor.__dict__:
            setattr(Tensor, name, fn)
        public = OPS.get(name)
        if (public is not None and public.inplace) or name in _INPLACE_ALSO:
            inplace = _in_place(fn)
            inplace.__name__, inplace.__doc__ = name + "_", f"As `{name}`, in place."
            setattr(Tensor, name + "_", inplace)


_bind()
dispatch.set_default(Eager())
