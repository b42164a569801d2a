"""Helpers that make the common op a row of two or three lines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import numpy as np

from jitorch.dispatch import METHODS, apply, current, display
from jitorch.errors import TypeMismatch
from jitorch.ir.builder import Symbolic, composed_types
from jitorch.ir.opdef import OPS, OpDef, Scalar, register
from jitorch.ir.promotion import Promote, common, floating
from jitorch.ir.shapes import broadcast
from jitorch.ir.types import (
    DType,
    ScalarType,
    TensorType,
    Type,
    bool_,
    common_device,
    float16,
    float32,
)
from jitorch.ops.samples import Samples, binary_samples, unary_samples

P = ParamSpec("P")
R = TypeVar("R")
Result = Callable[[DType], DType]


def same(dtype: DType) -> DType:
    """The result has the operands' dtype."""
    return dtype


def truth(dtype: DType) -> DType:
    """The result is a truth value."""
    return bool_


def tensor_type(t: Type, op: str) -> TensorType:
    """Return `t` if it is a tensor's type. Raises TypeMismatch otherwise."""
    if not isinstance(t, TensorType):
        raise TypeMismatch(f"{op}: expected a tensor, got {t}")
    return t


# Public functions.

# NumPy's names of arguments, which PyTorch takes too.
_ALIASES = {"axis": "dim", "keepdims": "keepdim", "x": "input", "a": "input"}


# Names of the functions that have an in-place form besides those of the table.
INPLACE: set[str] = set()


def function(*methods: str, inplace: bool = False) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Publish a function of tensors, as methods of Tensor too under the names given.

    NumPy arrays among the arguments become tensors, and NumPy's names of arguments PyTorch's. A
    trailing underscore, which keeps a definition from hiding a builtin, is no part of the name.
    """

    def publish(fn: Callable[P, R]) -> Callable[P, R]:
        @wraps(fn)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            named = {_ALIASES.get(k, k): as_operand(v) for k, v in kwargs.items()}
            return fn(*map(as_operand, args), **named)

        call.__name__ = call.__qualname__ = fn.__name__.rstrip("_")
        for name in methods:
            METHODS[name] = call
        INPLACE.update(methods if inplace else ())
        return call

    return publish


def as_operand(x: Any) -> Any:
    """Return an array, or each array in a sequence, as a tensor; anything else as it is."""
    if isinstance(x, np.ndarray):
        return getattr(current(), "capture_array", display)(x)
    if type(x) in (list, tuple) and any(isinstance(i, np.ndarray) for i in x):
        return type(x)(map(as_operand, x))
    return x


def has_dtype(x: Any) -> bool:
    """Whether `x` stands for a tensor (not a number)."""
    if isinstance(x, Symbolic):
        return isinstance(x.type, TensorType)
    return isinstance(getattr(x, "dtype", None), DType)


def as_dtype(x: Any, dtype: DType | None) -> Any:
    """Return x converted to `dtype`, x itself for None."""
    return x if dtype is None or x.dtype is dtype else apply(OPS["cast"], x, dtype=dtype)


# Elementwise ops.


def elementwise_infer(
    name: str, result: Result, scalar: Scalar | None = None
) -> Callable[..., Type]:
    """Return the type rule of an elementwise op: operands broadcast; scalars only give a scalar.

    An op whose `scalar` has an expression for ints and none for floats is one that floats lack.
    """
    integral = scalar is not None and scalar.int is not None and scalar.float is None

    def infer(*types: Type) -> Type:
        tensors = [t for t in types if isinstance(t, TensorType)]
        if not tensors:
            return _scalar_result(name, types, result, integral)
        shown = ", ".join(map(str, types))
        if len(tensors) < len(types):
            raise TypeMismatch(f"{name}: can't mix tensors and scalars, got {shown}")
        if len({t.dtype for t in tensors}) > 1:
            raise TypeMismatch(f"{name}: operands differ in dtype: {shown}")
        shape = broadcast(*(t.shape for t in tensors))
        return TensorType(result(tensors[0].dtype), shape, device=common_device(tensors))

    return infer


_KINDS = ("bool", "int", "float", "complex")


def _scalar_result(name: str, types: Sequence[Type], result: Result, integral: bool) -> Type:
    kinds = [t.kind for t in types if isinstance(t, ScalarType)]
    taken, what = (_KINDS[:2], "ints") if integral else (_KINDS, "numbers")
    if len(kinds) < len(types) or any(k not in taken for k in kinds):
        shown = ", ".join(t.kind if isinstance(t, ScalarType) else str(t) for t in types)
        raise TypeMismatch(f"{name}: expected {what}, got {shown}")
    if result is truth:
        return ScalarType("bool")
    kind = max(kinds, key=_KINDS.index)
    return ScalarType("int" if kind == "bool" else kind)


def _publish(
    op: OpDef, fn: Callable[..., Any], doc: str, methods: Sequence[str]
) -> Callable[..., Any]:
    fn.__name__ = fn.__qualname__ = op.name
    fn.__doc__ = doc
    for name in (op.name, *methods):
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
    expression = Scalar(float=scalar) if isinstance(scalar, str) else scalar
    op = register(
        OpDef(
            name=name,
            eager=eager,
            infer=_unary_infer(name, promote, result, expression),
            promote=promote,
            scalar=expression,
            inplace=inplace,
            samples=samples or unary_samples(promote),
        )
    )

    def fn(input: Any) -> Any:
        return apply(op, input)

    return _publish(op, fn, doc, methods)


def _unary_infer(
    name: str, promote: Promote | None, result: Result, scalar: Scalar | None
) -> Callable[..., Type]:
    infer = elementwise_infer(name, result, scalar)
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
    """Register an elementwise op of two operands and return its public function.

    `scalar_result` is the kind of number that the op makes of Python numbers: by default the wider
    of theirs, but an int of two bools; "same" keeps bools too.
    """
    if isinstance(scalar, str):
        scalar = Scalar(float=scalar, int=scalar, bool=scalar)
    infer = elementwise_infer(name, result, scalar)

    def infer_scalar(a: Type, b: Type) -> Type:
        out = infer(a, b)
        if scalar_result is None or not isinstance(out, ScalarType):
            return out
        if scalar_result == "same":
            bools = all(isinstance(t, ScalarType) and t.kind == "bool" for t in (a, b))
            return ScalarType("bool") if bools else out
        return ScalarType(scalar_result)

    op = register(
        OpDef(
            name=name,
            eager=eager,
            infer=infer_scalar,
            promote=promote,
            scalar=scalar,
            commutative=commutative,
            inplace=inplace,
            samples=samples or binary_samples(promote),
        )
    )

    def fn(input: Any, other: Any) -> Any:
        return apply(op, input, other)

    return _publish(op, fn, doc, methods)


# Composite ops.


def composite(
    name: str, *, samples: Samples, inplace: bool = False
) -> Callable[[Callable[..., Any]], OpDef]:
    """Register a function of other ops as an op of its own: `body(*tensors, **attrs)`.

    It shows as one op in the graph until `passes/decompose.py` expands it. Half precision is
    computed in single and rounded once, at the end.
    """

    def mark(body: Callable[..., Any]) -> OpDef:
        def infer(*types: Type, **attrs: Any) -> Type | tuple[Type, ...]:
            found = composed_types(op, types, attrs)
            return found[0] if len(found) == 1 else found

        def eager(xp: Any, *args: Any, **attrs: Any) -> Any:
            raise AssertionError("composite ops run their body")

        op = register(
            OpDef(
                name=name,
                eager=eager,
                infer=infer,
                compose=_half_in_single(body),
                inplace=inplace,
                samples=samples,
            )
        )
        return op

    return mark


def _half_in_single(body: Callable[..., Any]) -> Callable[..., Any]:
    def is_half(x: Any) -> bool:
        return has_dtype(x) and x.dtype is float16

    @wraps(body)
    def compose(*inputs: Any, **attrs: Any) -> Any:
        floats = [x.dtype for x in inputs if has_dtype(x) and x.dtype.kind == "float"]
        if not floats or any(dtype is not float16 for dtype in floats):
            return body(*inputs, **attrs)
        wide = (as_dtype(x, float32) if is_half(x) else x for x in inputs)
        out = body(*wide, **attrs)
        if isinstance(out, tuple):
            return tuple(map(_single_to_half, out))
        return _single_to_half(out)

    return compose


def _single_to_half(x: Any) -> Any:
    return as_dtype(x, float16) if x.dtype is float32 else x


def composite_unary(name: str, body: Callable[[Any], Any], doc: str) -> Callable[[Any], Any]:
    """Register an elementwise function of one tensor, composed of others, and return it."""
    op = composite(name, samples=unary_samples(_float_only))(body)

    @function()
    def fn(input: Any) -> Any:
        return apply(op, input)

    fn.__name__ = fn.__qualname__ = name
    fn.__doc__ = doc
    return fn


def _float_only(operands: Sequence[Any]) -> DType:
    dtype = common(operands)
    if dtype.kind != "float":
        raise TypeMismatch("expected a floating-point tensor")
    return dtype
