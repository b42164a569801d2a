"""Random graphs of elementwise ops, reductions and renamed dimensions, with arguments."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

import numpy as np

SIZES = {"n": 5, "m": 19, "k": 3}
UNARY = ("tanh", "sin", "neg", "abs", "exp")
BINARY = ("add", "sub", "mul", "maximum", "minimum")
FOLDS = ("sum", "amax", "amin", "prod")

Shape = tuple[str, ...]


@dataclass
class _Made:
    name: str
    shape: Shape
    strided: bool = False


@dataclass
class RandomGraph:
    """A generator: one seed gives one graph."""

    seed: int
    lines: list[str] = field(default_factory=list)
    made: list[_Made] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)

    def build(self, length: int) -> tuple[str, list[Any]]:
        """Return the text of a graph of about `length` ops, and arguments for it."""
        rng = np.random.default_rng(self.seed)
        params, args = [], []
        for i in range(self.random.randint(1, 3)):
            shape = tuple(self.random.choice("nmk1") for _ in range(self.random.randint(0, 3)))
            self.made.append(_Made(f"%x{i}", shape))
            params.append(f"%x{i}: {_type(self.made[-1])}")
            args.append(
                np.asarray(rng.standard_normal([SIZES.get(d, 1) for d in shape]), np.float32)
            )
        params += [f"%size_{d}: f32[{d}]" for d in SIZES]
        args += [np.zeros(n, np.float32) for n in SIZES.values()]
        for _ in range(length):
            self.step()
        results = self.random.sample(self.made, min(len(self.made), self.random.randint(1, 3)))
        body = "\n".join(f"  {line}" for line in self.lines)
        names = ", ".join(r.name for r in results)
        return f"graph @g({', '.join(params)}) {{\n{body}\n  return {names}\n}}", args

    def emit(self, shape: Shape, text: str, *, strided: bool = False) -> None:
        out = _Made(f"%v{len(self.lines)}", shape, strided)
        self.lines.append(f"{out.name}: {_type(out)} = {text}")
        self.made.append(out)

    def pick(self) -> _Made:
        return self.random.choice(self.made[-6:])

    def step(self) -> None:
        kind = self.random.choice(
            ["unary", "binary", "binary", "fold", "permute", "unsqueeze", "expand", "squeeze"]
        )
        getattr(self, kind)()

    def unary(self) -> None:
        x = self.pick()
        op = self.random.choice(UNARY)
        if op == "exp":  # keep the numbers small
            self.emit(x.shape, f"tanh({x.name})")
            x = self.made[-1]
        self.emit(x.shape, f"{op}({x.name})")

    def binary(self) -> None:
        x = self.pick()
        fitting = [y for y in self.made if _joined(x.shape, y.shape) is not None]
        y = self.random.choice(fitting)
        shape = _joined(x.shape, y.shape)
        assert shape is not None
        self.emit(shape, f"{self.random.choice(BINARY)}({x.name}, {y.name})")

    def fold(self) -> None:
        x = self.pick()
        if not x.shape:
            return
        dims = sorted(self.random.sample(range(len(x.shape)), self.random.randint(1, len(x.shape))))
        keep = self.random.random() < 0.5
        shape = tuple(
            "1" if i in dims else d for i, d in enumerate(x.shape) if keep or i not in dims
        )
        attrs = f"{{dim=({', '.join(map(str, dims))},), keepdim={keep}}}"
        self.emit(x.shape, f"tanh({x.name})")
        self.emit(shape, f"{self.random.choice(FOLDS)}({self.made[-1].name}) {attrs}")

    def permute(self) -> None:
        x = self.pick()
        order = self.random.sample(range(len(x.shape)), len(x.shape))
        moved = [d for d in order if x.shape[d] != "1"]
        shape = tuple(x.shape[d] for d in order)
        strided = x.strided or moved != sorted(moved)
        text = f"permute({x.name}) {{dims=({', '.join(map(str, order))}{',' * (len(order) == 1)})}}"
        self.emit(shape, text, strided=strided)

    def unsqueeze(self) -> None:
        x = self.pick()
        if len(x.shape) < 4:
            at = self.random.randint(0, len(x.shape))
            self.emit(
                (*x.shape[:at], "1", *x.shape[at:]),
                f"unsqueeze({x.name}) {{dim={at}}}",
                strided=x.strided,
            )

    def squeeze(self) -> None:
        x = self.pick()
        dims = [i for i, d in enumerate(x.shape) if d == "1"]
        if dims:
            at = self.random.choice(dims)
            self.emit(
                (*x.shape[:at], *x.shape[at + 1 :]),
                f"squeeze({x.name}) {{dims=({at},)}}",
                strided=x.strided,
            )

    def expand(self) -> None:
        x = self.pick()
        dims = [i for i, d in enumerate(x.shape) if d == "1"]
        if dims:
            at, size = self.random.choice(dims), self.random.choice("nmk")
            shape = (*x.shape[:at], size, *x.shape[at + 1 :])
            self.emit(
                shape,
                f"expand({x.name}) {{shape=({', '.join(shape)}{',' * (len(shape) == 1)})}}",
                strided=True,
            )


def _type(v: _Made) -> str:
    return f"f32[{', '.join(v.shape)}{'; strided' if v.strided else ''}]"


def _joined(a: Shape, b: Shape) -> Shape | None:
    """Return the shape that two shapes broadcast to, None if they do not."""
    out = []
    for i in range(1, max(len(a), len(b)) + 1):
        x, y = (s[-i] if i <= len(s) else "1" for s in (a, b))
        if x != y and "1" not in (x, y):
            return None
        out.append(y if x == "1" else x)
    return tuple(reversed(out)) if len(out) < 5 else None
