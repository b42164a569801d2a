"""Which calls share a compiled version, and what is said about those that do not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import jitorch as jt
from jitorch import jit
from jitorch.errors import CompileError, TraceError


def scripted() -> Any:
    @jit.script
    def f(x: Any, n: int = 2) -> Any:
        return (x * n).sum(0)

    return f


def versions(f: Any) -> int:
    return sum(map(len, f._versions.values()))


def test_ten_batch_sizes_one_compile() -> None:
    f = scripted()
    with jit.max_compiles(1):
        for n in (2, 3, 4, 5, 7, 10, 100, 0, 33, 6):
            assert f(jt.ones(n, 4)).tolist() == [2.0 * n] * 4


def test_ints_and_floats_do_not_recompile() -> None:
    f = scripted()
    with jit.max_compiles(1):
        for n in (0, 1, -5, 10**6):
            assert f(jt.ones(3), n).item() == 3.0 * n
    with jit.max_compiles(1):
        for v in (0.5, -0.0, float("inf")):
            f(jt.ones(3), v)


def test_branching_on_ints_does_not_recompile() -> None:
    @jit.script
    def f(x: Any, n: int) -> Any:
        if n > 3 and n != 7:
            return x * n
        return x

    with jit.max_compiles(1):
        assert f(jt.ones(5), 4).tolist() == [4.0] * 5
        assert f(jt.ones(5), 7).tolist() == [1.0] * 5
        assert f(jt.ones(5), 3).tolist() == [1.0] * 5


def test_branching_on_sizes_makes_a_version_for_each_side() -> None:
    @jit.script
    def f(x: Any) -> Any:
        if x.shape[0] < 3:
            return x.sum()
        return x[2]

    with jit.max_compiles(2):
        for n in (2, 0, 5, 9, 1):
            if n != 1:
                assert f(jt.ones(n)).item() == (n if n < 3 else 1)


def test_ints_that_decide_shapes_of_code_are_guarded() -> None:
    @jit.script
    def f(x: Any, n: int) -> Any:
        return x.reshape(n, -1).sum(1)

    with jit.max_compiles(1):
        assert f(jt.ones(6), 2).tolist() == [3.0, 3.0]
        assert f(jt.ones(6), 3).tolist() == [2.0, 2.0, 2.0]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (jt.ones(3, 4), jt.ones(1, 4)),
        (jt.ones(3, 4), jt.ones(3, 4, dtype=jt.float64)),
        (jt.ones(3, 4), jt.ones(3, 4, 2)),
        (jt.ones(3, 4), jt.ones(4, 3).t()),
        (jt.ones(3, 4), np.ones((3, 4), np.float32)),
    ],
    ids=["size 1", "dtype", "rank", "layout", "numpy"],
)
def test_facts_that_recompile(first: Any, second: Any) -> None:
    f = scripted()
    f(first)
    assert versions(f) == 1
    f(second)
    assert versions(f) == 2
    with jit.max_compiles(0):
        f(first)
        f(second)


def test_flags_strings_and_none_recompile_once_each() -> None:
    @jit.script
    def f(x: Any, mode: Any) -> Any:
        return x + 1 if mode == "up" else x

    for mode in ("up", "down", None, True):
        f(jt.ones(2), mode)
    with jit.max_compiles(0):
        for mode in ("up", "down", None, True):
            f(jt.ones(2), mode)


def test_one_and_true_and_one_float_differ() -> None:
    f = jit.script(lambda x, v: x * v)
    n = jt.tensor([2, 3])
    assert [f(n, v).dtype for v in (1, True, 1.0)] == [jt.int64, jt.int64, jt.float32]


def test_equal_sizes_are_guarded() -> None:
    @jit.script
    def f(x: Any, y: Any) -> Any:
        return x + y if x.shape == y.shape else x

    assert f(jt.ones(3), jt.ones(3)).tolist() == [2.0] * 3
    assert f(jt.ones(3), jt.ones(4)).tolist() == [1.0] * 3
    assert f(jt.ones(5), jt.ones(5)).tolist() == [2.0] * 5


def test_broadcast_patterns_are_guarded() -> None:
    f = jit.script(lambda x, y: x + y)
    assert f(jt.ones(3, 1), jt.ones(1, 4)).shape == (3, 4)
    assert f(jt.ones(3, 4), jt.ones(3, 4)).shape == (3, 4)
    assert f(jt.ones(5, 4), jt.ones(4)).shape == (5, 4)
    with pytest.raises(RuntimeError, match="must match"):
        f(jt.ones(5), jt.ones(4))


def test_max_compiles_says_why() -> None:
    f = scripted()
    with (
        pytest.raises(
            CompileError, match=r"'f' would be compiled once more than allowed: first call"
        ),
        jit.max_compiles(0),
    ):
        f(jt.ones(3))
    f(jt.ones(3))
    with (
        pytest.raises(CompileError, match=r"'x' was float32\[n\], now float64\[n\]"),
        jit.max_compiles(0),
    ):
        f(jt.ones(3, dtype=jt.float64))


def test_log_says_why(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("JITORCH_LOG", "recompiles")
    factor = 2

    @jit.script
    def f(x: Any, n: int, mode: str = "a") -> Any:
        y = jt.ones(4)
        return x[:n] * factor + y if x.shape[0] == 4 else x

    f(jt.ones(4), 4)
    f(jt.ones(1), 4)
    f(jt.ones(4), 4.0 if False else 4, "b")
    factor = 3
    f(jt.ones(4), 4)
    lines = [line.split(": ", 2)[2] for line in capsys.readouterr().err.splitlines()]
    assert lines == [
        "first call",
        "'x' was float32[n], now float32[1]",
        "'mode' was 'a', now 'b'",
        "a fact no longer holds: 'factor' was 2, now 3",
    ]


@pytest.fixture
def _doubles() -> Iterator[None]:
    yield
    jt.set_default_dtype(jt.float32)


@pytest.mark.usefixtures("_doubles")
def test_the_default_dtype_belongs_to_a_version() -> None:
    @jit.script
    def grid(n: int) -> Any:
        return jt.zeros(n) + 0.5

    traced = jit.trace(lambda x: x + jt.ones(3), jt.zeros(3))
    assert grid(2).dtype is jt.float32
    jt.set_default_dtype(jt.float64)
    assert grid(2).dtype is jt.float64
    assert "'the default dtype' was torch.float32, now torch.float64" in str(grid.explain(2))
    with pytest.raises(TraceError, match="default dtype"):
        traced(jt.zeros(3, dtype=jt.float32))
    jt.set_default_dtype(jt.float32)
    with jit.max_compiles(0):
        assert grid(3).dtype is jt.float32
