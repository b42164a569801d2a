"""Heat in a plate whose edges are kept at 0: a stencil in a loop that changes an array in place."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np

import jitorch as jt
from _support import median_time, picture, show_times

mpl.use("agg")
from matplotlib import pyplot as plt


def diffuse(u, rate, steps):
    """Take some explicit steps of the heat equation. `u` is changed."""
    for _ in range(steps):
        around = u[:-2, 1:-1] + u[2:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:]
        u[1:-1, 1:-1] += rate * (around - 4 * u[1:-1, 1:-1])
    return u


compiled = jt.script(diffuse)


def hot_spots(n: int) -> Any:
    """Return a plate with two hot squares and a hot line."""
    u = np.zeros((n, n))
    u[n // 8 : n // 3, n // 6 : n // 2] = 1
    u[n // 2 : n - n // 6, n - n // 3 : n - n // 8] = 0.8
    u[n - n // 6, n // 8 : n // 2] = 1
    return u


def main() -> None:
    n, steps, rate = 201, 400, 0.2

    # A standing wave only shrinks, by a factor per step that one can write down.
    line = np.sin(np.pi * np.arange(n) / (n - 1))
    line[-1] = 0
    wave = np.outer(line, line)
    factor = (1 - 8 * rate * np.sin(np.pi / (2 * (n - 1))) ** 2) ** steps
    found = compiled(wave.copy(), rate, steps)
    error = np.abs(found - wave * factor).max()
    print(f"A standing wave after {steps} steps: {factor:.6f} is left, largest error {error:.1e}")
    assert error < 1e-12

    start = hot_spots(n)
    a, b = diffuse(start.copy(), rate, steps), compiled(start.copy(), rate, steps)
    print(f"Hot spots: largest difference from NumPy {np.abs(a - b).max():.1e}")
    assert np.abs(a - b).max() < 1e-12
    print("Median times:")
    times = {
        "NumPy": median_time(lambda: diffuse(start.copy(), rate, steps)),
        "compiled": median_time(lambda: compiled(start.copy(), rate, steps)),
    }
    show_times(times)

    figure, axes = plt.subplots(1, 2, figsize=(7, 3.5))
    for ax, plate, title in (
        (axes[0], start, "at the start"),
        (axes[1], b, f"after {steps} steps"),
    ):
        ax.imshow(plate, cmap="inferno", vmin=0, vmax=1)
        ax.set_title(title)
        ax.axis("off")
    figure.tight_layout()
    path = picture("heat_equation.png")
    figure.savefig(path, dpi=110)
    print(f"Wrote {path.name}")


if __name__ == "__main__":
    main()
