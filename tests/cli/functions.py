"""The functions that the tests of the command line are about."""

from __future__ import annotations

from typing import Any

import numpy as np

import jitorch as torch
from jitorch import jit


def softmax(x: Any) -> Any:
    top = x.amax(1, keepdim=True)
    e = torch.exp(x - top)
    return e / e.sum(1, keepdim=True)


def scale(v: Any, by: Any) -> Any:
    return v * by


@jit.script
def steps(x: Any, n: Any = 3, how: str = "mean") -> Any:
    """Some control flow, and a function that is inlined."""
    for i in range(n):
        x = scale(x, 0.5) + i
    if how == "mean":
        return x.mean()
    return x.sum()


def norm(x: Any) -> Any:
    return np.sqrt((x * x).sum())


def pair(x: Any, y: Any) -> Any:
    return {"sum": x + y, "both": [x, y]}


def total(items: Any) -> Any:
    return items[0] + items[1]


def add_one(x: Any) -> Any:
    x += 1
    print("written")
    return x.sum()


def strings(x: Any) -> Any:
    text = "<b>&" + "</script><script>alert(1)</script>"
    return x if text else -x


def generator(x: Any) -> Any:
    yield x


def unsupported(x: Any) -> Any:
    with open("nothing") as file:
        return x + len(file.read())


def raises(x: Any) -> Any:
    assert x.sum() > 1e9, "too small"
    return x


class Model:
    """Something with a method."""

    def __init__(self) -> None:
        self.weight = torch.ones(3)

    def forward(self, x: Any) -> Any:
        return x * self.weight


model = Model()
traced = jit.trace(softmax, (torch.zeros(2, 3),))
