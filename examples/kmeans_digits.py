"""k-means on the handwritten digits that come with scikit-learn.

One line has the distances of every picture to every centre, by broadcasting; compiled, it is one
kernel, and the differences are never stored.
"""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
from sklearn.datasets import load_digits

import jitorch as torch
from _support import median_time, picture, show_times

mpl.use("agg")
from matplotlib import pyplot as plt


@torch.jit.script
def kmeans(x, centres, steps: int):
    """Return centres after some steps, the label of each point, and the inertia at each step."""
    history = []
    label = torch.zeros(x.size(0), dtype=torch.int64)
    for _ in range(steps):
        distance = ((x[:, None, :] - centres[None, :, :]) ** 2).sum(2)
        label = distance.argmin(1)
        history += [distance.amin(1).sum()]
        member = (label[:, None] == torch.arange(centres.size(0))[None, :]).float()
        count = member.sum(0)
        mean = (member.T @ x) / count.clamp(min=1)[:, None]
        centres = torch.where(count[:, None] > 0, mean, centres)
    return centres, label, torch.stack(history)


def purity(label: Any, truth: Any) -> float:
    """Return the share of points that belong to the most frequent digit of their cluster."""
    clusters = [truth[label == k] for k in np.unique(label)]
    return float(sum(np.bincount(c).max() for c in clusters) / len(truth))


def main() -> None:
    data = load_digits()
    x = torch.tensor(data.data, dtype=torch.float32)
    start = x[np.random.default_rng(4).choice(len(x), 10, replace=False)]
    steps = 12

    centres, label, history = kmeans(x, start, steps)
    print("Inertia per step:", *(f"{v:.0f}" for v in history.tolist()))
    assert np.all(np.diff(history.numpy()) <= 1), "no step of k-means makes it worse"
    share = purity(label.numpy(), data.target)
    print(f"Purity of the clusters: {share:.1%}")
    assert share > 0.6

    eager = kmeans.eager(x, start, steps)
    gap = (centres - eager[0]).abs().max().item()
    print(f"Largest difference of a centre, compiled against eager: {gap:.1e}")
    assert gap < 1e-3
    print("Median times:")
    times = {
        "eager": median_time(lambda: kmeans.eager(x, start, steps)),
        "compiled": median_time(lambda: kmeans(x, start, steps)),
    }
    show_times(times)

    figure, axes = plt.subplots(2, 5, figsize=(7, 3.2))
    for k, ax in enumerate(axes.flat):
        members = label.numpy() == k
        digit = np.bincount(data.target[members]).argmax() if members.any() else "none"
        ax.imshow(centres[k].reshape(8, 8).numpy(), cmap="gray_r")
        ax.set_title(f"mostly {digit} ({members.sum()})", fontsize=9)
        ax.axis("off")
    figure.tight_layout()
    path = picture("kmeans_digits.png")
    figure.savefig(path, dpi=110)
    print(f"Wrote {path.name}")


if __name__ == "__main__":
    main()
