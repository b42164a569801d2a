"""`jitorch dump`: stages and formats."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from jitorch import pipeline
from jitorch.cli import generated, stages
from jitorch.ir.parser import parse
from tests.cli.conftest import Run
from tests.conftest import Golden

SOFTMAX = ("functions.py:softmax", "-i", "f32[8,16]")
STEPS = ("functions.py:steps", "-i", "f32[8]")
GRAPHS = ["typed", *(name for name, _ in pipeline.STAGES), "optimized", "fused"]


@pytest.mark.parametrize("stage", GRAPHS)
def test_a_stage_is_ir_text_under_its_provenance(run: Run, stage: str) -> None:
    text = run("dump", *STEPS, "--stage", stage).output
    assert re.match(r"# .*\b\d+ ops, \d+\.\d ms\n", text)
    assert f"{parse(text)}\n" == text.split("\n", 1)[1]


def test_sizes_are_symbols_and_ones_are_numbers(run: Run) -> None:
    text = run("dump", "functions.py:softmax", "-i", "f32[8,1]", "--stage", "typed").output
    assert "(%x: f32[n, 1])" in text


def test_parsed(run: Run, golden: Golden) -> None:
    golden("steps.parsed", run("dump", *STEPS, "--stage", "parsed").output)


def test_several_stages_share_names(run: Run) -> None:
    text = run("dump", *STEPS, "--stage", "typed,dce", "-s", "cse").output
    heads = [line for line in text.splitlines() if line.startswith("#")]
    assert [h.split()[1].strip(",") for h in heads] == ["typed", "after", "after"]
    assert [h.split()[2] for h in heads] == ["scripted:", "cse", "dce"]


def test_locations(run: Run) -> None:
    text = run("dump", *SOFTMAX, "--stage", "typed", "--locations").output
    assert re.search(r"= exp\(%\d+\)  # functions\.py:15\n", text)
    assert "# functions" not in run("dump", *SOFTMAX, "--stage", "typed").output


def test_diff_shows_changes_only(run: Run) -> None:
    text = run("dump", *STEPS, "--diff", "--stage", "typed,cse,licm").output
    assert "--- typed\n+++ cse\n" in text
    assert "\x1b[" not in text
    same = run("dump", *SOFTMAX, "--diff", "--stage", "licm,dce").output
    assert "# no change since licm" in same


def test_json(run: Run) -> None:
    data = json.loads(
        run("dump", *STEPS, "-i", "how='sum'", "--format", "json", "-s", "parsed,typed").output
    )
    assert data["function"]["name"] == "steps"
    assert data["inputs"][0] == {"name": "x", "value": "f32[8]"}
    parsed, typed = data["stages"]
    assert parsed["lines"][0]["loc"].startswith("functions.py:")
    graph = typed["graph"]
    assert graph["params"][0] == {
        "name": "%x",
        "hint": "x",
        "type": {
            "text": "f32[n]",
            "kind": "tensor",
            "dtype": "f32",
            "shape": ["n"],
            "strided": False,
            "device": "cpu",
        },
    }
    (loop,) = [op for op in graph["ops"] if op["op"] == "loop"]
    inner = [op for op in loop["blocks"][0]["ops"] if op["op"] == "mul"]
    assert inner[0]["loc"]["function"] == "scale"
    assert inner[0]["loc"]["call_site"]["function"] == "steps"


def test_dot(run: Run) -> None:
    assert run("dump", *STEPS, "--format", "dot").output.startswith('digraph "steps" {')
    assert "draws graphs only" in run("dump", *STEPS, "-f", "dot", "-s", "parsed", code=2).output


def test_output_file(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "f.ir"
    assert run("dump", *SOFTMAX, "-o", str(file)).output == f"wrote {file}\n"
    parse(file.read_text(encoding="utf-8"))
    assert "can't write" in run("dump", *SOFTMAX, "-o", str(tmp_path / "no" / "f"), code=2).output


def test_a_traced_function_needs_inputs_of_its_kind(run: Run) -> None:
    text = run("dump", "functions.py:traced", "-i", "f32[4,3]", "--stage", "typed").output
    assert text.startswith("# typed, traced: 5 ops")
    assert (
        "begins at the stage"
        in run("dump", "functions.py:traced", "-i", "1", "-s", "parsed", code=2).output
    )


def test_trace_option(run: Run) -> None:
    text = run("dump", *SOFTMAX, "--trace", "--stage", "typed").output
    assert text.startswith("# typed, traced")


def test_methods_and_modules(run: Run) -> None:
    assert "mul(" in run("dump", "functions.py:model.forward", "-i", "f32[3]").output
    assert "mul(" in run("dump", "functions:scale", "-i", "f32[3]", "-i", "2.0").output


def test_code_needs_numba(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (generated, stages):
        monkeypatch.setattr(module, "has_numba", lambda: False)
    assert "pip install numba" in run("dump", *SOFTMAX, "--stage", "kernels", code=1).output
    assert "def " not in run("dump", *SOFTMAX, "--stage", "all").output


@pytest.mark.numba
@pytest.mark.parametrize(
    ("stage", "expected"), [("kernels", "def "), ("llvm", "define "), ("asm", ".text")]
)
def test_code(run: Run, stage: str, expected: str) -> None:
    text = run("dump", *SOFTMAX, "--stage", stage).output
    assert text.startswith(f"# {stage}: ")
    if "fuse" in dict(pipeline.STAGES):
        assert expected in text


@pytest.mark.numba
def test_all_goes_up_to_kernels(run: Run) -> None:
    text = run("dump", *SOFTMAX, "--stage", "all").output
    heads = re.findall(r"^# (\w+)(?: (\w+))?", text, re.MULTILINE)
    assert ("parsed", "from") in heads
    for name, _ in pipeline.STAGES:
        assert ("after", name) in heads
    assert "# plan softmax_plan\n" in text


@pytest.mark.numba
def test_json_of_kernels(run: Run) -> None:
    (stage,) = json.loads(run("dump", *SOFTMAX, "-f", "json", "-s", "kernels").output)["stages"]
    assert {"kind", "name", "text"} == set(stage["functions"][-1])
