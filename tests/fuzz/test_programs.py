"""Random programs do the same scripted as in plain Python, or are refused with a clear message."""

from __future__ import annotations

import importlib.util
import warnings
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

import jitorch as jt
from jitorch import jit
from jitorch.errors import CompileError
from tests.checking import check, fresh
from tests.fuzz.programs import programs

CALLS = (
    (jt.tensor([1.0, -2.0, 3.0, 0.5]), jt.tensor([0.25, 4.0, -1.0, 2.0]), jt.tensor([-3.0, 0.0, 1.5, -0.5]), 0.75, 2),
    (jt.tensor([-1.0, 0.5, -3.0]), jt.tensor([5.0, -0.25, 1.0]), jt.tensor([0.0, -0.0, 9.0]), -1.5, 3),
)  # fmt: skip


def loaded(source: str, folder: Path) -> Any:
    """Write a program to a file of its own and import it."""
    path = folder / f"program_{abs(hash(source))}.py"
    path.write_text(source)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)
        spec.loader.exec_module(module)
    return module.f


def run(source: str, folder: Path, compiled: bool) -> bool:
    """Check one program; return False if it is refused."""
    fn = loaded(source, folder)
    try:
        for call in CALLS:
            jit.script(fn).graph(*fresh(call), stage="typed")
    except CompileError as error:
        if not error.loc.known:
            raise AssertionError(f"an error without a place in\n{source}") from error
        return False
    try:
        # A result may be a changed argument itself, on some paths only; compiled it is a copy.
        check(fn, *CALLS, compiled=compiled, aliases=False)
    except Exception as error:
        raise AssertionError(f"{source}\n{error}") from error
    return True


SETTINGS = settings(
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],  # to make a failing program small takes minutes
    suppress_health_check=list(HealthCheck),
)


def test_random_programs(tmp_path: Path) -> None:
    ran = []

    @settings(SETTINGS, max_examples=60)
    @given(programs())
    def inner(source: str) -> None:
        ran.append(run(source, tmp_path, compiled=False))

    inner()
    assert sum(ran) > len(ran) // 2


@pytest.mark.numba
def test_random_programs_compiled(tmp_path: Path) -> None:
    @settings(SETTINGS, max_examples=5)
    @given(programs())
    def inner(source: str) -> None:
        run(source, tmp_path, compiled=True)

    inner()
