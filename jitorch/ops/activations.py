"""Activation functions, composed of other ops. They take floating-point tensors."""

from __future__ import annotations

import math
from typing import Any

from jitorch.dispatch import apply
from jitorch.errors import TypeMismatch
from jitorch.ir.types import bool_
from jitorch.ops.elementary import REAL, erf, exp, expm1, log1p, sigmoid, tanh
from jitorch.ops.elementwise import abs_, maximum, minimum
from jitorch.ops.families import composite, composite_unary, function
from jitorch.ops.samples import Samples
from jitorch.ops.select import clamp, where

__all__ = [
    "celu", "elu", "gelu", "glu", "hardsigmoid", "hardswish", "hardtanh", "leaky_relu",
    "logsigmoid", "mish", "prelu", "relu", "relu6", "selu", "silu", "softplus", "softshrink",
    "softsign", "tanhshrink",
]  # fmt: skip


def _with(**attrs: Any) -> Samples:
    return lambda: [(args, attrs) for args, _ in REAL()]


@composite("relu", inplace=True, samples=REAL)
def relu_op(x: Any) -> Any:
    return maximum(x, 0)


@function("relu", inplace=True)
def relu(input: Any) -> Any:
    """Return max(x, 0); integers stay integers."""
    if input.dtype is bool_:
        raise TypeMismatch("Boolean inputs not supported for relu")
    return apply(relu_op, input)


@function()
def relu6(input: Any) -> Any:
    """Return min(max(x, 0), 6)."""
    return hardtanh(input, 0, 6)


@function()
def hardtanh(input: Any, min_val: float = -1.0, max_val: float = 1.0) -> Any:
    """Return the input limited to the range from `min_val` to `max_val`, in its own dtype."""
    if input.dtype.kind == "int":
        return clamp(input, int(min_val), int(max_val))
    return clamp(input, min_val, max_val)


hardsigmoid = composite_unary(
    "hardsigmoid", lambda x: clamp(x + 3, 0, 6) / 6,
    "Return min(max(x + 3, 0), 6) / 6.",
)  # fmt: skip
hardswish = composite_unary(
    "hardswish", lambda x: x * clamp(x + 3, 0, 6) / 6,
    "Return x * hardsigmoid(x) (Howard et al., arXiv:1905.02244).",
)  # fmt: skip
silu = composite_unary(
    "silu", lambda x: x * sigmoid(x),
    "Return x * sigmoid(x), also called swish.",
)  # fmt: skip
logsigmoid = composite_unary(
    "logsigmoid", lambda x: minimum(x, 0) - log1p(exp(-abs_(x))),
    "Return log(sigmoid(x)), without overflow.",
)  # fmt: skip
softsign = composite_unary("softsign", lambda x: x / (abs_(x) + 1), "Return x / (1 + abs(x)).")
tanhshrink = composite_unary("tanhshrink", lambda x: x - tanh(x), "Return x - tanh(x).")
# log(1 + exp(x)), written so that no large x overflows.
mish = composite_unary(
    "mish", lambda x: x * tanh(maximum(x, 0) + log1p(exp(-abs_(x)))),
    "Return x * tanh(softplus(x)) (Misra, arXiv:1908.08681).",
)  # fmt: skip
_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946
selu = composite_unary(
    "selu",
    lambda x: _SELU_SCALE * where(x > 0, x, _SELU_ALPHA * expm1(minimum(x, 0))),
    "Return the self-normalising unit (Klambauer et al., arXiv:1706.02515).",
)  # fmt: skip


@composite("gelu", samples=_with(approximate="tanh"))
def gelu_op(x: Any, *, approximate: str) -> Any:
    if approximate == "tanh":
        inner = math.sqrt(2 / math.pi) * (x + 0.044715 * (x * x * x))
        return 0.5 * x * (1 + tanh(inner))
    return 0.5 * x * (1 + erf(x * math.sqrt(0.5)))


@function()
def gelu(input: Any, approximate: str = "none") -> Any:
    """Return x * Phi(x), Phi the normal distribution function (arXiv:1606.08415).

    `approximate="tanh"` takes the authors' approximation.
    """
    if approximate not in ("none", "tanh"):
        raise TypeMismatch("approximate argument must be either none or tanh.")
    return apply(gelu_op, input, approximate=approximate)


@composite("leaky_relu", samples=_with(negative_slope=0.01))
def leaky_relu_op(x: Any, *, negative_slope: float) -> Any:
    return where(x > 0, x, x * negative_slope)


@function()
def leaky_relu(input: Any, negative_slope: float = 0.01) -> Any:
    """Return x where it is positive, and negative_slope * x elsewhere."""
    return apply(leaky_relu_op, input, negative_slope=negative_slope)


@function()
def prelu(input: Any, weight: Any) -> Any:
    """Return x where it is positive, and weight * x elsewhere; weights are per channel (dim 1)."""
    if weight.ndim == 1 and input.ndim > 2:
        weight = weight.reshape(-1, *[1] * (input.ndim - 2))
    return where(input > 0, input, input * weight)


@composite("elu", samples=_with(alpha=1.5))
def elu_op(x: Any, *, alpha: float) -> Any:
    return where(x > 0, x, alpha * expm1(minimum(x, 0)))


@function()
def elu(input: Any, alpha: float = 1.0) -> Any:
    """Return x where it is positive, and alpha * (exp(x) - 1) elsewhere (arXiv:1511.07289)."""
    return apply(elu_op, input, alpha=alpha)


@composite("celu", samples=_with(alpha=1.5))
def celu_op(x: Any, *, alpha: float) -> Any:
    return where(x > 0, x, alpha * expm1(minimum(x, 0) / alpha))


@function()
def celu(input: Any, alpha: float = 1.0) -> Any:
    """Return x where it is positive, and alpha * (exp(x / alpha) - 1) elsewhere."""
    return apply(celu_op, input, alpha=alpha)


@composite("softplus", samples=_with(beta=2.0, threshold=20.0))
def softplus_op(x: Any, *, beta: float, threshold: float) -> Any:
    scaled = x * beta
    soft = (maximum(scaled, 0) + log1p(exp(-abs_(scaled)))) / beta
    return where(scaled > threshold, x, soft)


@function()
def softplus(input: Any, beta: float = 1.0, threshold: float = 20.0) -> Any:
    """Return log(1 + exp(beta * x)) / beta, and x itself where beta * x > threshold."""
    return apply(softplus_op, input, beta=beta, threshold=threshold)


@function()
def softshrink(input: Any, lambd: float = 0.5) -> Any:
    """Return x moved towards 0 by `lambd`, and 0 where it is nearer to 0 than that."""
    return where(input > lambd, input - lambd, where(input < -lambd, input + lambd, input * 0))


@function()
def glu(input: Any, dim: int = -1) -> Any:
    """Return a * sigmoid(b), a and b the halves of the input along `dim` (arXiv:1612.08083)."""
    a, b = input.chunk(2, dim)
    return a * sigmoid(b)
