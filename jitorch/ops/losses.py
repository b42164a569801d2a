"""Loss functions, composed of other ops. `reduction` is "mean", "sum" or "none"."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from jitorch.dispatch import apply
from jitorch.errors import ShapeMismatch, TypeMismatch
from jitorch.ir.dims import equal
from jitorch.ir.shapes import show
from jitorch.ops.elementary import exp, log, log1p
from jitorch.ops.elementwise import abs_, div, maximum, mul, ne, square, sub
from jitorch.ops.families import as_dtype, composite, function
from jitorch.ops.gather import gather_op
from jitorch.ops.keys import getitem
from jitorch.ops.nn import log_softmax_op
from jitorch.ops.reduce import peak_op, sum_op
from jitorch.ops.samples import Samples, ramp, strided
from jitorch.ops.select import filling, where, xlogy
from jitorch.ops.shape import squeeze, unsqueeze
from jitorch.ops.statistics import mean_op

__all__ = [
    "binary_cross_entropy", "binary_cross_entropy_with_logits", "cross_entropy",
    "gaussian_nll_loss", "huber_loss", "kl_div", "l1_loss", "mse_loss", "nll_loss",
    "poisson_nll_loss", "smooth_l1_loss",
]  # fmt: skip


def reduced_loss(x: Any, reduction: str) -> Any:
    """Return the losses of single elements as one number, or as they are."""
    everywhere = tuple(range(x.ndim))
    if reduction == "mean":
        return apply(mean_op, x, dim=everywhere, keepdim=False)
    if reduction == "sum":
        return apply(sum_op, x, dim=everywhere, keepdim=False)
    return x


def checked_reduction(reduction: str, *allowed: str) -> str:
    if reduction not in ("mean", "sum", "none", *allowed):
        raise TypeMismatch(
            f"{reduction} is not a valid value for reduction", hint='use "mean", "sum" or "none"'
        )
    return reduction


def _pairs(**attrs: Any) -> Samples:
    """Return samples of two tensors: what was predicted and what was right."""

    def samples() -> list[Any]:
        cases: list[tuple[Any, ...]] = [
            (ramp(3, 4), ramp(3, 4) * 0.5 + 0.1),
            (strided(), ramp(5, 3, dtype=np.float64)),
            (ramp(5, dtype=np.float16), ramp(5, dtype=np.float16) * 0),
        ]
        kinds = ("mean", "sum", "none")
        return [(c, {"reduction": r, **attrs}) for c, r in zip(cases, kinds, strict=True)]

    return samples


def _positive(**attrs: Any) -> Samples:
    """As `_pairs`, with numbers between 0 and 1."""
    squash: Callable[[Any], Any] = lambda x: (np.abs(x) / 5).astype(x.dtype)  # noqa: E731
    return lambda: [(tuple(map(squash, args)), a) for args, a in _pairs(**attrs)()]


# Regression.


@composite("mse_loss", samples=_pairs())
def mse_loss_op(x: Any, target: Any, *, reduction: str) -> Any:
    return reduced_loss(square(sub(x, target)), reduction)


@function()
def mse_loss(input: Any, target: Any, reduction: str = "mean") -> Any:
    """Return the squared error."""
    return apply(mse_loss_op, input, target, reduction=checked_reduction(reduction))


@composite("l1_loss", samples=_pairs())
def l1_loss_op(x: Any, target: Any, *, reduction: str) -> Any:
    return reduced_loss(abs_(sub(x, target)), reduction)


@function()
def l1_loss(input: Any, target: Any, reduction: str = "mean") -> Any:
    """Return the absolute error."""
    return apply(l1_loss_op, input, target, reduction=checked_reduction(reduction))


@composite("smooth_l1_loss", samples=_pairs(beta=0.5))
def smooth_l1_loss_op(x: Any, target: Any, *, reduction: str, beta: float) -> Any:
    error = abs_(sub(x, target))
    if beta == 0:
        return reduced_loss(error, reduction)
    small = square(error) * (0.5 / beta)
    return reduced_loss(where(error < beta, small, error - 0.5 * beta), reduction)


@function()
def smooth_l1_loss(input: Any, target: Any, reduction: str = "mean", beta: float = 1.0) -> Any:
    """Return error**2 / (2 beta) where the error is below `beta`, else error - beta / 2."""
    return apply(
        smooth_l1_loss_op, input, target, reduction=checked_reduction(reduction), beta=beta
    )


@composite("huber_loss", samples=_pairs(delta=0.5))
def huber_loss_op(x: Any, target: Any, *, reduction: str, delta: float) -> Any:
    error = abs_(sub(x, target))
    large = delta * (error - 0.5 * delta)
    return reduced_loss(where(error <= delta, 0.5 * square(error), large), reduction)


@function()
def huber_loss(input: Any, target: Any, reduction: str = "mean", delta: float = 1.0) -> Any:
    """Return error**2 / 2 where the error is below `delta`, else delta * (error - delta / 2).

    Huber, Annals of Statistics 1964.
    """
    return apply(huber_loss_op, input, target, reduction=checked_reduction(reduction), delta=delta)


@function()
def gaussian_nll_loss(
    input: Any,
    target: Any,
    var: Any,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Any:
    """Return the negative log likelihood of the target under normal distributions."""
    spread = maximum(var, eps)
    loss = 0.5 * (log(spread) + square(sub(input, target)) / spread)
    return reduced_loss(
        loss + 0.5 * math.log(2 * math.pi) if full else loss, checked_reduction(reduction)
    )


@function()
def poisson_nll_loss(
    input: Any, target: Any, log_input: bool = True, eps: float = 1e-8, reduction: str = "mean"
) -> Any:
    """Return the negative log likelihood of counts, their rate given as its logarithm."""
    loss = exp(input) - target * input if log_input else input - target * log(input + eps)
    return reduced_loss(loss, checked_reduction(reduction))


# Classification.


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


@composite("binary_cross_entropy", samples=_positive())
def binary_cross_entropy_op(x: Any, target: Any, *weight: Any, reduction: str) -> Any:
    # Logarithms are limited, so that a certain and wrong answer costs 100 and not infinity.
    yes, no = maximum(log(x), -100.0), maximum(log1p(-x), -100.0)
    loss = (target - 1) * no - target * yes
    return reduced_loss(mul(loss, weight[0]) if weight else loss, reduction)


def _same_shape(input: Any, target: Any) -> None:
    a, b = tuple(input.shape), tuple(target.shape)
    if len(a) != len(b) or not all(map(equal, a, b)):
        raise ShapeMismatch(
            f"Using a target size ({show(b)}) that is different to the input size ({show(a)}) is "
            "deprecated. Please ensure they have the same size."
        )


@function()
def binary_cross_entropy(
    input: Any, target: Any, weight: Any = None, reduction: str = "mean"
) -> Any:
    """Return -(y log x + (1 - y) log(1 - x)) of probabilities x and targets y between 0 and 1."""
    _same_shape(input, target)
    parts = () if weight is None else (weight,)
    return apply(
        binary_cross_entropy_op, input, target, *parts, reduction=checked_reduction(reduction)
    )


@composite("binary_cross_entropy_with_logits", samples=_pairs(weighted=False))
def binary_cross_entropy_with_logits_op(
    x: Any, target: Any, *weights: Any, reduction: str, weighted: bool
) -> Any:
    # `weights`: that of the elements if `weighted`, then that of positive answers.
    softened = log1p(exp(-abs_(x))) + maximum(-x, 0)  # log(1 + exp(-x))
    positive = weights[int(weighted) :]
    if positive:
        softened = (1 + (positive[0] - 1) * target) * softened
    loss = (1 - target) * x + softened
    return reduced_loss(mul(loss, weights[0]) if weighted else loss, reduction)


@function()
def binary_cross_entropy_with_logits(
    input: Any,
    target: Any,
    weight: Any = None,
    reduction: str = "mean",
    pos_weight: Any = None,
) -> Any:
    """Return `binary_cross_entropy(sigmoid(input), target)`, without overflow.

    `pos_weight` weighs the positive answers.
    """
    _same_shape(input, target)
    return apply(
        binary_cross_entropy_with_logits_op,
        input,
        target,
        *(p for p in (weight, pos_weight) if p is not None),
        reduction=checked_reduction(reduction),
        weighted=weight is not None,
    )


@composite("kl_div", samples=_positive(log_target=False))
def kl_div_op(x: Any, target: Any, *, reduction: str, log_target: bool) -> Any:
    if log_target:
        loss = exp(target) * sub(target, x)
    else:
        loss = sub(xlogy(target, target), mul(target, x))
    if reduction == "batchmean":
        return div(reduced_loss(loss, "sum"), loss.shape[0])
    return reduced_loss(loss, reduction)


@function()
def kl_div(input: Any, target: Any, reduction: str = "mean", log_target: bool = False) -> Any:
    """Return target * (log(target) - input), the divergence from log probabilities.

    `reduction="batchmean"` divides the sum by the first size, which is the mathematical mean.
    """
    attrs = {"reduction": checked_reduction(reduction, "batchmean"), "log_target": log_target}
    return apply(kl_div_op, input, target, **attrs)
