"""Each pass on the graphs of its directory, whose names are claims; results lie in `golden/`."""

from __future__ import annotations

from pathlib import Path

import pytest

from jitorch import pipeline
from jitorch.ir.parser import parse
from jitorch.ir.verify import verify
from tests.conftest import Golden
from tests.support import assert_same_meaning

HERE = Path(__file__).parent
ORDINARY = ("decompose", "fold", "simplify", "cse", "licm", "dce", "infer", "lower")
CASES = [path for name in ORDINARY for path in sorted((HERE / name).glob("*.ir"))]


@pytest.mark.parametrize("path", CASES, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_pass_does_what_the_name_claims(path: Path, golden: Golden) -> None:
    name = path.parent.name
    before = parse(path.read_text(encoding="utf-8"))
    verify(before)
    after = pipeline.run(before, [name])
    golden(f"{name}/{path.name}", f"{after}\n")
    assert str(parse(str(after))) == str(after)
    assert_same_meaning(before, after)
    assert pipeline.run(after, [name]) is after, "a second run finds something to do"


@pytest.mark.parametrize("path", CASES, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_all_passes_keep_the_meaning(path: Path) -> None:
    before = parse(path.read_text(encoding="utf-8"))
    assert_same_meaning(before, pipeline.run(before, ORDINARY))


def test_every_golden_graph_has_an_input() -> None:
    inputs = {(p.parent.name, p.name) for p in CASES}
    goldens = [p for name in ORDINARY for p in (HERE / name / "golden").glob("*.ir")]
    assert [p for p in goldens if (p.parent.parent.name, p.name) not in inputs] == []
