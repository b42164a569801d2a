"""Joining tensors, and rearrangements that copy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from jitorch.dispatch import apply
from jitorch.errors import ShapeMismatch, TypeMismatch
from jitorch.ir import dims as D
from jitorch.ir.opdef import OPS, OpDef, register
from jitorch.ir.promotion import common
from jitorch.ir.shapes import axis, show
from jitorch.ir.types import ListType, TensorType, Type, common_device
from jitorch.ops.create import full
from jitorch.ops.families import function, tensor_type
from jitorch.ops.samples import fixed, ramp, strided
from jitorch.ops.shape import (
    as_list,
    atleast_2d,
    clone,
    diagonal,
    expand,
    flatten,
    reshape,
    sizes_of,
    transpose,
    unsqueeze,
)
from jitorch.ops.views import like

__all__ = [
    "cat",
    "column_stack",
    "concat",
    "concatenate",
    "diag",
    "dstack",
    "flip",
    "fliplr",
    "flipud",
    "hstack",
    "repeat_interleave",
    "roll",
    "rot90",
    "stack",
    "tile",
    "tril",
    "triu",
    "vstack",
]  # fmt: skip


def _cat_infer(*xs: Type, dim: int) -> Type:
    ts = [tensor_type(x, "cat") for x in xs]
    if not ts:
        raise ShapeMismatch("torch.cat(): expected a non-empty list of Tensors")
    first, total = ts[0], ts[0].shape[dim]
    for number, t in enumerate(ts[1:], 1):
        if t.ndim != first.ndim:
            raise ShapeMismatch(
                f"Tensors must have same number of dimensions: got {first.ndim} and {t.ndim}"
            )
        for i, (a, b) in enumerate(zip(first.shape, t.shape, strict=True)):
            if i != dim and not D.equal(a, b):
                raise ShapeMismatch(
                    f"Sizes of tensors must match except in dimension {dim}. Expected size {a} "
                    f"but got size {b} for tensor number {number} in the list."
                )
        total = total + t.shape[dim]
    shape = (*first.shape[:dim], total, *first.shape[dim + 1 :])
    return TensorType(first.dtype, shape, device=common_device(ts))


cat_op = register(
    OpDef(
        name="cat",
        total=True,
        eager=lambda xp, *xs, dim: xp.concatenate(xs, axis=dim),
        infer=_cat_infer,
        joins=lambda dim: dim,
        promote=common,
        samples=fixed(
            ((ramp(2, 3), ramp(2, 3)), {"dim": 0}),
            ((ramp(3, 2), strided().T[:, :2], ramp(3, 4, dtype=np.int64)), {"dim": 1}),
            ((ramp(0, 3), ramp(1, 3)), {"dim": 0}),
            ((ramp(4, dtype=np.bool_),), {"dim": 0}),
        ),
    )
)


def _same_infer(x: Type, **attrs: Any) -> Type:
    t = tensor_type(x, "flip")
    return like(t, t.shape)


flip_op = register(
    OpDef(
        name="flip",
        total=True,
        eager=lambda xp, x, *, dims: xp.flip(x, dims).copy(),
        infer=_same_infer,
        samples=fixed(((ramp(2, 3),), {"dims": (1,)}), ((strided(),), {"dims": (0, 1)})),
    )
)
roll_op = register(
    OpDef(
        name="roll",
        total=True,
        eager=lambda xp, x, *, shifts, dims: xp.roll(x, shifts, dims),
        infer=_same_infer,
        samples=fixed(
            ((ramp(2, 3),), {"shifts": (4,), "dims": (1,)}),
            ((strided(),), {"shifts": (-1, 2), "dims": (0, 1)}),
        ),
    )
)


def _tri_infer(x: Type, *, diagonal: int) -> Type:
    t = tensor_type(x, "tril")
    if t.ndim < 2:
        raise ShapeMismatch("tril, triu: input tensor must have at least 2 dimensions")
    return like(t, t.shape)


_TRIANGLES = fixed(
    ((ramp(3, 4),), {"diagonal": 0}),
    ((ramp(2, 3, 3, dtype=np.int64),), {"diagonal": -1}),
    ((strided(),), {"diagonal": 1}),
)
tril_op = register(
    OpDef(
        name="tril",
        total=True,
        eager=lambda xp, x, *, diagonal: xp.tril(x, diagonal),
        infer=_tri_infer,
        inplace=True,
        samples=_TRIANGLES,
    )
)
triu_op = register(
    OpDef(
        name="triu",
        total=True,
        eager=lambda xp, x, *, diagonal: xp.triu(x, diagonal),
        infer=_tri_infer,
        inplace=True,
        samples=_TRIANGLES,
    )
)


def _is_list_value(xs: Any) -> bool:
    """Whether `xs` stands for a list of a running graph, whose length is not known."""
    return isinstance(getattr(getattr(xs, "value", None), "type", None), ListType)


@function()
def cat(tensors: Sequence[Any], dim: int = 0) -> Any:
    """Return the tensors joined along an existing dimension.

    >>> jt.cat([jt.zeros(1), jt.ones(2)])
    tensor([0., 1., 1.])
    """
    if _is_list_value(tensors):
        return apply(OPS["list_cat"], tensors, dim=dim)
    if not tensors:
        raise ShapeMismatch("torch.cat(): expected a non-empty list of Tensors")
    if any(x.ndim == 0 for x in tensors):
        raise ShapeMismatch("zero-dimensional tensor cannot be concatenated", hint="use stack")
    # An empty vector joins with anything, as PyTorch has it.
    solid = [x for x in tensors if x.ndim > 1 or x.shape[0] != 0] or [tensors[0]]
    return apply(cat_op, *solid, dim=axis(dim, solid[0].ndim))


concat = concatenate = cat


@function()
def stack(tensors: Sequence[Any], dim: int = 0) -> Any:
    """Return the tensors, all of one shape, joined along a new dimension."""
    if _is_list_value(tensors):
        return apply(OPS["list_stack"], tensors, dim=dim)
    if not tensors:
        raise ShapeMismatch("stack expects a non-empty TensorList")
    first = tuple(tensors[0].shape)
    for i, x in enumerate(tensors[1:], 1):
        shape = tuple(x.shape)
        if len(shape) != len(first) or not all(map(D.equal, shape, first)):
            raise ShapeMismatch(
                f"stack expects each tensor to be equal size, but got {show(first)} at entry 0 "
                f"and {show(shape)} at entry {i}"
            )
    at = axis(dim, len(first) + 1)
    return apply(cat_op, *(unsqueeze(x, at) for x in tensors), dim=at)


@function()
def hstack(tensors: Sequence[Any]) -> Any:
    """Return the tensors joined along dimension 1 (0 for vectors)."""
    parts = [reshape(x, 1) if x.ndim == 0 else x for x in tensors]
    return cat(parts, 0 if parts[0].ndim == 1 else 1)


@function()
def vstack(tensors: Sequence[Any]) -> Any:
    """Return the tensors joined along dimension 0; vectors become rows."""
    return cat([atleast_2d(x) for x in tensors], 0)


@function()
def column_stack(tensors: Sequence[Any]) -> Any:
    """Return the tensors joined along dimension 1; vectors become columns."""
    return cat([reshape(x, -1, 1) if x.ndim < 2 else x for x in tensors], 1)


@function()
def dstack(tensors: Sequence[Any]) -> Any:
    """Return the tensors joined along dimension 2; vectors become rows first."""
    matrices = [atleast_2d(x) for x in tensors]
    return cat([unsqueeze(x, 2) if x.ndim == 2 else x for x in matrices], 2)


@function("flip")
def flip(input: Any, *dims: Any) -> Any:
    """Return a copy of the input reversed along the dimensions."""
    return apply(flip_op, input, dims=tuple(axis(d, input.ndim) for d in sizes_of(dims)))


@function("fliplr")
def fliplr(input: Any) -> Any:
    """Return a copy of the input with its columns reversed."""
    return flip(input, 1)


@function("flipud")
def flipud(input: Any) -> Any:
    """Return a copy of the input with its rows reversed."""
    return flip(input, 0)


@function("rot90")
def rot90(input: Any, k: int = 1, dims: Sequence[int] = (0, 1)) -> Any:
    """Return a copy of the input turned k times by 90 degrees, from dims[0] towards dims[1]."""
    a, b = dims
    if k % 4 == 0:
        return clone(input)
    if k % 4 == 2:
        return flip(input, a, b)
    turned = transpose(input, a, b)
    return flip(turned, a if k % 4 == 1 else b)


@function("roll")
def roll(input: Any, shifts: Any, dims: Any = None) -> Any:
    """Return a copy of the input rolled along the dimensions; without any, over all elements."""
    if dims is None:
        return reshape(roll(flatten(input), shifts, 0), *input.shape)
    amounts, where = as_list(shifts), as_list(dims)
    if len(where) != len(amounts):
        raise TypeMismatch(
            f"shifts and dimensions must align. shifts: {len(amounts)}, dims:{len(where)}"
        )
    named = tuple(axis(d, input.ndim) for d in where)
    return apply(roll_op, input, shifts=tuple(amounts), dims=named)


@function("tril")
def tril(input: Any, diagonal: int = 0) -> Any:
    """Return the input with everything above the diagonal set to 0."""
    return apply(tril_op, input, diagonal=diagonal)


@function("triu")
def triu(input: Any, diagonal: int = 0) -> Any:
    """Return the input with everything below the diagonal set to 0."""
    return apply(triu_op, input, diagonal=diagonal)


@function("diag")
def diag(input: Any, diagonal: int = 0) -> Any:
    """Return a matrix with the vector on its diagonal, or the diagonal of a matrix (a copy)."""
    if input.ndim == 2:
        return clone(_diagonal(input, diagonal))
    if input.ndim != 1:
        raise ShapeMismatch(
            f"diag(): Supports 1D or 2D tensors. Got {input.ndim}D", hint="use diagonal()"
        )
    n = input.shape[0] + abs(diagonal)
    empty = full((n, n), 0, dtype=input.dtype, device=input.device)
    return apply(OPS["write"], empty, input, view="diagonal", offset=diagonal, dim1=0, dim2=1)


def _diagonal(x: Any, offset: int) -> Any:
    return diagonal(x, offset)


@function("repeat")
def repeat(input: Any, *sizes: Any) -> Any:
    """Return a copy of the input repeated `sizes` times along each dimension."""
    times = sizes_of(sizes)
    if len(times) < input.ndim:
        raise ShapeMismatch(
            "Number of dimensions of repeat dims can not be smaller than number of dimensions of "
            "tensor"
        )
    shape = (1,) * (len(times) - input.ndim) + tuple(input.shape)
    spread = [d for n, s in zip(times, shape, strict=True) for d in (n, s)]
    ones = [d for s in shape for d in (1, s)]
    final = [n * s for n, s in zip(times, shape, strict=True)]
    return reshape(clone(expand(reshape(input, *ones), *spread)), *final)


@function("tile")
def tile(input: Any, *dims: Any) -> Any:
    """As `repeat`, with missing leading counts taken as 1."""
    times = sizes_of(dims)
    return repeat(input, *((1,) * (input.ndim - len(times)) + tuple(times)))


@function("repeat_interleave")
def repeat_interleave(input: Any, repeats: Any, dim: int | None = None) -> Any:
    """Return a copy of the input with each entry of `dim` repeated `repeats` times (an int)."""
    if dim is None:
        return repeat_interleave(flatten(input), repeats, 0)
    at = axis(dim, input.ndim)
    head, tail = input.shape[: at + 1], input.shape[at + 1 :]
    wide = expand(unsqueeze(input, at + 1), *head, repeats, *tail)
    return reshape(clone(wide), *head[:-1], input.shape[at] * repeats, *tail)
