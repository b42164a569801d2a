"""Indexing: what `x[...]` and `x[...] = v` mean, and gathers."""

from __future__ import annotations

from typing import Any

import numpy as np

from jitorch.dispatch import apply, method
from jitorch.errors import IndexOutOfRange, ShapeMismatch, TypeMismatch
from jitorch.ir.dims import Dim, Sym
from jitorch.ir.opdef import OpDef, register
from jitorch.ir.shapes import axis, broadcast, show
from jitorch.ir.types import TensorType, Type, bool_
from jitorch.ops.families import tensor_type
from jitorch.ops.shape import reshape, select, slice_dim, unsqueeze
from jitorch.ops.structure import UNKNOWN_SIZE

# index(x, i, j, ...) {dims=(...)}: the index tensors stand at the dimensions `dims` of x.


def _advanced(x: TensorType, indices: tuple[Type, ...], dims: tuple[int, ...]) -> tuple[tuple[Dim, ...], list[int]]:
    """Return the shape of what the indices pick, and which dimensions of x they use up."""
    shapes: list[tuple[Dim, ...]] = []
    used: list[int] = []
    for i, dim in zip(indices, dims, strict=True):
        t = tensor_type(i, "index")
        if t.dtype is bool_:
            if any(isinstance(a, int) and isinstance(b, int) and a != b for a, b in zip(t.shape, x.shape[dim:], strict=False)):
                raise IndexOutOfRange(
                    f"The shape of the mask {show(t.shape)} at index {dim} does not match the shape of the "
                    f"indexed tensor {show(x.shape)}"
                )
            shapes.append((UNKNOWN_SIZE,))
            used += range(dim, dim + t.ndim)
        elif t.dtype.kind == "int":
            shapes.append(t.shape)
            used.append(dim)
        else:
            raise IndexOutOfRange("tensors used as indices must be long, int, byte or bool tensors")
    if any(d >= x.ndim for d in used):
        raise IndexOutOfRange(f"too many indices for tensor of dimension {x.ndim}")
    return broadcast(*shapes), used


def _index_infer(x: Type, *indices: Type, dims: tuple[int, ...]) -> Type:
    t = tensor_type(x, "index")
    picked, used = _advanced(t, indices, dims)
    rest = [d for i, d in enumerate(t.shape) if i not in used]
    together = used == list(range(used[0], used[0] + len(used)))
    at = used[0] if together else 0
    return TensorType(t.dtype, (*rest[:at], *picked, *rest[at:]), device=t.device)


def _key(ndim: int, indices: tuple[Any, ...], dims: tuple[int, ...]) -> tuple[Any, ...]:
    key: list[Any] = []
    for i, dim in zip(indices, dims, strict=True):
        covered = sum(k.ndim if getattr(k, "dtype", None) == np.bool_ else 1 for k in key)
        key += [slice(None)] * (dim - covered)
        key.append(i)
    return tuple(key)


def _index_eager(xp: Any, x: Any, *indices: Any, dims: tuple[int, ...]) -> Any:
    try:
        return x[_key(x.ndim, indices, dims)]
    except IndexError as error:
        raise IndexOutOfRange(str(error)) from None


index_op = register(OpDef(name="index", eager=_index_eager, infer=_index_infer))


def _put_infer(x: Type, new: Type, *indices: Type, dims: tuple[int, ...], accumulate: bool) -> Type:
    t, v = tensor_type(x, "index_put"), tensor_type(new, "index_put")
    target = _index_infer(t, *indices, dims=dims)
    assert isinstance(target, TensorType)
    if v.dtype is not t.dtype:
        raise TypeMismatch(f"Index put requires the source and destination dtypes match, got {t.dtype.name} and {v.dtype.name}")
    if v.ndim > target.ndim:
        raise ShapeMismatch(f"shape mismatch: value tensor of shape {show(v.shape)} cannot be broadcast to indexing result of shape {show(target.shape)}")
    return TensorType(t.dtype, t.shape, device=t.device)


def _put_eager(xp: Any, x: Any, new: Any, *indices: Any, dims: tuple[int, ...], accumulate: bool) -> Any:
    out = x.copy()
    key = _key(x.ndim, indices, dims)
    try:
        if accumulate:
            xp.add.at(out, key, new)
        else:
            out[key] = new
    except IndexError as error:
        raise IndexOutOfRange(str(error)) from None
    except ValueError as error:
        raise ShapeMismatch(str(error)) from None
    return out


index_put_op = register(OpDef(name="index_put", eager=_put_eager, infer=_put_infer))


def _gather_infer(x: Type, index: Type, *, dim: int) -> Type:
    t, i = tensor_type(x, "gather"), tensor_type(index, "gather")
    if i.dtype.name != "int64":
        raise TypeMismatch(f"gather(): Expected dtype int64 for index, got {i.dtype.name}")
    if i.ndim != t.ndim:
        raise ShapeMismatch("gather(): Index tensor must have the same number of dimensions as input tensor")
    return TensorType(t.dtype, i.shape, device=t.device)


def _gather_eager(xp: Any, x: Any, index: Any, *, dim: int) -> Any:
    if index.size and (index.min() < 0 or index.max() >= x.shape[dim]):
        bad = index[(index < 0) | (index >= x.shape[dim])][0]
        raise IndexOutOfRange(f"index {bad} is out of bounds for dimension {dim} with size {x.shape[dim]}")
    cut = tuple(slice(n) if d != dim else slice(None) for d, n in enumerate(index.shape))
    return xp.take_along_axis(x[cut], index, axis=dim)


gather_op = register(OpDef(name="gather", eager=_gather_eager, infer=_gather_infer))


def _scatter_infer(x: Type, index: Type, src: Type, *, dim: int, accumulate: bool) -> Type:
    t = tensor_type(x, "scatter")
    _gather_infer(x, index, dim=dim)
    if tensor_type(src, "scatter").dtype is not t.dtype:
        raise TypeMismatch("scatter(): Expected self.dtype to be equal to src.dtype")
    return TensorType(t.dtype, t.shape, device=t.device)


def _scatter_eager(xp: Any, x: Any, index: Any, src: Any, *, dim: int, accumulate: bool) -> Any:
    if index.size and (index.min() < 0 or index.max() >= x.shape[dim]):
        raise IndexOutOfRange(f"scatter: an index is out of bounds for dimension {dim} with size {x.shape[dim]}")
    out = x.copy()
    where = list(xp.indices(index.shape, sparse=True))
    where[dim] = index
    part = xp.broadcast_to(src, index.shape) if src.ndim == 0 else src[tuple(map(slice, index.shape))]
    if accumulate:
        xp.add.at(out, tuple(where), part)
    else:
        out[tuple(where)] = part
    return out


scatter_op = register(OpDef(name="scatter", eager=_scatter_eager, infer=_scatter_infer))


def _nonzero_infer(x: Type) -> Type:
    from jitorch.ir.types import int64

    return TensorType(int64, (UNKNOWN_SIZE, tensor_type(x, "nonzero").ndim))


nonzero_op = register(
    OpDef(name="nonzero", eager=lambda xp, x: xp.argwhere(x), infer=_nonzero_infer)
)


# x[...] and x[...] = v.

Key = tuple[Any, ...]


def _normalised(key: Any, ndim: int) -> list[Any]:
    """Return the key as a list with `...` spelled out."""
    items = list(key) if isinstance(key, tuple) else [key]
    used = sum(_consumes(k) for k in items)
    if used > ndim:
        raise IndexOutOfRange(f"too many indices for tensor of dimension {ndim}")
    dots = [i for i, k in enumerate(items) if k is Ellipsis]
    if len(dots) > 1:
        raise IndexOutOfRange("an index can only have a single ellipsis ('...')")
    fill = [slice(None)] * (ndim - used)
    at = dots[0] if dots else len(items)
    return items[:at] + fill + items[at + len(dots) :]


def _consumes(k: Any) -> int:
    """Return how many dimensions of the tensor one part of a key stands for."""
    if k is None or k is Ellipsis or isinstance(k, bool):
        return 0
    dtype = getattr(k, "dtype", None)
    if dtype is bool_ or dtype == np.bool_:
        return int(k.ndim)
    return 1


def is_size(k: Any) -> bool:
    """Whether `k` is an integer, known or symbolic."""
    return isinstance(k, (int, np.integer, Sym)) and not isinstance(k, bool)


def basic_view(x: Any, key: Any) -> tuple[Any, list[tuple[int, Any]]]:
    """Apply the slices, integers, None and `...` of a key as views.

    Returns the view and what remains: index tensors with the dimensions of the view they stand at.
    """
    at = 0
    rest: list[tuple[int, Any]] = []
    for k in _normalised(key, x.ndim):
        if k is None:
            x = unsqueeze(x, at)
            at += 1
        elif isinstance(k, bool):
            raise TypeMismatch("indexing with a Python bool is not supported", hint="use a bool tensor")
        elif isinstance(k, slice):
            if k != slice(None):
                step = 1 if k.step is None else k.step
                if not isinstance(step, int):
                    raise TypeMismatch("a slice step must be an int known at compile time")
                if step < 1:
                    raise ShapeMismatch("slice step must be positive", hint="use torch.flip to reverse")
                x = slice_dim(x, at, k.start, k.stop, step)
            at += 1
        elif is_size(k):
            x = select(x, at, k if not isinstance(k, np.integer) else int(k))
        elif hasattr(k, "dtype") or isinstance(k, (list, np.ndarray)):
            rest.append((at, k))
            at += _consumes(k)
        else:
            raise TypeMismatch(
                f"only integers, slices (`:`), ellipsis (`...`), None and long or bool tensors are valid "
                f"indices (got {type(k).__name__})"
            )
    return x, rest


@method("__getitem__")
def getitem(x: Any, key: Any) -> Any:
    """Return x[key], a view unless an index tensor takes part."""
    view, rest = basic_view(x, key)
    if not rest:
        return view
    return apply(index_op, view, *(_as_index(k) for _, k in rest), dims=tuple(d for d, _ in rest))


def _as_index(k: Any) -> Any:
    return np.asarray(k) if isinstance(k, list) else k


@method()
def index_select(x: Any, dim: int, index: Any) -> Any:
    """Return the entries of dimension `dim` that the 1-D index tensor names."""
    if index.ndim > 1:
        raise IndexOutOfRange("index_select(): Index is supposed to be a vector")
    return apply(index_op, x, reshape(index, -1), dims=(axis(dim, x.ndim),))


@method()
def gather(x: Any, dim: int, index: Any) -> Any:
    """Return out[i][j] = x[index[i][j]][j] (for dim 0), and so on for other dimensions."""
    return apply(gather_op, x, index, dim=axis(dim, x.ndim))


@method()
def scatter(x: Any, dim: int, index: Any, src: Any) -> Any:
    """Return a copy of x with out[index[i][j]][j] = src[i][j] (for dim 0)."""
    return apply(scatter_op, x, index, _like(src, x), dim=axis(dim, x.ndim), accumulate=False)


@method()
def scatter_add(x: Any, dim: int, index: Any, src: Any) -> Any:
    """Return a copy of x with src[i][j] added to out[index[i][j]][j] (for dim 0)."""
    return apply(scatter_op, x, index, _like(src, x), dim=axis(dim, x.ndim), accumulate=True)


def _like(value: Any, x: Any) -> Any:
    """Return a number as a 0-d tensor of x's dtype."""
    from jitorch.ir.opdef import OPS

    return value if hasattr(value, "dtype") else apply(OPS["constant"], value=value, dtype=x.dtype)


@method()
def take(x: Any, index: Any) -> Any:
    """Return the entries of the flattened x that the index tensor names."""
    return apply(index_op, reshape(x, -1), index, dims=(0,))


@method()
def masked_select(x: Any, mask: Any) -> Any:
    """Return the elements of x where the mask holds, as a vector."""
    return getitem(x, mask)


@method()
def nonzero(x: Any) -> Any:
    """Return the indices of the elements that are not zero, one row each."""
    return apply(nonzero_op, x)


def put(view: Any, rest: list[tuple[int, Any]], value: Any, accumulate: bool = False) -> Any:
    """Return `view` with the entries that the index tensors name replaced by `value`."""
    indices = [_as_index(k) for _, k in rest]
    return apply(index_put_op, view, value, *indices, dims=tuple(d for d, _ in rest), accumulate=accumulate)
