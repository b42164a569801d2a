"""Strides known beforehand, and loops whose tensor has two copies that take turns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import jitorch as jt
from jitorch.codegen.strides import makers, strides_of
from jitorch.ir.opdef import OPS
from jitorch.ir.parser import parse
from jitorch.ir.types import TensorType, from_numpy_dtype
from tests.checking import check


def normal(*shape: int) -> Any:
    return jt.tensor(np.random.default_rng(0).standard_normal(shape), dtype=jt.float32)


def smooth(u: Any, steps: int) -> Any:
    u = u.clone()
    for _ in range(steps):
        u[1:-1, 1:-1] = 0.25 * (u[:-2, 1:-1] + u[2:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:])
    return u


def rows(u: Any, steps: int) -> Any:
    u = u * 1
    for _ in range(steps):
        u[1:] = u[:-1] + u[1:]
    return u


def stepped(u: Any, steps: int) -> Any:
    u = u + 0
    for _ in range(steps):
        u[::2, 1::2] = u[1::2, ::2] * 0.5 + u[::2, 1::2]
    return u


def until_still(u: Any, steps: int) -> Any:
    u = u.clone()
    rounds = 0
    change = jt.tensor(1.0)
    while change > 0.1 and rounds < steps:
        old = u.clone()
        u[1:-1] = (u[:-2] + u[2:]) * 0.5
        change = (u - old).abs().max()
        rounds += 1
    return u, change, rounds


def remembers(u: Any, steps: int) -> Any:
    u = u.clone()
    before = u[0]
    for _ in range(steps):
        before = u[1]
        u[:-1] = u[1:] + u[:-1]
    return u, before


def twice(u: Any, steps: int) -> Any:
    u = u.clone()
    for _ in range(steps):
        u[1:] = u[:-1] + u[1:]
        u[:-1] = u[1:] * 0.5
    return u


def nested(u: Any, steps: int) -> Any:
    u = u.clone()
    total = u.sum()
    for _ in range(steps):
        for _ in range(2):
            u[1:] = u[:-1] + u[1:]
        total = total + u.sum()
    return u, total


def argument(u: Any, steps: int) -> Any:
    for _ in range(steps):
        u[1:] = u[:-1] * 0.5 + u[1:]
    return u.sum()


def two(u: Any, steps: int) -> Any:
    u, v = u.clone(), u * 2
    for _ in range(steps):
        u[1:], v[1:] = u[:-1] + v[1:], v[:-1] - u[1:]
    return u, v


def moving(u: Any, steps: int) -> Any:
    u = u.clone()
    for i in range(steps):
        u[i : i + 2] = u[i + 1 : i + 3] * 0.5
    return u


def orbit(u: Any, steps: int) -> Any:
    x, y, count = u, u * 0.5, jt.zeros_like(u)
    for _ in range(steps):
        inside = x * x + y * y <= 4
        x, y = jt.where(inside, x * x - y * y + u, x), jt.where(inside, 2 * x * y + 0.1, y)
        count = count + inside
    return x, y, count


def unread(u: Any, steps: int) -> Any:
    x = u + 1
    for _ in range(steps):
        x = u * 2 - 1
    return x


def swapped(u: Any, steps: int) -> Any:
    a, b = u, u * 2
    for _ in range(steps):
        a, b = b + 1, a * 0.5
    return a, b


def looks_back(u: Any, steps: int) -> Any:
    v, change = u, u.sum()
    for _ in range(steps):
        old = v
        v = v * 0.5 + 1
        change = (v - old).abs().sum()
    return v, change


def keeps_a_row(u: Any, steps: int) -> Any:
    v, row = u, u[0]
    for _ in range(steps):
        row = v[1]
        v = v.tanh() + 1
    return v, row


def with_a_neighbour(u: Any, steps: int) -> Any:
    for _ in range(steps):
        u = u + u.mean(0) + u[:1]
    return u


def collected(u: Any, steps: int) -> Any:
    seen = [u]
    for _ in range(steps):
        u = u.tanh()
        seen += [u]
    return jt.stack(seen), u


def inner(u: Any, steps: int) -> Any:
    total = u * 0
    for _ in range(steps):
        v = u
        for _ in range(2):
            v = v * 0.5 + u
        total = total + v
        u = v
    return u, total


def one_row(u: Any, steps: int) -> Any:
    u = u.clone()
    for _ in range(steps):
        u[2] = u[0] + u[1] * 0.5 + u[2]
    return u


PROGRAMS = [
    one_row, unread, orbit, swapped, looks_back, keeps_a_row, with_a_neighbour, collected, inner,
    smooth, rows, stepped, until_still, remembers, twice, nested, argument, two, moving,
]  # fmt: skip


@pytest.mark.numba
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__)
def test_a_part_renewed_from_its_surroundings(program: Any) -> None:
    calls = [(normal(8, 6), n) for n in (0, 1, 2, 5)]
    check(program, *calls, (normal(40, 30), 3), compiled=True)


@pytest.mark.numba
@pytest.mark.parametrize("program", [smooth, rows, two])
def test_two_copies_take_turns(program: Any) -> None:
    fn = jt.script(program)
    fn(normal(8, 6), 3)
    assert "next_" in fn.code(normal(8, 6), 3, stage="kernels")


@pytest.mark.numba
@pytest.mark.parametrize("program", [remembers, moving])
def test_they_do_not_where_old_memory_is_kept_or_the_part_moves(program: Any) -> None:
    fn = jt.script(program)
    fn(normal(8, 6), 3)
    assert "next_" not in fn.code(normal(8, 6), 3, stage="kernels")


@pytest.mark.numba
@pytest.mark.parametrize(("program", "over"), [(orbit, True), (looks_back, False)])
def test_written_where_it_is_read(program: Any, over: bool) -> None:
    code = jt.script(program).code(normal(8, 6), 3, stage="kernels")
    assert "driver" in code
    assert ("now_" not in code) == over


@pytest.mark.numba
def test_too_small_for_its_surroundings() -> None:
    check(one_row, (normal(2, 2), 2), (normal(3, 0), 2), compiled=True, messages=False)
    check(smooth, (normal(2, 2), 2), (normal(1, 5), 0), (normal(3, 2), 1), compiled=True)


def test_strides_follow_from_the_views() -> None:
    graph = parse(
        """
    graph @f(%x: f32[n, m, 4], %y: f32[n, m; strided]) {
      %a: f32[n, m, 2; strided] = slice(%x) {dim=2, start=0, length=2, step=2}
      %b: f32[2, n, m; strided] = permute(%a) {dims=(2, 0, 1)}
      %c: f32[n, m; strided] = select(%b) {dim=0, index=1}
      %d: f32[k, n, m; strided] = expand(%c) {shape=(k, n, m)}
      %e: f32[m, n; strided] = permute(%y) {dims=(1, 0)}
      return %a, %b, %c, %d, %e
    }""".replace("k, n, m; strided", "3, n, m; strided").replace("(k, n, m)", "(3, n, m)")
    )
    made = makers(graph)
    found = [tuple(map(str, strides_of(v, made))) for v in graph.results]
    assert found == [
        ("4*m", "4", "2"),
        ("2", "4*m", "4"),
        ("4*m", "4"),
        ("0", "4*m", "4"),
        ("None", "None"),
    ]


VIEWS = [name for name, op in OPS.items() if op.view and (op.walks or op.axes)]


@pytest.mark.parametrize("name", VIEWS)
def test_walks_are_what_numpy_does(name: str) -> None:
    definition = OPS[name]
    assert definition.samples is not None
    for args, attrs in definition.samples():
        x = args[0]
        shown = definition.eager(np, x, **attrs)
        walked = definition.walked(TensorType(from_numpy_dtype(x.dtype), x.shape), attrs)
        assert walked is not None
        for d, (source, step) in enumerate(walked):
            if shown.shape[d] > 1 and shown.size:
                expected = 0 if source is None else x.strides[source] * step
                assert shown.strides[d] == expected
