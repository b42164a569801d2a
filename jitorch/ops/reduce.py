"""Reductions: folds over dimensions. `statistics` has what is composed of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from jitorch.dispatch import apply
from jitorch.errors import IndexOutOfRange, TypeMismatch
from jitorch.ir import dims as D
from jitorch.ir.opdef import OpDef, Reduce, register
from jitorch.ir.shapes import axes, reduced
from jitorch.ir.types import DType, TensorType, Type, bool_, int64, uint8
from jitorch.ops.families import as_dtype, function, tensor_type
from jitorch.ops.samples import Samples, extremes, fixed, ramp, special, strided

__all__ = [
    "amax", "amin", "aminmax", "prod",
]  # fmt: skip

Dims = tuple[int, ...]

# Folds.


def extreme_samples() -> list[Any]:
    return [
        ((special().reshape(1, -1),), {"dim": (0, 1), "keepdim": False}),
        ((ramp(2, 3, 4),), {"dim": (1,), "keepdim": True}),
        ((strided(),), {"dim": (0,), "keepdim": False}),
        ((ramp(2, 3, 4, dtype="float16"),), {"dim": (0, 2), "keepdim": False}),
        ((extremes(),), {"dim": (0,), "keepdim": False}),
        ((ramp(2, 3, dtype="bool"),), {"dim": (1,), "keepdim": False}),
        ((ramp(0, 3),), {"dim": (1,), "keepdim": False}),
        ((ramp(),), {"dim": (), "keepdim": False}),
    ]


def fold_samples(**extra: Any) -> Samples:
    """Return samples of a fold that has a result for no elements, with `extra` attributes."""
    nothing = (ramp(0, 3),), {"dim": (0,), "keepdim": True}
    return lambda: [(args, {**attrs, **extra}) for args, attrs in [*extreme_samples(), nothing]]


def _reduction(name: str, eager: Any, fold: Reduce, result: Any = lambda d: d) -> OpDef:
    """Register a reduction over `dim` (a sorted tuple of dimension numbers)."""

    def infer(x: Type, *, dim: Dims, keepdim: bool) -> Type:
        t = tensor_type(x, name)
        return TensorType(result(t.dtype), reduced(t.shape, dim, keepdim), device=t.device)

    def run(xp: Any, x: Any, *, dim: Dims, keepdim: bool) -> Any:
        return eager(xp, x, dim, keepdim)

    return register(OpDef(name=name, eager=run, infer=infer, reduce=fold, samples=fold_samples()))


# Folds that need an element.


def require_elements(name: str, shape: D.Shape, dim: Dims) -> None:
    """Raise if a reduction that needs an element (a maximum) would meet none."""
    for d in dim:
        if shape[d] == 0:
            raise IndexOutOfRange(nothing_to_fold(name, len(shape), len(dim), d))


def nothing_to_fold(name: str, ndim: int, folded: int, d: int) -> str:
    """Return the message for a fold of `folded` out of `ndim` dimensions, of which `d` is empty."""
    if folded == ndim:
        return (
            f"{name}(): Expected reduction dim to be specified for input.numel() == 0. "
            "Specify the reduction dim with the 'dim' argument."
        )
    return f"{name}(): Expected reduction dim {d} to have non-zero size."


def _required(xp: Any, *, name: str, shape: tuple[int, ...], dim: Dims) -> tuple[()]:
    require_elements(name, shape, dim)
    return ()


# The run-time check that a fold which stands for the op `name` has something to fold.
required_op = register(
    OpDef(
        name="require_elements",
        eager=_required,
        infer=lambda *, name, shape, dim: (),
        pure=False,
        samples=fixed(((), {"name": "amax", "shape": (2, 0, 3), "dim": (0, 2)})),
    )
)


def _extreme(name: str, fold: OpDef) -> OpDef:
    """Register a maximum or minimum: a fold that is refused where it has nothing to fold."""

    def infer(x: Type, *, dim: Dims, keepdim: bool) -> Type:
        t = tensor_type(x, name)
        require_elements(name, t.shape, dim)
        return TensorType(t.dtype, reduced(t.shape, dim, keepdim), device=t.device)

    def run(xp: Any, x: Any, *, dim: Dims, keepdim: bool) -> Any:
        require_elements(name, x.shape, dim)
        return getattr(xp, name)(x, axis=dim, keepdims=keepdim)

    def lowered(x: Any, *, dim: Dims, keepdim: bool) -> Any:
        check_elements(name, x, dim)
        return apply(fold, x, dim=dim, keepdim=keepdim)

    return register(
        OpDef(name=name, eager=run, infer=infer, lowered=lowered, samples=extreme_samples)
    )


def check_elements(name: str, x: Any, dim: Dims) -> None:
    """Have checked that a fold has something to fold, if the sizes do not tell."""
    unknown = tuple(d for d in dim if not isinstance(x.shape[d], int))
    if unknown:
        apply(required_op, name=name, shape=tuple(x.shape), dim=dim)


def _lowest(dtype: DType) -> str:
    return {"float": "-INF", "bool": "False"}.get(dtype.kind) or str(_limits(dtype)[0])


def _least(dtype: np.dtype[Any]) -> Any:
    if dtype.kind == "f":
        return -np.inf
    return False if dtype.kind == "b" else np.iinfo(dtype).min


def _greatest(dtype: np.dtype[Any]) -> Any:
    if dtype.kind == "f":
        return np.inf
    return True if dtype.kind == "b" else np.iinfo(dtype).max


def _highest(dtype: DType) -> str:
    return {"float": "INF", "bool": "True"}.get(dtype.kind) or str(_limits(dtype)[1])


def _limits(dtype: DType) -> tuple[int, int]:
    bits = 8 * dtype.itemsize
    return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if dtype.is_signed else (0, 2**bits - 1)


def _accumulate(fold: str) -> Callable[..., Any]:
    """Return NumPy's fold in the dtype of its input; half precision accumulates in single."""

    def run(xp: Any, x: Any, dim: Dims, keepdim: bool) -> Any:
        wide = xp.float32 if x.dtype == xp.float16 else x.dtype
        out = getattr(xp, fold)(x, axis=dim, keepdims=keepdim, dtype=wide)
        return out.astype(x.dtype)

    return run


_STEPS = {
    "sum": {"float": "racc_add({acc}, {x})", "bool": "{acc} | {x}"},
    "prod": {"float": "racc_mul({acc}, {x})", "bool": "{acc} & {x}"},
}

sum_op = _reduction(
    "sum",
    _accumulate("sum"),
    Reduce(
        init=lambda d: "0",
        step=lambda d: _STEPS["sum"].get(d.kind, "{acc} + {x}"),
    ),
)
prod_op = _reduction(
    "prod",
    _accumulate("prod"),
    Reduce(
        init=lambda d: "1",
        step=lambda d: _STEPS["prod"].get(d.kind, "{acc} * {x}"),
    ),
)


def _or(fold: str, nothing: Callable[[np.dtype[Any]], Any]) -> Callable[..., Any]:
    """Return NumPy's fold, which gives `nothing` of the dtype for no elements."""

    def run(xp: Any, x: Any, dim: Dims, keepdim: bool) -> Any:
        if x.size:
            return getattr(xp, fold)(x, axis=dim, keepdims=keepdim)
        return xp.full(reduced(x.shape, dim, keepdim), nothing(x.dtype), x.dtype)

    return run


# As `amax` and `amin`, but nothing has the lowest, the highest of all numbers: for ops that have a
# result then.
peak_op = _reduction(
    "peak",
    _or("amax", _least),
    Reduce(
        init=_lowest,
        step=lambda d: "{acc} | {x}" if d.kind == "bool" else "racc_max({acc}, {x})",
    ),
)
trough_op = _reduction(
    "trough",
    _or("amin", _greatest),
    Reduce(
        init=_highest,
        step=lambda d: "{acc} & {x}" if d.kind == "bool" else "racc_min({acc}, {x})",
    ),
)
amax_op = _extreme("amax", peak_op)
amin_op = _extreme("amin", trough_op)
any_op = _reduction(
    "any",
    lambda xp, x, dim, keepdim: xp.any(x, axis=dim, keepdims=keepdim),
    Reduce(init=lambda d: "False", step=lambda d: "{acc} | ({x} != 0)"),
    lambda d: bool_,
)
all_op = _reduction(
    "all",
    lambda xp, x, dim, keepdim: xp.all(x, axis=dim, keepdims=keepdim),
    Reduce(init=lambda d: "True", step=lambda d: "{acc} & ({x} != 0)"),
    lambda d: bool_,
)


# The public functions.


def _summable(x: Any, dtype: DType | None) -> Any:
    """Booleans and integers sum in int64."""
    if dtype is None and x.dtype.kind in ("bool", "int"):
        dtype = int64
    return as_dtype(x, dtype)


@function("sum")
def sum_(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: DType | None = None) -> Any:
    """Return the sum over `dim` (an int, a tuple, or None for all). Integers sum in int64.

    >>> jt.tensor([[1, 2], [3, 4]]).sum(0)
    tensor([4, 6])
    """
    x = _summable(input, dtype)
    return apply(sum_op, x, dim=axes(dim, x.ndim), keepdim=keepdim)


@function("prod")
def prod(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: DType | None = None) -> Any:
    """Return the product over `dim` (None for all). Integers multiply in int64."""
    x = _summable(input, dtype)
    return apply(prod_op, x, dim=axes(dim, x.ndim), keepdim=keepdim)


def ordered(x: Any, name: str) -> None:
    """Raise for complex numbers."""
    if x.dtype.is_complex:
        raise TypeMismatch(f"{name}(): complex numbers have no order", hint="use x.abs()")


@function("amax")
def amax(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """Return the maximum over `dim` (None for all); NaN if any element is."""
    ordered(input, "amax")
    return apply(amax_op, input, dim=axes(dim, input.ndim), keepdim=keepdim)


@function("amin")
def amin(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """Return the minimum over `dim` (None for all); NaN if any element is."""
    ordered(input, "amin")
    return apply(amin_op, input, dim=axes(dim, input.ndim), keepdim=keepdim)


@function("aminmax")
def aminmax(input: Any, *, dim: int | None = None, keepdim: bool = False) -> MinMax:
    """Return (min, max) over `dim` (None for all)."""
    return MinMax(amin(input, dim, keepdim), amax(input, dim, keepdim))


class MinMax(NamedTuple):
    """The smallest and the largest."""

    min: Any
    max: Any


def _truth(op: OpDef, x: Any, dim: Any, keepdim: bool) -> Any:
    out = apply(op, x, dim=axes(dim, x.ndim), keepdim=keepdim)
    return as_dtype(out, uint8) if x.dtype is uint8 else out  # as PyTorch does


@function("any")
def any_(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """Return whether any element over `dim` is true (as uint8 for uint8)."""
    return _truth(any_op, input, dim, keepdim)


@function("all")
def all_(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """Return whether all elements over `dim` are true (as uint8 for uint8)."""
    return _truth(all_op, input, dim, keepdim)
