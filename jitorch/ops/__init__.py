"""The op table: one entry per op. Importing this package fills `jitorch.ir.opdef.OPS`."""

from __future__ import annotations

from jitorch.ops import control, create, elementwise, index, linalg, nn, random, reduce, shape, structure

__all__ = [
    "control",
    "create",
    "elementwise",
    "index",
    "linalg",
    "nn",
    "random",
    "reduce",
    "shape",
    "structure",
]
