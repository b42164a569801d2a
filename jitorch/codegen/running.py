"""Eight steps of a running fold at once, in registers: what LLVM does not make of a loop by itself.

    x               a  b    c      d
    one to the left    a    b      c
    sums of two     a  ab   bc     cd
    two to the left         a      ab
    sums of four    a  ab   abc    abcd

so that eight elements take three steps, and only one more waits for the elements before them.
Importing this module imports Numba.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from jitorch.codegen.emit import HALF, I32, intrinsic
from jitorch.codegen.intrinsics import ELEMENTS, SlotPointer
from jitorch.codegen.numba_api import types

LANES = 8

# step -> (LLVM's instruction on integers, on floats, what changes nothing)
_STEPS = {"add": ("add", "fadd", -0.0), "mul": ("mul", "fmul", 1.0)}


def _running(step: str) -> Any:
    """An intrinsic (source, i, target, carry) -> the fold of carry and eight elements of source.

    From element i on, target gets what the fold is after each of them. It computes in the type of
    `carry`.
    """
    integer, floating, neutral = _STEPS[step]

    def running(typingctx: Any, source: Any, i: Any, target: Any, carry: Any) -> Any:
        if not (isinstance(source, SlotPointer) and isinstance(target, SlotPointer)):
            return None
        kind = types.unliteral(carry)
        is_float = isinstance(kind, types.Float)
        name = floating if is_float else integer

        def emit(context: Any, builder: Any, sig: Any, values: Any) -> Any:
            first, at, second, before = values
            index = context.cast(builder, at, sig.args[1], types.int64)
            vector = ir.VectorType(before.type, LANES)
            none = ir.Constant(before.type, neutral if is_float else int(neutral))
            nothing = ir.Constant(vector, [none] * LANES)
            fold = getattr(builder, name)
            x = _load(builder, first, source.tag, index, vector)
            distance = 1
            while distance < LANES:
                x = fold(_moved(builder, nothing, x, distance), x)
                distance *= 2
            _store(builder, second, target.tag, index, fold(_everywhere(builder, before, vector), x))
            return fold(before, builder.extract_element(x, ir.Constant(I32, LANES - 1)))

        return kind(source, i, target, carry), emit

    return intrinsic(running)


def _shuffle(builder: Any, a: Any, b: Any, lanes: list[int]) -> Any:
    mask = ir.Constant(ir.VectorType(I32, LANES), lanes)
    return builder.shuffle_vector(a, b, mask)


def _moved(builder: Any, nothing: Any, x: Any, distance: int) -> Any:
    """The lanes of x, each `distance` further up, and below them lanes of `nothing`."""
    return _shuffle(builder, nothing, x, [*range(distance), *range(LANES, 2 * LANES - distance)])


def _everywhere(builder: Any, value: Any, vector: Any) -> Any:
    """A vector with `value` in all lanes."""
    empty = ir.Constant(vector, ir.Undefined)
    return _shuffle(
        builder, builder.insert_element(empty, value, ir.Constant(I32, 0)), empty, [0] * LANES
    )


def _address(builder: Any, pointer: Any, tag: str, index: Any) -> tuple[Any, Any]:
    """The address of elements, as a pointer to a vector of them, and its type."""
    memory = ELEMENTS[tag][0]
    vector = ir.VectorType(memory, LANES)
    where = builder.gep(builder.bitcast(pointer, memory.as_pointer()), [index])
    return builder.bitcast(where, vector.as_pointer()), vector


def _load(builder: Any, pointer: Any, tag: str, index: Any, wanted: Any) -> Any:
    where, memory = _address(builder, pointer, tag, index)
    value = builder.load(where, align=_alignment(tag))
    return value if memory == wanted else builder.fpext(value, wanted)


def _store(builder: Any, pointer: Any, tag: str, index: Any, value: Any) -> None:
    where, memory = _address(builder, pointer, tag, index)
    narrow = value if memory == value.type else builder.fptrunc(value, memory)
    builder.store(narrow, where, align=_alignment(tag))


def _alignment(tag: str) -> int:
    memory = ELEMENTS[tag][0]
    sizes = {HALF: 2, ir.FloatType(): 4, ir.DoubleType(): 8}
    return sizes[memory] if memory in sizes else int(memory.width) // 8


NAMESPACE: dict[str, Any] = {f"running_{step}": _running(step) for step in _STEPS}
