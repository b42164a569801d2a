"""Texts of scalar expressions in kernels, with the exact types that the graph has."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from jitorch.ir.core import Op
from jitorch.ir.opdef import OPS
from jitorch.ir.types import DType, TensorType

# Numbers and infinities in the op table's expressions, but not digits of names and placeholders.
_LITERAL = re.compile(r"(?<![\w.{])(?:\d+(?:\.\d*)?|-?INF)(?![\w.}])")


def typed(text: str, dtype: DType) -> str:
    """Return a number's text as an expression of exactly the dtype."""
    if dtype.tag == "bool":
        return "True" if text not in ("0", "False") else "False"
    return f"to_{register(dtype)}({text})"


def register(dtype: DType) -> str:
    """Return the tag of the type that elements of `dtype` have inside a kernel: half is held in single."""
    return "f32" if dtype.tag == "f16" else dtype.tag


def constant(value: object, dtype: DType) -> str:
    """Return the text of a constant, which reads back as exactly this value."""
    if dtype.tag == "bool":
        return str(bool(value))
    if dtype.tag == "f16":
        import numpy as np

        value = float(np.float16(value))  # type: ignore[arg-type]  # a number, by the op's type rule
    if isinstance(value, float) and not math.isfinite(value):
        number = {math.inf: "INF", -math.inf: "-INF"}.get(value, "NAN")
    elif dtype.is_floating_point and isinstance(value, (bool, int, float)):
        number = repr(float(value))
    else:
        number = repr(int(value))  # type: ignore[call-overload]  # a number, by the op's type rule
    return f"to_{register(dtype)}({number})"


def elementwise(op: Op, operands: Sequence[str]) -> str:
    """Return the expression of an elementwise op over the operands' texts."""
    scalar = OPS[op.name].scalar
    last = op.inputs[-1].type
    result = op.output.type
    assert scalar is not None and isinstance(result, TensorType)
    if not isinstance(last, TensorType):  # a Python scalar made a tensor
        return f"to_{result.dtype.tag}({operands[0]})"
    template = scalar.text(last.dtype)
    assert template is not None
    dtype = op.attrs.get("dtype")
    tag = dtype.tag if isinstance(dtype, DType) else ""
    text = _with_types(template, last.dtype).format(*operands, dtype=tag)
    # Integer arithmetic in Numba source gives 64 bits.
    wide = result.dtype.kind == "int" and not text.startswith(f"to_{result.dtype.tag}(")
    return f"to_{result.dtype.tag}({text})" if wide else text


def fold_step(op: Op) -> str:
    """Return the step of a reduction, with `{acc}` and `{x}`."""
    reduce, element = OPS[op.name].reduce, op.inputs[0].type
    result = op.output.type
    assert reduce is not None and isinstance(element, TensorType) and isinstance(result, TensorType)
    text = _with_types(reduce.step(element.dtype), element.dtype)
    return f"to_{result.dtype.tag}({text})" if result.dtype.kind == "int" else text


def fold_init(op: Op) -> str:
    """Return what a reduction starts from."""
    reduce, element = OPS[op.name].reduce, op.inputs[0].type
    result = op.output.type
    assert reduce is not None and isinstance(element, TensorType) and isinstance(result, TensorType)
    return typed(reduce.init(element.dtype), result.dtype)


def _with_types(template: str, dtype: DType) -> str:
    if dtype.tag == "bool":
        return template
    return _LITERAL.sub(lambda m: typed(m.group(), dtype), template)
