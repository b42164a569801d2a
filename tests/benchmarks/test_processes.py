"""Measurements in processes of their own, on jitorch and NumPy."""

from __future__ import annotations

import sys

import pytest

from benchmarks import memory, processes, startup

pytestmark = pytest.mark.numba


def ignore(_: str) -> None:
    """Show no progress."""


def test_first_calls() -> None:
    section = startup.first_calls(["jitorch", "numpy"], 1, ignore)
    found = section.data["jitorch"]
    assert list(section.data) == ["jitorch"]
    assert found["failures"] == []
    assert found["warm"] < found["cold"]
    assert not found["loads numba when warm"]


def test_compile_times() -> None:
    section = startup.compile_times(["jitorch"], [10, 20], 1, ignore)
    assert all(seconds > 0 for seconds in section.data["jitorch"].values())


def test_import_times() -> None:
    section = startup.import_times(["numpy"], 1, ignore)
    assert section.data["numpy"] > 0


@pytest.mark.skipif(sys.platform != "linux", reason="sizes are read from /proc")
def test_memory_of_a_call() -> None:
    workload = "chain of 12 operations, 4M"
    section = memory.growth(["jitorch", "numpy"], ignore, [workload])
    for found in section.data[workload].values():
        assert found["inputs"] == found["outputs"] == 16_000_000
        assert 15e6 < found["growth"] < 40e6


@pytest.mark.skipif(sys.platform != "linux", reason="sizes are read from /proc")
def test_dropped_functions() -> None:
    section = memory.leak(21, ignore)
    assert [n for n, _ in section.data["curve"]] == [1, 21]


def test_failures_say_what_happened(tmp_path: object) -> None:
    outcome = processes.child("memory", "jitorch", "nothing", cache=str(tmp_path))
    assert outcome.failure == "StopIteration"
    assert processes.median([outcome], "growth") is None


def test_what_takes_too_long_is_stopped(tmp_path: object) -> None:
    command = ["-c", "import time; time.sleep(60)"]
    assert processes.run(command, cache=str(tmp_path), timeout=0.2).failure == "> 0 s"
