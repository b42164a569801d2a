"""Expressions of kernel source as LLVM instructions: names, numbers, operators, calls."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from typing import Any, ClassVar, NamedTuple, TypeVar

from llvmlite import ir

from jitorch.codegen.casts import convert
from jitorch.codegen.emit import I1, I64, Intrinsic
from jitorch.codegen.nest.operators import BINARY, COMPARISONS, Binary, negative
from jitorch.codegen.numba_api import errors, types

_Operator = TypeVar("_Operator")


class Typed(NamedTuple):
    """An LLVM value and its Numba type, a literal one for whole numbers in the text."""

    type: Any
    value: Any


class Variable(NamedTuple):
    """What is assigned more than once: a place on the stack."""

    type: Any
    place: Any


class Expressions:
    """Emits expressions at `builder`; `entry` is where places on the stack are made."""

    operators: ClassVar[Mapping[type[ast.operator], Binary]] = BINARY

    def __init__(
        self, entry: Any, builder: Any, namespace: Mapping[str, Any], assigned: Counter[str]
    ) -> None:
        self.entry = entry
        self.builder = builder
        self.namespace = namespace
        self.assigned = assigned
        self.bound: dict[str, Typed] = {}  # what is assigned once, where it is known
        self.variables: dict[str, Variable] = {}

    def blocks(self, count: int) -> list[Any]:
        """New blocks, to be emitted into."""
        return [self.builder.append_basic_block() for _ in range(count)]

    # Names.

    def bind(self, name: str, value: Typed) -> None:
        """Give a name a value; one that is given several lies on the stack."""
        if self.assigned[name] < 2:
            self.bound[name] = value
            return
        kind = types.unliteral(value.type)
        known = self.variables.get(name)
        if known is None:
            place = ir.IRBuilder(self.entry).alloca(value.value.type)
            known = self.variables[name] = Variable(kind, place)
        if known.type != kind:
            raise errors.TypingError(f"'{name}' is of {known.type} and is given {kind}")
        self.builder.store(value.value, known.place)

    def lookup(self, name: str) -> Typed:
        if name in self.bound:
            return self.bound[name]
        if name in self.variables:
            known = self.variables[name]
            return Typed(known.type, self.builder.load(known.place))
        if name not in self.namespace:
            raise errors.TypingError(f"'{name}' is not defined")
        return number(self.namespace[name])

    # Values.

    def value(self, node: ast.expr) -> Typed:
        match node:
            case ast.Name(id=name):
                return self.lookup(name)
            case ast.Constant(value=value):
                return number(value)
            case ast.Call(func=ast.Name(id=name), args=args, keywords=[]):
                return self.call(name, [self.value(each) for each in args])
            case ast.BinOp(left=left, op=op, right=right):
                return self.binary(op, self.value(left), self.value(right))
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
                return number(-value)
            case ast.UnaryOp(op=op, operand=operand):
                return self.unary(op, self.value(operand))
            case ast.Compare(left=left, ops=ops, comparators=others):
                return self.comparison([left, *others], ops)
            case ast.BoolOp(op=op, values=values):
                return self.either(isinstance(op, ast.Or), values)
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return self.choice(test, body, orelse)
            case _:
                raise no_meaning(node)

    def call(self, name: str, args: Sequence[Typed]) -> Typed:
        function = self.namespace.get(name)
        if not isinstance(function, Intrinsic):
            raise errors.TypingError(f"'{name}' is not defined as an operation")
        sig, emit = function.typed(tuple(each.type for each in args))
        values = [self.converted(x, wanted) for x, wanted in zip(args, sig.args, strict=True)]
        return Typed(sig.return_type, emit(None, self.builder, sig, values))

    def binary(self, op: ast.operator, a: Typed, b: Typed) -> Typed:
        return Typed(*_known(self.operators, op)(self.builder, a, b))

    def unary(self, op: ast.unaryop, x: Typed) -> Typed:
        match op:
            case ast.Not():
                return Typed(types.boolean, self.builder.not_(self.truth(x)))
            case ast.USub():
                return self.negative(x)
            case ast.Invert() if isinstance(x.type, types.Integer):
                return Typed(types.unliteral(x.type), self.builder.not_(x.value))
            case _:
                raise no_meaning(op)

    def negative(self, x: Typed) -> Typed:
        return Typed(*negative(self.builder, x))

    def comparison(self, nodes: Sequence[ast.expr], ops: Sequence[ast.cmpop]) -> Typed:
        values = [self.value(each) for each in nodes]
        result = None
        for op, a, b in zip(ops, values, values[1:], strict=False):
            found = _known(COMPARISONS, op)(self.builder, a, b)
            result = found if result is None else self.builder.and_(result, found)
        return Typed(types.boolean, result)

    def either(self, is_or: bool, nodes: Sequence[ast.expr]) -> Typed:
        """`or`, `and`: the others are evaluated where the first leaves it open."""
        first, *rest = nodes
        condition = self.truth(self.value(first))
        if not rest:
            return Typed(types.boolean, condition)
        short = self.builder.block
        other, after = self.blocks(2)
        self.builder.cbranch(condition, *((after, other) if is_or else (other, after)))
        self.builder.position_at_end(other)
        answer = self.either(is_or, rest)
        last = self.builder.block
        self.builder.branch(after)
        decided = Typed(types.boolean, ir.Constant(I1, int(is_or)))
        return self.joined(after, [(decided, short), (answer, last)])

    def choice(self, test: ast.expr, body: ast.expr, orelse: ast.expr) -> Typed:
        condition = self.truth(self.value(test))
        yes, no, after = self.blocks(3)
        self.builder.cbranch(condition, yes, no)
        found: list[tuple[Typed, Any]] = []
        for block, node in ((yes, body), (no, orelse)):
            self.builder.position_at_end(block)
            found.append((self.value(node), self.builder.block))
            self.builder.branch(after)
        return self.joined(after, found)

    def joined(self, block: Any, found: Sequence[tuple[Typed, Any]]) -> Typed:
        """Go on in a block with the value of the one that control came from."""
        kind = self.shared_type({types.unliteral(x.type) for x, _ in found})
        values = []
        for x, before in found:
            self.builder.position_before(before.terminator)
            values.append(self.converted(x, kind))
        self.builder.position_at_end(block)
        result = self.builder.phi(values[0].type)
        for value, (_, before) in zip(values, found, strict=True):
            result.add_incoming(value, before)
        return Typed(kind, result)

    def shared_type(self, kinds: Set[Any]) -> Any:
        """The type of what is a value of one of these types."""
        if len(kinds) > 1:
            raise errors.TypingError(
                f"values of one type expected, not of {sorted(kinds, key=str)}"
            )
        (kind,) = kinds
        return kind

    # Conversions.

    def converted(self, x: Typed, kind: Any) -> Any:
        return x.value if x.type == kind else convert(self.builder, x.value, x.type, kind)

    def index(self, node: ast.expr) -> Any:
        """The value of a whole number, in 64 bits."""
        x = self.value(node)
        if not isinstance(x.type, types.Integer):
            raise errors.TypingError(f"a whole number expected, not {x.type}")
        return self.converted(x, types.int64)

    def truth(self, x: Typed) -> Any:
        return self.converted(x, types.boolean)


def number(value: object) -> Typed:
    """A number of the text, or of the namespace."""
    if isinstance(value, bool):
        return Typed(types.boolean, ir.Constant(I1, int(value)))
    if isinstance(value, int):
        return Typed(types.literal(value), ir.Constant(I64, value))
    if isinstance(value, float):
        return Typed(types.float64, ir.Constant(ir.DoubleType(), value))
    raise errors.TypingError(f"{value!r} has no place in a kernel")


def _known(table: Mapping[Any, _Operator], op: ast.AST) -> _Operator:
    if type(op) not in table:
        raise no_meaning(op)
    return table[type(op)]


def no_meaning(node: ast.AST) -> Exception:
    """The error for syntax that kernels do not have."""
    error: Exception = errors.TypingError(f"no meaning in a kernel: {shown(node)}")
    return error


def shown(node: ast.AST) -> str:
    """The first line of a piece of syntax."""
    if isinstance(node, (ast.stmt, ast.expr)):
        return ast.unparse(node).splitlines()[0]
    return type(node).__name__
