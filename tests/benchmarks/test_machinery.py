"""What is around the workloads: timing, errors, tables and the command line. NumPy is enough."""

from __future__ import annotations

import ast
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks import accuracy, generated, limits, report, threads
from benchmarks.cli import command, matches, peer_names
from benchmarks.contenders import Contender, NumPy
from benchmarks.limits import Limits
from benchmarks.machine import Usage, disturbance
from benchmarks.report import Section
from benchmarks.session import QUICK, Session
from benchmarks.suite import Cell, Row, measure_undisturbed, run_workload
from benchmarks.timing import Effort, Timing, measure, repeated, takes_part
from benchmarks.workloads import WORKLOADS
from benchmarks.workloads.points import Text, density

GLANCE = Effort(seconds=0.0, least=2, most=2)
LIMITS = Limits(1e10, 1e11, {"float32": 1e11, "float64": 5e10}, {})


def timing(seconds: float) -> Timing:
    return Timing((seconds,), 1)


def row_of(**seconds: float) -> Row:
    cells = {name: Cell(timing(t)) for name, t in seconds.items()}
    return Row(WORKLOADS[0], cells, 10_000_000, 1e6, "float32", timing(0.001))


# ------------------------------------------------------------------------------------------- timing


def test_contenders_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.timing.settle", lambda: None)
    turns: list[str] = []

    def batch(name: str) -> Any:
        def run(calls: int) -> float:
            turns.append(name)
            return 0.1 * calls

        return run

    found = measure({"a": batch("a"), "b": batch("b")}, Effort(0.2, least=2, most=2))
    assert turns[-4:] == ["a", "b", "b", "a"]
    assert found["a"].seconds == pytest.approx((0.1, 0.1))


def test_long_calls_sit_out_some_rounds() -> None:
    rounds = [takes_part(5, 15, at) for at in range(15)]
    assert sum(rounds) == 5
    assert rounds == [False, False, True] * 5


def test_short_calls_are_repeated_in_a_turn() -> None:
    found = measure({"nothing": repeated(lambda: None)}, GLANCE)["nothing"]
    assert found.calls > 100
    assert len(found.seconds) == 2


def test_quartiles() -> None:
    t = Timing((1.0, 2.0, 3.0, 4.0, 5.0), 1)
    assert (t.median, t.quartiles) == (3.0, (2.0, 4.0))


# ----------------------------------------------------------------------------------------- accuracy


def test_errors_are_relative_with_a_floor() -> None:
    expected = np.array([100.0, 1e-9])
    assert accuracy.array_error(np.array([101.0, 1e-9]), expected) == pytest.approx(1 / 101)
    assert accuracy.array_error(np.array([100.0, 1e-3]), expected) == pytest.approx(1e-3, rel=1e-5)


def test_infinities_must_be_in_the_same_places() -> None:
    expected = np.array([1.0, -np.inf])
    assert accuracy.array_error(np.array([1.0, -np.inf]), expected) == 0
    for other in (np.nan, np.inf, 3.0):
        assert accuracy.array_error(np.array([1.0, other]), expected) == np.inf
    assert accuracy.array_error(np.array([np.nan, -np.inf]), expected) == np.inf
    assert accuracy.array_error(np.zeros(2), np.zeros(2)) == 0


def test_integers_differ_or_not() -> None:
    assert accuracy.array_error(np.array([1, 2, 3, 5]), np.array([1, 2, 3, 4])) == 0.25


def test_shapes_and_numbers_of_results_must_agree() -> None:
    assert accuracy.array_error(np.zeros(3), np.zeros((3, 1))) == np.inf
    assert accuracy.error_of([np.zeros(3)], []) == np.inf


def test_tolerances_are_by_type() -> None:
    assert accuracy.within(1e-5, [np.zeros(1, np.float32)])
    assert not accuracy.within(1e-5, [np.zeros(1)])


# -------------------------------------------------------------------------------------------- suite


class Broken(NumPy):
    """A library that refuses everything."""

    name = "jitorch"

    def function(self, workload: Any, args: Any) -> Any:
        raise NotImplementedError("no such thing\nas that")


class Unable(NumPy):
    """A library that has nothing to say."""

    name = "jax"

    def function(self, workload: Any, args: Any) -> Any:
        return None


def test_refusals_are_cells_and_what_cannot_be_expressed_is_none() -> None:
    contenders: list[Contender] = [Broken(), NumPy(), Unable()]
    row = run_workload(WORKLOADS[2], contenders, GLANCE, small=True)
    assert row.cells["jitorch"].failure == "NotImplementedError: no such thing"
    assert "jax" not in row.cells
    assert (row.best_peer, row.ratio) == ("numpy", None)
    section = report.workload_section("w", "", "", [row], ["jitorch", "numpy", "jax"], LIMITS)
    assert section.rows[0][1] == "not supported"
    assert section.rows[0][3] == report.DASH
    assert report.failures([row]) == [
        f"{row.workload.name}, jitorch: NotImplementedError: no such thing"
    ]


def test_the_ratio_is_to_the_quickest_peer() -> None:
    row = row_of(jitorch=0.003, numpy=0.004, jax=0.002)
    assert row.best_peer == "jax"
    assert row.ratio == pytest.approx(1.5)


# ------------------------------------------------------------------------------------------- report


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "—"),
        (1.5, "1.50 s"),
        (0.0123, "12.3 ms"),
        (0.5, "500 ms"),
        (1.5e-6, "1.50 µs"),
        (2e-8, "0.02 µs"),
    ],
)
def test_times_have_units(seconds: float | None, text: str) -> None:
    assert report.seconds_text(seconds) == text


def test_the_limit_that_binds_is_shown() -> None:
    copying = row_of(jitorch=0.002, numpy=0.004)
    assert report.limit_text(copying, LIMITS) == "2.00x copy"
    assert report.limit_text(replace(copying, flops=9e7), LIMITS) == "2.00x copy"
    assert report.limit_text(replace(copying, flops=1.5e8), LIMITS) == "75% of gemm"
    assert report.limit_text(replace(copying, copy=None, flops=1e3), LIMITS) == report.DASH
    assert report.limit_text(copying, None) == report.DASH


def test_others_on_the_machine_are_noticed() -> None:
    before, after = Usage(all=10, own=5, clock=100), Usage(all=18, own=9, clock=104)
    assert disturbance(before, after) == 1
    assert disturbance(None, after) is None
    quiet, busy = (replace(row_of(jitorch=1), disturbance=x) for x in (0.01, 1.0))
    assert report.disturbances([quiet]) == [
        "Other programs kept 0.01 processors busy while the times were taken."
    ]
    assert report.disturbances([quiet, busy])[0].endswith("Measure again.")
    assert report.disturbances([row_of(jitorch=1)]) == []


def test_disturbed_measurements_are_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    levels = iter([0.9, 0.5, 0.7])
    monkeypatch.setattr("benchmarks.machine.disturbance", lambda before, after: next(levels))
    batches = {"nothing": repeated(lambda: None)}
    _, busy = measure_undisturbed(batches, GLANCE, retries=2)
    assert busy == 0.5
    levels = iter([0.9, 0.01])
    _, busy = measure_undisturbed(batches, GLANCE, retries=5)
    assert busy == 0.01


def test_inexact_results_are_flagged() -> None:
    assert report.cell_text(Cell(timing(0.001), 2e-3, exact=False)) == "1.00 ms\n2e-03 !"


def test_the_mean_of_ratios_is_geometric() -> None:
    rows = [row_of(jitorch=0.001, numpy=0.002), row_of(jitorch=0.002, numpy=0.001)]
    section = report.workload_section("w", "", "", rows, ["jitorch", "numpy"], LIMITS)
    assert section.rows[-1][:1] + section.rows[-1][3:4] == ["geometric mean of 2, of 2", "1.00"]


def test_markdown_keeps_cells_on_a_line() -> None:
    text = report.markdown(Section("s", "Title", "Note.", ["", "a"], [["x | y", "1\n2"]], None))
    assert text == "### Title\n\n|  | a |\n| --- | --: |\n| x \\| y | 1<br>2 |\n\nNote.\n"


# ------------------------------------------------------------------------------------- the rest


def test_threads_go_to_different_cores() -> None:
    cores = {0: "0,2", 1: "1,3", 2: "0,2", 3: "1,3"}
    assert threads.chosen([0, 1, 2, 3], cores.__getitem__) == [0, 1]
    assert threads.chosen([0, 2, 3], cores.__getitem__) == [0, 3]
    assert threads.chosen([0, 2], cores.__getitem__) == [0, 2]
    assert threads.chosen([1], cores.__getitem__) == [1]


@pytest.mark.parametrize("count", [1, 100, 317])
def test_generated_functions_have_so_many_operations(count: int, tmp_path: Path) -> None:
    function = ast.parse(generated.source(count, "jitorch")).body[1]
    assert isinstance(function, ast.FunctionDef)
    *operations, result = function.body
    assert isinstance(result, ast.Return)
    assert len(operations) == count
    assert np.isfinite(generated.load(tmp_path, count, "numpy")(*generated.inputs())).all()


def test_numexpr_is_given_the_density_as_text() -> None:
    point = {"SA": 34.7, "CT": 5.1, "p": 909.0}
    texts = map(str, density(*map(Text, point)))
    found = [eval(text, {"sqrt": np.sqrt, **point}) for text in texts]
    assert found == pytest.approx(density(*point.values()), rel=1e-14)


def test_globs_choose() -> None:
    assert matches((), "anything")
    assert matches(("soft*", "*norm*"), "layer norm 2048x1024")
    assert not matches(("soft*",), "log-softmax")


def test_peers_are_named() -> None:
    assert peer_names("jax, numpy") == ["numpy", "jax"]
    result = CliRunner().invoke(command, ["--peers", "matlab"])
    assert "no such peer: matlab" in result.output


def test_peers_that_are_not_installed_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    session = Session(["jax", "torch.compile"], QUICK)
    session.start(lambda what: None)
    assert session.names == []
    assert session.notes == [
        "torch.compile left out: torch is not installed",
        "jax left out: jax is not installed",
    ]


def test_the_list_has_workloads_and_sections() -> None:
    result = CliRunner().invoke(command, ["--list"])
    names = result.output.splitlines()
    assert [w.name for w in WORKLOADS] == names[: len(WORKLOADS)]
    assert names[-1] == "import-time"


def test_a_glob_that_fits_nothing_is_an_error() -> None:
    result = CliRunner().invoke(command, ["no such workload"])
    assert result.exit_code == 2
    assert "--list shows the names" in result.output


@pytest.mark.numba
def test_the_command_writes_tables_and_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("LARGE", 1_000_000), ("SMALL", 100_000), ("MATRIX", 16)):
        monkeypatch.setattr(limits, name, value)
    file = tmp_path / "numbers.json"
    arguments = ["a [*] b*", "mean*", "--peers", "numpy", "--quick", "--json", str(file)]
    result = CliRunner().invoke(command, [*arguments, "--markdown"])
    assert result.exit_code == 0, (result.output, result.exception)
    assert "| mean squared error, 4M<br>float32, tensors |" in result.output
    data = json.loads(file.read_text(encoding="utf-8"))
    (row,) = data["workloads"]
    assert row["best peer"] == "numpy"
    assert row["bytes"] == 32_000_004
    assert row["contenders"]["jitorch"]["within tolerance"]
    assert len(row["contenders"]["jitorch"]["quartiles"]) == 2
    assert [r["jitorch takes"] for r in data["call-overhead"]] == ["tensors", "arrays"]
    assert data["machine"]["versions"]["numpy"] == np.__version__
