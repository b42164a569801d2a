"""Expressions of the script front end."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import Any

import numpy as np

from jitorch.dispatch import METHODS
from jitorch.errors import AttributeNotFound, LocatedError, TypeMismatch, UnsupportedSyntax, at
from jitorch.frontend.calls import call
from jitorch.frontend.containers import BoundMethod, is_static
from jitorch.frontend.numpy_api import ArrayProxy, array_attribute
from jitorch.frontend.operators import Operations
from jitorch.frontend.proxies import ScalarProxy, describe
from jitorch.frontend.refusals import refuse
from jitorch.frontend.values import DictVal, ListVal
from jitorch.ir.core import Value
from jitorch.ir.dims import Sym
from jitorch.ir.opdef import OPS
from jitorch.size import Size
from jitorch.tensor import Tensor

_UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Invert: operator.invert,
}


class Expressions(Operations):
    """Evaluates expressions. A part of `Frame`."""

    def eval(self, node: ast.expr) -> Any:
        """Return the value of an expression, recording what only run time can compute."""
        method = getattr(self, f"on_{type(node).__name__}", None)
        with at(self.loc(node)):
            if method is None:
                raise refuse(node)
            return method(node)

    def on_Constant(self, node: ast.Constant) -> Any:
        return node.value

    def on_Name(self, node: ast.Name) -> Any:
        return self.name(node.id)

    def on_Tuple(self, node: ast.Tuple) -> Any:
        return tuple(self.elements(node.elts))

    def on_List(self, node: ast.List) -> Any:
        return self.new_list(self.elements(node.elts))

    def elements(self, nodes: Sequence[ast.expr]) -> list[Any]:
        out: list[Any] = []
        for n in nodes:
            if isinstance(n, ast.Starred):
                out += self.known_items(self.eval(n.value), "unpack")
            else:
                out.append(self.eval(n))
        return out

    def on_Dict(self, node: ast.Dict) -> Any:
        items: dict[Any, Any] = {}
        for k, v in zip(node.keys, node.values, strict=True):
            if k is None:
                items.update(self.dict_state(self.eval(v)))
                continue
            key = self.constant_key(self.eval(k))
            items[key] = self.eval(v)
        out = DictVal()
        self.rec.store[out] = items
        return out

    def on_BinOp(self, node: ast.BinOp) -> Any:
        left = self.eval(node.left)
        right = self.eval(node.right)
        return self.binary(node.op, left, right)

    def on_UnaryOp(self, node: ast.UnaryOp) -> Any:
        x = self.eval(node.operand)
        if isinstance(node.op, ast.Not):
            condition = self.truth(x)
            return (not condition) if isinstance(condition, bool) else self.negated(condition)
        if isinstance(x, Sym):
            if isinstance(node.op, ast.Invert):
                return METHODS["bitwise_not"](x)
            return -x if isinstance(node.op, ast.USub) else x
        if isinstance(node.op, ast.UAdd) and isinstance(x, ScalarProxy) and x.kind == "bool":
            return self.binary(ast.Add(), x, 0)  # +True is 1
        try:
            return _UNARY[type(node.op)](x)
        except TypeError as error:
            if isinstance(error, TypeMismatch):
                raise
            symbol = {ast.USub: "-", ast.UAdd: "+", ast.Invert: "~"}[type(node.op)]
            raise TypeMismatch(f"bad operand type for unary {symbol}: {self.kind(x)}") from None

    def on_Compare(self, node: ast.Compare) -> Any:
        left = self.eval(node.left)
        if len(node.ops) == 1:
            return self.compare(node.ops[0], left, self.eval(node.comparators[0]))
        return self.chain(left, list(node.ops), list(node.comparators))

    def chain(self, left: Any, ops: list[ast.cmpop], nodes: list[ast.expr]) -> Any:
        """`a < b < c` is `a < b and b < c`, with b evaluated once."""
        right = self.eval(nodes[0])
        first = self.compare(ops[0], left, right)
        if len(ops) == 1:
            return first
        return self.both(first, lambda: self.chain(right, ops[1:], nodes[1:]), stop_on=False)

    def on_BoolOp(self, node: ast.BoolOp) -> Any:
        stop_on = isinstance(node.op, ast.Or)
        out = self.eval(node.values[0])
        for n in node.values[1:]:
            out = self.both(out, lambda n=n: self.eval(n), stop_on)  # type: ignore[misc]
        return out

    def on_IfExp(self, node: ast.IfExp) -> Any:
        condition = self.truth(self.eval(node.test))
        if isinstance(condition, bool):
            return self.eval(node.body if condition else node.orelse)
        return self.choose(condition, lambda: self.eval(node.body), lambda: self.eval(node.orelse))

    def on_Attribute(self, node: ast.Attribute) -> Any:
        return self.attribute(self.eval(node.value), node.attr)

    def attribute(self, owner: Any, name: str) -> Any:
        """Return `owner.name`."""
        if isinstance(owner, (ListVal, DictVal)):
            return BoundMethod(owner, name)
        if isinstance(owner, ArrayProxy):
            found = array_attribute(owner, name)
            if found is not NotImplemented:
                return found
        if isinstance(owner, (ScalarProxy, Sym)) and name not in _NUMBER_ATTRIBUTES:
            raise AttributeNotFound(f"{describe(owner)} has no attribute '{name}'")
        made = getattr(type(owner), name, None)
        if isinstance(made, property) and not isinstance(owner, (Tensor, ScalarProxy)):
            return call(self, made.fget, [owner], {})
        try:
            value = getattr(owner, name)
        except AttributeError as error:
            if isinstance(error, LocatedError):
                raise
            raise AttributeNotFound(
                f"{self.owner_name(owner)} has no attribute '{name}'", hint=_similar(owner, name)
            ) from None
        if isinstance(owner, (Tensor, ScalarProxy, str, tuple)) or _is_ours(owner):
            return value
        return self.program.rely(owner, name, lambda: getattr(owner, name), value)

    def owner_name(self, owner: Any) -> str:
        if isinstance(owner, ModuleType):
            return f"module '{owner.__name__}'"
        return "a tensor" if isinstance(owner, Tensor) else f"'{type(owner).__name__}' object"

    def on_Subscript(self, node: ast.Subscript) -> Any:
        owner = self.eval(node.value)
        return self.item(owner, self.key(node.slice))

    def key(self, node: ast.expr) -> Any:
        """Return the value of what stands between [ and ]."""
        if isinstance(node, ast.Tuple):
            return tuple(self.key(e) for e in node.elts)
        if isinstance(node, ast.Slice):
            return slice(
                *(
                    None if n is None else self.index_value(self.eval(n))
                    for n in (node.lower, node.upper, node.step)
                )
            )
        return self.eval(node)

    def on_Call(self, node: ast.Call) -> Any:
        fn = self.eval(node.func)
        args = self.elements(node.args)
        kwargs: dict[str, Any] = {}
        for k in node.keywords:
            if k.arg is None:
                kwargs.update(self.dict_state(self.eval(k.value)))
            else:
                kwargs[k.arg] = self.eval(k.value)
        return call(self, fn, args, kwargs)

    def on_JoinedStr(self, node: ast.JoinedStr) -> Any:
        parts: list[str | int] = []
        specs: list[str] = []
        values: list[Any] = []
        for piece in node.values:
            if isinstance(piece, ast.Constant):
                parts.append(str(piece.value))
                continue
            assert isinstance(piece, ast.FormattedValue)
            value = self.eval(piece.value)
            spec = self.eval(piece.format_spec) if piece.format_spec is not None else ""
            conversion = chr(piece.conversion) if piece.conversion > 0 else "-"
            if not isinstance(spec, str):
                raise UnsupportedSyntax("a format specification must be known while compiling")
            parts.append(len(values))
            specs.append(f"!{conversion}{spec}")
            values.append(value)
        if all(is_static(v) for v in values):
            fn = OPS["format"].eager
            return fn(np, *values, parts=parts, specs=specs)
        inputs = [self.text_value(v) for v in values]
        return self.rec.wrap(
            self.rec.emit1(
                "format", inputs, self.text_attrs(parts=tuple(parts), specs=tuple(specs))
            )
        )

    def text_attrs(self, **attrs: Any) -> dict[str, Any]:
        """Programs on NumPy arrays print arrays, not tensors."""
        return {**attrs, "numpy": True} if self.rec.numpy else attrs

    def text_value(self, x: Any) -> Value:
        """Return a value to be printed; constants of other kinds become their text."""
        if isinstance(x, ListVal) and isinstance(self.rec.store[x], Value):
            return self.rec.store[x]  # type: ignore[no-any-return]
        if isinstance(x, (ListVal, DictVal, tuple)):
            return self.text_of_container(x)
        v = self.rec.unwrap(x)
        if v is not None:
            return v
        if isinstance(x, (bool, int, float, str, type(None), Sym)):
            return self.rec.scalar(x)
        return self.rec.constant(str(x))

    def text_of_container(self, x: Any) -> Value:
        """Return the text of a list, tuple or dict whose items may be known at run time only."""
        parts: list[str | int] = []
        values: list[Any] = []
        for piece in self.pieces(x):
            if not isinstance(piece, str):
                parts.append(len(values))
                values.append(piece[0])
            elif parts and isinstance(parts[-1], str):
                parts[-1] += piece
            else:
                parts.append(piece)
        if not values:
            return self.rec.constant("".join(map(str, parts)))
        attrs = self.text_attrs(parts=tuple(parts), specs=("!r",) * len(values))
        return self.rec.emit1("format", [self.text_value(v) for v in values], attrs)

    def pieces(self, x: Any) -> Iterator[str | tuple[Any]]:
        """Yield the text of a value in a container: literal text, and run-time values in tuples of one."""
        if isinstance(x, ListVal) and not isinstance(self.rec.store[x], Value):
            yield from self.listed("[", [("", i) for i in self.rec.store[x]], "]")
        elif isinstance(x, DictVal):
            items = self.dict_state(x).items()
            yield from self.listed("{", [(f"{k!r}: ", v) for k, v in items], "}")
        elif isinstance(x, Size):
            yield from self.listed("torch.Size([", [("", d) for d in x], "])")
        elif isinstance(x, tuple) and hasattr(x, "_fields"):
            named = [(f"{k}=", v) for k, v in zip(x._fields, x, strict=True)]
            yield from self.listed(f"{type(x).__name__}(", named, ")")
        elif isinstance(x, tuple):
            yield from self.listed("(", [("", i) for i in x], ",)" if len(x) == 1 else ")")
        else:
            yield repr(x) if is_static(x) else (x,)

    def listed(
        self, start: str, items: Sequence[tuple[str, Any]], end: str
    ) -> Iterator[str | tuple[Any]]:
        yield start
        for number, (name, item) in enumerate(items):
            yield (", " if number else "") + name
            yield from self.pieces(item)
        yield end


_NUMBER_ATTRIBUTES = ("is_integer", "real", "imag")


def _is_ours(owner: Any) -> bool:
    """Whether an owner of attributes is a module or class of the libraries, which nobody changes."""
    if not isinstance(owner, (ModuleType, type)):
        return False
    name = owner.__name__ if isinstance(owner, ModuleType) else owner.__module__
    return name.split(".")[0] in ("jitorch", "numpy", "math", "builtins", "operator", "cmath")


def _similar(owner: Any, name: str) -> str:
    import difflib

    close = difflib.get_close_matches(name, [n for n in dir(owner) if not n.startswith("_")], 1)
    return f"did you mean '{close[0]}'?" if close else ""
