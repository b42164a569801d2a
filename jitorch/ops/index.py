"""Indexing: what `x[...]` and `x[...] = v` mean, and gathers.

A key is split in two: slices, integers, None and `...` are views; the tensors and lists among it
make one `index` op on that view.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from jitorch.device import CPU
from jitorch.dispatch import apply
from jitorch.errors import IndexOutOfRange, ShapeMismatch, TypeMismatch
from jitorch.ir import dims as D
from jitorch.ir.dims import Dim, Sym
from jitorch.ir.opdef import OpDef, Picks, register
from jitorch.ir.shapes import axis, broadcast, show
from jitorch.ir.types import TensorType, Type, bool_, common_device, int64
from jitorch.ops.families import as_dtype, as_operand, function, tensor_type
from jitorch.ops.samples import fixed, ramp, strided
from jitorch.ops.select import filling, where
from jitorch.ops.shape import expand, reshape, select, slice_dim, unbind, unsqueeze
from jitorch.ops.structure import UNKNOWN_SIZE

__all__ = [
    "argwhere", "index_add", "index_fill", "index_put", "index_select", "masked_select",
    "nonzero", "take",
]  # fmt: skip

# index(x, i, j, ...) {dims=(...)}: the index tensors stand at the dimensions `dims` of x.


def _advanced(
    x: TensorType, indices: tuple[Type, ...], dims: tuple[int, ...]
) -> tuple[tuple[Dim, ...], list[int]]:
    """Return the shape of what the indices pick, and which dimensions of x they use up."""
    shapes: list[tuple[Dim, ...]] = []
    used: list[int] = []
    for i, dim in zip(indices, dims, strict=True):
        t = tensor_type(i, "index")
        if t.dtype is bool_:
            _check_mask(x, t, dim)
            shapes.append((UNKNOWN_SIZE,))
            used += range(dim, dim + t.ndim)
        elif t.dtype.kind == "int":
            shapes.append(t.shape)
            used.append(dim)
        else:
            raise IndexOutOfRange("tensors used as indices must be long, int, byte or bool tensors")
    if any(d >= x.ndim for d in used):
        raise IndexOutOfRange(f"too many indices for tensor of dimension {x.ndim}")
    try:
        return broadcast(*shapes), used
    except ShapeMismatch:
        sizes = ", ".join(map(show, shapes))
        raise IndexOutOfRange(
            f"shape mismatch: indexing tensors could not be broadcast together with shapes {sizes}"
        ) from None


def _check_mask(x: TensorType, mask: TensorType, dim: int) -> None:
    for i, (have, want) in enumerate(zip(mask.shape, x.shape[dim:], strict=False), dim):
        if isinstance(have, int) and isinstance(want, int) and have != want:
            raise IndexOutOfRange(
                f"The shape of the mask {show(mask.shape)} at index {i - dim} does not match the "
                f"shape of the indexed tensor {show(x.shape)} at index {i}"
            )


def _index_infer(x: Type, *indices: Type, dims: tuple[int, ...]) -> TensorType:
    t = tensor_type(x, "index")
    picked, used = _advanced(t, indices, dims)
    rest = [d for i, d in enumerate(t.shape) if i not in used]
    at = _place(used or list(dims))  # a mask of no dimensions uses up none
    place = common_device((t, *indices))
    return TensorType(t.dtype, (*rest[:at], *picked, *rest[at:]), device=place)


def _place(used: list[int]) -> int:
    """Return the dimension of the result that the first one of the indices is."""
    return used[0] if used == list(range(used[0], used[0] + len(used))) else 0


def _index_picks(x: Type, *indices: Type, dims: tuple[int, ...]) -> Picks | None:
    types = [tensor_type(i, "index") for i in indices]
    if any(t.dtype is bool_ for t in types):
        return None
    at, count = _place(list(dims)), max(t.ndim for t in types)
    rest = [d for d in range(tensor_type(x, "index").ndim) if d not in dims]
    result = {d: i if i < at else i + count for i, d in enumerate(rest)}
    walks = tuple(result.get(d) for d in range(len(rest) + len(dims)))
    return Picks(dims=dims, walks=walks, at=at, back=True)


def _key(indices: tuple[Any, ...], dims: tuple[int, ...]) -> tuple[Any, ...]:
    """Return the NumPy key with the indices at their dimensions."""
    key: list[Any] = []
    covered = 0
    for i, dim in zip(indices, dims, strict=True):
        key += [slice(None)] * (dim - covered)
        key.append(i)
        covered = dim + (i.ndim if i.dtype == np.bool_ else 1)
    return tuple(key)


def _index_error(error: IndexError) -> IndexOutOfRange:
    return IndexOutOfRange(str(error).replace("for axis", "for dimension"))


def _check_bounds(xp: Any, x: Any, indices: tuple[Any, ...], dims: tuple[int, ...]) -> None:
    """Raise where an index is beyond the end, on arrays that would wrap it around silently."""
    if xp is np:
        return
    for i, dim in zip(indices, dims, strict=True):
        size = x.shape[dim]
        if i.dtype != np.bool_ and bool(xp.any((i < -size) | (i >= size))):
            wrong = i[(i < -size) | (i >= size)].reshape(-1)[0]
            raise _beyond(int(wrong), dim, size)


def _beyond(index: int, dim: int, size: int) -> IndexOutOfRange:
    return IndexOutOfRange(f"index {index} is out of bounds for dimension {dim} with size {size}")


def _index_eager(xp: Any, x: Any, *indices: Any, dims: tuple[int, ...]) -> Any:
    _check_bounds(xp, x, indices, dims)
    try:
        return x[_key(indices, dims)]
    except IndexError as error:
        raise _index_error(error) from None


_ROWS = np.array([[2, 0], [-1, 1]])
_MASK = np.array([True, False, True])

index_op = register(
    OpDef(
        name="index",
        eager=_index_eager,
        infer=_index_infer,
        picks=_index_picks,
        samples=fixed(
            ((ramp(3, 4, 2), _ROWS), {"dims": (0,)}),
            ((strided(), _ROWS, np.array([0, 1])), {"dims": (0, 1)}),
            ((ramp(3, 4, 3), _ROWS, np.array([0, 1])), {"dims": (0, 2)}),
            ((ramp(2, 3, 4), _MASK), {"dims": (1,)}),
            ((ramp(2, 3), ramp(2, 3) > 0), {"dims": (0,)}),
            ((ramp(3, 4), np.array([], np.int64)), {"dims": (1,)}),
            ((ramp(3), np.array(1, np.int32)), {"dims": (0,)}),
        ),
    )
)


def _put_infer(x: Type, new: Type, *indices: Type, dims: tuple[int, ...], accumulate: bool) -> Type:
    t, v = tensor_type(x, "index_put"), tensor_type(new, "index_put")
    target = _index_infer(t, *indices, dims=dims)
    if v.dtype is not t.dtype:
        raise TypeMismatch(
            "Index put requires the source and destination dtypes match, got "
            f"{t.dtype.name} for the destination and {v.dtype.name} for the source."
        )
    if v.ndim > target.ndim:
        raise ShapeMismatch(_mismatch(show(v.shape), show(target.shape)))
    return TensorType(t.dtype, t.shape, device=common_device((t, v, *indices)))


def _mismatch(value: str, target: str) -> str:
    return (
        f"shape mismatch: value tensor of shape {value} cannot be broadcast to indexing result of "
        f"shape {target}"
    )


def add_at(xp: Any, out: Any, key: Any, new: Any) -> Any:
    """Add to the elements that a key names, more than once to those it repeats; return the sums."""
    if xp is np or out.dtype.kind in "fc":
        xp.add.at(out, key, new)
        return out
    # CuPy adds at once from many threads in few types. Sums of integers are the same modulo 2**64.
    sums, terms = (a.astype(xp.int64).view(xp.uint64) for a in (out, new))
    xp.add.at(sums, key, terms)
    return sums.view(xp.int64).astype(out.dtype)


def _put_eager(
    xp: Any, x: Any, new: Any, *indices: Any, dims: tuple[int, ...], accumulate: bool
) -> Any:
    _check_bounds(xp, x, indices, dims)
    out = x.copy()
    key = _key(indices, dims)
    try:
        if accumulate:
            out = add_at(xp, out, key, new)
        else:
            out[key] = new
    except IndexError as error:
        raise _index_error(error) from None
    except ValueError:
        raise ShapeMismatch(_mismatch(show(new.shape), show(x[key].shape))) from None
    return out


index_put_op = register(
    OpDef(
        name="index_put",
        eager=_put_eager,
        infer=_put_infer,
        samples=fixed(
            ((ramp(3, 4), ramp(4), np.array([2, 0])), {"dims": (0,), "accumulate": False}),
            (
                (ramp(3, 4), np.array(1, np.float32), np.array([1, 1])),
                {"dims": (1,), "accumulate": True},
            ),
            (
                (ramp(3, 2), np.array(0, np.float32), ramp(3, 2) < 0),
                {"dims": (0,), "accumulate": False},
            ),
        ),
    )
)


def _nonzero_infer(x: Type) -> Type:
    t = tensor_type(x, "nonzero")
    return TensorType(int64, (UNKNOWN_SIZE, t.ndim), device=t.device)


nonzero_op = register(
    OpDef(
        name="nonzero",
        total=True,
        eager=lambda xp, x: xp.argwhere(x),
        infer=_nonzero_infer,
        samples=lambda: [((x,), {}) for x in (ramp(2, 3), strided(), ramp(0, 3), ramp())],
    )
)


# x[...] and x[...] = v.


def _normalised(key: Any, ndim: int) -> list[Any]:
    """Return the key as a list with `...` spelled out."""
    items = list(key) if isinstance(key, tuple) else [key]
    used = sum(_consumes(k) for k in items)
    if used > ndim:
        if ndim == 0:
            raise IndexOutOfRange("invalid index of a 0-dim tensor.", hint="use x.item()")
        raise IndexOutOfRange(f"too many indices for tensor of dimension {ndim}")
    dots = [i for i, k in enumerate(items) if k is Ellipsis]
    fill = [slice(None)] * (ndim - used)
    at = dots[0] if dots else len(items)
    rest = [k for k in items[at:] if k is not Ellipsis]  # further ... stand for nothing
    return items[:at] + fill + rest


def _consumes(k: Any) -> int:
    """Return how many dimensions of the tensor one part of a key stands for."""
    if k is None or k is Ellipsis or isinstance(k, (bool, np.bool_)):
        return 0
    if isinstance(k, list):
        k = _as_index(k)
    dtype = getattr(k, "dtype", None)
    if dtype is bool_ or (isinstance(dtype, np.dtype) and dtype == np.bool_):
        return int(k.ndim)
    return 1


def is_size(k: Any) -> bool:
    """Whether `k` is an integer, known or symbolic."""
    return isinstance(k, (int, np.integer, Sym)) and not isinstance(k, bool)


def _bound(v: Any) -> Any:
    """Return a bound of a slice as an integer, known or symbolic, or None."""
    if v is None or (is_size(v) and not isinstance(v, np.integer)):
        return v
    try:
        return operator.index(v)
    except TypeError:
        raise TypeMismatch(
            f"slice indices must be integers or None or have an __index__ method, got {v!r}"
        ) from None


def _sliced(x: Any, dim: int, k: slice) -> Any:
    if k.start is None and k.stop is None and k.step is None:
        return x
    step = 1 if k.step is None else k.step
    if not isinstance(step, int):
        raise TypeMismatch("a slice step must be an int known at compile time")
    return slice_dim(x, dim, _bound(k.start), _bound(k.stop), step)


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
        elif isinstance(k, (bool, np.bool_)):  # a mask of no dimensions
            x = unsqueeze(x, at)
            x = x if k else slice_dim(x, at, 0, 0, 1)
            at += 1
        elif isinstance(k, slice):
            x = _sliced(x, at, k)
            at += 1
        elif is_size(k):
            x = select(x, at, int(k) if isinstance(k, np.integer) else k)
        elif hasattr(k, "dtype") or isinstance(k, (list, range)):
            index = _as_index(k)
            rest.append((at, index))
            at += _consumes(index)
        else:
            raise IndexOutOfRange(
                "only integers, slices (`:`), ellipsis (`...`), None and long or bool tensors are "
                f"valid indices (got {type(k).__name__})"
            )
    return x, rest


def _as_index(k: Any) -> Any:
    """Return a list of indices as an array; arrays and tensors as they are."""
    if not isinstance(k, (list, range)):
        return k
    return np.asarray(k, np.int64) if not len(k) else np.asarray(k)


def _beside(index: Any, x: Any) -> Any:
    """Return an index, or a number, where `x` is; one in main memory goes with a tensor anywhere."""
    if x.device is CPU:
        return index
    index = as_operand(index)
    return index.to(device=x.device) if index.device is CPU else index


@function("__getitem__")
def getitem(input: Any, key: Any) -> Any:
    """Return input[key], a view unless an index tensor takes part."""
    view, rest = basic_view(input, key)
    if not rest:
        return view
    indices = [_beside(k, view) for _, k in rest]
    return apply(index_op, view, *indices, dims=tuple(d for d, _ in rest))


def put(view: Any, rest: list[tuple[int, Any]], value: Any, accumulate: bool = False) -> Any:
    """Return `view` with the entries that the index tensors name replaced by `value`."""
    indices = [as_operand(_beside(_as_index(k), view)) for _, k in rest]
    if len(indices) == 1 and not accumulate and _covers(indices[0], view) and value.ndim == 0:
        return where(indices[0], value, view)
    dims = tuple(d for d, _ in rest)
    return apply(index_put_op, view, value, *indices, dims=dims, accumulate=accumulate)


def _covers(mask: Any, x: Any) -> bool:
    """Whether `mask` is a mask with one element for each of x."""
    same_rank = mask.dtype is bool_ and mask.ndim == x.ndim
    return same_rank and all(map(D.equal, mask.shape, x.shape))


# The public functions.


def _vector(name: str, index: Any) -> Any:
    if index.ndim > 1:
        raise IndexOutOfRange(f"{name}(): Index is supposed to be a vector")
    return reshape(index, -1)


@function("index_select")
def index_select(input: Any, dim: int, index: Any) -> Any:
    """Return the entries of dimension `dim` that the 1-D index tensor names."""
    return apply(index_op, input, _vector("index_select", index), dims=(axis(dim, input.ndim),))


def _put_along(x: Any, dim: int, index: Any, new: Any, accumulate: bool) -> Any:
    """Return x with the entries of `dim` that the index names replaced by those of `new`."""
    at, n = axis(dim, x.ndim), index.shape[0]
    new = expand(new, *x.shape[:at], n, *x.shape[at + 1 :])
    return apply(index_put_op, x, new, index, dims=(at,), accumulate=accumulate)


@function("index_add", inplace=True)
def index_add(input: Any, dim: int, index: Any, source: Any, *, alpha: Any = 1) -> Any:
    """Return the input with alpha * source[i] added to entry index[i] of dimension `dim`."""
    scaled = as_dtype(source * alpha, input.dtype)
    return _put_along(input, dim, _vector("index_add", index), scaled, True)


@function("index_fill", inplace=True)
def index_fill(input: Any, dim: int, index: Any, value: Any) -> Any:
    """Return the input with `value` in the entries of dimension `dim` that the index names."""
    number = _beside(filling(value, input.dtype), input)
    return _put_along(input, dim, _vector("index_fill", index), number, False)


@function("index_put", inplace=True)
def index_put(input: Any, indices: Any, values: Any, accumulate: bool = False) -> Any:
    """Return the input with input[indices] set to (or, accumulating, increased by) `values`."""
    view, rest = basic_view(input, tuple(indices))
    return put(view, rest, values, accumulate)


@function("take")
def take(input: Any, index: Any) -> Any:
    """Return the entries of the flattened input that the index tensor names."""
    return apply(index_op, reshape(input, -1), index, dims=(0,))


@function("masked_select")
def masked_select(input: Any, mask: Any) -> Any:
    """Return the elements of the input where the mask holds, as a vector; the two broadcast."""
    shape = broadcast(tuple(input.shape), tuple(mask.shape))
    return apply(index_op, expand(input, *shape), expand(mask, *shape), dims=(0,))


@function("nonzero")
def nonzero(input: Any, *, as_tuple: bool = False) -> Any:
    """Return the indices of the elements that are not zero, one row each.

    With `as_tuple`, one tensor per dimension.
    """
    found = apply(nonzero_op, input)
    return unbind(found, 1) if as_tuple else found


@function("argwhere")
def argwhere(input: Any) -> Any:
    """As `nonzero`."""
    return nonzero(input)
