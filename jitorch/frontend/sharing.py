"""Which memory may be shared after control flow, and the refusal to change it in place.

`c = b` makes two names of one tensor, and the recorder knows: both are the same storage. After

    if flag:
        c = b

only run time knows whether `c` is `b`. The joined `c` is a storage of its own; reading it is right either way,
but once either is changed in place, the other would have to change with it, or not. Such a change is refused,
as long as both can still be reached.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from jitorch.errors import UnsupportedSyntax
from jitorch.frontend.proxies import Storage, TensorProxy

Store = Mapping[Storage, Any]


class Sharing:
    """A symmetric relation between storages: those that may be the same memory."""

    def __init__(self) -> None:
        self.related: dict[Storage, set[Storage]] = {}
        self.frames: list[dict[str, Any]] = []  # the variables of the calls being recorded
        self.blind = False  # in a trace: Python's own variables may hold anything

    def leave(self, variables: dict[str, Any]) -> None:
        """Forget the variables of a call that has ended."""
        self.frames[:] = [f for f in self.frames if f is not variables]

    def link(self, a: Storage, b: Storage) -> None:
        """Note that two storages may share memory."""
        if a is not b:
            self.related.setdefault(a, set()).add(b)
            self.related.setdefault(b, set()).add(a)

    def of(self, s: Storage) -> set[Storage]:
        """Return a storage and all that may share its memory."""
        return {s, *self.related.get(s, ())}

    def check_write(self, target: Storage, store: Store, lasting: Iterable[Storage]) -> None:
        """Raise if a storage can't be changed in place, since another in use may be the same memory."""
        others = self.related.get(target)
        if not others:
            return
        held = {s: f"'{name}'" for name, s in self.reachable(store)}
        for s in lasting:
            held.setdefault(s, "a tensor from outside the function")
        for other in others:
            if other in held or self.blind:
                name = held.get(target, "the tensor").strip("'")
                hint = f"write {name} = {name}.clone() before changing it, or use the out-of-place form"
                raise UnsupportedSyntax(
                    f"{held.get(target, 'a tensor')} is changed in place, and a branch or loop decides "
                    f"whether {held.get(other, 'another tensor')} is the same memory",
                    hint=hint if name.isidentifier() else "clone() the tensor before changing it",
                )

    def reachable(self, store: Store) -> Iterator[tuple[str, Storage]]:
        """Yield the storages that variables lead to, with the variable's name."""
        for variables in self.frames:
            for name, x in variables.items():
                # What is returned is not read again: `$value` and its like do not count.
                if not name.startswith("$"):
                    for s in storages(x, store):
                        yield name, s


def storages(x: Any, store: Store) -> Iterator[Storage]:
    """Yield the storages in a value, containers included."""
    from jitorch.frontend.values import MaybeUndefined

    if isinstance(x, TensorProxy):
        yield x._storage
    elif isinstance(x, MaybeUndefined):
        yield from storages(x.value, store)
    elif isinstance(x, tuple):
        for i in x:
            yield from storages(i, store)
    elif isinstance(x, Storage):
        yield x
        held = store.get(x)
        if isinstance(held, dict):
            held = tuple(held.values())
        if isinstance(held, tuple):
            yield from storages(held, store)


def pairs(
    new: Any, old: Any, new_store: Store, old_store: Store
) -> Iterator[tuple[Storage, Storage]]:
    """Yield which storage of a joined value stands for which of a path's value."""
    from jitorch.frontend.values import DictVal, ListVal, MaybeUndefined

    new, old = (x.value if isinstance(x, MaybeUndefined) else x for x in (new, old))
    if isinstance(new, TensorProxy) and isinstance(old, TensorProxy):
        yield new._storage, old._storage
    elif isinstance(new, (ListVal, DictVal)) and type(new) is type(old):
        yield new, old
        a, b = new_store.get(new), old_store.get(old)
        if isinstance(a, dict) and isinstance(b, dict):
            a, b = tuple(a.values()), tuple(b.values())
        if isinstance(a, tuple) and isinstance(b, tuple):
            yield from pairs(a, b, new_store, old_store)
        elif isinstance(b, tuple):  # a list that grows: its items are in it from now on
            yield from ((new, s) for s in storages(b, old_store))
    elif isinstance(new, tuple) and isinstance(old, tuple):
        for a, b in zip(new, old, strict=False):
            yield from pairs(a, b, new_store, old_store)


Links = list[tuple[Storage, Storage]]  # (of the joined state, of a path)


def relate(sharing: Sharing, paths: Iterable[Links], lasting: Any) -> None:
    """Note what joined storages may share, given what they stand for on each path.

    `lasting(storage)` tells whether a path's storage means something after the join.
    """
    for links in paths:
        for new, old in links:
            for s in sharing.of(old):
                if lasting(s):
                    sharing.link(new, s)
        for i, (new, old) in enumerate(links):
            for other, its in links[:i]:
                if its in sharing.of(old):
                    sharing.link(new, other)
