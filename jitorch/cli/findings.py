"""What `jitorch doctor` finds, one row each, and how it is shown."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass

import click
from rich.markup import escape
from rich.table import Table

from jitorch.cli.console import console


@dataclass(frozen=True)
class Finding:
    """A fact about the installation; `remedy` is what to do where it is a fault, or could be better.

    A fault keeps jitorch from working on the CPU. Whatever is wrong with CUDA is none.
    """

    what: str
    found: str
    remedy: str = ""
    fault: bool = False
    part: str = "cpu"
    absent: bool = False

    @property
    def state(self) -> str:
        """One word: ok, fault, note where a remedy is no must, absent for what need not be there."""
        if self.fault:
            return "fault"
        return "note" if self.remedy else "absent" if self.absent else "ok"


Probe = Callable[[], Iterator[Finding]]
_MARKS = {
    "fault": "[bold red]missing[/]",
    "note": "[yellow]see below[/]",
    "absent": "",
    "ok": "[green]ok[/]",
}


def ask(probe: Probe, what: str, part: str) -> list[Finding]:
    """Return a probe's findings; one that fails is a finding itself."""
    try:
        return list(probe())
    except Exception as error:
        told = str(error).strip().splitlines()
        reason = f"{type(error).__name__}: {told[0]}" if told else type(error).__name__
        return [Finding(what, f"can't be told ({reason})", part=part)]


def show(findings: Sequence[Finding]) -> None:
    """Print the findings as a table, and the remedies below it."""
    table = Table("", "found", "")
    for before, f in zip([None, *findings], findings, strict=False):
        if before is not None and before.part != f.part:
            table.add_section()
        table.add_row(escape(f.what), escape(f.found), _MARKS[f.state])
    out = console()
    out.print(table)
    for remedy in dict.fromkeys(f.remedy for f in findings if f.remedy):
        out.print(escape(remedy), soft_wrap=True)


def emit_json(findings: Sequence[Finding]) -> None:
    """Print the findings for programs to read."""
    healthy = not any(f.fault for f in findings)
    rows = [{**asdict(f), "state": f.state} for f in findings]
    click.echo(json.dumps({"healthy": healthy, "findings": rows}, indent=2))
