"""Writes functions of many different operations, to see how long they take to compile."""

from __future__ import annotations

import importlib.util
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

ROWS, COLUMNS = 32, 48

# The same text is a function of each library: these names are in all of them.
LIBRARIES = {
    "jitorch": "numpy",
    "numpy": "numpy",
    "jax": "jax.numpy",
    "torch": "torch",
    "torch.compile": "torch",
}


def source(count: int, library: str) -> str:
    """Return the text of a module with a function `run(grid, row)` of `count` operations.

    There is one operation to a line, each result is used, and no two operations are the same: every
    step takes the result of the one before, on a grid, or on rows and columns of it.
    """
    lines: list[str] = []
    for step in steps(random.Random(0)):
        if len(lines) + len(step) > count:
            break
        lines += step
    lines += [f"grid = grid * 0.99{i}" for i in range(count - len(lines))]
    body = "\n".join(f"    {line}" for line in (*lines, "return grid"))
    return f"import {LIBRARIES[library]} as xp\n\n\ndef run(grid, row):\n{body}\n"


def steps(rng: random.Random) -> Iterator[list[str]]:
    """Yield steps of one to three operations, without end."""
    while True:
        number = round(rng.uniform(0.1, 0.9), 6)
        function = rng.choice(["sin", "cos", "tanh", "arctan"])
        yield from (
            [f"grid = grid * {number}"],
            [f"grid = xp.{function}(grid)"],
            [f"grid = grid + {number}"],
            ["grid = xp.maximum(grid, row)"],
            [f"mask = grid > {number}", "grid = xp.where(mask, grid, row)"],
            [f"row = row * {number}", "grid = grid - row"],
            [f"other = grid * {number}", "grid = grid * other"],
        )
        if rng.random() < 0.3:
            yield ["row = grid.mean(0)", "grid = grid - row"]
        if rng.random() < 0.3:
            yield ["mean = grid.mean(1)", "column = mean[:, None]", "grid = grid - column"]


def load(folder: Path, count: int, library: str) -> Any:
    """Write a module to a folder and return its function."""
    path = folder / f"generated_{count}.py"
    path.write_text(source(count, library), encoding="utf-8")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.run


def inputs() -> tuple[Any, Any]:
    """Return a grid and a row."""
    rng = np.random.default_rng(0)
    return rng.random((ROWS, COLUMNS), np.float32), rng.random(COLUMNS, np.float32)
