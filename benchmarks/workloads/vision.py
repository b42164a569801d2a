"""Attention and convolutions."""

from __future__ import annotations

from typing import Any

import numpy as np

import jitorch as jt
from benchmarks.workloads.base import Function, Inputs, Workload, normal
from benchmarks.workloads.networks import weights

FAMILY = "attention and convolution"
F: Any = jt.nn.functional

# ---------------------------------------------------------------------------------------- attention


def attention_inputs(
    rng: np.random.Generator, batch: int, heads: int, length: int, width: int
) -> Inputs:
    """Return queries, keys, values, and a mask to add that hides what comes later."""
    mask = np.triu(np.full((length, length), -np.inf, np.float32), 1)
    q, k, v = (normal(rng, batch, heads, length, width) for _ in range(3))
    return q, k, v, mask


def attention_jitorch(q: Any, k: Any, v: Any, mask: Any) -> Any:
    scores = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5 + mask
    return jt.softmax(scores, -1) @ v


def attention_numpy(q: Any, k: Any, v: Any, mask: Any) -> Any:
    scores = q @ k.swapaxes(-1, -2)
    scores *= q.shape[-1] ** -0.5
    scores += mask
    scores -= scores.max(-1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(-1, keepdims=True)
    return scores @ v


def attention_torch(torch: Any) -> Function:
    attend = torch.nn.functional.scaled_dot_product_attention
    return lambda q, k, v, mask: attend(q, k, v, mask)


def attention_jax(jax: Any) -> Function:
    def run(q: Any, k: Any, v: Any, mask: Any) -> Any:
        scores = q @ k.swapaxes(-1, -2) * q.shape[-1] ** -0.5 + mask
        return jax.nn.softmax(scores, -1) @ v

    return run


ATTENTION = Workload(
    name="attention, 8x8 heads of 256x64",
    family=FAMILY,
    sizes=(8, 8, 256, 64),
    small=(2, 3, 9, 4),
    inputs=attention_inputs,
    takes="tensors",
    jitorch=attention_jitorch,
    numpy=attention_numpy,
    torch=attention_torch,
    jax=attention_jax,
    flops=lambda batch, heads, length, width: batch * heads * length * length * (4 * width + 6),
)

# -------------------------------------------------------------------------------------- convolution


def conv_jitorch(x: Any, w: Any) -> Any:
    return F.conv2d(x, w, padding=1)


def conv_numpy(x: Any, w: Any) -> Any:
    """Sum nine products of matrices, one for each weight of the filters."""
    batch, channels, height, width = x.shape
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    filters = np.ascontiguousarray(w.transpose(2, 3, 0, 1))  # as BLAS takes them
    result = np.zeros((batch, w.shape[0], height * width), x.dtype)
    for dy in range(3):
        for dx in range(3):
            moved = padded[:, :, dy : dy + height, dx : dx + width]
            result += filters[dy, dx] @ moved.reshape(batch, channels, -1)
    return result.reshape(batch, -1, height, width)


def conv_torch(torch: Any) -> Function:
    conv2d = torch.nn.functional.conv2d
    return lambda x, w: conv2d(x, w, padding=1)


def conv_jax(jax: Any) -> Function:
    conv = jax.lax.conv_general_dilated
    return lambda x, w: conv(x, w, (1, 1), "SAME")


def conv_flops(batch: int, channels: int, side: int) -> float:
    return 18 * batch * channels * channels * side * side


CONVOLUTION = Workload(
    name="conv2d 3x3, 32x64x56x56",
    family=FAMILY,
    sizes=(32, 64, 56),
    small=(2, 3, 7),
    inputs=lambda rng, batch, channels, side: (
        normal(rng, batch, channels, side, side),
        weights(rng, channels, channels, 3, 3),
    ),
    takes="tensors",
    jitorch=conv_jitorch,
    numpy=conv_numpy,
    torch=conv_torch,
    jax=conv_jax,
    flops=conv_flops,
    needs=("conv2d",),
)

# ------------------------------------------------------------------------------------- ResNet block


def block_inputs(rng: np.random.Generator, batch: int, channels: int, side: int) -> Inputs:
    """Return a batch of pictures, then twice: filters, means, variances, weights, biases."""
    layers = [
        (
            weights(rng, channels, channels, 3, 3),
            normal(rng, channels),
            rng.uniform(0.5, 2, channels).astype(np.float32),
            normal(rng, channels),
            normal(rng, channels),
        )
        for _ in range(2)
    ]
    return normal(rng, batch, channels, side, side), *layers[0], *layers[1]


def block_jitorch(
    x: Any, w1: Any, m1: Any, v1: Any, a1: Any, b1: Any, w2: Any, m2: Any, v2: Any, a2: Any, b2: Any
) -> Any:
    y = jt.relu(jt.batch_norm(F.conv2d(x, w1, padding=1), m1, v1, a1, b1))
    y = jt.batch_norm(F.conv2d(y, w2, padding=1), m2, v2, a2, b2)
    return jt.relu(y + x)


def block_numpy(
    x: Any, w1: Any, m1: Any, v1: Any, a1: Any, b1: Any, w2: Any, m2: Any, v2: Any, a2: Any, b2: Any
) -> Any:
    """Scale the filters, which are few, instead of the pictures."""
    s1, s2 = a1 / np.sqrt(v1 + 1e-5), a2 / np.sqrt(v2 + 1e-5)
    y = conv_numpy(x, w1 * s1[:, None, None, None])
    y += (b1 - m1 * s1)[:, None, None]
    np.maximum(y, 0, out=y)
    y = conv_numpy(y, w2 * s2[:, None, None, None])
    y += (b2 - m2 * s2)[:, None, None]
    y += x
    return np.maximum(y, 0, out=y)


def block_torch(torch: Any) -> Function:
    conv2d = torch.nn.functional.conv2d

    def run(
        x: Any, w1: Any, m1: Any, v1: Any, a1: Any, b1: Any,
        w2: Any, m2: Any, v2: Any, a2: Any, b2: Any,
    ) -> Any:  # fmt: skip
        s1, s2 = a1 * torch.rsqrt(v1 + 1e-5), a2 * torch.rsqrt(v2 + 1e-5)
        y = torch.relu_(conv2d(x, w1 * s1[:, None, None, None], b1 - m1 * s1, padding=1))
        y = conv2d(y, w2 * s2[:, None, None, None], b2 - m2 * s2, padding=1)
        return torch.relu_(y.add_(x))

    return run


def block_jax(jax: Any) -> Function:
    rsqrt, relu, conv = jax.lax.rsqrt, jax.nn.relu, jax.lax.conv_general_dilated

    def run(
        x: Any, w1: Any, m1: Any, v1: Any, a1: Any, b1: Any,
        w2: Any, m2: Any, v2: Any, a2: Any, b2: Any,
    ) -> Any:  # fmt: skip
        s1, s2 = a1 * rsqrt(v1 + 1e-5), a2 * rsqrt(v2 + 1e-5)
        y = conv(x, w1 * s1[:, None, None, None], (1, 1), "SAME") + (b1 - m1 * s1)[:, None, None]
        y = conv(relu(y), w2 * s2[:, None, None, None], (1, 1), "SAME")
        return relu(y + (b2 - m2 * s2)[:, None, None] + x)

    return run


BLOCK = Workload(
    name="ResNet block, 8x64x56x56",
    family=FAMILY,
    sizes=(8, 64, 56),
    small=(2, 3, 7),
    inputs=block_inputs,
    takes="tensors",
    jitorch=block_jitorch,
    numpy=block_numpy,
    torch=block_torch,
    jax=block_jax,
    flops=lambda batch, channels, side: 2 * conv_flops(batch, channels, side),
    needs=("conv2d",),
)

WORKLOADS = [ATTENTION, CONVOLUTION, BLOCK]
