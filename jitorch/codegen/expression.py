"""Texts of scalar expressions in kernels, with the exact types that the graph has."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from jitorch.ir.core import Op
from jitorch.ir.opdef import OPS, Reduce, Scalar
from jitorch.ir.types import DType, TensorType

# Numbers and infinities in the op table's expressions, but not digits of names and placeholders.
_LITERAL = re.compile(r"(?<![\w.{])(?:\d+(?:\.\d*)?|-?INF)(?![\w.}])")


def typed(text: str, dtype: DType) -> str:
    """Return a number's text as an expression of exactly the dtype."""
    if dtype.tag == "bool":
        return "True" if text not in ("0", "False") else "False"
    return f"to_{register(dtype)}({text})"


def register(dtype: DType) -> str:
    """Return the tag of the type of elements inside a kernel, where half is held in single."""
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
    assert scalar is not None
    assert isinstance(result, TensorType)
    if not isinstance(last, TensorType):  # a Python scalar made a tensor
        return f"to_{result.dtype.tag}({operands[0]})"
    dtype = op.attrs.get("dtype")
    tag = dtype.tag if isinstance(dtype, DType) else ""
    text = expression(scalar, last.dtype, operands, tag)
    assert text is not None
    # Integer arithmetic in Numba source gives 64 bits.
    wide = result.dtype.kind == "int" and not text.startswith(f"to_{result.dtype.tag}(")
    return f"to_{result.dtype.tag}({text})" if wide else text


def expression(
    scalar: Scalar | None, dtype: DType, operands: Sequence[str], target: str = ""
) -> str | None:
    """Return an op's expression over operands of `dtype`, None if it has none.

    `target` is the dtype that a cast gives.
    """
    template = None if scalar is None else scalar.text(dtype)
    return (
        None if template is None else _with_types(template, dtype).format(*operands, dtype=target)
    )


def fold_step(op: Op) -> str:
    """Return the step of a reduction, with `{acc}` and `{x}`."""
    reduce, element, result = _reduction(op)
    text = _with_types(reduce.step(element.dtype), element.dtype)
    return f"to_{result.dtype.tag}({text})" if result.dtype.kind == "int" else text


def fold_init(op: Op) -> str:
    """Return what a reduction starts from."""
    reduce, element, result = _reduction(op)
    return typed(reduce.init(element.dtype), result.dtype)


def _reduction(op: Op) -> tuple[Reduce, TensorType, TensorType]:
    """Return a reduction's fold and the types of its operand and result."""
    reduce, element, result = OPS[op.name].reduce, op.inputs[0].type, op.output.type
    assert reduce is not None
    assert isinstance(element, TensorType)
    assert isinstance(result, TensorType)
    return reduce, element, result


def _with_types(template: str, dtype: DType) -> str:
    if dtype.tag == "bool":
        return template
    return _LITERAL.sub(lambda m: typed(m.group(), dtype), template)
