"""Which ops can be part of a kernel, and what a kernel knows about them, read off the op table."""

from __future__ import annotations

from jitorch.ir.core import Op
from jitorch.ir.opdef import OPS, Picks
from jitorch.ir.types import TensorType


def is_free(op: Op) -> bool:
    """Whether the op costs nothing in a kernel and is repeated wherever it is used.

    Renamed dimensions, indices, constants, and Python scalars made tensors.
    """
    if OPS[op.name].axes is not None or is_known(op):
        return True
    scalars = all(not isinstance(v.type, TensorType) for v in op.inputs)
    return OPS[op.name].pure and scalars and (_is_constant(op) or _text(op) is not None)


def is_counting(op: Op) -> bool:
    """Whether each element of the result is its own number: no memory is read for it."""
    return OPS[op.name].counts


def filled_with(op: Op) -> bool | int | float | None:
    """Return the number that all elements of the result are, if it is known."""
    fills = OPS[op.name].fills
    return None if fills is None else fills(**op.attrs)


def picks_of(op: Op) -> Picks | None:
    """Return how a kernel picks the op's elements by indices, None if it does not."""
    picks = OPS[op.name].picks
    return None if picks is None else picks(*(v.type for v in op.inputs), **op.attrs)


def is_known(op: Op) -> bool:
    """Whether a kernel knows each element of the result by itself, at any index."""
    return is_counting(op) or filled_with(op) is not None


def _is_constant(op: Op) -> bool:
    return op.name == "constant" and isinstance(op.output.type, TensorType)


def _text(op: Op) -> str | None:
    """Return the op's expression in a kernel, None where it has none for these operands."""
    scalar = OPS[op.name].scalar
    if scalar is None or not op.inputs or not isinstance(op.output.type, TensorType):
        return None
    last = op.inputs[-1].type
    if isinstance(last, TensorType):
        return scalar.text(last.dtype)
    return scalar.float if op.name == "cast" else None


def is_fusible(op: Op) -> bool:
    """Whether the op can be part of a kernel."""
    tensors = [v.type for v in (*op.inputs, *op.outputs) if isinstance(v.type, TensorType)]
    if op.blocks or any(t.dtype.is_complex for t in tensors):
        return False
    # A single number in main memory goes with tensors on any device.
    if len({t.device for t in tensors if t.shape or t.device != "cpu"}) > 1:
        return False
    if is_free(op):
        return True
    definition = OPS[op.name]
    if any(not isinstance(v.type, TensorType) for v in op.inputs):
        return False
    if definition.picks is not None:
        return picks_of(op) is not None
    return definition.reduce is not None or _text(op) is not None
