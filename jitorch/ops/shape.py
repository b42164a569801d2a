"""Functions that show a tensor in another shape. All but `contiguous` and `clone` return views."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import Any

from jitorch.dispatch import apply
from jitorch.errors import IndexOutOfRange, ShapeMismatch
from jitorch.ir import dims as D
from jitorch.ir.opdef import ITSELF, OpDef, register
from jitorch.ir.promotion import numpy_rules
from jitorch.ir.shapes import axes, axis, broadcast, slice_bounds
from jitorch.ir.types import Type
from jitorch.ops.families import function, tensor_type
from jitorch.ops.samples import ramp, strided
from jitorch.ops.views import (
    diagonal_op,
    expand_op,
    like,
    permute_op,
    reshape_op,
    select_op,
    slice_op,
    squeeze_op,
    unsqueeze_op,
)

__all__ = [
    "adjoint", "atleast_1d", "atleast_2d", "broadcast_tensors", "broadcast_to", "chunk", "clone",
    "diagonal", "flatten", "moveaxis", "movedim", "narrow", "permute", "ravel", "reshape",
    "select", "split", "squeeze", "swapaxes", "swapdims", "t", "transpose", "unbind", "unflatten",
    "unsqueeze",
]  # fmt: skip


def _contiguous_infer(x: Type) -> Type:
    t = tensor_type(x, "contiguous")
    return like(t, t.shape)


copy_op = register(
    OpDef(
        name="copy",
        total=True,
        eager=lambda xp, x: xp.array(x, order="C"),
        infer=_contiguous_infer,
        scalar=ITSELF,
        samples=lambda: [((x,), {}) for x in (ramp(2, 3), strided(), ramp(0, 3))],
    )
)


def sizes_of(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return sizes given one by one or as one sequence."""
    if len(args) == 1 and isinstance(args[0], (tuple, list)):
        return tuple(args[0])
    return args


def as_list(x: Any) -> list[Any]:
    """Return a number or a sequence of numbers as a list."""
    return list(x) if isinstance(x, (tuple, list)) else [x]


@function("reshape", "view")
def reshape(input: Any, *shape: Any) -> Any:
    """Return the input with another shape; one size may be -1. A view where memory allows.

    >>> jt.arange(6).reshape(2, -1)
    tensor([[0, 1, 2],
            [3, 4, 5]])
    """
    return apply(reshape_op, input, shape=sizes_of(shape))


@function("view_as", "reshape_as")
def view_as(input: Any, other: Any) -> Any:
    """Return the input with the shape of `other`."""
    return reshape(input, *other.shape)


@function("flatten")
def flatten(input: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    """Return the input with the dimensions from `start_dim` to `end_dim` made one."""
    first, last = axis(start_dim, input.ndim), axis(end_dim, input.ndim)
    if first > last:
        raise ShapeMismatch("flatten() has invalid args: start_dim cannot come after end_dim")
    merged = D.product(tuple(input.shape[first : last + 1]))
    return reshape(input, *input.shape[:first], merged, *input.shape[last + 1 :])


@function("ravel")
def ravel(input: Any) -> Any:
    """Return the input as a vector."""
    return reshape(input, -1)


@function("unflatten")
def unflatten(input: Any, dim: int, sizes: Sequence[Any]) -> Any:
    """Return the input with dimension `dim` split into `sizes`; one of them may be -1."""
    at = axis(dim, input.ndim)
    parts = D.product(tuple(d for d in sizes if d != -1))
    whole = [input.shape[at] // parts if d == -1 and parts != 0 else d for d in sizes]
    return reshape(input, *input.shape[:at], *whole, *input.shape[at + 1 :])


@function("permute")
def permute(input: Any, *dims: Any) -> Any:
    """Return a view of the input with its dimensions in another order.

    >>> jt.zeros(2, 3, 4).permute(2, 0, 1).shape
    torch.Size([4, 2, 3])
    """
    order = sizes_of(dims)
    return apply(permute_op, input, dims=tuple(axis(d, input.ndim) for d in order))


@function("transpose", "swapaxes", "swapdims")
def transpose(input: Any, dim0: int, dim1: int) -> Any:
    """Return a view of the input with two dimensions exchanged."""
    order = list(range(input.ndim))
    a, b = axis(dim0, input.ndim), axis(dim1, input.ndim)
    if order:
        order[a], order[b] = b, a
    return apply(permute_op, input, dims=tuple(order))


swapaxes = swapdims = transpose


@function("adjoint")
def adjoint(input: Any) -> Any:
    """Return a view of the matrix (or batch of them) transposed; complex numbers conjugated."""
    flipped = transpose(input, -2, -1)
    return flipped.conj() if input.dtype.is_complex else flipped


@function("t")
def t(input: Any) -> Any:
    """Return a view of the matrix transposed; vectors and scalars as they are."""
    if input.ndim > 2:
        raise ShapeMismatch(f"t() expects a tensor with <= 2 dimensions, but self is {input.ndim}D")
    return transpose(input, 0, 1) if input.ndim == 2 else input


@function("movedim", "moveaxis")
def movedim(input: Any, source: Any, destination: Any) -> Any:
    """Return a view of the input with dimensions moved to other positions."""
    sources = [axis(d, input.ndim) for d in as_list(source)]
    targets = [axis(d, input.ndim) for d in as_list(destination)]
    if len(sources) != len(targets):
        raise ShapeMismatch(
            "movedim: Invalid source or destination dims: source "
            f"({sources} dims) should contain the same number of dims as destination "
            f"({targets} dims)"
        )
    order = [d for d in range(input.ndim) if d not in sources]
    for target, source_dim in sorted(zip(targets, sources, strict=True)):
        order.insert(target, source_dim)
    return apply(permute_op, input, dims=tuple(order))


moveaxis = movedim


@function("unsqueeze")
def unsqueeze(input: Any, dim: int) -> Any:
    """Return a view of the input with a dimension of size 1 put in at `dim`."""
    return apply(unsqueeze_op, input, dim=axis(dim, input.ndim + 1))


@function("squeeze")
def squeeze(input: Any, dim: Any = None) -> Any:
    """Return a view of the input without its dimensions of size 1 (or those of them named)."""
    chosen = axes(dim, input.ndim)
    ones = tuple(d for d in chosen if isinstance(input.shape[d], int) and input.shape[d] == 1)
    return apply(squeeze_op, input, dims=ones)


@function("expand")
def expand(input: Any, *sizes: Any) -> Any:
    """Return a view of the input with dimensions of size 1 repeated; -1 keeps a size."""
    wanted = sizes_of(sizes)
    new = len(wanted) - input.ndim
    if new < 0:
        raise ShapeMismatch(
            f"expand: the number of sizes provided ({len(wanted)}) must be greater or equal to "
            f"the number of dimensions in the tensor ({input.ndim})"
        )
    shape = tuple(
        input.shape[i - new] if isinstance(d, int) and d == -1 and i >= new else d
        for i, d in enumerate(wanted)
    )
    return apply(expand_op, input, shape=shape)


@function("expand_as")
def expand_as(input: Any, other: Any) -> Any:
    """Return a view of the input expanded to the shape of `other`."""
    return expand(input, *other.shape)


@function("broadcast_to")
def broadcast_to(input: Any, shape: Sequence[Any]) -> Any:
    """Return a view of the input broadcast to `shape`."""
    return expand(input, *shape)


@function()
def broadcast_tensors(*tensors: Any) -> tuple[Any, ...]:
    """Return views of the tensors broadcast to their common shape."""
    shape = broadcast(*(tuple(x.shape) for x in tensors))
    return tuple(expand(x, *shape) for x in tensors)


@function()
def atleast_1d(input: Any) -> Any:
    """Return the input, a 0-d tensor as a vector."""
    return reshape(input, 1) if input.ndim == 0 else input


@function()
def atleast_2d(input: Any) -> Any:
    """Return the input, a vector as a matrix of one row."""
    return unsqueeze(atleast_1d(input), 0) if input.ndim < 2 else input


@function("narrow")
def narrow(input: Any, dim: int, start: Any, length: Any) -> Any:
    """Return a view of `length` entries of dimension `dim`, from `start` on."""
    at = axis(dim, input.ndim)
    size = input.shape[at]
    if isinstance(start, int) and start < 0:
        start = size + start
    if D.at_least(start, 0) is False or D.at_least(length, 0) is False:
        raise IndexOutOfRange("narrow(): start must be within the size, length non-negative.")
    if D.at_least(size, start + length) is False:
        raise IndexOutOfRange(
            f"start ({start}) + length ({length}) exceeds dimension size ({size})."
        )
    return apply(slice_op, input, dim=at, start=start, length=length, step=1)


@function("select")
def select(input: Any, dim: int, index: Any) -> Any:
    """Return a view of one entry of dimension `dim`."""
    if input.ndim == 0:
        raise IndexOutOfRange("select() cannot be applied to a 0-dim tensor.")
    return apply(select_op, input, dim=axis(dim, input.ndim), index=index)


def slice_dim(x: Any, dim: int, start: Any, stop: Any, step: int) -> Any:
    """Return the view x[..., start:stop:step, ...] of dimension `dim`.

    NumPy takes steps backwards, PyTorch does not.
    """
    if step == 0 and numpy_rules():
        raise ShapeMismatch("slice step cannot be zero")
    if step < 1 and not numpy_rules():
        raise ShapeMismatch("step must be greater than zero", hint="use torch.flip to reverse")
    first, length = slice_bounds(x.shape[dim], start, stop, step)
    return apply(slice_op, x, dim=dim, start=first, length=length, step=step)


@function("diagonal")
def diagonal(input: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    """Return a view of a diagonal, as the last dimension."""
    a, b = axis(dim1, input.ndim), axis(dim2, input.ndim)
    if a == b:
        raise ShapeMismatch(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    return apply(diagonal_op, input, offset=offset, dim1=a, dim2=b)


@function("split")
def split(tensor: Any, split_size_or_sections: Any, dim: int = 0) -> tuple[Any, ...]:
    """Return views in pieces of one size (the last may be smaller), or of the sizes listed.

    >>> [part.tolist() for part in jt.arange(5).split(2)]
    [[0, 1], [2, 3], [4]]
    """
    at = axis(dim, tensor.ndim)
    size = tensor.shape[at]
    if isinstance(split_size_or_sections, (tuple, list)):
        sizes = list(split_size_or_sections)
        if not D.equal(builtins.sum(sizes), size):
            raise ShapeMismatch(
                f"split_with_sizes expects split_sizes to sum exactly to {size} (input tensor's "
                f"size at dimension {dim}), but got split_sizes={sizes}"
            )
    else:
        step, total = split_size_or_sections, int(size)
        if step < 1:
            raise ShapeMismatch(f"split expects split_size be positive, but got {step}")
        sizes = [min(step, total - i) for i in range(0, total, step)] or [0]
    starts = [builtins.sum(sizes[:i]) for i in range(len(sizes))]
    return tuple(narrow(tensor, at, s, n) for s, n in zip(starts, sizes, strict=True))


@function("chunk")
def chunk(input: Any, chunks: int, dim: int = 0) -> tuple[Any, ...]:
    """Return views of at most `chunks` pieces of equal size (the last may be smaller)."""
    if chunks < 1:
        raise ShapeMismatch(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    size = int(input.shape[axis(dim, input.ndim)])
    return split(input, max(-(-size // chunks), 1), dim)


@function("unbind")
def unbind(input: Any, dim: int = 0) -> tuple[Any, ...]:
    """Return views of the entries of dimension `dim`."""
    at = axis(dim, input.ndim)
    return tuple(select(input, at, i) for i in range(int(input.shape[at])))


@function("contiguous")
def contiguous(input: Any) -> Any:
    """Return the input in row-major memory: itself where it is, else a copy."""
    return input if input.is_contiguous() else apply(copy_op, input)


@function("clone")
def clone(input: Any) -> Any:
    """Return a copy of the input, contiguous."""
    return apply(copy_op, input)
