"""`jitorch opt`, `run`, `explain`, `doctor`, `cache`, and what all commands have in common."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jitorch as jt
from jitorch import pipeline
from jitorch.cli import compare, doctor
from jitorch.cli.console import Failure
from jitorch.cli.subject import Subject
from jitorch.errors import PassError
from jitorch.ir.core import Graph
from jitorch.ir.parser import parse
from tests.cli.conftest import Run

IR = """\
graph @f(%x: f32[n]) {
  %0: f32[n] = exp(%x)
  %1: f32[n] = exp(%x)
  %2: f32[n] = add(%0, %1)
  %3: f32[n] = neg(%x)
  return %2
}
"""


# ---------------------------------------------------------------------------------------------- opt


def test_opt_runs_the_passes_in_order(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "f.ir"
    file.write_text(IR, encoding="utf-8")
    text = run("opt", str(file), "-p", "cse,dce").output
    assert text.count("# after ") == 2
    assert text.count("exp(") == 1
    assert "neg(" not in text
    assert str(parse(text)) in text


def test_opt_takes_what_dump_gives(run: Run) -> None:
    typed = run("dump", "functions.py:softmax", "-i", "f32[8,16]", "-s", "typed").output
    passes = ",".join(pipeline.OPTIMIZE)
    optimized = run("opt", "-", "-p", passes, stdin=typed).output
    direct = run("dump", "functions.py:softmax", "-i", "f32[8,16]", "-s", "optimized").output
    assert str(parse(optimized)) == str(parse(direct))


def test_opt_without_passes_prints_the_graph(run: Run) -> None:
    assert run("opt", "-", stdin=IR).output == str(parse(IR)) + "\n"


def test_opt_says_where_the_text_is_wrong(run: Run, tmp_path: Path) -> None:
    output = run("opt", "-", stdin=IR.replace("%1)", "%9)"), code=1).output
    assert output.startswith("error: standard input, line 4: %9 is not defined here\n")
    wrong = IR.replace("%2: f32[n]", "%2: f64[n]")
    assert "in 'add'" in run("opt", "-", stdin=wrong, code=1).output
    assert "f64[n] = add" in run("opt", "-", "--no-verify", stdin=wrong).output
    output = run("opt", "-", "-p", "nothing", stdin=IR, code=2).output
    assert output.startswith("error: there is no pass 'nothing'\n  the passes are: infer")
    assert "can't read" in run("opt", str(tmp_path / "no.ir"), code=2).output


def test_the_command_that_a_failing_pass_prints_replays_it(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(graph: Graph) -> Graph:
        raise ValueError("on purpose")

    monkeypatch.setattr(pipeline, "STAGES", [("cse", broken)])
    with pytest.raises(PassError) as failed:
        pipeline.run(parse(IR), ["cse"])
    command = str(failed.value).split("python -m jitorch ")[1].split()
    try:
        assert "on purpose" in run(*command, code=1).output
        monkeypatch.undo()
        assert "# after cse" in run(*command).output
    finally:
        Path(command[1]).unlink()


# ---------------------------------------------------------------------------------------------- run


@pytest.mark.numba
def test_run_agrees(run: Run) -> None:
    output = run("run", "functions.py:softmax", "-i", "f32[8,16]", "--repeat", "1").output
    assert "f32[8, 16]" in output
    assert "same" in output
    assert "median of 1" in output
    assert "\x1b[" not in output


@pytest.mark.numba
def test_run_shows_every_result(run: Run) -> None:
    output = run("run", "functions.py:pair", "-i", "f32[4]", "-i", "i64[4]", "--repeat", "1").output
    for name in ("result['sum']", "result['both'][0]", "result['both'][1]"):
        assert name in output


@pytest.mark.numba
def test_run_compares_what_is_written_and_printed(run: Run) -> None:
    output = run("run", "functions.py:add_one", "-i", "f32[4]", "--repeat", "1").output
    assert "argument 0 (written)" in output
    assert "differs" not in output
    assert "\nwritten" not in output  # what both print alike is not shown


@pytest.mark.numba
def test_run_numpy(run: Run) -> None:
    output = run("run", "functions.py:norm", "-i", "f64[100]", "--numpy", "--repeat", "1").output
    assert "np:f64[]" in output


@pytest.mark.numba
def test_run_fails_where_results_differ(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = Subject.call
    monkeypatch.setattr(Subject, "call", lambda subject, args: compiled(subject, args) * 1.001)
    arguments = ["functions.py:softmax", "-i", "f32[4,4]=ones", "--repeat", "1"]
    assert "differs" in run("run", *arguments, code=1).output
    assert "same" in run("run", *arguments, "--rtol", "0.01").output


def test_run_refuses_to_compare_eager_with_itself(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JITORCH_EAGER", "1")
    assert "unset it" in run("run", "functions.py:softmax", "-i", "f32[2,2]", code=2).output


@pytest.mark.numba
def test_run_reports_errors_of_the_function(run: Run) -> None:
    output = run("run", "functions.py:raises", "-i", "f32[4]", code=1).output
    assert "eager: raised AssertionError" in output
    assert "compiled: raised AssertionError" in output
    assert "too small" in output


def test_distances() -> None:
    one = np.float32(1)
    a = np.array([1, -0.0, np.nan, np.inf], np.float32)
    b = np.array([np.nextafter(one, np.float32(2)), 0.0, np.nan, np.inf], np.float32)
    assert compare.max_ulp(a, b) == 1
    assert compare.max_difference(a, b) == pytest.approx(2**-23)
    far = np.array([-np.inf]), np.array([np.inf])
    assert compare.max_ulp(*far) == 2 * 0x7FF0000000000000
    assert compare.max_ulp(np.array([1.0]), np.array([np.nextafter(1.0, 2.0)])) == 1
    empty = np.zeros(0)
    assert compare.max_ulp(empty, empty) == compare.max_difference(empty, empty) == 0


@pytest.mark.parametrize(
    ("seconds", "text"), [(2.0, "2 s"), (0.0123, "12.3 ms"), (4.56e-5, "45.6 µs"), (1e-8, "10 ns")]
)
def test_durations(seconds: float, text: str) -> None:
    assert compare.duration(seconds) == text


# ------------------------------------------------------------------------------------------ explain


@pytest.mark.numba
def test_explain_tells_why_versions_exist(run: Run) -> None:
    output = run("explain", "functions.py:softmax", "-i", "f32[8,16]", "--call", "f64[8,16]").output
    assert output.startswith("softmax(x: f32[8, 16]): 2 versions\n")
    assert "first call" in output
    assert "now float64[n, n]" in output
    assert "time to compile" in output


@pytest.mark.numba
def test_explain_names_guards_and_traces(run: Run) -> None:
    output = run("explain", "functions.py:pair", "-i", "f32[8]", "-i", "f32[8]").output
    assert "x.shape[0] == y.shape[0]" in output
    assert str(Path.cwd()) not in output
    assert "traced" in run("explain", "functions.py:traced", "-i", "f32[4,3]").output


# ------------------------------------------------------------------------------------ doctor, cache


def test_doctor(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JITORCH_LOG", "recompiles")
    output = run("doctor").output
    for text in (
        "jitorch",
        "numpy",
        "numba",
        "threads",
        "kernel cache",
        "JITORCH_LOG",
        np.__version__,
    ):
        assert text in output


def test_doctor_names_the_remedy(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(doctor._PACKAGES, "not_there_at_all", ("1.2", "this test"))
    monkeypatch.setitem(doctor._PACKAGES, "numpy", ("99.0", "everything"))
    output = run("doctor", code=1).output
    assert f'{sys.executable} -m pip install "not_there_at_all>=1.2"' in output
    assert "too old" in output


def test_doctor_sees_a_cache_that_cannot_be_written(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.touch()
    monkeypatch.setenv("JITORCH_CACHE_DIR", str(file / "cache"))
    assert "JITORCH_CACHE_DIR" in run("doctor", code=1).output
    monkeypatch.setenv("JITORCH_CACHE", "0")
    assert "switched off" in run("doctor").output


def test_cache(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from jitorch.codegen import cache

    folder = tmp_path / "cache"
    monkeypatch.setenv("JITORCH_CACHE_DIR", str(folder))
    assert run("cache", "path").output == f"{folder}\n"
    assert run("cache", "ls").output == f"no kernels in {folder}\n"
    for key in ("a" * 64, "b" * 64):
        cache.store(key, "kernel_x", b"object", "text")
    output = run("cache", "ls").output
    assert "kernel_x" in output
    assert "2 kernels, " in output
    assert run("cache", "verify").output == "2 kernels good, 0 bad\n"
    (folder / f"{'a' * 64}.jtk").write_bytes(b"nonsense")
    output = run("cache", "verify", code=1).output
    assert "is not a kernel file" in output
    assert "1 kernel good, 1 bad" in output
    assert run("cache", "clear").output == f"deleted 2 kernels from {folder}\n"


# ----------------------------------------------------------------------------------- real processes


def process(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "jitorch", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, **options)


def test_version() -> None:
    done = process("--version")
    assert (done.returncode, done.stdout) == (0, f"jitorch, version {jt.__version__}\n")


@pytest.mark.parametrize("command", ["dump", "opt", "run", "explain", "doctor", "cache"])
def test_every_command_has_a_manual(run: Run, command: str) -> None:
    assert command in run("--help").output
    assert len(run(command, "--help").output.splitlines()) > 5


def test_errors_go_to_standard_error() -> None:
    done = process("dump", "functions.py:sofmax")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: 'functions.py' has no 'sofmax'; did you mean 'softmax'?\n"


def test_no_colour_where_none_is_wanted(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    error = Failure("wrong")
    monkeypatch.setattr(
        "click.utils.should_strip_ansi", lambda stream=None, color=None: color is False
    )
    error.show()
    assert "\x1b[31m" in capsys.readouterr().err
    monkeypatch.setenv("NO_COLOR", "1")
    error.show()
    assert capsys.readouterr().err == "error: wrong\n"


def test_a_reader_that_goes_is_no_error() -> None:
    command = [sys.executable, "-m", "jitorch", "dump", "functions.py:steps", "-i", "f32[8]"]
    with subprocess.Popen(
        [*command, "-s", "typed,cse,dce"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.close()
        assert child.stderr.read() == b""
    assert child.returncode == 1


def test_an_interrupt_is_quiet(tmp_path: Path) -> None:
    file = tmp_path / "slow.py"
    file.write_text("raise KeyboardInterrupt\n", encoding="utf-8")
    done = process("dump", f"{file}:f")
    assert (done.returncode, done.stdout, done.stderr.strip()) == (130, "", "")


def test_output_that_cannot_be_encoded_is_escaped() -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = process("cache", "--help", env=environment)
    assert done.returncode == 0
    done = process("doctor", env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.isascii()


def test_the_library_does_not_load_the_command_line() -> None:
    script = "import sys, jitorch; print(sorted({'click', 'rich', 'numba'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == "[]\n"
