"""Random programs mean the same before and after every pass."""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings, strategies as st

from jitorch import pipeline
from jitorch.ir.core import Graph
from jitorch.ir.parser import parse
from jitorch.ir.verify import verify
from tests.fuzz.graphs import Programs
from tests.support import outcome, random_arguments, same

ORDINARY = ("infer", "decompose", "fold", "simplify", "cse", "licm", "dce")
quick = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))


def with_effects(graph: Graph, args: list[Any]) -> tuple[Any, ...]:
    """Return the results of a call and what became of its arguments."""
    mine = [a.copy() if isinstance(a, np.ndarray) else a for a in args]
    return outcome(graph, mine), tuple(mine)


@given(st.integers(0, 2**32))
@quick
def test_passes_keep_the_meaning(seed: int) -> None:
    graph = Programs(Random(seed)).graph()
    verify(graph)
    rng = np.random.default_rng(seed)
    calls = [random_arguments(graph, rng, {"n": n, "k": 2}) for n in (0, 1, 3)]
    expected = [with_effects(graph, args) for args in calls]
    for name in ORDINARY:
        after = pipeline.run(graph, [name])  # which verifies it too
        text = str(after)
        assert str(parse(text)) == text
        for args, result in zip(calls, expected, strict=True):
            assert same(result, with_effects(after, args)), f"{name}\n{graph}\n{text}"
        assert pipeline.run(after, [name]) is after, f"{name} is not idempotent\n{text}"
        graph = after
