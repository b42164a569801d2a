"""Size expressions as Python source."""

from __future__ import annotations

import pytest

from jitorch.ir import dims as D

N, M = D.symbol("n"), D.symbol("m")


@pytest.mark.parametrize(
    "d",
    [
        D.floordiv(N, 2 * M),
        D.floordiv(N, 2 * D.floordiv(N, 2)),
        D.mod(N, 3 * M),
        D.mod(N * M, M + 1) - N,
        2 * D.floordiv(N - 1, M * M) + 1,
        D.FUNCTIONS["min"](N * M, 4 * M) * N,
    ],
    ids=str,
)
def test_python_source_means_the_same(d: D.Dim) -> None:
    for n in (2, 5, 17):
        for m in (1, 2, 7):
            text = D.python_source(d)
            assert eval(text, {"n": n, "m": m}) == D.evaluate(d, {"n": n, "m": m})
