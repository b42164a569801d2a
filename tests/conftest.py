"""What all tests share: verification after every pass, and golden texts."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

import jitorch  # noqa: F401  fills the op table

os.environ["JITORCH_VERIFY"] = "1"

Golden = Callable[[str, str], None]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write the golden texts anew")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    """Return a function that compares a text with the golden one: `golden("cse/name.ir", text)`.

    The path is relative to the test file's directory; the golden text lies in `golden/` beside it.
    """
    base = Path(str(request.path)).parent

    def check(path: str, text: str) -> None:
        file = base / Path(path).parent / "golden" / Path(path).name
        if request.config.getoption("--update-golden"):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        if not file.exists():
            pytest.fail(
                f"there is no golden text {file}; read the new one and run with --update-golden"
            )
        assert text == file.read_text(encoding="utf-8")

    return check
