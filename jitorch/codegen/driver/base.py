"""What native drivers are made of: the argument table, the arena, and values from outside."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Union

from jitorch.codegen.compiled import CompiledKernel
from jitorch.codegen.driver.paired import PairedWrite
from jitorch.codegen.driver.values import Ref, Scalar, TensorRef, Unsupported
from jitorch.codegen.names import Names
from jitorch.codegen.strides import Strides
from jitorch.errors import Loc
from jitorch.ir.core import Op, Value, uses, walk
from jitorch.ir.dims import Dim, floordiv, product, python_source, substitute, symbols
from jitorch.ir.facts import plain
from jitorch.ir.opdef import OPS
from jitorch.ir.types import ScalarType, TensorType
from jitorch.passes.mutation import Mutation

_LINE = 64  # buffers start at cache lines


@dataclass(frozen=True)
class Failure:
    """What an error number means: an exception, its text with `{}` for two numbers, the place."""

    exception: str
    message: str
    loc: Loc


# What the plan puts in a slot of the driver's table.
@dataclass(frozen=True)
class Outer:
    """A value from outside the loop: an array's data, or a scalar."""

    value: Value


@dataclass(frozen=True)
class Known:
    """A size that is known outside."""

    symbol: str


@dataclass(frozen=True)
class OuterStride:
    """A stride, in elements, of an array from outside."""

    value: Value
    dim: int


@dataclass(frozen=True)
class Address:
    """The address of a compiled kernel."""

    kernel: CompiledKernel


@dataclass(frozen=True)
class Arena:
    """The working memory."""


@dataclass(frozen=True)
class Result:
    """Where result `index` of the loop goes: an array's data, a scalar, or the length of a list."""

    index: int


# The kernel of a fused op, given the strides of results that are parts of other tensors, and the
# operands that results are written over.
CompileKernel = Callable[[Op, Mapping[Value, Strides], Mapping[Value, Value]], CompiledKernel]

DriverSource = Union[Outer, Known, OuterStride, Address, Arena, Result, None]


@dataclass(frozen=True)
class DriverSlot:
    name: str
    kind: str  # "pointer", "int", "float"
    source: DriverSource


@dataclass(frozen=True)
class Driver:
    """A loop's native function: its source and what it is to be called with."""

    source: str
    slots: tuple[DriverSlot, ...]
    arena: Dim  # bytes
    failures: tuple[Failure, ...]
    appends: dict[int, int]  # result that is a list -> how many items an iteration appends at most
    given: dict[int, list[Value]]  # result -> tensors from outside whose memory it may be


@dataclass
class DriverText:
    """A driver being written."""

    loop_op: Op
    outside: dict[Value, Op]
    known: set[str]
    compile_kernel: CompileKernel
    names: Names = field(default_factory=Names)
    head: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    depth: int = 1
    loc: Loc | None = None
    env: dict[Value, Ref] = field(default_factory=dict)
    sizes: dict[str, str] = field(default_factory=dict)
    slots: dict[object, DriverSlot] = field(default_factory=dict)
    arena: Dim = 0
    failures: list[Failure] = field(default_factory=list)
    appends: dict[str, int] = field(default_factory=dict)  # by list buffer
    # value -> its two buffers, the one to write first
    place: dict[Value, tuple[str, str]] = field(default_factory=dict)
    forward: dict[Value, str] = field(default_factory=dict)  # value -> address to compute it at
    open: dict[str, Dim] = field(default_factory=dict)  # sizes that parameters leave open
    mutable: set[Value | None] = field(default_factory=set)  # tensors that the loop writes to
    # carried tensor -> the copy that is written next
    pairs: dict[Value | None, str] = field(default_factory=dict)
    # result of a kernel -> the tensor that it is a part of, and how
    parts: dict[Value, tuple[TensorRef, PairedWrite]] = field(default_factory=dict)
    # result of a kernel -> the carried tensor that it is written over
    renewed: dict[Value, Value] = field(default_factory=dict)
    checked: set[object] = field(default_factory=set)  # slices known to lie within their tensors
    messages: dict[Value, str] = field(default_factory=dict)  # strings

    def __post_init__(self) -> None:
        (body,) = self.loop_op.blocks
        self.uses = uses(body)
        self.made = {v: op for op in walk(body) for v in op.outputs}
        self.mutation = Mutation(self.loop_op)

    # Text.

    def is_fixed(self, d: Dim) -> bool:
        """Whether a size is known before the loop, so the same in every iteration."""
        return all(name in self.known for name in symbols(substitute(d, self.open)))

    def line(self, text: str) -> None:
        self.lines.append("    " * self.depth + text)

    def unsupported(self, why: str) -> Unsupported:
        return Unsupported(why, self.loc)

    def slot(self, key: object, name: str, kind: str, source: DriverSource) -> str:
        if key not in self.slots:
            self.slots[key] = DriverSlot(self.names.own(name), kind, source)
        return self.slots[key].name

    def size(self, d: Dim) -> str:
        for name in symbols(d):
            if name not in self.sizes:
                if name not in self.known:
                    raise self.unsupported(f"the size {name} is known only inside the loop")
                self.sizes[name] = self.slot(Known(name), f"size_{name}", "int", Known(name))
        return python_source(d, self.sizes)

    def fixed_size(self, d: Dim) -> str:
        """Return the text of a size that does not change while the loop runs."""
        if not self.is_fixed(d):
            raise self.unsupported(f"the size {d} changes from one iteration to the next")
        return self.size(substitute(d, self.open))

    def allocate(self, count: Dim, itemsize: int, name: str) -> str:
        """Return the name of the address of new working memory."""
        arena = self.slot(Arena(), "arena", "pointer", Arena())
        address = self.names.own(f"at_{name or 'buffer'}")
        self.head.append(f"{address} = {arena} + {self.fixed_size(self.arena)}")
        self.fixed_size(count)
        self.arena = self.arena + floordiv(count * itemsize + (_LINE - 1), _LINE) * _LINE
        return address

    def bytes(self, t: TensorType) -> str:
        return self.fixed_size(product(t.shape) * t.dtype.itemsize)

    # Values.

    def ref(self, v: Value) -> Ref:
        if v not in self.env:
            self.env[v] = self.from_outside(v)
        return self.env[v]

    def tensor(self, v: Value) -> TensorRef:
        found = self.ref(v)
        if not isinstance(found, TensorRef):
            raise self.unsupported(f"expected a tensor, got {v.type}")
        return found

    def scalar(self, v: Value) -> str:
        found = self.ref(v)
        if not isinstance(found, Scalar):
            raise self.unsupported(f"a {v.type} is not a number")
        return found.text

    def from_outside(self, v: Value) -> Ref:
        t = v.type
        op = self.outside.get(v)
        if isinstance(t, TensorType):
            if op is not None and OPS[op.name].view and t.strided:
                return self.view(op)
            address = self.slot(v, f"p_{v.hint or 'x'}", "pointer", Outer(v))
            strides = None
            if t.strided:
                strides = tuple(
                    self.slot((v, d), f"{v.hint or 'x'}_stride_{d}", "int", OuterStride(v, d))
                    for d in range(t.ndim)
                )
            return TensorRef(address, t, strides)
        if isinstance(t, ScalarType) and t.kind in ("int", "float", "bool"):
            if t.value is not None:
                return Scalar(self.size(t.value))
            kind = "float" if t.kind == "float" else "int"
            name = self.slot(v, self.names.new(v.hint or "scalar"), kind, Outer(v))
            return Scalar(f"({name} != 0)" if t.kind == "bool" else name)
        raise self.unsupported(f"a value of type {t} comes from outside")

    def fail(self, exception: str, message: str, first: str = "0", second: str = "0") -> None:
        """Write the way out with an error; to be put under a condition."""
        self.failures.append(Failure(exception, message, self.loc or Loc("", 0)))
        error = [self.slot(("error", k), f"error_{k}", "int", None) for k in range(3)]
        for number, value in zip(error, (str(len(self.failures)), first, second), strict=True):
            self.line(f"    set_i64(args, {number}, {value})")
        self.line("    return")

    def learn(self, t: ScalarType | object, text: str) -> None:
        """Give the symbol that a number's type has a text."""
        if isinstance(t, ScalarType) and t.value is not None:
            symbol = plain(t.value)
            if symbol is not None and symbol not in self.known:
                self.sizes[symbol] = text

    def view(self, op: Op) -> TensorRef:
        """Return what a view op shows; `ops` does it."""
        raise NotImplementedError
