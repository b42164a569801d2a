"""What a GPU has of its own, as LLVM instructions: places, memory, shuffles, libdevice, half.

The text is for two compilers: NVVM reads the dialect of LLVM 7 for the older capabilities, which has
no `fneg`, and that of a recent LLVM for the newer ones, which still takes pointers with types.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from llvmlite import ir

from jitorch.codegen import casts
from jitorch.codegen.cuda.launch import FOUR
from jitorch.codegen.emit import F32, F64, HALF, I1, I32, I64, call_llvm
from jitorch.codegen.nest.expressions import Typed
from jitorch.codegen.nest.operators import Binary, common
from jitorch.codegen.numba_api import errors, types

_FLOATS = {16: HALF, 32: F32, 64: F64}
_SHARED = 3  # LLVM's number of the address space that the threads of a block share
_WIDEST = 16  # bytes of one access

# What source calls a place -> the name of the register that has it.
_REGISTERS = {"threadIdx": "tid", "blockIdx": "ctaid", "blockDim": "ntid", "gridDim": "nctaid"}

NOTHING = Typed(types.none, None)


class Elements(types.Type):  # type: ignore[misc]  # numba is untyped
    """Pointer to elements of one type: a parameter, or an array of a thread or a block."""

    def __init__(self, element: Any) -> None:
        self.element = element
        super().__init__(name=f"Elements({element})")


def numpy_type(name: str) -> Any:
    """Return the Numba type of the number that is NumPy's `name`."""
    kind = getattr(types, name, None)
    if not isinstance(kind, types.Number):
        raise errors.TypingError(f"'np.{name}' is no type of numbers here")
    return kind


def llvm_type(kind: Any) -> Any:
    """Return the LLVM type of a number."""
    if isinstance(kind, types.Float):
        return _FLOATS[kind.bitwidth]
    return I1 if kind == types.boolean else ir.IntType(kind.bitwidth)


# Conversions.


def cast(builder: Any, x: Typed, kind: Any) -> Any:
    """Return x as a number of another type, as C converts it.

    Floats that no whole number is near to are left open; source asks before.
    """
    source = types.unliteral(x.type)
    if source == kind:
        return x.value
    if types.float16 in (source, kind):
        return _half(builder, Typed(source, x.value), kind)
    if isinstance(source, types.Float) and isinstance(kind, types.Integer):
        convert = builder.fptosi if kind.signed else builder.fptoui
        return convert(x.value, llvm_type(kind))
    return casts.convert(builder, x.value, source, kind)


def _half(builder: Any, x: Typed, kind: Any) -> Any:
    if isinstance(x.type, types.Integer):
        return (builder.sitofp if x.type.signed else builder.uitofp)(x.value, HALF)
    if not (isinstance(x.type, types.Float) and isinstance(kind, types.Float)):
        raise errors.TypingError(f"no conversion from {x.type} to {kind}")
    return (builder.fptrunc if kind == types.float16 else builder.fpext)(x.value, llvm_type(kind))


# Places of threads, and what they wait for.


def place(builder: Any, what: str, axis: str) -> Typed:
    """Return where a thread or a block is, or how many there are: `cuda.threadIdx.x` and the like."""
    if what not in _REGISTERS or axis not in ("x", "y"):
        raise errors.TypingError(f"'cuda.{what}.{axis}' is not known")
    value = call_llvm(builder, f"llvm.nvvm.read.ptx.sreg.{_REGISTERS[what]}.{axis}", I32, [])
    return Typed(types.int64, builder.sext(value, I64))


def _grid(builder: Any, dims: Typed) -> Typed:
    block, wide, thread = (place(builder, x, "x") for x in ("blockIdx", "blockDim", "threadIdx"))
    return Typed(types.int64, builder.add(builder.mul(wide.value, block.value), thread.value))


def _gridsize(builder: Any, dims: Typed) -> Typed:
    wide, blocks = place(builder, "blockDim", "x"), place(builder, "gridDim", "x")
    return Typed(types.int64, builder.mul(wide.value, blocks.value))


def _syncthreads(builder: Any) -> Typed:
    call_llvm(builder, "llvm.nvvm.barrier0", ir.VoidType(), [])
    return NOTHING


def _shuffle(mode: int, clamp: int) -> Callable[..., Typed]:
    """Return what emits one kind of shuffle: 32 bits go at once, 64 in two parts."""

    def emit(builder: Any, mask: Typed, x: Typed, distance: Typed) -> Typed:
        kind = types.unliteral(x.type)
        if kind == types.boolean or kind.bitwidth not in (32, 64):
            raise errors.TypingError(f"lanes do not shuffle {kind}")
        bits = builder.bitcast(x.value, ir.IntType(kind.bitwidth))
        lanes, far = (builder.trunc(each.value, I32) for each in (mask, distance))

        def part(word: Any) -> Any:
            operands = [lanes, ir.Constant(I32, mode), word, far, ir.Constant(I32, clamp)]
            pair = ir.LiteralStructType([I32, I1])
            return builder.extract_value(
                call_llvm(builder, "llvm.nvvm.shfl.sync.i32", pair, operands), 0
            )

        if kind.bitwidth == 32:
            return Typed(kind, builder.bitcast(part(bits), x.value.type))
        half = ir.Constant(I64, 32)
        low = part(builder.trunc(bits, I32))
        high = part(builder.trunc(builder.lshr(bits, half), I32))
        joined = builder.or_(builder.shl(builder.zext(high, I64), half), builder.zext(low, I64))
        return Typed(kind, builder.bitcast(joined, x.value.type))

    return emit


# Memory.


def shared_array(builder: Any, count: int, element: Any) -> Typed:
    """Return an array that the threads of a block share."""
    module = builder.module
    number = next(vars(module).setdefault("jitorch_shared", itertools.count()))
    array = ir.ArrayType(llvm_type(element), count)
    variable = ir.GlobalVariable(module, array, f"shared_{number}", addrspace=_SHARED)
    # NVVM makes names that `ptxas` refuses of those that are internal.
    variable.initializer = ir.Constant(array, ir.Undefined)
    variable.align = element.bitwidth // 8
    return Typed(Elements(element), _first(builder, variable))


def local_array(entry: Any, builder: Any, count: int, element: Any) -> Typed:
    """Return an array of a thread's own: registers, where it is indexed by constants."""
    array = ir.IRBuilder(entry).alloca(ir.ArrayType(llvm_type(element), count))
    return Typed(Elements(element), _first(builder, array))


def _first(builder: Any, array: Any) -> Any:
    zero = ir.Constant(I32, 0)
    return builder.gep(array, [zero, zero])


def element(x: Typed) -> Any:
    """Return the type of the elements of what is indexed."""
    if not isinstance(x.type, Elements):
        raise errors.TypingError(f"{x.type} has no elements")
    return x.type.element


def load(builder: Any, x: Typed, at: Any) -> Typed:
    """Return an element."""
    kind = element(x)
    return Typed(kind, builder.load(builder.gep(x.value, [at])))


def store(builder: Any, x: Typed, at: Any, value: Typed) -> None:
    """Set an element."""
    builder.store(cast(builder, value, element(x)), builder.gep(x.value, [at]))


def _vectors(builder: Any, pointer: Typed, at: Typed, array: Typed) -> tuple[Any, Any, int]:
    """Return pointers to four elements in memory and in an array, and the alignment of the first."""
    width = element(pointer).bitwidth
    # Bits: NVVM takes apart vectors of half.
    kind = ir.VectorType(ir.IntType(16) if width == 16 else llvm_type(element(pointer)), FOUR)
    index = cast(builder, at, types.int64)
    outside = builder.bitcast(builder.gep(pointer.value, [index]), kind.as_pointer())
    inside = builder.bitcast(array.value, kind.as_pointer())
    return outside, inside, min(FOUR * width // 8, _WIDEST)


def _load_4(builder: Any, pointer: Typed, at: Typed, array: Typed) -> Typed:
    outside, inside, align = _vectors(builder, pointer, at, array)
    builder.store(builder.load(outside, align=align), inside, align=1)
    return NOTHING


def _store_4(builder: Any, pointer: Typed, at: Typed, array: Typed) -> Typed:
    outside, inside, align = _vectors(builder, pointer, at, array)
    builder.store(builder.load(inside, align=1), outside, align=align)
    return NOTHING


# Arithmetic.


def libdevice(builder: Any, name: str, args: Sequence[Typed]) -> Typed:
    """Call the function of NVIDIA's library that is Python's `math.name`."""
    single = all(x.type == types.float32 for x in args)
    kind = types.float32 if single else types.float64
    operands = [cast(builder, x, kind) for x in args]
    symbol = f"__nv_{name}f" if single else f"__nv_{name}"
    return Typed(kind, call_llvm(builder, symbol, llvm_type(kind), operands))


def _cbrt(builder: Any, x: Typed) -> Typed:
    return libdevice(builder, "cbrt", [x])


def _absolute(builder: Any, x: Typed) -> Typed:
    kind = types.unliteral(x.type)
    if isinstance(kind, types.Float):
        return libdevice(builder, "fabs", [x])  # NVVM does not take LLVM's own
    kind = common(kind, kind)
    value = cast(builder, x, kind)
    if not kind.signed:
        return Typed(kind, value)
    zero = ir.Constant(value.type, 0)
    below = builder.icmp_signed("<", value, zero)
    return Typed(kind, builder.select(below, builder.sub(zero, value), value))


def negative(builder: Any, x: Typed) -> Typed:
    """Return -x for a float."""
    return Typed(x.type, builder.fsub(ir.Constant(x.value.type, -0.0), x.value))


def _shifted(left: bool) -> Binary:
    """Return what emits a shift, of as many bits as there are at most: source asks before."""

    def binary(builder: Any, a: Any, n: Any) -> tuple[Any, Any]:
        kind = common(a.type, n.type)
        x, count = (cast(builder, each, kind) for each in (a, n))
        if left:
            return kind, builder.shl(x, count)
        return kind, (builder.ashr if kind.signed else builder.lshr)(x, count)

    return binary


shift_left, shift_right = _shifted(True), _shifted(False)

# What source calls, with the operands there.
OPERATIONS: Mapping[str, Callable[..., Typed]] = {
    "abs": _absolute,
    "load_4": _load_4,
    "store_4": _store_4,
    "cuda.cbrt": _cbrt,
    "cuda.grid": _grid,
    "cuda.gridsize": _gridsize,
    "cuda.shfl_up_sync": _shuffle(1, 0),
    "cuda.shfl_xor_sync": _shuffle(3, 31),
    "cuda.syncthreads": _syncthreads,
}
