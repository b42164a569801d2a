"""Locks, and what a forked process finds of a compilation that was under way."""

from __future__ import annotations

import os
import threading

import pytest

from jitorch.locks import Lock

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")


def test_a_forked_process_finds_a_lock_open() -> None:
    lock, taken, done = Lock(), threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            taken.set()
            done.wait(30)

    thread = threading.Thread(target=hold)
    thread.start()
    taken.wait(30)
    child = os.fork()
    if child == 0:
        opened = threading.Thread(target=lambda: lock.__enter__())
        opened.start()
        opened.join(10)
        os._exit(int(opened.is_alive()))
    _, status = os.waitpid(child, 0)
    done.set()
    thread.join()
    assert status == 0


def test_a_fork_within_a_lock_releases_nothing_twice() -> None:
    with Lock():
        child = os.fork()
        if child == 0:
            os._exit(0)
    assert os.waitpid(child, 0)[1] == 0


def test_a_lock_may_be_taken_again() -> None:
    lock = Lock()
    with lock, lock:
        pass
