"""What is paid before a program is under way: imports, first calls, compile times.

Every number is the median of some processes that do nothing else.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.processes import child, median, run
from benchmarks.report import Section, seconds_text

COMPILERS = ("jitorch", "jax", "torch.compile")
PACKAGES = {"numba": "jitorch"}  # measured beside others; whose contender must be there
ONCE = 20  # seconds; what compiles for longer is measured once
Step = Callable[[str], None]


def compilers(names: Sequence[str]) -> list[str]:
    """Return those of the contenders that compile."""
    return [name for name in names if name in COMPILERS]


def first_calls(names: Sequence[str], repeats: int, step: Step) -> Section:
    """Return how long first calls take."""
    data: dict[str, dict[str, Any]] = {}
    for name in compilers(names):
        cold, warm = [], []
        with tempfile.TemporaryDirectory(prefix="bench-") as cache:
            child("first-call", name, cache=cache)  # the files are in memory after this
        for _ in range(repeats):
            step(f"first call, {name}")
            with tempfile.TemporaryDirectory(prefix="bench-") as cache:
                cold.append(child("first-call", name, cache=cache))
                warm.append(child("first-call", name, cache=cache))
        data[name] = {
            "cold": median(cold, "first"),
            "second function": median(cold, "second"),
            "warm": median(warm, "first"),
            "warm, second function": median(warm, "second"),
            "loads numba when warm": any(each.found.get("numba") for each in warm),
            "failures": sorted({e.failure for e in (*cold, *warm) if e.failure}),
        }
    keys = ["cold", "second function", "warm", "warm, second function"]
    rows = [[name, *(seconds_text(found[key]) for key in keys)] for name, found in data.items()]
    if "jitorch" in data:
        loads = "loads" if data["jitorch"]["loads numba when warm"] else "does not load"
        numba = f" A warm process of jitorch {loads} Numba."
    else:
        numba = ""
    return Section(
        "first-call",
        "First calls",
        "A layer norm, then option prices, in a fresh process after the import. Cold: with an empty "
        f"cache on disk. Warm: another process with the cache that the cold one left.{numba}",
        ["", *keys],
        rows,
        data,
    )


def compile_times(
    names: Sequence[str], counts: Sequence[int], repeats: int, step: Step, timeout: float = 300
) -> Section:
    """Return how long functions of so many different operations take to compile."""
    data: dict[str, dict[str, Any]] = {}
    rows = []
    for name in compilers(names):
        data[name] = {}
        cells = []
        for count in counts:
            step(f"compile time, {name}, {count} operations")
            outcomes = []
            for _ in range(repeats):
                with tempfile.TemporaryDirectory(prefix="bench-") as cache:
                    args = "compile", name, str(count)
                    outcomes.append(child(*args, cache=cache, timeout=timeout))
                if outcomes[-1].failure or outcomes[-1].found["seconds"] > ONCE:
                    break
            found = median(outcomes, "seconds")
            data[name][str(count)] = found if found is not None else outcomes[-1].failure
            cells.append(seconds_text(found) if found is not None else str(outcomes[-1].failure))
        rows.append([name, *cells])
    return Section(
        "compile-time",
        "Compile times by number of operations",
        "The first call of a function of so many different operations on float32[32, 48], cold. What "
        f"takes more than {ONCE} s is measured once.",
        ["", *(f"{count:,}" for count in counts)],
        rows,
        data,
    )


def import_times(names: Sequence[str], repeats: int, step: Step) -> Section:
    """Return how long it takes to import each library."""
    packages = [name for name in names if name != "torch.compile"]
    packages += [name for name, owner in PACKAGES.items() if owner in names]
    data: dict[str, float | None] = {}
    for package in packages:
        text = (
            f"import json, time; start = time.perf_counter(); import {package}; "
            "print(json.dumps({'seconds': time.perf_counter() - start}))"
        )
        step(f"import, {package}")
        with tempfile.TemporaryDirectory(prefix="bench-") as cache:
            run(["-c", text], cache=cache)  # the files are in memory after this
            data[package] = median(
                [run(["-c", text], cache=cache) for _ in range(repeats)], "seconds"
            )
    return Section(
        "import-time",
        "Import times",
        "With the files in the system's memory; NumPy is part of all of them.",
        ["", "import"],
        [[package, seconds_text(seconds)] for package, seconds in data.items()],
        data,
    )
