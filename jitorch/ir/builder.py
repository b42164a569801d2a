"""`Builder`: the interpreter that appends ops to a block instead of computing.

It is what composite ops are expanded with (`passes/decompose.py`) and what the recorder of the
front ends (`frontend/record.py`) extends with views, mutation and captured tensors.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jitorch.cuda import adapter
from jitorch.device import device as Device
from jitorch.dispatch import METHODS, using
from jitorch.errors import TypeMismatch, current_loc
from jitorch.ir.core import Attr, Block, Op, Value
from jitorch.ir.dims import Dim, Shape, Sym, symbol, symbols
from jitorch.ir.facts import OPEN, names_a_size
from jitorch.ir.opdef import OpDef, result_types
from jitorch.ir.promotion import Operand
from jitorch.ir.types import DType, ScalarType, TensorType, Type, map_sizes, sizes_in


class Operators:
    """Python's operators as ops. Base of every object that stands for a tensor."""

    def __add__(self, other: Any) -> Any:
        return METHODS["add"](self, other)

    def __radd__(self, other: Any) -> Any:
        return METHODS["add"](other, self)

    def __sub__(self, other: Any) -> Any:
        return METHODS["sub"](self, other)

    def __rsub__(self, other: Any) -> Any:
        return METHODS["sub"](other, self)

    def __mul__(self, other: Any) -> Any:
        return METHODS["mul"](self, other)

    def __rmul__(self, other: Any) -> Any:
        return METHODS["mul"](other, self)

    def __truediv__(self, other: Any) -> Any:
        return METHODS["div"](self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return METHODS["div"](other, self)

    def __floordiv__(self, other: Any) -> Any:
        return METHODS["floor_divide"](self, other)

    def __rfloordiv__(self, other: Any) -> Any:
        return METHODS["floor_divide"](other, self)

    def __mod__(self, other: Any) -> Any:
        return METHODS["remainder"](self, other)

    def __rmod__(self, other: Any) -> Any:
        return METHODS["remainder"](other, self)

    def __pow__(self, other: Any) -> Any:
        return METHODS["pow"](self, other)

    def __rpow__(self, other: Any) -> Any:
        return METHODS["pow"](other, self)

    def __matmul__(self, other: Any) -> Any:
        return METHODS["matmul"](self, other)

    def __rmatmul__(self, other: Any) -> Any:
        return METHODS["matmul"](other, self)

    def __and__(self, other: Any) -> Any:
        return METHODS["bitwise_and"](self, other)

    def __rand__(self, other: Any) -> Any:
        return METHODS["bitwise_and"](other, self)

    def __or__(self, other: Any) -> Any:
        return METHODS["bitwise_or"](self, other)

    def __ror__(self, other: Any) -> Any:
        return METHODS["bitwise_or"](other, self)

    def __xor__(self, other: Any) -> Any:
        return METHODS["bitwise_xor"](self, other)

    def __rxor__(self, other: Any) -> Any:
        return METHODS["bitwise_xor"](other, self)

    def __lshift__(self, other: Any) -> Any:
        return METHODS["bitwise_left_shift"](self, other)

    def __rlshift__(self, other: Any) -> Any:
        return METHODS["bitwise_left_shift"](other, self)

    def __rshift__(self, other: Any) -> Any:
        return METHODS["bitwise_right_shift"](self, other)

    def __rrshift__(self, other: Any) -> Any:
        return METHODS["bitwise_right_shift"](other, self)

    def __neg__(self) -> Any:
        return METHODS["neg"](self)

    def __pos__(self) -> Any:
        return self

    def __abs__(self) -> Any:
        return METHODS["abs"](self)

    def __invert__(self) -> Any:
        return METHODS["bitwise_not"](self)

    def __eq__(self, other: object) -> Any:
        return METHODS["eq"](self, other)

    def __ne__(self, other: object) -> Any:
        return METHODS["ne"](self, other)

    def __lt__(self, other: Any) -> Any:
        return METHODS["lt"](self, other)

    def __le__(self, other: Any) -> Any:
        return METHODS["le"](self, other)

    def __gt__(self, other: Any) -> Any:
        return METHODS["gt"](self, other)

    def __ge__(self, other: Any) -> Any:
        return METHODS["ge"](self, other)

    __hash__ = object.__hash__


class Symbolic(Operators):
    """A value under construction, with the operators and methods of tensors."""

    __slots__ = ("value",)

    def __init__(self, value: Value) -> None:
        self.value = value

    @property
    def type(self) -> Type:
        return self.value.type

    @property
    def tensor_type(self) -> TensorType:
        t = self.value.type
        assert isinstance(t, TensorType), t
        return t

    @property
    def shape(self) -> Shape:
        return self.tensor_type.shape

    @property
    def dtype(self) -> DType:
        return self.tensor_type.dtype

    @property
    def ndim(self) -> int:
        return self.tensor_type.ndim

    @property
    def device(self) -> Device:
        return adapter.named(self.tensor_type.device)

    def __getattr__(self, name: str) -> Any:
        if name not in METHODS:
            raise AttributeError(name)
        fn = METHODS[name]
        return lambda *args, **kwargs: fn(self, *args, **kwargs)


class Builder:
    """Appends ops to the block being built. Fresh sizes keep clear of the names in `taken`."""

    def __init__(self, taken: set[str] | None = None) -> None:
        self.ops: list[Op] = []
        self.taken: set[str] = set() if taken is None else taken

    # What an interpreter does.

    def apply(self, op: OpDef, inputs: tuple[Any, ...], attrs: dict[str, Any]) -> Any:
        values = self.lower_inputs(op, inputs)
        outputs = self.emit(op.name, values, attrs)
        wrapped = tuple(self.wrap(v) for v in outputs)
        return wrapped[0] if len(wrapped) == 1 else wrapped

    def wrap(self, v: Value) -> Any:
        """Return the object that stands for `v` in composite functions."""
        return Symbolic(v)

    def unwrap(self, x: Any) -> Value | None:
        """Return the value that `x` stands for, None if it is a Python scalar or a size."""
        return x.value if isinstance(x, Symbolic) else None

    # Appending.

    def emit(
        self,
        name: str,
        inputs: Sequence[Value],
        attrs: dict[str, Attr] | None = None,
        *,
        hints: Sequence[str] = (),
        blocks: tuple[Block, ...] = (),
        types: Sequence[Type] | None = None,
    ) -> tuple[Value, ...]:
        """Append an op and return its outputs; `types` saves inferring them.

        Sizes that the op's type rule leaves open (`_`) get fresh symbols.
        """
        attrs = attrs or {}
        if types is None:
            types = result_types(name, [v.type for v in inputs], attrs)
        types = [map_sizes(t, self._named) for t in types]
        outputs = tuple(Value(t, hints[i] if i < len(hints) else "") for i, t in enumerate(types))
        self.ops.append(Op(name, tuple(inputs), outputs, attrs, blocks, current_loc()))
        return outputs

    def fresh(self, prefix: str = "u") -> Sym:
        """Return a symbol that is not in use yet."""
        names = (f"{prefix}{number}" for number in itertools.count())
        name = next(n for n in names if n not in self.taken and names_a_size(n))
        self.taken.add(name)
        return symbol(name)

    def _named(self, d: Dim) -> Dim:
        return self.fresh() if str(OPEN) in symbols(d) else d

    def emit1(
        self, name: str, inputs: Sequence[Value], attrs: dict[str, Attr] | None = None
    ) -> Value:
        """Append an op with one output and return that."""
        (out,) = self.emit(name, inputs, attrs)
        return out

    def constant(
        self, value: bool | int | float | complex | str | None, dtype: DType | None = None
    ) -> Value:
        """Append a constant: a 0-d tensor of `dtype`, or a scalar without one."""
        attrs: dict[str, Attr] = {"value": value}
        if dtype is not None:
            attrs["dtype"] = dtype
        return self.emit1("constant", (), attrs)

    def size(self, dim: Dim) -> Value:
        """Append the scalar value of a size expression."""
        return self.constant(dim) if isinstance(dim, int) else self.emit1("dim", (), {"value": dim})

    # Operands.

    def lower_inputs(self, op: OpDef, inputs: Sequence[Any]) -> list[Value]:
        """Return the inputs as values, converted to the operand dtype where the op asks for one."""
        values = [self.unwrap(x) for x in inputs]
        if op.promote is None or not any(
            v is not None and isinstance(v.type, TensorType) for v in values
        ):
            return [self.scalar(x) if v is None else v for x, v in zip(inputs, values, strict=True)]
        first = op.promote_from
        operands = [self.operand(x, v) for x, v in zip(inputs[first:], values[first:], strict=True)]
        dtype = op.promote(operands)
        head = [
            self.scalar(x) if v is None else v for x, v in zip(inputs[:first], values, strict=False)
        ]
        return head + [
            self.converted(x, v, dtype) for x, v in zip(inputs[first:], values[first:], strict=True)
        ]

    def operand(self, x: Any, v: Value | None) -> Operand:
        if v is None:
            return ScalarType("int") if isinstance(x, Sym) else x
        if isinstance(v.type, (TensorType, ScalarType)):
            return v.type
        raise TypeMismatch(f"expected a tensor or a number, got {v.type}")

    def scalar(self, x: Any) -> Value:
        if isinstance(x, (bool, int, float, complex, str, type(None), Sym)):
            return self.size(x) if isinstance(x, Sym) else self.constant(x)
        raise TypeMismatch(f"expected a tensor or a number, got {type(x).__name__}")

    def converted(self, x: Any, v: Value | None, dtype: DType) -> Value:
        """Return an operand as a tensor of `dtype`."""
        if v is None and not isinstance(x, Sym):
            return self.constant(x, dtype)
        if v is None:
            v = self.size(x)
        return self.cast(v, dtype)

    def cast(self, v: Value, dtype: DType) -> Value:
        """Return `v` as a tensor of `dtype`; a scalar becomes 0-d."""
        if isinstance(v.type, TensorType) and v.type.dtype is dtype:
            return v
        return self.emit1("cast", (v,), {"dtype": dtype})


def compose(
    op: OpDef, inputs: Sequence[Value], attrs: Mapping[str, Any], taken: set[str] | None = None
) -> tuple[list[Op], tuple[Value, ...]]:
    """Expand a composite op: return the ops it stands for and their results."""
    assert op.compose is not None
    made = expand(op.compose, inputs, attrs, taken)
    assert made is not None
    return made


def expand(
    how: Callable[..., Any],
    inputs: Sequence[Value],
    attrs: Mapping[str, Any],
    taken: set[str] | None = None,
) -> tuple[list[Op], tuple[Value, ...]] | None:
    """Return the ops that a function of tensors records, and its results; None where it gives None."""
    builder = Builder(taken)
    with using(builder):
        result = how(*map(Symbolic, inputs), **attrs)
    if result is None:
        return None
    results = result if isinstance(result, tuple) else (result,)
    return builder.ops, tuple(r.value for r in results)


def composed_types(op: OpDef, types: Sequence[Type], attrs: Mapping[str, Any]) -> tuple[Type, ...]:
    """Return the result types of a composite op by expanding it on values of the given types."""
    outside = {name for t in types for d in sizes_in(t) for name in symbols(d)}
    _, results = compose(op, [Value(t) for t in types], attrs, taken=set(outside))

    def reopened(d: Dim) -> Dim:
        return d if outside.issuperset(symbols(d)) else OPEN

    return tuple(map_sizes(v.type, reopened) for v in results)
