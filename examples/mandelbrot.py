"""The Mandelbrot set: a `while` loop on data, which ends when every point has escaped."""

from __future__ import annotations

import time
from typing import Any

import matplotlib as mpl
import numpy as np

import jitorch as torch
from _support import picture

mpl.use("agg")
from matplotlib import pyplot as plt


@torch.jit.script
def escape_times(re, im, limit: int):
    """Return how many steps z = z*z + c stays in the circle of radius 2, at most `limit`."""
    x, y = torch.zeros_like(re), torch.zeros_like(im)
    inside = torch.ones_like(re, dtype=torch.bool)
    count = torch.zeros_like(re, dtype=torch.int32)
    step = 0
    while step < limit and inside.any():
        x, y = x * x - y * y + re, 2 * x * y + im
        inside = inside & (x * x + y * y <= 4)
        x, y = torch.where(inside, x, 0.0), torch.where(inside, y, 0.0)
        count += inside
        step += 1
    return count


def grid(width: int, height: int) -> tuple[Any, Any]:
    """Return the real and imaginary parts of the points of the picture."""
    re, im = np.meshgrid(np.linspace(-2.2, 0.8, width), np.linspace(-1.2, 1.2, height))
    return torch.from_numpy(re), torch.from_numpy(im)


def main() -> None:
    limit = 100
    re, im = grid(750, 600)
    counts = escape_times(re, im, limit)
    start = time.perf_counter()
    counts = escape_times(re, im, limit)
    took = time.perf_counter() - start
    a = counts.numpy()
    print(f"{a.shape[1]} x {a.shape[0]} points, {limit} steps at most: {took * 1e3:.0f} ms")
    print(f"{np.mean(a == limit):.1%} of the points stay inside")

    re, im = grid(150, 120)
    eager, compiled = escape_times.eager(re, im, limit), escape_times(re, im, limit)
    differ = np.mean(eager.numpy() != compiled.numpy())
    print(f"Line by line and compiled, {differ:.2%} of {eager.numel()} counts differ")
    assert differ < 1e-3, "only a point on the border may differ, by rounding"

    path = picture("mandelbrot.png")
    plt.imsave(path, np.log(a + 1.0), cmap="magma", origin="lower")
    print(f"Wrote {path.name}")


if __name__ == "__main__":
    main()
