"""`jitorch dump`: a function at every stage between its source and machine code."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

import click

import jitorch
from jitorch.cli import stages
from jitorch.cli.console import Misuse, emit, place, plain
from jitorch.cli.stages import Capability, Stage, is_code
from jitorch.cli.subject import Subject
from jitorch.frontend.source import parse_function
from jitorch.ir.json import to_json


def dump(
    subject: Subject,
    chosen: Sequence[str],
    form: str,
    *,
    diff: bool,
    output: str | None,
    locations: bool,
    cc: Capability = None,
) -> None:
    """Write the chosen stages of a function in one of the formats."""
    everything = form == "html" or diff
    wanted = stages.wanted(chosen or (["all"] if everything else ["fused"]), subject, cc)
    if diff:
        wanted = [n for n in wanted if n != "parsed" and not is_code(n)]
    if diff and form != "text":
        raise Misuse("--diff makes text: it can't be combined with --format")
    if form == "dot" and (other := [n for n in wanted if n == "parsed" or is_code(n)]):
        raise Misuse(f"the stage '{other[0]}' is no graph: --format dot draws graphs only")
    made = stages.build(subject, wanted, cc)
    if diff:
        _diff(made, output, locations)
    elif form == "json":
        emit(json.dumps(_json(subject, made), indent=2, allow_nan=False), output)
    elif form == "dot":
        emit("\n".join(s.graph.to_dot() for s in made if s.graph is not None), output)
    elif form == "html":
        from jitorch.cli.html import page

        emit(page(subject, made), output)
    else:
        emit("\n\n".join(f"{s.heading}\n{s.text(locations)}" for s in made), output)


_COLOURS = {"+": "green", "-": "red", "@": "cyan", "#": "bright_black"}


def _diff(made: Sequence[Stage], output: str | None, locations: bool) -> None:
    if len(made) < 2:
        raise Misuse("--diff needs two stages or more, such as --stage typed,dce")
    text = stages.differences(made, locations)
    if output is None and sys.stdout.isatty() and not plain():
        text = "\n".join(_coloured(line) for line in text.splitlines())
    emit(text, output)


def _coloured(line: str) -> str:
    colour = _COLOURS.get(line[:1])
    return click.style(line, fg=colour) if colour else line


def _json(subject: Subject, made: Sequence[Stage]) -> dict[str, Any]:
    source = parse_function(subject.python)
    where = source.loc(source.node)
    return {
        "jitorch": jitorch.__version__,
        "format": 1,
        "function": {"name": subject.name, "file": where.file, "line": where.line},
        "inputs": [{"name": name, "value": text} for name, text in subject.inputs()],
        "stages": [_json_stage(stage) for stage in made],
    }


def _json_stage(stage: Stage) -> dict[str, Any]:
    head = {
        "name": stage.name,
        "provenance": stage.heading.removeprefix("# "),
        "seconds": stage.seconds,
    }
    if stage.graph is not None:
        return {**head, "graph": to_json(stage.graph)}
    if stage.name == "parsed":
        return {**head, "lines": [{"text": text, "loc": place(loc)} for text, loc in stage.lines]}
    return {
        **head,
        "functions": [{"kind": f.kind, "name": f.name, "text": f.text} for f in stage.functions],
    }
