"""Creation: tensors from sizes and numbers. Defaults are PyTorch's (float32, int64)."""

from __future__ import annotations

import math
from typing import Any

from jitorch.cuda import adapter
from jitorch.device import CPU
from jitorch.dispatch import apply, current
from jitorch.errors import ShapeMismatch, TypeMismatch
from jitorch.ir.dims import Dim, Shape, Sym, at_least, dim_max, floordiv
from jitorch.ir.opdef import OPS, OpDef, register
from jitorch.ir.promotion import default_dtype, get_default_dtype
from jitorch.ir.shapes import check_sizes
from jitorch.ir.types import (
    DType,
    ScalarType,
    TensorType,
    Type,
    bool_,
    complex64,
    float32,
    float64,
    int32,
    int64,
)
from jitorch.ops.elementwise import pow_
from jitorch.ops.families import as_dtype, composite, function, has_dtype
from jitorch.ops.samples import fixed
from jitorch.ops.select import where
from jitorch.ops.shape import expand, reshape

__all__ = [
    "arange", "empty", "empty_like", "eye", "full", "full_like", "linspace", "logspace",
    "meshgrid", "ones", "ones_like", "zeros", "zeros_like",
]  # fmt: skip

FillValue = bool | int | float | complex


# An op that makes a tensor on a GPU has the attribute `device`; without one it is main memory.


def _full_infer(*, shape: Shape, value: FillValue, dtype: DType, device: str = "cpu") -> Type:
    check_sizes(shape)
    return TensorType(dtype, tuple(shape), device=device)


def _full_eager(
    xp: Any, *, shape: tuple[int, ...], value: FillValue, dtype: DType, device: str = "cpu"
) -> Any:
    return xp.full(shape, xp.asarray(value).astype(dtype.numpy))


def _filling(
    *, shape: Shape, value: FillValue, dtype: DType, device: str = "cpu"
) -> bool | int | float | None:
    return None if isinstance(value, complex) or dtype.is_complex else value


full_op = register(
    OpDef(
        name="full",
        total=True,
        fills=_filling,
        eager=_full_eager,
        infer=_full_infer,
        samples=fixed(
            ((), {"shape": (2, 3), "value": 1.5, "dtype": float32}),
            ((), {"shape": (), "value": True, "dtype": bool_}),
            ((), {"shape": (0, 2), "value": 7, "dtype": int64}),
            ((), {"shape": (2,), "value": 1j, "dtype": complex64}),
        ),
    )
)


def _arange_infer(*, start: Any, step: Any, length: Dim, dtype: DType, device: str = "cpu") -> Type:
    return TensorType(dtype, (length,), device=device)


def _arange_eager(
    xp: Any, *, start: Any, step: Any, length: int, dtype: DType, device: str = "cpu"
) -> Any:
    wide = xp.int64 if isinstance(start, int) and isinstance(step, int) else xp.float64
    return (start + step * xp.arange(length, dtype=wide)).astype(dtype.numpy)


def _arange_lowered(
    *, start: Any, step: Any, length: Dim, dtype: DType, device: str = "cpu"
) -> Any:
    if not isinstance(start, int) or not isinstance(step, int):
        return None
    made = positions(length, device=device)
    made = made if step == 1 else made * step
    return as_dtype(made if start == 0 else made + start, dtype)


arange_op = register(
    OpDef(
        name="arange",
        total=True,
        lowered=_arange_lowered,
        eager=_arange_eager,
        infer=_arange_infer,
        samples=fixed(
            ((), {"start": 0, "step": 1, "length": 5, "dtype": int64}),
            ((), {"start": 9, "step": -2, "length": 0, "dtype": int32}),
            ((), {"start": 0.5, "step": 0.25, "length": 4, "dtype": float32}),
        ),
    )
)


def _positions_infer(*, shape: Shape, device: str = "cpu") -> Type:
    return TensorType(int64, tuple(shape), device=device)


def _positions_eager(xp: Any, *, shape: tuple[int, ...], device: str = "cpu") -> Any:
    return xp.arange(math.prod(shape), dtype=xp.int64).reshape(shape)


positions_op = register(
    OpDef(
        name="positions",
        total=True,
        counts=True,
        eager=_positions_eager,
        infer=_positions_infer,
        samples=fixed(((), {"shape": (2, 3)}), ((), {"shape": ()}), ((), {"shape": (0, 2)})),
    )
)


def positions(*shape: Dim, device: object = None) -> Any:
    """Return for each element of a shape its number, in the order of memory."""
    return apply(positions_op, shape=shape, **placed(device))


def shape_of(size: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return sizes given one by one or as one sequence."""
    if len(size) == 1 and isinstance(size[0], (tuple, list)):
        return tuple(size[0])
    return size


def placed(device: object) -> dict[str, str]:
    """Return the attribute `device` of an op that makes a tensor; none for main memory.

    Raises CudaError where the op is about to run and there is no such device. A program that is
    being recorded may be meant for another machine.
    """
    if device is None:
        return {}
    place = adapter.named(device)
    if place is CPU:
        return {}
    if current() is None:
        adapter.resolved(place)
    return {"device": str(place)}


def full(size: Any, fill_value: Any, *, dtype: DType | None = None, device: object = None) -> Any:
    """Return a tensor of the given size filled with a number.

    >>> jt.full((2,), 7)
    tensor([7, 7])
    """
    place = placed(device)
    shape = tuple(size) if isinstance(size, (tuple, list)) else (size,)
    if isinstance(fill_value, (bool, int, float, complex)):
        wanted = dtype or default_dtype(fill_value)
        return apply(full_op, shape=shape, value=fill_value, dtype=wanted, **place)
    # A number known at run time only: a size, a scalar of the program, a 0-d tensor.
    number = apply(OPS["cast"], fill_value, dtype=dtype or number_dtype(fill_value))
    made = apply(OPS["copy"], expand(number, *shape))
    return apply(OPS["transfer"], made, **place) if place else made


def number_dtype(value: Any) -> DType:
    """Return the dtype of a tensor made from a number, also one of a program being recorded."""
    if isinstance(value, (bool, int, float, complex)):
        return default_dtype(value)
    if isinstance(value, Sym):
        return int64
    scalar = getattr(getattr(value, "value", None), "type", None)  # what a recorder gives
    if isinstance(scalar, ScalarType):
        return default_dtype({"bool": True, "int": 0, "float": 0.0}.get(scalar.kind, 0j))
    if has_dtype(value):
        dtype: DType = value.dtype
        return dtype
    raise TypeMismatch(f"expected a number to fill a tensor with, got {type(value).__name__}")


def zeros(*size: Any, dtype: DType | None = None, device: object = None) -> Any:
    """Return a tensor of zeros, of the default dtype (float32).

    >>> jt.zeros(2, 3).shape
    torch.Size([2, 3])
    """
    return full(shape_of(size), 0.0, dtype=dtype or get_default_dtype(), device=device)


def ones(*size: Any, dtype: DType | None = None, device: object = None) -> Any:
    """Return a tensor of ones, of the default dtype (float32)."""
    return full(shape_of(size), 1.0, dtype=dtype or get_default_dtype(), device=device)


def empty(*size: Any, dtype: DType | None = None, device: object = None) -> Any:
    """Return a tensor whose contents mean nothing; ours are zeros, so that runs repeat."""
    return zeros(*size, dtype=dtype, device=device)


@function("full_like")
def full_like(
    input: Any, fill_value: Any, *, dtype: DType | None = None, device: object = None
) -> Any:
    """Return a tensor of the shape and dtype of the input filled with a number."""
    return full(
        tuple(input.shape), fill_value, dtype=dtype or input.dtype, device=device or input.device
    )


@function("zeros_like")
def zeros_like(input: Any, *, dtype: DType | None = None, device: object = None) -> Any:
    """Return zeros of the shape and dtype of the input."""
    return full_like(input, 0, dtype=dtype, device=device)


@function("ones_like")
def ones_like(input: Any, *, dtype: DType | None = None, device: object = None) -> Any:
    """Return ones of the shape and dtype of the input."""
    return full_like(input, 1, dtype=dtype, device=device)


@function("empty_like")
def empty_like(input: Any, *, dtype: DType | None = None, device: object = None) -> Any:
    """Return a tensor of the shape and dtype of the input whose contents mean nothing."""
    return full_like(input, 0, dtype=dtype, device=device)


@function("new_zeros")
def _new_zeros(input: Any, *size: Any, dtype: DType | None = None, device: object = None) -> Any:
    """Return zeros of the input's dtype, on its device."""
    return zeros(*size, dtype=dtype or input.dtype, device=device or input.device)


@function("new_ones")
def _new_ones(input: Any, *size: Any, dtype: DType | None = None, device: object = None) -> Any:
    """Return ones of the input's dtype, on its device."""
    return ones(*size, dtype=dtype or input.dtype, device=device or input.device)


@function("new_full")
def _new_full(
    input: Any, size: Any, fill_value: Any, *, dtype: DType | None = None, device: object = None
) -> Any:
    """Return a tensor of the input's dtype and on its device, filled with a number."""
    return full(size, fill_value, dtype=dtype or input.dtype, device=device or input.device)


@function("new_empty")
def _new_empty(input: Any, *size: Any, dtype: DType | None = None, device: object = None) -> Any:
    """Return a tensor of the input's dtype and on its device, whose contents mean nothing."""
    return zeros(*size, dtype=dtype or input.dtype, device=device or input.device)


def arange(
    start: Any,
    end: Any = None,
    step: Any = 1,
    *,
    dtype: DType | None = None,
    device: object = None,
) -> Any:
    """Return start, start + step, ... up to but without `end`; integers give int64.

    >>> jt.arange(0, 1, 0.25)
    tensor([0.0000, 0.2500, 0.5000, 0.7500])
    """
    place = placed(device)
    if end is None:
        start, end = 0, start
    if isinstance(step, (int, float)) and step == 0:
        raise ShapeMismatch("step must be nonzero")
    whole = all(isinstance(v, (int, Sym)) for v in (start, end, step))
    if not whole and any(isinstance(v, Sym) for v in (start, end, step)):
        raise TypeMismatch(
            "arange(): the length of a range in fractional steps can't be told from a size",
            hint="take a range of whole numbers and scale it: arange(n) * 0.5",
        )
    length = _steps(start, end, step, whole)
    wanted = dtype or (int64 if whole else get_default_dtype())
    return apply(arange_op, start=start, step=step, length=length, dtype=wanted, **place)


def _steps(start: Any, end: Any, step: Any, whole: bool) -> Any:
    if whole:
        length: Dim = 0 - floordiv(start - end, step)
    else:
        length = math.ceil((end - start) / step)
    positive = at_least(length, 0)
    if positive is False:
        raise ShapeMismatch("upper bound and lower bound inconsistent with step sign")
    return length if positive else dim_max(length, 0)


@composite(
    "linspace",
    samples=fixed(
        ((), {"start": 0, "end": 1, "steps": 5, "dtype": float32}),
        ((), {"start": 3.5, "end": -1, "steps": 1, "dtype": float64}),
        ((), {"start": 0, "end": 10, "steps": 5, "dtype": int64}),
        ((), {"start": 0, "end": 1, "steps": 0, "dtype": float32}),
    ),
)
def linspace_op(*, start: float, end: float, steps: Dim, dtype: DType, device: str = "cpu") -> Any:
    first, final = _exact(start), _exact(end)
    i = as_dtype(arange(steps, device=device), float64)
    last = dim_max(steps - 1, 1)
    step = as_dtype((final - first) / last, float64)
    # From the nearer end, so that both ends come out exact.
    rising, falling = first + step * i, final - step * (steps - 1 - i)
    return as_dtype(where(2 * i < steps, rising, falling), dtype)


def _exact(number: float | Dim) -> Any:
    """Return a number, or a size, in double precision."""
    if isinstance(number, Sym):
        return full((), 1.0, dtype=float64) * number
    return full((), number, dtype=float64)


def linspace(
    start: Any, end: Any, steps: Any, *, dtype: DType | None = None, device: object = None
) -> Any:
    """Return `steps` evenly spaced numbers from `start` to `end`, both included.

    >>> jt.linspace(0, 1, 5)
    tensor([0.0000, 0.2500, 0.5000, 0.7500, 1.0000])
    """
    place = placed(device)
    if at_least(steps, 0) is False:
        raise ShapeMismatch("number of steps must be non-negative")
    wanted = dtype or get_default_dtype()
    return apply(linspace_op, start=start, end=end, steps=steps, dtype=wanted, **place)


def logspace(
    start: Any,
    end: Any,
    steps: Any,
    base: float = 10.0,
    *,
    dtype: DType | None = None,
    device: object = None,
) -> Any:
    """Return base ** x for `steps` evenly spaced x from `start` to `end`, both included."""
    exponents = linspace(start, end, steps, dtype=float64, device=device)
    return as_dtype(pow_(float(base), exponents), dtype or get_default_dtype())


@composite(
    "eye",
    samples=fixed(((), {"n": 3, "m": 3, "dtype": float32}), ((), {"n": 2, "m": 4, "dtype": int64})),
)
def eye_op(*, n: Dim, m: Dim, dtype: DType, device: str = "cpu") -> Any:
    # Not by `arange`, which can't tell that sizes are not negative; `eye` has seen to that.
    rows, columns = (
        apply(arange_op, start=0, step=1, length=size, dtype=int64, **placed(device))
        for size in (n, m)
    )
    return as_dtype(reshape(rows, n, 1) == columns, dtype)


def eye(n: Any, m: Any = None, *, dtype: DType | None = None, device: object = None) -> Any:
    """Return a matrix with ones on the diagonal and zeros elsewhere."""
    place = placed(device)
    for name, size in (("n", n), ("m", n if m is None else m)):
        if at_least(size, 0) is False:
            raise ShapeMismatch(f"{name} must be greater or equal to 0, got {size}")
    m = n if m is None else m
    return apply(eye_op, n=n, m=m, dtype=dtype or get_default_dtype(), **place)


@function()
def meshgrid(*tensors: Any, indexing: str = "ij") -> tuple[Any, ...]:
    """Return the coordinates of a grid: one view per vector, each of the grid's shape.

    With `indexing="xy"` the first two dimensions change places, as NumPy has it by default.
    """
    if indexing not in ("ij", "xy"):
        raise TypeMismatch(
            "torch.meshgrid: indexing must be one of 'xy' or 'ij', but received: " + indexing
        )
    vectors = shape_of(tensors)
    if any(v.ndim > 1 for v in vectors):
        raise ShapeMismatch("torch.meshgrid: Expected 0D or 1D tensor in the tensor list")
    order = list(range(len(vectors)))
    if indexing == "xy" and len(order) > 1:
        order[:2] = [1, 0]
    lengths = [v.shape[0] if v.ndim else 1 for v in vectors]
    shape = tuple(lengths[i] for i in order)
    out = []
    for i, v in enumerate(vectors):
        ones_but_one = [lengths[i] if j == order.index(i) else 1 for j in range(len(order))]
        out.append(expand(reshape(v, *ones_but_one), *shape))
    return tuple(out)
