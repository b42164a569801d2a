"""Shape rules shared by ops: broadcasting, dimension numbers, slices. Sizes may be symbolic."""

from __future__ import annotations

from collections.abc import Sequence

from jitorch.errors import IndexOutOfRange, ShapeMismatch, TypeMismatch
from jitorch.ir.dims import Dim, Shape, Sym, at_least, dim_max, dim_min, equal, floordiv, product


def show(shape: Sequence[Dim]) -> str:
    """Return a shape as users write it: `[2, n]`."""
    return f"[{', '.join(map(str, shape))}]"


def check_sizes(shape: Shape) -> None:
    """Raise ShapeMismatch for a size below 0."""
    for d in shape:
        if isinstance(d, int) and d < 0:
            raise ShapeMismatch(
                f"Trying to create tensor with negative dimension {d}: {show(shape)}"
            )


def broadcast(*shapes: Shape) -> Shape:
    """Return the shape that all shapes broadcast to. Raises ShapeMismatch where they do not."""
    ndim = max(map(len, shapes), default=0)
    out: list[Dim] = [1] * ndim
    for shape in shapes:
        for i, d in enumerate(shape, ndim - len(shape)):
            if out[i] == 1:
                out[i] = d
            elif d != 1 and not equal(out[i], d):
                sizes = " and ".join(map(show, shapes))
                raise ShapeMismatch(
                    f"The size of tensor a ({out[i]}) must match the size of tensor b ({d}) at "
                    f"non-singleton dimension {i}",
                    hint=f"the shapes are {sizes}; from the right, sizes must be equal or 1",
                )
    return tuple(out)


def axis(dim: object, ndim: int) -> int:
    """Return a dimension number as 0 <= axis < ndim. Raises IndexOutOfRange beyond the end."""
    if not isinstance(dim, int) or isinstance(dim, bool):
        raise TypeMismatch(
            f"a dimension must be an int known at compile time, got {_describe(dim)}",
            hint="write the number, or pass it as an argument of the function",
        )
    size = max(ndim, 1)
    if not -size <= dim < size:
        raise IndexOutOfRange(
            f"Dimension out of range (expected to be in range of [{-size}, {size - 1}], "
            f"but got {dim})"
        )
    return dim % size


def _describe(value: object) -> str:
    return "one that only run time knows" if isinstance(value, Sym) else type(value).__name__


def axes(dim: object, ndim: int) -> tuple[int, ...]:
    """Return dimension numbers as a sorted tuple; None and () stand for all of them."""
    if dim is None:
        return tuple(range(ndim))
    if not isinstance(dim, (tuple, list)):
        return (axis(dim, ndim),) if ndim else (axis(dim, ndim),)[:0]
    out = [axis(d, ndim) for d in dim]
    if len(set(out)) < len(out):
        repeated = next(d for d in out if out.count(d) > 1)
        raise ShapeMismatch(f"dim {repeated} appears multiple times in the list of dims")
    return tuple(sorted(out)) if out else tuple(range(ndim))


def reduced(shape: Shape, dims: Sequence[int], keepdim: bool) -> Shape:
    """Return the shape after a reduction over `dims`."""
    if keepdim:
        return tuple(1 if i in dims else d for i, d in enumerate(shape))
    return tuple(d for i, d in enumerate(shape) if i not in dims)


def slice_bounds(size: Dim, start: Dim | None, stop: Dim | None, step: int) -> tuple[Dim, Dim]:
    """Return (start, length) of a Python slice, both within the size; the step is not 0.

    Symbolic bounds are resolved with the current facts, so `x[1:-1]` of size n gives (1, n - 2).
    """
    if step < 0:
        # Backwards from start down to, and without, stop: each counted from one before the front.
        above = size if start is None else _clamp_above(start, size)
        last = 0 if stop is None else _clamp_above(stop, size)
        return above - 1, _steps(above - last, -step)
    low = _clamp(0 if start is None else start, size)
    high = _clamp(size if stop is None else stop, size)
    return low, _steps(high - low, step)


def _steps(span: Dim, step: int) -> Dim:
    """Return how many steps it takes to leave a span, 0 for a negative one."""
    positive = at_least(span, 0)
    if positive is False:
        return 0
    if positive is None:
        span = dim_max(span, 0)
    return span if step == 1 else floordiv(span + (step - 1), step)


def _clamp_above(bound: Dim, size: Dim) -> Dim:
    """Return one more than a slice bound counted from the front, limited to 0..size."""
    if at_least(bound, 0) is not False:
        return _clamp(bound + 1, size)
    inside = at_least(size + bound + 1, 0)
    return size + bound + 1 if inside else (0 if inside is False else dim_max(size + bound + 1, 0))


def _clamp(bound: Dim, size: Dim) -> Dim:
    """Return a slice bound counted from the front, limited to 0..size."""
    non_negative = at_least(bound, 0)
    if non_negative is None:
        non_negative = True  # a data-dependent bound; the run-time op checks it
    if not non_negative:
        bound = size + bound
        inside = at_least(bound, 0)
        return bound if inside else (0 if inside is False else dim_max(bound, 0))
    fits = at_least(size, bound)
    return bound if fits else (size if fits is False else dim_min(bound, size))


def infer_minus_one(shape: Sequence[Dim], total: Dim) -> Shape:
    """Return the shape with a single -1 replaced by what `total` elements leave for it."""
    sizes = list(shape)
    unknown = [i for i, d in enumerate(sizes) if d == -1]
    if len(unknown) > 1:
        raise ShapeMismatch("only one dimension can be inferred")
    if unknown:
        rest = product(tuple(d for d in sizes if d != -1))
        if rest == 0:
            raise ShapeMismatch(
                f"cannot reshape tensor of {total} elements into shape {show(shape)} because the "
                "unspecified dimension size -1 can be any value and is ambiguous"
            )
        sizes[unknown[0]] = floordiv(total, rest)
    for d in sizes:
        if isinstance(d, int) and d < 0:
            raise ShapeMismatch(f"invalid shape dimension {d}")
    if not equal(product(tuple(sizes)), total):
        raise ShapeMismatch(
            f"shape '{show(shape)}' is invalid for input of size {total}",
            hint="the number of elements must stay the same",
        )
    return tuple(sizes)
