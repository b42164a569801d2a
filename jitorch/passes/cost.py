"""What elementwise ops cost inside a kernel, read off their expressions."""

from __future__ import annotations

import re
from collections.abc import Sequence

from jitorch.ir.core import Op
from jitorch.ir.opdef import OPS
from jitorch.ir.types import TensorType

# Functions of kernel expressions that come to a few machine instructions. All others are
# polynomials.
_CHEAP = {
    "abs", "ceil", "copysign", "floor", "fma", "max", "maximum", "min", "minimum", "rint", "select",
    "shl", "shr", "shift_left", "shift_right", "sign", "trunc",
}  # fmt: skip
_CALL = re.compile(r"([A-Za-z_]\w*)\(")


def is_expensive(op: Op) -> bool:
    """Whether computing the op again costs more than keeping its result."""
    scalar = OPS[op.name].scalar
    if scalar is None or not op.inputs:
        return False
    last = op.inputs[-1].type
    text = scalar.text(last.dtype) if isinstance(last, TensorType) else None
    calls = _CALL.findall(text or "")
    return any(name not in _CHEAP and not name.startswith("to_") for name in calls)


def work(ops: Sequence[Op]) -> float:
    """Return roughly how many nanoseconds the ops take for one element, in a vectorised loop."""
    total = 0.2  # memory
    for op in ops:
        total += 0.5 if is_expensive(op) else 0.04
    return total
