"""Python's operators in kernel source, with the types that Numba gives them."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from llvmlite import ir

from jitorch.codegen import numeric
from jitorch.codegen.casts import convert
from jitorch.codegen.numba_api import errors, types

# Of two operands with `type` and `value`: the type and the value of the result.
Binary = Callable[[Any, Any, Any], tuple[Any, Any]]


def common(a: Any, b: Any) -> Any:
    """The type in which numbers of two types are added."""
    kinds = [types.unliteral(t) for t in (a, b)]
    if not all(isinstance(t, (types.Number, types.Boolean)) for t in kinds):
        raise errors.TypingError(f"no arithmetic for {a} and {b}")
    if any(isinstance(t, types.Float) for t in kinds):
        return types.float32 if set(kinds) == {types.float32} else types.float64
    signed = [isinstance(t, types.Boolean) or t.signed for t in kinds]
    if all(signed) or types.uint64 not in kinds:
        return types.int64 if any(signed) else types.uint64
    if any(signed):
        raise errors.TypingError(f"no whole number holds all of {a} and {b}")
    return types.uint64


def _both(builder: Any, a: Any, b: Any, kind: Any) -> tuple[Any, Any]:
    x, y = (convert(builder, each.value, each.type, kind) for each in (a, b))
    return x, y


def _arithmetic(floating: str, integer: str) -> Binary:
    def binary(builder: Any, a: Any, b: Any) -> tuple[Any, Any]:
        kind = common(a.type, b.type)
        name = floating if isinstance(kind, types.Float) else integer
        return kind, getattr(builder, name)(*_both(builder, a, b, kind))

    return binary


def _bitwise(name: str) -> Binary:
    def binary(builder: Any, a: Any, b: Any) -> tuple[Any, Any]:
        booleans = all(t.type == types.boolean for t in (a, b))
        kind = types.boolean if booleans else common(a.type, b.type)
        if isinstance(kind, types.Float):
            raise errors.TypingError(f"no bits of {a.type} and {b.type}")
        return kind, getattr(builder, name)(*_both(builder, a, b, kind))

    return binary


def _divided(builder: Any, a: Any, b: Any) -> tuple[Any, Any]:
    kind = common(a.type, b.type)
    kind = kind if isinstance(kind, types.Float) else types.float64
    return kind, builder.fdiv(*_both(builder, a, b, kind))


def _division(part: int) -> Binary:
    """The floor quotient, the remainder."""

    def binary(builder: Any, a: Any, b: Any) -> tuple[Any, Any]:
        kind = common(a.type, b.type)
        if isinstance(kind, types.Float):
            raise errors.TypingError("floats are divided by `ffloordiv` and `fmod_floor`")
        return kind, numeric.divide(builder, kind, *_both(builder, a, b, kind))[part]

    return binary


def _comparison(symbol: str) -> Callable[[Any, Any, Any], Any]:
    def compare(builder: Any, a: Any, b: Any) -> Any:
        same = types.unliteral(a.type) == types.unliteral(b.type)
        kind = types.unliteral(a.type) if same else common(a.type, b.type)
        x, y = _both(builder, a, b, kind)
        if isinstance(kind, types.Float):
            unordered = symbol == "!="
            return (builder.fcmp_unordered if unordered else builder.fcmp_ordered)(symbol, x, y)
        signed = isinstance(kind, types.Integer) and kind.signed
        return (builder.icmp_signed if signed else builder.icmp_unsigned)(symbol, x, y)

    return compare


def negative(builder: Any, x: Any) -> tuple[Any, Any]:
    """-x"""
    kind = types.unliteral(x.type)
    if isinstance(kind, types.Float):
        return kind, builder.fneg(x.value)
    kind = common(kind, kind)
    value = convert(builder, x.value, x.type, kind)
    return kind, builder.sub(ir.Constant(value.type, 0), value)


BINARY: dict[type[ast.operator], Binary] = {
    ast.Add: _arithmetic("fadd", "add"),
    ast.Sub: _arithmetic("fsub", "sub"),
    ast.Mult: _arithmetic("fmul", "mul"),
    ast.Div: _divided,
    ast.FloorDiv: _division(0),
    ast.Mod: _division(1),
    ast.BitAnd: _bitwise("and_"),
    ast.BitOr: _bitwise("or_"),
    ast.BitXor: _bitwise("xor"),
}

COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any, Any], Any]] = {
    ast.Eq: _comparison("=="),
    ast.NotEq: _comparison("!="),
    ast.Lt: _comparison("<"),
    ast.LtE: _comparison("<="),
    ast.Gt: _comparison(">"),
    ast.GtE: _comparison(">="),
}
