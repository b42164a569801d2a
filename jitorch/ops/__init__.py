"""The op table: one entry per op. Importing this package fills `jitorch.ir.opdef.OPS`."""

from __future__ import annotations

from jitorch.ops import (
    activations,
    complex,
    control,
    create,
    einsum,
    elementary,
    elementwise,
    index,
    join,
    linalg,
    losses,
    nn,
    random,
    reduce,
    scan,
    select,
    shape,
    structure,
    views,
)

__all__ = [
    "activations",
    "complex",
    "control",
    "create",
    "einsum",
    "elementary",
    "elementwise",
    "index",
    "join",
    "linalg",
    "losses",
    "nn",
    "random",
    "reduce",
    "scan",
    "select",
    "shape",
    "structure",
    "views",
]
