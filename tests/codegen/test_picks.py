"""Tensors of indices in kernels on the CPU: elements, native loops, and indices beyond the end."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import jitorch as jt
from jitorch.codegen import steps
from jitorch.codegen.kernel import Layout
from jitorch.errors import IndexOutOfRange, ShapeMismatch
from tests.picks import FUNCTIONS, ROWS, Function, table

pytestmark = pytest.mark.numba


@pytest.mark.parametrize("number", range(len(FUNCTIONS)))
def test_elements_are_those_of_eager_code(number: int) -> None:
    fn, args = FUNCTIONS[number]
    made, wanted = jt.script(fn)(*args), fn(*args)
    for a, b in zip(*((r if type(r) is tuple else (r,)) for r in (made, wanted)), strict=True):
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-5)


def picking(key: list[Any]) -> Callable[..., Any]:
    """Return a function that indexes its first argument; numbers in the key stand for the others."""

    def pick(x: Any, *given: Any) -> Any:
        return x[tuple(given[k] if isinstance(k, int) else k for k in key)] * 2

    return pick


def test_random_keys() -> None:
    rng = np.random.default_rng(0)
    for _ in range(60):
        shape = rng.integers(1, 5, int(rng.integers(1, 5)))
        common = rng.integers(1, 4, int(rng.integers(0, 3)))
        key: list[Any] = []
        indices: list[Any] = []
        for n in shape:
            if rng.random() < 0.6:
                sizes = [1 if rng.random() < 0.3 else int(c) for c in common]
                dtype = rng.choice(["int64", "int32", "int8"])
                indices.append(jt.as_tensor(rng.integers(-n, n, sizes).astype(dtype)))
                key.append(len(indices) - 1)
            else:
                key.append(slice(None) if rng.random() < 0.7 else slice(None, None, 2))

        pick = picking(key)
        x = jt.as_tensor(rng.standard_normal(shape).astype(np.float32))
        found = jt.jit.trace(pick, (x, *indices))(x, *indices)
        assert jt.equal(found, pick(x, *indices)), (shape, key)


def test_a_native_loop_picks() -> None:
    @jt.script
    def f(x: Any, i: Any, n: int) -> Any:
        h = x
        for _ in range(n):
            h = h[i] * 0.5 + x
        return h

    x = jt.arange(50.0)
    i = jt.arange(50) * 7 % 50
    np.testing.assert_allclose(f(x, i, 20).numpy(), f.eager(x, i, 20).numpy(), rtol=1e-6)
    assert "one native function for the loop" in str(f.explain(x, i, 20))
    with pytest.raises(IndexOutOfRange) as caught:
        f(x, i + 50, 20)
    assert "out of bounds for dimension 0 with size 50" in caught.value.message
    assert caught.value.loc.line == f.__wrapped__.__code__.co_firstlineno + 4
    assert f(x, i + 50, 0) is not None  # nothing is picked in no round
    np.testing.assert_allclose(f(x, i, 3).numpy(), f.eager(x, i, 3).numpy(), rtol=1e-6)


def test_a_fold_of_everything_in_a_native_loop() -> None:
    @jt.script
    def f(x: Any, i: Any, n: int) -> Any:
        total = jt.zeros(())
        for k in range(n):
            total = total + x[i + k].sum()
        return total

    x, i = jt.arange(20_000.0), jt.arange(10_000)
    assert jt.allclose(f(x, i, 5), f.eager(x, i, 5))
    with pytest.raises(IndexOutOfRange, match="with size 20000"):
        f(x, i + 10_000, 5)


@pytest.mark.parametrize("wrong", [3, -4, 2**62, -(2**63)])
def test_an_index_beyond_the_end(wrong: int) -> None:
    @jt.script
    def f(x: Any, i: Any) -> Any:
        y = x * 2
        return y[:, i]

    x = table(2, 3)
    assert jt.equal(f(x, ROWS), f.eager(x, ROWS))
    for call in (f, f.eager):
        with pytest.raises(IndexOutOfRange) as caught:
            call(x, jt.tensor([0, wrong]))
        assert caught.value.message == (
            f"index {wrong} is out of bounds for dimension 1 with size 3"
        )
    with pytest.raises(IndexOutOfRange) as caught:
        f(x, jt.tensor([0, wrong]))
    assert caught.value.loc.line == f.__wrapped__.__code__.co_firstlineno + 3


def test_nothing_to_pick_from() -> None:
    f = jt.script(lambda x, i: x[i] * 2)
    with pytest.raises(IndexOutOfRange, match="out of bounds for dimension 0 with size 0"):
        f(table(0, 5), jt.tensor([0]))
    assert f(table(0, 5), jt.zeros(0, dtype=jt.int64)).shape == (0, 5)


@pytest.mark.parametrize("reduce", ["sum", "amax"])
def test_an_index_is_looked_at_though_its_place_is_known(reduce: str) -> None:
    """There is one element, or all are alike: no address depends on the index."""

    @jt.script
    def one(x: Any, w: Any, i: Any) -> Any:
        return getattr(x[:, i] * w, reduce)(0)

    @jt.script
    def alike(x: Any, w: Any, i: Any) -> Any:
        return getattr(jt.ones(1)[i] * w + x, reduce)(0)

    w, i = table(40, 50), jt.arange(50)
    for f in (one, alike):
        assert jt.allclose(f(table(40, 1), w, i * 0), f.eager(table(40, 1), w, i * 0))
        with pytest.raises(IndexOutOfRange, match="with size 1"):
            f(table(40, 1), w, i)


def test_what_is_picked_from_is_not_overwritten() -> None:
    @jt.script
    def f(x: Any, i: Any) -> Any:
        y = x + 1
        return y[i] - 1

    x, i = jt.arange(1000.0), jt.arange(999, -1, -1)
    assert jt.equal(f(x, i), x.flip(0))


def test_classes_of_a_loss_are_picked_in_its_kernel() -> None:
    f = jt.script(lambda x, k: jt.nn.functional.cross_entropy(x, k, reduction="none"))
    x, k = table(50, 30), jt.arange(50) % 30
    np.testing.assert_allclose(f(x, k).numpy(), f.eager(x, k).numpy(), rtol=1e-6)
    assert f.code(x, k).count("def fused") == 1


def test_arguments_are_called_like_what_plans_use() -> None:
    @jt.script
    def f(no_fault: Any, as_tensor: Any, turned: Any, dtype_f32: Any) -> Any:
        total = turned.T[1:] + dtype_f32
        return as_tensor[no_fault], total.cumsum(0), as_tensor[no_fault].sum(0)

    args = ROWS, table(3, 8), table(800, 700).T, table(700)
    for a, b in zip(f(*args), f.eager(*args), strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-5)


@pytest.mark.parametrize(
    "fn",
    [
        lambda x, i: x.gather(1, i) * 2,
        lambda x, i: jt.take_along_dim(x, i, 1) * 2,
        lambda x, i: jt.nn.functional.cross_entropy(x, i[:, 0]),
    ],
)
def test_a_gather_does_not_count_from_the_end(fn: Callable[..., Any]) -> None:
    for call in (jt.script(fn), fn):
        with pytest.raises(IndexOutOfRange, match="index -1 is out of bounds for dimension 1"):
            call(table(2, 3), jt.tensor([[1], [-1]]))


def test_a_gather_from_less_than_it_walks_along() -> None:
    @jt.script
    def f(x: Any, i: Any, m: Any) -> Any:
        return x[:, : m.item()].gather(0, i) + 1

    @jt.script
    def in_a_loop(x: Any, i: Any, n: int) -> Any:
        total = jt.zeros(2, 2)
        for k in range(n):
            total = total + x[:, : 4 - k].gather(0, i)
        return total

    x, i = table(3, 4), jt.tensor([[0, 1], [2, 2]])
    assert jt.equal(f(x, i, jt.tensor(3)), f.eager(x, i, jt.tensor(3)))
    assert jt.equal(in_a_loop(x, i, 3), in_a_loop.eager(x, i, 3))
    for call in (f, f.eager):
        with pytest.raises(ShapeMismatch, match="Size does not match at dimension 1"):
            call(x, i, jt.tensor(1))
    with pytest.raises(ShapeMismatch) as caught:
        in_a_loop(x, i, 4)
    assert caught.value.loc.line == in_a_loop.__wrapped__.__code__.co_firstlineno + 4
    assert "the index has 2 and what it picks from 1" in caught.value.message


def test_effects_stay_on_their_side_of_an_error(capsys: Any) -> None:
    @jt.script
    def told(x: Any, i: Any) -> Any:
        y = x[i]
        print("after the first")
        z = x[i + 1]
        print("after the second")
        return y + z

    @jt.script
    def guarded(x: Any, i: Any) -> Any:
        twice = i * 2
        assert twice.max().item() < 3, "too large"
        return x[twice] + 1

    for first, seen in ((3, ""), (2, "after the first\n")):
        for call in (told, told.eager):
            with pytest.raises(IndexOutOfRange, match="index 3 is out of bounds"):
                call(table(3), jt.tensor(first))
            assert capsys.readouterr().out == seen
    for call in (guarded, guarded.eager):
        with pytest.raises(AssertionError, match="too large"):
            call(table(3), jt.tensor([2]))


def test_indices_that_meet_none_pick_nothing() -> None:
    f = jt.script(lambda x, i, j: x[i, j] * 2)
    none = jt.zeros(0, dtype=jt.int64)
    assert f(table(0, 3), jt.tensor([0]), none).shape == (0,)
    with pytest.raises(IndexOutOfRange, match="size 0"):
        f(table(0, 3), jt.tensor([0]), jt.tensor([0, 1]))


def test_looking_for_the_end_does_not_keep_loops_from_vectors() -> None:
    f = jt.script(lambda x, i: x[i] * 2)
    llvm = f.code(table(100), jt.arange(100), stage="llvm")
    assert "@llvm.umax" in llvm  # a fold, which can be widened
    assert re.search(r"fmul [a-z ]*<\d+ x float>", llvm)


def test_what_is_only_picked_from_is_not_turned(monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy of the whole table would cost more than the elements."""
    turning = steps.turning()
    monkeypatch.setattr(turning, "plans", {})
    picking, both = (
        jt.script(lambda x, i: x[:, i] * 2),
        jt.script(lambda x, i: (x[:, i] * 2, x * 2)),
    )
    x, i = table(700, 600).T, jt.tensor([1, 600, 1])
    assert jt.equal(picking(x, i), x[:, i] * 2)
    assert not turning.plans
    assert jt.equal(both(x, i)[0], x[:, i] * 2)
    assert turning.plans


@pytest.mark.parametrize(
    ("fn", "shape"),
    [
        (lambda x, i: x[i].sum(0), (90, 70)),  # rows are added, wherever they are
        (lambda x, i: x[i.reshape(2, 20)].amax(1), (90, 70)),
        (lambda x, i: x[:, i].amax(0), (70, 90)),  # neighbours in a row, before the next row
    ],
)
def test_folds_over_what_is_picked_go_along_memory(fn: Function, shape: tuple[int, int]) -> None:
    f = jt.script(fn)
    x, i = table(*shape), jt.arange(40) * 7 % 90
    assert jt.equal(f(x, i), fn(x, i))
    (version,) = next(iter(f._versions.values()))
    (kernel,) = version.program.kernels  # type: ignore[attr-defined]
    assert kernel.kernel.layout is Layout.COLUMNS


@pytest.mark.parametrize(
    ("fn", "kernels"), [(lambda x, i: x[i] + 1, 1), (lambda x, i: x[i].mT + 1, 2)]
)
def test_rows_are_picked_before_they_are_turned(fn: Function, kernels: int) -> None:
    f, x, i = jt.script(fn), table(70, 90), jt.arange(40)
    assert jt.equal(f(x, i), fn(x, i))
    assert f.code(x, i).count("def fused") == kernels
