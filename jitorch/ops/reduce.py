"""Reductions: folds over dimensions, what is composed of them, and scans."""

from __future__ import annotations

import math
from typing import Any

from jitorch.dispatch import apply, method
from jitorch.errors import ShapeMismatch, TypeMismatch
from jitorch.ir import dims as D
from jitorch.ir.opdef import OPS, OpDef, Reduce, register
from jitorch.ir.promotion import numpy_rules
from jitorch.ir.shapes import axes, axis, reduced
from jitorch.ir.types import DType, TensorType, Type, bool_, float64, int64
from jitorch.ops.elementwise import add, div, exp, isfinite, log, pow, sqrt, square, sub, where
from jitorch.ops.families import composite, tensor_type
from jitorch.ops.shape import flatten, reshape

Dims = tuple[int, ...]


def _reduction(name: str, eager: Any, fold: Reduce | None, result: Any = lambda d: d) -> OpDef:
    """Register a reduction over `dim` (a sorted tuple of dimension numbers)."""

    def infer(x: Type, *, dim: Dims, keepdim: bool) -> Type:
        t = tensor_type(x, name)
        if fold is not None and not fold.empty and 0 in [t.shape[d] for d in dim]:
            raise ShapeMismatch(f"{name}: expected reduction dim to have non-zero size")
        return TensorType(result(t.dtype), reduced(t.shape, dim, keepdim), device=t.device)

    def run(xp: Any, x: Any, *, dim: Dims, keepdim: bool) -> Any:
        if fold is not None and not fold.empty and math.prod(x.shape[d] for d in dim) == 0 and _result_size(x, dim):
            raise ShapeMismatch(f"{name}: expected reduction dim to have non-zero size")
        return eager(xp, x, dim, keepdim)

    return register(OpDef(name=name, eager=run, infer=infer, reduce=fold))


def _result_size(x: Any, dim: Dims) -> int:
    return math.prod(n for i, n in enumerate(x.shape) if i not in dim)


def _lowest(dtype: DType) -> str:
    return {"float": "-INF", "bool": "False"}.get(dtype.kind) or str(_limits(dtype)[0])


def _highest(dtype: DType) -> str:
    return {"float": "INF", "bool": "True"}.get(dtype.kind) or str(_limits(dtype)[1])


def _limits(dtype: DType) -> tuple[int, int]:
    bits = 8 * dtype.itemsize
    return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if dtype.is_signed else (0, 2**bits - 1)


def _half_in_single(xp: Any, x: Any, fold: Any, dim: Dims, keepdim: bool) -> Any:
    """float16 sums are kept in float32, as PyTorch keeps them."""
    if x.dtype == xp.float16:
        return fold(x, axis=dim, keepdims=keepdim, dtype=xp.float32).astype(xp.float16)
    return fold(x, axis=dim, keepdims=keepdim, dtype=x.dtype)


sum_op = _reduction(
    "sum",
    lambda xp, x, dim, keepdim: _half_in_single(xp, x, xp.sum, dim, keepdim),
    Reduce(init=lambda d: "0", step=lambda d: "racc_add({acc}, {x})" if d.kind == "float" else "{acc} + {x}"),
)
prod_op = _reduction(
    "prod",
    lambda xp, x, dim, keepdim: _half_in_single(xp, x, xp.prod, dim, keepdim),
    Reduce(init=lambda d: "1", step=lambda d: "racc_mul({acc}, {x})" if d.kind == "float" else "{acc} * {x}"),
)
amax_op = _reduction(
    "amax",
    lambda xp, x, dim, keepdim: xp.amax(x, axis=dim, keepdims=keepdim),
    Reduce(init=_lowest, step=lambda d: "{acc} | {x}" if d.kind == "bool" else "racc_max({acc}, {x})", empty=False),
)
amin_op = _reduction(
    "amin",
    lambda xp, x, dim, keepdim: xp.amin(x, axis=dim, keepdims=keepdim),
    Reduce(init=_highest, step=lambda d: "{acc} & {x}" if d.kind == "bool" else "racc_min({acc}, {x})", empty=False),
)
any_op = _reduction(
    "any",
    lambda xp, x, dim, keepdim: xp.any(x, axis=dim, keepdims=keepdim),
    Reduce(init=lambda d: "False", step=lambda d: "{acc} | ({x} != 0)"),
    lambda d: bool_,
)
all_op = _reduction(
    "all",
    lambda xp, x, dim, keepdim: xp.all(x, axis=dim, keepdims=keepdim),
    Reduce(init=lambda d: "True", step=lambda d: "{acc} & ({x} != 0)"),
    lambda d: bool_,
)


def _one_dim(name: str, pick: str) -> OpDef:
    def infer(x: Type, *, dim: int, keepdim: bool) -> Type:
        t = tensor_type(x, name)
        if t.ndim and t.shape[dim] == 0:
            raise ShapeMismatch(f"{name}: expected reduction dim to have non-zero size")
        return TensorType(int64, reduced(t.shape, (dim,), keepdim) if t.ndim else (), device=t.device)

    def run(xp: Any, x: Any, *, dim: int, keepdim: bool) -> Any:
        if x.ndim == 0:
            return xp.zeros((), xp.int64)
        if x.shape[dim] == 0:
            raise ShapeMismatch(f"{name}: expected reduction dim to have non-zero size")
        return getattr(xp, pick)(x, axis=dim, keepdims=keepdim)

    return register(OpDef(name=name, eager=run, infer=infer))


argmax_op = _one_dim("argmax", "argmax")
argmin_op = _one_dim("argmin", "argmin")


def _scan(name: str, fn: str) -> OpDef:
    def infer(x: Type, *, dim: int) -> Type:
        t = tensor_type(x, name)
        return TensorType(t.dtype, t.shape, device=t.device)

    def run(xp: Any, x: Any, *, dim: int) -> Any:
        if x.ndim == 0:
            return x.copy()
        wide = xp.float32 if x.dtype == xp.float16 else x.dtype
        return getattr(xp, fn)(x, axis=dim, dtype=wide).astype(x.dtype)

    return register(OpDef(name=name, eager=run, infer=infer))


cumsum_op = _scan("cumsum", "cumsum")
cumprod_op = _scan("cumprod", "cumprod")


def _sort_infer(x: Type, *, dim: int, descending: bool) -> tuple[Type, ...]:
    t = tensor_type(x, "sort")
    plain = TensorType(t.dtype, t.shape, device=t.device)
    return plain, TensorType(int64, t.shape, device=t.device)


def _sort_eager(xp: Any, x: Any, *, dim: int, descending: bool) -> Any:
    if x.ndim == 0:
        return x.copy(), xp.zeros((), xp.int64)
    order = xp.flip(xp.argsort(xp.flip(x, dim), axis=dim, kind="stable"), dim) if descending else None
    # Reversing twice keeps equal elements in their order when descending.
    order = x.shape[dim] - 1 - order if order is not None else xp.argsort(x, axis=dim, kind="stable")
    return xp.take_along_axis(x, order, axis=dim), order


sort_op = register(OpDef(name="sort", eager=_sort_eager, infer=_sort_infer))


# The public functions.


def as_dtype(x: Any, dtype: DType | None) -> Any:
    """Return x converted to `dtype`, x itself for None."""
    return x if dtype is None or x.dtype is dtype else apply(OPS["cast"], x, dtype=dtype)


def _summable(x: Any, dtype: DType | None) -> Any:
    """Booleans and integers sum in int64."""
    if dtype is None and x.dtype.kind in ("bool", "int"):
        dtype = int64
    return as_dtype(x, dtype)


@method()
def sum(x: Any, dim: Any = None, keepdim: bool = False, *, dtype: DType | None = None) -> Any:  # noqa: A001
    """Return the sum over `dim` (an int, a tuple, or None for all). Integers sum in int64.

    >>> jt.tensor([[1, 2], [3, 4]]).sum(0)
    tensor([4, 6])
    """
    return apply(sum_op, _summable(x, dtype), dim=axes(dim, x.ndim), keepdim=keepdim)


@method()
def prod(x: Any, dim: Any = None, keepdim: bool = False, *, dtype: DType | None = None) -> Any:
    """Return the product over `dim` (None for all). Integers multiply in int64."""
    return apply(prod_op, _summable(x, dtype), dim=axes(dim, x.ndim), keepdim=keepdim)


def _ordered(x: Any, name: str) -> None:
    if x.dtype.is_complex:
        raise TypeMismatch(f"{name} is not supported for complex tensors")


@method()
def amax(x: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """Return the maximum over `dim` (None for all); NaN if any element is."""
    _ordered(x, "amax")
    return apply(amax_op, x, dim=axes(dim, x.ndim), keepdim=keepdim)


@method()
def amin(x: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """Return the minimum over `dim` (None for all); NaN if any element is."""
    _ordered(x, "amin")
    return apply(amin_op, x, dim=axes(dim, x.ndim), keepdim=keepdim)


@method()
def any(x: Any, dim: Any = None, keepdim: bool = False) -> Any:  # noqa: A001
    """Return whether any element over `dim` is true."""
    return apply(any_op, x, dim=axes(dim, x.ndim), keepdim=keepdim)


@method()
def all(x: Any, dim: Any = None, keepdim: bool = False) -> Any:  # noqa: A001
    """Return whether all elements over `dim` are true."""
    return apply(all_op, x, dim=axes(dim, x.ndim), keepdim=keepdim)


def _arg(op: OpDef, x: Any, dim: Any, keepdim: bool) -> Any:
    _ordered(x, op.name)
    if dim is None:
        found = apply(op, flatten(x), dim=0, keepdim=False)
        return reshape(found, *[1] * x.ndim) if keepdim else found
    return apply(op, x, dim=axis(dim, x.ndim), keepdim=keepdim)


@method()
def argmax(x: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """Return the index of the (first) maximum over `dim`; without one, of the flattened tensor."""
    return _arg(argmax_op, x, dim, keepdim)


@method()
def argmin(x: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """Return the index of the (first) minimum over `dim`; without one, of the flattened tensor."""
    return _arg(argmin_op, x, dim, keepdim)


def _extreme(reduce: Any, pick: Any, both: Any, x: Any, dim: Any, keepdim: bool) -> Any:
    if dim is None:
        return reduce(x)
    if isinstance(dim, int):
        return reduce(x, dim, keepdim), pick(x, dim, keepdim)
    return both(x, dim)


@method()
def max(x: Any, dim: Any = None, keepdim: bool = False) -> Any:  # noqa: A001
    """Return the maximum of all elements; with an int `dim`, (values, indices); with a tensor, `maximum`."""
    from jitorch.ops.elementwise import maximum

    return _extreme(amax, argmax, maximum, x, dim, keepdim)


@method()
def min(x: Any, dim: Any = None, keepdim: bool = False) -> Any:  # noqa: A001
    """Return the minimum of all elements; with an int `dim`, (values, indices); with a tensor, `minimum`."""
    from jitorch.ops.elementwise import minimum

    return _extreme(amin, argmin, minimum, x, dim, keepdim)


def count(x: Any, dim: Dims) -> D.Dim:
    """Return how many elements a reduction over `dim` folds."""
    return D.product(tuple(x.shape[d] for d in dim))


@composite("mean")
def mean_op(x: Any, *, dim: Dims, keepdim: bool) -> Any:
    return div(apply(sum_op, x, dim=dim, keepdim=keepdim), count(x, dim))


@composite("var")
def var_op(x: Any, *, dim: Dims, keepdim: bool, correction: float) -> Any:
    centred = sub(x, apply(mean_op, x, dim=dim, keepdim=True))
    total = apply(sum_op, square(centred), dim=dim, keepdim=keepdim)
    return div(total, _at_least_zero(count(x, dim) - _whole(correction)))


def _whole(correction: float) -> Any:
    return int(correction) if correction == int(correction) else correction


def _at_least_zero(n: Any) -> Any:
    """PyTorch clamps the divisor of a variance at 0."""
    return D.dim_max(n, 0) if not isinstance(n, float) else (n if n > 0 else 0.0)


def _float_input(name: str, x: Any, dtype: DType | None = None) -> Any:
    """Refuse integers as PyTorch does; NumPy takes them to float64."""
    if dtype is not None:
        return as_dtype(x, dtype)
    if x.dtype.kind in ("float", "complex"):
        return x
    if numpy_rules():
        return as_dtype(x, float64)
    raise TypeMismatch(
        f"{name}(): could not infer output dtype. Input dtype must be either a floating point or complex "
        f"dtype. Got: {x.dtype.name}",
        hint=f"convert first: x.float().{name}()",
    )


@method()
def mean(x: Any, dim: Any = None, keepdim: bool = False, *, dtype: DType | None = None) -> Any:
    """Return the mean over `dim` (None for all) of a floating-point tensor."""
    return apply(mean_op, _float_input("mean", x, dtype), dim=axes(dim, x.ndim), keepdim=keepdim)


@method()
def var(x: Any, dim: Any = None, unbiased: bool = True, keepdim: bool = False, *, correction: float | None = None) -> Any:
    """Return the variance over `dim`: the sum of squared deviations over n - correction (by default 1)."""
    c = correction if correction is not None else int(unbiased)
    return apply(var_op, _float_input("var", x), dim=axes(dim, x.ndim), keepdim=keepdim, correction=c)


@method()
def std(x: Any, dim: Any = None, unbiased: bool = True, keepdim: bool = False, *, correction: float | None = None) -> Any:
    """Return the standard deviation over `dim`: the square root of `var`."""
    return sqrt(var(_float_input("std", x), dim, unbiased, keepdim, correction=correction))


def var_mean(x: Any, dim: Any = None, unbiased: bool = True, keepdim: bool = False) -> tuple[Any, Any]:
    """Return the variance and the mean over `dim`."""
    return var(x, dim, unbiased, keepdim), mean(x, dim, keepdim)


@composite("logsumexp")
def logsumexp_op(x: Any, *, dim: Dims, keepdim: bool) -> Any:
    top = apply(amax_op, x, dim=dim, keepdim=True)
    top = where(isfinite(top), top, 0.0)  # an infinite maximum would turn inf - inf into NaN
    total = apply(sum_op, exp(sub(x, top)), dim=dim, keepdim=keepdim)
    return add(log(total), top if keepdim else apply(OPS["squeeze"], top, dims=dim))


@method()
def logsumexp(x: Any, dim: Any, keepdim: bool = False) -> Any:
    """Return log(sum(exp(x))) over `dim`, without overflow."""
    return apply(logsumexp_op, _float_input("logsumexp", x), dim=axes(dim, x.ndim), keepdim=keepdim)


@method()
def norm(x: Any, p: Any = 2, dim: Any = None, keepdim: bool = False) -> Any:
    """Return the vector p-norm over `dim`: `p` a number, inf, -inf or "fro" (as 2)."""
    from jitorch.ops.elementwise import abs as absolute

    x, where_ = _float_input("norm", x), axes(dim, x.ndim)
    if p in ("fro", 2, None):
        return sqrt(apply(sum_op, square(absolute(x)), dim=where_, keepdim=keepdim))
    size = absolute(x)
    if p == math.inf:
        return apply(amax_op, size, dim=where_, keepdim=keepdim)
    if p == -math.inf:
        return apply(amin_op, size, dim=where_, keepdim=keepdim)
    if p == 1:
        return apply(sum_op, size, dim=where_, keepdim=keepdim)
    if p == 0:
        return as_dtype(sum(size != 0, where_, keepdim), x.dtype)
    return pow(apply(sum_op, pow(size, p), dim=where_, keepdim=keepdim), 1.0 / p)


@method()
def cumsum(x: Any, dim: int, *, dtype: DType | None = None) -> Any:
    """Return the running sum along `dim`."""
    return apply(cumsum_op, _summable(x, dtype), dim=axis(dim, x.ndim))


@method()
def cumprod(x: Any, dim: int, *, dtype: DType | None = None) -> Any:
    """Return the running product along `dim`."""
    return apply(cumprod_op, _summable(x, dtype), dim=axis(dim, x.ndim))


@method()
def sort(x: Any, dim: int = -1, descending: bool = False) -> tuple[Any, Any]:
    """Return (sorted values, indices) along `dim`; equal elements keep their order."""
    values, indices = apply(sort_op, x, dim=axis(dim, x.ndim), descending=descending)
    return values, indices


@method()
def argsort(x: Any, dim: int = -1, descending: bool = False) -> Any:
    """Return the indices that sort x along `dim`."""
    return sort(x, dim, descending)[1]


@method()
def count_nonzero(x: Any, dim: Any = None) -> Any:
    """Return how many elements over `dim` are not zero."""
    return sum(x != 0, dim)

