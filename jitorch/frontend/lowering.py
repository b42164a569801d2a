"""Values where paths meet, as values of the graph: `lower` on each path, `lift` after the join."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from jitorch.errors import TypeMismatch
from jitorch.frontend.record import Recorder
from jitorch.frontend.values import (
    Const,
    DictVal,
    Growing,
    Items,
    Leaf,
    ListVal,
    Maybe,
    MaybeUndefined,
    Poison,
    Tree,
    Undefined,
    show,
)
from jitorch.ir.core import Attr, Value
from jitorch.ir.dims import Sym
from jitorch.ir.types import ListType, ScalarType, TensorType, Type
from jitorch.ops.structure import UNKNOWN_SIZE
from jitorch.size import like_tuple
from jitorch.tensor import Tensor

_ZERO: dict[str, bool | int | float | str] = {"bool": False, "int": 0, "float": 0.0, "str": ""}


def lower(rec: Recorder, x: Any, tree: Tree) -> list[Value]:
    """Return the graph values of `x` by the tree, appending what conversions it needs."""
    match tree:
        case Const() | Poison():
            return []
        case Maybe(tree=inner):
            if isinstance(x, Undefined):
                return [rec.constant(False), *(_placeholder(rec, t) for t in types_of(inner))]
            flag = rec.unwrap(x.defined) if isinstance(x, MaybeUndefined) else rec.constant(True)
            assert flag is not None
            return [flag, *lower(rec, x.value if isinstance(x, MaybeUndefined) else x, inner)]
        case Items(parts=parts):
            items = _items(rec, x)
            return [v for i, p in zip(items, parts, strict=True) for v in lower(rec, i, p)]
        case Growing(item=item):
            return [_lower_list(rec, x, item)]
    return [_lower_leaf(rec, x, tree.type)]


def _items(rec: Recorder, x: Any) -> list[Any]:
    if isinstance(x, tuple):
        return list(x)
    state: Any = rec.store[x]
    return list(state.values()) if isinstance(x, DictVal) else list(state)


def _lower_leaf(rec: Recorder, x: Any, t: Type) -> Value:
    if isinstance(t, TensorType) and not isinstance(x, Tensor):
        known = TensorType(t.dtype, t.shape)
        number = rec.converted(x, rec.unwrap(x), t.dtype)
        if UNKNOWN_SIZE in known.shape:
            raise TypeMismatch(
                "a number meets a tensor whose size differs between paths",
                hint="start from a tensor",
            )
        if t.device != "cpu":
            number = rec.emit1("transfer", (number,), {"device": t.device})
        return (
            rec.emit1("copy", (rec.emit1("expand", (number,), {"shape": t.shape}),))
            if t.shape
            else number
        )
    v = rec.unwrap(x)
    if v is None:
        v = rec.scalar(x)
    if t == ScalarType("float") and isinstance(v.type, ScalarType) and v.type.kind == "int":
        return (
            rec.constant(float(x))
            if isinstance(x, int)
            else rec.emit1("to_scalar", (v,), {"kind": "float"})
        )
    return v


def _lower_list(rec: Recorder, x: Any, item: Leaf) -> Value:
    state: Any = rec.store[x]
    if isinstance(state, Value):
        return state
    if state:
        values = [_lower_leaf(rec, i, item.type) for i in state]
        (out,) = rec.emit("list", values, types=[fresh_type(rec, ListType(item.type))])
        return out
    return rec.emit1("empty_list", (_placeholder(rec, item.type),))


def _placeholder(rec: Recorder, t: Type) -> Value:
    """Return a value of the type that nobody reads."""
    match t:
        case TensorType():
            shape = tuple(d if rec.visible(d) else 0 for d in t.shape)
            attrs: dict[str, Attr] = {"dtype": t.dtype, "shape": shape}
            if t.device != "cpu":
                attrs["device"] = t.device
            return rec.emit1("undefined", (), attrs)
        case ScalarType(kind=kind):
            return rec.constant(_ZERO[kind])
        case ListType(item=item):
            return rec.emit1("empty_list", (_placeholder(rec, item),))
    raise TypeMismatch(f"no placeholder for {t}")


def types_of(tree: Tree) -> list[Type]:
    """Return the types of the graph values a tree lowers to."""
    match tree:
        case Leaf(type=t):
            return [t]
        case Items(parts=parts):
            return [t for p in parts for t in types_of(p)]
        case Growing(item=item):
            return [ListType(item.type)]
        case Maybe(tree=inner):
            return [ScalarType("bool"), *types_of(inner)]
    return []


def fresh_type(rec: Recorder, t: Type) -> Type:
    """Return the type with a new symbol for every size that the paths do not share."""
    match t:
        case TensorType():
            shape = tuple(d if rec.visible(d) else _fresh_size(rec, hint="d") for d in t.shape)
            return replace(t, shape=shape)
        case ScalarType(kind="int"):
            return ScalarType("int", _fresh_size(rec, hint="i"))
        case ListType(item=item):
            return ListType(item if item == ScalarType("int") else fresh_type(rec, item))
    return t


def _fresh_size(rec: Recorder, hint: str) -> Sym:
    s = rec.fresh(hint)
    if hint == "d":
        rec.non_negative.add(str(s))
    return s


def lift(rec: Recorder, values: Iterator[Value], tree: Tree) -> Any:
    """Return what user code sees of joined values."""
    match tree:
        case Const(value=value):
            return value
        case Poison():
            return tree
        case Maybe(tree=inner):
            flag = rec.wrap(next(values))
            return MaybeUndefined(lift(rec, values, inner), flag)
        case Items(kind="tuple", cls=cls, parts=parts):
            return like_tuple(cls, [lift(rec, values, p) for p in parts])
        case Items() | Growing():
            made: Any = DictVal() if isinstance(tree, Items) and tree.kind == "dict" else ListVal()
            rec.store[made] = lift_state(rec, values, tree)
            return made
    return rec.wrap(next(values))


def lift_state(rec: Recorder, values: Iterator[Value], tree: Tree) -> Any:
    """Return what the store holds for joined memory: a tensor's value, the items of a list or dict."""
    match tree:
        case Items(kind="dict", keys=keys, parts=parts):
            return dict(zip(keys, [lift(rec, values, p) for p in parts], strict=True))
        case Items(parts=parts):
            return tuple(lift(rec, values, p) for p in parts)
        case Leaf() | Growing():
            return next(values)
    raise TypeMismatch(f"this memory can't be joined: {show(tree)}")
