"""Fixtures: run the command line in this process, in the folder of the functions it is about."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def _here(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """Work in this folder, and undo what importing the functions leaves behind."""
    monkeypatch.chdir(Path(__file__).parent)
    monkeypatch.setenv("JITORCH_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "cli-cache"))
    monkeypatch.delenv("COLUMNS", raising=False)
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in ("functions", "_functions_file", "broken", "quits"):
        if name not in modules:
            sys.modules.pop(name, None)


@pytest.fixture
def run() -> Run:
    """Return a function that runs a command: run("dump", ..., code=0)."""

    def call(*arguments: str, code: int = 0, stdin: str | None = None) -> Result:
        from jitorch.cli import cli

        result = CliRunner().invoke(cli, list(arguments), input=stdin)
        assert result.exit_code == code, (result.output, result.exception)
        return result

    return call
