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
from jitorch.ops.elementwise import abs_, div, maximum, mul, square, sub
from jitorch.ops.families import composite, function
from jitorch.ops.reduce import sum_op
from jitorch.ops.samples import Samples, ramp, strided
from jitorch.ops.select import where, xlogy
from jitorch.ops.statistics import mean_op

__all__ = [
    "binary_cross_entropy", "binary_cross_entropy_with_logits", "gaussian_nll_loss", "huber_loss",
    "kl_div", "l1_loss", "mse_loss", "poisson_nll_loss", "smooth_l1_loss",
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


# Truth and distributions.


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
