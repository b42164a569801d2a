"""The figure: how each library compares with the quickest peer, workload by workload."""

from __future__ import annotations

import importlib
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.suite import Row

STYLES = {
    "jitorch": ("#d62728", "D", 42, 3),
    "numpy": ("#1f77b4", "o", 20, 2),
    "numexpr": ("#17becf", "o", 20, 2),
    "torch": ("#ff7f0e", "o", 20, 2),
    "torch.compile": ("#bcbd22", "o", 20, 2),
    "jax": ("#9467bd", "o", 20, 2),
}


def _pyplot() -> Any:
    """Return matplotlib's module, which draws to files only."""
    importlib.import_module("matplotlib").use("agg")
    return importlib.import_module("matplotlib.pyplot")


def relative_times(row: Row) -> dict[str, float]:
    """Return each contender's time in those of the best peer."""
    best = row.seconds(row.best_peer) if row.best_peer else None
    times = {name: row.seconds(name) for name in row.cells}
    return {name: t / best for name, t in times.items() if t is not None} if best else {}


def plot_rows(rows: Sequence[Row], path: Path, caption: str) -> None:
    """Write the figure: a line of dots for each workload, on a log axis, the best peer at 1."""
    drawn = [(row.workload.name, relative_times(row)) for row in rows]
    drawn = [(name, times) for name, times in drawn if times]
    plt = _pyplot()
    figure, axes = plt.subplots(figsize=(9, 1.4 + 0.24 * len(drawn)))
    axes.hlines(range(len(drawn)), 0.01, 1000, colors="0.9", linewidth=0.8, zorder=0)
    axes.axvline(1, color="0.2", linewidth=1, zorder=1)
    for name, (colour, marker, size, order) in STYLES.items():
        at = [(times[name], i) for i, (_, times) in enumerate(drawn) if name in times]
        if at:
            xs, ys = zip(*at, strict=True)
            axes.scatter(xs, ys, s=size, c=colour, marker=marker, zorder=order, label=name)
    every = [t for _, times in drawn for t in times.values()]
    axes.set_xscale("log")
    axes.set_xlim(min(every, default=1) / 1.5, max(every, default=1) * 1.5)
    axes.set_yticks(range(len(drawn)), [name for name, _ in drawn], fontsize=8)
    axes.set_ylim(len(drawn) - 0.5, -0.5)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_xlabel("time / time of the best peer, less is better")
    axes.legend(fontsize=8, loc="lower center", bbox_to_anchor=(0.4, 1), ncols=6, frameon=False)
    lines = [part for line in caption.splitlines() for part in textwrap.wrap(line, 150)]
    figure.text(0.01, 0.005, "\n".join(lines), fontsize=6, color="0.4", va="bottom")
    save(figure, path, 0.12 * (len(lines) + 1) / figure.get_figheight())


def plot_curve(curve: Sequence[tuple[int, float]], path: Path) -> None:
    """Write the figure of the resident size over functions compiled and dropped."""
    plt = _pyplot()
    figure, axes = plt.subplots(figsize=(6, 3.5))
    axes.plot([n for n, _ in curve], [size / 1e6 for _, size in curve], color="#d62728")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("functions compiled and dropped")
    axes.set_ylabel("resident size, MB")
    save(figure, path)


def save(figure: Any, path: Path, bottom: float = 0.0) -> None:
    """Write a figure, with the lowest part left free."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.tight_layout(rect=(0, bottom, 1, 1))
    figure.savefig(path, dpi=150, metadata={"Software": None})
    _pyplot().close(figure)
