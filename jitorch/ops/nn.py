"""Softmax and normalisation, composed of other ops."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from jitorch.dispatch import apply
from jitorch.errors import ShapeMismatch, TypeMismatch
from jitorch.ir.dims import Dim, equal
from jitorch.ir.shapes import axis, show
from jitorch.ir.types import DType, int64
from jitorch.ops.create import arange
from jitorch.ops.elementary import exp, log, rsqrt, sqrt
from jitorch.ops.elementwise import add, div, maximum, mul, square, sub
from jitorch.ops.families import as_dtype, composite, function
from jitorch.ops.keys import getitem
from jitorch.ops.reduce import peak_op, sum_op
from jitorch.ops.samples import ramp, special, strided
from jitorch.ops.shape import reshape
from jitorch.ops.statistics import mean_op, norm

__all__ = [
    "batch_norm", "embedding", "group_norm", "instance_norm", "layer_norm", "log_softmax",
    "normalize", "one_hot", "rms_norm", "softmax", "softmin",
]  # fmt: skip


def _rows() -> list[Any]:
    cases = (special().reshape(1, 11)[:, :8], ramp(2, 5), strided(), ramp(3, 4, dtype=np.float16))
    return [((x,), {"dim": 1}) for x in cases] + [((ramp(2, 3, 4),), {"dim": 0})]


@composite("softmax", samples=_rows)
def softmax_op(x: Any, *, dim: int) -> Any:
    e = exp(sub(x, apply(peak_op, x, dim=(dim,), keepdim=True)))
    return div(e, apply(sum_op, e, dim=(dim,), keepdim=True))


@composite("log_softmax", samples=_rows)
def log_softmax_op(x: Any, *, dim: int) -> Any:
    centred = sub(x, apply(peak_op, x, dim=(dim,), keepdim=True))
    return sub(centred, log(apply(sum_op, exp(centred), dim=(dim,), keepdim=True)))


def _float(name: str, x: Any, dtype: DType | None = None) -> Any:
    x = as_dtype(x, dtype)
    if x.dtype.kind != "float":
        raise TypeMismatch(
            f'"{name}" not implemented for {x.dtype.name} tensors', hint="convert first: x.float()"
        )
    return x


@function("softmax")
def softmax(input: Any, dim: int, *, dtype: DType | None = None) -> Any:
    """Return exp(x) / sum(exp(x)) along `dim`, without overflow.

    >>> jt.softmax(jt.tensor([0., 0.]), dim=0)
    tensor([0.5000, 0.5000])
    """
    x = _float("softmax", input, dtype)
    return x - x + 1 if x.ndim == 0 else apply(softmax_op, x, dim=axis(dim, x.ndim))


@function("log_softmax")
def log_softmax(input: Any, dim: int, *, dtype: DType | None = None) -> Any:
    """Return log(softmax(x)) along `dim`, without overflow."""
    x = _float("log_softmax", input, dtype)
    return x - x if x.ndim == 0 else apply(log_softmax_op, x, dim=axis(dim, x.ndim))


@function()
def softmin(input: Any, dim: int, *, dtype: DType | None = None) -> Any:
    """Return softmax(-x) along `dim`."""
    return softmax(-input, dim, dtype=dtype)


# Normalisation.


def _affine(x: Any, parameters: Sequence[Any]) -> Any:
    """Return x * weight + bias, for as many of the two as there are."""
    if not parameters:
        return x
    scaled = mul(x, parameters[0])
    return add(scaled, parameters[1]) if len(parameters) > 1 else scaled


def _norm_samples() -> list[Any]:
    attrs = {"dims": (1,), "eps": 1e-5}
    return [
        ((ramp(3, 4),), attrs),
        ((strided(), ramp(3, dtype=np.float64)), attrs),
        ((ramp(2, 4, dtype=np.float16),), attrs),
    ]


@composite("layer_norm", samples=_norm_samples)
def layer_norm_op(x: Any, *affine: Any, dims: tuple[int, ...], eps: float) -> Any:
    centred = sub(x, apply(mean_op, x, dim=dims, keepdim=True))
    variance = apply(mean_op, square(centred), dim=dims, keepdim=True)
    return _affine(mul(centred, rsqrt(variance + eps)), affine)


@composite("rms_norm", samples=_norm_samples)
def rms_norm_op(x: Any, *affine: Any, dims: tuple[int, ...], eps: float) -> Any:
    return _affine(mul(x, rsqrt(apply(mean_op, square(x), dim=dims, keepdim=True) + eps)), affine)


def _last_dims(name: str, x: Any, normalized_shape: Any) -> tuple[int, ...]:
    """Return the numbers of the last dimensions, which must have the sizes given."""
    sizes = normalized_shape if isinstance(normalized_shape, (tuple, list)) else (normalized_shape,)
    first = x.ndim - len(sizes)
    if first < 0 or not all(map(equal, x.shape[first:], sizes)):
        shown = ", ".join(["*", *map(str, sizes)])
        raise ShapeMismatch(
            f"Given normalized_shape={show(sizes)}, expected input with shape [{shown}], but got "
            f"input of size{show(x.shape)}"
        )
    return tuple(range(first, x.ndim))


def _parameters(name: str, weight: Any, bias: Any, ones: Any) -> tuple[Any, ...]:
    if bias is not None and weight is None:
        return (ones, bias)
    return tuple(p for p in (weight, bias) if p is not None)


@function()
def layer_norm(
    input: Any, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Any:
    """Return the input normalised over its last dimensions to mean 0 and variance 1.

    Scaled by `weight` and shifted by `bias`, of those dimensions' shape (Ba et al.,
    arXiv:1607.06450).
    """
    x = _float("layer_norm", input)
    dims = _last_dims("layer_norm", x, normalized_shape)
    affine = _parameters("layer_norm", weight, bias, bias * 0 + 1 if bias is not None else None)
    return apply(layer_norm_op, x, *affine, dims=dims, eps=eps)


@function()
def rms_norm(
    input: Any, normalized_shape: Any, weight: Any = None, eps: float | None = None
) -> Any:
    """Return the input divided by its root mean square over its last dimensions.

    `eps` is that of the dtype by default (Zhang and Sennrich, arXiv:1910.07467).
    """
    x = _float("rms_norm", input)
    dims = _last_dims("rms_norm", x, normalized_shape)
    small = float(np.finfo(x.dtype.numpy).eps) if eps is None else eps
    return apply(rms_norm_op, x, *(() if weight is None else (weight,)), dims=dims, eps=small)


def _channels(parameter: Any, ndim: int) -> Any:
    """Return a per-channel vector in the shape that broadcasts against (N, C, ...)."""
    return reshape(parameter, -1, *[1] * (ndim - 2))


@function()
def batch_norm(
    input: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    """Return (x - mean) / sqrt(var + eps) * weight + bias per channel (dimension 1).

    With `training` the statistics are the batch's own (the running ones are not updated).
    """
    x = _float("batch_norm", input)
    if training:
        dims = (0, *range(2, x.ndim))
        centre = apply(mean_op, x, dim=dims, keepdim=True)
        spread = apply(mean_op, square(sub(x, centre)), dim=dims, keepdim=True)
    else:
        centre, spread = _channels(running_mean, x.ndim), _channels(running_var, x.ndim)
    out = div(sub(x, centre), sqrt(spread + eps))
    out = out if weight is None else mul(out, _channels(weight, x.ndim))
    return out if bias is None else add(out, _channels(bias, x.ndim))


@function()
def group_norm(
    input: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Any:
    """Return the input normalised over groups of channels (Wu and He, arXiv:1803.08494)."""
    x = _float("group_norm", input)
    n, c, *rest = x.shape
    if not equal(c % num_groups, 0):
        raise ShapeMismatch(
            "Expected number of channels in input to be divisible by num_groups, but got input of "
            f"shape {show(x.shape)} and num_groups={num_groups}"
        )
    grouped = reshape(x, n, num_groups, -1)
    out = reshape(apply(layer_norm_op, grouped, dims=(2,), eps=eps), n, c, *rest)
    out = out if weight is None else mul(out, _channels(weight, x.ndim))
    return out if bias is None else add(out, _channels(bias, x.ndim))


@function()
def instance_norm(input: Any, *, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    """Return the input normalised over each channel of each sample (arXiv:1607.08022)."""
    x = _float("instance_norm", input)
    out = apply(layer_norm_op, x, dims=tuple(range(2, x.ndim)), eps=eps)
    out = out if weight is None else mul(out, _channels(weight, x.ndim))
    return out if bias is None else add(out, _channels(bias, x.ndim))


@function()
def normalize(input: Any, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Any:
    """Return the input divided by its p-norm along `dim` (or by `eps` if that is larger)."""
    return div(input, maximum(norm(input, p, dim, True), eps))


@function()
def one_hot(tensor: Any, num_classes: Dim = -1) -> Any:
    """Return int64 vectors with a 1 where the class number says and 0 elsewhere.

    Without a number of classes it is the largest number in the tensor plus one.
    """
    if num_classes == -1:
        num_classes = int(tensor.max()) + 1
    return as_dtype(tensor.unsqueeze(-1) == arange(num_classes, device=tensor.device), int64)


@function()
def embedding(input: Any, weight: Any) -> Any:
    """Return the rows of `weight` that the indices name."""
    return getitem(weight, input)
