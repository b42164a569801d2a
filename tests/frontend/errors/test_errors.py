"""Every error message, whole: what is wrong, where, and what to write instead."""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import jitorch
from jitorch import jit
from jitorch.errors import LocatedError
from tests.checking import fresh, leaves, plain
from tests.frontend.errors import run_time, syntax, types_and_names  # noqa: F401
from tests.frontend.errors.registry import Wrong, wrong

Golden = Callable[[str, str], None]
RUN_TIME = [n for n, w in wrong.cases.items() if w.fn.__module__.endswith("run_time")]
JARGON = re.compile(
    r"\bSym\b|[Pp]roxy|%\d|ListVal|DictVal|<undefined>|\$\w|object at 0x|(?<!\w)_[a-z]+\(\)"
)


def raised(case: Wrong) -> tuple[Exception, tuple[Any, ...]]:
    """Make the call and return its exception and the arguments afterwards."""
    args = fresh(case.args)
    with pytest.raises(case.error) as info:
        jit.script(plain(case.fn))(*args, **case.kwargs)
    return info.value, args


def message(error: BaseException) -> str:
    """Return what the user reads, with paths and line numbers made independent of the place."""
    text = "\n".join([f"{type(error).__name__}: {error}", *getattr(error, "__notes__", [])])
    text = re.sub(r'File "[^"]*/([^/"]+)", line \d+', r'File "\1", line N', text)
    return text + "\n"


@pytest.mark.parametrize("name", list(wrong.cases))
def test_message(name: str, golden: Golden) -> None:
    error, args = raised(wrong.cases[name])
    text = message(error)
    golden(f"{name}.txt", text)
    assert "^" in text, "no caret"
    assert not JARGON.search(text), text
    if isinstance(error, LocatedError):
        assert error.loc.known
    assert unchanged(args, wrong.cases[name].args)
    inside = Path(jitorch.__file__).parent
    frames = traceback.extract_tb(error.__traceback__)
    assert sum(Path(f.filename).is_relative_to(inside) for f in frames) <= 1


@pytest.mark.numba
@pytest.mark.parametrize("name", RUN_TIME)
def test_compiled_code_says_the_same(name: str) -> None:
    error, args = raised(wrong.cases[name])
    assert message(error) == (Path(__file__).parent / "golden" / f"{name}.txt").read_text()
    assert unchanged(args, wrong.cases[name].args)


def unchanged(after: Any, before: Any) -> bool:
    pairs = zip(leaves(after), leaves(before), strict=True)
    return all(str(a) == str(b) for a, b in pairs)


def test_internal_frames_can_be_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JITORCH_FULL_TRACEBACK", "1")
    error, _ = raised(wrong.cases["broadcast"])
    assert len(traceback.extract_tb(error.__traceback__)) > 5


def test_every_golden_text_has_its_case() -> None:
    texts = {p.stem for p in (Path(__file__).parent / "golden").glob("*.txt")}
    assert texts == set(wrong.cases)
