"""`jitorch cache`: the kernels kept on disk."""

from __future__ import annotations

import time
from pathlib import Path

import click
from rich.markup import escape
from rich.table import Table

from jitorch.cli.console import console
from jitorch.cli.doctor import size
from jitorch.codegen import cache


def show() -> None:
    """Print a table of the kernels, those used last first."""
    entries = cache.entries()
    if not entries:
        click.echo(f"no kernels in {cache.directory()}")
        return
    table = Table("kernel", "key")
    table.add_column("size", justify="right")
    table.add_column("last used")
    for e in entries:
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(e.used))
        table.add_row(escape(e.name), e.key[:12], size(e.size), when)
    console().print(table)
    total = size(sum(e.size for e in entries))
    click.echo(
        f"{_count(len(entries))}, {total} of {size(cache.limit_bytes())}, in {cache.directory()}"
    )


def clear() -> None:
    """Delete all kernels."""
    click.echo(f"deleted {_count(cache.clear())} from {cache.directory()}")


def verify() -> bool:
    """Read every file, say which can't be used, and return whether all can."""
    bad: list[tuple[Path, str]] = cache.verify()
    for path, reason in bad:
        click.echo(f"{path}: {reason}", err=True)
    good = len(cache.entries()) - len(bad)
    click.echo(f"{_count(good)} good, {len(bad)} bad")
    if bad:
        click.echo(
            "bad files are compiled again when they are needed; `jitorch cache clear` deletes all",
            err=True,
        )
    return not bad


def _count(n: int) -> str:
    return f"{n} kernel{'s' * (n != 1)}"
