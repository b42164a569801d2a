"""Loss functions of classes: what the log probability of the right one falls short of 0."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from jitorch.dispatch import apply
from jitorch.errors import ShapeMismatch, TypeMismatch
from jitorch.ir.dims import equal
from jitorch.ir.shapes import show
from jitorch.ops.elementary import exp, log
from jitorch.ops.elementwise import div, mul, ne, sub
from jitorch.ops.families import as_dtype, composite, function
from jitorch.ops.gather import gather_op
from jitorch.ops.keys import getitem
from jitorch.ops.losses import checked_reduction, reduced_loss
from jitorch.ops.nn import log_softmax_op
from jitorch.ops.reduce import peak_op, sum_op
from jitorch.ops.samples import ramp
from jitorch.ops.select import filling, where
from jitorch.ops.shape import squeeze, unsqueeze

__all__ = ["cross_entropy", "nll_loss"]


def _class_samples() -> list[Any]:
    labels = np.array([1, 0, -100])
    attrs = {"reduction": "mean", "ignore_index": -100}
    return [
        ((ramp(3, 4), labels), attrs),
        ((ramp(3, 4), labels, ramp(4)), {**attrs, "reduction": "sum"}),
        ((ramp(2, 3, 5), np.zeros((2, 5), np.int64)), {**attrs, "reduction": "none"}),
        ((ramp(4), np.array(2)), attrs),
    ]


@composite("nll_loss", samples=_class_samples)
def nll_loss_op(x: Any, target: Any, *weights: Any, reduction: str, ignore_index: int) -> Any:
    at = 1 if x.ndim > 1 else 0
    return _likelihood(lambda k: _of_class(x, k, at), target, weights, reduction, ignore_index)


def _of_class(x: Any, labels: Any, at: int) -> Any:
    return squeeze(apply(gather_op, x, unsqueeze(labels, at), dim=at), at)


def _likelihood(
    score: Callable[[Any], Any], target: Any, weights: Any, reduction: str, ignore_index: int
) -> Any:
    """Return the negative log likelihood, where `score` gives the log probabilities of classes."""
    kept = ne(target, ignore_index)
    labels = where(kept, target, 0)  # an ignored label need not be a class
    picked = score(labels)
    weight = as_dtype(kept, picked.dtype)
    if weights:
        weight = mul(weight, getitem(weights[0], labels))
    losses = where(kept, -picked * weight, 0.0)
    if reduction != "mean":
        return reduced_loss(losses, reduction)
    return reduced_loss(losses, "sum") / reduced_loss(weight, "sum")


def _check_classes(x: Any, target: Any) -> None:
    batch = x.shape[:1] if x.ndim > 1 else ()
    wanted = (*batch, *x.shape[2:])
    if target.ndim and batch and not equal(batch[0], target.shape[0]):
        raise ShapeMismatch(
            f"Expected input batch_size ({batch[0]}) to match target batch_size "
            f"({target.shape[0]})."
        )
    if target.ndim != len(wanted) or not all(map(equal, wanted, target.shape)):
        raise ShapeMismatch(f"Expected target size {show(wanted)}, got {show(target.shape)}")
    if target.dtype.kind != "int":
        raise TypeMismatch(f"expected class numbers as integers, got {target.dtype.name}")


@function()
def nll_loss(
    input: Any,
    target: Any,
    weight: Any = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Any:
    """Return -input[i, target[i]]: the negative log likelihood of classes.

    The input holds log probabilities, (N, C) or (N, C, d1, ...); the target class numbers, (N) or
    (N, d1, ...). Targets equal to `ignore_index` do not count; `weight` weighs the classes, and the
    mean is over the weights.
    """
    _check_classes(input, target)
    weights = () if weight is None else (weight,)
    attrs = {"reduction": checked_reduction(reduction), "ignore_index": ignore_index}
    return apply(nll_loss_op, input, target, *weights, **attrs)


def _entropy_samples() -> list[Any]:
    attrs = {"label_smoothing": 0.0}
    hard = [(args, {**a, **attrs}) for args, a in _class_samples()]
    smooth = (hard[0][0], {**hard[0][1], "label_smoothing": 0.1})
    soft = ((ramp(3, 4), np.full((3, 4), 0.25, np.float32)), hard[0][1])
    return [*hard, smooth, soft]


@composite("cross_entropy", samples=_entropy_samples)
def cross_entropy_op(
    x: Any,
    target: Any,
    *weights: Any,
    reduction: str,
    ignore_index: int,
    label_smoothing: float,
) -> Any:
    at = 1 if x.ndim > 1 else 0
    if target.dtype.kind == "float":
        scores = apply(log_softmax_op, x, dim=at)
        return _soft_cross_entropy(scores, target, weights, reduction, label_smoothing, at)

    def score(labels: Any) -> Any:
        """Return what `log_softmax` has for the labels, without the rest of it."""
        top = apply(peak_op, x, dim=(at,), keepdim=True)
        total = apply(sum_op, exp(sub(x, top)), dim=(at,), keepdim=False)
        return sub(sub(_of_class(x, labels, at), squeeze(top, at)), log(total))

    loss = _likelihood(score, target, weights, reduction, ignore_index)
    if label_smoothing == 0:
        return loss
    scores = apply(log_softmax_op, x, dim=at)
    kept = ne(target, ignore_index)
    weighted = mul(scores, _per_class(weights[0], scores.ndim)) if weights else scores
    even = where(kept, -apply(sum_op, weighted, dim=(at,), keepdim=False), 0.0)
    if reduction == "mean":
        labels = where(kept, target, 0)
        weight = getitem(weights[0], labels) if weights else filling(1.0, x.dtype)
        even = reduced_loss(even, "sum") / reduced_loss(where(kept, weight, 0.0), "sum")
    else:
        even = reduced_loss(even, reduction)
    return (1 - label_smoothing) * loss + label_smoothing * div(even, x.shape[at])


def _per_class(weight: Any, ndim: int) -> Any:
    return weight.reshape(-1, *[1] * (ndim - 2)) if ndim > 2 else weight


def _soft_cross_entropy(
    scores: Any, target: Any, weights: Any, reduction: str, smoothing: float, at: int
) -> Any:
    if smoothing:
        share = div(filling(smoothing, scores.dtype), scores.shape[at])
        target = target * (1 - smoothing) + share
    if weights:
        target = mul(target, _per_class(weights[0], scores.ndim))
    losses = -apply(sum_op, mul(scores, target), dim=(at,), keepdim=False)
    if reduction == "mean" and losses.ndim:
        total = reduced_loss(losses, "sum")
        for size in losses.shape:
            total = div(total, size)
        return total
    return reduced_loss(losses, reduction)


@function()
def cross_entropy(
    input: Any,
    target: Any,
    weight: Any = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Any:
    """Return -log(softmax(input)) of the target classes.

    The input holds scores, (C), (N, C) or (N, C, d1, ...); the target class numbers, as in
    `nll_loss`, or probabilities of the input's shape. `label_smoothing` mixes the target with the
    uniform distribution.

    >>> jt.cross_entropy(jt.zeros(2, 4), jt.tensor([0, 3]))
    tensor(1.3863)
    """
    if target.dtype.kind != "float":
        _check_classes(input, target)
    weights = () if weight is None else (weight,)
    return apply(
        cross_entropy_op,
        input,
        target,
        *weights,
        reduction=checked_reduction(reduction),
        ignore_index=ignore_index,
        label_smoothing=label_smoothing,
    )
