"""A stand-in for CuPy on machines without a GPU: NumPy behind CuPy's manners.

Its arrays are no NumPy arrays and do not turn into them by themselves; they take no NumPy arrays as
operands; each is on a device and computes only while that is the current one; indices beyond the
end wrap around. It has the names that jitorch uses and no others. Where the real CuPy is
installed, every name must exist there too, and take the arguments that it is called with.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import inspect
import sys
from collections.abc import Callable, Sequence
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import scipy.special

from tests.cuda.driver import (
    TOTAL as TOTAL,
    CUDARuntimeError as CUDARuntimeError,
    Device,
    Machine as Machine,
    MemoryPool,
    OutOfMemoryError as OutOfMemoryError,
    cuda,
    machine as machine,
    may_fail as may_fail,
    recorded as recorded,
    waits,
)


class MemoryPointer:
    """Where an array's first element is."""

    def __init__(self, array: Any) -> None:
        self.array = array
        self.ptr = array._a.ctypes.data
        self.device_id = array.device.id

    def copy_from_device_async(self, source: Any, size: int, stream: Any = None) -> None:
        assert self.array.device.id == source.array.device.id == machine.current
        for pointer in (self, source):
            assert size == pointer.array.nbytes
            assert pointer.array._a.flags.c_contiguous
        target, given = self.array._a.reshape(-1), source.array._a.reshape(-1)
        recorded(lambda: target.view(np.uint8).__setitem__(..., given.view(np.uint8)))


class ndarray:
    """An array in pretended GPU memory."""

    __array_priority__ = 100
    _a: Any
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, array: Any, index: int | None = None) -> None:
        self._a = np.asarray(array)
        if not self._a.flags.writeable:  # CuPy protects nothing
            with contextlib.suppress(ValueError):
                self._a.flags.writeable = True
        self.device = Device(machine.current if index is None else index)

    dtype = property(lambda self: self._a.dtype)
    shape = property(lambda self: self._a.shape)
    ndim = property(lambda self: self._a.ndim)
    size = property(lambda self: self._a.size)
    itemsize = property(lambda self: self._a.itemsize)
    strides = property(lambda self: self._a.strides)
    real = property(lambda self: _wrapped(self._a.real, self.device.id))
    imag = property(lambda self: _wrapped(self._a.imag, self.device.id))
    nbytes = property(lambda self: self._a.nbytes)
    data = property(lambda self: MemoryPointer(self))

    @property
    def flags(self) -> Any:
        own = self._a.flags
        return SimpleNamespace(c_contiguous=own.c_contiguous, f_contiguous=own.f_contiguous)

    @property
    def __cuda_array_interface__(self) -> Any:
        return {**self._a.__array_interface__, "version": 3, "owner": self}

    def __dlpack_device__(self) -> tuple[int, int]:
        return 2, self.device.id

    def __dlpack__(self, *, stream: Any = None, **kwargs: Any) -> Any:
        return ("capsule", self, stream)

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError("Implicit conversion to a NumPy array is not allowed.")

    def get(self, stream: Any = None, order: str = "C", out: Any = None) -> Any:
        may_fail()
        waits()
        return self._a.copy(order=order)

    def item(self) -> Any:
        waits()
        return self._a.item()

    def __getitem__(self, key: Any) -> Any:
        return _wrapped(self._a[_key(key, self._a)], self.device.id)

    def __setitem__(self, key: Any, value: Any) -> None:
        place, given = _key(key, self._a), _operand(value)
        recorded(lambda: self._a.__setitem__(place, given))

    def __bool__(self) -> bool:
        waits()
        return bool(self._a)

    def __int__(self) -> int:
        waits()
        return int(self._a)

    def __len__(self) -> int:
        return len(self._a)

    def __iter__(self) -> Any:
        return (self[i] for i in range(len(self)))


def _key(key: Any, array: Any) -> Any:
    """Return a key of NumPy, with indices beyond the end wrapped around."""
    parts = key if isinstance(key, tuple) else (key,)
    out, dim = [], 0
    for part in parts:
        if isinstance(part, np.ndarray):
            raise TypeError("Unsupported type <class 'numpy.ndarray'>")
        if isinstance(part, ndarray):
            part = _operand(part)
            if part.dtype.kind in "iu" and array.shape[dim]:
                part = part % array.shape[dim]
        dim += part.ndim if isinstance(part, np.ndarray) and part.dtype == bool else 1
        out.append(part)
    return tuple(out) if isinstance(key, tuple) else out[0]


def _operand(x: Any) -> Any:
    """Return an argument as NumPy takes it, refusing what CuPy refuses."""
    if isinstance(x, ndarray):
        if x.device.id != machine.current:
            raise ValueError(
                f"Array device must be same as the current device: array device = {x.device.id} "
                f"while current = {machine.current}"
            )
        return x._a
    if isinstance(x, np.ndarray):
        raise TypeError("Unsupported type <class 'numpy.ndarray'>")
    return type(x)(map(_operand, x)) if isinstance(x, (list, tuple)) else x


def _wrapped(x: Any, index: int | None = None) -> Any:
    if isinstance(x, (np.ndarray, np.generic)):
        return ndarray(x, index)
    return type(x)(map(_wrapped, x)) if type(x) in (list, tuple) else x


@functools.cache
def real(module: str = "cupy") -> Any:
    """Return the real CuPy, or a module of it, None where it is not installed."""
    try:
        return importlib.import_module(module)
    except ImportError:
        return None


@functools.cache
def original(name: str, module: str) -> Any:
    """Return a function of the real CuPy, None where that is not installed."""
    return None if real(module) is None else getattr(real(module), name)


def check_call(found: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> None:
    """Raise where the real CuPy would not take the arguments of a call."""
    if hasattr(found, "types"):  # a ufunc
        assert loop_of(found, args), f"{found} has no loop for {[_dtype(x) for x in args]}"
        return
    with contextlib.suppress(ValueError):  # one of Cython's does not say
        inspect.signature(found).bind(*args, **kwargs)


def loop_of(found: Any, args: Sequence[Any]) -> str | None:
    """Return the dtype that a ufunc of CuPy computes in: the first that all arguments convert to."""
    dtypes = [_dtype(x) for x in args]
    for loop in found.types:
        taken, _, given = loop.partition("->")
        known = set(taken) <= set(np.typecodes["All"])  # CuPy knows bfloat16 where others do
        if (
            known
            and len(taken) == len(dtypes)
            and all(d is None or np.can_cast(d, c) for d, c in zip(dtypes, taken, strict=True))
        ):
            return str(given)
    return None


def _dtype(x: Any) -> Any:
    return getattr(x, "dtype", None)


def pretended(fn: Callable[..., Any], name: str, module: str = "cupy") -> Callable[..., Any]:
    """Return a function of NumPy as one of CuPy."""

    def call(*args: Any, **kwargs: Any) -> Any:
        theirs = original(name, module)
        if theirs is not None:
            check_call(theirs, args, kwargs)
        may_fail()
        out = kwargs.get("out")
        operands, named = _operand(args), {k: _operand(v) for k, v in kwargs.items()}

        def compute() -> Any:
            with np.errstate(all="ignore"):
                made = fn(*operands, **named)
            if hasattr(theirs, "types") and out is None:
                made = np.asarray(made).astype(loop_of(theirs, args))
            return made

        if out is not None or name == "copyto":
            recorded(compute)
            return out
        return _wrapped(computed(compute, [*operands, *named.values()]))

    call.__name__ = name
    return call


def computed(compute: Callable[[], Any], operands: Sequence[Any]) -> Any:
    """Compute, and where a stream captures let each replay do so again, into the same memory."""
    made = compute()
    if machine.capture is not None:
        made = tuple(map(np.asarray, made)) if isinstance(made, tuple) else np.asarray(made)
        arrays = [x for x in operands if isinstance(x, np.ndarray)]
        views = any(np.may_share_memory(made, x) for x in arrays if isinstance(made, np.ndarray))
        if not views:
            machine.capture.work.append(lambda: _put(compute(), made))
    return made


def _put(found: Any, made: Any) -> None:
    for a, b in zip(found, made, strict=True) if isinstance(made, tuple) else [(found, made)]:
        b[...] = a


_METHODS = [
    "astype", "reshape", "copy", "min", "max", "sum", "any", "all", "transpose", "view",
    "__add__", "__radd__", "__sub__", "__rsub__", "__mul__", "__rmul__", "__truediv__",
    "__rtruediv__", "__mod__", "__lt__", "__le__", "__gt__", "__ge__", "__eq__", "__ne__",
    "__and__", "__or__", "__xor__", "__rxor__", "__rshift__", "__lshift__", "__invert__",
    "__neg__",
]  # fmt: skip
_VIEWS = ("transpose", "view")


def _method(name: str) -> Callable[..., Any]:
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        if real() is not None:
            getattr(real().ndarray, name)
        fn = getattr(self._a if name in _VIEWS else _operand(self), name)
        operands, named = _operand(args), {k: _operand(v) for k, v in kwargs.items()}

        def compute() -> Any:
            with np.errstate(all="ignore"):
                return fn(*operands, **named)

        return _wrapped(computed(compute, [self._a, *operands]), self.device.id)

    return call


for _name in _METHODS:
    setattr(ndarray, _name, _method(_name))

_FUNCTIONS = [
    "abs", "add", "all", "amax", "amin", "angle", "any", "arange", "arccos", "arccosh",
    "arcsin", "arcsinh", "arctan", "arctan2", "arctanh", "argmax", "argmin", "argsort",
    "argwhere", "bincount", "bitwise_and", "bitwise_or", "bitwise_xor", "broadcast_to", "cbrt",
    "ceil", "concatenate", "conj", "copysign", "copyto", "cos", "cosh", "cumprod", "cumsum", "diagonal",
    "empty", "empty_like", "equal", "exp", "exp2", "expand_dims", "expm1", "flip", "floor",
    "floor_divide", "fmax", "fmin", "fmod", "full", "greater", "greater_equal", "hypot", "imag",
    "invert", "isfinite", "isinf", "isnan", "left_shift", "less", "less_equal", "log", "log10",
    "log1p", "log2", "logical_and", "logical_not", "logical_or", "logical_xor", "matmul",
    "maximum", "minimum", "multiply", "negative", "not_equal", "power", "prod", "real",
    "reciprocal", "remainder", "right_shift", "rint", "roll", "searchsorted", "sign", "signbit",
    "sin", "sinh", "sqrt", "squeeze", "stack", "subtract", "sum", "take_along_axis", "tan",
    "tanh", "transpose", "tril", "triu", "true_divide", "trunc", "unique", "where", "zeros",
]  # fmt: skip


class _Ufunc:
    """A function with a method `at`."""

    def __init__(self, name: str) -> None:
        self.call = pretended(getattr(np, name), name)
        self.fold: Any = getattr(np, name).at

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.call(*args, **kwargs)

    def at(self, target: Any, key: Any, values: Any) -> None:
        # The types that CUDA and CuPy can add to at once from many threads.
        assert target.dtype.name in (
            "int32", "float16", "float32", "float64", "complex64", "complex128", "uint32", "uint64"
        )  # fmt: skip
        self.fold(_operand(target), _key(key, target._a), _operand(values))


def asarray(x: Any, dtype: Any = None) -> Any:
    """Return an array on the current device; one that is there as it is."""
    may_fail()
    if not isinstance(x, ndarray):
        waits()
    if isinstance(x, ndarray):
        here: Any = x if x.device.id == machine.current else ndarray(x._a.copy())
        return here if dtype is None else here.astype(dtype, copy=False)
    if isinstance(x, list):
        return ndarray(np.asarray([_operand(i) for i in x], dtype))
    if hasattr(x, "__cuda_array_interface__"):
        owner = x.__cuda_array_interface__["owner"]
        return ndarray(owner._a, owner.device.id)
    return ndarray(np.array(x, dtype))


def array(x: Any, dtype: Any = None, copy: bool = True, order: str = "K") -> Any:
    """Return a new array on the current device."""
    if isinstance(x, ndarray):
        return ndarray(np.array(_operand(x), dtype, order=order))  # type: ignore[call-overload]
    return asarray(x, dtype)


def from_dlpack(x: Any) -> Any:
    """Return an array that shares memory with another library's."""
    assert x.__dlpack_device__()[0] == 2
    _, owner, _ = x.__dlpack__()
    return ndarray(owner._a, owner.device.id)


def as_strided(x: Any, shape: Any, strides: Any) -> Any:
    """Return a view that stays within what it is a view of, which neither library asks for."""
    made = np.lib.stride_tricks.as_strided(x, shape, strides)
    (low, high), (first, last) = map(np.lib.array_utils.byte_bounds, (x, made))
    assert low <= first <= last <= high, "a view beyond its array"
    return made


def may_share_memory(a: Any, b: Any) -> bool:
    return np.may_share_memory(a._a, b._a)


def module() -> Any:
    """Return the module that stands for CuPy now."""
    return sys.modules["cupy"]


MODULES = (
    "cupy", "cupyx.scipy.special", "cupy._core._routines_linalg", "cupy.lib.stride_tricks",
)  # fmt: skip


def modules() -> dict[str, ModuleType]:
    """Return the modules that stand in for CuPy's, by name."""
    machine.__init__()  # type: ignore[misc]
    for module in MODULES:
        real(module)  # before its place is taken
    cupy, special = ModuleType("cupy"), ModuleType("cupyx.scipy.special")
    for name in _FUNCTIONS:
        setattr(cupy, name, pretended(getattr(np, name), name))
    for name in ("add", "multiply"):
        setattr(cupy, name, _Ufunc(name))
    for name in ("bool_", "float16", "float32", "float64", "int64", "uint64", "pi"):
        setattr(cupy, name, getattr(np, name))
    for name in ("erf", "erfc", "expit", "gammaln"):
        fn = getattr(scipy.special, name)
        setattr(special, name, pretended(fn, name, "cupyx.scipy.special"))
    own = {"asarray": asarray, "array": array, "from_dlpack": from_dlpack, "ndarray": ndarray}
    views = pretended(as_strided, "as_strided", "cupy.lib.stride_tricks")
    own["lib"] = SimpleNamespace(stride_tricks=SimpleNamespace(as_strided=views))
    vars(cupy).update(own, may_share_memory=may_share_memory, cuda=cuda(), __version__="14.0")
    vars(cupy)["get_default_memory_pool"] = lambda: MemoryPool()
    return {"cupy": cupy, "cupyx.scipy.special": special, MODULES[2]: _products()}


def _products() -> ModuleType:
    """Return what stands for CuPy's module of matrix products."""
    out = ModuleType(MODULES[2])
    names = {"COMPUTE_TYPE_DEFAULT": 1, "COMPUTE_TYPE_TF32": 7}
    theirs = real(MODULES[2])
    if theirs is not None:
        names = {name: getattr(theirs, name) for name in names}

    def set_compute_type(dtype: Any, kind: int) -> None:
        machine.products[np.dtype(dtype).name] = kind

    vars(out).update(names, set_compute_type=set_compute_type)
    return out
