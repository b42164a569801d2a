"""Runs workloads on contenders: results compared, times taken by turns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmarks import accuracy, limits, machine
from benchmarks.contenders import Call, Contender
from benchmarks.machine import Usage
from benchmarks.timing import Batch, Effort, Timing, measure, repeated
from benchmarks.workloads.base import Inputs, Workload, outputs_of

OURS = "jitorch"
COPY = "copy"


@dataclass(frozen=True)
class Cell:
    """What one contender made of one workload: a time and an error, or why there are none."""

    timing: Timing | None = None
    error: float = 0.0
    exact: bool = True
    failure: str | None = None


@dataclass(frozen=True)
class Row:
    """A workload on all contenders. Those who can't express it have no cell.

    `moved` are the bytes of inputs and results; `disturbance` is how many processors other programs
    kept busy while the times were taken.
    """

    workload: Workload
    cells: dict[str, Cell]
    moved: int
    flops: float
    dtype: str
    copy: Timing | None = None
    disturbance: float | None = None

    def seconds(self, name: str) -> float | None:
        """Return a contender's median time."""
        cell = self.cells.get(name)
        return cell.timing.median if cell and cell.timing else None

    @property
    def best_peer(self) -> str | None:
        """The quickest of the others, by the median, be it exact or not."""
        times = {name: self.seconds(name) for name in self.cells if name != OURS}
        known = {name: t for name, t in times.items() if t is not None}
        return min(known, key=known.__getitem__, default=None)

    @property
    def ratio(self) -> float | None:
        """Jitorch's time in those of the best peer: below 1 is quicker."""
        ours, best = self.seconds(OURS), self.best_peer
        theirs = self.seconds(best) if best else None
        return ours / theirs if ours and theirs else None

    @property
    def least_copying(self) -> float | None:
        """The seconds of copying as many bytes as inputs and results have, in every sweep."""
        if self.copy is None:
            return None
        return self.copy.median * self.workload.sweeps(*self.workload.sizes)


def run_workload(
    workload: Workload,
    contenders: Sequence[Contender],
    effort: Effort,
    *,
    retries: int = 0,
    small: bool = False,
) -> Row:
    """Return a workload's row; the contenders have been started.

    Times are taken again, so many times at most, if other programs disturb. `small` takes the sizes
    of the tests.
    """
    sizes = workload.small if small else workload.sizes
    inputs = workload.make_inputs(sizes)
    expected = workload.expected(inputs)
    cells: dict[str, Cell] = {}
    batches: dict[str, Batch] = {}
    for contender in contenders:
        try:
            ready = set_up(contender, workload, inputs, expected)
        except Exception as error:  # whatever a library refuses with is a line of the report
            cells[contender.name] = Cell(failure=first_line(error))
            continue
        if ready is not None:
            call, cells[contender.name] = ready
            batches[contender.name] = repeated(call)
    results = outputs_of(workload.numpy(*inputs))
    moved = bytes_of(inputs) + bytes_of(results)
    if moved >= limits.LEAST_BYTES:
        batches[COPY] = limits.copying(moved)
    timings, disturbance = measure_undisturbed(batches, effort, retries)
    for name, cell in cells.items():
        if name in timings:
            cells[name] = replace(cell, timing=timings[name])
    flops, dtype = workload.flops(*sizes), dtype_of(inputs)
    return Row(workload, cells, moved, flops, dtype, timings.get(COPY), disturbance)


def measure_undisturbed(
    batches: Mapping[str, Batch], effort: Effort, retries: int
) -> tuple[dict[str, Timing], float | None]:
    """Return the times and by how much they were disturbed, the least disturbed of all attempts."""
    attempts = []
    for _ in range(1 + retries):
        before = Usage.now()
        timings = measure(batches, effort)
        attempts.append((timings, machine.disturbance(before, Usage.now())))
        if (attempts[-1][1] or 0) < machine.DISTURBING:
            break
    return min(attempts, key=lambda attempt: attempt[1] or 0)


def set_up(
    contender: Contender, workload: Workload, inputs: Inputs, expected: list[Any]
) -> tuple[Call, Cell] | None:
    """Return a workload's call and its error, after the first run; None if it can't be expressed."""
    args = contender.convert(workload, inputs)
    function = contender.function(workload, args)
    if function is None:
        return None
    call = contender.call(function, args)
    with np.errstate(all="ignore"):
        found = contender.results(call())
    error = accuracy.error_of(found, expected)
    return call, Cell(error=error, exact=accuracy.within(error, found))


def bytes_of(values: Sequence[Any]) -> int:
    """Return the bytes of the arrays among some values."""
    return sum(x.nbytes for x in values if isinstance(x, (np.ndarray, np.generic)))


def dtype_of(inputs: Inputs) -> str:
    """Return the type in which a workload computes: that of its first array."""
    return next(str(x.dtype) for x in inputs if isinstance(x, np.ndarray))


def first_line(error: Exception) -> str:
    """Return what went wrong, on one line."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else ''}".rstrip(": ")
