"""Tensors of indices in kernels: the same elements as on the CPU, and indices beyond the end."""

from __future__ import annotations

import contextlib
import gc
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import jitorch as jt
import jitorch.nn.functional as F
from jitorch.cuda import adapter
from jitorch.cuda.faults import Faults
from jitorch.errors import UNKNOWN, IndexOutOfRange, ShapeMismatch
from tests.cuda.kernels import Kernels, install
from tests.cuda.pretend import Machine
from tests.picks import FUNCTIONS, ROWS, table


@pytest.fixture
def loaded(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kernels]:
    """Kernels on the pretended GPU. What is noted and never read is not for the next test."""
    yield install(monkeypatch)
    with contextlib.suppress(IndexOutOfRange):
        adapter.faults.check()


@pytest.mark.parametrize("number", range(len(FUNCTIONS)))
def test_elements_are_those_of_the_cpu(number: int, loaded: Kernels) -> None:
    fn, args = FUNCTIONS[number]
    made, wanted = jt.script(fn)(*(x.cuda(1) for x in args)), fn(*args)
    for a, b in zip(*((r if type(r) is tuple else (r,)) for r in (made, wanted)), strict=True):
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        np.testing.assert_allclose(a.cpu().numpy(), b.numpy(), rtol=1e-5)


def test_nothing_waits(loaded: Kernels, machine: Machine) -> None:
    def loss(x: Any, i: Any) -> Any:
        return F.cross_entropy(x[i].reshape(4, 8), i.reshape(-1).abs())

    f = jt.script(loss, mode="reduce-overhead")
    x = table(3, 8)
    assert jt.allclose(f(x.cuda(), ROWS.cuda()).cpu(), loss(x, ROWS))
    assert machine.replays == 1


def test_an_index_beyond_the_end_is_told_when_a_value_is_read(loaded: Kernels) -> None:
    @jt.script
    def f(x: Any, i: Any) -> Any:
        y = x * 2
        return y[:, i]

    x = table(2, 3).cuda()
    assert f(x, ROWS.cuda()).tolist() == f.eager(x.cpu(), ROWS).tolist()
    for wrong in (3, -4):
        made = f(x, jt.tensor([0, wrong]).cuda())
        with pytest.raises(IndexOutOfRange) as caught:
            made.cpu()
        error = caught.value
        assert error.message == f"index {wrong} is out of bounds for dimension 1 with size 3"
        assert error.loc.line == f.__wrapped__.__code__.co_firstlineno + 3
        assert made.cpu().shape == (2, 2)  # told once


def test_a_gather_does_not_count_from_the_end(loaded: Kernels) -> None:
    made = jt.script(lambda x, i: x.gather(1, i) * 2)(table(2, 3).cuda(), -ROWS.cuda().abs())
    with pytest.raises(IndexOutOfRange, match=r"index -[12] is out of bounds for dimension 1"):
        made.cpu()


@pytest.mark.parametrize("wait", ["device", "stream", "event", "item"])
def test_whoever_waits_is_told(wait: str, loaded: Kernels) -> None:
    x = table(3).cuda()
    event = jt.cuda.Event()
    waits: dict[str, Callable[[], Any]] = {
        "device": jt.cuda.synchronize,
        "stream": lambda: jt.cuda.current_stream().synchronize(),
        "event": event.synchronize,
        "item": lambda: x.sum().item(),
    }
    jt.script(lambda x, i: x[i])(x, jt.tensor([7]).cuda())
    event.record()
    with pytest.raises(IndexOutOfRange, match="index 7 is out of bounds"):
        waits[wait]()
    waits[wait]()


def test_a_branch_on_what_was_picked(loaded: Kernels) -> None:
    @jt.script
    def f(x: Any, i: Any) -> Any:
        if x[i].sum() > 3:
            return x + 1
        return x - 1

    x = table(3).cuda()
    assert f(x, jt.tensor([2, 2]).cuda()).tolist() == [1, 2, 3]
    assert f(x, jt.tensor([0, 1]).cuda()).tolist() == [-1, 0, 1]
    with pytest.raises(IndexOutOfRange, match="index 3 is out of bounds"):
        f(x, jt.tensor([3]).cuda())


def test_a_gather_from_less_than_it_walks_along(loaded: Kernels) -> None:
    f = jt.script(lambda x, i, m: x[:, : m.item()].gather(0, i) + 1)
    x, i = table(3, 4).cuda(), ROWS.cuda().clamp(0)
    assert f(x, i, jt.tensor(2)).tolist() == [[9, 2], [1, 6]]
    with pytest.raises(ShapeMismatch, match="the index has 2 and what it picks from 1"):
        f(x, i, jt.tensor(1))


def test_nothing_to_pick_from(loaded: Kernels) -> None:
    f = jt.script(lambda x, i: x[i] * 2)
    with pytest.raises(IndexOutOfRange, match="out of bounds for dimension 0 with size 0"):
        f(table(0, 5).cuda(), jt.tensor([0]).cuda())
    assert f(table(0, 5).cuda(), jt.zeros(0, dtype=jt.int64).cuda()).shape == (0, 5)


def test_replays_tell_too(loaded: Kernels, machine: Machine) -> None:
    f = jt.script(lambda x, i: x[i] * 2, mode="reduce-overhead")
    x, i = table(3).cuda(), jt.tensor([2, 0]).cuda()
    assert f(x, i).tolist() == [4, 0]
    f(x, i * 0 + 7)
    with pytest.raises(IndexOutOfRange, match="index 7 is out of bounds"):
        jt.cuda.synchronize()
    assert f(x, i - 2).tolist() == [0, 2]
    assert machine.replays == 3


@pytest.mark.parametrize("dim", [0, 1])
def test_threads_without_a_row_have_no_index(dim: int, loaded: Kernels) -> None:
    """Rows and columns fill the last block in part only; the rest of it folds nothing."""
    f = jt.script(lambda x: x.gather(dim, x.argmax(dim, keepdim=True)) * 2)
    x = table(3, 5) % 4
    assert jt.equal(f(x.cuda()).cpu(), x.amax(dim, keepdim=True) * 2)


def test_places_for_notes_are_given_back(loaded: Kernels) -> None:
    gc.collect()
    adapter.faults.check()
    before = len(adapter.faults._used)

    def call() -> None:
        jt.script(lambda x, i: x[i] + x[i + 1])(table(9).cuda(), ROWS.cuda().abs())
        assert len(adapter.faults._used) > before

    for _ in range(3):
        call()
        gc.collect()
        adapter.faults.check()
    assert len(adapter.faults._used) == before


def test_a_note_outlives_its_program(loaded: Kernels) -> None:
    made = jt.script(lambda x, i: x[i] * 2)(table(3).cuda(), jt.tensor([7]).cuda())
    gc.collect()
    with pytest.raises(IndexOutOfRange, match="index 7 is out of bounds"):
        made.cpu()


def test_garbage_is_collected_while_a_place_is_made() -> None:
    def allocate(count: int) -> tuple[Any, int]:
        faults.release([])  # as when a program is collected just now
        return np.zeros(count, np.int64), 0

    faults = Faults(allocate)
    making = threading.Thread(target=faults.place, args=(0, UNKNOWN), daemon=True)
    making.start()
    making.join(10)
    assert not making.is_alive()


def test_an_index_is_called_like_the_function_that_checks_it(loaded: Kernels) -> None:
    f = jt.script(lambda x, picked: x[picked] + 1)
    assert f(table(3).cuda(), ROWS.cuda()).tolist() == [[3, 1], [3, 2]]
