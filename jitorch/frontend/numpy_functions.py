"""What NumPy's functions mean, in ops of ours: one entry for each.

Argument names and defaults are NumPy's (the standard deviation divides by n).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from jitorch.dispatch import METHODS, apply
from jitorch.errors import TypeMismatch, UnsupportedSyntax
from jitorch.frontend.proxies import ScalarProxy
from jitorch.ir.dims import Sym, product
from jitorch.ir.opdef import OPS
from jitorch.ir.shapes import axes
from jitorch.ir.types import DType, from_numpy_dtype
from jitorch.ops.shape import slice_dim
from jitorch.tensor import Tensor

Function = Callable[..., Any]
FUNCTIONS: dict[Any, Function] = {}


def as_dtype(dtype: Any) -> DType | None:
    """Return the DType of anything NumPy takes for a dtype."""
    if dtype is None or isinstance(dtype, DType):
        return dtype
    try:
        return from_numpy_dtype(dtype)
    except TypeError as error:
        raise TypeMismatch(str(error)) from None


def cast(x: Any, dtype: Any) -> Any:
    """Return x with another dtype; x itself for None."""
    wanted = as_dtype(dtype)
    return (
        x
        if wanted is None or getattr(x, "dtype", None) is wanted
        else apply(OPS["cast"], x, dtype=wanted)
    )


def _reduction(name: str) -> Function:
    def fn(
        x: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False
    ) -> Any:
        _refuse(name, out=out)
        if name == "sum" and dtype is None and x.dtype.tag == "u8":
            raise TypeMismatch(
                "the sum of uint8 is uint64 in NumPy, which has no counterpart here",
                hint="pass dtype=np.int64",
            )
        return METHODS[name](cast(x, dtype), axis, keepdims)

    return fn


def _ordered(name: str) -> Function:
    def fn(x: Any, axis: Any = None, out: Any = None, keepdims: bool = False) -> Any:
        _refuse(name, out=out)
        return METHODS[name](x, axis, keepdims)

    return fn


def _spread(name: str) -> Function:
    def fn(
        x: Any,
        axis: Any = None,
        dtype: Any = None,
        out: Any = None,
        ddof: Any = 0,
        keepdims: bool = False,
    ) -> Any:
        _refuse(name, out=out)
        return METHODS[name](cast(x, dtype), axis, keepdim=keepdims, correction=ddof)

    return fn


def _running(name: str) -> Function:
    def fn(x: Any, axis: Any = None, dtype: Any = None) -> Any:
        x = cast(x, dtype)
        return (
            METHODS[name](METHODS["reshape"](x, -1), 0) if axis is None else METHODS[name](x, axis)
        )

    return fn


def _refuse(name: str, **options: Any) -> None:
    for option, value in options.items():
        if value is not None:
            raise UnsupportedSyntax(
                f"np.{name}({option}=...) is not supported in @script",
                hint="assign the result instead",
            )


def _shape(shape: Any) -> tuple[Any, ...]:
    return tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)


def _full(shape: Any, fill_value: Any, dtype: Any = None) -> Any:
    wanted = as_dtype(dtype)
    if isinstance(fill_value, (bool, int, float)):
        wanted = wanted or from_numpy_dtype(np.asarray(fill_value).dtype)
        return apply(OPS["full"], shape=_shape(shape), value=fill_value, dtype=wanted)
    return apply(OPS["copy"], apply(OPS["expand"], cast(fill_value, wanted), shape=_shape(shape)))


def _filled(value: float) -> Function:
    return lambda shape, dtype=np.float64: _full(shape, value, dtype)


def _filled_like(value: float) -> Function:
    return lambda x, dtype=None: _full(tuple(x.shape), value, dtype or x.dtype)


def _arange(start: Any, stop: Any = None, step: Any = 1, dtype: Any = None) -> Any:
    from jitorch.ops.create import arange

    whole = all(isinstance(v, (int, Sym)) for v in (start, 0 if stop is None else stop, step))
    return arange(
        start, stop, step, dtype=as_dtype(dtype) or as_dtype(np.int64 if whole else np.float64)
    )


def _linspace(
    start: Any, stop: Any, num: Any = 50, endpoint: bool = True, dtype: Any = None
) -> Any:
    steps = num - 1 if endpoint else num
    points = cast(_arange(num), np.float64)
    return cast(points * ((stop - start) / steps) + start, dtype)


def _where(condition: Any, *choices: Any) -> Any:
    if len(choices) != 2:
        raise UnsupportedSyntax(
            "np.where with one argument is not supported in @script",
            hint="use a mask: x[condition]",
        )
    from jitorch.ops.select import where

    return where(condition if _is_bool(condition) else METHODS["ne"](condition, 0), *choices)


def _is_bool(x: Any) -> bool:
    return isinstance(getattr(x, "dtype", None), DType) and x.dtype.kind == "bool"


def _clip(x: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Any:
    return METHODS["clamp"](x, a_min if min is None else min, a_max if max is None else max)


def _take_along_axis(arr: Any, indices: Any, axis: Any) -> Any:
    """Pick along an axis; the others broadcast, and negative indices count from the end."""
    size = product(tuple(arr.shape)) if axis is None else arr.shape[axis]
    at = cast(indices, np.int64)
    return METHODS["take_along_dim"](arr, _where(at < 0, at + size, at), axis)


def transposed(x: Any, axes: Any = None) -> Any:
    return METHODS["permute"](x, *(reversed(range(x.ndim)) if axes is None else axes))


def _joined(name: str) -> Function:
    def fn(arrays: Any, axis: int = 0) -> Any:
        from jitorch.ops import join

        return getattr(join, name)(arrays, axis)

    return fn


def _module_function(module: str, name: str) -> Function:
    def fn(*args: Any, **kwargs: Any) -> Any:
        import importlib

        return getattr(importlib.import_module(f"jitorch.ops.{module}"), name)(*args, **kwargs)

    return fn


def _norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    if x.ndim > 1 and axis is None and ord not in (None, "fro"):
        raise UnsupportedSyntax("np.linalg.norm: matrix norms are not supported in @script")
    return METHODS["norm"](x, 2 if ord is None else ord, axis, keepdims)


def _flip(x: Any, axis: Any = None) -> Any:
    for dim in axes(axis, x.ndim):
        x = slice_dim(x, dim, None, None, -1)
    return x


def _dot(a: Any, b: Any, out: Any = None) -> Any:
    _refuse("dot", out=out)
    ranks = getattr(a, "ndim", 0), getattr(b, "ndim", 0)
    if 0 in ranks:
        return METHODS["mul"](_asarray(a), _asarray(b))
    if ranks[1] > 2:
        raise UnsupportedSyntax(
            "np.dot with an array of more than two dimensions on its right is not supported in @script",
            hint="use np.einsum",
        )
    return METHODS["matmul"](a, b)


def _diff(x: Any, n: int = 1, axis: int = -1) -> Any:
    for _ in range(n):
        at = axis % x.ndim
        head, tail = (
            (slice(None),) * at + (slice(1, None),),
            (slice(None),) * at + (slice(None, -1),),
        )
        x = x[head] - x[tail]
    return x


def _average(x: Any, axis: Any = None, weights: Any = None) -> Any:
    if weights is None:
        return METHODS["mean"](x, axis)
    return METHODS["sum"](x * weights, axis) / METHODS["sum"](weights, axis)


def _array(x: Any, dtype: Any = None, copy: bool | None = None) -> Any:
    if isinstance(x, list):
        return cast(_joined("stack")([_array(i) for i in x]), dtype)
    if isinstance(x, (Sym, ScalarProxy, bool, int, float)):
        kind = (
            x.kind
            if isinstance(x, ScalarProxy)
            else ("int" if isinstance(x, Sym) else type(x).__name__)
        )
        return apply(
            OPS["cast"],
            x,
            dtype=as_dtype(dtype)
            or as_dtype({"bool": np.bool_, "int": np.int64}.get(kind, np.float64)),
        )
    return METHODS["clone"](cast(x, dtype))


def _asarray(x: Any, dtype: Any = None) -> Any:
    return cast(x, dtype) if isinstance(x, Tensor) else _array(x, dtype)


def _register() -> None:
    for name in ("sum", "prod"):
        FUNCTIONS[getattr(np, name)] = _reduction(name)
    FUNCTIONS[np.mean] = _reduction("mean")
    for np_name, name in (
        ("max", "amax"),
        ("min", "amin"),
        ("amax", "amax"),
        ("amin", "amin"),
        ("any", "any"),
        ("all", "all"),
    ):
        FUNCTIONS[getattr(np, np_name)] = _ordered(name)
    for name in ("std", "var"):
        FUNCTIONS[getattr(np, name)] = _spread(name)
    for name in ("argmax", "argmin"):
        FUNCTIONS[getattr(np, name)] = lambda x, axis=None, keepdims=False, n=name: METHODS[n](
            x, axis, keepdims
        )
    for name in ("cumsum", "cumprod"):
        FUNCTIONS[getattr(np, name)] = _running(name)
    for np_name, value in (("zeros", 0.0), ("ones", 1.0), ("empty", 0.0)):
        FUNCTIONS[getattr(np, np_name)] = _filled(value)
        FUNCTIONS[getattr(np, np_name + "_like")] = _filled_like(int(value))
    for name in ("sort", "argsort"):
        FUNCTIONS[getattr(np, name)] = lambda x, axis=-1, n=name: (
            METHODS[n](x, axis)[0] if n == "sort" else METHODS[n](x, axis)
        )
    for np_name, name in (("concatenate", "cat"), ("stack", "stack")):
        FUNCTIONS[getattr(np, np_name)] = _joined(name)
    for name in ("vstack", "hstack"):
        FUNCTIONS[getattr(np, name)] = _module_function("join", name)
    for name in (
        "outer",
        "tril",
        "triu",
        "moveaxis",
        "swapaxes",
        "trace",
        "diagonal",
        "roll",
        "tile",
        "count_nonzero",
    ):
        if name in METHODS or name == "roll":
            FUNCTIONS[getattr(np, name)] = lambda *a, n=name, **k: METHODS[n](*a, **k)


FUNCTIONS.update(
    {
        np.full: _full,
        np.full_like: lambda x, fill_value, dtype=None: _full(
            tuple(x.shape), fill_value, dtype or x.dtype
        ),
        np.arange: _arange,
        np.linspace: _linspace,
        np.eye: lambda n, m=None, dtype=np.float64: _module_function("create", "eye")(
            n, m or n, dtype=as_dtype(dtype)
        ),
        np.where: _where,
        np.clip: _clip,
        np.transpose: transposed,
        np.reshape: lambda x, shape: METHODS["reshape"](x, *_shape(shape)),
        np.ravel: lambda x: METHODS["reshape"](x, -1),
        np.expand_dims: lambda x, axis: METHODS["unsqueeze"](x, axis),
        np.squeeze: lambda x, axis=None: METHODS["squeeze"](x, axis),
        np.broadcast_to: lambda x, shape: METHODS["expand"](x, *shape),
        np.einsum: _module_function("einsum", "einsum"),
        np.linalg.norm: _norm,
        np.flip: _flip,
        np.flipud: lambda m: _flip(m, 0),
        np.fliplr: lambda m: _flip(m, 1),
        np.dot: _dot,
        np.diff: _diff,
        np.average: _average,
        np.array: _array,
        np.asarray: _asarray,
        np.ascontiguousarray: lambda x: METHODS["contiguous"](x),
        np.copy: lambda x: METHODS["clone"](x),
        np.round: lambda x, decimals=0: METHODS["round"](x, decimals=decimals),
        np.take_along_axis: _take_along_axis,
        np.shape: lambda x: tuple(x.shape),
        np.ndim: lambda x: x.ndim,
        np.size: lambda x, axis=None: product(tuple(x.shape)) if axis is None else x.shape[axis],
    }
)
_register()
