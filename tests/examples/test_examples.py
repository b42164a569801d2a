"""Every example runs to its end, with the checks it makes itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.numba

FOLDER = Path(__file__).parents[2] / "examples"
EXAMPLES = sorted(path.stem for path in FOLDER.glob("[a-z]*.py"))
EXTRA = ("matplotlib", "sklearn")


def output_of(name: str) -> str:
    path = FOLDER / f"{name}.py"
    for package in EXTRA:
        if package in path.read_text(encoding="utf-8"):
            pytest.importorskip(package)
    done = subprocess.run([sys.executable, path], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_there_are_examples() -> None:
    assert "rnn" in EXAMPLES


@pytest.mark.parametrize("name", [e for e in EXAMPLES if e != "rnn"])
def test_example_runs(name: str) -> None:
    assert output_of(name)


def test_rnn_prints_the_same_lines_in_both_modes() -> None:
    text = output_of("rnn")
    stats = [line.split() for line in text.splitlines() if line.strip().startswith("stats:")]
    assert len(stats) == 20
    assert [line[0] for line in stats] == ["stats:"] * 20
    # Numbers are shown with four digits, so two roundings may lie one apart in the last.
    for eager, compiled in zip(stats[:10], stats[10:], strict=True):
        pairs = zip(numbers(eager), numbers(compiled), strict=True)
        assert all(abs(a - b) < 2e-4 for a, b in pairs)
    for stage in ("typed", "optimized", "fused"):
        assert f"The graph, {stage}:\ngraph @Rnn(" in text


def numbers(words: list[str]) -> list[float]:
    return [float(word.removeprefix("tensor(").removesuffix(")")) for word in words[1:]]
