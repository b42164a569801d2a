"""NumPy inside recorded functions: calls such as `np.exp(x)`, and arrays with NumPy's methods.

A program called with NumPy arrays only follows NumPy: its promotion, its argument names, its defaults.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jitorch.dispatch import METHODS
from jitorch.errors import UnsupportedSyntax
from jitorch.frontend.numpy_functions import FUNCTIONS, Function, as_dtype, cast, transposed
from jitorch.frontend.proxies import ListProxy, ScalarProxy, TensorProxy
from jitorch.ir.dims import Sym, product
from jitorch.tensor import Tensor

_UFUNCS = {
    "subtract": "sub", "multiply": "mul", "true_divide": "div", "divide": "div", "power": "pow", "float_power": "pow",
    "negative": "neg", "absolute": "abs", "fabs": "abs", "rint": "round", "equal": "eq", "greater": "gt",
    "less": "lt", "invert": "bitwise_not", "bitwise_invert": "bitwise_not", "left_shift": "bitwise_left_shift",
    "right_shift": "bitwise_right_shift", "mod": "remainder", "matmul": "matmul", "conjugate": "conj",
}  # fmt: skip


def call_numpy(fn: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """Carry out a NumPy function on values of the program; one on constants alone is NumPy's own business."""
    if not any(map(_recorded, (*args, *kwargs.values()))) and _depends_on_arguments_alone(fn):
        return fn(*args, **kwargs)
    if isinstance(fn, np.ufunc):
        return _ufunc(fn, args, dict(kwargs))
    if isinstance(fn, type) and issubclass(fn, np.generic):
        return cast(args[0], fn)
    known = _lookup(fn)
    if known is None:
        raise UnsupportedSyntax(
            f"{full_name(fn)} is not supported in @script",
            hint="draw with torch.rand or torch.randn"
            if "random" in full_name(fn)
            else "write it with supported functions, or call it from a function marked @jt.ignore",
        )
    return known(*args, **kwargs)


def full_name(fn: Any) -> str:
    """Return a function's name as one writes it: `np.fft.fft`."""
    owner = getattr(fn, "__self__", None)
    if isinstance(owner, np.ufunc):
        return f"np.{owner.__name__}.{fn.__name__}"
    module = re.sub(r"\._\w+|^numpy\.\w*lib\b.*|\.mtrand", "", fn.__module__ or "numpy")
    return f"{module}.{fn.__name__}".replace("numpy", "np", 1)


_ON_TYPES = frozenset(
    {np.result_type, np.promote_types, np.can_cast, np.dtype, np.finfo, np.iinfo, np.isscalar,
     np.broadcast_shapes}
)  # fmt: skip


def _depends_on_arguments_alone(fn: Any) -> bool:
    """Whether NumPy may be called while compiling: not for random numbers, not for files."""
    if isinstance(fn, np.ufunc) or (isinstance(fn, type) and issubclass(fn, np.generic)):
        return True
    return _lookup(fn) is not None or fn in _ON_TYPES


def _lookup(fn: Any) -> Function | None:
    try:
        return FUNCTIONS.get(fn)
    except TypeError:
        return None


def _recorded(x: Any) -> bool:
    if isinstance(x, (tuple, list)):
        return any(map(_recorded, x))
    return isinstance(x, (Tensor, ScalarProxy, ListProxy, Sym))


def _ufunc(fn: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    out, dtype = kwargs.pop("out", None), kwargs.pop("dtype", None)
    method = METHODS.get(_UFUNCS.get(fn.__name__, fn.__name__))
    if kwargs or method is None:
        what = f"np.{fn.__name__}" + (f"({next(iter(kwargs))}=...)" if kwargs else "")
        raise UnsupportedSyntax(
            f"{what} is not supported in @script", hint="use np.where for a masked result"
        )
    result = cast(method(*args[: fn.nin]), dtype)
    target = (
        out[0]
        if isinstance(out, tuple)
        else (out if out is not None else (args[fn.nin] if len(args) > fn.nin else None))
    )
    return result if target is None else target._assign(result)


class ArrayProxy(TensorProxy):
    """An array of a program on NumPy arrays: a tensor with NumPy's methods."""

    def astype(self, dtype: Any, copy: bool = True) -> Any:
        wanted = as_dtype(dtype)
        assert wanted is not None
        return METHODS["clone"](self) if self.dtype is wanted and copy else cast(self, wanted)

    def transpose(self, *axes: Any) -> Any:
        order = axes[0] if len(axes) == 1 and isinstance(axes[0], (tuple, list)) else axes
        return transposed(self, order or None)

    def flatten(self) -> Any:
        return METHODS["clone"](METHODS["reshape"](self, -1))

    def __pos__(self) -> Any:
        return METHODS["clone"](self)

    def fill(self, value: Any) -> None:
        self.fill_(value)

    def __array_ufunc__(self, ufunc: Any, how: str, *inputs: Any, **kwargs: Any) -> Any:
        if how != "__call__":
            raise UnsupportedSyntax(f"np.{ufunc.__name__}.{how} is not supported in @script")
        return _ufunc(ufunc, inputs, kwargs)

    def __array_function__(self, fn: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return call_numpy(fn, args, kwargs)

    __hash__ = object.__hash__


def _bind() -> None:
    """Give arrays the methods whose functions stand above."""
    table = {"sum": np.sum, "prod": np.prod, "mean": np.mean, "max": np.max, "min": np.min, "any": np.any,
    "all": np.all,
             "std": np.std, "var": np.var, "argmax": np.argmax, "argmin": np.argmin, "cumsum": np.cumsum,
             "cumprod": np.cumprod, "clip": np.clip, "copy": np.copy, "round": np.round, "squeeze": np.squeeze,
             "ravel": np.ravel, "dot": np.dot}  # fmt: skip
    for name, fn in table.items():
        method = FUNCTIONS[fn]
        method.__name__ = method.__qualname__ = name  # what Python's errors about arguments say
        setattr(ArrayProxy, name, method)


_bind()


def array_attribute(x: ArrayProxy, name: str) -> Any:
    """Return an attribute of an array that differs from the tensor's; NotImplemented for others."""
    if name == "size":
        return product(tuple(x.shape))
    if name == "dtype":
        return x.dtype.numpy
    if name in ("itemsize", "nbytes"):
        return x.dtype.itemsize * (product(tuple(x.shape)) if name == "nbytes" else 1)
    return NotImplemented
