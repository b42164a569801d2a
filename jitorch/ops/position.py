"""Where along a dimension extremes stand, and extremes together with that."""

from __future__ import annotations

from typing import Any, NamedTuple

from jitorch.dispatch import apply
from jitorch.ir.opdef import OpDef, register
from jitorch.ir.shapes import axis, reduced
from jitorch.ir.types import TensorType, Type, int64
from jitorch.ops.create import positions
from jitorch.ops.elementwise import maximum, minimum
from jitorch.ops.families import function, tensor_type
from jitorch.ops.reduce import (
    amax,
    amin,
    check_elements,
    ordered,
    peak_op,
    require_elements,
    trough_op,
)
from jitorch.ops.samples import ramp, special, strided
from jitorch.ops.select import where
from jitorch.ops.shape import flatten, reshape, unsqueeze

__all__ = ["argmax", "argmin"]

# An index that no tensor has.
_NOWHERE = 2**62


def _position(name: str, fold: OpDef) -> OpDef:
    """Register the op that finds where along one dimension an extreme stands."""

    def infer(x: Type, *, dim: int, keepdim: bool) -> Type:
        t = tensor_type(x, name)
        if not t.ndim:
            return TensorType(int64, (), device=t.device)
        require_elements(name, t.shape, (dim,))
        return TensorType(int64, reduced(t.shape, (dim,), keepdim), device=t.device)

    def run(xp: Any, x: Any, *, dim: int, keepdim: bool) -> Any:
        if x.ndim == 0:
            return xp.zeros((), xp.int64)
        require_elements(name, x.shape, (dim,))
        return getattr(xp, name)(x, axis=dim, keepdims=keepdim)

    def samples() -> list[Any]:
        return [
            ((special(),), {"dim": 0, "keepdim": False}),
            ((strided(),), {"dim": 1, "keepdim": True}),
            ((ramp(2, 3, 4, dtype="int64") % 3,), {"dim": 1, "keepdim": False}),
            ((ramp(0, 3),), {"dim": 1, "keepdim": False}),
            ((ramp(),), {"dim": 0, "keepdim": False}),
        ]

    def lowered(x: Any, *, dim: int, keepdim: bool) -> Any:
        """Return the least index of an element that is the extreme, or NaN."""
        if x.ndim == 0 or x.dtype.is_complex:
            return None
        check_elements(name, x, (dim,))
        found = x == apply(fold, x, dim=(dim,), keepdim=True)
        if x.dtype.is_floating_point:
            found = found | (x != x)
        place = positions(x.shape[dim], device=x.device)
        for _ in range(dim + 1, x.ndim):
            place = unsqueeze(place, -1)
        return apply(trough_op, where(found, place, _NOWHERE), dim=(dim,), keepdim=keepdim)

    return register(OpDef(name=name, eager=run, infer=infer, lowered=lowered, samples=samples))


argmax_op = _position("argmax", peak_op)
argmin_op = _position("argmin", trough_op)


def _arg(op: OpDef, x: Any, dim: Any, keepdim: bool) -> Any:
    ordered(x, op.name)
    if dim is None:
        found = apply(op, flatten(x), dim=0, keepdim=False)
        return reshape(found, *[1] * x.ndim) if keepdim else found
    return apply(op, x, dim=axis(dim, x.ndim), keepdim=keepdim)


@function("argmax")
def argmax(input: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """Return the index of the first maximum over `dim`; without one, of the flattened tensor.

    NaN counts as the largest.
    """
    return _arg(argmax_op, input, dim, keepdim)


@function("argmin")
def argmin(input: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """Return the index of the first minimum over `dim`; without one, of the flattened tensor.

    NaN counts as the smallest.
    """
    return _arg(argmin_op, input, dim, keepdim)


class Found(NamedTuple):
    """Values picked along a dimension, and where they stood."""

    values: Any
    indices: Any


@function("max")
def max_(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """Return the maximum of all elements; with an int `dim`, (values, indices) along it.

    With a second tensor in place of `dim`, the elementwise `maximum`.

    >>> values, indices = jt.tensor([[1, 5], [7, 2]]).max(1)
    >>> indices
    tensor([1, 0])
    """
    if dim is None:
        return amax(input)
    if not isinstance(dim, int):
        return maximum(input, dim)
    return Found(amax(input, dim, keepdim), argmax(input, dim, keepdim))


@function("min")
def min_(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """Return the minimum of all elements; with an int `dim`, (values, indices) along it.

    With a second tensor in place of `dim`, the elementwise `minimum`.
    """
    if dim is None:
        return amin(input)
    if not isinstance(dim, int):
        return minimum(input, dim)
    return Found(amin(input, dim, keepdim), argmin(input, dim, keepdim))
