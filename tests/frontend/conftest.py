"""Front-end tests run graphs by the interpreter, so that they need no Numba; those marked `numba` compile."""

from __future__ import annotations

from collections.abc import Iterator
from unittest import mock

import pytest

from jitorch import compile as backend, pipeline
from jitorch.compile import Interpreted
from jitorch.ir.core import Graph
from jitorch.ir.verify import verify


def interpreted(graph: Graph, *rest: object) -> Interpreted:
    """Return the optimised graph, verified, as something that runs."""
    verify(graph)
    return Interpreted(pipeline.run(graph, pipeline.OPTIMIZE))


@pytest.fixture(autouse=True)
def no_kernels(request: pytest.FixtureRequest) -> Iterator[None]:
    """Run scripted functions by the interpreter."""
    if request.node.get_closest_marker("numba"):
        yield
        return
    with mock.patch.object(backend, "compile_program", interpreted):
        yield
