"""Loops whose kernels renew a carried tensor element by element: it is written where it is read.

    loop(..., %z) (%i, %p) {
      %n = fused(%p, ...)        reads %p at the index at which it writes %n, and nobody reads %p later
      yield %c, %n
    }

One buffer then serves all iterations, where a pair would take twice the cache.
"""

from __future__ import annotations

from collections.abc import Mapping

from jitorch.codegen.compiled import sharing
from jitorch.codegen.schedule import schedule
from jitorch.codegen.strides import Makers
from jitorch.ir.alias import shared
from jitorch.ir.core import Block, Op, Value, free_values, walk
from jitorch.ir.types import TensorType


def renewed_by(loop: Op, index: int, made: Makers) -> Value | None:
    """Return what carried value `index` becomes, if a kernel can write it in place."""
    (body,) = loop.blocks
    param, result = body.params[index + 1], body.results[index + 1]
    t = param.type
    op = next((o for o in body.ops if result in o.outputs), None)
    if (
        op is None
        or op.name != "fused"
        or not isinstance(t, TensorType)
        or t.ndim == 0
        or result.type != t
        or not _dies(body, param, op)
    ):
        return None
    reuse: Mapping[Value, Value] = {result: param}
    return result if sharing(schedule(op, made), op, reuse) else None


def _dies(body: Block, param: Value, op: Op) -> bool:
    """Whether only `op`, which reads `param` as it is, and ops before it see its memory."""
    seen = {param}
    for each in walk(body):
        seen |= {out for out, source in shared(each) if source in seen}
    after = body.ops[body.ops.index(op) + 1 :]
    later = [v for o in after for v in (*o.inputs, *(x for b in o.blocks for x in free_values(b)))]
    inside = [v for v in op.inputs if v in seen]
    return inside == [param] and not seen & {*later, *body.results}
