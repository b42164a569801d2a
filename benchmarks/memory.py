"""How much memory calls take, and whether dropped functions give theirs back."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.processes import child
from benchmarks.report import Section

WORKLOADS = (
    "chain of 12 operations, 4M",
    "black-scholes 1M float32",
    "softmax 2048x1024",
    "layer norm 2048x1024",
    "mean squared error, 4M",
    "5-point stencil, 2000x2000",
    "distances of 2000 and 2000 points",
    "attention, 8x8 heads of 256x64",
)
Step = Callable[[str], None]

# The allocator returns blocks above this size when they are freed, as it does not by default once
# it has seen larger ones. Otherwise a call might find its memory in what the one before has left.
ENVIRONMENT = {"MALLOC_MMAP_THRESHOLD_": "65536"}


def growth(names: Sequence[str], step: Step, workloads: Sequence[str] = WORKLOADS) -> Section:
    """Return by how much a process grows during a call."""
    data: dict[str, dict[str, Any]] = {}
    rows = []
    with tempfile.TemporaryDirectory(prefix="bench-") as cache:
        for workload in workloads:
            found: dict[str, Any] = {}
            for name in names:
                step(f"memory, {workload}, {name}")
                outcome = child("memory", name, workload, cache=cache, env=ENVIRONMENT)
                found[name] = outcome.failure or outcome.found
            data[workload] = found
            rows.append([workload, *row(names, found)])
    return Section(
        "memory",
        "Memory of a call",
        "By how many MB the resident size grows at most during a call that is not the first, results "
        "included, inputs not, as the system counts it (VmHWM). The least possible is the results.",
        ["", "inputs", "results", *names],
        rows,
        data,
    )


def row(names: Sequence[str], found: dict[str, Any]) -> list[str]:
    """Return the cells of a workload: sizes of inputs and results, then the growth of each."""
    measured = [x for x in found.values() if isinstance(x, dict) and x["growth"] is not None]
    sizes = [megabytes(measured[0][key]) if measured else "" for key in ("inputs", "outputs")]
    return [*sizes, *(growth_text(found[name]) for name in names)]


def growth_text(found: Any) -> str:
    """Return a growth in MB, a dash for what can't be expressed, or what went wrong."""
    if isinstance(found, str):
        return found
    return "—" if found["growth"] is None else megabytes(found["growth"])


def megabytes(size: float) -> str:
    return f"{size / 1e6:.1f}"


def leak(count: int, step: Step) -> Section:
    """Return the resident size while functions are compiled and dropped."""
    step(f"{count} functions compiled and dropped")
    with tempfile.TemporaryDirectory(prefix="bench-") as cache:
        # Without a cache on disk every function is compiled.
        outcome = child("leak", str(count), cache=cache, timeout=3600, env={"JITORCH_CACHE": "0"})
    curve = outcome.found.get("curve", [])
    every = max(1, len(curve) // 8)
    marks = [mark for i, mark in enumerate(curve) if i % every == 0 or mark == curve[-1]]
    return Section(
        "leak",
        "Functions compiled and dropped",
        "The resident size of one process that compiles functions one after the other and drops them.",
        ["functions", "MB"],
        [[f"{functions:,}", megabytes(size)] for functions, size in marks]
        or [["failed", str(outcome.failure)]],
        {"curve": curve, "failure": outcome.failure},
    )
