"""How far a result lies from the one in float64."""

from __future__ import annotations

from typing import Any

import numpy as np

# Errors above these are flagged in the tables: of float32 and of float64 results, and the share of
# integers that may differ. Whole numbers come from comparisons, which rounding turns now and then.
TOLERANCES = {"float32": 1e-4, "float64": 1e-9, "integers": 1e-3}

# Of the largest element: smaller elements count as if they were this large, since where two large
# numbers cancel no method has many digits.
FLOOR = 1e-2


def kind(found: Any) -> str:
    """Return the name of an array's tolerance."""
    if found.dtype.kind in "biu":
        return "integers"
    return str(found.dtype)


def error_of(found: list[Any], expected: list[Any]) -> float:
    """Return the largest error of all results of a workload; inf if they can't be compared."""
    if len(found) != len(expected):
        return float("inf")
    return max(map(array_error, found, expected))


def array_error(found: Any, expected: Any) -> float:
    """Return |found - expected| / (|expected| + FLOOR * largest), at most; of integers the share."""
    if found.shape != np.shape(expected):
        return float("inf")
    if kind(found) == "integers":
        return float(np.mean(found != expected))
    finite = np.isfinite(expected)
    if not np.array_equal(
        np.where(finite, 0, expected), np.where(finite, 0, found), equal_nan=True
    ):
        return float("inf")
    magnitude = np.where(finite, np.abs(expected), 0)
    scale = magnitude + FLOOR * magnitude.max(initial=0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        errors = np.where(finite, np.abs(found - expected) / scale, 0)
    # 0/0: a zero that was found where all are zeros. A NaN or infinity that was found stays.
    errors = np.where(finite & (found == expected), 0, errors)
    return float(np.nan_to_num(errors, nan=np.inf).max(initial=0.0))


def within(error: float, found: list[Any]) -> bool:
    """Whether an error is within the tolerance of the least exact kind of the results."""
    return error <= max(TOLERANCES[kind(x)] for x in found)
