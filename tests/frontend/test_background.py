"""Calls that run as plain Python while their version is compiled, and versions compiled beforehand."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any
from unittest import mock

import numpy as np
import pytest

import jitorch as jt
from jitorch import compile as backend, jit
from jitorch.compile import Interpreted
from jitorch.errors import TypeMismatch, UnsupportedSyntax


@pytest.fixture(autouse=True)
def interpreted() -> Iterator[None]:
    with mock.patch.object(backend, "compile_program", lambda graph, *rest: Interpreted(graph)):
        yield


def scripted() -> Any:
    @jit.script
    def f(x: Any, scale: Any = 2) -> Any:
        return x * scale

    return f


def versions(f: Any) -> int:
    return sum(map(len, f._versions.values()))


def test_a_call_does_not_wait_for_the_compiler() -> None:
    go = threading.Event()

    def slow(graph: Any, *rest: Any) -> Interpreted:
        assert go.wait(10)
        return Interpreted(graph)

    f = scripted()
    with (
        mock.patch.object(backend, "compile_program", slow),
        jt.compile_in_background() as background,
    ):
        assert f(jt.ones(2)).tolist() == [2.0, 2.0]
        assert f(jt.ones(3)).tolist() == [2.0, 2.0, 2.0]
        assert versions(f) == 0
        assert not background.wait(0.01)
        go.set()
        assert background.wait(10)
        assert versions(f) == 1
        assert background.seconds > 0
        assert f(jt.ones(2)).tolist() == [2.0, 2.0]


def test_after_the_block_calls_wait_again() -> None:
    f = scripted()
    with jt.compile_in_background():
        pass
    f(jt.ones(2))
    assert versions(f) == 1


def test_the_time_allowed() -> None:
    f = scripted()
    with jt.compile_in_background(max_seconds=0) as background:
        assert f(jt.ones(2)).tolist() == [2.0, 2.0]
        assert background.wait(10)
        assert versions(f) == 0
    with pytest.raises(ValueError, match="must not be negative"):
        jt.compile_in_background(float("nan"))


def test_errors_are_raised_by_the_next_call() -> None:
    @jit.script
    def f(x: Any) -> Any:
        try:
            return x + 1
        finally:
            pass

    with jt.compile_in_background() as background:
        assert f(jt.ones(1)).item() == 2.0
        background.wait(10)
        with pytest.raises(UnsupportedSyntax, match="'try' blocks"):
            f(jt.ones(1))


def test_arguments_changed_meanwhile() -> None:
    @jit.script
    def f(xs: Any) -> Any:
        return xs[0] + xs[-1]

    xs = [jt.ones(2), jt.ones(2)]
    with jt.compile_in_background() as background:
        f(xs)
        xs.clear()
        assert background.wait(10)
    with jt.max_compiles(0):
        assert f([jt.ones(2), jt.ones(2)]).tolist() == [2.0, 2.0]


def test_warmup() -> None:
    f = scripted()
    f.warmup(("f32[3, 4]",), (jt.ones(2, dtype=jt.float64), 3), (np.ones(3),))
    assert versions(f) == 3
    with jt.max_compiles(0):
        assert f(jt.ones(7, 2)).shape == (7, 2)
        assert f(jt.ones(5, dtype=jt.float64), 4).tolist() == [4.0] * 5
        assert f(np.ones(2)).tolist() == [2.0, 2.0]
    with pytest.raises(TypeMismatch, match="takes tuples of arguments"):
        f.warmup("f32[3]")
    with pytest.raises(TypeMismatch, match="no tensor of known sizes"):
        f.warmup(("f32[n]",))
