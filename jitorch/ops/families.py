"""Helpers that make the common op a row of two or three lines."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jitorch.dispatch import METHODS, apply
from jitorch.errors import TypeMismatch
from jitorch.ir.builder import composed_types
from jitorch.ir.opdef import OpDef, Scalar, register
from jitorch.ir.promotion import Promote, common, floating
from jitorch.ir.shapes import broadcast
from jitorch.ir.types import DType, ScalarType, TensorType, Type, bool_

Result = Callable[[DType], DType]
Samples = Callable[[], Sequence[tuple[Sequence[Any], Mapping[str, Any]]]]


def same(dtype: DType) -> DType:
    return dtype


def truth(dtype: DType) -> DType:
    return bool_


def tensor_type(t: Type, op: str) -> TensorType:
    """Return `t` if it is a tensor's type. Raises TypeMismatch otherwise."""
    if not isinstance(t, TensorType):
        raise TypeMismatch(f"{op}: expected a tensor, got {t}")
    return t


def elementwise_infer(name: str, result: Result) -> Callable[..., Type]:
    """Return the type rule of an elementwise op: operands broadcast; all-scalar operands give a scalar."""

    def infer(*types: Type) -> Type:
        tensors = [t for t in types if isinstance(t, TensorType)]
        if not tensors:
            return _scalar_result(name, types, result)
        if len(tensors) < len(types):
            raise TypeMismatch(f"{name}: can't mix tensors and scalars, got {', '.join(map(str, types))}")
        if len({t.dtype for t in tensors}) > 1:
            raise TypeMismatch(f"{name}: operands differ in dtype: {', '.join(map(str, types))}")
        shape = broadcast(*(t.shape for t in tensors))
        return TensorType(result(tensors[0].dtype), shape, device=tensors[0].device)

    return infer


_KINDS = ("bool", "int", "float", "complex")


def _scalar_result(name: str, types: Sequence[Type], result: Result) -> Type:
    kinds = [t.kind for t in types if isinstance(t, ScalarType)]
    if len(kinds) < len(types) or any(k not in _KINDS for k in kinds):
        raise TypeMismatch(f"{name}: expected numbers, got {', '.join(map(str, types))}")
    if result is truth:
        return ScalarType("bool")
    kind = max(kinds, key=_KINDS.index)
    return ScalarType("int" if kind == "bool" else kind)


def _publish(op: OpDef, fn: Callable[..., Any], doc: str, methods: Sequence[str]) -> Callable[..., Any]:
    fn.__name__ = fn.__qualname__ = op.name
    fn.__doc__ = doc
    for name in methods:
        METHODS[name] = fn
    return fn


def unary(
    name: str,
    eager: Callable[[Any, Any], Any],
    scalar: str | Scalar | None,
    doc: str,
    *,
    promote: Promote | None = floating,
    result: Result = same,
    samples: Samples | None = None,
    inplace: bool = True,
    methods: Sequence[str] = (),
) -> Callable[[Any], Any]:
    """Register an elementwise op of one operand and return its public function."""
    op = register(
        OpDef(
            name=name,
            eager=eager,
            infer=_unary_infer(name, promote, result),
            promote=promote,
            scalar=Scalar(float=scalar) if isinstance(scalar, str) else scalar,
            inplace=inplace,
            samples=samples,
        )
    )

    def fn(x: Any) -> Any:
        return apply(op, x)

    return _publish(op, fn, doc, (name, *methods))


def _unary_infer(name: str, promote: Promote | None, result: Result) -> Callable[..., Type]:
    infer = elementwise_infer(name, result)
    if promote is not floating:
        return infer

    def floating_infer(x: Type) -> Type:
        # math.exp(2) is a float, also for a scalar that no promotion has touched.
        if isinstance(x, ScalarType) and x.kind in _KINDS:
            return ScalarType("bool" if result is truth else "float")
        return infer(x)

    return floating_infer


def binary(
    name: str,
    eager: Callable[[Any, Any, Any], Any],
    scalar: str | Scalar | None,
    doc: str,
    *,
    promote: Promote = common,
    result: Result = same,
    scalar_result: str | None = None,
    commutative: bool = False,
    samples: Samples | None = None,
    inplace: bool = True,
    methods: Sequence[str] = (),
) -> Callable[[Any, Any], Any]:
    """Register an elementwise op of two operands and return its public function."""
    infer = elementwise_infer(name, result)

    def infer_scalar(a: Type, b: Type) -> Type:
        out = infer(a, b)
        return ScalarType(scalar_result) if scalar_result and isinstance(out, ScalarType) else out

    op = register(
        OpDef(
            name=name,
            eager=eager,
            infer=infer_scalar,
            promote=promote,
            scalar=Scalar(float=scalar, int=scalar, bool=scalar) if isinstance(scalar, str) else scalar,
            commutative=commutative,
            inplace=inplace,
            samples=samples,
        )
    )

    def fn(x: Any, y: Any) -> Any:
        return apply(op, x, y)

    return _publish(op, fn, doc, (name, *methods))


def composite(name: str, *, inplace: bool = False, samples: Samples | None = None) -> Callable[..., OpDef]:
    """Register a function of other ops as an op of its own: `body(*tensors, **attrs)`.

    It shows as one op in the graph until `passes/decompose.py` expands it.
    """

    def mark(body: Callable[..., Any]) -> OpDef:
        def infer(*types: Type, **attrs: Any) -> Type | tuple[Type, ...]:
            found = composed_types(op, types, attrs)
            return found[0] if len(found) == 1 else found

        def eager(xp: Any, *args: Any, **attrs: Any) -> Any:
            raise AssertionError("composite ops run their body")

        op = register(
            OpDef(name=name, eager=eager, infer=infer, compose=body, inplace=inplace, samples=samples)
        )
        return op

    return mark
