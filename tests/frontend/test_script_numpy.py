"""NumPy programs: plain NumPy functions, scripted as they stand, with NumPy's rules and results."""

from __future__ import annotations

from typing import Any

import numpy as np

from jitorch import jit
from tests.frontend.cases import Programs

programs = Programs(exact=False)

X = np.array([1.0, -2.0, 3.0])
F = X.astype(np.float32)
N = np.array([5, -3, 2])
S = N.astype(np.int16)
B = np.array([True, False, True])
M = np.arange(6.0).reshape(2, 3)
KERNEL = np.array([0.25, 0.5, 0.25])


@programs((X,), (F,), (N,), (np.zeros(0),), (np.float64(2.0),))
def elementwise(x: Any) -> Any:
    return np.exp(x), np.sin(x) + np.sqrt(np.abs(x)), x * 2, x / 2, np.maximum(x, 0), np.sign(x), -x


@programs((X, F), (F, N), (S, F), (N, B), (S, N), (B, B), (S, S), (F, F))
def promotion(a: Any, b: Any) -> Any:
    return a + b, a * b, a / b, a + 1, a * 2.0, 1 + b, a > b, np.add(a, b)


@programs((X,), (F,), (N,), (M,))
def reductions(x: Any) -> Any:
    return (
        x.sum(),
        np.mean(x),
        x.max(),
        np.min(x),
        x.std(),
        np.var(x),
        x.argmax(),
        np.any(x > 0),
        x.prod(),
    )


@programs((M,), (M.T,))
def axes(m: Any) -> Any:
    return (m.sum(axis=0), np.mean(m, axis=1, keepdims=True), m.max(axis=-1), m.T, m.reshape(-1), np.cumsum(m, axis=1),
            np.sort(m, axis=0), m.argmin(axis=1), np.std(m, axis=0, ddof=1), m.transpose(1, 0),
            np.expand_dims(m, 0))  # fmt: skip


@programs((X,), (X[::2],), (X[::-1],), (X[:0],), (X[:1],))
def steps_backwards(x: Any) -> Any:
    return (
        x[::-1],
        x[2:0:-1],
        x[-1:0:-2],
        x[:1:-1],
        x[1::-1],
        x[10::-3],
        x[0:3:-1],
        x[-9::-1],
        x[::-1][::-1],
    )


@programs((M,), (M.T,), (M[::-1],), (M[:, ::-1],), (M[:0],))
def steps_backwards_in_two_dimensions(m: Any) -> Any:
    return (
        m[::-1] * 1,
        m[:, ::-1] * 1,
        m[::-1, ::-2] * 1,
        m[::-1].sum(0),
        np.flip(m),
        np.flipud(m),
        np.flip(m, 1),
    )


@programs((X.copy(),), (X[::-1],))
def writing_backwards(x: Any) -> Any:
    x[::-1][0] = 7
    x[1::-1] = x[:2] + 1
    for i in range(2):
        x[::-2][i] += i
    return x


@programs((M, X), (M.T, F[:2]))
def dot_products(m: Any, v: Any) -> Any:
    return np.dot(m, m.T), m.dot(v), np.dot(v, 2.0), v.dot(v), np.einsum("ij,j->i", m, v)


@programs((X,), (N,))
def plus_is_a_copy(x: Any) -> Any:
    return +x


@programs((X,), (F,), (N,))
def creation(x: Any) -> Any:
    return (np.zeros(3), np.ones((2, x.shape[0])), np.zeros_like(x), np.full(2, 7), np.arange(x.size),
    np.arange(0, 1, 0.25),
            np.linspace(0, 1, 5), np.eye(2), np.full_like(x, 2), np.empty_like(x).shape, np.arange(3.0))  # fmt: skip


@programs((X, X * 2), (N, N))
def joining(a: Any, b: Any) -> Any:
    return (
        np.concatenate([a, b]),
        np.stack([a, b], axis=1),
        np.vstack([a, b]),
        np.hstack([a, b]),
        np.outer(a, b),
        np.dot(a, b),
    )


@programs((X,), (F,))
def choice(x: Any) -> Any:
    return (
        np.where(x > 0, x, 0.0),
        np.clip(x, -1, 1),
        x[x > 0],
        x[1:],
        x.astype(np.int32),
        x.copy(),
    )


@programs((M, np.ones(3)), (M, M.T))
def products(a: Any, b: Any) -> Any:
    return a @ b, np.matmul(a, b)


@programs((X,), (F,))
def attributes(x: Any) -> Any:
    return x.shape, x.ndim, x.size, x.dtype, len(x), x.dtype == np.float64, x.itemsize


@programs((X,), (F,), (N,))
def scalars_out(x: Any) -> Any:
    total = 0.0
    for v in x:
        total += v
    return total, x[0], x.sum() * 2, float(x[0]), int(x[1]), x[0].item()


@programs((X,), (-X,))
def control_flow(x: Any) -> Any:
    y = x
    while np.abs(y).sum() > 1:
        y = y / 2
        if y[0] > 0.5:
            y = y - 0.25
        elif np.any(y < -10):
            break
    else:
        y = y + 100
    return y


@programs((X,), (F,))
def in_place(x: Any) -> Any:
    x += 1
    x[0] = 5
    x[1:] *= 2
    x[x > 6] = -1
    np.multiply(x, 2, out=x)
    return x


@programs((M,))
def rows(m: Any) -> Any:
    out = np.zeros(m.shape[0])
    for i in range(m.shape[0]):
        out[i] = (m[i] ** 2).sum()
    best = m[np.argmax(out)]
    return out, best


@programs((X, 3), (X, 0))
def smoothing(x: Any, n: int) -> Any:
    for _ in range(n):
        x = np.concatenate(
            [x[:1], KERNEL[0] * x[:-2] + KERNEL[1] * x[1:-1] + KERNEL[2] * x[2:], x[-1:]]
        )
    return x


@programs((X, 0.5), (F, 2.0))
def relaxation(x: Any, w: float) -> Any:
    for _ in range(10):
        new = (1 - w) * x + w * np.tanh(x)
        if np.max(np.abs(new - x)) < 1e-3:
            break
        x = new
    return x, np.linalg.norm(x)


@programs(
    (M, np.array([[2], [-1]])), (M, np.array([[-3], [0]], np.int8)), (M.T[:2], np.array([[1]]))
)
def taken_along_an_axis(x: Any, i: Any) -> Any:
    return np.take_along_axis(x, i, 1), np.take_along_axis(x, i % 2, axis=0) * 2


@programs((X,), (F,))
def printing(x: Any) -> Any:
    print(x, x[0] > 0, f"{x.sum():.2f}", x.shape)
    return None


test_program = programs.test()


def test_results_are_numpys_own() -> None:
    fn = jit.script(lambda x: (x * 2, x.sum(), (x > 0).any(), x.argmax(), x.shape[0]))
    doubled, total, positive, where, n = fn(X)
    assert type(doubled) is np.ndarray
    assert [type(v) for v in (total, positive, where, n)] == [np.float64, np.bool_, np.int64, int]
