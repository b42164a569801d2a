"""What all commands share: where output goes, and how they fail."""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path
from typing import IO, Any

import click
from rich.console import Console

import jitorch
from jitorch.errors import Loc, full_traceback

_PACKAGE = str(Path(jitorch.__file__).parent)


class Failure(click.ClickException):
    """An error to show as one message: something about the user's code, or a check that failed."""

    exit_code = 1

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the message to standard error."""
        head = click.style("error:", fg="red", bold=True)
        click.echo(
            f"{head} {self.format_message()}", file=file, err=True, color=False if plain() else None
        )


class Misuse(Failure):
    """The command line is wrong."""

    exit_code = 2


def plain() -> bool:
    """Whether the user wants no colours (https://no-color.org). A pipe gets none in any case."""
    return bool(os.environ.get("NO_COLOR"))


def console() -> Console:
    """Return a console for tables; in a pipe it has room for long cells."""
    wide = None if sys.stdout.isatty() or "COLUMNS" in os.environ else 160
    return Console(file=sys.stdout, width=wide, highlight=False)


def emit(text: str, output: str | None) -> None:
    """Write a text to the file `output`, or to standard output where it is None or "-"."""
    if output is None or output == "-":
        click.echo(text)
        return
    try:
        Path(output).write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise Misuse(f"can't write {output}: {error.strerror}") from None
    click.echo(f"wrote {output}", err=True)


def short_path(file: str) -> str:
    """Return a path as it is best shown: relative where it lies below the current directory."""
    try:
        return str(Path(file).relative_to(Path.cwd()))
    except ValueError:
        return file


def place(loc: Loc) -> str:
    """Return a place as `file:line`."""
    return f"{short_path(loc.file)}:{loc.line}"


def user_traceback(error: BaseException) -> str:
    """Return an error of the user's code with its traceback, without frames of the machinery."""
    frames = traceback.extract_tb(error.__traceback__)
    if not full_traceback():
        frames = traceback.StackSummary.from_list([f for f in frames if not _internal(f.filename)])
    head = ["Traceback (most recent call last):\n", *frames.format()] if frames else []
    return "".join([*head, *traceback.format_exception_only(error)]).rstrip()


def _internal(file: str) -> bool:
    return file.startswith((_PACKAGE + os.sep, "<frozen "))
