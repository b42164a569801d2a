"""What the machine can do at most: copying and multiplying, measured like everything else.

Copying is NumPy's `copyto` in two Python threads, a half for each; NumPy releases the interpreter's
lock meanwhile. A copy reads and writes, so a copy of n bytes moves 2n. The multiplication is BLAS's
product of two matrices, the densest stream of fused multiply-adds that there is at hand.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import repeat
from typing import Any

import numpy as np

from benchmarks.threads import THREADS
from benchmarks.timing import Batch, Effort, Timing, measure, repeated

# Below this, copies are so short that what is measured is Python calling NumPy.
LEAST_BYTES = 500_000

# Bytes copied: far more than caches hold, and what fits into those next to the cores. Rows of the
# matrices multiplied.
LARGE, SMALL, MATRIX = 256_000_000, 500_000, 2048


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(THREADS)


def copying(moved: int) -> Batch:
    """Return a batch of copies that move so many bytes, read and written, on all threads."""
    part = max(1, moved // 2 // THREADS)
    pairs = [(np.zeros(part, np.uint8), np.ones(part, np.uint8)) for _ in range(THREADS)]

    def copy(pair: Any, times: int) -> None:
        for _ in repeat(None, times):
            np.copyto(*pair)

    def run(times: int) -> float:
        start = time.perf_counter()
        for done in [_pool().submit(copy, pair, times) for pair in pairs]:
            done.result()
        return time.perf_counter() - start

    return run


def multiplying(dtype: str, size: int) -> Batch:
    """Return a batch of products of square matrices."""
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((size, size)).astype(dtype) for _ in range(2))
    out = np.empty_like(a)
    return repeated(lambda: np.matmul(a, b, out=out))


@dataclass(frozen=True)
class Limits:
    """Bytes moved and operations done per second."""

    copy_large: float
    copy_small: float
    flops: dict[str, float]
    timings: dict[str, Timing]


def measure_limits(effort: Effort) -> Limits:
    """Return what the machine does per second, by the median."""
    batches = {
        "copy_large": copying(2 * LARGE),
        "copy_small": copying(2 * SMALL),
        "float32": multiplying("float32", MATRIX),
        "float64": multiplying("float64", MATRIX),
    }
    found = measure(batches, effort)
    operations = 2 * MATRIX**3
    return Limits(
        copy_large=2 * LARGE / found["copy_large"].median,
        copy_small=2 * SMALL / found["copy_small"].median,
        flops={t: operations / found[t].median for t in ("float32", "float64")},
        timings=found,
    )
