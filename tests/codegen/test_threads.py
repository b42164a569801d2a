"""The thread pool: every element once, whoever launches, also after a fork."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import jitorch as jt
from jitorch.codegen import native, threads

pytestmark = pytest.mark.numba

Loop = Callable[..., str]


@pytest.fixture(autouse=True)
def _four_threads() -> Iterator[None]:
    before = jt.get_num_threads()
    jt.set_num_threads(4)
    yield
    jt.set_num_threads(before)


@pytest.fixture
def count(loop: Loop) -> native.NativeFunction:
    """A kernel that adds one to each element of its range."""
    source = (
        "def kernel(args, lo, hi):\n"
        "    a = arg_ptr_i64(args, 0)\n"
        "    for i in range(lo, hi):\n"
        "        store(a, i, load(a, i) + 1)\n"
    )
    return native.compile_kernel(source, "kernel")


@pytest.mark.parametrize("n", [0, 1, 2, 3, 5, 64, 1000, 4097, 100_003])
@pytest.mark.parametrize("grain", [-1, 0, 1, 2, 63, 1000, 100_002, 200_000])
def test_every_element_once(n: int, grain: int, count: Any, table: Any) -> None:
    x = np.zeros(n + 1, np.int64)
    threads.launch(count, table(x).ctypes.data, n, grain)
    assert (x[:n] == 1).all()
    assert x[n] == 0


@pytest.mark.parametrize("number", [1, 2, 3, 7, 4])
def test_any_number_of_threads(number: int, count: Any, table: Any) -> None:
    x = np.zeros(5000, np.int64)
    args = table(x)
    jt.set_num_threads(number)
    assert jt.get_num_threads() == number
    for _ in range(50):
        threads.launch(count, args.ctypes.data, len(x), 100)
    assert (x == 50).all()


def test_thousands_of_launches_with_pauses(count: Any, table: Any) -> None:
    x = np.zeros(64, np.int64)
    args = table(x)
    for turn in range(3000):
        threads.launch(count, args.ctypes.data, len(x), 1)
        if turn % 300 == 0:
            time.sleep(0.002)  # long enough for the workers to fall asleep
    assert (x == 3000).all()


def test_several_python_threads_launch_at_once(count: Any, table: Any) -> None:
    arrays = [np.zeros(2000, np.int64) for _ in range(6)]
    tables = [table(x) for x in arrays]

    def work(args: Any) -> None:
        for _ in range(300):
            threads.launch(count, args.ctypes.data, 2000, 100)

    workers = [threading.Thread(target=work, args=(args,)) for args in tables]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert all((x == 300).all() for x in arrays)


def test_kernels_launch_kernels(count: Any, table: Any) -> None:
    source = (
        "def kernel(args, lo, hi):\n"
        "    for i in range(lo, hi):\n"
        "        parallel_for(arg_i64(args, 0), arg_i64(args, i + 1), 5000, 100)\n"
    )
    outer = native.compile_kernel(source, "kernel")
    arrays = [np.zeros(5000, np.int64) for _ in range(8)]
    tables = [table(x) for x in arrays]
    args = table(count.address, *tables)
    outer(args.ctypes.data, 0, 8)  # from compiled code
    threads.launch(outer, args.ctypes.data, 8, 1)  # and nested in another launch
    assert all((x == 2).all() for x in arrays)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_after_fork(count: Any, table: Any) -> None:
    x = np.zeros(100_000, np.int64)
    args = table(x)
    threads.launch(count, args.ctypes.data, len(x), 100)
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        for _ in range(20):
            threads.launch(count, args.ctypes.data, len(x), 100)
        os._exit(0 if (x == 21).all() else 1)
    assert os.waitpid(child, 0)[1] == 0
    threads.launch(count, args.ctypes.data, len(x), 100)
    assert (x == 2).all()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_fork_while_others_launch(count: Any, table: Any) -> None:
    x, y, stop = np.zeros(10_000, np.int64), np.zeros(10_000, np.int64), threading.Event()
    args, other = table(x), table(y)

    def work() -> None:
        while not stop.is_set():
            threads.launch(count, args.ctypes.data, len(x), 10)

    worker = threading.Thread(target=work)
    worker.start()
    try:
        for _ in range(40):
            child = os.fork()
            if child == 0:
                signal.alarm(20)
                before = x.copy()
                for _ in range(5):
                    threads.launch(count, other.ctypes.data, 10_000, 10)
                os._exit(0 if (y == 5).all() and (x == before).all() else 1)
            assert os.waitpid(child, 0)[1] == 0
    finally:
        stop.set()
        worker.join()
    assert (x == x[0]).all()


@pytest.mark.skipif(os.name != "posix", reason="POSIX signals")
def test_interrupts_leave_the_pool_usable(count: Any, table: Any) -> None:
    x = np.zeros(100_000, np.int64)
    args = table(x)

    def launch_until_interrupted() -> None:
        timer.start()
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            threads.launch(count, args.ctypes.data, len(x), 100)

    # Shells let what they start in the background ignore interrupts.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        for _ in range(5):
            timer = threading.Timer(0.01, os.kill, (os.getpid(), signal.SIGINT))
            with pytest.raises(KeyboardInterrupt):
                launch_until_interrupted()
            timer.join()
    finally:
        signal.signal(signal.SIGINT, before)
    assert (x == x[0]).all()
    threads.launch(count, args.ctypes.data, len(x), 100)


def test_an_idle_pool_sleeps(count: Any, table: Any) -> None:
    x = np.zeros(10_000, np.int64)
    threads.launch(count, table(x).ctypes.data, len(x), 10)
    time.sleep(0.05)
    before = time.process_time()
    time.sleep(0.3)
    assert time.process_time() - before < 0.1


def test_needs_no_numba(run_python: Any) -> None:
    script = (
        "import sys\n"
        "from jitorch.codegen import threads\n"
        "threads.parallel_for_address()\n"
        "print('numba' in sys.modules)"
    )
    assert run_python(script) == "False"


def test_processes_end_while_workers_are_about(run_python: Any) -> None:
    script = (
        "import ctypes\n"
        "import jitorch as jt\n"
        "from jitorch.codegen import llvm, native, threads\n"
        "text = 'define void @k(i64 %a, i64 %b, i64 %c) { ret void }'\n"
        "kernel = native.load_object(llvm.compile_llvm([text], 'k'))\n"
        "jt.set_num_threads(4)\n"
        "for _ in range(100):\n"
        "    threads.launch(kernel, 0, 100, 1)\n"
        "print('done')"
    )
    for _ in range(3):
        assert run_python(script) == "done"
