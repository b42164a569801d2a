"""Shape ops. Views share memory with their input; joins and copies do not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jitorch.dispatch import apply, method
from jitorch.errors import IndexOutOfRange, ShapeMismatch, TypeMismatch
from jitorch.ir import dims as D
from jitorch.ir.dims import Dim, Shape
from jitorch.ir.opdef import OPS, Axes, OpDef, register
from jitorch.ir.promotion import common
from jitorch.ir.shapes import axes, axis, broadcast, infer_minus_one, show, slice_bounds
from jitorch.ir.types import ListType, TensorType, Type
from jitorch.ops.families import tensor_type


def _like(t: TensorType, shape: Sequence[Dim], strided: bool) -> TensorType:
    return TensorType(t.dtype, tuple(shape), strided, t.device)


# Views.


def _reshape_infer(x: Type, *, shape: Shape) -> Type:
    t = tensor_type(x, "reshape")
    return _like(t, infer_minus_one(shape, D.product(t.shape)), t.strided)


reshape_op = register(
    OpDef(name="reshape", eager=lambda xp, x, *, shape: x.reshape(shape), infer=_reshape_infer, view=True)
)


def _permute_infer(x: Type, *, dims: tuple[int, ...]) -> Type:
    t = tensor_type(x, "permute")
    if sorted(dims) != list(range(t.ndim)):
        raise ShapeMismatch(f"permute: {show(dims)} does not name each of the {t.ndim} dimensions once")
    moved = [d for d in dims if t.shape[d] != 1]
    return _like(t, [t.shape[d] for d in dims], t.strided or moved != sorted(moved))


permute_op = register(
    OpDef(
        name="permute",
        eager=lambda xp, x, *, dims: xp.transpose(x, dims),
        infer=_permute_infer,
        axes=lambda x, *, dims: dims,
        view=True,
    )
)


def _unsqueeze_infer(x: Type, *, dim: int) -> Type:
    t = tensor_type(x, "unsqueeze")
    return _like(t, (*t.shape[:dim], 1, *t.shape[dim:]), t.strided)


def _unsqueeze_axes(x: TensorType, *, dim: int) -> Axes:
    return (*range(dim), None, *range(dim, x.ndim))


unsqueeze_op = register(
    OpDef(
        name="unsqueeze",
        eager=lambda xp, x, *, dim: xp.expand_dims(x, dim),
        infer=_unsqueeze_infer,
        axes=_unsqueeze_axes,
        view=True,
    )
)


def _squeeze_infer(x: Type, *, dims: tuple[int, ...]) -> Type:
    t = tensor_type(x, "squeeze")
    if any(t.shape[d] != 1 for d in dims):
        raise ShapeMismatch(f"squeeze: a dimension of {t} is not of size 1")
    return _like(t, [d for i, d in enumerate(t.shape) if i not in dims], t.strided)


squeeze_op = register(
    OpDef(
        name="squeeze",
        eager=lambda xp, x, *, dims: xp.squeeze(x, dims),
        infer=_squeeze_infer,
        axes=lambda x, *, dims: tuple(i for i in range(x.ndim) if i not in dims),
        view=True,
    )
)


def _expand_infer(x: Type, *, shape: Shape) -> Type:
    t = tensor_type(x, "expand")
    if broadcast(t.shape, shape) != tuple(shape) and len(broadcast(t.shape, shape)) != len(shape):
        raise ShapeMismatch(f"expand: {show(t.shape)} does not expand to {show(shape)}")
    return _like(t, shape, t.strided or tuple(shape) != t.shape)


def _expand_axes(x: TensorType, *, shape: Shape) -> Axes:
    new = len(shape) - x.ndim
    return tuple(None if i < new or x.shape[i - new] == 1 else i - new for i in range(len(shape)))


expand_op = register(
    OpDef(
        name="expand",
        eager=lambda xp, x, *, shape: xp.broadcast_to(x, shape),
        infer=_expand_infer,
        axes=_expand_axes,
        view=True,
    )
)


def _slice_infer(x: Type, *, dim: int, start: Dim, length: Dim, step: int) -> Type:
    t = tensor_type(x, "slice")
    whole_rows = step == 1 and all(d == 1 for d in t.shape[:dim])
    return _like(t, (*t.shape[:dim], length, *t.shape[dim + 1 :]), t.strided or not whole_rows)


def _slice_eager(xp: Any, x: Any, *, dim: int, start: int, length: int, step: int) -> Any:
    return x[(slice(None),) * dim + (slice(start, start + length * step, step),)]


slice_op = register(OpDef(name="slice", eager=_slice_eager, infer=_slice_infer, view=True))


def _select_infer(x: Type, *, dim: int, index: Dim) -> Type:
    t = tensor_type(x, "select")
    size = t.shape[dim]
    if isinstance(index, int) and isinstance(size, int) and not -size <= index < size:
        raise IndexOutOfRange(f"index {index} is out of bounds for dimension {dim} with size {size}")
    whole_rows = all(d == 1 for d in t.shape[:dim])
    return _like(t, t.shape[:dim] + t.shape[dim + 1 :], t.strided or not whole_rows)


def _select_eager(xp: Any, x: Any, *, dim: int, index: int) -> Any:
    size = x.shape[dim]
    if not -size <= index < size:
        raise IndexOutOfRange(f"index {index} is out of bounds for dimension {dim} with size {size}")
    return x[(slice(None),) * dim + (index, ...)]


select_op = register(OpDef(name="select", eager=_select_eager, infer=_select_infer, view=True))


def _diagonal_infer(x: Type, *, offset: int, dim1: int, dim2: int) -> Type:
    t = tensor_type(x, "diagonal")
    rows, columns = t.shape[dim1], t.shape[dim2]
    length = D.dim_min(rows if offset >= 0 else rows + offset, columns - offset if offset >= 0 else columns)
    if D.at_least(length, 0) is False:
        length = 0
    rest = [d for i, d in enumerate(t.shape) if i not in (dim1, dim2)]
    return _like(t, [*rest, length], True)


diagonal_op = register(
    OpDef(
        name="diagonal",
        eager=lambda xp, x, *, offset, dim1, dim2: xp.diagonal(x, offset, dim1, dim2),
        infer=_diagonal_infer,
        view=True,
    )
)


def _write_infer(base: Type, new: Type, *, view: str, **attrs: Any) -> Type:
    t, part = tensor_type(base, "write"), tensor_type(new, "write")
    target = OPS[view].infer(t, **attrs)
    assert isinstance(target, TensorType)
    if part.dtype is not t.dtype or broadcast(part.shape, target.shape) != target.shape:
        raise ShapeMismatch(f"write: can't put a {part} into a {target}")
    return _like(t, t.shape, False)


def _write_eager(xp: Any, base: Any, new: Any, *, view: str, **attrs: Any) -> Any:
    out = base.copy()
    target = OPS[view].eager(xp, out, **attrs)
    if not target.flags.writeable:
        target = target.view()
        target.flags.writeable = True
    target[...] = new
    return out


# `base` with the part that the view op `view` shows replaced by `new`: how in-place writes through views
# look in the graph, where nothing is mutated.
write_op = register(OpDef(name="write", eager=_write_eager, infer=_write_infer))


# Copies.


def _contiguous_infer(x: Type) -> Type:
    t = tensor_type(x, "contiguous")
    return _like(t, t.shape, False)


copy_op = register(
    OpDef(name="copy", eager=lambda xp, x: xp.array(x, order="C"), infer=_contiguous_infer)
)


def _cat_infer(*xs: Type, dim: int) -> Type:
    ts = [tensor_type(x, "cat") for x in xs]
    if not ts:
        raise ShapeMismatch("torch.cat(): expected a non-empty list of Tensors")
    first, total = ts[0], ts[0].shape[dim]
    for t in ts[1:]:
        if t.ndim != first.ndim:
            raise ShapeMismatch(f"cat: tensors must have the same number of dimensions: got {first.ndim} and {t.ndim}")
        for i, (a, b) in enumerate(zip(first.shape, t.shape, strict=True)):
            if i != dim and not D.equal(a, b):
                raise ShapeMismatch(
                    f"cat: sizes must match except in dimension {dim}; expected size {a} but got size {b} in dimension {i}"
                )
        total = total + t.shape[dim]
    return _like(first, (*first.shape[:dim], total, *first.shape[dim + 1 :]), False)


cat_op = register(
    OpDef(
        name="cat",
        eager=lambda xp, *xs, dim: xp.concatenate(xs, axis=dim),
        infer=_cat_infer,
        promote=common,
    )
)


def _flip_infer(x: Type, *, dims: tuple[int, ...]) -> Type:
    return _contiguous_infer(x)


flip_op = register(
    OpDef(name="flip", eager=lambda xp, x, *, dims: xp.flip(x, dims).copy(), infer=_flip_infer)
)


def _roll_infer(x: Type, *, shifts: tuple[int, ...], dims: tuple[int, ...]) -> Type:
    return _contiguous_infer(x)


roll_op = register(
    OpDef(name="roll", eager=lambda xp, x, *, shifts, dims: xp.roll(x, shifts, dims), infer=_roll_infer)
)


def _tri_infer(x: Type, *, diagonal: int) -> Type:
    t = tensor_type(x, "tril")
    if t.ndim < 2:
        raise ShapeMismatch("tril, triu: input tensor must have at least 2 dimensions")
    return _like(t, t.shape, False)


tril_op = register(OpDef(name="tril", eager=lambda xp, x, *, diagonal: xp.tril(x, diagonal), infer=_tri_infer, inplace=True))
triu_op = register(OpDef(name="triu", eager=lambda xp, x, *, diagonal: xp.triu(x, diagonal), infer=_tri_infer, inplace=True))


# The public functions.


def _sizes(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return sizes given one by one or as one sequence."""
    if len(args) == 1 and isinstance(args[0], (tuple, list)):
        return tuple(args[0])
    return args


@method("reshape", "view")
def reshape(x: Any, *shape: Any) -> Any:
    """Return x with another shape; one size may be -1. A view where the memory layout allows.

    >>> jt.arange(6).reshape(2, -1)
    tensor([[0, 1, 2],
            [3, 4, 5]])
    """
    return apply(reshape_op, x, shape=_sizes(shape))


@method()
def view_as(x: Any, other: Any) -> Any:
    """Return x with the shape of `other`."""
    return reshape(x, *other.shape)


reshape_as = method("reshape_as")(view_as)


@method()
def flatten(x: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    """Return x with the dimensions from `start_dim` to `end_dim` made one."""
    first, last = axis(start_dim, x.ndim), axis(end_dim, x.ndim)
    if first > last:
        raise ShapeMismatch("flatten() has invalid args: start_dim cannot come after end_dim")
    return reshape(x, *x.shape[:first], -1, *x.shape[last + 1 :])


ravel = method("ravel")(lambda x: reshape(x, -1))


@method()
def unflatten(x: Any, dim: int, sizes: Sequence[Any]) -> Any:
    """Return x with dimension `dim` split into `sizes`."""
    at = axis(dim, x.ndim)
    return reshape(x, *x.shape[:at], *sizes, *x.shape[at + 1 :])


@method()
def permute(x: Any, *dims: Any) -> Any:
    """Return a view of x with its dimensions in another order."""
    order = _sizes(dims)
    return apply(permute_op, x, dims=tuple(axis(d, x.ndim) for d in order))


@method("transpose", "swapaxes", "swapdims")
def transpose(x: Any, dim0: int, dim1: int) -> Any:
    """Return a view of x with two dimensions exchanged."""
    order = list(range(x.ndim))
    a, b = axis(dim0, x.ndim), axis(dim1, x.ndim)
    if not order:
        return x
    order[a], order[b] = b, a
    return apply(permute_op, x, dims=tuple(order))


@method()
def t(x: Any) -> Any:
    """Return the transpose of a matrix; vectors and scalars as they are."""
    if x.ndim > 2:
        raise ShapeMismatch(f"t() expects a tensor with <= 2 dimensions, but self is {x.ndim}D")
    return transpose(x, 0, 1) if x.ndim == 2 else x


@method("movedim", "moveaxis")
def movedim(x: Any, source: Any, destination: Any) -> Any:
    """Return a view of x with dimensions moved to other positions."""
    sources = [axis(d, x.ndim) for d in (source if isinstance(source, (tuple, list)) else [source])]
    targets = [axis(d, x.ndim) for d in (destination if isinstance(destination, (tuple, list)) else [destination])]
    if len(sources) != len(targets):
        raise ShapeMismatch("movedim: source and destination must have the same number of elements")
    order = [d for d in range(x.ndim) if d not in sources]
    for target, source_dim in sorted(zip(targets, sources, strict=True)):
        order.insert(target, source_dim)
    return apply(permute_op, x, dims=tuple(order))


@method()
def unsqueeze(x: Any, dim: int) -> Any:
    """Return a view of x with a dimension of size 1 put in at `dim`."""
    return apply(unsqueeze_op, x, dim=axis(dim, x.ndim + 1))


@method()
def squeeze(x: Any, dim: Any = None) -> Any:
    """Return a view of x without its dimensions of size 1 (or those of them named)."""
    chosen = axes(dim, x.ndim) if x.ndim else ()
    dims = tuple(d for d in chosen if isinstance(x.shape[d], int) and x.shape[d] == 1)
    return apply(squeeze_op, x, dims=dims)


@method()
def expand(x: Any, *sizes: Any) -> Any:
    """Return a view of x with dimensions of size 1 repeated; -1 keeps a size."""
    wanted = _sizes(sizes)
    new = len(wanted) - x.ndim
    if new < 0:
        raise ShapeMismatch(
            f"expand: the number of sizes provided ({len(wanted)}) must be greater or equal to the number "
            f"of dimensions in the tensor ({x.ndim})"
        )
    shape = tuple(x.shape[i - new] if isinstance(d, int) and d == -1 and i >= new else d for i, d in enumerate(wanted))
    return apply(expand_op, x, shape=shape)


@method()
def expand_as(x: Any, other: Any) -> Any:
    """Return a view of x expanded to the shape of `other`."""
    return expand(x, *other.shape)


def broadcast_to(x: Any, shape: Sequence[Any]) -> Any:
    """Return a view of x broadcast to `shape`."""
    return expand(x, *shape)


broadcast_to = method("broadcast_to")(broadcast_to)


def broadcast_tensors(*xs: Any) -> tuple[Any, ...]:
    """Return views of the tensors broadcast to their common shape."""
    shape = broadcast(*(tuple(x.shape) for x in xs))
    return tuple(expand(x, *shape) for x in xs)


@method()
def narrow(x: Any, dim: int, start: Any, length: Any) -> Any:
    """Return a view of `length` entries of dimension `dim`, from `start` on."""
    at = axis(dim, x.ndim)
    size = x.shape[at]
    if D.at_least(size, start + length) is False:
        raise IndexOutOfRange(f"start ({start}) + length ({length}) exceeds dimension size ({size}).")
    return apply(slice_op, x, dim=at, start=start, length=length, step=1)


@method()
def select(x: Any, dim: int, index: Any) -> Any:
    """Return a view of one entry of dimension `dim`."""
    return apply(select_op, x, dim=axis(dim, x.ndim), index=index)


def slice_dim(x: Any, dim: int, start: Any, stop: Any, step: int) -> Any:
    """Return the view x[..., start:stop:step, ...] of dimension `dim`."""
    if step < 1:
        raise ShapeMismatch("slice step must be positive", hint="use torch.flip to reverse")
    first, length = slice_bounds(x.shape[dim], start, stop, step)
    return apply(slice_op, x, dim=dim, start=first, length=length, step=step)


@method()
def diagonal(x: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    """Return a view of a diagonal, as the last dimension."""
    return apply(diagonal_op, x, offset=offset, dim1=axis(dim1, x.ndim), dim2=axis(dim2, x.ndim))


@method()
def split(x: Any, split_size: Any, dim: int = 0) -> tuple[Any, ...]:
    """Return views of x in pieces of `split_size` (the last may be smaller), or of the listed sizes."""
    at = axis(dim, x.ndim)
    size = x.shape[at]
    if isinstance(split_size, (tuple, list)):
        if not D.equal(sum(split_size), size):
            raise ShapeMismatch(f"split_sizes must sum to {size} (input tensor's size at dimension {dim}), got {list(split_size)}")
        sizes = list(split_size)
    else:
        total = int(size)
        sizes = [min(split_size, total - i) for i in range(0, total, split_size)] or [0]
    out, start = [], 0
    for length in sizes:
        out.append(narrow(x, at, start, length))
        start += length
    return tuple(out)


@method()
def chunk(x: Any, chunks: int, dim: int = 0) -> tuple[Any, ...]:
    """Return views of x in at most `chunks` pieces of equal size (the last may be smaller)."""
    size = int(x.shape[axis(dim, x.ndim)])
    return split(x, max(-(-size // chunks), 1), dim)  # type: ignore[no-any-return]


@method()
def unbind(x: Any, dim: int = 0) -> tuple[Any, ...]:
    """Return views of the entries of dimension `dim`."""
    at = axis(dim, x.ndim)
    return tuple(select(x, at, i) for i in range(int(x.shape[at])))


@method()
def contiguous(x: Any) -> Any:
    """Return x in row-major memory: itself where it is, else a copy."""
    return x if x.is_contiguous() else apply(copy_op, x)


@method()
def clone(x: Any) -> Any:
    """Return a copy of x."""
    return apply(copy_op, x)


def _is_list_value(xs: Any) -> bool:
    return isinstance(getattr(getattr(xs, "value", None), "type", None), ListType)


def cat(tensors: Sequence[Any], dim: int = 0) -> Any:
    """Return the tensors joined along an existing dimension.

    >>> jt.cat([jt.zeros(1), jt.ones(2)])
    tensor([0., 1., 1.])
    """
    if _is_list_value(tensors):
        return apply(OPS["list_cat"], tensors, dim=dim)
    if not tensors:
        raise ShapeMismatch("torch.cat(): expected a non-empty list of Tensors")
    return apply(cat_op, *tensors, dim=axis(dim, tensors[0].ndim))


def concat(tensors: Sequence[Any], dim: int = 0) -> Any:
    """As `cat`."""
    return cat(tensors, dim)


def stack(tensors: Sequence[Any], dim: int = 0) -> Any:
    """Return the tensors joined along a new dimension."""
    if _is_list_value(tensors):
        return apply(OPS["list_stack"], tensors, dim=dim)
    if not tensors:
        raise ShapeMismatch("stack expects a non-empty TensorList")
    shapes = [tuple(x.shape) for x in tensors]
    for shape in shapes[1:]:
        if len(shape) != len(shapes[0]) or not all(D.equal(a, b) for a, b in zip(shape, shapes[0], strict=True)):
            raise ShapeMismatch(f"stack expects each tensor to be equal size, but got {show(shapes[0])} and {show(shape)}")
    at = axis(dim, tensors[0].ndim + 1)
    return apply(cat_op, *(unsqueeze(x, at) for x in tensors), dim=at)


def hstack(tensors: Sequence[Any]) -> Any:
    """Return the tensors joined along dimension 1 (0 for vectors)."""
    return cat(tensors, 0 if tensors[0].ndim == 1 else 1)


def vstack(tensors: Sequence[Any]) -> Any:
    """Return the tensors joined along dimension 0; vectors become rows."""
    return cat([unsqueeze(x, 0) if x.ndim == 1 else x for x in tensors], 0)


@method()
def flip(x: Any, *dims: Any) -> Any:
    """Return a copy of x reversed along the dimensions."""
    return apply(flip_op, x, dims=tuple(axis(d, x.ndim) for d in _sizes(dims)))


@method()
def roll(x: Any, shifts: Any, dims: Any = None) -> Any:
    """Return a copy of x rolled along the dimensions; without any, over all elements."""
    if dims is None:
        return reshape(roll(flatten(x), shifts, 0), *x.shape)
    many = dims if isinstance(dims, (tuple, list)) else (dims,)
    amounts = shifts if isinstance(shifts, (tuple, list)) else (shifts,)
    if len(many) != len(amounts):
        raise TypeMismatch(f"roll: shifts and dimensions must align. shifts: {len(amounts)}, dims: {len(many)}")
    return apply(roll_op, x, shifts=tuple(amounts), dims=tuple(axis(d, x.ndim) for d in many))


@method()
def tril(x: Any, diagonal: int = 0) -> Any:
    """Return x with everything above the diagonal set to 0."""
    return apply(tril_op, x, diagonal=diagonal)


@method()
def triu(x: Any, diagonal: int = 0) -> Any:
    """Return x with everything below the diagonal set to 0."""
    return apply(triu_op, x, diagonal=diagonal)


@method()
def repeat(x: Any, *sizes: Any) -> Any:
    """Return a copy of x repeated `sizes` times along each dimension."""
    times = _sizes(sizes)
    if len(times) < x.ndim:
        raise ShapeMismatch("Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor")
    shape = (1,) * (len(times) - x.ndim) + tuple(x.shape)
    spread = [d for n, s in zip(times, shape, strict=True) for d in (n, s)]
    ones = [d for s in shape for d in (1, s)]
    final = [n * s for n, s in zip(times, shape, strict=True)]
    return reshape(clone(expand(reshape(x, *ones), *spread)), *final)


@method()
def tile(x: Any, *dims: Any) -> Any:
    """As `repeat`, with missing leading counts taken as 1."""
    times = _sizes(dims)
    return repeat(x, *((1,) * (x.ndim - len(times)) + tuple(times)))


@method()
def repeat_interleave(x: Any, repeats: int, dim: int | None = None) -> Any:
    """Return a copy of x with each entry repeated `repeats` times."""
    if dim is None:
        return repeat_interleave(flatten(x), repeats, 0)
    at = axis(dim, x.ndim)
    wide = expand(unsqueeze(x, at + 1), *x.shape[: at + 1], repeats, *x.shape[at + 1 :])
    return reshape(clone(wide), *x.shape[:at], x.shape[at] * repeats, *x.shape[at + 1 :])
