"""Arithmetic of generated kernels with NumPy's results: division, shifts, powers, reductions.

All of it is emitted as LLVM instructions that the loop vectoriser can widen where the machine has
the instruction, and none of it can trap or give poison: `INT_MIN // -1`, division by zero and
shifts past the width have NumPy's values.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir

from jitorch.codegen.casts import convert
from jitorch.codegen.emit import call_llvm, intrinsic
from jitorch.codegen.numba_api import errors, types

# ------------------------------------------------------------------------------- binary operations


def _common(a: Any, b: Any) -> Any:
    """The type two operands share; a literal takes the type of the other one."""
    if isinstance(b, types.Literal) and not isinstance(a, types.Literal):
        return types.unliteral(a)
    if isinstance(a, types.Literal) and not isinstance(b, types.Literal):
        return types.unliteral(b)
    a, b = types.unliteral(a), types.unliteral(b)
    if a != b:
        raise errors.TypingError(f"operands of one type expected, not {a} and {b}")
    return a


def _binary(kind: Any, build: Callable[[Any, Any, Any, Any], Any]) -> Any:
    """An intrinsic (a, b) -> build(builder, type, a, b), for operands of one type of `kind`."""

    def binary(typingctx: Any, a: Any, b: Any) -> Any:
        common = _common(a, b)
        if not isinstance(common, kind):
            raise errors.TypingError(f"not defined for {common}")

        def emit(context: Any, builder: Any, sig: Any, values: Any) -> Any:
            x, y = (convert(builder, v, t, common) for v, t in zip(values, sig.args, strict=True))
            return build(builder, common, x, y)

        return common(a, b), emit

    return intrinsic(binary)


def divide(builder: Any, kind: Any, a: Any, b: Any) -> tuple[Any, Any]:
    """Floor quotient and remainder; division by 0 gives (0, 0), of INT_MIN by -1 (INT_MIN, 0)."""
    zero, one = ir.Constant(a.type, 0), ir.Constant(a.type, 1)
    by_zero = builder.icmp_unsigned("==", b, zero)
    if not kind.signed:
        safe = builder.select(by_zero, one, b)
        quotient = builder.select(by_zero, zero, builder.udiv(a, safe))
        return quotient, builder.select(by_zero, zero, builder.urem(a, safe))
    by_minus_one = builder.icmp_signed("==", b, ir.Constant(a.type, -1))
    safe = builder.select(builder.or_(by_zero, by_minus_one), one, b)
    quotient, remainder = builder.sdiv(a, safe), builder.srem(a, safe)
    # Division truncates; the floor is one lower where the remainder and divisor differ in sign.
    opposite = builder.icmp_signed("<", builder.xor(remainder, safe), zero)
    inexact = builder.icmp_unsigned("!=", remainder, zero)
    lower = builder.and_(opposite, inexact)
    quotient = builder.sub(quotient, builder.zext(lower, a.type))
    remainder = builder.add(remainder, builder.select(lower, safe, zero))
    quotient = builder.select(by_minus_one, builder.sub(zero, a), quotient)
    return builder.select(by_zero, zero, quotient), remainder


def _shift_left(builder: Any, kind: Any, a: Any, n: Any) -> Any:
    width, zero = ir.Constant(a.type, kind.bitwidth), ir.Constant(a.type, 0)
    fits = builder.icmp_unsigned("<", n, width)  # a negative count is a huge unsigned one
    return builder.select(fits, builder.shl(a, builder.select(fits, n, zero)), zero)


def _shift_right(builder: Any, kind: Any, a: Any, n: Any) -> Any:
    width, last = ir.Constant(a.type, kind.bitwidth), ir.Constant(a.type, kind.bitwidth - 1)
    fits = builder.icmp_unsigned("<", n, width)
    if kind.signed:
        return builder.ashr(a, builder.select(fits, n, last))  # all sign bits past the width
    zero = ir.Constant(a.type, 0)
    return builder.select(fits, builder.lshr(a, builder.select(fits, n, zero)), zero)


def _float_divmod(builder: Any, kind: Any, a: Any, b: Any) -> tuple[Any, Any]:
    """Floor quotient and remainder of floats; the remainder has the sign of the divisor."""
    suffix = f"f{kind.bitwidth}"
    zero, one, half = (ir.Constant(a.type, v) for v in (0.0, 1.0, 0.5))

    def copysign(size: Any, sign: Any) -> Any:
        return call_llvm(builder, f"llvm.copysign.{suffix}", a.type, [size, sign])

    ratio = builder.fdiv(a, b)
    rest = builder.frem(a, b)
    by_zero = builder.fcmp_ordered("==", b, zero)
    exact = builder.fcmp_ordered("==", rest, zero)
    differ = builder.xor(builder.fcmp_ordered("<", b, zero), builder.fcmp_ordered("<", rest, zero))
    lower = builder.and_(differ, builder.fcmp_unordered("!=", rest, zero))
    quotient = builder.fdiv(builder.fsub(a, rest), b)
    quotient = builder.select(lower, builder.fsub(quotient, one), quotient)
    remainder = builder.select(lower, builder.fadd(rest, b), rest)
    remainder = builder.select(exact, copysign(zero, b), remainder)
    # The division above may have rounded: take the integer that is nearest.
    floor = call_llvm(builder, f"llvm.floor.{suffix}", a.type, [quotient])
    above = builder.fcmp_ordered(">", builder.fsub(quotient, floor), half)
    floor = builder.select(above, builder.fadd(floor, one), floor)
    none = builder.fcmp_ordered("==", quotient, zero)
    floor = builder.select(none, copysign(zero, ratio), floor)
    return builder.select(by_zero, ratio, floor), builder.select(by_zero, rest, remainder)


def _extreme(builder: Any, kind: Any, a: Any, b: Any, which: str) -> Any:
    """The larger ("max") or smaller ("min") operand; NaN if either is NaN.

    LLVM widens loops over `llvm.maximum`, as it does not over `v if v > m else m`. `nsz` leaves
    open which zero wins between 0.0 and -0.0, as NumPy does.
    """
    if isinstance(kind, types.Float):
        name = f"llvm.{which}imum.f{kind.bitwidth}"
        return call_llvm(builder, name, a.type, [a, b], ("nsz",))
    signed = isinstance(kind, types.Integer) and kind.signed
    compare = builder.icmp_signed if signed else builder.icmp_unsigned
    return builder.select(compare(">" if which == "max" else "<", a, b), a, b)


def _maximum(builder: Any, kind: Any, a: Any, b: Any) -> Any:
    return _extreme(builder, kind, a, b, "max")


def _minimum(builder: Any, kind: Any, a: Any, b: Any) -> Any:
    return _extreme(builder, kind, a, b, "min")


# --------------------------------------------------------------------------------------- powers


def _power(builder: Any, a: Any, n: Any) -> Any:
    """a**n by squaring, wrapping on overflow. For n < 0 it is 1/a truncated: 0 unless |a| is 1."""
    zero, one = ir.Constant(a.type, 0), ir.Constant(a.type, 1)
    n_zero, n_one = ir.Constant(n.type, 0), ir.Constant(n.type, 1)
    negative = builder.icmp_signed("<", n, n_zero)
    start = builder.block
    loop, done = builder.append_basic_block("power"), builder.append_basic_block("power.done")
    exponent = builder.select(negative, n_zero, n)
    builder.branch(loop)

    builder.position_at_end(loop)
    result, base, rest = builder.phi(a.type), builder.phi(a.type), builder.phi(n.type)
    odd = builder.trunc(rest, ir.IntType(1))
    product = builder.select(odd, builder.mul(result, base), result)
    square, half = builder.mul(base, base), builder.lshr(rest, n_one)
    for phi, first, following in (
        (result, one, product),
        (base, a, square),
        (rest, exponent, half),
    ):
        phi.add_incoming(first, start)
        phi.add_incoming(following, loop)
    builder.cbranch(builder.icmp_unsigned("==", half, n_zero), done, loop)

    builder.position_at_end(done)
    minus_one = ir.Constant(a.type, -1)
    sign = builder.select(builder.trunc(n, ir.IntType(1)), minus_one, one)
    inverse = builder.select(builder.icmp_signed("==", a, minus_one), sign, zero)
    inverse = builder.select(builder.icmp_signed("==", a, one), one, inverse)
    return builder.select(negative, inverse, product)


def _literal_power(builder: Any, a: Any, n: int) -> Any:
    """a**n for a known n >= 0: straight-line code, which vectorises."""
    result = None
    while n:
        if n & 1:
            result = a if result is None else builder.mul(result, a)
        a, n = builder.mul(a, a), n >> 1
    return ir.Constant(a.type, 1) if result is None else result


@intrinsic
def ipow(typingctx: Any, a: Any, n: Any) -> Any:
    """ipow(a, n): the integer a to the power of the integer n, in the type of a."""
    kind = types.unliteral(a)
    if not (isinstance(kind, types.Integer) and isinstance(types.unliteral(n), types.Integer)):
        return None

    def emit(context: Any, builder: Any, sig: Any, values: Any) -> Any:
        base = convert(builder, values[0], sig.args[0], kind)
        if isinstance(n, types.IntegerLiteral) and n.literal_value >= 0:
            return _literal_power(builder, base, n.literal_value)
        if not types.unliteral(n).signed:  # a large unsigned exponent is not a negative one
            values = [base, builder.zext(values[1], ir.IntType(65))]
        return _power(builder, base, values[1])

    return kind(a, n), emit


# ----------------------------------------------------------------------------------- reductions


def _accumulate(integer: str, floating: str) -> Any:
    """An intrinsic (acc, x) -> acc OP x in the type of acc, which float loops may regroup."""

    def racc(typingctx: Any, acc: Any, x: Any) -> Any:
        kind = types.unliteral(acc)

        def emit(context: Any, builder: Any, sig: Any, values: Any) -> Any:
            total, value = (
                convert(builder, v, t, kind) for v, t in zip(values, sig.args, strict=True)
            )
            if isinstance(kind, types.Float):
                return getattr(builder, floating)(total, value, flags=("reassoc",))
            return getattr(builder, integer)(total, value)

        return kind(acc, x), emit

    return intrinsic(racc)


floordiv = _binary(types.Integer, lambda *x: divide(*x)[0])
mod = _binary(types.Integer, lambda *x: divide(*x)[1])
shl = _binary(types.Integer, _shift_left)
shr = _binary(types.Integer, _shift_right)
ffloordiv = _binary(types.Float, lambda *x: _float_divmod(*x)[0])
fmod_floor = _binary(types.Float, lambda *x: _float_divmod(*x)[1])

maximum = _binary(types.Type, _maximum)
minimum = _binary(types.Type, _minimum)
racc_add = _accumulate("add", "fadd")
racc_mul = _accumulate("mul", "fmul")

NAMESPACE: dict[str, Any] = {
    "ipow": ipow,
    "maximum": maximum,
    "minimum": minimum,
    "racc_add": racc_add,
    "racc_mul": racc_mul,
    "racc_max": maximum,
    "racc_min": minimum,
    "floordiv": floordiv,
    "mod": mod,
    "shl": shl,
    "shr": shr,
    "ffloordiv": ffloordiv,
    "fmod_floor": fmod_floor,
}
