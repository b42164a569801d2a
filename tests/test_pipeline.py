"""The list of passes and what runs it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from jitorch import pipeline
from jitorch.errors import PassError
from jitorch.ir.core import Graph
from jitorch.ir.parser import parse

GRAPH = parse(
    """graph @f(%x: f32[n]) {
      %0: f32[n] = exp(%x)
      %1: f32[n] = exp(%x)
      %2: f32[n] = mul(%0, %1)
      return %2
    }"""
)
ORDINARY = ["infer", "decompose", "fold", "simplify", "cse", "licm", "dce"]


def test_the_stages_stand_in_the_order_that_the_design_gives() -> None:
    assert [name for name, _ in pipeline.STAGES][:7] == ORDINARY


def test_the_callback_sees_every_pass() -> None:
    seen: list[tuple[str, int, int]] = []

    def note(name: str, before: Graph, after: Graph, seconds: float) -> None:
        assert seconds >= 0
        seen.append((name, len(before.block.ops), len(after.block.ops)))

    pipeline.run(GRAPH, ["fold", "cse", "dce"], note)
    assert seen == [("fold", 3, 3), ("cse", 3, 2), ("dce", 2, 2)]


def test_provenance_says_what_a_pass_did() -> None:
    after = pipeline.run(GRAPH, ["cse"])
    count = len(pipeline.STAGES)
    assert pipeline.provenance("cse", GRAPH, after) == f"# after cse (5th of {count}): 3 -> 2 ops"
    assert pipeline.provenance("cse", GRAPH, after, 0.0012).endswith("3 -> 2 ops, 1.2 ms")
    assert pipeline.provenance("mine", GRAPH, after) == "# after mine: 3 -> 2 ops"


def test_stages_keeps_every_graph() -> None:
    found = pipeline.stages(GRAPH, ["fold", "cse"])
    assert list(found)[:3] == ["typed", "fold", "cse"]
    assert found["fold"] is GRAPH


def test_an_unknown_pass_is_named_with_those_there_are() -> None:
    with pytest.raises(KeyError, match="there is no pass 'cze'; there are: infer, decompose"):
        pipeline.run(GRAPH, ["cze"])


def failing(graph: Graph) -> Graph:
    raise ZeroDivisionError("oh")


def malformed(graph: Graph) -> Graph:
    return Graph(graph.name, graph.block.__class__((), graph.block.ops, graph.results))


@pytest.mark.parametrize(
    ("bad", "said"), [(failing, "ZeroDivisionError: oh"), (malformed, "VerifyError")]
)
def test_a_failing_pass_leaves_the_graph_and_the_command_to_replay_it(
    bad: pipeline.Pass, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "STAGES", [("bad", bad)])
    with pytest.raises(PassError) as caught:
        pipeline.run(GRAPH)
    message = str(caught.value)
    assert said in message
    found = re.search(r"python -m jitorch opt (\S+\.ir) -p bad", message)
    assert found is not None
    path = Path(found[1])
    assert str(parse(path.read_text(encoding="utf-8"))) == str(GRAPH)
    path.unlink()


def test_verification_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "STAGES", [("bad", malformed)])
    monkeypatch.setenv("JITORCH_VERIFY", "0")
    assert pipeline.run(GRAPH).params == ()
