"""Activations, normalisation and losses, composed of other ops."""

from __future__ import annotations

import math
from typing import Any

from jitorch.dispatch import apply, method
from jitorch.ir.shapes import axis
from jitorch.ops.elementwise import div, erf, exp, log, maximum, mul, rsqrt, sigmoid, square, sub, tanh
from jitorch.ops.families import composite
from jitorch.ops.reduce import amax_op, mean, mean_op, sum, sum_op


@composite("relu", inplace=True)
def relu_op(x: Any) -> Any:
    return maximum(x, 0)


@method()
def relu(x: Any) -> Any:
    """Return max(x, 0)."""
    return apply(relu_op, x)


@composite("gelu")
def gelu_op(x: Any, *, approximate: str) -> Any:
    if approximate == "tanh":
        inner = math.sqrt(2 / math.pi) * (x + 0.044715 * (x * x * x))
        return 0.5 * x * (1 + tanh(inner))
    return 0.5 * x * (1 + erf(x * math.sqrt(0.5)))


def gelu(x: Any, approximate: str = "none") -> Any:
    """Return x * Phi(x), Phi the normal distribution function (Hendrycks and Gimpel, arXiv:1606.08415)."""
    return apply(gelu_op, x, approximate=approximate)


@composite("silu")
def silu_op(x: Any) -> Any:
    return mul(x, sigmoid(x))


def silu(x: Any) -> Any:
    """Return x * sigmoid(x)."""
    return apply(silu_op, x)


@composite("softmax")
def softmax_op(x: Any, *, dim: int) -> Any:
    e = exp(sub(x, apply(amax_op, x, dim=(dim,), keepdim=True)))
    return div(e, apply(sum_op, e, dim=(dim,), keepdim=True))


@method()
def softmax(x: Any, dim: int) -> Any:
    """Return exp(x) / sum(exp(x)) along `dim`."""
    return apply(softmax_op, x, dim=axis(dim, x.ndim))


@composite("log_softmax")
def log_softmax_op(x: Any, *, dim: int) -> Any:
    centred = sub(x, apply(amax_op, x, dim=(dim,), keepdim=True))
    return sub(centred, log(apply(sum_op, exp(centred), dim=(dim,), keepdim=True)))


@method()
def log_softmax(x: Any, dim: int) -> Any:
    """Return log(softmax(x)) along `dim`, without overflow."""
    return apply(log_softmax_op, x, dim=axis(dim, x.ndim))


@composite("layer_norm")
def layer_norm_op(x: Any, *affine: Any, dims: tuple[int, ...], eps: float) -> Any:
    centred = sub(x, apply(mean_op, x, dim=dims, keepdim=True))
    variance = apply(mean_op, square(centred), dim=dims, keepdim=True)
    out = mul(centred, rsqrt(variance + eps))
    for i, parameter in enumerate(affine):
        out = mul(out, parameter) if i == 0 else out + parameter
    return out


def layer_norm(x: Any, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    """Return x normalised over its last dimensions (Ba et al., arXiv:1607.06450)."""
    n = len(normalized_shape) if isinstance(normalized_shape, (tuple, list)) else 1
    dims = tuple(range(x.ndim - n, x.ndim))
    affine = tuple(p for p in (weight, bias) if p is not None)
    return apply(layer_norm_op, x, *affine, dims=dims, eps=eps)


def mse_loss(input: Any, target: Any, reduction: str = "mean") -> Any:  # noqa: A002
    """Return the mean squared error (`reduction`: mean, sum or none)."""
    out = square(sub(input, target))
    return {"mean": mean, "sum": sum, "none": lambda v: v}[reduction](out)

