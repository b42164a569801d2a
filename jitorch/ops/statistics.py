"""Statistics: means, variances, norms, comparison of whole tensors; composed of reductions."""

from __future__ import annotations

import math
from typing import Any

from jitorch.dispatch import apply
from jitorch.errors import TypeMismatch
from jitorch.ir import dims as D
from jitorch.ir.opdef import OPS
from jitorch.ir.promotion import numpy_rules
from jitorch.ir.shapes import axes
from jitorch.ir.types import DType, float16, float32, float64
from jitorch.ops.elementary import exp, log, sqrt
from jitorch.ops.elementwise import abs_, add, div, isfinite, isnan, ne, pow_, square, sub
from jitorch.ops.families import as_dtype, composite, function
from jitorch.ops.reduce import Dims, all_, amax_op, amin_op, fold_samples, peak_op, sum_, sum_op
from jitorch.ops.select import isclose, where

__all__ = [
    "allclose", "count_nonzero", "equal", "logsumexp", "mean", "nanmean", "nansum", "norm", "std",
    "std_mean", "var", "var_mean",
]  # fmt: skip


def zero_like(x: Any) -> Any:
    """Return 0 as a 0-d tensor of x's dtype."""
    return apply(OPS["constant"], value=0, dtype=x.dtype)


@function("nansum")
def nansum(
    input: Any, dim: Any = None, keepdim: bool = False, *, dtype: DType | None = None
) -> Any:
    """Return the sum over `dim` with NaN counted as 0."""
    return sum_(where(isnan(input), zero_like(input), input), dim, keepdim, dtype=dtype)


def count(x: Any, dim: Dims) -> D.Dim:
    """Return how many elements a reduction over `dim` folds."""
    return D.product(tuple(x.shape[d] for d in dim))


@composite("mean", samples=lambda: _float_folds({}))
def mean_op(x: Any, *, dim: Dims, keepdim: bool) -> Any:
    return div(apply(sum_op, x, dim=dim, keepdim=keepdim), count(x, dim))


def _float_folds(extra: dict[str, Any]) -> list[Any]:
    """Return the samples of folds that only floating-point tensors have."""
    samples = fold_samples(**extra)()
    return [s for s in samples if s[0][0].dtype.kind == "f"]


@composite("var", samples=lambda: _float_folds({"correction": 1}))
def var_op(x: Any, *, dim: Dims, keepdim: bool, correction: float) -> Any:
    centred = sub(x, apply(mean_op, x, dim=dim, keepdim=True))
    deviations = square(abs_(centred) if x.dtype.is_complex else centred)
    total = apply(sum_op, deviations, dim=dim, keepdim=keepdim)
    return div(total, _at_least_zero(count(x, dim) - _whole(correction)))


def _whole(correction: float) -> Any:
    return int(correction) if correction == int(correction) else correction


def _at_least_zero(n: Any) -> Any:
    """PyTorch clamps the divisor of a variance at 0."""
    return D.dim_max(n, 0) if not isinstance(n, float) else max(n, 0.0)


def float_input(name: str, x: Any, dtype: DType | None = None) -> Any:
    """Refuse integers as PyTorch does; NumPy takes them to float64."""
    if dtype is not None:
        return as_dtype(x, dtype)
    if x.dtype.kind in ("float", "complex"):
        return x
    if numpy_rules():
        return as_dtype(x, float64)
    raise TypeMismatch(
        f"{name}(): could not infer output dtype. Input dtype must be either a floating point or "
        f"complex dtype. Got: {x.dtype.name}",
        hint=f"convert first: x.float().{name}()",
    )


@function("mean")
def mean(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: DType | None = None) -> Any:
    """Return the mean over `dim` (None for all) of a floating-point tensor."""
    x = float_input("mean", input, dtype)
    return apply(mean_op, x, dim=axes(dim, x.ndim), keepdim=keepdim)


@function("nanmean")
def nanmean(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """Return the mean over `dim` of the elements that are not NaN."""
    x = float_input("nanmean", input)
    present = as_dtype(sum_(ne(isnan(x), True), dim, keepdim), x.dtype)
    return div(nansum(x, dim, keepdim), present)


@function("var")
def var(
    input: Any,
    dim: Any = None,
    unbiased: bool = True,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> Any:
    """Return the variance over `dim`: the sum of squared deviations over n - correction.

    The correction is 1 by default, 0 with `unbiased=False`.
    """
    if isinstance(dim, bool):  # var(x, unbiased)
        dim, unbiased = None, dim
    x = float_input("var", input)
    c = correction if correction is not None else int(unbiased)
    return apply(var_op, x, dim=axes(dim, x.ndim), keepdim=keepdim, correction=c)


@function("std")
def std(
    input: Any,
    dim: Any = None,
    unbiased: bool = True,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> Any:
    """Return the standard deviation over `dim`: the square root of `var`."""
    x = float_input("std", input)
    return sqrt(var(x, dim, unbiased, keepdim, correction=correction))


@function()
def var_mean(
    input: Any,
    dim: Any = None,
    unbiased: bool = True,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> tuple[Any, Any]:
    """Return the variance and the mean over `dim`."""
    return var(input, dim, unbiased, keepdim, correction=correction), mean(input, dim, keepdim)


@function()
def std_mean(
    input: Any,
    dim: Any = None,
    unbiased: bool = True,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> tuple[Any, Any]:
    """Return the standard deviation and the mean over `dim`."""
    return std(input, dim, unbiased, keepdim, correction=correction), mean(input, dim, keepdim)


@composite("logsumexp", samples=lambda: _float_folds({}))
def logsumexp_op(x: Any, *, dim: Dims, keepdim: bool) -> Any:
    top = apply(peak_op, x, dim=dim, keepdim=True)
    # An infinite maximum would turn inf - inf into NaN.
    top = where(isfinite(top), top, zero_like(top))
    total = apply(sum_op, exp(sub(x, top)), dim=dim, keepdim=keepdim)
    return add(log(total), top if keepdim else apply(OPS["squeeze"], top, dims=dim))


@function("logsumexp")
def logsumexp(input: Any, dim: Any, keepdim: bool = False) -> Any:
    """Return log(sum(exp(x))) over `dim`, without overflow."""
    x = input if input.dtype.kind == "float" else as_dtype(input, float32)
    return apply(logsumexp_op, x, dim=axes(dim, x.ndim), keepdim=keepdim)


@function("norm")
def norm(
    input: Any,
    p: Any = "fro",
    dim: Any = None,
    keepdim: bool = False,
    *,
    dtype: DType | None = None,
) -> Any:
    """Return the vector p-norm over `dim`: `p` a number, inf, -inf or "fro" (as 2)."""
    x = float_input("norm", input, dtype)
    size = abs_(as_dtype(x, float32) if x.dtype is float16 else x)
    out = _norm(size, 2 if p in ("fro", None) else p, axes(dim, x.ndim), keepdim)
    return as_dtype(out, float16) if x.dtype is float16 else out


def _norm(size: Any, p: float, dim: Dims, keepdim: bool) -> Any:
    if p in (math.inf, -math.inf):
        return apply(amax_op if p > 0 else amin_op, size, dim=dim, keepdim=keepdim)
    if p == 0:
        return as_dtype(sum_(ne(size, 0), dim, keepdim), size.dtype)
    if p == 1:
        return apply(sum_op, size, dim=dim, keepdim=keepdim)
    if p == 2:
        return sqrt(apply(sum_op, square(size), dim=dim, keepdim=keepdim))
    return pow_(apply(sum_op, pow_(size, p), dim=dim, keepdim=keepdim), 1.0 / p)


@function("count_nonzero")
def count_nonzero(input: Any, dim: Any = None) -> Any:
    """Return how many elements over `dim` are not zero."""
    return sum_(ne(input, 0), dim)


@function("equal")
def equal(input: Any, other: Any) -> Any:
    """Return whether two tensors have the same shape and equal elements."""
    a, b = tuple(input.shape), tuple(other.shape)
    if len(a) != len(b) or not all(map(D.equal, a, b)):
        return False
    return bool(all_(input == other))


@function("allclose")
def allclose(
    input: Any, other: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> Any:
    """Return whether all elements are close, as `isclose` has it."""
    return bool(all_(isclose(input, other, rtol, atol, equal_nan)))
