"""Ops on elements that tensors of indices, or masks, name. What keys mean says `keys.py`."""

from __future__ import annotations

from typing import Any

import numpy as np

from jitorch.errors import IndexOutOfRange, ShapeMismatch, TypeMismatch
from jitorch.ir.dims import Dim
from jitorch.ir.opdef import OpDef, Picks, register
from jitorch.ir.shapes import broadcast, show
from jitorch.ir.types import TensorType, Type, bool_, common_device, int64
from jitorch.ops.families import tensor_type
from jitorch.ops.samples import fixed, ramp, strided
from jitorch.ops.structure import UNKNOWN_SIZE

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
            raise IndexOutOfRange.beyond(int(wrong), dim, size)


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
