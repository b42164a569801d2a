"""Scalar values with operators, for writing elementary functions as LLVM instructions.

`Real`, `Bits` and `Flag` wrap an LLVM value of a floating-point type, of the integer type of equal
width, and of `i1`. Arithmetic on them emits one instruction per operation, with exact widths and
without fast-math flags: error-free transformations and signed zeros survive whatever flags the
enclosing function is compiled with.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from llvmlite import ir
from llvmlite.ir.instructions import FastMathFlags


@dataclass(frozen=True)
class Format:
    """An IEEE 754 binary format."""

    width: int
    mantissa_bits: int
    real: Any
    integer: Any

    @property
    def bias(self) -> int:
        """What is added to the exponent of a normal number."""
        return (1 << (self.width - self.mantissa_bits - 2)) - 1

    @property
    def rounder(self) -> float:
        """1.5 * 2^mantissa_bits: adding it to a small number rounds that to an integer."""
        return 1.5 * float(2**self.mantissa_bits)

    @property
    def min_normal(self) -> float:
        """The smallest normal number."""
        return float(2.0 ** (1 - self.bias))

    @property
    def sign_bit(self) -> int:
        """The bit pattern of -0."""
        return 1 << (self.width - 1)

    def pattern(self, value: float) -> int:
        """The bit pattern of `value` rounded to the format."""
        real, integer = ("<f", "<I") if self.width == 32 else ("<d", "<Q")
        return int(struct.unpack(integer, struct.pack(real, value))[0])


FLOAT32 = Format(32, 23, ir.FloatType(), ir.IntType(32))
FLOAT64 = Format(64, 52, ir.DoubleType(), ir.IntType(64))


class _NoFlags(list[str]):
    """Instruction flags that stay empty.

    Numba adds the fast-math flags of the function being compiled to every floating-point
    instruction of its module; the error terms computed here would not survive `reassoc`.
    """

    def append(self, flag: str) -> None:
        """Drops `flag`."""


class _NoCallFlags(FastMathFlags):  # type: ignore[misc]  # llvmlite is untyped
    """The same for the flags of a call."""

    def add(self, name: str) -> None:
        """Drops `name`."""


@dataclass(frozen=True, eq=False)
class Flag:
    """A truth value."""

    builder: Any
    value: Any

    def __and__(self, other: Flag) -> Flag:
        return Flag(self.builder, self.builder.and_(self.value, other.value))

    def __or__(self, other: Flag) -> Flag:
        return Flag(self.builder, self.builder.or_(self.value, other.value))

    def __xor__(self, other: Flag) -> Flag:
        return Flag(self.builder, self.builder.xor(self.value, other.value))

    def __invert__(self) -> Flag:
        return Flag(self.builder, self.builder.not_(self.value))

    def select(self, yes: Real | float, no: Real | float) -> Real:
        """`yes` where true, else `no`; at least one of them is a `Real`."""
        kin = yes if isinstance(yes, Real) else no
        assert isinstance(kin, Real)
        value = self.builder.select(self.value, kin.like(yes).value, kin.like(no).value)
        return Real(self.builder, kin.format, value)


@dataclass(frozen=True, eq=False)
class Bits:
    """An integer as wide as a format; arithmetic wraps around."""

    builder: Any
    format: Format
    value: Any

    def like(self, other: Bits | int) -> Bits:
        """`other` itself, or as a constant."""
        if isinstance(other, Bits):
            return other
        wrapped = other & ((1 << self.format.width) - 1)
        return Bits(self.builder, self.format, ir.Constant(self.format.integer, wrapped))

    def _binary(self, name: str, other: Bits | int) -> Bits:
        value = getattr(self.builder, name)(self.value, self.like(other).value)
        return Bits(self.builder, self.format, value)

    def __add__(self, other: Bits | int) -> Bits:
        return self._binary("add", other)

    def __sub__(self, other: Bits | int) -> Bits:
        return self._binary("sub", other)

    def __rsub__(self, other: int) -> Bits:
        return self.like(other) - self

    def __mul__(self, other: Bits | int) -> Bits:
        return self._binary("mul", other)

    def __and__(self, other: Bits | int) -> Bits:
        return self._binary("and_", other)

    def __or__(self, other: Bits | int) -> Bits:
        return self._binary("or_", other)

    def __xor__(self, other: Bits | int) -> Bits:
        return self._binary("xor", other)

    def __lshift__(self, count: int) -> Bits:
        return self._binary("shl", count)

    def __rshift__(self, count: int) -> Bits:
        return self._binary("ashr", count)

    def logical_right(self, count: int) -> Bits:
        """Shifted right, filling with zeros."""
        return self._binary("lshr", count)

    def __lt__(self, other: Bits | int) -> Flag:
        value = self.builder.icmp_signed("<", self.value, self.like(other).value)
        return Flag(self.builder, value)

    def nonzero(self) -> Flag:
        """Whether any bit is set."""
        return Flag(self.builder, self.builder.icmp_unsigned("!=", self.value, self.like(0).value))

    def at_least(self, low: int) -> Bits:
        """The larger of this and `low`, as signed integers."""
        value = self.builder.select((self < low).value, self.like(low).value, self.value)
        return Bits(self.builder, self.format, value)

    def as_real(self) -> Real:
        """The number with this bit pattern."""
        value = self.builder.bitcast(self.value, self.format.real)
        return Real(self.builder, self.format, value)

    def power_of_two(self) -> Real:
        """2^self, for self from -bias (which gives 0) to bias + 1 (which gives infinity)."""
        return ((self + self.format.bias) << self.format.mantissa_bits).as_real()

    def to_real(self) -> Real:
        """A small integer as a number."""
        # Not sitofp, which has no vector form for 64-bit integers on many processors.
        rounder = self.format.rounder
        return (self + self.format.pattern(rounder)).as_real() - rounder

    def low_half(self) -> Bits:
        """The low 32 bits of 64."""
        return Bits(self.builder, FLOAT32, self.builder.trunc(self.value, FLOAT32.integer))


@dataclass(frozen=True, eq=False)
class Real:
    """A floating-point number."""

    builder: Any
    format: Format
    value: Any

    def like(self, other: Real | float) -> Real:
        """`other` itself, or as a constant rounded to the format."""
        if isinstance(other, Real):
            return other
        return Real(self.builder, self.format, ir.Constant(self.format.real, other))

    def _binary(self, name: str, left: Real | float, right: Real | float) -> Real:
        emit = getattr(self.builder, name)
        instruction = emit(self.like(left).value, self.like(right).value)
        instruction.flags = _NoFlags()
        return Real(self.builder, self.format, instruction)

    def __add__(self, other: Real | float) -> Real:
        return self._binary("fadd", self, other)

    def __radd__(self, other: float) -> Real:
        return self._binary("fadd", other, self)

    def __sub__(self, other: Real | float) -> Real:
        return self._binary("fsub", self, other)

    def __rsub__(self, other: float) -> Real:
        return self._binary("fsub", other, self)

    def __mul__(self, other: Real | float) -> Real:
        return self._binary("fmul", self, other)

    def __rmul__(self, other: float) -> Real:
        return self._binary("fmul", other, self)

    def __truediv__(self, other: Real | float) -> Real:
        return self._binary("fdiv", self, other)

    def __rtruediv__(self, other: float) -> Real:
        return self._binary("fdiv", other, self)

    def __neg__(self) -> Real:
        return Real(self.builder, self.format, self.builder.fneg(self.value))

    def __abs__(self) -> Real:
        return self.call("llvm.fabs")

    def _compare(self, operator: str, other: Real | float) -> Flag:
        instruction = self.builder.fcmp_ordered(operator, self.value, self.like(other).value)
        instruction.flags = _NoFlags()
        return Flag(self.builder, instruction)

    def __lt__(self, other: Real | float) -> Flag:
        return self._compare("<", other)

    def __le__(self, other: Real | float) -> Flag:
        return self._compare("<=", other)

    def __gt__(self, other: Real | float) -> Flag:
        return self._compare(">", other)

    def __ge__(self, other: Real | float) -> Flag:
        return self._compare(">=", other)

    def equals(self, other: Real | float) -> Flag:
        """Whether both are the same number."""
        return self._compare("==", other)

    def is_unordered(self, other: Real) -> Flag:
        """Whether this or `other` is not a number."""
        instruction = self.builder.fcmp_unordered("uno", self.value, other.value)
        instruction.flags = _NoFlags()
        return Flag(self.builder, instruction)

    def call(self, intrinsic: str, *others: Real | float) -> Real:
        """The LLVM intrinsic of that name, with this as first argument."""
        arguments = [self.like(each).value for each in (self, *others)]
        real = self.format.real
        signature = ir.FunctionType(real, [real] * len(arguments))
        function = self.builder.module.declare_intrinsic(intrinsic, [real], signature)
        instruction = self.builder.call(function, arguments)
        instruction.fastmath = _NoCallFlags()
        return Real(self.builder, self.format, instruction)

    def sqrt(self) -> Real:
        """The square root, correctly rounded."""
        return self.call("llvm.sqrt")

    def rint(self) -> Real:
        """Rounded to an integer, ties to even."""
        return self.call("llvm.rint")

    def copysign(self, other: Real | float) -> Real:
        """This magnitude with the sign of `other`."""
        return self.call("llvm.copysign", other)

    def clamp(self, low: float, high: float) -> Real:
        """The nearest number in [low, high]; NaN stays NaN."""
        top = (self > high).select(high, self)
        return (top < low).select(low, top)

    def at_most(self, high: float) -> Real:
        """The smaller of this and `high`; NaN stays NaN."""
        return (self > high).select(high, self)

    def as_bits(self) -> Bits:
        """The bit pattern."""
        value = self.builder.bitcast(self.value, self.format.integer)
        return Bits(self.builder, self.format, value)

    def sign(self) -> Bits:
        """The sign bit alone."""
        return self.as_bits() & self.format.sign_bit

    def flip_sign(self, sign: Bits) -> Real:
        """This, negated where the sign bit of `sign` is set; its other bits are zero."""
        return (self.as_bits() ^ sign).as_real()

    def round_to_int(self) -> tuple[Bits, Real]:
        """The nearest integer, as an integer and as a number, for |self| < 2^(mantissa_bits - 1).

        NaN and larger arguments give a meaningless integer, but never an undefined one.
        """
        rounder = self.format.rounder
        shifted = self + rounder
        return shifted.as_bits() - self.format.pattern(rounder), shifted - rounder

    def is_single(self) -> bool:
        """Whether the format is float32."""
        return self.format is FLOAT32

    def widen(self) -> Real:
        """As float64."""
        return Real(self.builder, FLOAT64, self.builder.fpext(self.value, FLOAT64.real))

    def narrow(self) -> Real:
        """Rounded to float32."""
        return Real(self.builder, FLOAT32, self.builder.fptrunc(self.value, FLOAT32.real))


def fma(x: Real, y: Real | float, z: Real | float) -> Real:
    """x * y + z, rounded once."""
    return x.call("llvm.fma", y, z)


def round_product(x: Real, y: Real | float) -> tuple[Bits, Real]:
    """`(x * y).round_to_int()`, without rounding the product first."""
    rounder = x.format.rounder
    shifted = fma(x, y, rounder)
    return shifted.as_bits() - x.format.pattern(rounder), shifted - rounder


def polynomial(x: Real, coefficients: Sequence[float]) -> Real:
    """The polynomial with these coefficients, lowest power first.

    Long ones are split into interleaved Horner chains in a power of x, because a single chain of
    dependent operations is what limits the speed (G. Estrin, 1960).
    """
    terms = len(coefficients)
    chains = 1 if terms < 10 else 2 if terms < 16 else 4
    step = x
    for _ in range(chains.bit_length() - 1):
        step = step * step
    totals = [_horner(step, coefficients[i::chains]) for i in range(chains)]
    return _horner(x, totals)


def _horner(x: Real, coefficients: Sequence[Real | float]) -> Real:
    """W. G. Horner's scheme."""
    total = x.like(coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        total = fma(total, x, coefficient)
    return total


class Pair(NamedTuple):
    """The unevaluated sum of a number and a much smaller one."""

    high: Real
    low: Real


def two_sum(x: Real, y: Real) -> Pair:
    """x + y and its rounding error (D. Knuth, TAOCP volume 2, 4.2.2)."""
    total = x + y
    shadow = total - x
    return Pair(total, (x - (total - shadow)) + (y - shadow))


def fast_two_sum(x: Real, y: Real) -> Pair:
    """The same for |x| >= |y| (T. J. Dekker, 1971)."""
    total = x + y
    return Pair(total, y - (total - x))


def two_product(x: Real, y: Real | float) -> Pair:
    """x * y and its rounding error."""
    product = x * y
    return Pair(product, fma(x, y, -product))


def divide(top: Pair, bottom: Pair) -> Real:
    """The quotient of two sums of a number and its error, about correctly rounded."""
    inverse = 1.0 / bottom.high
    quotient = top.high * inverse
    rest = fma(-quotient, bottom.low, fma(-quotient, bottom.high, top.high) + top.low)
    return fma(rest, inverse, quotient)
