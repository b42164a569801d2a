"""Kernels under Numba's CUDA simulator, which runs each thread of a block as a Python thread.

It has no shuffles and no libdevice: the former go over a board that the threads of a block share, the
latter is NumPy, which takes and gives exact types where `math` has Python floats. The variable
NUMBA_ENABLE_CUDASIM=1 is set before this module is imported, in a process of its own.
"""

from __future__ import annotations

import linecache
import math
import threading
import types
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import scipy.special
from numba import cuda

from jitorch.codegen.cuda import folds, launch, primitives, scans
from jitorch.codegen.cuda.launch import Shape
from jitorch.codegen.cuda.printer import CudaSource
from jitorch.ir.types import from_numpy_dtype

_NUMPY = {
    "acos": "arccos", "asin": "arcsin", "atan": "arctan", "atan2": "arctan2",
}  # fmt: skip


def _function(name: str) -> Any:
    if name in ("erf", "erfc"):
        return getattr(scipy.special, name)
    if name == "lgamma":  # as C has it; SciPy has another value at minus infinity
        return lambda x: scipy.special.gammaln(abs(x) if np.isinf(x) else x)
    if name == "pow":  # NumPy has another one for a single exponent, for which -inf ** 0.5 is NaN
        return lambda x, y: np.power(np.array([x, x]), np.array([y, y]))[0]
    return getattr(np, _NUMPY.get(name, name))


class _Module:
    """Attributes in the place of a module's."""

    def __init__(self, **names: Any) -> None:
        vars(self).update(names)


def _shuffle(x: Any, distance: Any) -> Any:
    return _from_lane(x, lambda lane: lane ^ int(distance))


def _shuffle_up(x: Any, distance: Any) -> Any:
    below = int(distance)
    return _from_lane(x, lambda lane: lane - below if lane % launch.WARP >= below else lane)


def _from_lane(x: Any, other: Callable[[int], int]) -> Any:
    thread: Any = threading.current_thread()
    # Each shuffle has a board of its own, so that none need wait until the last one was read.
    number = thread.shuffles = getattr(thread, "shuffles", 0) + 1
    boards = vars(thread._manager).setdefault("jitorch_boards", {})
    board = boards.setdefault(number, {})
    board[thread.thread_id] = x
    thread.syncthreads()
    return board[other(thread.thread_id)]


def _load_4(pointer: Any, at: Any, array: Any) -> None:
    assert at % 4 == 0
    for lane in range(4):
        array[lane] = pointer[at + lane]


def _store_4(pointer: Any, at: Any, array: Any) -> None:
    assert at % 4 == 0
    for lane in range(4):
        pointer[at + lane] = array[lane]


def namespace() -> dict[str, Any]:
    """Return the names that kernel source may use."""
    functions = {name: _function(name) for name in (*primitives.MATH.values(), "fmod")}
    names: dict[str, Any] = {
        "cuda": cuda,
        "math": _Module(**functions),
        "np": np,
        "INF": math.inf,
        "NAN": math.nan,
        "load_4": _load_4,
        "store_4": _store_4,
        **{name: functions[of] for name, of in primitives.MATH.items()},
    }
    for name in primitives.TABLE:
        names[name] = _dispatching(name, names)
    return {**names, "shuffle": _shuffle, "shuffle_up": _shuffle_up, "cbrt": np.cbrt}


def _dispatching(name: str, names: dict[str, Any]) -> Any:
    """Return a function that does what the compiled name does for a first operand of its type."""

    def call(*args: Any) -> Any:
        dtype = from_numpy_dtype(np.asarray(args[0]).dtype)
        function = primitives.variant(name, dtype.tag, dtype.kind)
        return types.FunctionType(function.__code__, names)(*args)

    return call


NAMES = namespace()


def start(made: CudaSource, entry: str, shape: Shape, arguments: Sequence[Any]) -> None:
    """Launch an entry."""
    scope = dict(NAMES)
    file = f"<simulated {entry}>"
    linecache.cache[file] = (len(made.text), None, made.text.splitlines(True), file)
    exec(compile(made.text, file, "exec"), scope)
    cuda.jit(scope[entry])[shape.blocks, shape.threads](*arguments)


def small_blocks(patch: pytest.MonkeyPatch) -> None:
    """Make blocks small: a thread of the simulator is a thread of the process."""
    sizes = {
        "THREADS": 64,
        "MOST_THREADS": 64,
        "LONG_LANE": 8,
        "SQUARE_ROWS": 2,
        "MOST_BLOCKS": 3,
        "PART": 320,
        "LINE_PART": 160,
    }
    for module in (launch, folds, scans):
        for name, value in sizes.items():
            if hasattr(module, name):
                patch.setattr(module, name, value)
