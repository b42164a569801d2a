"""`JITORCH_LOG=recompiles`: why each version was compiled."""

from __future__ import annotations

import os
import sys
from typing import Any


def recompiled(name: str, reason: str) -> None:
    """Say, where the user asked for it, that a version is being compiled and why."""
    if "recompiles" in os.environ.get("JITORCH_LOG", "").split(","):
        print(f"jitorch: compiling {name}: {reason}", file=sys.stderr)


def difference(old: Any, new: Any) -> str:
    """Return the first difference between two keys, in words."""
    (a, numpy_a), (b, numpy_b) = old, new
    if numpy_a != numpy_b:
        return "called with NumPy arrays" if numpy_b else "called with tensors"
    for i, (x, y) in enumerate(zip(a, b, strict=False)):
        if x != y:
            return f"argument value {i} was {_words(x)}, now {_words(y)}"
    return "the arguments differ in structure"


def _words(k: Any) -> str:
    if isinstance(k, tuple) and len(k) == 3:
        dtype, ones, contiguous = k
        rank = len(ones) if isinstance(ones, tuple) else ones
        sizes = f" with sizes of 1 at {[i for i, one in enumerate(ones) if one]}" if isinstance(ones, tuple) else ""
        return f"a {'' if contiguous else 'strided '}{dtype} array of rank {rank}{sizes}"
    return getattr(k, "__name__", None) or str(k[1] if isinstance(k, tuple) else k)
