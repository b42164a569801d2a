"""Whether a value may flow to a place of a declared type.

A size in the declared type that is a symbol of its own, bound by this very declaration, takes any
size, the same wherever the symbol occurs. Every other size must be equal, as far as the current
facts go.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set as AbstractSet

from jitorch.ir.dims import Dim, equal, substitute
from jitorch.ir.facts import OPEN, plain
from jitorch.ir.types import ListType, ScalarType, TensorType, TupleType, Type, map_sizes

Flow = tuple[Type, Type]  # what comes, what is declared


def first_misfit(
    flows: Sequence[Flow], known: AbstractSet[str], *, exact: bool = False
) -> int | None:
    """Return the number of the first flow that does not fit, None if all do.

    `known` are the symbols bound outside the declarations. A contiguous tensor may flow to a
    strided place, unless `exact`.
    """
    env: dict[str, Dim] = {}
    used_open: set[str] = set()
    for i, (actual, declared) in enumerate(flows):
        for a, d in _sizes(actual, declared):
            name = plain(d)
            if name is None or name in known:
                continue
            if a == OPEN and (name in env or name in used_open):
                return i  # one symbol for two sizes that nothing says are equal
            if a == OPEN:
                used_open.add(name)
            env.setdefault(name, OPEN if a is None else a)
    for i, (actual, declared) in enumerate(flows):
        if not _fits(actual, map_sizes(declared, lambda d: substitute(d, env)), exact):
            return i
    return None


def _sizes(actual: Type, declared: Type) -> Iterator[tuple[Dim | None, Dim]]:
    """Yield the sizes that meet; None stands for an int that may be any."""
    match actual, declared:
        case TensorType(), TensorType():
            yield from zip(actual.shape, declared.shape, strict=False)
        case ScalarType(), ScalarType(value=value) if value is not None:
            yield actual.value, value
        case ListType(), ListType():
            yield from _sizes(actual.item, declared.item)
        case TupleType(), TupleType():
            for a, d in zip(actual.items, declared.items, strict=False):
                yield from _sizes(a, d)


def _fits(actual: Type, declared: Type, exact: bool) -> bool:
    match actual, declared:
        case TensorType(), TensorType():
            return (
                actual.dtype is declared.dtype
                and actual.device == declared.device
                and (actual.strided == declared.strided or (declared.strided and not exact))
                and len(actual.shape) == len(declared.shape)
                and all(map(equal, actual.shape, declared.shape))
            )
        case ScalarType(), ScalarType():
            return actual.kind == declared.kind and (
                declared.value is None
                or declared.value == OPEN
                or (actual.value is not None and equal(actual.value, declared.value))
            )
        case ListType(), ListType():
            return _fits(actual.item, declared.item, exact)
        case TupleType(), TupleType():
            return len(actual.items) == len(declared.items) and all(
                _fits(a, d, exact) for a, d in zip(actual.items, declared.items, strict=True)
            )
    return False
