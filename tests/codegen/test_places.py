"""Elements that know where they stand: indices in kernels of every layout, and what is made of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import jitorch as jt
from jitorch.codegen.kernel import Layout
from tests.checking import assert_same, check

pytestmark = [pytest.mark.numba, pytest.mark.usefixtures("seed")]

Program = Callable[..., Any]


def kernels_of(fn: Any, *args: Any) -> list[Layout]:
    """The layouts of the kernels that a call compiles."""
    fn(*args)
    (versions,) = fn._versions.values()
    return [kernel.kernel.layout for kernel in versions[-1].program.kernels]


def ramp(x: Any) -> Any:
    return jt.arange(x.shape[0]) * 2 + x


def causal(x: Any) -> Any:
    i = jt.arange(x.shape[0])
    return jt.where(i[:, None] >= i, x, -1.0)


def turned(x: Any) -> Any:
    return x.transpose(0, 1) * jt.arange(x.shape[0]) + x


def weighted_rows(x: Any) -> Any:
    return (x * jt.arange(x.shape[1], dtype=jt.float32)).sum(1)


def weighted_columns(x: Any) -> Any:
    return (x * jt.arange(x.shape[0], dtype=jt.float32)[:, None]).sum(0)


def few(x: Any) -> Any:
    return (x.reshape(-1, 4) * jt.arange(4)).sum(1)


def whole(x: Any) -> Any:
    return (x * jt.arange(x.shape[1])).sum()


LAYOUTS: list[tuple[Program, tuple[int, ...], Layout]] = [
    (ramp, (7,), Layout.FLAT),
    (causal, (70, 70), Layout.TILES),
    (turned, (70, 70), Layout.BLOCKS),
    (weighted_rows, (5, 33), Layout.ROWS),
    (weighted_columns, (5, 33), Layout.COLUMNS),
    (few, (6, 8), Layout.SHORT),
    (whole, (3, 9000), Layout.SPLIT),
]


@pytest.mark.parametrize(("program", "shape", "layout"), LAYOUTS)
def test_every_layout_knows_its_places(
    program: Program, shape: tuple[int, ...], layout: Layout
) -> None:
    x = jt.randn(*shape)
    fn = jt.script(program)
    assert_same(fn(x), fn.eager(x), program.__name__, 1e-4)
    assert kernels_of(fn, x)[0] is layout


def test_no_memory_is_read_for_indices() -> None:
    fn = jt.script(causal)
    fn(jt.ones(3, 3))
    assert fn.code(jt.ones(3, 3), stage="kernels").count("arg_ptr") == 2


POSITIONS: list[Program] = [
    lambda x: x.argmax(1),
    lambda x: x.argmin(0, keepdim=True),
    lambda x: (x.argmax(), x.argmin()),
    lambda x: x.max(1),
    lambda x: x.min(-2, keepdim=True),
    lambda x: x.transpose(0, 1).argmax(1),
    lambda x: x[:, ::2].argmax(1),
]


@pytest.mark.parametrize("program", POSITIONS)
@pytest.mark.parametrize(
    "dtype", ["float32", "float64", "float16", "int64", "int8", "uint8", "bool"]
)
def test_positions_are_those_of_numpy(program: Program, dtype: str) -> None:
    rng = np.random.default_rng(0)
    calls = []
    for shape in ((4, 6), (1, 5), (5, 1), (3, 300), (300, 7)):
        x = rng.integers(0, 4, shape).astype(dtype)
        if x.dtype.kind == "f":
            x[:, x.shape[1] // 2] = np.where(rng.random(shape[0]) < 0.3, np.nan, 0)
            x[0] = -np.inf
        calls.append((jt.tensor(x),))
    check(program, *calls, compiled=True)


def test_zeros_are_equal_whatever_their_signs() -> None:
    x = jt.tensor([[-0.0, 0.0, -1.0], [0.0, -0.0, 1.0]])
    check(lambda x: (x.argmax(1), x.argmin(1)), (x,), compiled=True)


def test_positions_in_nothing_are_errors() -> None:
    check(lambda x: x.argmax(1), (jt.ones(0, 3),), (jt.ones(3, 0),), compiled=True)
    check(lambda x: x.argmax(), (jt.ones(0, 3),), compiled=True)


def test_what_chooses_in_a_loop_is_native() -> None:
    def walk(table: Any, start: int) -> Any:
        at = table[start].argmax(0)
        total = at * 0
        for _ in range(5):
            total = total + (table * at).argmax(1).sum()
            at = at + 1
        return total

    fn = jt.script(walk)
    table = jt.randn(6, 6)
    assert_same(fn(table, 2), fn.eager(table, 2), "walk", 0)
    assert "def driver" in fn.code(table, 2, stage="kernels")


def test_sizes_and_fractions_make_ranges() -> None:
    check(
        lambda x: (
            jt.linspace(x.shape[0], 2.0, 5),
            jt.linspace(0.5, x.shape[0], x.shape[1], dtype=jt.float64),
            jt.logspace(x.shape[0], 2.0, 5),
            2.5 - x.shape[0],
            7.5 // x.shape[0],
            x * jt.linspace(0, 1, x.shape[1]),
        ),
        (jt.ones(3, 4),),
        (jt.ones(5, 2),),
        compiled=True,
    )


def test_lengths_that_only_fractions_tell_are_refused() -> None:
    fn = jt.script(lambda x: jt.arange(0.5, x.shape[0]))
    with pytest.raises(jt.errors.TypeMismatch, match="can't be told from a size") as caught:
        fn(jt.ones(3))
    assert "arange(n) * 0.5" in str(caught.value)


# Tensors of one number.


def in_place_of_zeros(x: Any) -> Any:
    return jt.where(x > 0, x, jt.zeros_like(x)) + jt.ones(x.shape[0], 1) * 2


def seen_and_used(x: Any) -> Any:
    zeros = jt.zeros(x.shape)
    return zeros + x, zeros, jt.full((2, 3), 1.5).sum(1), jt.ones(x.shape[0], 5).sum(0)


def of_other_dtypes(x: Any) -> Any:
    wrapped = jt.full((x.shape[1],), 300).to(jt.uint8) + x.to(jt.uint8)
    return wrapped, jt.full(x.shape, True) & (x > 0), jt.full(x.shape, float("nan")) * x


def in_a_loop(x: Any) -> Any:
    total = jt.zeros(x.shape[1])
    for i in range(x.shape[0]):
        total = total + x[i] * jt.full((x.shape[1],), 2.0)
    return total


@pytest.mark.parametrize("program", [in_place_of_zeros, seen_and_used, of_other_dtypes, in_a_loop])
def test_tensors_of_one_number_are_that_number(program: Program) -> None:
    check(program, (jt.randn(4, 3),), (jt.randn(1, 3),), (jt.ones(0, 3),), compiled=True)


def test_no_memory_is_read_for_one_number() -> None:
    fn = jt.script(in_place_of_zeros)
    fn(jt.ones(3, 3))
    assert fn.code(jt.ones(3, 3), stage="kernels").count("arg_ptr") == 2


def test_the_maximum_is_found_again() -> None:
    """The pass that looks for it computes its elements again, with products that others use or not."""

    @jt.script
    def f(a: Any, b: Any, c: Any, d: Any) -> Any:
        one = a * b
        two = one - c * d
        return one.sum(1), two.argmax(1), (two == two.amax(1, keepdim=True)).sum(1)

    jt.manual_seed(0)
    args = [jt.randn(50, 300) for _ in range(4)]
    _, found, count = f(*args)
    assert jt.equal(found, f.eager(*args)[1])
    assert count.min() == 1


def test_the_maximum_of_half_is_found_again() -> None:
    """It is rounded where it is stored."""

    @jt.script
    def f(x: Any) -> Any:
        y = (x * 1.0).tanh()
        return y, y.argmax()

    assert f(jt.tensor([5.0, 7.0, 3.0], dtype=jt.float16))[1] < 3
