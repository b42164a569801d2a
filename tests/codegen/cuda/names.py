"""What the names in kernel source mean where NumPy computes: no GPU, no shuffles and no libdevice.

NumPy takes and gives exact types where `math` has Python floats. Lanes shuffle over a board that the
threads of a block share.
"""

from __future__ import annotations

import math
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.special

from jitorch.codegen.cuda import folds, launch, parts, primitives, scans
from jitorch.ir.types import from_numpy_dtype

_NUMPY = {
    "acos": "arccos", "asin": "arcsin", "atan": "arctan", "atan2": "arctan2",
}  # fmt: skip


def function(name: str) -> Any:
    """Return what NumPy or SciPy has for a function of `math`."""
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


class Board:
    """Where the lanes of a warp exchange values. `own()` is a thread's number and a board of its block.

    Each shuffle has a board of its own, so that none need wait until the last one was read.
    """

    def __init__(
        self, own: Callable[[], tuple[Any, dict[Any, Any]]], meet: Callable[[], None]
    ) -> None:
        self.own = own
        self.meet = meet

    def shuffle(self, x: Any, distance: Any) -> Any:
        return self.from_lane(x, lambda lane: lane ^ int(distance))

    def shuffle_up(self, x: Any, distance: Any) -> Any:
        below = int(distance)
        return self.from_lane(x, lambda lane: lane - below if lane % launch.WARP >= below else lane)

    def from_lane(self, x: Any, other: Callable[[int], int]) -> Any:
        thread, board = self.own()
        board[thread] = x
        self.meet()
        return board[other(thread)]


def _load_4(pointer: Any, at: Any, array: Any) -> None:
    assert at % 4 == 0
    for lane in range(4):
        array[lane] = pointer[at + lane]


def _store_4(pointer: Any, at: Any, array: Any) -> None:
    assert at % 4 == 0
    for lane in range(4):
        pointer[at + lane] = array[lane]


def namespace(cuda: Any, board: Board) -> dict[str, Any]:
    """Return the names that kernel source may use, with what stands for `numba.cuda`."""
    functions = {name: function(name) for name in (*primitives.MATH.values(), "fmod")}
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
    return {
        **names,
        "shuffle": board.shuffle,
        "shuffle_up": board.shuffle_up,
        "cbrt": np.cbrt,
    }


def _dispatching(name: str, names: dict[str, Any]) -> Any:
    """Return a function that does what the compiled name does for a first operand of its type."""

    def call(*args: Any) -> Any:
        dtype = from_numpy_dtype(np.asarray(args[0]).dtype)
        function = primitives.variant(name, dtype.tag, dtype.kind)
        return types.FunctionType(function.__code__, names)(*args)

    return call


def small_blocks(patch: pytest.MonkeyPatch) -> None:
    """Make blocks small: a thread of the simulator is a thread of the process."""
    sizes = {
        "THREADS": 64,
        "MOST_THREADS": 64,
        "LONG_LANE": 8,
        "SQUARE_ROWS": 2,
        "MOST_BLOCKS": 3,
        "PART": 320,
        "PART_ROWS": 24,
        "LINE_PART": 160,
    }
    for module in (launch, folds, parts, scans):
        for name, value in sizes.items():
            if hasattr(module, name):
                patch.setattr(module, name, value)


def all_in_parts(patch: pytest.MonkeyPatch) -> None:
    """Cut the folds of all sizes in parts."""
    patch.setattr(launch, "is_cut", lambda points, elements, lanes: elements > 0)
