"""Some steps of a running fold at once, in registers: what LLVM does not make of a loop by itself.

    x               a  b    c      d
    one to the left    a    b      c
    folds of two    a  ab   bc     cd
    two to the left         a      ab
    folds of four   a  ab   abc    abcd

so that eight elements take three steps, and only one more waits for the elements before them.
Importing this module imports Numba.
"""

from __future__ import annotations

import math
from typing import Any

from llvmlite import ir

from jitorch.codegen.casts import convert
from jitorch.codegen.emit import F32, F64, I32, call_llvm, intrinsic
from jitorch.codegen.intrinsics import ELEMENTS, SlotPointer
from jitorch.codegen.numba_api import types

# step -> (LLVM's instruction on integers, on floats, what changes nothing)
_STEPS = {"add": ("add", "fadd", -0.0), "mul": ("mul", "fmul", 1.0)}


def _running(step: str) -> Any:
    """An intrinsic (lanes, source, i, target, carry) -> the fold of `carry` and that many elements.

    From element i on, target gets what the fold is after each of them. They are folded in the type
    of `carry`; those of single precision among themselves in single precision, except where that
    overflows.
    """
    integer, floating, neutral = _STEPS[step]

    def running(typingctx: Any, lanes: Any, source: Any, i: Any, target: Any, carry: Any) -> Any:
        if not (isinstance(source, SlotPointer) and isinstance(target, SlotPointer)):
            return None
        kind = types.unliteral(carry)
        is_float = isinstance(kind, types.Float)
        name = floating if is_float else integer

        def emit(context: Any, builder: Any, sig: Any, values: Any) -> Any:
            index = convert(builder, values[2], sig.args[2], types.int64)
            count = int(lanes.literal_value)
            block = _Block(builder, name, neutral if is_float else int(neutral))
            memory = ir.VectorType(ELEMENTS[source.tag][0], count)
            x, where = (_elements(builder, p, memory, index) for p in (values[1], values[3]))
            return block.fold(x, where, values[4])

        return kind(lanes, source, i, target, carry), emit

    return intrinsic(running)


def _elements(builder: Any, pointer: Any, vector: Any, index: Any) -> Any:
    """The address of elements, as a pointer to a vector of them."""
    where = builder.gep(builder.bitcast(pointer, vector.element.as_pointer()), [index])
    return builder.bitcast(where, vector.as_pointer())


class _Block:
    """Emits the fold of one vector of elements."""

    def __init__(self, builder: Any, step: str, neutral: Any) -> None:
        self.builder = builder
        self.step = getattr(builder, step)
        self.neutral = neutral

    def fold(self, source: Any, target: Any, carry: Any) -> Any:
        """Store the fold after each element, and return the last, in the type of `carry`."""
        b = self.builder
        x = b.load(source, align=_alignment(source))
        if carry.type == F64 and x.type.element == F32:
            return self.fold_single(x, target, carry)
        wide = ir.VectorType(carry.type, x.type.count)
        among = self.among(x if x.type == wide else b.fpext(x, wide))
        out = self.step(self.everywhere(carry, wide), among)
        narrow = out if x.type == wide else b.fptrunc(out, x.type)
        b.store(narrow, target, align=_alignment(target))
        return self.step(carry, self.last(among))

    def fold_single(self, x: Any, target: Any, carry: Any) -> Any:
        b, among = self.builder, self.among(x)
        out = self.step(self.everywhere(b.fptrunc(carry, F32), x.type), among)
        done = []
        with b.if_else(self.finite(out)) as (then, otherwise):
            with then:
                b.store(out, target, align=4)
                done.append((self.step(carry, b.fpext(self.last(among), F64)), b.block))
            with otherwise:
                done.append((self.one_by_one(x, target, carry), b.block))
        phi = b.phi(F64)
        for value, block in done:
            phi.add_incoming(value, block)
        return phi

    def among(self, x: Any) -> Any:
        """The fold of the elements after each of them."""
        nothing = ir.Constant(x.type, [ir.Constant(x.type.element, self.neutral)] * x.type.count)
        count, distance = x.type.count, 1
        while distance < count:
            moved = [*range(distance), *range(count, 2 * count - distance)]
            x = self.step(self.shuffle(nothing, x, moved), x)
            distance *= 2
        return x

    def one_by_one(self, x: Any, target: Any, carry: Any) -> Any:
        b = self.builder
        first = b.bitcast(target, F32.as_pointer())
        for k in range(x.type.count):
            carry = self.step(carry, b.fpext(b.extract_element(x, ir.Constant(I32, k)), F64))
            b.store(b.fptrunc(carry, F32), b.gep(first, [ir.Constant(I32, k)]))
        return carry

    def finite(self, x: Any) -> Any:
        """Whether no lane is infinite or NaN."""
        b, count = self.builder, x.type.count
        limit = ir.Constant(x.type, [ir.Constant(F32, math.inf)] * count)
        size = call_llvm(b, f"llvm.fabs.v{count}f32", x.type, [x])
        bits = ir.IntType(count)
        return b.icmp_unsigned(
            "==", b.bitcast(b.fcmp_unordered(">=", size, limit), bits), ir.Constant(bits, 0)
        )

    def everywhere(self, value: Any, vector: Any) -> Any:
        empty = ir.Constant(vector, ir.Undefined)
        first = self.builder.insert_element(empty, value, ir.Constant(I32, 0))
        return self.shuffle(first, empty, [0] * vector.count)

    def last(self, x: Any) -> Any:
        return self.builder.extract_element(x, ir.Constant(I32, x.type.count - 1))

    def shuffle(self, a: Any, b: Any, order: list[int]) -> Any:
        mask = ir.Constant(ir.VectorType(I32, len(order)), order)
        return self.builder.shuffle_vector(a, b, mask)


def _alignment(pointer: Any) -> int:
    """The bytes of one element behind a pointer to a vector."""
    element = pointer.type.pointee.element
    sizes = {ir.HalfType(): 2, F32: 4, F64: 8}
    return sizes[element] if element in sizes else int(element.width) // 8


NAMESPACE: dict[str, Any] = {f"running_{step}": _running(step) for step in _STEPS}
