"""A module of a user's: functions and constants that scripted code elsewhere uses."""

from __future__ import annotations

from typing import Any

import jitorch as jt
from jitorch import jit

SCALE = 3.0
TABLE = {"gain": 2.0, "steps": [1, 2]}


def scaled(x: Any, by: float = 2.0) -> Any:
    return x * by * SCALE


def swish(x: Any) -> Any:
    if x.sum() > 0:
        return x * jt.sigmoid(x)
    return -x


@jit.script
def scripted_swish(x: Any) -> Any:
    """Choose by the sign of the sum."""
    if x.sum() > 0:
        return x * jt.sigmoid(x)
    return -x


@jit.script
def countdown(x: Any, n: int) -> Any:
    while n > 0:
        x = x * 0.5 + n
        n -= 1
    return x
