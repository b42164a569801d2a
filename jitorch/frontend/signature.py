"""From the arguments of a call to the parameters of its graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from jitorch.errors import TypeMismatch
from jitorch.frontend.record import Recorder
from jitorch.frontend.values import DictVal, ListVal
from jitorch.ir.types import from_numpy_dtype
from jitorch.size import like_tuple
from jitorch.tensor import Tensor


def parameter(rec: Recorder, name: str, x: Any) -> Any:
    """Make an argument a parameter of the program and return what stands for it."""
    if isinstance(x, (Tensor, np.ndarray, np.generic)):
        array = x._data if isinstance(x, Tensor) else np.asarray(x)
        try:
            from_numpy_dtype(array.dtype)
        except TypeError as error:
            raise TypeMismatch(f"argument '{name}': {error}") from None
        if array.dtype.kind == "c":
            raise TypeMismatch(
                f"argument '{name}' is {array.dtype}: complex tensors have no compiled form",
                hint="call the function eagerly: fn.eager(...)",
            )
        return rec.parameter(array, name)
    if isinstance(x, (int, float)) and not isinstance(x, bool):
        return rec.scalar_parameter(x, name)
    if isinstance(x, tuple):
        items = [parameter(rec, f"{name}_{i}", v) for i, v in enumerate(x)]
        return like_tuple(type(x), items)
    if isinstance(x, list):
        made = ListVal()
        rec.outside[made] = name
        rec.store[made] = tuple(parameter(rec, f"{name}_{i}", v) for i, v in enumerate(x))
        return made
    if isinstance(x, dict):
        table = DictVal()
        rec.outside[table] = name
        rec.store[table] = {k: parameter(rec, f"{name}_{k}", v) for k, v in x.items()}
        return table
    return x


@dataclass(frozen=True)
class Binding:
    """Where the run-time value of a symbol comes from: parameter `index`, dimension `dim` (None: its value)."""

    name: str
    index: int
    dim: int | None

    def read(self, values: list[Any]) -> int:
        """Return the symbol's value in a call."""
        v = values[self.index]
        return int(v if self.dim is None else v.shape[self.dim])
