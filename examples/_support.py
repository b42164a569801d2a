"""What the examples share: timing, and the folder for pictures."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

OUT = Path(__file__).parent / "out"


def median_time(run: Callable[[], Any], *, seconds: float = 0.5, least: int = 5) -> float:
    """Return the median duration of `run()` over repeats, without the first, which compiles."""
    run()
    durations: list[float] = []
    end = time.perf_counter() + seconds
    while len(durations) < least or time.perf_counter() < end:
        start = time.perf_counter()
        run()
        durations.append(time.perf_counter() - start)
    return statistics.median(durations)


def show_times(times: dict[str, float]) -> None:
    """Print durations, each with its ratio to the last."""
    last = list(times.values())[-1]
    for name, t in times.items():
        print(f"  {name:10} {t * 1e3:9.3f} ms   {t / last:6.2f} x")


def picture(name: str) -> Path:
    """Return the path for a picture, in a folder that exists."""
    OUT.mkdir(exist_ok=True)
    return OUT / name
