"""Operators, comparisons, and the truth of values."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jitorch.dispatch import METHODS
from jitorch.errors import ShapeMismatch, TypeMismatch, UnsupportedSyntax
from jitorch.frontend import control
from jitorch.frontend.containers import Containers
from jitorch.frontend.proxies import ScalarProxy, TensorProxy
from jitorch.frontend.values import DictVal, ListVal
from jitorch.ir import dims as D
from jitorch.ir.dims import Sym, product
from jitorch.ir.opdef import OPS
from jitorch.ir.shapes import show
from jitorch.tensor import Tensor

_BINARY: dict[
    type[ast.operator], tuple[str, Callable[[Any, Any], Any], Callable[[Any, Any], Any]]
] = {
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
_DIVISION: dict[type[ast.operator], str] = {
    ast.Div: "float division by zero",
    ast.FloorDiv: "float floor division by zero",
    ast.Mod: "float modulo",
}
_COMPARE: dict[type[ast.cmpop], tuple[str, Callable[[Any, Any], Any]]] = {
    ast.Eq: ("eq", operator.eq),
    ast.NotEq: ("ne", operator.ne),
    ast.Lt: ("lt", operator.lt),
    ast.LtE: ("le", operator.le),
    ast.Gt: ("gt", operator.gt),
    ast.GtE: ("ge", operator.ge),
}
_SYMBOLS: dict[type[ast.operator], str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%",
    ast.Pow: "**", ast.MatMult: "@", ast.BitAnd: "&", ast.BitOr: "|", ast.BitXor: "^",
    ast.LShift: "<<", ast.RShift: ">>",
}  # fmt: skip


def is_number(x: Any) -> bool:
    """Whether a value is a Python number, known or not."""
    return isinstance(x, (bool, int, float, complex, Sym)) or (
        isinstance(x, ScalarProxy) and x.kind != "str"
    )


def _is_int(x: Any) -> bool:
    return isinstance(x, (int, Sym))


def _is_run_time(x: Any) -> bool:
    return isinstance(x, (ScalarProxy, Sym))


def _harmless(ops: Sequence[Any]) -> bool:
    """Whether ops may run without being asked for: pure, and over numbers alone."""
    return all(
        OPS[o.name].pure and not o.blocks and not any(hasattr(v.type, "dtype") for v in o.inputs)
        for o in ops
    )


class Operations(Containers):
    """What operators mean. A part of `Frame`."""

    def binary(self, op: ast.operator, a: Any, b: Any) -> Any:
        name, fn, _ = _BINARY[type(op)]
        self.check_divisor(op, a, b)
        if isinstance(op, ast.Pow):
            self.check_power(a, b)
        if isinstance(a, (ListVal, DictVal)) or isinstance(b, (ListVal, DictVal)):
            return self.list_binary(op, a, b)
        if isinstance(a, Sym) or isinstance(b, Sym):
            if _is_int(a) and _is_int(b) and isinstance(op, _EXACT_ON_SIZES):
                return self.size_arithmetic(op, fn, a, b)
            if _is_int(a) and _is_int(b) and isinstance(op, ast.Pow):
                return self.int_power(a, b)
            if all(is_number(x) or isinstance(x, Tensor) for x in (a, b)):
                return METHODS[name](a, b)
            raise self.bad_operands(op, a, b)
        if (isinstance(a, ScalarProxy) and a.kind == "str") or (
            isinstance(b, ScalarProxy) and b.kind == "str"
        ):
            raise TypeMismatch(
                "operators on run-time strings are not supported", hint="use an f-string"
            )
        return self.plain_operator(op, fn, a, b)

    def int_power(self, a: Any, b: Any) -> Any:
        """An int to a negative power is a float in Python; other powers are ints."""
        if isinstance(b, int):
            return METHODS["pow"](a, b if b >= 0 else float(b))
        text = "an int to a negative power is a float: write float(a) ** b"
        negative = self.compare(ast.Lt(), b, 0)
        if negative is True:
            raise TypeMismatch(text)
        if negative is not False:
            self.raise_if(negative, "ValueError", text)
        return METHODS["pow"](a, b)

    def size_arithmetic(
        self, op: ast.operator, fn: Callable[[Any, Any], Any], a: Any, b: Any
    ) -> Any:
        if isinstance(op, (ast.FloorDiv, ast.Mod)):
            if isinstance(b, int) and b == 0:
                raise TypeMismatch("integer division or modulo by zero")
            if isinstance(b, Sym):
                kind = "division or modulo" if isinstance(op, ast.FloorDiv) else "modulo"
                zero = self.compare_sizes("eq", operator.eq, b, 0)
                if zero is True:
                    raise TypeMismatch(f"integer {kind} by zero")
                if zero is not False:
                    self.raise_if(zero, "ZeroDivisionError", f"integer {kind} by zero")
            return D.floordiv(a, b) if isinstance(op, ast.FloorDiv) else D.mod(a, b)
        return fn(a, b)

    def plain_operator(
        self, op: ast.operator, fn: Callable[[Any, Any], Any], a: Any, b: Any
    ) -> Any:
        try:
            return fn(a, b)
        except (TypeError, ValueError) as error:
            if isinstance(error, TypeMismatch) or hasattr(error, "loc"):
                raise
            raise self.bad_operands(op, a, b) from None
        except (ZeroDivisionError, OverflowError) as error:
            raise TypeMismatch(str(error)) from None

    def bad_operands(self, op: ast.operator, a: Any, b: Any) -> TypeMismatch:
        symbol = _SYMBOLS[type(op)]
        return TypeMismatch(
            f"unsupported operand types for {symbol}: {self.kind(a)} and {self.kind(b)}"
        )

    def inplace(self, op: ast.operator, a: Any, b: Any) -> Any:
        """Carry out `a op= b`: tensors change in place, everything else gives a new value."""
        if isinstance(a, np.ndarray):
            raise UnsupportedSyntax(
                "changing an array from outside the function in place is not supported in @script",
                hint="pass it as an argument",
            )
        if isinstance(a, Tensor):
            return self.plain_operator(op, _BINARY[type(op)][2], a, b)
        return self.binary(op, a, b)

    def list_binary(self, op: ast.operator, a: Any, b: Any) -> Any:
        if isinstance(op, ast.Add) and isinstance(a, ListVal) and isinstance(b, ListVal):
            return self.new_list([*self.known_items(a, "+"), *self.known_items(b, "+")])
        if isinstance(op, ast.Mult) and isinstance(a, ListVal) and isinstance(b, int):
            return self.new_list(self.known_items(a, "*") * b)
        if isinstance(op, ast.Mult) and isinstance(b, ListVal) and isinstance(a, int):
            return self.new_list(self.known_items(b, "*") * a)
        error = self.bad_operands(op, a, b)
        if isinstance(a, Tensor) or isinstance(b, Tensor):
            error.hint = "make a tensor of the list, with torch.tensor or torch.stack"
        raise error

    def compare(self, op: ast.cmpop, a: Any, b: Any) -> Any:
        if isinstance(op, (ast.Is, ast.IsNot)):
            return self.identity(op, a, b)
        if isinstance(op, (ast.In, ast.NotIn)):
            found = self.contains(b, a)
            return (
                found
                if isinstance(op, ast.In)
                else (not found if isinstance(found, bool) else self.negated(found))
            )
        name, fn = _COMPARE[type(op)]
        if (isinstance(a, Sym) or isinstance(b, Sym)) and _is_int(a) and _is_int(b):
            return self.compare_sizes(name, fn, a, b)
        if any(isinstance(x, (Sym, ScalarProxy)) for x in (a, b)) and all(
            is_number(x) or isinstance(x, Tensor) for x in (a, b)
        ):
            return METHODS[name](a, b)
        if any(isinstance(x, (Sym, ScalarProxy)) for x in (a, b)):
            return self.compare_other(op, a, b)
        if isinstance(a, tuple) and isinstance(b, tuple) and isinstance(op, (ast.Eq, ast.NotEq)):
            return self.compare_tuples(op, a, b)
        try:
            return fn(a, b)
        except TypeError as error:
            if isinstance(error, TypeMismatch):
                raise
            raise TypeMismatch(f"can't compare {self.kind(a)} with {self.kind(b)}") from None

    def compare_other(self, op: ast.cmpop, a: Any, b: Any) -> bool:
        """Compare a number, or a string of the run, with something that is no number."""
        strings = [x for x in (a, b) if isinstance(x, ScalarProxy) and x.kind == "str"]
        if strings or not isinstance(op, (ast.Eq, ast.NotEq)):
            raise TypeMismatch(
                f"can't compare {self.kind(a)} with {self.kind(b)}",
                hint="strings made at run time can only be printed" if strings else "",
            )
        return isinstance(op, ast.NotEq)

    def compare_sizes(self, name: str, fn: Callable[[Any, Any], Any], a: Any, b: Any) -> Any:
        """Compare ints.

        What is known of tensors' sizes decides at once, and becomes a guard: the code behind the test
        may rely on it. Ints that are arguments or results are compared at run time.
        """
        a, b = self.rec.canonical(a), self.rec.canonical(b)
        gap = a - b
        if isinstance(gap, int):
            return bool(fn(gap, 0))
        if all(s in self.rec.unnamed for s in D.symbols(gap)):
            return self.rec.decide(name, a, b)
        return METHODS[name](a, b)

    def compare_tuples(self, op: ast.cmpop, a: tuple[Any, ...], b: tuple[Any, ...]) -> Any:
        if len(a) != len(b):
            return isinstance(op, ast.NotEq)
        equal: Any = True
        for x, y in zip(a, b, strict=True):
            equal = self.both(equal, lambda x=x, y=y: self.compare(ast.Eq(), x, y), stop_on=False)  # type: ignore[misc]
        if isinstance(op, ast.Eq):
            return equal
        return not equal if isinstance(equal, bool) else self.negated(equal)

    def identity(self, op: ast.cmpop, a: Any, b: Any) -> bool:
        tensors = isinstance(a, TensorProxy) and isinstance(b, TensorProxy)
        if tensors and b._storage in self.rec.sharing.related.get(a._storage, ()):
            raise TypeMismatch(
                "a branch or loop decides whether these are the same tensor",
                hint="keep a flag of your own",
            )
        return (a is b) == isinstance(op, ast.Is)

    def contains(self, container: Any, item: Any) -> Any:
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

    def truth(self, x: Any) -> Any:
        """Return the truth of a value: a bool, or a bool of the program."""
        if isinstance(x, ScalarProxy) and x.kind == "bool":
            return x
        if isinstance(x, Sym):
            return self.compare_sizes("ne", operator.ne, x, 0)
        if isinstance(x, Tensor):
            return self.tensor_truth(x)
        if isinstance(x, ScalarProxy):
            return self.rec.wrap(self.rec.emit1("truth", (x.value,)))
        if isinstance(x, ListVal):
            n = self.length(x)
            return n > 0 if isinstance(n, int) else self.compare_sizes("ne", operator.ne, n, 0)
        if isinstance(x, DictVal):
            return bool(self.dict_state(x))
        try:
            return bool(x)
        except Exception as error:
            raise TypeMismatch(f"can't tell whether {self.kind(x)} is true: {error}") from None

    def tensor_truth(self, x: Tensor) -> ScalarProxy:
        if x.ndim and not self.rec.equal(product(tuple(x.shape)), 1):
            raise ShapeMismatch(
                f"the truth value of a tensor of shape {show(x.shape)} is ambiguous",
                hint="reduce it with .any() or .all(), or choose elementwise with torch.where",
            )
        v = self.rec.unwrap(x)
        assert v is not None
        found: ScalarProxy = self.rec.wrap(self.rec.emit1("truth", (v,)))
        return found

    def check_divisor(self, op: ast.operator, a: Any, b: Any) -> None:
        """Dividing Python numbers by 0 is an error, where tensors give infinity. (Ints: see the op.)"""
        numbers = is_number(a) and is_number(b)
        if type(op) not in _DIVISION or not numbers or (_is_int(a) and _is_int(b)):
            return
        if isinstance(b, (ScalarProxy, Sym)):
            text = _DIVISION[type(op)]
            self.raise_if(METHODS["eq"](b, 0), "ZeroDivisionError", text)

    def check_power(self, a: Any, b: Any) -> None:
        """Raise where a power of Python numbers is an error or complex; tensors give infinity or NaN."""
        if not (is_number(a) and is_number(b)) or not (_is_run_time(a) or _is_run_time(b)):
            return
        negative: Any = not _is_run_time(b) and -math.inf < b < 0
        if _is_run_time(b):
            finite = METHODS["gt"](b, -math.inf)
            negative = METHODS["logical_and"](METHODS["lt"](b, 0), finite)
        fractional: Any = False
        if isinstance(b, float):
            fractional = b % 1 > 0
        elif isinstance(b, ScalarProxy):
            fractional = METHODS["gt"](METHODS["sub"](b, METHODS["floor"](b)), 0)
        base = a if _is_run_time(a) else self.rec.wrap(self.rec.scalar(a))
        if negative is not False and not (_is_int(a) and isinstance(b, Sym)):
            zero = METHODS["logical_and"](negative, METHODS["eq"](base, 0))
            text = "0.0 cannot be raised to a negative power"
            self.raise_if(zero, "ZeroDivisionError", text)
        if fractional is not False:
            below = METHODS["logical_and"](METHODS["lt"](base, 0), METHODS["gt"](base, -math.inf))
            text = "a negative number to a fractional power is complex, which compiled code has not"
            self.raise_if(METHODS["logical_and"](fractional, below), "ValueError", text)

    def both(self, left: Any, right: Callable[[], Any], stop_on: bool) -> Any:
        """`left and right()` (or `left or right()`): the right side is evaluated only where Python would."""
        condition = self.truth(left)
        if isinstance(condition, bool):
            return left if condition is stop_on else right()
        before = control.State.of(self)
        with self.rec.scope() as scope:
            value = right()
        if isinstance(value, (bool, ScalarProxy)) and isinstance(left, ScalarProxy):
            changed = control.changed(before, control.State.of(self))
            if _harmless(scope.ops) and not changed:
                self.rec.ops.extend(scope.ops)
                return METHODS["logical_or" if stop_on else "logical_and"](left, value)
        before.restore(self)
        kept, other = lambda: left, right
        return self.choose(condition, *((kept, other) if stop_on else (other, kept)))

    def choose(self, condition: Any, then: Callable[[], Any], orelse: Callable[[], Any]) -> Any:
        """`then() if condition else orelse()` for a run-time condition."""

        def keep(fn: Callable[[], Any]) -> Callable[[], None]:
            def run() -> None:
                self.locals["$choice"] = fn()

            return run

        control.dynamic_if(self, condition, keep(then), keep(orelse))
        return self.checked("this expression", self.locals.pop("$choice"))
