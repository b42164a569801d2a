"""What a `for` runs over: ranges, tensors, lists, and enumerate, zip and reversed of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jitorch.errors import TypeMismatch
from jitorch.frontend.proxies import ListProxy, describe
from jitorch.frontend.values import DictVal, ListVal
from jitorch.ir import dims as D
from jitorch.ir.core import Value
from jitorch.ir.dims import Dim, Sym
from jitorch.tensor import Tensor

if TYPE_CHECKING:
    from jitorch.frontend.containers import Containers


@dataclass(frozen=True)
class Iteration:
    """Either known `items`, or `length` entries that `get(index)` gives for a run-time index."""

    length: Dim
    get: Callable[[Any], Any]
    items: Sequence[Any] | None = None
    hint: str = "i"


@dataclass(frozen=True)
class RangeVal:
    """`range(...)` with bounds that may be run-time sizes."""

    start: Dim
    stop: Dim
    step: int


@dataclass(frozen=True)
class LazyVal:
    """`enumerate(...)`, `zip(...)` or `reversed(...)` of things to iterate over."""

    kind: str
    parts: tuple[Any, ...]
    start: Dim = 0


def iterate(frame: Containers, x: Any) -> Iteration:
    """Return how to run over `x`."""
    if isinstance(x, RangeVal):
        return Iteration(range_length(x), lambda i: x.start + i * x.step)
    if isinstance(x, LazyVal):
        return _LAZY[x.kind](frame, x)
    if isinstance(x, ListVal):
        return _over_list(frame, x)
    if isinstance(x, ListProxy):
        return _over_value(frame, x.value)
    if isinstance(x, DictVal):
        return _known(list(frame.rec.store[x]))
    if isinstance(x, Tensor):
        if not x.ndim:
            raise TypeMismatch("iteration over a 0-d tensor")
        return Iteration(x.shape[0], lambda i: x[i])
    if isinstance(x, (tuple, list, range, str)):
        return _known(list(x))
    if isinstance(x, dict):
        return _known(list(x))
    if hasattr(x, "__iter__") and not hasattr(x, "__next__"):
        return _known(list(x))
    raise TypeMismatch(
        f"can't iterate over {describe(x)}",
        hint="loop over a range, a tensor, a list or tuple, or enumerate/zip/reversed of them",
    )


def _known(items: list[Any]) -> Iteration:
    return Iteration(len(items), lambda i: items[i], items)


def _over_list(frame: Containers, x: ListVal) -> Iteration:
    state: Any = frame.rec.store[x]
    if not isinstance(state, Value):
        return _known(list(state))
    over = _over_value(frame, state)
    return Iteration(over.length, lambda i: frame.joined_list(x, over.get(i)))


def _over_value(frame: Containers, v: Value) -> Iteration:
    length = frame.rec.wrap(frame.rec.emit1("len", (v,)))
    return Iteration(
        length, lambda i: frame.rec.wrap(frame.rec.emit1("list_get", (v,), {"index": i}))
    )


def range_length(r: RangeVal) -> Dim:
    """Return how many numbers a range holds."""
    span = r.stop - r.start if r.step > 0 else r.start - r.stop
    step = abs(r.step)
    length = span if step == 1 else D.floordiv(span + (step - 1), step)
    positive = D.at_least(length, 0)
    return length if positive else (0 if positive is False else D.dim_max(length, 0))


def _enumerate(frame: Containers, x: LazyVal) -> Iteration:
    inner = iterate(frame, x.parts[0])
    if inner.items is not None:
        return _known([(x.start + i, item) for i, item in enumerate(inner.items)])
    return Iteration(inner.length, lambda i: (x.start + i, inner.get(i)))


def _zip(frame: Containers, x: LazyVal) -> Iteration:
    parts = [iterate(frame, p) for p in x.parts]
    if all(p.items is not None for p in parts):
        return _known(list(zip(*(p.items for p in parts if p.items is not None), strict=False)))
    length: Dim = parts[0].length
    for p in parts[1:]:
        length = length if D.at_least(p.length, length) else D.dim_min(length, p.length)
    if any(p.items is not None for p in parts):
        n = int(length) if isinstance(length, Sym) else length
        return _known([tuple(p.get(i) for p in parts) for i in range(n)])
    return Iteration(length, lambda i: tuple(p.get(i) for p in parts))


def _reversed(frame: Containers, x: LazyVal) -> Iteration:
    inner = iterate(frame, x.parts[0])
    if inner.items is not None:
        return _known(list(reversed(inner.items)))
    return Iteration(inner.length, lambda i: inner.get(inner.length - 1 - i))


_LAZY: dict[str, Callable[[Any, LazyVal], Iteration]] = {
    "enumerate": _enumerate,
    "zip": _zip,
    "reversed": _reversed,
}
