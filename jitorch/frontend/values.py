"""What a name can hold while a function is being compiled, and how the values of two paths meet.

Python objects stand for themselves where they are constants; run-time values are the proxies of `record.py`
and `Sym` for ints. Where paths meet (after an `if`, around a loop) two values are joined to a *tree*: the
parts that are equal stay constants, the others become values of the graph (`lowering.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Union

from jitorch.frontend.proxies import ListProxy, ScalarProxy, Storage, TensorProxy, describe
from jitorch.frontend.record import Recorder
from jitorch.ir.core import Value
from jitorch.ir.dims import Dim, Sym
from jitorch.ir.shapes import show as show_shape
from jitorch.ir.types import ListType, ScalarType, TensorType, Type
from jitorch.ops.structure import UNKNOWN_SIZE, as_item
from jitorch.tensor import Tensor


class ListVal(Storage):
    """A Python list. The recorder's store holds its items: a tuple, or the value of a run-time list."""

    __slots__ = ()


class DictVal(Storage):
    """A dict with constant keys; the store holds a plain dict that is never changed in place."""

    __slots__ = ()


class Undefined:
    """No value yet."""


UNDEFINED = Undefined()


@dataclass(frozen=True)
class MaybeUndefined:
    """A variable set on some paths only; `defined` is a bool of the program."""

    value: Any
    defined: Any


@dataclass(frozen=True)
class Poison:
    """A variable whose paths can't meet; an error for whoever reads it."""

    message: str
    hint: str = ""


@dataclass(frozen=True, eq=False)
class Const:
    """A value that is the same on all paths so far; `type` is set if it can become a value of the graph."""

    value: Any
    type: Type | None = None


@dataclass(frozen=True)
class Leaf:
    type: Type  # sizes that differ between the paths are `_`


@dataclass(frozen=True)
class Items:
    """A tuple ("tuple"), a list of known length ("list") or a dict ("dict"), part by part."""

    kind: str
    keys: tuple[Any, ...]
    parts: tuple[Tree, ...]
    cls: type = tuple


@dataclass(frozen=True)
class Growing:
    """A list whose length differs between the paths; `item` is None while no item has been seen."""

    item: Leaf


@dataclass(frozen=True)
class Maybe:
    tree: Tree


Tree = Union[Const, Leaf, Items, Growing, Maybe, Poison]


def same_constant(a: Any, b: Any) -> bool:
    """Whether two constants are interchangeable: `1`, `1.0` and `True` are not, nor 0.0 and -0.0."""
    if a is b:
        return True
    if isinstance(a, Sym) or isinstance(b, Sym):
        return isinstance(a, Sym) and isinstance(b, Sym) and a.terms == b.terms
    simple = (bool, int, float, complex, str, bytes)
    return type(a) is type(b) and isinstance(a, simple) and repr(a) == repr(b)


def tree_of(rec: Recorder, x: Any) -> Tree:
    """Return the tree of one value."""
    match x:
        case MaybeUndefined(value=value):
            return Maybe(tree_of(rec, value))
        case Poison():
            return x
        case tuple():
            return Items("tuple", (), tuple(tree_of(rec, i) for i in x), type(x))
        case ListVal() | DictVal():
            return _state_tree(rec, x)
    return Const(x, _leaf_type(rec, x))


def _state_tree(rec: Recorder, x: ListVal | DictVal) -> Tree:
    state: Any = rec.store[x]
    if isinstance(state, Value):
        assert isinstance(state.type, ListType)
        return Growing(Leaf(state.type.item))
    if isinstance(x, DictVal):
        return Items("dict", tuple(state), tuple(tree_of(rec, v) for v in state.values()))
    return Items("list", (), tuple(tree_of(rec, v) for v in state))


def run_time(tree: Tree) -> Tree:
    """Return the tree with run-time values as leaves: those of one path mean nothing outside of it."""
    match tree:
        case Const(value=value, type=t) if t is not None and not isinstance(
            value, (bool, int, float, str)
        ):
            return Leaf(t)
        case Items(parts=parts):
            return replace(tree, parts=tuple(map(run_time, parts)))
        case Maybe(tree=inner):
            return Maybe(run_time(inner))
    return tree


def widen(rec: Recorder, tree: Tree, x: Any) -> Tree:
    """Return the smallest tree that holds both `tree` and the value `x`."""
    if isinstance(x, (Undefined, MaybeUndefined)):
        inner = tree.tree if isinstance(tree, Maybe) else tree
        return Maybe(run_time(inner) if isinstance(x, Undefined) else widen(rec, inner, x.value))
    return meet(rec, tree, tree_of(rec, x))


def join(rec: Recorder, a: Any, b: Any) -> Tree:
    """Return the tree that holds both values."""
    if isinstance(a, Undefined):
        tree = run_time(tree_of(rec, b))
        return (
            Const(UNDEFINED)
            if isinstance(b, Undefined)
            else (tree if isinstance(tree, Maybe) else Maybe(tree))
        )
    return widen(rec, tree_of(rec, a), b)


def meet(rec: Recorder, a: Tree, b: Tree) -> Tree:
    match a, b:
        case Poison(), _:
            return a
        case _, Poison():
            return b
        case Maybe(), _:
            return Maybe(meet(rec, a.tree, b.tree if isinstance(b, Maybe) else b))
        case _, Maybe():
            return Maybe(meet(rec, a, b.tree))
        case Const(), Const() if same_constant(a.value, b.value):
            return a
        case Items(), Items() if (
            a.kind == b.kind and a.keys == b.keys and len(a.parts) == len(b.parts)
        ):
            parts = tuple(meet(rec, x, y) for x, y in zip(a.parts, b.parts, strict=True))
            return replace(a, parts=parts)
        case Items(kind="list") | Growing(), Items(kind="list") | Growing():
            return _growing(rec, a, b)
    x, y = _as_leaf(rec, a), _as_leaf(rec, b)
    if x is None or y is None:
        return _conflict(a, b)
    met = _meet_types(rec, x, y)
    return Leaf(met) if met is not None else _conflict(a, b)


def _growing(rec: Recorder, a: Tree, b: Tree) -> Tree:
    items = [i for t in (a, b) for i in ((t.item,) if isinstance(t, Growing) else t.parts)]  # type: ignore[union-attr]
    tree: Tree = items[0]
    for i in items[1:]:
        tree = meet(rec, tree, i)
    leaf = _as_leaf(rec, tree)
    if leaf is None or isinstance(leaf, ListType):
        what = tree.message if isinstance(tree, Poison) else "it holds something else"
        return Poison(
            f"a list that grows in a loop or branch must hold tensors or numbers of one type: {what}",
            "keep one list for each kind of value",
        )
    if isinstance(leaf, TensorType) and UNKNOWN_SIZE in leaf.shape:
        return Poison(
            "a list that grows in a loop or branch must hold tensors of one shape",
            "pad them to one size, or join them with torch.cat as you go",
        )
    return Growing(Leaf(as_item(leaf)))


def _as_leaf(rec: Recorder, t: Tree) -> Type | None:
    """Return the type of a tree that can be one value of the graph."""
    return t.type if isinstance(t, (Leaf, Const)) else None


def _leaf_type(rec: Recorder, x: Any) -> Type | None:
    """Return the type of a value as one value of the graph, None if it can't be one."""
    if isinstance(x, TensorProxy):
        return x.tensor_type
    if isinstance(x, (ScalarProxy, ListProxy)):
        return x.value.type
    if isinstance(x, Sym):
        return ScalarType("int", rec.canonical(x))
    if isinstance(x, Tensor):
        return rec.capture(x).value.type
    if isinstance(x, int) and not isinstance(x, bool):
        return ScalarType("int", x)
    return ScalarType(type(x).__name__) if isinstance(x, (bool, float, str)) else None


def same_tree(a: Tree, b: Tree) -> bool:
    """Whether two trees describe the same values."""
    match a, b:
        case Const(), Const():
            return same_constant(a.value, b.value)
        case Items(), Items():
            return (a.kind, a.keys, a.cls, len(a.parts)) == (
                b.kind,
                b.keys,
                b.cls,
                len(b.parts),
            ) and all(same_tree(x, y) for x, y in zip(a.parts, b.parts, strict=True))
        case Maybe(), Maybe():
            return same_tree(a.tree, b.tree)
        case Const() | Items() | Maybe(), _:
            return False
    return a == b


def _meet_types(rec: Recorder, a: Type, b: Type) -> Type | None:
    match a, b:
        case TensorType(), TensorType():
            if a.dtype is not b.dtype or a.ndim != b.ndim or a.device != b.device:
                return None
            shape = tuple(
                x if x == y else _agree(rec, x, y) for x, y in zip(a.shape, b.shape, strict=True)
            )
            return TensorType(a.dtype, shape, a.strided or b.strided, a.device)
        case ScalarType(), ScalarType():
            if {a.kind, b.kind} == {"int", "float"}:
                # `total = 0` before a loop that adds floats. An int that only run time knows is
                # not converted behind the user's back.
                whole = a if a.kind == "int" else b
                return ScalarType("float") if isinstance(whole.value, int) else None
            if a.kind != b.kind:
                return None
            return (
                a
                if a.value == b.value
                else ScalarType(a.kind, UNKNOWN_SIZE if a.kind == "int" else None)
            )
        case TensorType(), ScalarType(kind="bool" | "int" | "float"):
            return a  # `total = 0` before a loop that adds tensors: the number is spread over the shape
        case ScalarType(kind="bool" | "int" | "float"), TensorType():
            return b
        case ListType(), ListType():
            item = _meet_types(rec, a.item, b.item)
            return None if item is None else ListType(item)
    return None


def _agree(rec: Recorder, a: Dim, b: Dim) -> Dim:
    """Sizes that are equal in this call are taken to be equal in all: another version serves the others."""
    x, y = rec.value_of(rec.canonical(a)), rec.value_of(rec.canonical(b))
    if rec.canonical(a) != rec.canonical(b) and (x is None or x != y):
        return UNKNOWN_SIZE
    rec.equal(a, b)
    return rec.canonical(a)


def _conflict(a: Tree, b: Tree) -> Poison:
    hint = "convert one of them, or use two names"
    if {_kind(a), _kind(b)} == {"int", "float"}:
        hint = "make both floats, with float() or a number such as 2.0"
    elif any(isinstance(t, Const) and t.value is None for t in (a, b)):
        hint = "start from a value of the final type, such as torch.zeros"
    return Poison(f"it is {show(a)} on one path and {show(b)} on another", hint)


def _kind(t: Tree) -> str | None:
    return t.type.kind if isinstance(t, (Const, Leaf)) and isinstance(t.type, ScalarType) else None


def show(t: Tree) -> str:
    """Return what a tree holds, in the user's words."""
    match t:
        case Const(value=bool() | int() | float() | str() as value):
            return repr(value)
        case Const(type=None, value=value):
            return describe(value)
        case Const(type=held) | Leaf(type=held):
            return show_type(held)
        case Items(kind=kind, parts=parts):
            return f"a {kind} of {len(parts)} items"
        case Growing(item=item):
            return f"a list whose items are each {show_type(item.type)}"
        case Maybe(tree=tree):
            return show(tree)
    return "something that differs"


def show_type(t: Type | None) -> str:
    """Return what a value of the type is, in the user's words."""
    match t:
        case TensorType():
            return f"a {t.dtype.name} tensor of shape {show_shape(t.shape)}"
        case ScalarType(kind=kind):
            return f"{'an' if kind == 'int' else 'a'} {kind}"
    return f"a {t}"
