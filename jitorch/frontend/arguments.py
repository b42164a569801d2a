"""From the arguments of a call to its run-time values and the key of a compiled version.

One version serves every call with the same dtypes, ranks, devices, layouts (contiguous or not), sizes of 1, and the
same values of arguments that are neither tensors, ints nor floats. Sizes, ints and floats are run-time values.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from jitorch.cuda import adapter
from jitorch.errors import TypeMismatch
from jitorch.tensor import Tensor


@dataclass
class Leaves:
    """The run-time values in the arguments of a call, in order, and what else decides the version."""

    values: list[Any] = field(default_factory=list)
    objects: list[Any] = field(default_factory=list)  # what each array came from, to give it back
    key: list[Any] = field(default_factory=list)
    names: list[str] = field(default_factory=list)  # whose fact each entry of the key is
    numpy: bool = False
    torch: bool = False

    def add(self, x: Any, name: str) -> None:
        """Take in one argument."""
        if isinstance(x, Tensor):
            if not hasattr(x, "_data"):
                raise TypeMismatch("a tensor being recorded can't be passed to a compiled function")
            self.torch = True
            self.array(x._data, x, name)
        elif isinstance(x, np.ndarray):
            self.numpy = True
            self.array(x, x, name)
        elif isinstance(x, np.generic):
            self.numpy = True
            self.array(np.asarray(x), None, name)
        elif isinstance(x, (int, float)) and not isinstance(x, bool):
            if isinstance(x, int) and not -(2**63) <= x < 2**63:
                raise TypeMismatch(
                    f"argument '{name}' is {x}, which does not fit into 64 bits",
                    hint="call the function eagerly: fn.eager(...)",
                )
            self.values.append(x)
            self.objects.append(None)
            self.note(type(x), name)
        elif isinstance(x, (tuple, list)):
            self.note((type(x), len(x)), name)
            for i, item in enumerate(x):
                self.add(item, f"{name}[{i}]")
        elif isinstance(x, dict):
            self.note((dict, tuple(x)), name)
            for k, item in x.items():
                self.add(item, f"{name}[{k!r}]")
        else:
            self.note(constant_key(x), name)

    @property
    def version_key(self) -> Any:
        """What calls of one version have in common, guards aside."""
        return tuple(self.key), self.numpy and not self.torch

    def array(self, a: Any, owner: Any, name: str) -> None:
        self.values.append(a)
        self.objects.append(owner)
        ones = tuple(n == 1 for n in a.shape) if 1 in a.shape else a.ndim
        if isinstance(a, np.ndarray):
            self.note((a.dtype, ones, a.flags.c_contiguous), name)
        else:
            self.note((a.dtype, ones, a.flags.c_contiguous, str(adapter.device_of(a))), name)

    def note(self, fact: Any, name: str) -> None:
        self.key.append(fact)
        self.names.append(name)


def constant_key(x: Any) -> Any:
    if isinstance(x, (bool, str, bytes, complex, type(None))):
        return (type(x), repr(x))
    return _Identity(x)


class _Identity:
    """Compares by identity and keeps its object alive, so that an id is never reused."""

    __slots__ = ("of",)

    def __init__(self, of: Any) -> None:
        self.of = of

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identity) and other.of is self.of

    def __hash__(self) -> int:
        return id(self.of)
