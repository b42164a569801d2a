"""The quick way into a compiled version takes only calls that the version serves."""

from __future__ import annotations

from typing import Any
from unittest import mock

import numpy as np
import pytest

import jitorch as jt
from jitorch import jit
from jitorch.frontend import function
from jitorch.frontend.arguments import Leaves


def quick(f: Any, *args: Any) -> bool:
    """Return whether a call is served without looking at it the general way."""
    with mock.patch.object(function, "Leaves", side_effect=Leaves) as general:
        f(*args)
    return general.call_count == 0


@pytest.fixture
def add() -> Any:
    @jit.script
    def add(x: Any, y: Any = 1) -> Any:
        return x + y

    add(jt.ones(3, 2), jt.ones(3, 2))
    return add


def test_the_second_call_is_quick(add: Any) -> None:
    assert quick(add, jt.ones(3, 2), jt.ones(3, 2))
    assert quick(add, jt.ones(5, 7), jt.ones(5, 7))
    assert quick(add, jt.ones(0, 2), jt.ones(0, 2))


@pytest.mark.parametrize(
    "x",
    [
        jt.ones(3, 2, dtype=jt.float64),
        jt.ones(3, 1),
        jt.ones(2),
        jt.ones(2, 3).T,
        np.ones((3, 2), np.float32),
        2,
        2.5,
        True,
        np.float32(2),
    ],
)
def test_other_kinds_of_arguments_are_not(add: Any, x: Any) -> None:
    y = jt.ones(3, 2)
    assert not quick(add, x, y)
    assert add(x, y).shape == (3, 2)


def test_sizes_that_break_a_guard_are_not(add: Any) -> None:
    with pytest.raises(jt.errors.ShapeMismatch):
        add(jt.ones(3, 2), jt.ones(4, 2))


def test_defaults_are_filled_in(add: Any) -> None:
    x = jt.ones(3)
    assert add(x).tolist() == [2.0, 2.0, 2.0]
    assert quick(add, x)
    assert quick(add, x, 41)
    assert add(x, 41).tolist() == [42.0, 42.0, 42.0]


def test_wrong_counts_are_errors_on_every_call(add: Any) -> None:
    for _ in range(2):
        with pytest.raises(jt.errors.TypeMismatch, match="too many positional arguments"):
            add(1, 2, 3)
        with pytest.raises(jt.errors.TypeMismatch, match="missing a required argument: 'x'"):
            add()


def test_containers_and_constants() -> None:
    @jit.script
    def f(parts: Any, table: Any, name: Any, flag: Any, none: Any) -> Any:
        x = parts[0] * parts[1][0] + table["a"]
        return x if flag and name == "yes" and none is None else -x

    def call(parts: Any = 2, key: str = "a", name: str = "yes", flag: bool = True) -> Any:
        items = [jt.ones(2), (jt.ones(2),) * parts]
        return items, {key: 3, "b": 0}, name, flag, None

    for changed in ({}, {"parts": 1}, {"name": "no"}, {"flag": False}):
        args = call(**changed)
        assert not quick(f, *args)
        assert quick(f, *args)
        assert f(*args).tolist() == f.eager(*args).tolist()
    assert not quick(f, (jt.ones(2), (jt.ones(2),) * 2), *call()[1:])
    with pytest.raises(KeyError):
        f(*call(key="c"))


factor = 2


def test_a_changed_global_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    @jit.script
    def f(x: Any) -> Any:
        return x * factor

    x = jt.ones(2)
    f(x)
    assert quick(f, x)
    monkeypatch.setitem(globals(), "factor", 5)
    assert f(x).tolist() == [5.0, 5.0]
    monkeypatch.delitem(globals(), "factor")
    with pytest.raises(jt.errors.NameNotFound):
        f(x)


def test_written_arguments_that_overlap_run_in_python() -> None:
    @jit.script
    def f(x: Any, y: Any) -> Any:
        x += 1
        return x + y

    f(jt.zeros(4), jt.zeros(4))
    assert quick(f, jt.zeros(4), jt.zeros(4))
    base = jt.zeros(5)
    assert f(base[:-1], base[1:]).tolist() == [2.0, 2.0, 2.0, 1.0]


def test_integers_keep_to_64_bits(add: Any) -> None:
    add(2**63 - 1, jt.ones(1))
    with pytest.raises(jt.errors.TypeMismatch, match="does not fit into 64 bits"):
        add(2**63, jt.ones(1))


def test_an_argument_that_is_returned_stays_itself() -> None:
    @jit.script
    def f(x: Any, y: Any) -> Any:
        return y, x + 1, x.shape[0]

    x, y = jt.ones(2), jt.ones(3)
    for _ in range(2):
        same, more, n = f(x, y)
        assert same is y
        assert more.tolist() == [2.0, 2.0]
        assert n == 2


def test_methods() -> None:
    class Scale:
        def __init__(self, by: float) -> None:
            self.by = by

        @jit.script
        def __call__(self, x: Any) -> Any:
            return x * self.by

    one, two = Scale(1.0), Scale(2.0)
    x = jt.ones(1)
    assert [one(x).item(), two(x).item(), one(x).item(), two(x).item()] == [1.0, 2.0, 1.0, 2.0]
    two.by = 3.0
    assert two(x).item() == 3.0
