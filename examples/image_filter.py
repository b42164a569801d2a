"""A bilateral filter on a photograph: plain NumPy with slices, compiled as it stands.

Each pixel becomes a mean of its neighbours, weighted by their distance and by how alike their
brightness is, so that noise goes and edges stay.
"""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
from sklearn.datasets import load_sample_image

import jitorch as jt
from _support import median_time, picture, show_times

mpl.use("agg")
from matplotlib import pyplot as plt

RADIUS = 2
OFFSETS = tuple((dy, dx) for dy in range(2 * RADIUS + 1) for dx in range(2 * RADIUS + 1))


def bilateral(padded, blur, contrast):
    """Filter planes (colours, height, width) that have RADIUS more pixels on each side."""
    height, width = padded.shape[1] - 2 * RADIUS, padded.shape[2] - 2 * RADIUS
    colours = padded[0], padded[1], padded[2]
    brightness = 0.3 * colours[0] + 0.6 * colours[1] + 0.1 * colours[2]
    centre = brightness[RADIUS : RADIUS + height, RADIUS : RADIUS + width]
    weights = np.zeros_like(centre)
    totals = [weights, weights, weights]
    for dy, dx in OFFSETS:
        distance = ((dy - RADIUS) ** 2 + (dx - RADIUS) ** 2) / (2 * blur * blur)
        difference = brightness[dy : dy + height, dx : dx + width] - centre
        w = np.exp(-distance - difference * difference / (2 * contrast * contrast))
        near = [c[dy : dy + height, dx : dx + width] for c in colours]
        totals = [total + w * c for total, c in zip(totals, near, strict=True)]
        weights = weights + w
    return np.stack([total / weights for total in totals])


compiled = jt.script(bilateral)


def psnr(a: Any, b: Any) -> float:
    """Return how alike two pictures are, in decibels."""
    return float(-10 * np.log10(np.mean((a - b) ** 2)))


def main() -> None:
    photo = load_sample_image("china.jpg").astype(np.float32).transpose(2, 0, 1) / 255
    noise = np.random.default_rng(0).normal(0, 0.08, photo.shape).astype(np.float32)
    noisy = np.clip(photo + noise, 0, 1)
    padded = np.pad(noisy, ((0, 0), (RADIUS, RADIUS), (RADIUS, RADIUS)), mode="edge")

    filtered = compiled(padded, 1.5, 0.1)
    reference = bilateral(padded, 1.5, 0.1)
    gap = np.abs(filtered - reference).max()
    print(f"{photo.shape[2]} x {photo.shape[1]} pixels, {len(OFFSETS)} neighbours each")
    print(f"Largest difference from NumPy: {gap:.1e}")
    assert filtered.dtype == np.float32
    assert gap < 1e-5
    before, after = psnr(noisy, photo), psnr(filtered, photo)
    print(f"Likeness to the photograph: {before:.1f} dB with noise, {after:.1f} dB filtered")
    assert after > before + 3

    print("Median times:")
    times = {
        "NumPy": median_time(lambda: bilateral(padded, 1.5, 0.1)),
        "compiled": median_time(lambda: compiled(padded, 1.5, 0.1)),
    }
    show_times(times)
    for name, planes in (("before", noisy), ("after", filtered)):
        path = picture(f"image_filter_{name}.png")
        plt.imsave(path, np.clip(planes.transpose(1, 2, 0), 0, 1))
        print(f"Wrote {path.name}")


if __name__ == "__main__":
    main()
