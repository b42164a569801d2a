"""`jitorch opt`: named passes over IR text."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from jitorch import pipeline
from jitorch.cli.console import Failure, Misuse, emit
from jitorch.errors import VerifyError
from jitorch.ir.core import Graph
from jitorch.ir.parser import parse
from jitorch.ir.verify import verify as verify_graph


def opt(file: str, passes: Sequence[str], *, verify: bool, output: str | None) -> None:
    """Run passes over the graph in a file and write the graph that comes out."""
    known = [name for name, _ in pipeline.STAGES]
    for name in passes:
        if name not in known:
            raise Misuse(f"there is no pass '{name}'\n  the passes are: {', '.join(known)}")
    graph = _read(file, verify)
    headings: list[str] = []

    def after(name: str, before: Graph, made: Graph, seconds: float) -> None:
        headings.append(pipeline.provenance(name, before, made))
        if verify:
            _verify(made, f"after {name}")

    graph = pipeline.run(graph, passes, after)
    emit("\n".join([*headings, str(graph)]), output)


def _read(file: str, verify: bool) -> Graph:
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except OSError as error:
        raise Misuse(f"can't read {file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise Misuse(f"{file} is not text") from None
    name = "standard input" if file == "-" else file
    try:
        graph = parse(text)
    except VerifyError as error:
        raise Failure(f"{name}, {error}") from None
    if verify:
        _verify(graph, name)
    return graph


def _verify(graph: Graph, where: str) -> None:
    try:
        verify_graph(graph)
    except VerifyError as error:
        raise Failure(f"{where}: {error}") from None
