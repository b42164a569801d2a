"""Loops that renew a part of a tensor from its surroundings: two copies take turns.

    loop(..., %u) (%i, %p) {
      %new = fused(views of %p)              a stencil: reads next to where it writes
      %q = write(%p, %new) {view="slice"}    the same part in every iteration
      yield %c, %q
    }

Such a kernel can't write where it reads. But outside the part two copies of `%u` stay equal, so it
reads the one and writes into the part of the other, in turns, and an iteration copies nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from jitorch.codegen.strides import Strides, contiguous, through_view
from jitorch.ir.alias import reachable
from jitorch.ir.core import Attr, Op, Value, uses, walk
from jitorch.ir.dims import Sym
from jitorch.ir.opdef import OPS, result_types
from jitorch.ir.types import TensorType


@dataclass(frozen=True)
class PairedWrite:
    """A carried tensor whose next value is itself with a part renewed.

    made     what renews the part, the result of a kernel
    writes   the chain of writes that puts it there, the one into the whole tensor first
    strides  of the part within the whole
    """

    made: Value
    writes: tuple[Op, ...]
    strides: Strides


def paired_write(loop: Op, index: int, is_fixed: Callable[[Sym], bool]) -> PairedWrite | None:
    """Return how carried value `index` is renewed, if two copies can take turns.

    `is_fixed` tells whether a size is the same in every iteration.
    """
    (body,) = loop.blocks
    param, result = body.params[index + 1], body.results[index + 1]
    maker = {v: op for op in body.ops for v in op.outputs}
    writes = tuple(_chain(maker, param, result))
    if not writes or not isinstance(param.type, TensorType) or param.type.strided:
        return None
    made = writes[-1].inputs[1]
    strides = contiguous(param.type)
    for write in writes:
        view = shown_by(write)
        if not all(_fixed(a, is_fixed) for a in view.attrs.values()):
            return None
        strides = through_view(view, strides)
    shown = view.output.type
    used = uses(body)
    alone = [made, *(w.output for w in writes[1:])]
    if (
        made not in maker
        or maker[made].name != "fused"
        or not isinstance(made.type, TensorType)
        or not isinstance(shown, TensorType)
        or made.type.shape != shown.shape
        or shown.ndim < param.type.ndim  # a row is little to copy, and a whole copy much memory
        or None in strides
        or any(used.get(v) != 1 for v in alone)
    ):
        return None
    others = [v for k, v in enumerate(body.results) if k != index + 1]
    seen = reachable(walk(body), others)
    return None if param in seen or result in seen else PairedWrite(made, writes, strides)


def shown_by(write: Op) -> Op:
    """Return the view op that shows the part of its base which a `write` replaces."""
    attrs = {k: a for k, a in write.attrs.items() if k != "view"}
    name = write.attrs["view"]
    assert isinstance(name, str)
    base = write.inputs[0]
    (shown,) = result_types(name, [base.type], attrs)
    return Op(name, (base,), (Value(shown),), attrs, (), write.loc)


def _chain(maker: dict[Value, Op], base: Value, result: Value) -> Iterator[Op]:
    """Yield the writes that make `result` of `base`: of a view of it, of a view of that, ..."""
    while (op := maker.get(result)) is not None and op.name == "write":
        view = maker.get(op.inputs[0])
        inner = op.inputs[0] is base or (
            view is not None and OPS[view.name].view and view.inputs[0] is base
        )
        if not inner:
            return
        yield op
        base, result = op.inputs[0], op.inputs[1]


def _fixed(value: Attr, is_fixed: Callable[[Sym], bool]) -> bool:
    if isinstance(value, tuple):
        return all(_fixed(each, is_fixed) for each in value)
    return not isinstance(value, Sym) or is_fixed(value)
