"""Measures several things by turns, so that what changes in the machine changes for all of them."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any

# A turn lasts this long at least: far above the clock's resolution and the cost of reading it.
LEAST_TURN = 0.002
# Calls longer than this need no call before them that isn't timed.
LONG = 0.05

# Runs a number of times and returns the seconds that took.
Batch = Callable[[int], float]


@dataclass(frozen=True)
class Timing:
    """The seconds of one call in each round, sorted, and the calls of a round."""

    seconds: tuple[float, ...]
    calls: int

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def quartiles(self) -> tuple[float, float]:
        """The first and the third quartile."""
        if len(self.seconds) < 2:
            return self.median, self.median
        first, _, third = statistics.quantiles(self.seconds, n=4, method="inclusive")
        return first, third


def repeated(call: Callable[[], Any]) -> Batch:
    """Return a batch of a call, whose results are dropped one by one."""

    def run(times: int) -> float:
        start = time.perf_counter()
        for _ in repeat(None, times):
            call()
        return time.perf_counter() - start

    return run


def settle(limit: float = 0.25) -> None:
    """Wait until this process rests.

    Threads of OpenMP, OpenBLAS and XLA spin for a while after their work is done. Without a pause
    they would take the processors away from whoever is next.
    """
    end = time.perf_counter() + limit
    while time.perf_counter() < end:
        before = time.process_time()
        time.sleep(0.002)
        if time.process_time() - before < 0.0005:
            return


def calls_in(batch: Batch, least: float) -> int:
    """Return how many calls last for `least` seconds; they are at their usual speed by then."""
    calls = 1
    while (spent := quickest(batch, calls, least)) < least:
        calls = max(calls * 2, int(calls * least / max(spent, 1e-9) * 0.9))
    return max(1, round(calls * least / spent))


def quickest(batch: Batch, calls: int, enough: float) -> float:
    """Return the seconds of a batch, the least of a few: one alone may have been interrupted."""
    spent = batch(calls)
    if spent > 10 * enough:
        return spent
    return min(spent, *(batch(calls) for _ in range(3)))


@dataclass(frozen=True)
class Effort:
    """How long to measure: seconds for each contender, in a number of turns between two bounds."""

    seconds: float
    least: int = 5
    most: int = 15

    @property
    def turn(self) -> float:
        """The seconds that a turn should last, of a call that doesn't last longer."""
        return max(LEAST_TURN, self.seconds / self.most)

    def turns(self, seconds_of_turn: float) -> int:
        """Return how many turns fit."""
        return max(self.least, min(self.most, round(self.seconds / seconds_of_turn)))


@dataclass
class _Entry:
    """A batch being measured."""

    batch: Batch
    calls: int
    turns: int
    warm_up: bool
    seconds: list[float] = field(default_factory=list)

    def take_turn(self) -> None:
        settle()
        if self.warm_up:
            self.batch(1)
        self.seconds.append(self.batch(self.calls) / self.calls)


def prepared(batch: Batch, effort: Effort) -> _Entry:
    """Return a batch with its numbers of calls and turns."""
    settle()
    calls = calls_in(batch, effort.turn)
    spent = batch(calls)
    return _Entry(batch, calls, effort.turns(spent), spent / calls < LONG)


def measure(batches: Mapping[str, Batch], effort: Effort) -> dict[str, Timing]:
    """Return the timing of each batch.

    The batches have turns in rounds, another one first in each round. Short calls have one before
    their turn that isn't timed, to wake threads and bring the data near. A batch of long calls sits
    out some rounds, which are spread evenly.
    """
    entries = {name: prepared(batch, effort) for name, batch in batches.items()}
    rounds = max(entry.turns for entry in entries.values())
    with no_garbage_collection():
        for at in range(rounds):
            for name in rotated(list(entries), at):
                if takes_part(entries[name].turns, rounds, at):
                    entries[name].take_turn()
    return {name: Timing(tuple(sorted(e.seconds)), e.calls) for name, e in entries.items()}


def takes_part(turns: int, rounds: int, at: int) -> bool:
    """Whether one of so many turns falls into a round, if they are spread evenly."""
    return (at + 1) * turns // rounds > at * turns // rounds


def rotated(names: list[str], by: int) -> list[str]:
    """Return the names, another one first."""
    first = by % len(names)
    return names[first:] + names[:first]


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    """Collect garbage now and not within the block."""
    was = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
