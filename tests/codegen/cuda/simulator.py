"""Kernels under Numba's CUDA simulator, which runs each thread of a block as a Python thread.

The variable NUMBA_ENABLE_CUDASIM=1 is set before this module is imported, in a process of its own.
"""

from __future__ import annotations

import linecache
import threading
from collections.abc import Sequence
from typing import Any

from numba import cuda

from jitorch.codegen.cuda.launch import Shape
from jitorch.codegen.cuda.printer import CudaSource
from tests.codegen.cuda.names import Board, namespace


def _own() -> tuple[int, dict[Any, Any]]:
    thread: Any = threading.current_thread()
    number = thread.shuffles = getattr(thread, "shuffles", 0) + 1
    boards = vars(thread._manager).setdefault("jitorch_boards", {})
    return thread.thread_id, boards.setdefault(number, {})


def _meet() -> None:
    thread: Any = threading.current_thread()
    thread.syncthreads()


NAMES = namespace(cuda, Board(_own, _meet))


def start(made: CudaSource, entry: str, shape: Shape, arguments: Sequence[Any]) -> None:
    """Launch an entry."""
    scope = dict(NAMES)
    file = f"<simulated {entry}>"
    linecache.cache[file] = (len(made.text), None, made.text.splitlines(True), file)
    exec(compile(made.text, file, "exec"), scope)
    cuda.jit(scope[entry])[shape.blocks, shape.threads](*arguments)
