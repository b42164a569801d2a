"""Every workload at a small size: jitorch and NumPy against the float64 reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import jitorch as jt
from benchmarks.contenders import Contender, Jitorch, NumPy
from benchmarks.suite import OURS, run_workload
from benchmarks.timing import Effort
from benchmarks.workloads import WORKLOADS
from benchmarks.workloads.base import Workload, rebound, widened

GLANCE = Effort(seconds=0.0, least=1, most=1)


@pytest.fixture(scope="module")
def contenders() -> list[Contender]:
    both: list[Contender] = [Jitorch(), NumPy()]
    for each in both:
        each.start()
    return both


@pytest.mark.numba
@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda w: w.name)
def test_results_agree_with_the_reference(
    workload: Workload, contenders: list[Contender], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in workload.needs:
        if not hasattr(jt.nn.functional, name):
            pytest.skip(f"jitorch has no nn.functional.{name}")
    monkeypatch.setattr("benchmarks.timing.LEAST_TURN", 1e-5)
    row = run_workload(workload, contenders, GLANCE, small=True)
    for name, cell in row.cells.items():
        assert cell.failure is None
        assert cell.exact, (name, cell.error)
    assert set(row.cells) == {OURS, "numpy"}
    assert row.ratio is not None
    assert row.moved > 0
    assert row.flops > 0


def test_names_are_different() -> None:
    assert len({workload.name for workload in WORKLOADS}) == len(WORKLOADS)


@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda w: w.name)
def test_inputs_are_random_and_the_same_each_time(workload: Workload) -> None:
    first, second = (workload.make_inputs(workload.small) for _ in range(2))
    arrays = [x for x in first if isinstance(x, np.ndarray)]
    assert any(len(np.unique(x)) > x.size // 2 for x in arrays)
    for a, b in zip(first, second, strict=True):
        assert np.array_equal(a, b)


def test_float32_inputs_are_widened_in_their_layout() -> None:
    x: Any = np.ones((3, 4), np.float32).T
    wide = widened(x)
    assert wide.dtype == np.float64
    assert wide.flags.f_contiguous
    assert widened(7) == 7


def root_of(x: Any) -> Any:
    return np.sqrt(x)


def test_functions_run_with_another_library_for_a_global() -> None:
    class Library:
        @staticmethod
        def sqrt(x: Any) -> str:
            return f"root of {x}"

    assert rebound(root_of, np=Library)(2) == "root of 2"
    assert root_of(4) == 2
