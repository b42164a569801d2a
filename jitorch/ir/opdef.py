"""`OpDef`: everything about one op, and `OPS`, the table of them.

A pass asks the entry for facts (`pure`, `scalar`, `reduce`, ...) and never names ops itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jitorch.ir.promotion import Promote
from jitorch.ir.types import DType, Type

Infer = Callable[..., Type | tuple[Type, ...]]
Axes = tuple[int | None, ...]
Walks = tuple[tuple[int | None, int], ...]


@dataclass(frozen=True, kw_only=True)
class Scalar:
    """The expression of an elementwise op inside a kernel, by kind of operand (`{0}`, `{1}`).

    The names in it are those of `codegen/vecmath.py` and `codegen/intrinsics.py`. None means the op
    has no kernel for operands of that kind.
    """

    float: str | None = None
    int: str | None = None
    bool: str | None = None

    def text(self, dtype: DType) -> str | None:
        """Return the expression for operands of `dtype`."""
        found: str | None = getattr(self, dtype.kind, None)
        return found


ITSELF = Scalar(float="{0}", int="{0}", bool="{0}")


@dataclass(frozen=True, kw_only=True)
class Reduce:
    """A reduction as a fold: `acc = init`, then `acc = step` for each element.

    `init` is an expression by kind of element ("inf", "0"), and what no elements give; `step` uses
    `{acc}` and `{x}`.
    """

    init: Callable[[DType], str]
    step: Callable[[DType], str]


@dataclass(frozen=True, kw_only=True)
class Scan:
    """A running fold along `dim`: each result is the one before it, `init` at first, and an element.

    `init` is an expression by kind of element, None where there is no kernel. `step` puts the two
    together: "add" or "mul". `joined` are the kinds whose elements may be folded in parts, and then
    the parts: sums do (but for rounding), products of floats overflow on the way.
    """

    init: Scalar
    step: str
    joined: tuple[str, ...]

    def joins(self, dtype: DType) -> bool:
        """Whether elements of `dtype` may be folded in parts."""
        return dtype.kind in self.joined


@dataclass(frozen=True, kw_only=True)
class Picks:
    """How an op picks elements of its first operand; the others are tensors of indices, which broadcast.

    dims   for each index the dimension of the first operand that it counts along
    walks  for each dimension of the first operand the dimension of the result that walks along it;
           None where an index picks
    at     the first dimension of the result that is one of the indices'
    back   whether negative indices count from the end
    """

    dims: tuple[int, ...]
    walks: Axes
    at: int
    back: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class OpDef:
    """One op.

    name      key of `OPS` and its name in IR text
    eager     the meaning: `eager(xp, *arrays, **attrs)` on an array module (NumPy, CuPy)
    infer     types of the results from the types of the inputs and the attributes; raises on misuse
    promote   the dtype that the inputs from `promote_from` on are converted to; None: as they are
    scalar    its expression inside a fused kernel, which makes it elementwise
    reduce    its fold, which makes it a fusible reduction (attributes `dim`, `keepdim`)
    scan      its running fold along the attribute `dim`, which gives it a kernel of its own
    filters   slides filters over its operand: a convolution, which has a kernel of its own
    axes      for ops that only rename dimensions: `axes(input_type, **attrs)` tells which input
              dimension each result dimension is (None: a new one of size 1, or a broadcast); free
              inside a kernel
    counts    each element of the result is its own number, in the order of memory; free inside a
              kernel
    fills     `fills(**attrs)`: the number that all elements of the result are, None if it does not say;
              free inside a kernel
    picks     `picks(*input_types, **attrs)`: how it picks elements by indices, None if it does not; its
              kernel tells of an index beyond the end when it is done
    joins     `joins(**attrs)`: the dimension along which the operands lie side by side in the result
    view      whether the result shares memory with the first input
    walks     for views that are no renaming: `walks(input_type, **attrs)` tells for each result
              dimension which input dimension it walks along, and in what steps
    compose   for composite ops: the op written in other ops; gives `eager` and `infer`
    lowered   for ops that a library carries out: `lowered(*inputs, **attrs)` is the op written in ops
              that fuse; None where the library does better
    pure      no side effect and the same result each time: may be merged, moved and dropped
    seen      for side effects: whether the user sees if it happened, so that kernels which may raise
              stay on their side of it
    total     never raises at run time on inputs that its type rule takes, so may run where it was
              not asked to; None: as is usual for its family (see `never_raises`)
    commutative  operands may be exchanged
    inplace   PyTorch has `name_` on tensors
    samples   inputs for the generic tests: a function returning a list of (args, attrs)
    """

    name: str
    eager: Callable[..., Any]
    infer: Infer
    promote: Promote | None = None
    promote_from: int = 0
    scalar: Scalar | None = None
    reduce: Reduce | None = None
    scan: Scan | None = None
    filters: bool = False
    axes: Callable[..., Axes] | None = None
    counts: bool = False
    fills: Callable[..., bool | int | float | None] | None = None
    picks: Callable[..., Picks | None] | None = None
    joins: Callable[..., int] | None = None
    view: bool = False
    walks: Callable[..., Walks] | None = None
    compose: Callable[..., Any] | None = None
    lowered: Callable[..., Any] | None = None
    pure: bool = True
    seen: bool = False
    total: bool | None = None
    commutative: bool = False
    inplace: bool = False
    samples: Callable[[], Sequence[tuple[Sequence[Any], Mapping[str, Any]]]] | None = None

    @property
    def elementwise(self) -> bool:
        return self.scalar is not None

    def walked(self, x: Type, attrs: Mapping[str, Any]) -> Walks | None:
        """Return what each dimension of a view of `x` walks along, if the entry tells."""
        if self.walks is not None:
            return self.walks(x, **attrs)
        if self.axes is None or not self.view:
            return None
        return tuple((d, 1) for d in self.axes(x, **attrs))

    @property
    def moves(self) -> bool:
        """Whether it computes nothing: its results are its operand's elements."""
        return self.scalar == ITSELF

    @property
    def never_raises(self) -> bool:
        """Whether the op succeeds on all tensors that its type rule takes."""
        if self.total is not None:
            return self.total
        return self.elementwise or self.reduce is not None or self.axes is not None


OPS: dict[str, OpDef] = {}


def register(op: OpDef) -> OpDef:
    """Add the op to the table and return it. Raises ValueError if the name is taken."""
    if op.name in OPS:
        raise ValueError(f"op '{op.name}' is registered twice")
    OPS[op.name] = op
    return op


def result_types(name: str, inputs: Sequence[Type], attrs: Mapping[str, Any]) -> tuple[Type, ...]:
    """Return the result types of the op called `name`."""
    types = OPS[name].infer(*inputs, **attrs)
    return types if isinstance(types, tuple) else (types,)
