"""Layers of neural networks, forward."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np

import jitorch as jt
from benchmarks.workloads.base import Function, Inputs, Workload, normal

FAMILY = "networks"


def weights(rng: np.random.Generator, *shape: int) -> Any:
    """Return a matrix, or filters, of outputs times inputs that keeps the size of what it maps."""
    return normal(rng, *shape) / np.float32(math.sqrt(math.prod(shape[1:])))


# ------------------------------------------------------------------------------------- LSTM cell


def lstm_inputs(rng: np.random.Generator, batch: int, size: int) -> Inputs:
    x, h, c = (normal(rng, batch, size) for _ in range(3))
    return (
        x,
        h,
        c,
        weights(rng, 4 * size, size),
        weights(rng, 4 * size, size),
        normal(rng, 4 * size),
    )


def lstm_jitorch(x: Any, h: Any, c: Any, Wx: Any, Wh: Any, b: Any) -> Any:
    i, f, g, o = (x @ Wx.T + h @ Wh.T + b).chunk(4, 1)
    c = jt.sigmoid(f) * c + jt.sigmoid(i) * jt.tanh(g)
    return jt.sigmoid(o) * jt.tanh(c), c


def sigmoid_numpy(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def lstm_numpy(x: Any, h: Any, c: Any, Wx: Any, Wh: Any, b: Any) -> Any:
    i, f, g, o = np.split(x @ Wx.T + h @ Wh.T + b, 4, 1)
    c = sigmoid_numpy(f) * c + sigmoid_numpy(i) * np.tanh(g)
    return sigmoid_numpy(o) * np.tanh(c), c


def lstm_torch(torch: Any) -> Function:
    return lambda x, h, c, Wx, Wh, b: torch.lstm_cell(x, (h, c), Wx, Wh, b, torch.zeros_like(b))


def lstm_torch_compile(torch: Any) -> Function:
    def run(x: Any, h: Any, c: Any, Wx: Any, Wh: Any, b: Any) -> Any:
        i, f, g, o = (x @ Wx.T + h @ Wh.T + b).chunk(4, 1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c

    return torch.compile(run)  # type: ignore[no-any-return]


def lstm_jax(jax: Any) -> Function:
    jnp, sigmoid = jax.numpy, jax.nn.sigmoid

    def run(x: Any, h: Any, c: Any, Wx: Any, Wh: Any, b: Any) -> Any:
        i, f, g, o = jnp.split(x @ Wx.T + h @ Wh.T + b, 4, 1)
        c = sigmoid(f) * c + sigmoid(i) * jnp.tanh(g)
        return sigmoid(o) * jnp.tanh(c), c

    return run


LSTM = Workload(
    name="LSTM cell, batch 32, size 256",
    family=FAMILY,
    sizes=(32, 256),
    small=(3, 8),
    inputs=lstm_inputs,
    takes="tensors",
    jitorch=lstm_jitorch,
    numpy=lstm_numpy,
    torch=lstm_torch,
    torch_compile=lstm_torch_compile,
    jax=lstm_jax,
    flops=lambda batch, size: 16 * batch * size * size,
)

# ------------------------------------------------------------------------------------------- RNN


def rnn_inputs(rng: np.random.Generator, steps: int, inputs: int, hidden: int) -> Inputs:
    """Return a state, a sequence for a batch of one, weights and biases."""
    return (
        np.zeros((1, hidden), np.float32),
        normal(rng, steps, 1, inputs),
        weights(rng, inputs, hidden),
        weights(rng, hidden, hidden),
        weights(rng, hidden, inputs),
        normal(rng, hidden),
        normal(rng, inputs),
    )


def rnn_flops(steps: int, inputs: int, hidden: int) -> float:
    return 2 * steps * (hidden * hidden + 2 * inputs * hidden)


def rnn_jitorch(h: Any, x: Any, Wh: Any, Uh: Any, Wy: Any, bh: Any, by: Any) -> Any:
    y = []
    for t in range(x.shape[0]):
        h = jt.tanh(x[t] @ Wh + h @ Uh + bh)
        y += [jt.tanh(h @ Wy + by)]
    return jt.stack(y), h


def rnn_numpy(h: Any, x: Any, Wh: Any, Uh: Any, Wy: Any, bh: Any, by: Any) -> Any:
    y = []
    for t in range(x.shape[0]):
        h = np.tanh(x[t] @ Wh + h @ Uh + bh)
        y.append(np.tanh(h @ Wy + by))
    return np.stack(y), h


def rnn_torch(torch: Any) -> Function:
    def run(h: Any, x: Any, Wh: Any, Uh: Any, Wy: Any, bh: Any, by: Any) -> Any:
        y = []
        for t in range(x.shape[0]):
            h = torch.tanh(torch.addmm(torch.addmm(bh, x[t], Wh), h, Uh))
            y.append(torch.tanh(torch.addmm(by, h, Wy)))
        return torch.stack(y), h

    return run


def rnn_torch_compile(torch: Any) -> Function:
    def step(h: Any, xt: Any, Wh: Any, Uh: Any, Wy: Any, bh: Any, by: Any) -> Any:
        h = torch.tanh(xt @ Wh + h @ Uh + bh)
        return h, torch.tanh(h @ Wy + by)

    # The loop stays in Python: written out, its hundred steps would compile for minutes.
    step = torch.compile(step)

    def run(h: Any, x: Any, Wh: Any, Uh: Any, Wy: Any, bh: Any, by: Any) -> Any:
        y = []
        for xt in x:
            h, yt = step(h, xt, Wh, Uh, Wy, bh, by)
            y.append(yt)
        return torch.stack(y), h

    return run


def rnn_jax(jax: Any) -> Function:
    jnp = jax.numpy

    def run(h: Any, x: Any, Wh: Any, Uh: Any, Wy: Any, bh: Any, by: Any) -> Any:
        def step(h: Any, xt: Any) -> Any:
            h = jnp.tanh(xt @ Wh + h @ Uh + bh)
            return h, jnp.tanh(h @ Wy + by)

        h, y = jax.lax.scan(step, h, x)
        return y, h

    return run


RNN = Workload(
    name="RNN of 100 steps, as a plain loop",
    family=FAMILY,
    sizes=(100, 64, 128),
    small=(5, 4, 8),
    inputs=rnn_inputs,
    takes="tensors",
    jitorch=rnn_jitorch,
    numpy=rnn_numpy,
    torch=rnn_torch,
    torch_compile=rnn_torch_compile,
    jax=rnn_jax,
    flops=rnn_flops,
)


def hoisted_jitorch(h: Any, x: Any, Wh: Any, Uh: Any, Wy: Any, bh: Any, by: Any) -> Any:
    xs = x @ Wh + bh
    hs = []
    for t in range(x.shape[0]):
        h = jt.tanh(xs[t] + h @ Uh)
        hs += [h]
    return jt.tanh(jt.stack(hs) @ Wy + by), h


def hoisted_numpy(h: Any, x: Any, Wh: Any, Uh: Any, Wy: Any, bh: Any, by: Any) -> Any:
    xs = x[:, 0] @ Wh + bh
    hs = np.empty_like(xs)
    row = h[0]
    for t in range(x.shape[0]):
        row = np.tanh(xs[t] + row @ Uh, out=hs[t])
    return np.tanh(hs @ Wy + by)[:, None], hs[-1:]


def hoisted_torch(torch: Any) -> Function:
    def run(h: Any, x: Any, Wh: Any, Uh: Any, Wy: Any, bh: Any, by: Any) -> Any:
        parameters = Wh.T, Uh.T, bh, torch.zeros_like(bh)
        hs, last = torch.rnn_tanh(x, h[None], parameters, True, 1, 0.0, False, False, False)
        return torch.tanh(torch.addmm(by, hs[:, 0], Wy))[:, None], last[0]

    return run


def hoisted_jax(jax: Any) -> Function:
    jnp = jax.numpy

    def run(h: Any, x: Any, Wh: Any, Uh: Any, Wy: Any, bh: Any, by: Any) -> Any:
        def step(h: Any, xt: Any) -> Any:
            h = jnp.tanh(xt + h @ Uh)
            return h, h

        h, hs = jax.lax.scan(step, h, x @ Wh + bh)
        return jnp.tanh(hs @ Wy + by), h

    return run


HOISTED_RNN = Workload(
    name="RNN of 100 steps, products out of the loop",
    family=FAMILY,
    sizes=(100, 64, 128),
    small=(5, 4, 8),
    inputs=rnn_inputs,
    takes="tensors",
    jitorch=hoisted_jitorch,
    numpy=hoisted_numpy,
    torch=hoisted_torch,
    jax=hoisted_jax,
    flops=rnn_flops,
)

# ------------------------------------------------------------------------------------------- MLP


def mlp_inputs(rng: np.random.Generator, batch: int, *widths: int) -> Inputs:
    layers = [(weights(rng, n, m), normal(rng, n)) for m, n in pairwise(widths)]
    return normal(rng, batch, widths[0]), *(x for layer in layers for x in layer)


def mlp_jitorch(x: Any, W1: Any, b1: Any, W2: Any, b2: Any, W3: Any, b3: Any) -> Any:
    linear = jt.nn.functional.linear
    x = jt.relu(linear(x, W1, b1))
    x = jt.relu(linear(x, W2, b2))
    return linear(x, W3, b3)


def mlp_numpy(x: Any, W1: Any, b1: Any, W2: Any, b2: Any, W3: Any, b3: Any) -> Any:
    x = np.maximum(x @ W1.T + b1, 0)
    x = np.maximum(x @ W2.T + b2, 0)
    return x @ W3.T + b3


def mlp_torch(torch: Any) -> Function:
    linear = torch.nn.functional.linear

    def run(x: Any, W1: Any, b1: Any, W2: Any, b2: Any, W3: Any, b3: Any) -> Any:
        x = torch.relu_(linear(x, W1, b1))
        x = torch.relu_(linear(x, W2, b2))
        return linear(x, W3, b3)

    return run


def mlp_jax(jax: Any) -> Function:
    relu = jax.nn.relu

    def run(x: Any, W1: Any, b1: Any, W2: Any, b2: Any, W3: Any, b3: Any) -> Any:
        x = relu(x @ W1.T + b1)
        x = relu(x @ W2.T + b2)
        return x @ W3.T + b3

    return run


def mlp_flops(batch: int, *widths: int) -> float:
    return batch * sum(2 * m * n for m, n in pairwise(widths))


def mlp(batch: int) -> Workload:
    return Workload(
        name=f"MLP 784-512-512-10, batch {batch}",
        family=FAMILY,
        sizes=(batch, 784, 512, 512, 10),
        small=(min(batch, 4), 9, 8, 7, 3),
        inputs=mlp_inputs,
        takes="tensors",
        jitorch=mlp_jitorch,
        numpy=mlp_numpy,
        torch=mlp_torch,
        jax=mlp_jax,
        flops=mlp_flops,
    )


WORKLOADS = [LSTM, RNN, HOISTED_RNN, mlp(1), mlp(128)]
