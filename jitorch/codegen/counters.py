"""Words of the counter-based generator (`jitorch.philox`) in kernels of processors."""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from jitorch.codegen.casts import convert
from jitorch.codegen.emit import I64, intrinsic
from jitorch.codegen.numba_api import types
from jitorch.philox import MASK, MULTIPLIERS, ROUNDS, WEYL


@intrinsic
def philox(typingctx: Any, number: Any, seed: Any, stream: Any) -> Any:
    """philox(number, seed, stream): word `stream` of element `number`, an int64 below 2**32.

    All four lanes of a block are computed and one is taken: neighbouring elements are in
    neighbouring lanes of vectors, which have no way to share.
    """

    def emit(context: Any, builder: Any, sig: Any, values: Any) -> Any:
        n, key, s = (
            convert(builder, v, t, types.int64) for v, t in zip(values, sig.args, strict=True)
        )
        block = builder.lshr(n, _number(2))
        counter = [*_halves(builder, block), builder.and_(s, _number(MASK)), _number(0)]
        a, b, c, d = _rounds(builder, counter, _halves(builder, key))
        odd = builder.trunc(n, ir.IntType(1))
        later = builder.trunc(builder.lshr(n, _number(1)), ir.IntType(1))
        return builder.select(later, builder.select(odd, d, c), builder.select(odd, b, a))

    return types.int64(number, seed, stream), emit


def _rounds(builder: Any, counter: list[Any], key: list[Any]) -> list[Any]:
    """Return the four lanes of a block, words held in i64."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(ROUNDS):
        low_a, high_a = _halves(builder, builder.mul(c0, _number(MULTIPLIERS[0])))
        low_b, high_b = _halves(builder, builder.mul(c2, _number(MULTIPLIERS[1])))
        c0, c1 = builder.xor(builder.xor(high_b, c1), k0), low_b
        c2, c3 = builder.xor(builder.xor(high_a, c3), k1), low_a
        k0, k1 = (
            builder.and_(builder.add(k, _number(step)), _number(MASK))
            for k, step in zip((k0, k1), WEYL, strict=True)
        )
    return [c0, c1, c2, c3]


def _halves(builder: Any, x: Any) -> list[Any]:
    """Return the low and the high word of an i64."""
    return [builder.and_(x, _number(MASK)), builder.lshr(x, _number(32))]


def _number(value: Any) -> Any:
    return ir.Constant(I64, int(value))


NAMESPACE = {"philox": philox}
