"""View ops, whose results share memory with their input; and `write`, for writing through them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from jitorch.cuda import adapter
from jitorch.errors import IndexOutOfRange, ShapeMismatch
from jitorch.ir import dims as D
from jitorch.ir.dims import Dim, Shape
from jitorch.ir.opdef import OPS, Axes, OpDef, register
from jitorch.ir.shapes import broadcast, infer_minus_one, show
from jitorch.ir.types import TensorType, Type, common_device
from jitorch.ops.families import tensor_type
from jitorch.ops.samples import Samples, fixed, ramp, strided


def like(t: TensorType, shape: Sequence[Dim], strided: bool = False) -> TensorType:
    """Return the type of a tensor as `t` with another shape."""
    return TensorType(t.dtype, tuple(shape), strided, t.device)


def _writable(view: Any, base: Any) -> Any:
    """Let a view that NumPy protects be written to where its base may be; CuPy protects none."""
    if hasattr(base.flags, "writeable"):
        view.flags.writeable = base.flags.writeable
    return view


def _samples(*attrs: dict[str, Any]) -> Samples:
    """Return samples on a (2, 3, 4) tensor and a transposed one of the same shape."""
    x, y = ramp(2, 3, 4), np.swapaxes(ramp(4, 3, 2, dtype=np.int64), 0, 2)
    return fixed(*(((a,), b) for a in (x, y) for b in attrs))


def _reshape_infer(x: Type, *, shape: Shape) -> Type:
    t = tensor_type(x, "reshape")
    return like(t, infer_minus_one(shape, D.product(t.shape)), t.strided)


reshape_op = register(
    OpDef(
        name="reshape",
        total=True,
        eager=lambda xp, x, *, shape: x.reshape(shape),
        infer=_reshape_infer,
        view=True,
        samples=fixed(
            ((ramp(2, 3, 4),), {"shape": (6, -1)}),
            ((strided(),), {"shape": (15,)}),
            ((ramp(0, 3),), {"shape": (3, 0)}),
            ((np.array(2.0),), {"shape": (1, 1)}),
        ),
    )
)


def _permute_infer(x: Type, *, dims: tuple[int, ...]) -> Type:
    t = tensor_type(x, "permute")
    if len(set(dims)) < len(dims):
        raise ShapeMismatch("permute(): duplicate dims are not allowed.")
    if len(dims) != t.ndim:
        raise ShapeMismatch(
            "permute: number of dimensions in the tensor input does not match the length of the "
            f"desired ordering of dimensions i.e. input.dim() = {t.ndim} is not equal to "
            f"len(dims) = {len(dims)}"
        )
    moved = [d for d in dims if t.shape[d] != 1]
    return like(t, [t.shape[d] for d in dims], t.strided or moved != sorted(moved))


permute_op = register(
    OpDef(
        name="permute",
        eager=lambda xp, x, *, dims: xp.transpose(x, dims),
        infer=_permute_infer,
        axes=lambda x, *, dims: dims,
        view=True,
        samples=_samples({"dims": (2, 0, 1)}, {"dims": (0, 1, 2)}),
    )
)


def _unsqueeze_infer(x: Type, *, dim: int) -> Type:
    t = tensor_type(x, "unsqueeze")
    return like(t, (*t.shape[:dim], 1, *t.shape[dim:]), t.strided)


def _unsqueeze_axes(x: TensorType, *, dim: int) -> Axes:
    return (*range(dim), None, *range(dim, x.ndim))


unsqueeze_op = register(
    OpDef(
        name="unsqueeze",
        eager=lambda xp, x, *, dim: xp.expand_dims(x, dim),
        infer=_unsqueeze_infer,
        axes=_unsqueeze_axes,
        view=True,
        samples=_samples({"dim": 0}, {"dim": 1}, {"dim": 3}),
    )
)


def _squeeze_infer(x: Type, *, dims: tuple[int, ...]) -> Type:
    t = tensor_type(x, "squeeze")
    if any(t.shape[d] != 1 for d in dims):
        raise ShapeMismatch(f"squeeze: a dimension of {t} is not of size 1")
    return like(t, [d for i, d in enumerate(t.shape) if i not in dims], t.strided)


squeeze_op = register(
    OpDef(
        name="squeeze",
        eager=lambda xp, x, *, dims: xp.squeeze(x, dims),
        infer=_squeeze_infer,
        axes=lambda x, *, dims: tuple(i for i in range(x.ndim) if i not in dims),
        view=True,
        samples=fixed(((ramp(1, 3, 1),), {"dims": (0, 2)}), ((ramp(1, 3),), {"dims": ()})),
    )
)


def _expand_infer(x: Type, *, shape: Shape) -> Type:
    t = tensor_type(x, "expand")
    new = len(shape) - t.ndim
    for i, (have, want) in enumerate(zip(t.shape, shape[new:], strict=True), new):
        if have != 1 and not D.equal(have, want):
            raise ShapeMismatch(
                f"The expanded size of the tensor ({want}) must match the existing size ({have}) "
                f"at non-singleton dimension {i}.  Target sizes: {show(shape)}.  "
                f"Tensor sizes: {show(t.shape)}"
            )
    grown = new > 0 or any(
        have == 1 and want != 1 for have, want in zip(t.shape, shape, strict=True)
    )
    return like(t, shape, t.strided or grown)


def _expand_axes(x: TensorType, *, shape: Shape) -> Axes:
    new = len(shape) - x.ndim
    return tuple(None if i < new or x.shape[i - new] == 1 else i - new for i in range(len(shape)))


expand_op = register(
    OpDef(
        name="expand",
        eager=lambda xp, x, *, shape: _writable(xp.broadcast_to(x, shape), x),
        infer=_expand_infer,
        axes=_expand_axes,
        view=True,
        samples=fixed(
            ((ramp(3, 1),), {"shape": (2, 3, 4)}),
            ((np.array(1.5),), {"shape": (0, 2)}),
            ((ramp(3, 1),), {"shape": (3, 1)}),
        ),
    )
)


def _slice_infer(x: Type, *, dim: int, start: Dim, length: Dim, step: int) -> Type:
    t = tensor_type(x, "slice")
    whole_rows = step == 1 and all(d == 1 for d in t.shape[:dim])
    return like(t, (*t.shape[:dim], length, *t.shape[dim + 1 :]), t.strided or not whole_rows)


def _slice_eager(xp: Any, x: Any, *, dim: int, start: int, length: int, step: int) -> Any:
    stop: int | None = start + length * step
    if step < 0 and length and start + length * step < 0:
        stop = None  # a stop of -1 would be the last one
    return x[(slice(None),) * dim + (slice(start, stop, step),)]


slice_op = register(
    OpDef(
        name="slice",
        total=True,
        eager=_slice_eager,
        infer=_slice_infer,
        view=True,
        walks=lambda x, *, dim, step, **_: tuple(
            (d, step if d == dim else 1) for d in range(x.ndim)
        ),
        samples=_samples(
            {"dim": 2, "start": 1, "length": 2, "step": 2},
            {"dim": 0, "start": 0, "length": 1, "step": 1},
            {"dim": 1, "start": 3, "length": 0, "step": 1},
            {"dim": 2, "start": 3, "length": 4, "step": -1},
            {"dim": 1, "start": 2, "length": 1, "step": -2},
            {"dim": 0, "start": -1, "length": 0, "step": -1},
        ),
    )
)


def _select_infer(x: Type, *, dim: int, index: Dim) -> Type:
    t = tensor_type(x, "select")
    size = t.shape[dim]
    if isinstance(index, int) and isinstance(size, int) and not -size <= index < size:
        raise IndexOutOfRange.beyond(index, dim, size)
    whole_rows = all(d == 1 for d in t.shape[:dim])
    return like(t, t.shape[:dim] + t.shape[dim + 1 :], t.strided or not whole_rows)


def _select_eager(xp: Any, x: Any, *, dim: int, index: int) -> Any:
    size = x.shape[dim]
    if not -size <= index < size:
        raise IndexOutOfRange.beyond(index, dim, size)
    return x[(slice(None),) * dim + (index, ...)]


select_op = register(
    OpDef(
        name="select",
        eager=_select_eager,
        infer=_select_infer,
        view=True,
        walks=lambda x, *, dim, **_: tuple((d, 1) for d in range(x.ndim) if d != dim),
        samples=_samples({"dim": 0, "index": 1}, {"dim": 2, "index": -4}),
    )
)


def _diagonal_infer(x: Type, *, offset: int, dim1: int, dim2: int) -> Type:
    t = tensor_type(x, "diagonal")
    rows, columns = t.shape[dim1], t.shape[dim2]
    if offset >= 0:
        columns = columns - offset
    else:
        rows = rows + offset
    length = D.dim_min(rows, columns)
    if offset != 0:
        length = D.dim_max(length, 0)  # decided by no fact, so that the rule gives one type always
    rest = [d for i, d in enumerate(t.shape) if i not in (dim1, dim2)]
    return like(t, [*rest, length], True)


diagonal_op = register(
    OpDef(
        name="diagonal",
        total=True,
        eager=lambda xp, x, *, offset, dim1, dim2: _writable(xp.diagonal(x, offset, dim1, dim2), x),
        infer=_diagonal_infer,
        view=True,
        samples=_samples(
            {"offset": 0, "dim1": 0, "dim2": 1},
            {"offset": -2, "dim1": 1, "dim2": 2},
            {"offset": 9, "dim1": 2, "dim2": 0},
        ),
    )
)


def _transfer_infer(x: Type, *, device: str) -> Type:
    t = tensor_type(x, "transfer")
    return TensorType(t.dtype, t.shape, t.strided, device)


# A copy in the memory of a device.
transfer_op = register(
    OpDef(
        name="transfer",
        eager=lambda xp, x, *, device: adapter.copied(x, device),
        infer=_transfer_infer,
        samples=_samples({"device": "cpu"}),
    )
)


def _write_infer(base: Type, new: Type, *, view: str, **attrs: Any) -> Type:
    t, part = tensor_type(base, "write"), tensor_type(new, "write")
    target = OPS[view].infer(t, **attrs)
    assert isinstance(target, TensorType)
    spread = broadcast(target.shape, part.shape)
    fits = len(spread) == target.ndim and all(map(D.equal, spread, target.shape))
    if part.dtype is not t.dtype or not fits:
        raise ShapeMismatch(f"write: can't put a {part} into a {target}")
    common_device((t, part))
    return like(t, t.shape)


def _write_eager(xp: Any, base: Any, new: Any, *, view: str, **attrs: Any) -> Any:
    out = base.copy()
    target = OPS[view].eager(xp, out, **attrs)
    target[...] = new
    return out


# `base` with the part that the view op `view` shows replaced by `new`: how in-place writes through
# views look in the graph, where nothing is mutated.
write_op = register(
    OpDef(
        name="write",
        eager=_write_eager,
        infer=_write_infer,
        samples=fixed(
            ((ramp(3, 4), ramp(3)), {"view": "select", "dim": 1, "index": 2}),
            (
                (ramp(3, 4), np.array(5, np.float32)),
                {"view": "slice", "dim": 0, "start": 1, "length": 2, "step": 1},
            ),
            (
                (ramp(3, 3), ramp(2)),
                {"view": "diagonal", "offset": 1, "dim1": 0, "dim2": 1},
            ),
        ),
    )
)
