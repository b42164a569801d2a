"""Types of IR values: tensors, scalars, tuples and lists.

`f32[n, 4]` is a contiguous float32 tensor; `f32[n, 4; strided]` one whose strides are run-time
facts. `int(n)` is an integer whose value is known to be the size expression `n`; plain `int` may be
any.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Union

import numpy as np

from jitorch.errors import DeviceMismatch, TypeMismatch
from jitorch.ir.dims import Dim, Shape, substitute


@dataclass(frozen=True, slots=True)
class DType:
    """An element type: PyTorch's `name`, the IR's `tag`; `kind` is bool, int, float or complex.

    It prints as PyTorch's do, as `torch.float32`.
    """

    name: str
    tag: str
    kind: str
    itemsize: int

    def __repr__(self) -> str:
        return f"torch.{self.name}"

    def __reduce__(self) -> tuple[Callable[[str], DType], tuple[str]]:
        """Let copies and pickles be the dtype itself, for dtypes are compared with `is`."""
        return _by_tag, (self.tag,)

    @property
    def numpy(self) -> np.dtype[Any]:
        """The NumPy dtype of the same meaning."""
        return _NUMPY[self.name]

    @property
    def is_floating_point(self) -> bool:
        return self.kind == "float"

    @property
    def is_complex(self) -> bool:
        return self.kind == "complex"

    @property
    def is_signed(self) -> bool:
        return self.kind != "bool" and self.tag != "u8"


bool_ = DType("bool", "bool", "bool", 1)
uint8 = DType("uint8", "u8", "int", 1)
int8 = DType("int8", "i8", "int", 1)
int16 = DType("int16", "i16", "int", 2)
int32 = DType("int32", "i32", "int", 4)
int64 = DType("int64", "i64", "int", 8)
float16 = DType("float16", "f16", "float", 2)
float32 = DType("float32", "f32", "float", 4)
float64 = DType("float64", "f64", "float", 8)
complex64 = DType("complex64", "c64", "complex", 8)
complex128 = DType("complex128", "c128", "complex", 16)

DTYPES: tuple[DType, ...] = (
    bool_, uint8, int8, int16, int32, int64, float16, float32, float64, complex64, complex128,
)  # fmt: skip
BY_TAG = {d.tag: d for d in DTYPES}
_NUMPY = {d.name: np.dtype(d.name) for d in DTYPES}
_BY_NUMPY = {dt: d for d, dt in ((d, d.numpy) for d in DTYPES)}


_OF_PYTHON = {bool: bool_, int: int64, float: float64, complex: complex128}


def known_dtype(dtype: Any) -> DType:
    """Return a dtype that a user gave: one of ours, or the Python type of numbers that it stands for."""
    if isinstance(dtype, DType):
        return dtype
    found = _OF_PYTHON.get(dtype) if isinstance(dtype, type) else None
    if found is None:
        raise TypeMismatch(
            f"argument 'dtype' must be torch.dtype, not {type(dtype).__name__}",
            hint="write it as torch.float32",
        )
    return found


def _by_tag(tag: str) -> DType:
    return BY_TAG[tag]


def from_numpy_dtype(dtype: Any) -> DType:
    """Return the DType of a NumPy dtype. Raises TypeError for one that tensors can't hold."""
    found = _BY_NUMPY.get(np.dtype(dtype))
    if found is None:
        names = ", ".join(d.name for d in DTYPES)
        raise TypeError(
            f"can't convert a NumPy array of dtype {np.dtype(dtype)}; "
            f"the supported types are: {names}"
        )
    return found


@dataclass(frozen=True, slots=True)
class TensorType:
    """dtype, shape, device, and whether the strides are only known at run time."""

    dtype: DType
    shape: Shape
    strided: bool = False
    device: str = "cpu"

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __str__(self) -> str:
        dims = ", ".join(map(str, self.shape))
        where = f" @{self.device}" if self.device != "cpu" else ""
        return f"{self.dtype.tag}[{dims}{'; strided' if self.strided else ''}]{where}"


@dataclass(frozen=True, slots=True)
class ScalarType:
    """A Python scalar: `kind` is bool, int, float, str or none."""

    kind: str
    value: Dim | None = None  # for int: the size expression it is known to equal

    def __str__(self) -> str:
        return self.kind if self.value is None else f"{self.kind}({self.value})"


@dataclass(frozen=True, slots=True)
class TupleType:
    items: tuple[Type, ...]

    def __str__(self) -> str:
        return f"tuple[{', '.join(map(str, self.items))}]"


@dataclass(frozen=True, slots=True)
class ListType:
    item: Type

    def __str__(self) -> str:
        return f"list[{self.item}]"


Type = Union[TensorType, ScalarType, TupleType, ListType]

INT, FLOAT, BOOL = ScalarType("int"), ScalarType("float"), ScalarType("bool")
STR, NONE = ScalarType("str"), ScalarType("none")


def common_device(types: Iterable[Type]) -> str:
    """Return the device of a result of tensors of the given types.

    Tensors of no dimensions in main memory go with any. Raises DeviceMismatch for others.
    """
    tensors = [t for t in types if isinstance(t, TensorType)]
    found = next((t.device for t in tensors if t.device != "cpu"), "cpu")
    for t in tensors:
        if t.device != found and (t.ndim or t.device != "cpu"):
            raise DeviceMismatch.between(found, t.device)
    return found


def map_sizes(t: Type, change: Callable[[Dim], Dim]) -> Type:
    """Return `t` with `change` applied to every size in it."""
    match t:
        case TensorType(shape=shape):
            new = tuple(map(change, shape))
            return t if new == shape else replace(t, shape=new)
        case ScalarType(value=value) if value is not None:
            return ScalarType(t.kind, change(value))
        case TupleType(items):
            return TupleType(tuple(map_sizes(i, change) for i in items))
        case ListType(item):
            return ListType(map_sizes(item, change))
    return t


def sizes_in(t: Type) -> Iterator[Dim]:
    """Yield every size in the type, in reading order."""
    match t:
        case TensorType(shape=shape):
            yield from shape
        case ScalarType(value=value) if value is not None:
            yield value
        case TupleType(items):
            for item in items:
                yield from sizes_in(item)
        case ListType(item):
            yield from sizes_in(item)


def substitute_type(t: Type, env: Mapping[str, Dim]) -> Type:
    """Return `t` with the symbols that `env` names replaced."""
    return map_sizes(t, lambda d: substitute(d, env))
