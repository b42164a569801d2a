"""`jitorch explain`: what the compiler made of a function, in words."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from jitorch.cli.compare import duration
from jitorch.cli.console import console
from jitorch.cli.subject import Options, Subject, read_arguments
from jitorch.frontend.explain import Explanation


def explain(subject: Subject, calls: Sequence[str], options: Options) -> None:
    """Explain a function after its call and the further calls, each of which may need a version."""
    further = [read_arguments(subject.target, call.split(";"), options) for call in calls]
    subject.version()
    for arguments in further:
        subject.call(arguments)
    arguments = subject.arguments
    _show(subject, subject.function.explain(*arguments.args, **arguments.kwargs))


def _show(subject: Subject, found: Explanation) -> None:
    out = console()
    arguments = ", ".join(f"{name}: {text}" for name, text in subject.inputs())
    count = len(found.versions)
    out.print(
        f"[bold]{escape(found.name)}[/]({escape(arguments)}): {count} version{'s' * (count != 1)}"
    )
    _section("compiled because", found.versions)
    _section(
        "relies on",
        found.guards or ["nothing beyond the dtypes, ranks and layouts of its arguments"],
    )
    _section("kernels", found.groups)
    _section("not fused", found.reasons)
    _section("memory", found.memory)
    total = sum(seconds for _, seconds in found.seconds)
    table = Table("stage", box=None, padding=(0, 2, 0, 0))
    table.add_column("time", justify="right")
    for name, seconds in found.seconds:
        table.add_row(escape(name), duration(seconds))
    out.print(f"\n[bold]time to compile[/]: {duration(total)}")
    out.print(table)


def _section(title: str, items: Sequence[str]) -> None:
    if not items:
        return
    console().print(f"\n[bold]{title}[/]")
    for item in items:
        # Places below the current directory are shown as the user types them.
        text = item.replace(f"{Path.cwd()}{os.sep}", "")
        console().print(f"  {escape(text)}", soft_wrap=True)
