"""Reductions, running sums, and the normalisations made of them."""

from __future__ import annotations

from typing import Any

import numpy as np

import jitorch as jt
from benchmarks.workloads.base import Function, Workload, normal

FAMILY = "reductions"

# -------------------------------------------------------------------------------------- softmax


def softmax_jitorch(x: Any) -> Any:
    return jt.softmax(x, 1)


def softmax_numpy(x: Any) -> Any:
    y = x - x.max(1, keepdims=True)
    np.exp(y, out=y)
    y /= y.sum(1, keepdims=True)
    return y


def softmax(rows: int, columns: int, label: str) -> Workload:
    return Workload(
        name=f"softmax {label}",
        family=FAMILY,
        sizes=(rows, columns),
        small=(5, 37),
        inputs=lambda rng, rows, columns: (normal(rng, rows, columns),),
        takes="tensors",
        jitorch=softmax_jitorch,
        numpy=softmax_numpy,
        torch=lambda torch: lambda x: torch.softmax(x, 1),
        jax=lambda jax: lambda x: jax.nn.softmax(x, 1),
        flops=lambda rows, columns: 5 * rows * columns,
    )


def log_softmax_jitorch(x: Any) -> Any:
    return jt.log_softmax(x, 1)


def log_softmax_numpy(x: Any) -> Any:
    y = x - x.max(1, keepdims=True)
    y -= np.log(np.exp(y).sum(1, keepdims=True))
    return y


def log_softmax(rows: int, columns: int, label: str) -> Workload:
    return Workload(
        name=f"log-softmax {label}",
        family=FAMILY,
        sizes=(rows, columns),
        small=(5, 37),
        inputs=lambda rng, rows, columns: (normal(rng, rows, columns),),
        takes="tensors",
        jitorch=log_softmax_jitorch,
        numpy=log_softmax_numpy,
        torch=lambda torch: lambda x: torch.log_softmax(x, 1),
        jax=lambda jax: lambda x: jax.nn.log_softmax(x, 1),
        flops=lambda rows, columns: 5 * rows * columns,
    )


# ----------------------------------------------------------------------------------- normalisation

EPSILON = 1e-5


def layer_norm_jitorch(x: Any, weight: Any, bias: Any) -> Any:
    return jt.layer_norm(x, weight.shape, weight, bias, 1e-5)


def layer_norm_numpy(x: Any, weight: Any, bias: Any) -> Any:
    y = x - x.mean(1, keepdims=True)
    variance = np.einsum("ij,ij->i", y, y)[:, None] / x.shape[1]
    y /= np.sqrt(variance + EPSILON)
    y *= weight
    y += bias
    return y


def layer_norm_torch(torch: Any) -> Function:
    norm = torch.nn.functional.layer_norm
    return lambda x, weight, bias: norm(x, weight.shape, weight, bias, EPSILON)


def layer_norm_jax(jax: Any) -> Function:
    def run(x: Any, weight: Any, bias: Any) -> Any:
        centred = x - x.mean(1, keepdims=True)
        variance = (centred * centred).mean(1, keepdims=True)
        return centred * jax.lax.rsqrt(variance + EPSILON) * weight + bias

    return run


LAYER_NORM = Workload(
    name="layer norm 2048x1024",
    family=FAMILY,
    sizes=(2048, 1024),
    small=(5, 37),
    inputs=lambda rng, rows, columns: (
        normal(rng, rows, columns),
        normal(rng, columns),
        normal(rng, columns),
    ),
    takes="tensors",
    jitorch=layer_norm_jitorch,
    numpy=layer_norm_numpy,
    torch=layer_norm_torch,
    jax=layer_norm_jax,
    flops=lambda rows, columns: 7 * rows * columns,
)


def batch_norm_inputs(rng: np.random.Generator, batch: int, channels: int, side: int) -> Any:
    """Return a batch of pictures, and mean, variance, weight and bias of each channel."""
    mean, weight, bias = (normal(rng, channels) for _ in range(3))
    variance = rng.uniform(0.5, 2, channels).astype(np.float32)
    return normal(rng, batch, channels, side, side), mean, variance, weight, bias


def batch_norm_jitorch(x: Any, mean: Any, variance: Any, weight: Any, bias: Any) -> Any:
    return jt.batch_norm(x, mean, variance, weight, bias, eps=1e-5)


def batch_norm_numpy(x: Any, mean: Any, variance: Any, weight: Any, bias: Any) -> Any:
    scale = weight / np.sqrt(variance + EPSILON)
    y = x * scale[:, None, None]
    y += (bias - mean * scale)[:, None, None]
    return y


def batch_norm_torch(torch: Any) -> Function:
    norm = torch.nn.functional.batch_norm
    return lambda x, mean, variance, weight, bias: norm(
        x, mean, variance, weight, bias, eps=EPSILON
    )


def batch_norm_jax(jax: Any) -> Function:
    def run(x: Any, mean: Any, variance: Any, weight: Any, bias: Any) -> Any:
        scale = weight * jax.lax.rsqrt(variance + EPSILON)
        return x * scale[:, None, None] + (bias - mean * scale)[:, None, None]

    return run


def batch_norm_numexpr(numexpr: Any) -> Function:
    def run(x: Any, mean: Any, variance: Any, weight: Any, bias: Any) -> Any:
        scale = weight / np.sqrt(variance + np.float32(EPSILON))
        names = {"a": scale[:, None, None], "b": (bias - mean * scale)[:, None, None]}
        return numexpr.evaluate("x * a + b", {"x": x, **names})

    return run


BATCH_NORM = Workload(
    name="batch norm 32x64x56x56",
    family=FAMILY,
    sizes=(32, 64, 56),
    small=(2, 3, 5),
    inputs=batch_norm_inputs,
    takes="tensors",
    jitorch=batch_norm_jitorch,
    numpy=batch_norm_numpy,
    torch=batch_norm_torch,
    jax=batch_norm_jax,
    numexpr=batch_norm_numexpr,
    flops=lambda batch, channels, side: 2 * batch * channels * side * side,
)

# ------------------------------------------------------------------- sums of columns, of everything


def column_sum_jitorch(x: Any) -> Any:
    return x.sum(0)


def column_sum(rows: int, columns: int, label: str) -> Workload:
    return Workload(
        name=f"sum of columns, {label}",
        family=FAMILY,
        sizes=(rows, columns),
        small=(37, 5),
        inputs=lambda rng, rows, columns: (normal(rng, rows, columns),),
        takes="tensors",
        jitorch=column_sum_jitorch,
        numpy=lambda x: x.sum(0),
        torch=lambda torch: lambda x: x.sum(0),
        jax=lambda jax: lambda x: x.sum(0),
        flops=lambda rows, columns: rows * columns,
    )


def mse_jitorch(x: Any, y: Any) -> Any:
    return jt.nn.functional.mse_loss(x, y)


def mse_numpy(x: Any, y: Any) -> Any:
    difference = x - y
    return np.dot(difference, difference) / x.size


def mse_numexpr(numexpr: Any) -> Function:
    return lambda x, y: numexpr.evaluate("sum((x - y) * (x - y))", {"x": x, "y": y}) / x.size


MEAN_SQUARED_ERROR = Workload(
    name="mean squared error, 4M",
    family=FAMILY,
    sizes=(4_000_000,),
    small=(1000,),
    inputs=lambda rng, count: (normal(rng, count), normal(rng, count)),
    takes="tensors",
    jitorch=mse_jitorch,
    numpy=mse_numpy,
    torch=lambda torch: torch.nn.functional.mse_loss,
    jax=lambda jax: lambda x, y: ((x - y) ** 2).mean(),
    numexpr=mse_numexpr,
    flops=lambda count: 3 * count,
)


def cosine_jitorch(x: Any, y: Any) -> Any:
    return jt.nn.functional.cosine_similarity(x, y, 0)


def cosine_numpy(x: Any, y: Any) -> Any:
    return np.dot(x, y) / np.sqrt(np.dot(x, x) * np.dot(y, y))


def cosine_torch(torch: Any) -> Function:
    # Three dot products are quicker than functional.cosine_similarity, which normalises first.
    return lambda x, y: torch.dot(x, y) / torch.sqrt(torch.dot(x, x) * torch.dot(y, y))


def cosine_jax(jax: Any) -> Function:
    jnp = jax.numpy
    return lambda x, y: jnp.dot(x, y) / jnp.sqrt(jnp.dot(x, x) * jnp.dot(y, y))


COSINE = Workload(
    name="cosine similarity, 4M",
    family=FAMILY,
    sizes=(4_000_000,),
    small=(1000,),
    inputs=lambda rng, count: (normal(rng, count), normal(rng, count)),
    takes="tensors",
    jitorch=cosine_jitorch,
    numpy=cosine_numpy,
    torch=cosine_torch,
    jax=cosine_jax,
    flops=lambda count: 6 * count,
)

# --------------------------------------------------------------------------- places, running sums


def argmax_jitorch(x: Any) -> Any:
    return x.argmax(1)


ARGMAX = Workload(
    name="argmax of rows, 2048x1024",
    family=FAMILY,
    sizes=(2048, 1024),
    small=(5, 37),
    inputs=lambda rng, rows, columns: (normal(rng, rows, columns),),
    takes="tensors",
    jitorch=argmax_jitorch,
    numpy=lambda x: x.argmax(1),
    torch=lambda torch: lambda x: x.argmax(1),
    jax=lambda jax: lambda x: jax.lax.argmax(x, 1, np.int32),
    flops=lambda rows, columns: rows * columns,
)


def cumsum_jitorch(x: Any) -> Any:
    return x.cumsum(-1)


def cumsum(label: str, *shape: int, small: tuple[int, ...]) -> Workload:
    return Workload(
        name=f"cumulative sum, {label}",
        family=FAMILY,
        sizes=shape,
        small=small,
        inputs=lambda rng, *shape: (normal(rng, *shape),),
        takes="tensors",
        jitorch=cumsum_jitorch,
        numpy=lambda x: x.cumsum(-1),
        torch=lambda torch: lambda x: x.cumsum(-1),
        # Quicker than jax.numpy.cumsum.
        jax=lambda jax: lambda x: jax.lax.associative_scan(jax.numpy.add, x, axis=x.ndim - 1),
        flops=lambda *shape: float(np.prod(shape)),
    )


WORKLOADS = [
    softmax(2048, 1024, "2048x1024"),
    softmax(8, 100_000, "8x100k"),
    softmax(100_000, 8, "100kx8"),
    log_softmax(2048, 1024, "2048x1024"),
    log_softmax(8, 100_000, "8x100k"),
    log_softmax(100_000, 8, "100kx8"),
    LAYER_NORM,
    BATCH_NORM,
    MEAN_SQUARED_ERROR,
    COSINE,
    ARGMAX,
    cumsum("1M", 1_000_000, small=(1000,)),
    cumsum("rows of 2048x1024", 2048, 1024, small=(5, 37)),
]
