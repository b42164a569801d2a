"""Similarity of vectors, and the losses made of it."""

from __future__ import annotations

from typing import Any

from jitorch.dispatch import apply
from jitorch.ir.shapes import axis, broadcast
from jitorch.ops.elementary import sqrt
from jitorch.ops.elementwise import maximum, sub
from jitorch.ops.families import composite, function
from jitorch.ops.losses import checked_reduction, reduced_loss
from jitorch.ops.reduce import sum_op
from jitorch.ops.samples import ramp
from jitorch.ops.select import clamp, filling, where

__all__ = [
    "cosine_embedding_loss", "cosine_similarity", "hinge_embedding_loss", "margin_ranking_loss",
    "pairwise_distance", "triplet_margin_loss",
]  # fmt: skip


@composite(
    "cosine_similarity",
    samples=lambda: [((ramp(3, 4), ramp(3, 4) + 1), {"dim": 1, "eps": 1e-8})],
)
def cosine_similarity_op(x: Any, y: Any, *, dim: int, eps: float) -> Any:
    def total(v: Any) -> Any:
        return apply(sum_op, v, dim=(dim,), keepdim=False)

    sizes = maximum(sqrt(total(x * x)), eps) * maximum(sqrt(total(y * y)), eps)
    return total(x * y) / sizes


@function()
def cosine_similarity(x1: Any, x2: Any, dim: int = 1, eps: float = 1e-8) -> Any:
    """Return the cosine of the angle between vectors along `dim`; the inputs broadcast."""
    shape = broadcast(tuple(x1.shape), tuple(x2.shape))
    a, b = x1.expand(*shape), x2.expand(*shape)
    return apply(cosine_similarity_op, a, b, dim=axis(dim, len(shape)), eps=eps)


@function()
def pairwise_distance(
    x1: Any, x2: Any, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Any:
    """Return the p-norm of x1 - x2 + eps along the last dimension."""
    return (sub(x1, x2) + eps).norm(p, -1, keepdim)


@function()
def cosine_embedding_loss(
    input1: Any, input2: Any, target: Any, margin: float = 0.0, reduction: str = "mean"
) -> Any:
    """Return 1 - cos where the target is 1, and max(0, cos - margin) where it is -1."""
    cosine = cosine_similarity(input1, input2, dim=-1)
    loss = where(target == 1, 1 - cosine, clamp(cosine - margin, min=0))
    return reduced_loss(loss, checked_reduction(reduction))


@function()
def hinge_embedding_loss(
    input: Any, target: Any, margin: float = 1.0, reduction: str = "mean"
) -> Any:
    """Return x where the target is 1, and max(0, margin - x) where it is -1."""
    zero = filling(0, input.dtype)
    alike = where(target != -1, input, zero)
    unlike = where(target != 1, clamp(margin - input, min=0), zero)
    return reduced_loss(alike + unlike, checked_reduction(reduction))


@function()
def margin_ranking_loss(
    input1: Any, input2: Any, target: Any, margin: float = 0.0, reduction: str = "mean"
) -> Any:
    """Return max(0, -target * (input1 - input2) + margin)."""
    loss = clamp(-target * sub(input1, input2) + margin, min=0)
    return reduced_loss(loss, checked_reduction(reduction))


@function()
def triplet_margin_loss(
    anchor: Any,
    positive: Any,
    negative: Any,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Any:
    """Return max(0, margin + d(anchor, positive) - d(anchor, negative)), d `pairwise_distance`."""
    near = pairwise_distance(anchor, positive, p, eps)
    far = pairwise_distance(anchor, negative, p, eps)
    return reduced_loss(clamp(margin + near - far, min=0), checked_reduction(reduction))
