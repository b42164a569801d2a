"""Ops that hold a program together: constants, sizes, scalars out of tensors, tuples and lists."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from jitorch.cuda import adapter
from jitorch.errors import IndexOutOfRange, ShapeMismatch, TypeMismatch
from jitorch.ir.dims import Dim, Shape, Sym, symbol
from jitorch.ir.opdef import OpDef, register
from jitorch.ir.shapes import axis
from jitorch.ir.types import DType, ListType, ScalarType, TensorType, TupleType, Type
from jitorch.ops.families import tensor_type

UNKNOWN_SIZE = symbol(
    "_"
)  # stands for a size known only at run time; the builder puts a fresh symbol


def _kind(value: object) -> str:
    return "none" if value is None else type(value).__name__


def _constant_infer(*, value: Any, dtype: DType | None = None) -> Type:
    if dtype is not None:
        return TensorType(dtype, ())
    kind = _kind(value)
    if kind not in ("bool", "int", "float", "complex", "str", "none"):
        raise TypeMismatch(f"constant: can't hold a {kind}")
    return ScalarType(kind, value if kind == "int" else None)


constant = register(
    OpDef(
        name="constant",
        total=True,
        eager=lambda xp, *, value, dtype=None: (
            value if dtype is None else xp.asarray(value).astype(dtype.numpy)
        ),
        infer=_constant_infer,
    )
)


def _dim_infer(*, value: Dim) -> Type:
    if not isinstance(value, (int, Sym)):
        raise TypeMismatch(f"dim: expected a size expression, got {value!r}")
    return ScalarType("int", value)


# The interpreters evaluate size expressions in attributes before they call `eager`.
dim = register(OpDef(name="dim", total=True, eager=lambda xp, *, value: value, infer=_dim_infer))


def _item_infer(x: Type) -> Type:
    t = tensor_type(x, "item")
    if any(isinstance(d, int) and d != 1 for d in t.shape):
        raise ShapeMismatch(f"a tensor with shape {list(t.shape)} cannot be converted to a scalar")
    kind = t.dtype.kind
    return ScalarType(kind, UNKNOWN_SIZE if kind == "int" else None)


def _read(x: Any) -> Any:
    return adapter.to_host(x) if adapter.is_array(x) else x


item = register(OpDef(name="item", eager=lambda xp, x: _read(x).item(), infer=_item_infer))


def _truth_infer(x: Type) -> Type:
    if isinstance(x, TensorType) and any(isinstance(d, int) and d != 1 for d in x.shape):
        raise ShapeMismatch(
            "Boolean value of Tensor with more than one value is ambiguous",
            hint="reduce it with .any() or .all(), or use torch.where for an elementwise choice",
        )
    if isinstance(x, (TupleType, ListType)) or (isinstance(x, ScalarType) and x.kind == "str"):
        raise TypeMismatch(f"truth: expected a tensor or a number, got {x}")
    return ScalarType("bool")


truth = register(OpDef(name="truth", eager=lambda xp, x: bool(_read(x)), infer=_truth_infer))


def _to_scalar_infer(x: Type, *, kind: str) -> Type:
    if not isinstance(x, ScalarType) or x.kind not in ("bool", "int", "float"):
        raise TypeMismatch(f"{kind}: expected a number, got {x}")
    return ScalarType(kind, UNKNOWN_SIZE if kind == "int" else None)


# Python's int(), float(): conversion between scalars.
to_scalar = register(
    OpDef(
        name="to_scalar",
        eager=lambda xp, x, *, kind: {"int": int, "float": float, "bool": bool}[kind](x),
        infer=_to_scalar_infer,
    )
)

not_op = register(
    OpDef(name="not", total=True, eager=lambda xp, x: not x, infer=lambda x: _truth_infer(x))
)


# Tuples and lists.


def _get_infer(x: Type, *, index: int) -> Type:
    if not isinstance(x, TupleType) or not 0 <= index < len(x.items):
        raise TypeMismatch(f"tuple_get: no item {index} in {x}")
    return x.items[index]


tuple_op = register(
    OpDef(
        name="tuple",
        total=True,
        eager=lambda xp, *items: items,
        infer=lambda *items: TupleType(items),
    )
)
tuple_get = register(
    OpDef(name="tuple_get", total=True, eager=lambda xp, x, *, index: x[index], infer=_get_infer)
)


def _list_infer(*items: Type) -> Type:
    if not items:
        raise TypeMismatch("list: an empty list has no type")
    first = as_item(items[0])
    if any(as_item(i) != first for i in items):
        raise TypeMismatch(f"list: items differ in type: {', '.join(map(str, items))}")
    return ListType(first)


def as_item(t: Type) -> Type:
    """Return the type of a list's items, given one of them: ints differ in value."""
    return ScalarType("int") if isinstance(t, ScalarType) and t.kind == "int" else t


def _item_of(xs: Type, op: str) -> Type:
    if not isinstance(xs, ListType):
        raise TypeMismatch(f"{op}: expected a list, got {xs}")
    return xs.item


def _append_infer(xs: Type, x: Type) -> Type:
    item = _item_of(xs, "append")
    if isinstance(x, TensorType) and isinstance(item, TensorType) and item.strided:
        x = replace(x, strided=True)
    if item != as_item(x):
        raise TypeMismatch(f"append: can't append a {x} to a {xs}")
    return xs


def _got(item: Type) -> Type:
    return ScalarType("int", UNKNOWN_SIZE) if item == ScalarType("int") else item


def _at(xs: Any, index: int) -> Any:
    if not -len(xs) <= index < len(xs):
        raise IndexOutOfRange("list index out of range")
    return xs[index]


def _replaced(xp: Any, xs: Any, x: Any, *, index: int) -> Any:
    _at(xs, index)
    out = list(xs)
    out[index] = x
    return out


list_op = register(
    OpDef(name="list", total=True, eager=lambda xp, *items: list(items), infer=_list_infer)
)
empty_list = register(
    OpDef(name="empty_list", eager=lambda xp, x: [], infer=lambda x: ListType(as_item(x)))
)
append = register(OpDef(name="append", eager=lambda xp, xs, x: [*xs, x], infer=_append_infer))
extend = register(
    OpDef(
        name="extend",
        eager=lambda xp, xs, ys: [*xs, *ys],
        infer=lambda xs, ys: _append_infer(xs, _item_of(ys, "extend")),
    )
)
list_len = register(
    OpDef(
        name="len",
        eager=lambda xp, xs: len(xs),
        infer=lambda xs: (_item_of(xs, "len"), ScalarType("int", UNKNOWN_SIZE))[1],
    )
)
list_get = register(
    OpDef(
        name="list_get",
        eager=lambda xp, xs, *, index: _at(xs, index),
        infer=lambda xs, *, index: _got(_item_of(xs, "list_get")),
    )
)
list_set = register(
    OpDef(name="list_set", eager=_replaced, infer=lambda xs, x, *, index: _append_infer(xs, x))
)


def _stack_infer(xs: Type, *, dim: int) -> Type:
    t = tensor_type(_item_of(xs, "list_stack"), "list_stack")
    at = axis(dim, t.ndim + 1)
    return TensorType(t.dtype, (*t.shape[:at], UNKNOWN_SIZE, *t.shape[at:]), device=t.device)


def _cat_infer(xs: Type, *, dim: int) -> Type:
    t = tensor_type(_item_of(xs, "list_cat"), "list_cat")
    at = axis(dim, t.ndim)
    return TensorType(t.dtype, (*t.shape[:at], UNKNOWN_SIZE, *t.shape[at + 1 :]), device=t.device)


def _joined(how: str) -> Any:
    def eager(xp: Any, xs: Any, *, dim: int) -> Any:
        if not xs:
            raise ShapeMismatch(f"{how}: expected a non-empty list of tensors")
        return (xp.stack if how == "stack" else xp.concatenate)(xs, axis=dim)

    return eager


list_stack = register(OpDef(name="list_stack", eager=_joined("stack"), infer=_stack_infer))
list_cat = register(OpDef(name="list_cat", eager=_joined("cat"), infer=_cat_infer))


def _assume_eager(xp: Any, *, left: int, right: int) -> tuple[()]:
    if left != right:
        raise ShapeMismatch(f"sizes differ: {left} and {right} must be equal here")
    return ()


# A run-time check that two sizes are equal, for sizes that the call's arguments do not tell.
assume = register(
    OpDef(name="assume", eager=_assume_eager, infer=lambda *, left, right: (), pure=False)
)


def _undefined_infer(*, dtype: DType, shape: Shape, device: str = "cpu") -> Type:
    return TensorType(dtype, shape, device=device)


def _undefined_eager(xp: Any, *, dtype: DType, shape: tuple[int, ...], device: str = "cpu") -> Any:
    return xp.zeros(shape, dtype.numpy)


# What a variable holds on the paths that leave it unset; no path that reads it gets here.
undefined = register(
    OpDef(
        name="undefined",
        total=True,
        eager=_undefined_eager,
        infer=_undefined_infer,
    )
)
