"""Kernels without Numba: their source run by Python, each thread of a block as a Python thread.

Threads that share nothing run one after another. Slower than nothing else, but it needs no package and
may be used in any process.
"""

from __future__ import annotations

import itertools
import linecache
import threading
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from jitorch.codegen.cuda.launch import Shape
from jitorch.codegen.cuda.printer import CudaSource
from tests.codegen.cuda.names import Board, namespace

_TOGETHER = ("syncthreads", "shuffle", "shared")


class _Thread(threading.local):
    """Where the thread that asks stands: its place, that of its block, and what the block shares."""

    x = y = block_x = block_y = 0
    shape = Shape((1, 1), (1, 1))
    shared: dict[int, Any]
    boards: dict[int, dict[Any, Any]]
    barrier: threading.Barrier | None = None
    arrays: Any
    shuffles: Any

    def at(self, name: str) -> Any:
        (blocks, threads) = (self.shape.blocks, self.shape.threads)
        x, y = {
            "threadIdx": (self.x, self.y),
            "blockIdx": (self.block_x, self.block_y),
            "blockDim": threads,
            "gridDim": blocks,
        }[name]
        return SimpleNamespace(x=np.int64(x), y=np.int64(y))


_here = _Thread()


class _Cuda:
    """What stands for the module `numba.cuda` in kernel source."""

    threadIdx = property(lambda self: _here.at("threadIdx"))
    blockIdx = property(lambda self: _here.at("blockIdx"))
    blockDim = property(lambda self: _here.at("blockDim"))
    gridDim = property(lambda self: _here.at("gridDim"))
    local = SimpleNamespace(array=lambda shape, dtype: np.empty(shape, dtype))

    @property
    def shared(self) -> Any:
        return SimpleNamespace(array=self._shared)

    def _shared(self, shape: Any, dtype: Any) -> Any:
        number = next(_here.arrays)  # all threads ask for the same arrays in the same order
        return _here.shared.setdefault(number, np.empty(shape, dtype))

    def grid(self, dims: int) -> Any:
        assert dims == 1
        return np.int64(_here.block_x * _here.shape.threads[0] + _here.x)

    def gridsize(self, dims: int) -> Any:
        assert dims == 1
        return np.int64(_here.shape.blocks[0] * _here.shape.threads[0])

    def syncthreads(self) -> None:
        if _here.barrier is not None:
            _here.barrier.wait()


_CUDA = _Cuda()


def _own() -> tuple[int, dict[Any, Any]]:
    board = _here.boards.setdefault(next(_here.shuffles), {})
    return _here.y * _here.shape.threads[0] + _here.x, board


BOARD = Board(_own, _CUDA.syncthreads)
_NAMES = namespace(_CUDA, BOARD)


def place(what: str, axis: str) -> int:
    """Return where the GPU's thread is that asks, or how many there are."""
    return int(getattr(_here.at(what), axis))


def wait() -> None:
    """Wait for the other threads of the block."""
    _CUDA.syncthreads()


def start(made: CudaSource, entry: str, shape: Shape, arguments: Sequence[Any]) -> None:
    """Launch an entry."""
    scope = dict(_NAMES)
    file = f"<emulated {entry}>"
    linecache.cache[file] = (len(made.text), None, made.text.splitlines(True), file)
    exec(compile(made.text, file, "exec"), scope)
    run(scope[entry], made, shape, arguments)


def run(
    kernel: Callable[..., None], made: CudaSource, shape: Shape, arguments: Sequence[Any]
) -> None:
    """Call a kernel once for each thread of a launch."""
    together = any(word in made.text for word in _TOGETHER)
    with np.errstate(all="ignore"):
        for x, y in itertools.product(*map(range, shape.blocks)):
            _block(kernel, arguments, shape, (x, y), together)


def _block(
    kernel: Callable[..., None],
    arguments: Sequence[Any],
    shape: Shape,
    block: tuple[int, int],
    together: bool,
) -> None:
    shared: dict[int, Any] = {}
    boards: dict[int, dict[Any, Any]] = {}
    wide, high = shape.threads
    # A thread that waits for none would wait for ever.
    barrier = threading.Barrier(wide * high, timeout=60) if together else None
    failures: list[BaseException] = []

    def thread(x: int, y: int) -> None:
        _here.x, _here.y, (_here.block_x, _here.block_y) = x, y, block
        _here.shape, _here.shared, _here.boards, _here.barrier = shape, shared, boards, barrier
        _here.arrays, _here.shuffles = itertools.count(), itertools.count()
        try:
            with np.errstate(all="ignore"):
                kernel(*arguments)
        except BaseException as error:
            failures.append(error)
            if barrier is not None:
                barrier.abort()

    places = list(itertools.product(range(wide), range(high)))
    if barrier is None:
        for x, y in places:
            thread(x, y)
    else:
        threads = [threading.Thread(target=thread, args=place) for place in places]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
    if failures:
        raise next(
            (e for e in failures if not isinstance(e, threading.BrokenBarrierError)), failures[0]
        )
