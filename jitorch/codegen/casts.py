"""Conversions between the types of kernels, with the values NumPy's astype gives on x86."""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from jitorch.codegen.emit import F32, F64, HALF, call_llvm, intrinsic
from jitorch.codegen.numba_api import errors, types


def convert(builder: Any, value: Any, source: Any, target: Any) -> Any:
    """`value` of Numba type `source` as `target`, as NumPy's astype does on x86."""
    source = types.unliteral(source)
    if source == target:
        return value
    if isinstance(source, types.Boolean):
        return _from_bool(builder, value, target)
    if isinstance(target, types.Boolean):
        zero = ir.Constant(value.type, 0)
        if isinstance(source, types.Float):
            return builder.fcmp_unordered("!=", value, zero)
        return builder.icmp_unsigned("!=", value, zero)
    if isinstance(source, types.Integer):
        return _from_integer(builder, value, source, target)
    if isinstance(source, types.Float):
        return _from_float(builder, value, target)
    raise errors.TypingError(f"no conversion from {source} to {target}")


def _llvm_type(numba_type: Any) -> Any:
    if isinstance(numba_type, types.Float):
        return F32 if numba_type.bitwidth == 32 else F64
    return ir.IntType(numba_type.bitwidth)


def _from_bool(builder: Any, value: Any, target: Any) -> Any:
    widen = builder.uitofp if isinstance(target, types.Float) else builder.zext
    return widen(value, _llvm_type(target))


def _from_integer(builder: Any, value: Any, source: Any, target: Any) -> Any:
    llvm = _llvm_type(target)
    if isinstance(target, types.Float):
        return builder.sitofp(value, llvm) if source.signed else builder.uitofp(value, llvm)
    if target.bitwidth == source.bitwidth:
        return value
    if target.bitwidth < source.bitwidth:
        return builder.trunc(value, llvm)
    return builder.sext(value, llvm) if source.signed else builder.zext(value, llvm)


def _from_float(builder: Any, value: Any, target: Any) -> Any:
    llvm = _llvm_type(target)
    if isinstance(target, types.Float):
        wider = isinstance(value.type, ir.FloatType)
        return builder.fpext(value, llvm) if wider else builder.fptrunc(value, llvm)
    # x86 has conversions to 32 and 64 bits, which give INT_MIN for NaN and whatever does not fit;
    # a smaller integer takes the low bits of that. `fptosi` alone is poison there.
    wide = ir.IntType(max(target.bitwidth, 32))
    limit = ir.Constant(value.type, float(2 ** (wide.width - 1)))
    suffix = "f32" if isinstance(value.type, ir.FloatType) else "f64"
    magnitude = call_llvm(builder, f"llvm.fabs.{suffix}", value.type, [value])
    fits = builder.fcmp_ordered("<", magnitude, limit)
    smallest = ir.Constant(wide, -(2 ** (wide.width - 1)))
    result = builder.select(fits, builder.fptosi(value, wide), smallest)
    return result if wide == llvm else builder.trunc(result, llvm)


def to_half(builder: Any, value: Any, source: Any) -> Any:
    """`value` rounded once to an LLVM half."""
    if isinstance(source, types.Float) and source.bitwidth == 32:
        return builder.fptrunc(value, HALF)
    wide = convert(builder, value, source, types.float64)
    # Through float32 without rounding twice: keep the bits float32 has and gather the rest into
    # the last of them ("round to odd"); the second rounding is then the only one.
    bits = builder.bitcast(wide, ir.IntType(64))
    low = ir.Constant(bits.type, (1 << 29) - 1)
    sticky = builder.icmp_unsigned("!=", builder.and_(bits, low), ir.Constant(bits.type, 0))
    odd = builder.shl(builder.zext(sticky, bits.type), ir.Constant(bits.type, 29))
    kept = builder.or_(builder.and_(bits, builder.not_(low)), odd)
    return builder.fptrunc(builder.fptrunc(builder.bitcast(kept, F64), F32), HALF)


def _cast(target: Any) -> Any:
    def to(typingctx: Any, x: Any) -> Any:
        def emit(context: Any, builder: Any, sig: Any, values: Any) -> Any:
            return convert(builder, values[0], sig.args[0], target)

        return target(x), emit

    return intrinsic(to)


@intrinsic
def to_f16(typingctx: Any, x: Any) -> Any:
    """to_f16(x): x rounded to half precision, held in a float32."""

    def emit(context: Any, builder: Any, sig: Any, values: Any) -> Any:
        return builder.fpext(to_half(builder, values[0], sig.args[0]), F32)

    return types.float32(x), emit


NAMESPACE: dict[str, Any] = {
    "to_bool": _cast(types.boolean),
    "to_u8": _cast(types.uint8),
    "to_i8": _cast(types.int8),
    "to_i16": _cast(types.int16),
    "to_i32": _cast(types.int32),
    "to_i64": _cast(types.int64),
    "to_u64": _cast(types.uint64),
    "to_f16": to_f16,
    "to_f32": _cast(types.float32),
    "to_f64": _cast(types.float64),
}
