"""Functions that pick elements by tensors of indices, with arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import jitorch as jt
import jitorch.nn.functional as F

Function = Callable[..., Any]


def table(*shape: int) -> Any:
    return jt.arange(float(np.prod(shape))).reshape(*shape)


ROWS = jt.tensor([[2, 0], [-1, 1]])
FUNCTIONS: list[tuple[Function, tuple[Any, ...]]] = [
    (lambda x, i: x[i] + 1, (table(3, 8), ROWS)),
    (lambda x, i: x[:, i] * 2, (table(2, 3), ROWS)),
    (lambda x, i: x[i, i], (table(3, 4, 2), ROWS)),
    (lambda x, i: x[i, :, i], (table(3, 2, 3), ROWS)),
    (lambda x, i: x.T[i], (table(2, 3), ROWS)),
    (lambda x, i: x.expand(3, 5)[i], (table(1, 5), ROWS)),
    (lambda x, i: x.expand(3, 5)[:, i], (table(3, 1), ROWS)),
    (lambda x, i: x[::2][i], (table(6, 2), ROWS)),
    (lambda x, i: x[i], (table(3), jt.tensor(-3, dtype=jt.int32))),
    (lambda x, i: x[i], (table(3, 2), jt.zeros(0, dtype=jt.int64))),
    (lambda x, i: x[i], (table(0, 2), jt.zeros(0, dtype=jt.int64))),
    (lambda x, i: x[:, i], (table(0, 3), ROWS)),
    (lambda x, i: x.gather(1, i), (table(2, 3), ROWS.clamp(0))),
    (lambda x, i: x.gather(0, i), (table(3, 4), ROWS.clamp(0))),
    (lambda x, i: x.gather(0, i) + x[:1, :2], (table(3, 4), ROWS.clamp(0))),
    (lambda x, i: jt.take_along_dim(x, i, 1), (table(2, 3), ROWS[:, :1].clamp(0))),
    (lambda x, i: x.index_select(1, i), (table(2, 3), jt.tensor([1, 1, 0]))),
    (lambda x, i: F.embedding(i, x).tanh(), (table(4, 3), ROWS.clamp(0))),
    (lambda x, i: F.cross_entropy(x, i), (table(2, 3), jt.tensor([2, -100]))),
    (lambda x, i: F.nll_loss(x, i, x[0]), (table(2, 3), jt.tensor([2, 0]))),
    (lambda x, i: (x.exp()[i], x.exp()), (table(3), ROWS)),
    (lambda x, i: x[i][i] * x[i], (jt.tensor([1, 2, 0]), jt.tensor([0, 2, 1]))),
    (lambda x, i: jt.zeros(3, 2, device=x.device)[i] + x, (table(1), ROWS)),
    (lambda x, i: jt.arange(3, device=x.device)[i] * x, (table(1), ROWS)),
    (lambda x, i: x[x.argmax() + i * 0], (table(3), ROWS)),
    (lambda x, i: (x[i].sum(), x[i].max()), (table(3), ROWS)),
    (lambda x, i: x.half()[i], (table(3, 5), ROWS)),
    (lambda x, i: (x > 2)[i], (table(3, 5), ROWS)),
    (lambda x, i: x[i].sum(-1), (table(3, 5), ROWS)),
    (lambda x, i: x[i].sum(0), (table(3, 5), ROWS)),
    (lambda x, i: x[i].softmax(-1), (table(4, 300), ROWS)),
    (lambda x, i: x[:, i].sum((0, 1)), (table(500, 4), ROWS)),
    (lambda x, i: x[:, i].max(0).values, (table(3000, 40), ROWS)),
    (lambda x, i: x[i].mT + x[i].sum(), (table(3, 40), ROWS)),
    (lambda x, i: x[i].mT + 1, (table(3, 40), ROWS)),
    (lambda x, i: x[i].mT + 1, (table(3, 40, 50), jt.tensor(2))),
    (lambda i, x: i[x] * 2, (table(3), jt.tensor(-1))),
]
