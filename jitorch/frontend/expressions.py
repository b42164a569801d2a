"""Expressions of the script front end."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from jitorch.dispatch import METHODS
from jitorch.errors import AttributeNotFound, IndexOutOfRange, TypeMismatch, UnsupportedSyntax, at
from jitorch.frontend import control
from jitorch.frontend.calls import call
from jitorch.frontend.iteration import Iteration, RangeVal, iterate, range_length
from jitorch.frontend.numpy_api import ArrayProxy, array_attribute
from jitorch.frontend.record import ListProxy, ScalarProxy, TensorProxy, describe
from jitorch.frontend.values import DictVal, ListVal, UNDEFINED
from jitorch.ir import dims as D
from jitorch.ir.core import Value
from jitorch.ir.dims import Sym
from jitorch.ir.opdef import OPS
from jitorch.tensor import Tensor

if TYPE_CHECKING:
    from jitorch.frontend.script import Frame

_BINARY: dict[type[ast.operator], tuple[str, Callable[[Any, Any], Any], Callable[[Any, Any], Any]]] = {
    ast.Add: ("add", operator.add, operator.iadd),
    ast.Sub: ("sub", operator.sub, operator.isub),
    ast.Mult: ("mul", operator.mul, operator.imul),
    ast.Div: ("div", operator.truediv, operator.itruediv),
    ast.FloorDiv: ("floor_divide", operator.floordiv, operator.ifloordiv),
    ast.Mod: ("remainder", operator.mod, operator.imod),
    ast.Pow: ("pow", operator.pow, operator.ipow),
    ast.MatMult: ("matmul", operator.matmul, operator.imatmul),
    ast.BitAnd: ("bitwise_and", operator.and_, operator.iand),
    ast.BitOr: ("bitwise_or", operator.or_, operator.ior),
    ast.BitXor: ("bitwise_xor", operator.xor, operator.ixor),
    ast.LShift: ("bitwise_left_shift", operator.lshift, operator.ilshift),
    ast.RShift: ("bitwise_right_shift", operator.rshift, operator.irshift),
}
_EXACT_ON_SIZES = (ast.Add, ast.Sub, ast.Mult, ast.FloorDiv, ast.Mod)
_COMPARE: dict[type[ast.cmpop], tuple[str, Callable[[Any, Any], Any]]] = {
    ast.Eq: ("eq", operator.eq),
    ast.NotEq: ("ne", operator.ne),
    ast.Lt: ("lt", operator.lt),
    ast.LtE: ("le", operator.le),
    ast.Gt: ("gt", operator.gt),
    ast.GtE: ("ge", operator.ge),
}
_SYMBOLS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.MatMult: "@", ast.Mod: "%", ast.Pow: "**"}


def is_static(x: Any) -> bool:
    """Whether a value is known while compiling."""
    if isinstance(x, (tuple, list)):
        return all(is_static(i) for i in x)
    return not isinstance(x, (Tensor, ScalarProxy, ListProxy, Sym, ListVal, DictVal, RangeVal, np.ndarray))


def is_number(x: Any) -> bool:
    """Whether a value is a Python number, known or not."""
    return isinstance(x, (bool, int, float, complex, Sym)) or (isinstance(x, ScalarProxy) and x.kind != "str")


class Expressions:
    """Evaluates expressions. A part of `Frame`."""

    def eval(self: Frame, node: ast.expr) -> Any:
        """Return the value of an expression, recording what only run time can compute."""
        method = getattr(self, f"on_{type(node).__name__}", None)
        with at(self.loc(node)):
            if method is None:
                from jitorch.frontend.script import refuse

                raise refuse(node)
            return method(node)

    def on_Constant(self: Frame, node: ast.Constant) -> Any:
        return node.value

    def on_Name(self: Frame, node: ast.Name) -> Any:
        return self.name(node.id)

    def on_Tuple(self: Frame, node: ast.Tuple) -> Any:
        return tuple(self.elements(node.elts))

    def on_List(self: Frame, node: ast.List) -> Any:
        return self.new_list(self.elements(node.elts))

    def elements(self: Frame, nodes: Sequence[ast.expr]) -> list[Any]:
        out: list[Any] = []
        for n in nodes:
            if isinstance(n, ast.Starred):
                out += self.known_items(self.eval(n.value), "unpack")
            else:
                out.append(self.eval(n))
        return out

    def on_Dict(self: Frame, node: ast.Dict) -> Any:
        items: dict[Any, Any] = {}
        for k, v in zip(node.keys, node.values, strict=True):
            if k is None:
                items.update(self.dict_state(self.eval(v)))
                continue
            items[self.constant_key(self.eval(k))] = self.eval(v)
        out = DictVal()
        self.rec.store[out] = items  # type: ignore[assignment]
        return out

    def constant_key(self: Frame, key: Any) -> Any:
        if not is_static(key):
            raise TypeMismatch(
                f"a dict key must be a constant, got {describe(key)}", hint="use a list, indexed with a number"
            )
        return key

    def dict_state(self: Frame, x: Any) -> dict[Any, Any]:
        if isinstance(x, DictVal):
            state: Any = self.rec.store[x]
            return dict(state)
        if isinstance(x, dict):
            return x
        raise TypeMismatch(f"expected a dict, got {describe(x)}")

    def new_list(self: Frame, items: Sequence[Any]) -> ListVal:
        """Return a new list that holds the items."""
        out = ListVal()
        self.rec.store[out] = tuple(items)  # type: ignore[assignment]
        return out

    def on_Lambda(self: Frame, node: ast.Lambda) -> Any:
        return self.inner_function(node, "<lambda>")

    # Operators.

    def on_BinOp(self: Frame, node: ast.BinOp) -> Any:
        left = self.eval(node.left)
        right = self.eval(node.right)
        return self.binary(node.op, left, right)

    def binary(self: Frame, op: ast.operator, a: Any, b: Any) -> Any:
        name, fn, _ = _BINARY[type(op)]
        if isinstance(a, (ListVal, DictVal)) or isinstance(b, (ListVal, DictVal)):
            return self.list_binary(op, a, b)
        if isinstance(a, Sym) or isinstance(b, Sym):
            if _is_int(a) and _is_int(b) and isinstance(op, _EXACT_ON_SIZES):
                return self.size_arithmetic(op, fn, a, b)
            if is_number(a) and is_number(b):
                return METHODS[name](a, b)
        if isinstance(a, ScalarProxy) and a.kind == "str" or isinstance(b, ScalarProxy) and b.kind == "str":
            raise TypeMismatch("operators on run-time strings are not supported", hint="use an f-string")
        return self.plain_operator(op, fn, a, b)

    def size_arithmetic(self: Frame, op: ast.operator, fn: Callable[[Any, Any], Any], a: Any, b: Any) -> Any:
        if isinstance(op, (ast.FloorDiv, ast.Mod)):
            if isinstance(b, int) and b == 0:
                raise TypeMismatch("integer division or modulo by zero")
            return D.floordiv(a, b) if isinstance(op, ast.FloorDiv) else D.mod(a, b)
        return fn(a, b)

    def plain_operator(self: Frame, op: ast.operator, fn: Callable[[Any, Any], Any], a: Any, b: Any) -> Any:
        try:
            return fn(a, b)
        except (TypeError, ValueError) as error:
            if isinstance(error, TypeMismatch) or hasattr(error, "loc"):
                raise
            symbol = _SYMBOLS.get(type(op), _BINARY[type(op)][0])
            raise TypeMismatch(f"unsupported operand types for {symbol}: {describe(a)} and {describe(b)}") from None
        except (ZeroDivisionError, OverflowError) as error:
            raise TypeMismatch(f"{type(error).__name__}: {error}") from None

    def inplace(self: Frame, op: ast.operator, a: Any, b: Any) -> Any:
        """Carry out `a op= b`: tensors change in place, everything else gives a new value."""
        if isinstance(a, Tensor):
            return self.plain_operator(op, _BINARY[type(op)][2], a, b)
        return self.binary(op, a, b)

    def list_binary(self: Frame, op: ast.operator, a: Any, b: Any) -> Any:
        if isinstance(op, ast.Add) and isinstance(a, ListVal) and isinstance(b, ListVal):
            return self.new_list([*self.known_items(a, "+"), *self.known_items(b, "+")])
        if isinstance(op, ast.Mult) and isinstance(a, ListVal) and isinstance(b, int):
            return self.new_list(self.known_items(a, "*") * b)
        if isinstance(op, ast.Mult) and isinstance(b, ListVal) and isinstance(a, int):
            return self.new_list(self.known_items(b, "*") * a)
        kind = "list" if isinstance(a, ListVal) or isinstance(b, ListVal) else "dict"
        raise TypeMismatch(f"unsupported operand types: {self.kind(a)} and {self.kind(b)}", hint=f"a {kind} is not a tensor; torch.stack makes one of a list")

    def kind(self: Frame, x: Any) -> str:
        """Return what a value is, in the user's words."""
        return {ListVal: "a list", DictVal: "a dict"}.get(type(x)) or describe(x)

    def on_UnaryOp(self: Frame, node: ast.UnaryOp) -> Any:
        x = self.eval(node.operand)
        if isinstance(node.op, ast.Not):
            condition = self.truth(x)
            return (not condition) if isinstance(condition, bool) else self.negated(condition)
        if isinstance(x, Sym):
            return {ast.USub: lambda: -x, ast.UAdd: lambda: x}.get(type(node.op), lambda: METHODS["bitwise_not"](x))()
        fn = {ast.USub: operator.neg, ast.UAdd: operator.pos, ast.Invert: operator.invert}[type(node.op)]
        try:
            return fn(x)
        except TypeError as error:
            if isinstance(error, TypeMismatch):
                raise
            raise TypeMismatch(f"bad operand type: {self.kind(x)}") from None

    def on_Compare(self: Frame, node: ast.Compare) -> Any:
        left = self.eval(node.left)
        if len(node.ops) == 1:
            return self.compare(node.ops[0], left, self.eval(node.comparators[0]))
        return self.chain(left, list(node.ops), list(node.comparators))

    def chain(self: Frame, left: Any, ops: list[ast.cmpop], nodes: list[ast.expr]) -> Any:
        """`a < b < c` is `a < b and b < c`, with b evaluated once."""
        right = self.eval(nodes[0])
        first = self.compare(ops[0], left, right)
        if len(ops) == 1:
            return first
        return self.both(first, lambda: self.chain(right, ops[1:], nodes[1:]), stop_on=False)

    def compare(self: Frame, op: ast.cmpop, a: Any, b: Any) -> Any:
        if isinstance(op, (ast.Is, ast.IsNot)):
            return self.identity(op, a, b)
        if isinstance(op, (ast.In, ast.NotIn)):
            found = self.contains(b, a)
            return found if isinstance(op, ast.In) else (not found if isinstance(found, bool) else self.negated(found))
        name, fn = _COMPARE[type(op)]
        if (isinstance(a, Sym) or isinstance(b, Sym)) and _is_int(a) and _is_int(b):
            return self.compare_sizes(name, fn, a, b)
        if isinstance(a, (Sym, ScalarProxy)) or isinstance(b, (Sym, ScalarProxy)):
            if is_number(a) and is_number(b):
                return METHODS[name](a, b)
        if isinstance(a, tuple) and isinstance(b, tuple) and isinstance(op, (ast.Eq, ast.NotEq)):
            return self.compare_tuples(op, a, b)
        try:
            return fn(a, b)
        except TypeError as error:
            if isinstance(error, TypeMismatch):
                raise
            raise TypeMismatch(f"can't compare {self.kind(a)} with {self.kind(b)}") from None

    def compare_sizes(self: Frame, name: str, fn: Callable[[Any, Any], Any], a: Any, b: Any) -> Any:
        """Compare sizes at once where every call gives the same answer, else at run time."""
        gap = self.rec.canonical(a) - self.rec.canonical(b)
        return bool(fn(gap, 0)) if isinstance(gap, int) else METHODS[name](self.rec.canonical(a), self.rec.canonical(b))

    def compare_tuples(self: Frame, op: ast.cmpop, a: tuple[Any, ...], b: tuple[Any, ...]) -> Any:
        if len(a) != len(b):
            return isinstance(op, ast.NotEq)
        equal: Any = True
        for x, y in zip(a, b, strict=True):
            equal = self.both(equal, lambda x=x, y=y: self.compare(ast.Eq(), x, y), stop_on=False)  # type: ignore[misc]
        if isinstance(op, ast.Eq):
            return equal
        return not equal if isinstance(equal, bool) else self.negated(equal)

    def identity(self: Frame, op: ast.cmpop, a: Any, b: Any) -> bool:
        same = a is b or (isinstance(a, TensorProxy) and isinstance(b, TensorProxy) and a._storage is b._storage and a._views == b._views)
        return same if isinstance(op, ast.Is) else not same

    def contains(self: Frame, container: Any, item: Any) -> Any:
        if isinstance(container, DictVal):
            return item in self.dict_state(container)
        if isinstance(container, str):
            return item in container
        found: Any = False
        for x in self.known_items(container, "in"):
            if found is True:
                break
            found = self.both(found, lambda x=x: self.compare(ast.Eq(), item, x), stop_on=True)  # type: ignore[misc]
        return found

    def on_BoolOp(self: Frame, node: ast.BoolOp) -> Any:
        stop_on = isinstance(node.op, ast.Or)
        out = self.eval(node.values[0])
        for n in node.values[1:]:
            out = self.both(out, lambda n=n: self.eval(n), stop_on)  # type: ignore[misc]
        return out

    def both(self: Frame, left: Any, right: Callable[[], Any], stop_on: bool) -> Any:
        """`left and right()` (or `left or right()`): the right side is evaluated only where Python would."""
        condition = self.truth(left)
        if isinstance(condition, bool):
            return left if condition is stop_on else right()
        with self.rec.scope() as scope:
            value = right()
        if isinstance(value, (bool, ScalarProxy)) and isinstance(left, ScalarProxy) and _harmless(scope.ops):
            self.rec.ops.extend(scope.ops)
            return METHODS["logical_or" if stop_on else "logical_and"](left, value)
        kept, other = lambda: left, right
        return self.choose(condition, *((kept, other) if stop_on else (other, kept)))

    def choose(self: Frame, condition: Any, then: Callable[[], Any], orelse: Callable[[], Any]) -> Any:
        """`then() if condition else orelse()` for a run-time condition."""

        def keep(fn: Callable[[], Any]) -> Callable[[], None]:
            def run() -> None:
                self.locals["$choice"] = fn()

            return run

        control.dynamic_if(self, condition, keep(then), keep(orelse))
        return self.checked("this expression", self.locals.pop("$choice"))

    def on_IfExp(self: Frame, node: ast.IfExp) -> Any:
        condition = self.truth(self.eval(node.test))
        if isinstance(condition, bool):
            return self.eval(node.body if condition else node.orelse)
        return self.choose(condition, lambda: self.eval(node.body), lambda: self.eval(node.orelse))

    def truth(self: Frame, x: Any) -> Any:
        """Return the truth of a value: a bool, or a bool of the program."""
        if isinstance(x, ScalarProxy) and x.kind == "bool":
            return x
        if isinstance(x, Sym):
            return self.compare_sizes("ne", operator.ne, x, 0)
        if isinstance(x, (Tensor, ScalarProxy)):
            return self.rec.wrap(self.rec.emit1("truth", (self.rec.unwrap(x),)))  # type: ignore[arg-type]
        if isinstance(x, ListVal):
            n = self.length(x)
            return n > 0 if isinstance(n, int) else self.compare_sizes("ne", operator.ne, n, 0)
        if isinstance(x, DictVal):
            return bool(self.dict_state(x))
        try:
            return bool(x)
        except Exception as error:
            raise TypeMismatch(f"can't tell whether {self.kind(x)} is true: {error}") from None

    # Attributes, items, calls.

    def on_Attribute(self: Frame, node: ast.Attribute) -> Any:
        return self.attribute(self.eval(node.value), node.attr)

    def attribute(self: Frame, owner: Any, name: str) -> Any:
        if isinstance(owner, (ListVal, DictVal)):
            return BoundMethod(owner, name)
        if isinstance(owner, ArrayProxy):
            found = array_attribute(owner, name)
            if found is not NotImplemented:
                return found
        if isinstance(owner, ScalarProxy):
            if owner.kind == "float" and name == "item" or not hasattr(type(owner), name):
                raise AttributeNotFound(f"a {owner.kind} has no attribute '{name}'")
        try:
            value = getattr(owner, name)
        except AttributeError as error:
            if hasattr(error, "loc"):
                raise
            raise AttributeNotFound(f"{self.owner_name(owner)} has no attribute '{name}'", hint=_similar(owner, name)) from None
        if not isinstance(owner, (ModuleType, Tensor, type, str)) and not callable(value):
            return self.program.rely(owner, name, lambda: getattr(owner, name), value)
        return value

    def owner_name(self: Frame, owner: Any) -> str:
        if isinstance(owner, ModuleType):
            return f"module '{owner.__name__}'"
        return "a tensor" if isinstance(owner, Tensor) else f"'{type(owner).__name__}' object"

    def on_Subscript(self: Frame, node: ast.Subscript) -> Any:
        owner = self.eval(node.value)
        return self.item(owner, self.key(node.slice))

    def key(self: Frame, node: ast.expr) -> Any:
        """Return the value of what stands between [ and ]."""
        if isinstance(node, ast.Tuple):
            return tuple(self.key(e) for e in node.elts)
        if isinstance(node, ast.Slice):
            return slice(*(None if n is None else self.index_value(self.eval(n)) for n in (node.lower, node.upper, node.step)))
        return self.index_value(self.eval(node))

    def index_value(self: Frame, k: Any) -> Any:
        """A 0-d integer tensor indexes like the number it holds; a list of numbers like a tensor."""
        if isinstance(k, TensorProxy) and k.ndim == 0 and k.dtype.kind == "int":
            return self.rec.item(k)
        if isinstance(k, ListVal):
            return [self.index_value(i) for i in self.known_items(k, "index")]
        if isinstance(k, ScalarProxy):
            raise TypeMismatch(f"an index must be an integer, got a {k.kind}", hint="convert it with int()")
        return k

    def item(self: Frame, owner: Any, key: Any) -> Any:
        if isinstance(owner, ListVal):
            return self.list_item(owner, key)
        if isinstance(owner, DictVal):
            return self.dict_item(self.dict_state(owner), key)
        if isinstance(key, Sym) and not isinstance(owner, Tensor):
            raise TypeMismatch(
                f"{describe(owner)} can only be indexed with a number known while compiling",
                hint="use a list of tensors of one shape, or torch.stack them",
            )
        try:
            return owner[key]
        except KeyError:
            raise IndexOutOfRange(f"no key {key!r} in the dict") from None
        except IndexError as error:
            if hasattr(error, "loc"):
                raise
            raise IndexOutOfRange(str(error)) from None
        except TypeError as error:
            if hasattr(error, "loc"):
                raise
            raise TypeMismatch(f"{self.kind(owner)} can't be indexed with {self.kind(key)}") from None

    def dict_item(self: Frame, state: dict[Any, Any], key: Any) -> Any:
        key = self.constant_key(key)
        if key not in state:
            known = ", ".join(map(repr, state))
            raise IndexOutOfRange(f"no key {key!r} in the dict", hint=f"its keys are: {known}")
        return state[key]

    def list_item(self: Frame, owner: ListVal, key: Any) -> Any:
        state: Any = self.rec.store[owner]
        if isinstance(state, Value):
            if isinstance(key, slice):
                raise TypeMismatch("a list of run-time length can't be sliced", hint="torch.stack it, then slice")
            return self.rec.wrap(self.rec.emit1("list_get", (state,), {"index": key}))
        if isinstance(key, Sym):
            raise TypeMismatch(
                "a list of known length can only be indexed with a number known while compiling",
                hint="torch.stack it first, or append to it in a loop",
            )
        try:
            return self.new_list(state[key]) if isinstance(key, slice) else state[key]
        except IndexError:
            raise IndexOutOfRange(f"list index {key} out of range for a list of {len(state)}") from None

    def set_item(self: Frame, owner: Any, key: Any, value: Any) -> None:
        """Carry out `owner[key] = value`."""
        if isinstance(owner, Tensor):
            owner[key] = value
            return
        if isinstance(owner, DictVal):
            self.rec.store[owner] = {**self.dict_state(owner), self.constant_key(key): value}  # type: ignore[assignment]
            return
        if not isinstance(owner, ListVal):
            raise TypeMismatch(f"{self.kind(owner)} does not support item assignment")
        state: Any = self.rec.store[owner]
        if isinstance(state, Value):
            self.rec.store[owner] = self.rec.emit1("list_set", (state, self.rec.unwrap(value)), {"index": key})  # type: ignore[arg-type]
            return
        if not isinstance(key, int) or not -len(state) <= key < len(state):
            raise IndexOutOfRange(f"list assignment index {key} out of range for a list of {len(state)}")
        items = list(state)
        items[key] = value
        self.rec.store[owner] = tuple(items)  # type: ignore[assignment]

    def on_Call(self: Frame, node: ast.Call) -> Any:
        fn = self.eval(node.func)
        args = self.elements(node.args)
        kwargs: dict[str, Any] = {}
        for k in node.keywords:
            if k.arg is None:
                kwargs.update(self.dict_state(self.eval(k.value)))
            else:
                kwargs[k.arg] = self.eval(k.value)
        return call(self, fn, args, kwargs)

    # Strings.

    def on_JoinedStr(self: Frame, node: ast.JoinedStr) -> Any:
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
        return self.rec.wrap(self.rec.emit1("format", inputs, self.text_attrs(parts=tuple(parts), specs=tuple(specs))))

    def text_attrs(self: Frame, **attrs: Any) -> dict[str, Any]:
        """Programs on NumPy arrays print arrays, not tensors."""
        return {**attrs, "numpy": True} if self.rec.numpy else attrs

    def text_value(self: Frame, x: Any) -> Value:
        """Return a value to be printed; constants of other kinds become their text."""
        if isinstance(x, ListVal):
            state: Any = self.rec.store[x]
            if isinstance(state, Value):
                return state
            return self.text_value(f"[{', '.join(map(repr, state))}]") if is_static(state) else self.rec.emit1("list", [self.text_value(i) for i in state])
        if isinstance(x, tuple) and not is_static(x):
            return self.rec.emit1("tuple", [self.text_value(i) for i in x])
        v = self.rec.unwrap(x)
        if v is not None:
            return v
        if isinstance(x, (bool, int, float, str, type(None), Sym)):
            return self.rec.scalar(x)
        return self.rec.constant(str(x))

    # Comprehensions.

    def on_ListComp(self: Frame, node: ast.ListComp) -> Any:
        out = self.new_list([])
        names = {n.id for g in node.generators for n in ast.walk(g.target) if isinstance(n, ast.Name)}
        shadowed = {n: self.locals.get(n, UNDEFINED) for n in names}
        self.locals["$list"] = out
        self.comprehension(node, list(node.generators))
        made = self.locals.pop("$list")
        for n, old in shadowed.items():  # a comprehension's variables are its own
            self.locals.pop(n, None)
            if old is not UNDEFINED:
                self.locals[n] = old
        return made

    def comprehension(self: Frame, node: ast.ListComp, generators: list[ast.comprehension]) -> None:
        if not generators:
            self.list_append(self.locals["$list"], self.eval(node.elt))
            return
        g = generators[0]
        over: Iteration = iterate(self, self.eval(g.iter))

        def body() -> None:
            self.conditions(list(g.ifs), lambda: self.comprehension(node, generators[1:]))

        self.loop_over(node, over, lambda item: self.assign(g.target, item), body)

    def conditions(self: Frame, tests: list[ast.expr], then: Callable[[], None]) -> None:
        if not tests:
            then()
            return
        condition = self.truth(self.eval(tests[0]))
        inner = lambda: self.conditions(tests[1:], then)  # noqa: E731
        if isinstance(condition, bool):
            if condition:
                inner()
            return
        control.dynamic_if(self, condition, inner, lambda: None)

    # Lists.

    def list_append(self: Frame, owner: ListVal, x: Any) -> None:
        state: Any = self.rec.store[owner]
        if not isinstance(state, Value):
            self.rec.store[owner] = (*state, x)  # type: ignore[assignment]
            return
        v = self.rec.unwrap(x)
        self.rec.store[owner] = self.rec.emit1("append", (state, self.rec.scalar(x) if v is None else v))

    def list_extend(self: Frame, owner: ListVal, other: Any) -> None:
        for x in self.known_items(other, "extend"):
            self.list_append(owner, x)

    def known_items(self: Frame, x: Any, what: str) -> list[Any]:
        """Return the items of something whose length is known (or made known) while compiling."""
        if isinstance(x, RangeVal):
            return [x.start + i * x.step for i in range(int(range_length(x)))]
        over = iterate(self, x)
        if over.items is not None:
            return list(over.items)
        if isinstance(x, Tensor) or not isinstance(over.length, Sym):
            return [over.get(i) for i in range(int(over.length))]
        raise TypeMismatch(f"'{what}' needs a length known while compiling, and this list grows at run time", hint="torch.stack it")

    def length(self: Frame, x: Any) -> Any:
        """Return len(x)."""
        if isinstance(x, ListVal):
            state: Any = self.rec.store[x]
            return self.rec.wrap(self.rec.emit1("len", (state,))) if isinstance(state, Value) else len(state)
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


class BoundMethod:
    """A method of a list or dict being recorded."""

    def __init__(self, owner: ListVal | DictVal, name: str) -> None:
        self.owner = owner
        self.name = name


def _is_int(x: Any) -> bool:
    return isinstance(x, (int, Sym))


def _harmless(ops: Sequence[Any]) -> bool:
    """Whether ops may run without being asked for: pure, and over numbers alone."""
    return all(OPS[o.name].pure and not o.blocks and not any(hasattr(v.type, "dtype") for v in o.inputs) for o in ops)


def _similar(owner: Any, name: str) -> str:
    import difflib

    close = difflib.get_close_matches(name, [n for n in dir(owner) if not n.startswith("_")], 1)
    return f"did you mean '{close[0]}'?" if close else ""
