"""How tensors print."""

from __future__ import annotations

from typing import Any

import numpy as np

from jitorch.ir.types import DType, bool_, complex64, float32, int64


def tensor_repr(array: Any, dtype: DType) -> str:
    """Return `tensor(...)` for the array."""
    body = np.array2string(array, separator=", ", prefix="tensor(", precision=4)
    return f"tensor({body}{'' if dtype in (bool_, complex64, float32, int64) else f', dtype={dtype!r}'})"
