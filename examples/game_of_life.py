"""Conway's game of life: small integers, slices, and a view that is changed in place."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np

import jitorch as jt
from _support import median_time, picture, show_times

mpl.use("agg")
from matplotlib import pyplot as plt

AROUND = ((0, 0), (0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1), (2, 2))


def live(cells, generations):
    """Change the cells for some generations; return how many lived in each. The edge stays dead."""
    population = np.zeros(generations, np.int64)
    height, width = cells.shape[0] - 2, cells.shape[1] - 2
    inside = cells[1:-1, 1:-1]
    for i in range(generations):
        near = np.zeros_like(inside)
        for dy, dx in AROUND:
            near = near + cells[dy : dy + height, dx : dx + width]
        alive = (near == 3) | ((near == 2) & (inside == 1))
        inside[:] = alive
        population[i] = alive.sum()
    return population


compiled = jt.script(live)


def glider(size: int) -> Any:
    """Return a plate with the five cells that walk."""
    cells = np.zeros((size, size), np.uint8)
    cells[1, 2] = cells[2, 3] = cells[3, 1] = cells[3, 2] = cells[3, 3] = 1
    return cells


def main() -> None:
    walked = glider(16)
    compiled(walked, 4 * 5)
    assert np.array_equal(walked, np.roll(glider(16), (5, 5), (0, 1)))
    print("A glider moves by one cell in four generations.")

    start = np.pad((np.random.default_rng(1).random((200, 300)) < 0.3).astype(np.uint8), 1)
    generations = 200
    expected, found = start.copy(), start.copy()
    counts, population = live(expected, generations), compiled(found, generations)
    assert np.array_equal(expected, found)
    assert np.array_equal(counts, population)
    print(f"{start.sum()} cells at first, {population[-1]} after {generations} generations")
    print("Median times:")
    times = {
        "NumPy": median_time(lambda: live(start.copy(), generations)),
        "compiled": median_time(lambda: compiled(start.copy(), generations)),
    }
    show_times(times)

    path = picture("game_of_life.png")
    plt.imsave(path, np.kron(found, np.ones((2, 2), np.uint8)), cmap="gray_r")
    print(f"Wrote {path.name}")


if __name__ == "__main__":
    main()
