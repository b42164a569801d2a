"""Squares of eight by eight elements, turned in registers: what LLVM does not make of two loops.

    a0 a1 a2 a3         a0 b0 a2 b2         a0 b0 c0 d0
    b0 b1 b2 b3   -->   a1 b1 a3 b3   -->   a1 b1 c1 d1
    c0 c1 c2 c3         c0 d0 c2 d2         a2 b2 c2 d2
    d0 d1 d2 d3         c1 d1 c3 d3         a3 b3 c3 d3

Each step exchanges what lies off the diagonal, of rows that are 1, 2, 4 apart. Importing this
module imports Numba.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from jitorch.codegen.casts import convert
from jitorch.codegen.emit import I32, intrinsic
from jitorch.codegen.intrinsics import ELEMENTS, SlotPointer, element_address, tag_alias
from jitorch.codegen.numba_api import types
from jitorch.codegen.numba_cpu.sizes import SIDE


@intrinsic
def turn_square(
    typingctx: Any, target: Any, at: Any, step: Any, source: Any, start: Any, stride: Any
) -> Any:
    """turn_square(target, at, step, source, start, stride): copy eight rows to eight columns.

    target[at + j * step + i] = source[start + i * stride + j] for i, j < 8; of one dtype.
    """
    if not (isinstance(target, SlotPointer) and isinstance(source, SlotPointer)):
        return None
    if target.tag != source.tag:
        return None
    vector = ir.VectorType(ELEMENTS[target.tag][0], SIDE)

    def emit(context: Any, builder: Any, sig: Any, values: Any) -> Any:
        numbers = [
            convert(builder, v, t, types.int64)
            for v, t in zip(values, sig.args, strict=True)
            if not isinstance(t, SlotPointer)
        ]
        to, step, origin, stride = numbers
        rows = []
        for where in _places(builder, source, values[3], origin, stride, vector):
            row = builder.load(where, align=1)
            tag_alias(builder, row, source.slot)
            rows.append(row)
        places = _places(builder, target, values[0], to, step, vector)
        for row, where in zip(_turned(builder, rows), places, strict=True):
            tag_alias(builder, builder.store(row, where, align=1), target.slot)

    return types.void(target, at, step, source, start, stride), emit


def _places(
    builder: Any, pointer: Any, value: Any, first: Any, stride: Any, vector: Any
) -> list[Any]:
    """The addresses of eight rows."""
    places = []
    for k in range(SIDE):
        if k:
            first = builder.add(first, stride)
        where = element_address(builder, pointer, value, types.int64, first)
        places.append(builder.bitcast(where, vector.as_pointer()))
    return places


def _turned(builder: Any, rows: list[Any]) -> list[Any]:
    for distance in (1, 2, 4):
        made = list(rows)
        for i in range(SIDE):
            if not i & distance:
                made[i], made[i | distance] = _exchanged(
                    builder, rows[i], rows[i | distance], distance
                )
        rows = made
    return rows


def _exchanged(builder: Any, a: Any, b: Any, distance: int) -> tuple[Any, Any]:
    """Exchange the odd blocks of `a`, of `distance` elements, for the even blocks of `b`."""
    high, low = (
        [SIDE + j - distance if j & distance else j for j in range(SIDE)],
        [SIDE + j if j & distance else j + distance for j in range(SIDE)],
    )
    mask = ir.VectorType(I32, SIDE)
    return (
        builder.shuffle_vector(a, b, ir.Constant(mask, high)),
        builder.shuffle_vector(a, b, ir.Constant(mask, low)),
    )


NAMESPACE: dict[str, Any] = {"turn_square": turn_square}
