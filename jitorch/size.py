"""`Size`: the shape of a tensor."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, SupportsIndex, overload


def like_tuple(kind: type, items: Iterable[Any]) -> Any:
    """Return the items as a tuple of a kind: a plain one, a named one, a shape."""
    return kind._make(items) if hasattr(kind, "_make") else kind(items)


class Size(tuple[int, ...]):
    """A shape: a tuple with PyTorch's extras."""

    def numel(self) -> int:
        """Return the number of elements."""
        return math.prod(self)

    def __add__(self, other: tuple[Any, ...]) -> Any:
        return Size((*self, *other))

    @overload
    def __getitem__(self, key: SupportsIndex) -> int: ...

    @overload
    def __getitem__(self, key: slice) -> Size: ...

    def __getitem__(self, key: Any) -> Any:
        item = super().__getitem__(key)
        return Size(item) if isinstance(key, slice) else item

    def __repr__(self) -> str:
        return f"torch.Size([{', '.join(map(str, self))}])"
