"""Elements picked by tensors of indices: embeddings, losses of classes, shuffles."""

from __future__ import annotations

from typing import Any

import numpy as np

import jitorch.nn.functional as F
from benchmarks.workloads.base import Function, Inputs, Workload, normal

FAMILY = "picking"

# ------------------------------------------------------------- embeddings of tokens and places


def embedding_inputs(rng: np.random.Generator, words: int, tokens: int, width: int) -> Inputs:
    indices = rng.integers(0, words, (32, tokens // 32))
    return normal(rng, words, width), indices, normal(rng, tokens // 32, width)


def embedding_jitorch(table: Any, tokens: Any, places: Any) -> Any:
    return F.embedding(tokens, table) + places


def embedding_numpy(table: Any, tokens: Any, places: Any) -> Any:
    out = table[tokens]
    out += places
    return out


def embedding_torch(torch: Any) -> Function:
    embedding = torch.nn.functional.embedding
    return lambda table, tokens, places: embedding(tokens, table) + places


EMBEDDING = Workload(
    name="embedding, 4096 of 30000x768",
    family=FAMILY,
    sizes=(30_000, 4096, 768),
    small=(11, 64, 5),
    inputs=embedding_inputs,
    takes="tensors",
    jitorch=embedding_jitorch,
    numpy=embedding_numpy,
    torch=embedding_torch,
    jax=lambda jax: lambda table, tokens, places: table[tokens] + places,
    flops=lambda words, tokens, width: tokens * width,
)

# ------------------------------------------------------------------------------ cross entropy


def entropy_inputs(rng: np.random.Generator, count: int, classes: int) -> Inputs:
    return normal(rng, count, classes), rng.integers(0, classes, count)


def entropy_numpy(x: Any, target: Any) -> Any:
    top = x.max(1)
    scores = x[np.arange(len(x)), target] - top
    total = np.exp(x - top[:, None]).sum(1)
    return (np.log(total) - scores).mean()


def entropy_jitorch(x: Any, target: Any) -> Any:
    return F.cross_entropy(x, target)


def entropy_jax(jax: Any) -> Function:
    def loss(x: Any, target: Any) -> Any:
        scores = jax.nn.log_softmax(x)
        return -jax.numpy.take_along_axis(scores, target[:, None], 1).mean()

    return loss


ENTROPY = Workload(
    name="cross entropy, 2048x1000",
    family=FAMILY,
    sizes=(2048, 1000),
    small=(7, 37),
    inputs=entropy_inputs,
    takes="tensors",
    jitorch=entropy_jitorch,
    numpy=entropy_numpy,
    torch=lambda torch: torch.nn.functional.cross_entropy,
    jax=entropy_jax,
    flops=lambda count, classes: 4 * count * classes,
)

# ----------------------------------------------------------------------------------- shuffles


def shuffle_inputs(rng: np.random.Generator, count: int) -> Inputs:
    return normal(rng, count), rng.permutation(count)


SHUFFLE = Workload(
    name="x[order], 1M",
    family=FAMILY,
    sizes=(1_000_000,),
    small=(1000,),
    inputs=shuffle_inputs,
    takes="tensors",
    jitorch=lambda x, order: x[order],
    numpy=lambda x, order: x[order],
    torch=lambda torch: lambda x, order: x[order],
    jax=lambda jax: lambda x, order: x[order],
    flops=lambda count: count,
)

WORKLOADS = [EMBEDDING, ENTROPY, SHUFFLE]
