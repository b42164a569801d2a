"""Lists, dicts, tuples and tensors as things that hold items."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from jitorch.creation import tensor
from jitorch.errors import (
    AttributeNotFound,
    IndexOutOfRange,
    KeyNotFound,
    LocatedError,
    TypeMismatch,
    UnsupportedSyntax,
)
from jitorch.frontend.frame import Names
from jitorch.frontend.iteration import RangeVal, iterate, range_length
from jitorch.frontend.proxies import ListProxy, ScalarProxy, TensorProxy, describe
from jitorch.frontend.sharing import storages
from jitorch.frontend.values import DictVal, ListVal, show_type
from jitorch.ir.core import Value
from jitorch.ir.dims import Sym
from jitorch.ir.types import ListType, ScalarType, TensorType, Type
from jitorch.tensor import Tensor


def is_static(x: Any) -> bool:
    """Whether a value is known while compiling."""
    if isinstance(x, (tuple, list)):
        return all(is_static(i) for i in x)
    if isinstance(x, slice):
        return is_static((x.start, x.stop, x.step))
    return not isinstance(
        x, (Tensor, ScalarProxy, ListProxy, Sym, ListVal, DictVal, RangeVal, np.ndarray)
    )


class BoundMethod:
    """A method of a list or dict being recorded."""

    def __init__(self, owner: ListVal | DictVal, name: str) -> None:
        self.owner = owner
        self.name = name


class Containers(Names):
    """Items in and out of containers. A part of `Frame`."""

    def new_list(self, items: Sequence[Any]) -> ListVal:
        """Return a new list that holds the items."""
        out = ListVal()
        self.rec.store[out] = tuple(items)
        return out

    def constant_key(self, key: Any) -> Any:
        if not is_static(key):
            raise TypeMismatch(
                f"a dict key must be known while compiling, and this is {describe(key)} that only "
                "run time knows",
                hint="stack the values and index the tensor",
            )
        return key

    def dict_state(self, x: Any) -> dict[Any, Any]:
        if isinstance(x, DictVal):
            state: Any = self.rec.store[x]
            return dict(state)
        if isinstance(x, dict):
            return x
        raise TypeMismatch(f"expected a dict, got {describe(x)}")

    def kind(self, x: Any) -> str:
        """Return what a value is, in the user's words."""
        return {ListVal: "a list", DictVal: "a dict"}.get(type(x)) or describe(x)

    def index_value(self, k: Any) -> Any:
        """Return a part of an index as a number, where it is one; a list indexes like a tensor."""
        if isinstance(k, TensorProxy) and k.ndim == 0 and k.dtype.kind == "int":
            return self.rec.item(k)
        if isinstance(k, ListVal):
            items = [self.index_value(i) for i in self.known_items(k, "index")]
            return items if is_static(items) else tensor(items)
        if isinstance(k, ScalarProxy):
            raise TypeMismatch(
                f"an index must be an integer, got {describe(k)}", hint="convert it with int()"
            )
        return k

    def item(self, owner: Any, key: Any) -> Any:
        """Return `owner[key]`."""
        if isinstance(owner, Tensor):
            return self.tensor_item(owner, key)
        if isinstance(owner, DictVal):
            return self.dict_item(self.dict_state(owner), key)
        key = self.index_value(key)
        if isinstance(owner, ListVal):
            return self.list_item(owner, key)
        if isinstance(owner, dict):
            return self.dict_item(owner, key)
        if isinstance(owner, range):
            owner = tuple(owner)
        if isinstance(owner, (tuple, list, str)):
            return self.sequence_item(owner, key)
        if not is_static(owner):
            raise TypeMismatch(f"{self.kind(owner)} can't be indexed")
        return self.static_item(owner, key)

    def tensor_item(self, owner: Tensor, key: Any) -> Any:
        try:
            return owner[self.tensor_key(key)]
        except (IndexError, TypeError, ValueError) as error:
            if isinstance(error, LocatedError):
                raise
            raise TypeMismatch(f"a tensor can't be indexed like this: {error}") from None

    def tensor_key(self, key: Any) -> Any:
        """A 0-d index tensor stays one, and copies; in a NumPy program it is a number."""
        if isinstance(key, tuple):
            return tuple(self.tensor_key(k) for k in key)
        return key if isinstance(key, TensorProxy) and not self.rec.numpy else self.index_value(key)

    def sequence_item(self, owner: Any, key: Any) -> Any:
        kind = type(owner).__name__
        if isinstance(key, (Sym, slice)) and not is_static(key):
            raise TypeMismatch(
                f"a {kind} can only be indexed with a number known while compiling, and this one "
                "is known at run time only",
                hint="torch.stack the tensors and index that",
            )
        if not isinstance(key, (int, slice)):
            raise TypeMismatch(f"a {kind} can't be indexed with {self.kind(key)}")
        try:
            return owner[key]
        except IndexError:
            raise IndexOutOfRange(
                f"index {key} is out of range for a {kind} of length {len(owner)}"
            ) from None

    def static_item(self, owner: Any, key: Any) -> Any:
        """Return an item of an object that is no container of Python's own."""
        if not hasattr(owner, "__getitem__") or not is_static(key):
            raise TypeMismatch(f"{self.kind(owner)} can't be indexed with {self.kind(key)}")
        return owner[key]

    def dict_item(self, state: dict[Any, Any], key: Any) -> Any:
        key = self.constant_key(key)
        if key not in state:
            known = ", ".join(map(repr, state))
            raise KeyNotFound(
                f"the dict has no key {key!r}",
                hint=f"its keys are: {known}" if known else "it is empty",
            )
        return state[key]

    def list_item(self, owner: ListVal, key: Any) -> Any:
        state: Any = self.rec.store[owner]
        if not isinstance(state, Value):
            found = self.sequence_item(list(state), key)
            return self.new_list(found) if isinstance(key, slice) else found
        if isinstance(key, slice):
            raise TypeMismatch(
                "a list of run-time length can't be sliced", hint="torch.stack it, then slice"
            )
        if not isinstance(key, (int, Sym)):
            raise TypeMismatch(f"a list can't be indexed with {self.kind(key)}")
        return self.joined_list(
            owner, self.rec.wrap(self.rec.emit1("list_get", (state,), {"index": key}))
        )

    def set_item(self, owner: Any, key: Any, value: Any) -> None:
        """Carry out `owner[key] = value`."""
        if isinstance(owner, Tensor):
            items = self.known_items(value, "assign") if isinstance(value, ListVal) else value
            owner[self.tensor_key(key)] = items
        elif isinstance(owner, DictVal):
            self.change(owner, {**self.dict_state(owner), self.constant_key(key): value})
        elif isinstance(owner, ListVal):
            self.set_list_item(owner, self.index_value(key), value)
        else:
            raise TypeMismatch(
                f"{self.kind(owner)} does not support item assignment",
                hint="use a list" if isinstance(owner, tuple) else "",
            )

    def set_list_item(self, owner: ListVal, key: Any, value: Any) -> None:
        state: Any = self.rec.store[owner]
        if isinstance(key, slice):
            raise UnsupportedSyntax(
                "assigning to a slice of a list is not supported in @script",
                hint="build a new list: xs[:i] + new + xs[j:]",
            )
        if isinstance(state, Value):
            if not isinstance(key, (int, Sym)):
                raise TypeMismatch(f"a list can't be indexed with {self.kind(key)}")
            self.change(owner, self.grown("list_set", state, value, index=key))
            self.joined_list(owner, value)
            return
        self.sequence_item(list(state), key)  # raises for an index that is none
        items = list(state)
        items[key] = value
        self.change(owner, tuple(items))

    def joined_list(self, owner: ListVal, x: Any) -> Any:
        """Note that `x` went into, or came out of, a list of run-time length, and return it."""
        for s in storages(x, self.rec.store):
            self.rec.sharing.link(owner, s)
        return x

    def grown(self, op: str, state: Value, x: Any, **attrs: Any) -> Value:
        """Return a list of run-time length after an item was put into it."""
        inputs = (state, self.list_entry(state, x))
        (out,) = self.rec.emit(op, inputs, attrs, types=[state.type])
        return out

    def list_entry(self, state: Value, x: Any) -> Value:
        """Return a value to be put in a list of run-time length."""
        v = self.rec.unwrap(x)
        v = self.rec.scalar(x) if v is None else v
        assert isinstance(state.type, ListType)
        if not self.fits(v.type, state.type.item):
            raise TypeMismatch(
                f"this list holds {show_type(state.type.item)} in each place, and "
                f"{show_type(v.type)} is put into it",
                hint="keep one list for each kind of value",
            )
        strided = isinstance(v.type, TensorType) and v.type.strided
        if strided and not (isinstance(state.type.item, TensorType) and state.type.item.strided):
            return self.rec.emit1("copy", (v,))
        return v

    def fits(self, t: Type, item: Type) -> bool:
        """Whether a value can be an item of a list; sizes that are equal in this call are relied upon."""
        if isinstance(t, TensorType) and isinstance(item, TensorType):
            same = t.dtype is item.dtype and t.ndim == item.ndim
            return same and all(map(self.rec.equal, t.shape, item.shape))
        if isinstance(t, ScalarType) and isinstance(item, ScalarType):
            return t.kind == item.kind
        return t == item

    def change(self, owner: ListVal | DictVal, state: Any) -> None:
        """Give a list or dict other items. Those from outside the function stay as they are."""
        if owner in self.rec.outside:
            kind = "list" if isinstance(owner, ListVal) else "dict"
            new = "xs = [*xs, x]" if kind == "list" else "d = {**d, 'key': x}"
            raise UnsupportedSyntax(
                f"'{self.rec.outside[owner]}' is a {kind} from outside the function, which @script "
                "can't change",
                hint=f"make a new {kind} ({new}) and return it",
            )
        self.rec.store[owner] = state

    def list_append(self, owner: ListVal, x: Any) -> None:
        state: Any = self.rec.store[owner]
        if not isinstance(state, Value):
            self.change(owner, (*state, x))
            return
        self.change(owner, self.grown("append", state, x))
        self.joined_list(owner, x)

    def list_extend(self, owner: ListVal, other: Any) -> None:
        for x in self.known_items(other, "extend"):
            self.list_append(owner, x)

    def known_items(self, x: Any, what: str) -> list[Any]:
        """Return the items of something whose length is known (or made known) while compiling."""
        if isinstance(x, RangeVal):
            return [x.start + i * x.step for i in range(int(range_length(x)))]
        over = iterate(self, x)
        if over.items is not None:
            return list(over.items)
        if isinstance(x, Tensor) or not isinstance(over.length, Sym):
            return [over.get(i) for i in range(int(over.length))]
        raise TypeMismatch(
            f"{_WORDS.get(what, what)} needs a length known while compiling, and this list grows at run time",
            hint="torch.stack it",
        )

    def length(self, x: Any) -> Any:
        """Return len(x)."""
        if isinstance(x, ListVal):
            state: Any = self.rec.store[x]
            return (
                self.rec.wrap(self.rec.emit1("len", (state,)))
                if isinstance(state, Value)
                else len(state)
            )
        if isinstance(x, DictVal):
            return len(self.dict_state(x))
        if isinstance(x, RangeVal):
            return range_length(x)
        if isinstance(x, Tensor):
            if not x.ndim:
                raise TypeMismatch("len() of a 0-d tensor")
            return x.shape[0]
        try:
            return len(x)
        except TypeError:
            raise TypeMismatch(f"{self.kind(x)} has no len()") from None


_WORDS = {
    "unpack": "unpacking",
    "+": "adding lists",
    "*": "repeating a list",
    "assign": "assigning",
}


# Methods of lists and dicts.


def container_method(
    frame: Containers, owner: Any, name: str, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> Any:
    table = _LIST_METHODS if isinstance(owner, ListVal) else _DICT_METHODS
    kind = "list" if isinstance(owner, ListVal) else "dict"
    if name not in table:
        raise AttributeNotFound(
            f"the {kind} method '{name}' is not supported in @script",
            hint=f"supported are: {', '.join(sorted(table))}",
        )
    try:
        inspect.signature(table[name]).bind(frame, owner, *args, **kwargs)
    except TypeError as error:
        raise TypeMismatch(f"{kind}.{name}: {error}") from None
    return table[name](frame, owner, *args, **kwargs)


def _list_pop(frame: Containers, owner: ListVal, index: int = -1) -> Any:
    items = frame.known_items(owner, "pop")
    if not items:
        raise TypeMismatch("pop from empty list")
    out = items.pop(index)
    frame.change(owner, tuple(items))
    return out


def _list_insert(frame: Containers, owner: ListVal, index: int, x: Any) -> None:
    items = frame.known_items(owner, "insert")
    items.insert(index, x)
    frame.change(owner, tuple(items))


def _list_reverse(frame: Containers, owner: ListVal) -> None:
    frame.change(owner, tuple(reversed(frame.known_items(owner, "reverse"))))


_LIST_METHODS: dict[str, Callable[..., Any]] = {
    "append": lambda frame, owner, x: frame.list_append(owner, x),
    "extend": lambda frame, owner, other: frame.list_extend(owner, other),
    "pop": _list_pop,
    "insert": _list_insert,
    "reverse": _list_reverse,
    "copy": lambda frame, owner: frame.new_list(frame.known_items(owner, "copy")),
}


def _dict_get(frame: Containers, owner: DictVal, key: Any, default: Any = None) -> Any:
    return frame.dict_state(owner).get(frame.constant_key(key), default)


def _dict_update(frame: Containers, owner: DictVal, other: Any = (), **items: Any) -> None:
    more = frame.dict_state(other) if other != () else {}
    frame.change(owner, {**frame.dict_state(owner), **more, **items})


_DICT_METHODS: dict[str, Callable[..., Any]] = {
    "get": _dict_get,
    "keys": lambda frame, owner: tuple(frame.dict_state(owner)),
    "values": lambda frame, owner: tuple(frame.dict_state(owner).values()),
    "items": lambda frame, owner: tuple(frame.dict_state(owner).items()),
    "update": _dict_update,
}
