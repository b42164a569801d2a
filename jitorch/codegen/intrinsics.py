"""Building blocks of generated kernels: memory and calls, as intrinsics for kernel source.

A compiled entry is `void entry(int64 args, int64 lo, int64 hi)`: `args` is the address of a table
of 64-bit slots (data pointers, extents, strides, float bits), [lo, hi) a range of work. The names
here are what the source of such a kernel is written with; `NAMESPACE` collects them, together with
the arithmetic of `numeric`, the casts of `casts` and the matrix products of `blas`.

    def kernel(args, lo, hi):
        a = arg_ptr_f32(args, 0)
        b = arg_ptr_f32(args, 1)
        for i in range(lo, hi):
            store(b, i, load(a, i) + load(a, i))

Every intrinsic emits its LLVM instructions in place, so that types stay exactly as written: Numba's
own operators widen small integers and test signed indices for wrap-around.

**Aliasing.** Pointers of different slots never overlap where one of them is stored to; pointers of
one slot may. This is a promise of the caller, and it is what frees vectorised loops of run-time
overlap checks. Tables count as a slot of their own: `arg_*` and `set_*` never touch memory that
`load` and `store` touch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir

from jitorch.codegen import blas, casts, notes, numeric
from jitorch.codegen.casts import convert
from jitorch.codegen.emit import BYTES, ENTRY, F32, F64, HALF, I8, I64, intrinsic
from jitorch.codegen.numba_api import errors, types

# dtype tag -> (LLVM type in memory, Numba type in registers)
ELEMENTS: dict[str, tuple[Any, Any]] = {
    "bool": (I8, types.boolean),
    "u8": (I8, types.uint8),
    "i8": (I8, types.int8),
    "i16": (ir.IntType(16), types.int16),
    "i32": (ir.IntType(32), types.int32),
    "i64": (I64, types.int64),
    "f16": (HALF, types.float32),
    "f32": (F32, types.float32),
    "f64": (F64, types.float64),
}


class SlotPointer(types.Type):  # type: ignore[misc]  # numba is untyped
    """Pointer to elements of one dtype, which knows the slot it came from."""

    def __init__(self, tag: str, slot: int) -> None:
        self.tag, self.slot = tag, slot
        super().__init__(name=f"SlotPointer({tag}, {slot})")


# ---------------------------------------------------------------------------------- alias scopes

_SCOPE_BITS = 10
_TABLE_SLOT = (1 << _SCOPE_BITS) - 1


def tag_alias(builder: Any, instruction: Any, slot: int) -> None:
    """Tell LLVM that accesses of different slots never overlap."""
    if not 0 <= slot <= _TABLE_SLOT:
        return  # No promise: correct, only slower.
    known = vars(builder.module).setdefault("jitorch_slot_scopes", {})
    if slot not in known:
        known[slot] = _slot_scopes(builder.module, slot)
    own, others = known[slot]
    instruction.set_metadata("alias.scope", own)
    instruction.set_metadata("noalias", others)


def _slot_scopes(module: Any, slot: int) -> tuple[Any, Any]:
    """The scopes an access of `slot` lives in, and those it is disjoint from.

    The plain encoding lists, on each access, the scopes of all other slots: quadratic, and the
    other slots are not yet known. LLVM compares scopes domain by domain and needs only one domain
    that separates two accesses, so each *bit* of the slot number is a domain with two scopes: an
    access lives in the scopes of its bits and is disjoint from the scopes of the opposite bits.
    Two slots differ in some bit; one slot never does from itself.
    """
    own, others = [], []
    for bit in range(_SCOPE_BITS):
        domain = module.add_metadata([f"jitorch.slot.bit{bit}"])
        scopes = [module.add_metadata([f"jitorch.slot.bit{bit}.{v}", domain]) for v in (0, 1)]
        value = slot >> bit & 1
        own.append(scopes[value])
        others.append(scopes[1 - value])
    return module.add_metadata(own), module.add_metadata(others)


# ------------------------------------------------------------------------------- the args table


def _slot_number(k: Any) -> int:
    """The value of a slot argument, which must be a literal integer."""
    if not isinstance(k, types.IntegerLiteral):
        raise errors.TypingError("a slot must be a literal integer")
    return int(k.literal_value)


def _slot_address(builder: Any, args: Any, slot: Any, memory: Any) -> Any:
    """Pointer to slot number `slot` (an i64 value), seen as `memory`, of the table at `args`."""
    return builder.gep(builder.inttoptr(args, memory.as_pointer()), [slot])


def _table_reader(result: Any, llvm_type: Any) -> Callable[..., Any]:
    """An intrinsic (args, k) -> slot k read as `result`; k may be a run-time integer."""

    def arg(typingctx: Any, args: Any, k: Any) -> Any:
        def emit(context: Any, builder: Any, sig: Any, values: Any) -> Any:
            index = convert(builder, values[1], sig.args[1], types.int64)
            value = builder.load(_slot_address(builder, values[0], index, llvm_type))
            tag_alias(builder, value, _TABLE_SLOT)
            return value

        return result(args, k), emit

    return arg


def _table_writer(register: Any) -> Callable[..., Any]:
    """An intrinsic (args, k, v) that writes v into slot k, converted to `register`."""

    def set_slot(typingctx: Any, args: Any, k: Any, v: Any) -> Any:
        def emit(context: Any, builder: Any, sig: Any, values: Any) -> Any:
            index = convert(builder, values[1], sig.args[1], types.int64)
            value = convert(builder, values[2], sig.args[2], register)
            done = builder.store(value, _slot_address(builder, values[0], index, value.type))
            tag_alias(builder, done, _TABLE_SLOT)
            return None

        return types.void(args, k, v), emit

    return set_slot


def _pointer_reader(tag: str) -> Callable[..., Any]:
    """An intrinsic (args, k) -> the data pointer in slot k, to elements of dtype `tag`."""

    def arg_ptr(typingctx: Any, args: Any, k: Any) -> Any:
        pointer = SlotPointer(tag, _slot_number(k))

        def emit(context: Any, builder: Any, sig: Any, values: Any) -> Any:
            slot = ir.Constant(I64, pointer.slot)
            value = builder.load(_slot_address(builder, values[0], slot, BYTES))
            tag_alias(builder, value, _TABLE_SLOT)
            return value

        return pointer(args, k), emit

    return arg_ptr


arg_i64 = intrinsic(_table_reader(types.int64, I64))
arg_f64 = intrinsic(_table_reader(types.float64, F64))
set_i64 = intrinsic(_table_writer(types.int64))
set_f64 = intrinsic(_table_writer(types.float64))
ARG_PTR = {f"arg_ptr_{tag}": intrinsic(_pointer_reader(tag)) for tag in ELEMENTS}


# --------------------------------------------------------------------------------- load and store


def element_address(builder: Any, pointer: Any, p: Any, index_type: Any, i: Any) -> Any:
    """Address of element i. The offset is taken modulo 2**64: a negative stride needs no test."""
    index = convert(builder, i, index_type, types.int64)
    return builder.gep(builder.bitcast(p, ELEMENTS[pointer.tag][0].as_pointer()), [index])


@intrinsic
def load(typingctx: Any, p: Any, i: Any) -> Any:
    """load(p, i): element i of p. bool gives a boolean, f16 gives a float32."""
    if not (isinstance(p, SlotPointer) and isinstance(i, types.Integer)):
        return None
    register = ELEMENTS[p.tag][1]

    def emit(context: Any, builder: Any, sig: Any, values: Any) -> Any:
        where = element_address(builder, p, values[0], sig.args[1], values[1])
        value = builder.load(where)
        tag_alias(builder, value, p.slot)
        if p.tag == "bool":
            return builder.icmp_unsigned("!=", value, ir.Constant(I8, 0))
        return builder.fpext(value, F32) if p.tag == "f16" else value

    return register(p, i), emit


@intrinsic
def store(typingctx: Any, p: Any, i: Any, v: Any) -> Any:
    """store(p, i, v): v, converted to the element type, becomes element i of p."""
    if not (isinstance(p, SlotPointer) and isinstance(i, types.Integer)):
        return None
    register = ELEMENTS[p.tag][1]

    def emit(context: Any, builder: Any, sig: Any, values: Any) -> Any:
        where = element_address(builder, p, values[0], sig.args[1], values[1])
        if p.tag == "f16":
            value = casts.to_half(builder, values[2], sig.args[2])
        else:
            value = convert(builder, values[2], sig.args[2], register)
        if p.tag == "bool":
            value = builder.zext(value, I8)
        done = builder.store(value, where)
        tag_alias(builder, done, p.slot)
        return None

    return types.void(p, i, v), emit


@intrinsic
def picked(typingctx: Any, index: Any, size: Any, fault: Any) -> Any:
    """picked(index, size, fault): an index counted from the start.

    For one beyond the end it is 0, and when the kernel ends, the index (one of them) and the size
    become the elements 0 and 1 of `fault`.
    """
    return _picked(index, size, fault, back=True)


@intrinsic
def picked_ahead(typingctx: Any, index: Any, size: Any, fault: Any) -> Any:
    """picked_ahead(index, size, fault): as `picked`, with negative indices beyond the end too."""
    return _picked(index, size, fault, back=False)


def _picked(index: Any, size: Any, fault: Any, *, back: bool) -> Any:
    if not (isinstance(fault, SlotPointer) and isinstance(index, types.Integer)):
        return None

    def emit(context: Any, builder: Any, sig: Any, values: Any) -> Any:
        given, count = (
            convert(builder, v, t, types.int64)
            for v, t in zip(values[:2], sig.args[:2], strict=True)
        )
        zero = ir.Constant(I64, 0)
        place = given
        if back:
            from_end = builder.icmp_signed("<", given, zero)
            place = builder.select(from_end, builder.add(given, count), given)
        notes.keep(builder, values[2], place, count, back=back)
        return builder.select(builder.icmp_unsigned(">=", place, count), zero, place)

    return types.int64(index, size, fault), emit


@intrinsic
def ptr_address(typingctx: Any, p: Any) -> Any:
    """ptr_address(p): the address a slot pointer holds, as an int64."""
    if not isinstance(p, SlotPointer):
        return None

    def emit(context: Any, builder: Any, sig: Any, values: Any) -> Any:
        return builder.ptrtoint(values[0], I64)

    return types.int64(p), emit


# ------------------------------------------------------------------------------------------ calls


def _integers(builder: Any, sig: Any, values: Any) -> list[Any]:
    """The operands of a call as i64 values."""
    return [convert(builder, v, t, types.int64) for v, t in zip(values, sig.args, strict=True)]


@intrinsic
def call_kernel(typingctx: Any, addr: Any, args: Any, lo: Any, hi: Any) -> Any:
    """call_kernel(addr, args, lo, hi): call the compiled entry at address `addr`."""

    def emit(context: Any, builder: Any, sig: Any, values: Any) -> Any:
        numbers = _integers(builder, sig, values)
        kernel = builder.inttoptr(numbers[0], ENTRY.as_pointer())
        builder.call(kernel, numbers[1:])
        return None

    return types.void(addr, args, lo, hi), emit


def external_call(symbol: str, arity: int) -> Any:
    """An intrinsic of `arity` integers that calls the native function `symbol`, returning nothing.

    The symbol is resolved when the object is loaded (see `native.define_symbol`), so no address
    enters the object code and the object can be kept on disk.
    """

    def define(typingctx: Any, *operands: Any) -> Any:
        if len(operands) != arity:
            return None
        return types.void(*operands), emit

    def emit(context: Any, builder: Any, sig: Any, values: Any) -> Any:
        ftype = ir.FunctionType(ir.VoidType(), [I64] * arity)
        function = builder.module.globals.get(symbol) or ir.Function(builder.module, ftype, symbol)
        builder.call(function, _integers(builder, sig, values))
        return None

    return intrinsic(define)


parallel_for = external_call("jitorch_parallel_for", 4)  # (kernel address, args, n, grain)


NAMESPACE: dict[str, Any] = {
    "arg_i64": arg_i64,
    "arg_f64": arg_f64,
    "set_i64": set_i64,
    "set_f64": set_f64,
    "load": load,
    "store": store,
    "picked": picked,
    "picked_ahead": picked_ahead,
    "ptr_address": ptr_address,
    "call_kernel": call_kernel,
    "parallel_for": parallel_for,
    **ARG_PTR,
    **casts.NAMESPACE,
    **numeric.NAMESPACE,
    **blas.intrinsics_namespace(),
}
