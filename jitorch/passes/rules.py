"""The table of algebraic rules that `simplify` applies, one row each.

A row holds if both sides have the same value for every input: NaN, infinities, signed zeros, empty
and 0-d tensors included. `tests/passes/test_rules.py` evaluates both sides of every row. What is
not here, and why:

    x + 0 -> x               floats: -0.0 + 0 is 0.0. `x + -0.0` and `x - 0` keep every value: here
    x * 0 -> 0               floats: NaN and infinity give NaN, and -1.0 gives -0.0
    x - x, x / x             floats: NaN, infinity, 0 / 0
    pow(x, 0.5) -> sqrt(x)   pow(-0.0, 0.5) is 0.0 and pow(-inf, 0.5) inf, sqrt gives -0.0 and NaN
    exp(log(x)) -> x         rounding, and NaN below 0
    not (x < y) -> x >= y    floats: NaN
    x * 1, x / 1 -> x        complex: inf * 1 has a NaN part
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import Union

Pattern = Union[str, bool, int, float, "Call"]  # a variable, a number, or an op of patterns


@dataclass(frozen=True)
class Call:
    """An op of patterns."""

    name: str
    args: tuple[Pattern, ...]


@dataclass(frozen=True)
class Rule:
    """`left` may be replaced by `right` for operands of the given kinds of dtype.

    `ulp` is how far apart the sides may be: 0, unless the op on the left itself only promises a
    bound.
    """

    text: str
    left: Call
    right: Pattern
    kinds: tuple[str, ...]
    ulp: int = 0

    def __str__(self) -> str:
        return self.text


def rule(left: str, right: str, kinds: str, ulp: int = 0) -> Rule:
    """Return the row that two expressions spell: names are values, numbers constants, calls ops."""
    pattern = _pattern(ast.parse(left, mode="eval").body)
    assert isinstance(pattern, Call), left
    made = _pattern(ast.parse(right, mode="eval").body)
    return Rule(f"{left} -> {right}", pattern, made, tuple(kinds.split()), ulp)


def _pattern(node: ast.expr) -> Pattern:
    match node:
        case ast.Name(id=name):
            return name
        case ast.Constant(value=bool() | int() | float() as value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
            return -value
        case ast.Call(func=ast.Name(id=name), args=args):
            return Call(name, tuple(map(_pattern, args)))
    raise ValueError(f"not a pattern: {ast.unparse(node)}")


RULES: tuple[Rule, ...] = (
    # Neutral operands.
    rule("mul(x, 1)", "x", "float int bool"),
    rule("div(x, 1)", "x", "float"),
    rule("sub(x, 0)", "x", "float int"),
    rule("add(x, -0.0)", "x", "float"),
    rule("add(x, 0)", "x", "int bool"),
    rule("pow(x, 1)", "x", "float int"),
    rule("floor_divide(x, 1)", "x", "int"),
    rule("bitwise_or(x, 0)", "x", "int bool"),
    rule("bitwise_xor(x, 0)", "x", "int bool"),
    rule("bitwise_left_shift(x, 0)", "x", "int"),
    rule("bitwise_right_shift(x, 0)", "x", "int"),
    rule("logical_and(x, True)", "x", "bool"),
    rule("logical_or(x, False)", "x", "bool"),
    rule("logical_xor(x, False)", "x", "bool"),
    # The same operand twice.
    rule("maximum(x, x)", "x", "float int bool"),
    rule("minimum(x, x)", "x", "float int bool"),
    rule("bitwise_and(x, x)", "x", "int bool"),
    rule("bitwise_or(x, x)", "x", "int bool"),
    rule("logical_and(x, x)", "x", "bool"),
    rule("logical_or(x, x)", "x", "bool"),
    # Done twice: undone, or no different.
    rule("neg(neg(x))", "x", "float int"),
    rule("bitwise_not(bitwise_not(x))", "x", "int bool"),
    rule("logical_not(logical_not(x))", "x", "bool"),
    rule("abs(abs(x))", "abs(x)", "float int"),
    rule("floor(floor(x))", "floor(x)", "float int"),
    rule("ceil(ceil(x))", "ceil(x)", "float int"),
    rule("trunc(trunc(x))", "trunc(x)", "float int"),
    rule("round(round(x))", "round(x)", "float int"),
    rule("sign(sign(x))", "sign(x)", "float int"),
    rule("maximum(maximum(x, y), y)", "maximum(x, y)", "int bool"),
    rule("minimum(minimum(x, y), y)", "minimum(x, y)", "int bool"),
    # Signs.
    rule("mul(x, -1)", "neg(x)", "float"),
    rule("div(x, -1)", "neg(x)", "float"),
    rule("add(x, neg(y))", "sub(x, y)", "float int"),
    rule("sub(x, neg(y))", "add(x, y)", "float int"),
    rule("mul(neg(x), neg(y))", "mul(x, y)", "float int"),
    rule("div(neg(x), neg(y))", "div(x, y)", "float"),
    rule("abs(neg(x))", "abs(x)", "float int"),
    rule("square(neg(x))", "square(x)", "float int"),
    rule("square(abs(x))", "square(x)", "float int"),
    # Cheaper ops. The eager op on the left is a library's power, right to 2 ulp.
    rule("pow(x, 2)", "mul(x, x)", "float", ulp=2),
    rule("pow(x, 2)", "mul(x, x)", "int"),
    rule("pow(x, -1)", "reciprocal(x)", "float", ulp=2),
    rule("div(1, x)", "reciprocal(x)", "float"),
    rule("reciprocal(sqrt(x))", "rsqrt(x)", "float"),
    # Choices that are none.
    rule("where(True, x, y)", "x", "float int bool"),
    rule("where(False, x, y)", "y", "float int bool"),
    rule("where(c, x, x)", "x", "float int bool"),
)


def by_op(rules: tuple[Rule, ...]) -> dict[str, list[Rule]]:
    """Return the rules by the op they start from."""
    out: dict[str, list[Rule]] = {}
    for r in rules:
        out.setdefault(r.left.name, []).append(r)
    return out
