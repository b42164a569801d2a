"""Running sums, sorting, and what is found by sorting."""

from __future__ import annotations

from typing import Any

import numpy as np

from jitorch.dispatch import apply
from jitorch.errors import IndexOutOfRange, ShapeMismatch, TypeMismatch
from jitorch.ir import dims as D
from jitorch.ir.opdef import OpDef, Scalar, Scan, register
from jitorch.ir.promotion import common
from jitorch.ir.shapes import axis
from jitorch.ir.types import DType, TensorType, Type, common_device, int64
from jitorch.ops.elementwise import isnan, sub
from jitorch.ops.families import as_dtype, composite, function, tensor_type
from jitorch.ops.position import Found, argmax
from jitorch.ops.reduce import any_
from jitorch.ops.samples import extremes, fixed, ramp, special, strided
from jitorch.ops.select import where
from jitorch.ops.shape import flatten, narrow, select, unsqueeze
from jitorch.ops.structure import UNKNOWN_SIZE

__all__ = [
    "argsort", "bincount", "bucketize", "cumprod", "cumsum", "diff", "kthvalue", "median",
    "msort", "searchsorted", "sort", "topk", "unique",
]  # fmt: skip


def _scan(name: str, scan: Scan) -> OpDef:
    def infer(x: Type, *, dim: int) -> Type:
        t = tensor_type(x, name)
        return TensorType(t.dtype, t.shape, device=t.device)

    def run(xp: Any, x: Any, *, dim: int) -> Any:
        if x.ndim == 0:
            return x.copy()
        wide = xp.float32 if x.dtype == xp.float16 else x.dtype
        return getattr(xp, name)(x, axis=dim, dtype=wide).astype(x.dtype, copy=False)

    samples = fixed(
        ((special(),), {"dim": 0}),
        ((strided(),), {"dim": 1}),
        ((extremes(),), {"dim": 0}),
        ((ramp(0, 3),), {"dim": 0}),
        ((ramp(5, dtype="float16"),), {"dim": 0}),
        ((ramp(),), {"dim": 0}),
    )
    return register(
        OpDef(name=name, eager=run, infer=infer, scan=scan, inplace=True, samples=samples)
    )


# Beginning with -0.0 keeps the sign of a first zero.
cumsum_op = _scan(
    "cumsum", Scan(init=Scalar(float="-0.0", int="0"), step="add", joined=("float", "int"))
)
cumprod_op = _scan("cumprod", Scan(init=Scalar(float="1.0", int="1"), step="mul", joined=("int",)))


def _sort_infer(x: Type, *, dim: int, descending: bool) -> tuple[Type, ...]:
    t = tensor_type(x, "sort")
    plain = TensorType(t.dtype, t.shape, device=t.device)
    return plain, TensorType(int64, t.shape, device=t.device)


def _sort_eager(xp: Any, x: Any, *, dim: int, descending: bool) -> Any:
    if x.ndim == 0:
        return x.copy(), xp.zeros((), xp.int64)
    if descending:
        # Reversing twice keeps equal elements in their order.
        backwards = xp.argsort(xp.flip(x, dim), axis=dim, kind="stable")
        order = x.shape[dim] - 1 - xp.flip(backwards, dim)
    else:
        order = xp.argsort(x, axis=dim, kind="stable")
    return xp.take_along_axis(x, order, axis=dim), order


sort_op = register(
    OpDef(
        name="sort",
        total=True,
        eager=_sort_eager,
        infer=_sort_infer,
        samples=fixed(
            ((special(),), {"dim": 0, "descending": False}),
            ((special(),), {"dim": 0, "descending": True}),
            ((strided(),), {"dim": 1, "descending": True}),
            ((ramp(2, 3, dtype="bool"),), {"dim": 0, "descending": False}),
            ((ramp(0, 3),), {"dim": 0, "descending": False}),
            ((ramp(),), {"dim": 0, "descending": False}),
        ),
    )
)


def _summable(x: Any, dtype: DType | None) -> Any:
    if dtype is None and x.dtype.kind in ("bool", "int"):
        dtype = int64
    return as_dtype(x, dtype)


@function("cumsum")
def cumsum(input: Any, dim: int, *, dtype: DType | None = None) -> Any:
    """Return the running sum along `dim`. Integers sum in int64."""
    return apply(cumsum_op, _summable(input, dtype), dim=axis(dim, input.ndim))


@function("cumprod")
def cumprod(input: Any, dim: int, *, dtype: DType | None = None) -> Any:
    """Return the running product along `dim`. Integers multiply in int64."""
    return apply(cumprod_op, _summable(input, dtype), dim=axis(dim, input.ndim))


@function("diff")
def diff(input: Any, n: int = 1, dim: int = -1) -> Any:
    """Return the differences of neighbours along `dim`, taken `n` times."""
    at = axis(dim, input.ndim)
    for _ in range(n):
        rest = input.shape[at] - 1
        input = sub(narrow(input, at, 1, rest), narrow(input, at, 0, rest))
    return input


@function("sort")
def sort(input: Any, dim: int = -1, descending: bool = False, stable: bool = False) -> Found:
    """Return (sorted values, indices) along `dim`. NaN counts as the largest.

    Equal elements always keep their order, whatever `stable` says.
    """
    if input.dtype.is_complex:
        raise TypeMismatch("sort(): complex numbers have no order", hint="use x.abs()")
    return Found(*apply(sort_op, input, dim=axis(dim, input.ndim), descending=descending))


@function("argsort")
def argsort(input: Any, dim: int = -1, descending: bool = False, stable: bool = False) -> Any:
    """Return the indices that sort the input along `dim`."""
    return sort(input, dim, descending).indices


@function("msort")
def msort(input: Any) -> Any:
    """Return the input sorted along dimension 0."""
    return sort(input, 0).values


@composite(
    "topk",
    samples=fixed(
        ((special(),), {"k": 3, "dim": 0, "largest": True}),
        ((strided(),), {"k": 2, "dim": 1, "largest": False}),
    ),
)
def topk_op(x: Any, *, k: D.Dim, dim: int, largest: bool) -> tuple[Any, Any]:
    values, indices = apply(sort_op, x, dim=dim, descending=largest)
    return narrow(values, dim, 0, k), narrow(indices, dim, 0, k)


@function("topk")
def topk(input: Any, k: Any, dim: int = -1, largest: bool = True, sorted: bool = True) -> Found:
    """Return (values, indices) of the k largest (or smallest) elements along `dim`, in order.

    >>> jt.tensor([3, 9, 4]).topk(2).values
    tensor([9, 4])
    """
    at = axis(dim, input.ndim)
    if D.at_least(input.shape[at], k) is False or D.at_least(k, 0) is False:
        raise IndexOutOfRange("selected index k out of range")
    return Found(*apply(topk_op, input, k=k, dim=at, largest=largest))


@function("kthvalue")
def kthvalue(input: Any, k: Any, dim: int = -1, keepdim: bool = False) -> Found:
    """Return (value, index) of the k-th smallest element along `dim`; k counts from 1."""
    at = axis(dim, input.ndim)
    if D.at_least(input.shape[at], k) is False or D.at_least(k, 1) is False:
        raise IndexOutOfRange(f"kthvalue(): selected number k out of range for dimension {at}")
    found = sort(input, at)
    return _kept(select(found.values, at, k - 1), select(found.indices, at, k - 1), at, keepdim)


def _kept(values: Any, indices: Any, dim: int, keepdim: bool) -> Found:
    if keepdim:
        return Found(unsqueeze(values, dim), unsqueeze(indices, dim))
    return Found(values, indices)


@function("median")
def median(input: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """Return the median of all elements; with `dim`, (values, indices) along it.

    Of an even number of elements it is the lower of the two in the middle. NaN if any element is.
    """
    if dim is None:
        return median(flatten(input), 0).values
    at = axis(dim, input.ndim)
    found = sort(input, at)
    if input.ndim == 0:
        return found
    middle = (input.shape[at] - 1) // 2
    values, indices = select(found.values, at, middle), select(found.indices, at, middle)
    if input.dtype.kind == "float":
        bad = isnan(input)
        spoiled = any_(bad, at)
        values = where(spoiled, select(found.values, at, -1), values)
        indices = where(spoiled, argmax(bad, at), indices)
    return _kept(values, indices, at, keepdim)


# Counting and searching.


def _bincount_infer(x: Type, *weights: Type, minlength: int) -> Type:
    t = tensor_type(x, "bincount")
    if t.ndim != 1 or t.dtype.kind != "int":
        raise ShapeMismatch("bincount only supports 1-d non-negative integral inputs.")
    dtype = tensor_type(weights[0], "bincount").dtype if weights else int64
    return TensorType(dtype, (UNKNOWN_SIZE,), device=common_device((t, *weights)))


def _bincount_eager(xp: Any, x: Any, *weights: Any, minlength: int) -> Any:
    if x.size and x.min() < 0:
        raise ShapeMismatch("bincount only supports 1-d non-negative integral inputs.")
    return xp.bincount(x, *weights, minlength=minlength)


bincount_op = register(
    OpDef(
        name="bincount",
        eager=_bincount_eager,
        infer=_bincount_infer,
        samples=fixed(
            ((np.array([1, 4, 1]),), {"minlength": 0}),
            ((np.array([1, 4, 1]), ramp(3)), {"minlength": 7}),
            ((ramp(0, dtype=np.int64),), {"minlength": 2}),
        ),
    )
)


@function("bincount")
def bincount(input: Any, weights: Any = None, minlength: int = 0) -> Any:
    """Return how often each of 0, 1, ... occurs in a vector (or the sum of the weights there)."""
    parts = (input,) if weights is None else (input, weights)
    return apply(bincount_op, *parts, minlength=minlength)


def _search_infer(edges: Type, values: Type, *, right: bool) -> Type:
    e, v = tensor_type(edges, "searchsorted"), tensor_type(values, "searchsorted")
    if e.ndim != 1 and (e.ndim != v.ndim or not all(map(D.equal, e.shape[:-1], v.shape[:-1]))):
        raise ShapeMismatch(
            "torch.searchsorted(): boundaries tensor should be 1 dimension or the first N-1 "
            "dimensions of boundaries tensor and input value tensor must match"
        )
    return TensorType(int64, v.shape, device=common_device((e, v)))


def _search_eager(xp: Any, edges: Any, values: Any, *, right: bool) -> Any:
    side = "right" if right else "left"
    if edges.ndim == 1:
        return xp.searchsorted(edges, values, side=side)
    rows = zip(
        edges.reshape(-1, edges.shape[-1]), values.reshape(-1, values.shape[-1]), strict=True
    )
    found = [xp.searchsorted(e, v, side=side) for e, v in rows]
    return xp.asarray(found, dtype=xp.int64).reshape(values.shape)


searchsorted_op = register(
    OpDef(
        name="searchsorted",
        eager=_search_eager,
        infer=_search_infer,
        promote=common,
        samples=fixed(
            ((ramp(4), ramp(2, 3)), {"right": False}),
            ((ramp(2, 4), ramp(2, 3)), {"right": True}),
            ((ramp(4, dtype=np.int64), np.array(1)), {"right": True}),
            ((ramp(0), ramp(2)), {"right": False}),
        ),
    )
)


@function()
def searchsorted(sorted_sequence: Any, input: Any, *, right: bool = False) -> Any:
    """Return where to insert values into a sorted sequence (or row by row) to keep it sorted.

    On the left of equal elements, or on their right with `right=True`.
    """
    return apply(searchsorted_op, sorted_sequence, input, right=right)


@function()
def bucketize(input: Any, boundaries: Any, *, right: bool = False) -> Any:
    """Return the number of the bucket between sorted boundaries that each element falls into."""
    return apply(searchsorted_op, boundaries, input, right=right)


def _unique_infer(x: Type) -> tuple[Type, ...]:
    t = tensor_type(x, "unique")
    counts = TensorType(int64, (UNKNOWN_SIZE,), device=t.device)
    values = TensorType(t.dtype, (UNKNOWN_SIZE,), device=t.device)
    return values, TensorType(int64, t.shape, device=t.device), counts


def _unique_eager(xp: Any, x: Any) -> Any:
    values, inverse, counts = xp.unique(x, return_inverse=True, return_counts=True, equal_nan=False)
    return values, inverse.reshape(x.shape), counts


unique_op = register(
    OpDef(
        name="unique",
        eager=_unique_eager,
        infer=_unique_infer,
        samples=fixed(((np.array([[3, 1], [3, 2]]),), {}), ((special(),), {}), ((ramp(0, 3),), {})),
    )
)


@function("unique")
def unique(
    input: Any, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False
) -> Any:
    """Return the sorted distinct elements; on request also where each went, and their counts."""
    values, inverse, counts = apply(unique_op, input)
    wanted = [values] + [inverse] * return_inverse + [counts] * return_counts
    return values if len(wanted) == 1 else tuple(wanted)
