"""Promotion rules that refuse what PyTorch refuses: `common`, limited to some kinds of dtype."""

from __future__ import annotations

from collections.abc import Sequence

from jitorch.errors import TypeMismatch
from jitorch.ir.promotion import Operand, Promote, common, numpy_rules, scalar_kind
from jitorch.ir.types import DType, TensorType, bool_, float32, float64


def _refuse(name: str, dtype: DType, hint: str) -> TypeMismatch:
    return TypeMismatch(f'"{name}" not implemented for {dtype.name} tensors', hint=hint)


def numeric(name: str) -> Promote:
    """Return the rule of an op that booleans do not have."""

    def rule(operands: Sequence[Operand]) -> DType:
        dtype = common(operands)
        if dtype is bool_:
            raise _refuse(name, dtype, "convert first: x.to(torch.int64)")
        return dtype

    return rule


def real(name: str, *, boolean: bool = False) -> Promote:
    """Return the rule of an op that complex numbers do not have, nor booleans unless told."""

    def rule(operands: Sequence[Operand]) -> DType:
        dtype = common(operands)
        if dtype.is_complex:
            raise _refuse(name, dtype, "take .real, .imag or .abs() first")
        if dtype is bool_ and not boolean:
            raise _refuse(name, dtype, "convert first: x.to(torch.int64)")
        return dtype

    return rule


def integral(name: str) -> Promote:
    """Return the rule of an op on bits: integers and booleans."""

    def rule(operands: Sequence[Operand]) -> DType:
        dtype = common(operands)
        if dtype.kind not in ("bool", "int"):
            raise _refuse(name, dtype, "convert first: x.to(torch.int64)")
        return dtype

    return rule


def floating_only(name: str) -> Promote:
    """Return the rule of an op that floating-point tensors have and nothing else."""

    def rule(operands: Sequence[Operand]) -> DType:
        dtype = common(operands)
        if dtype.kind != "float":
            raise _refuse(name, dtype, "convert first: x.float()")
        return dtype

    return rule


def subtraction(operands: Sequence[Operand]) -> DType:
    """As `common`; booleans have no minus. NumPy minds only if both are."""
    dtype = common(operands)
    booleans = [_is_boolean(o) for o in operands]
    if dtype is bool_ or (any(booleans) and not numpy_rules()):
        which = "two bool tensors" if all(booleans) else "a bool tensor"
        raise TypeMismatch(
            f"Subtraction, the `-` operator, with {which} is not supported.",
            hint="use ^ or logical_xor() for the difference of masks, ~ or logical_not() to invert",
        )
    return dtype


def _is_boolean(operand: Operand) -> bool:
    if isinstance(operand, TensorType):
        return operand.dtype is bool_
    return scalar_kind(operand) == "bool"


def negation(operands: Sequence[Operand]) -> DType:
    """As `common`; booleans have no minus."""
    dtype = common(operands)
    if dtype is bool_:
        raise TypeMismatch(
            "Negation, the `-` operator, on a bool tensor is not supported.",
            hint="use ~ or logical_not() to invert a mask",
        )
    return dtype


def magnitude(dtype: DType) -> DType:
    """Return the dtype of the absolute value: complex numbers have a real one."""
    return {"c64": float32, "c128": float64}.get(dtype.tag, dtype)
