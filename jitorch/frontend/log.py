"""`JITORCH_LOG=recompiles`: why each version was compiled."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from jitorch.ir.types import from_numpy_dtype


def recompiled(name: str, reason: str) -> None:
    """Say, where the user asked for it, that a version is being compiled and why."""
    if "recompiles" in os.environ.get("JITORCH_LOG", "").split(","):
        print(f"jitorch: compiling {name}: {reason}", file=sys.stderr)


def closest(known: Iterable[Any], key: Any) -> Any:
    """Return the key that differs least from the given one, the last of equals."""

    def differing(other: Any) -> int:
        (a, numpy_a), (b, numpy_b) = other, key
        parts = sum(x != y for x, y in zip(a, b, strict=False)) + abs(len(a) - len(b))
        return int(parts + (numpy_a != numpy_b))

    return min(reversed(list(known)), key=differing)


def difference(old: Any, new: Any, names: Sequence[str]) -> str:
    """Return the first difference between two keys, in words; `names` tells whose facts they hold."""
    (a, numpy_a), (b, numpy_b) = old, new
    if numpy_a != numpy_b:
        return "called with NumPy arrays" if numpy_b else "called with tensors"
    for x, y, name in zip(a, b, names, strict=False):
        if x != y:
            return f"'{name}' was {_words(x)}, now {_words(y)}"
    return "the arguments differ in structure"


def _words(fact: Any) -> str:
    if isinstance(fact, tuple) and len(fact) > 2:
        return _array_words(*fact)
    if isinstance(fact, tuple) and fact[0] is dict:
        return f"a dict with the keys {', '.join(map(repr, fact[1]))}"
    if (isinstance(fact, tuple) and fact[0] in (tuple, list)) or (
        isinstance(fact, tuple) and hasattr(fact[0], "_fields")
    ):
        return f"a {fact[0].__name__} of {fact[1]} items"
    if isinstance(fact, tuple):
        return str(fact[1])  # a constant: its type and how it prints
    if isinstance(fact, type):
        return f"a Python {fact.__name__}"
    return f"the object {fact.of!r}" if hasattr(fact, "of") else str(fact)


def _array_words(dtype: Any, ones: Any, contiguous: bool, device: str = "") -> str:
    try:
        name = from_numpy_dtype(dtype).name
    except TypeError:
        name = str(dtype)
    sizes = ones if isinstance(ones, tuple) else (False,) * ones
    shape = ", ".join("1" if one else "n" for one in sizes)
    layout = "" if contiguous else " with gaps between its rows or elements"
    return f"{name}[{shape}]{layout}{device and f' on {device}'}"
