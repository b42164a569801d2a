"""The names kernel source may use: intrinsics, elementary functions, and a few that unite them.

The expressions of the op table (`OpDef.scalar`, `OpDef.reduce`) are written with these names.
Importing this module imports Numba.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from llvmlite import ir

from jitorch.codegen import counters, intrinsics, running, turning
from jitorch.codegen.casts import convert, to_half
from jitorch.codegen.emit import I64, call_llvm, intrinsic
from jitorch.codegen.intrinsics import ELEMENTS, SlotPointer
from jitorch.codegen.numba_api import types
from jitorch.codegen.vecmath import FUNCTIONS


def _scratch(tag: str) -> Any:
    """An intrinsic (slot, n) -> pointer to n elements on the stack; both are literals."""

    def scratch(typingctx: Any, slot: Any, n: Any) -> Any:
        pointer = SlotPointer(tag, int(slot.literal_value))

        def emit(context: Any, builder: Any, sig: Any, values: Any) -> Any:
            with builder.goto_entry_block():
                array = builder.alloca(ELEMENTS[tag][0], ir.Constant(I64, int(n.literal_value)))
                array.align = 64
            return builder.bitcast(array, ir.IntType(8).as_pointer())

        return pointer(slot, n), emit

    return intrinsic(scratch)


@intrinsic
def select(typingctx: Any, condition: Any, x: Any, y: Any) -> Any:
    """select(condition, x, y): x where the condition holds, else y; both are of one type."""
    kind = types.unliteral(x) if not isinstance(x, types.Literal) else types.unliteral(y)

    def emit(context: Any, builder: Any, sig: Any, values: Any) -> Any:
        a, b = (convert(builder, v, t, kind) for v, t in zip(values[1:], sig.args[1:], strict=True))
        return builder.select(values[0], a, b)

    return kind(condition, x, y), emit


@intrinsic
def absolute(typingctx: Any, x: Any) -> Any:
    """abs(x): of integers too, where the smallest one stays as it is."""
    kind = types.unliteral(x)

    def emit(context: Any, builder: Any, sig: Any, values: Any) -> Any:
        value = convert(builder, values[0], sig.args[0], kind)
        if isinstance(kind, types.Float):
            return call_llvm(builder, f"llvm.fabs.f{kind.bitwidth}", value.type, [value])
        if not kind.signed:
            return value
        zero = ir.Constant(value.type, 0)
        return builder.select(
            builder.icmp_signed("<", value, zero), builder.sub(zero, value), value
        )

    return kind(x), emit


@intrinsic
def sign(typingctx: Any, x: Any) -> Any:
    """sign(x): -1, 0 or 1; NaN stays, and -0.0 gives 0.0."""
    kind = types.unliteral(x)

    def emit(context: Any, builder: Any, sig: Any, values: Any) -> Any:
        value = convert(builder, values[0], sig.args[0], kind)
        floating = isinstance(kind, types.Float)
        zero = ir.Constant(value.type, 0.0 if floating else 0)
        one = ir.Constant(value.type, 1.0 if floating else 1)
        minus = ir.Constant(value.type, -1.0 if floating else -1)
        compare = builder.fcmp_ordered if floating else builder.icmp_signed
        above = (
            compare(">", value, zero)
            if floating or kind.signed
            else builder.icmp_unsigned(">", value, zero)
        )
        rest = (
            builder.select(builder.fcmp_ordered("==", value, zero), zero, value)
            if floating
            else zero
        )
        out = builder.select(above, one, rest)
        if floating or kind.signed:
            out = builder.select(compare("<", value, zero), minus, out)
        return out

    return kind(x), emit


def _peek(tag: str) -> Any:
    """An intrinsic (address) -> the element of dtype `tag` there."""
    memory, register = ELEMENTS[tag]

    def peek(typingctx: Any, address: Any) -> Any:
        def emit(context: Any, builder: Any, sig: Any, values: Any) -> Any:
            value = builder.load(builder.inttoptr(values[0], memory.as_pointer()))
            if tag == "bool":
                return builder.icmp_unsigned("!=", value, ir.Constant(memory, 0))
            return builder.fpext(value, ir.FloatType()) if tag == "f16" else value

        return register(address), emit

    return intrinsic(peek)


def _poke(tag: str) -> Any:
    """An intrinsic (address, v) that makes v, converted, the element of dtype `tag` there."""
    memory, register = ELEMENTS[tag]

    def poke(typingctx: Any, address: Any, v: Any) -> Any:
        def emit(context: Any, builder: Any, sig: Any, values: Any) -> Any:
            if tag == "f16":
                value = to_half(builder, values[1], sig.args[1])
            else:
                value = convert(builder, values[1], sig.args[1], register)
            if tag == "bool":
                value = builder.zext(value, memory)
            builder.store(value, builder.inttoptr(values[0], memory.as_pointer()))
            return None

        return types.void(address, v), emit

    return intrinsic(poke)


@intrinsic
def copy_bytes(typingctx: Any, target: Any, source: Any, count: Any) -> Any:
    """copy_bytes(target, source, count): copy memory between addresses; the two may overlap."""

    def emit(context: Any, builder: Any, sig: Any, values: Any) -> Any:
        target, source, count = (
            convert(builder, v, t, types.int64) for v, t in zip(values, sig.args, strict=True)
        )
        pointer = ir.IntType(8).as_pointer()
        ftype = ir.FunctionType(ir.VoidType(), [pointer, pointer, I64, ir.IntType(1)])
        name = "llvm.memmove.p0.p0.i64"
        move = builder.module.globals.get(name) or ir.Function(builder.module, ftype, name)
        operands = [builder.inttoptr(target, pointer), builder.inttoptr(source, pointer), count]
        builder.call(move, [*operands, ir.Constant(ir.IntType(1), 0)])
        return None

    return types.void(target, source, count), emit


_NAMESPACE: dict[str, Any] = {
    **FUNCTIONS,
    **intrinsics.NAMESPACE,
    **counters.NAMESPACE,
    **running.NAMESPACE,
    **turning.NAMESPACE,
    **{f"scratch_{tag}": _scratch(tag) for tag in ELEMENTS},
    **{f"peek_{tag}": _peek(tag) for tag in ELEMENTS},
    **{f"poke_{tag}": _poke(tag) for tag in ELEMENTS},
    "copy_bytes": copy_bytes,
    "abs": absolute,
    "max": intrinsics.NAMESPACE["maximum"],
    "min": intrinsics.NAMESPACE["minimum"],
    "select": select,
    "shift_left": intrinsics.NAMESPACE["shl"],
    "shift_right": intrinsics.NAMESPACE["shr"],
    "sign": sign,
    "INF": math.inf,
    "NAN": math.nan,
}


def namespace() -> Mapping[str, object]:
    """Return the names with what they stand for, for `native.compile_kernel`."""
    return _NAMESPACE
