"""From a fused graph to a plan: a Python function, written as source, that runs it.

    def softmax_plan(args):
        x, = args
        n = x.shape[0]
        m = x.shape[1]
        y = empty((n, m), float32)
        launch(id(pack_0(kernel_0, n, ...)) + BYTES, 0, 0)   # fused
        return [y]

Kernels are launched, everything else (views, library calls, lists) is done by the op's `eager`,
control flow is Python's. Straight-line source has no dispatch cost, can be read, and its line
numbers lead from a run-time error to the user's line.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from jitorch.codegen.admit import as_scalar, as_tensor, handed_back, writable
from jitorch.codegen.names import Names
from jitorch.errors import Loc, LocatedError, PassError, raised_note
from jitorch.ir.core import Attr, Block, Graph, Op, Value, free_values, uses
from jitorch.ir.dims import Dim, Sym, python_source, symbols
from jitorch.ir.facts import plain
from jitorch.ir.opdef import OPS, OpDef
from jitorch.ir.types import DType, ListType, ScalarType, TensorType, TupleType, Type
from jitorch.passes.memory import MemoryPlan, plan_memory, same_elements

# Scalar arithmetic that Python's operators do as the ops mean it.
_INFIX = {
    "add": "+", "sub": "-", "mul": "*",
    "eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">=",
}  # fmt: skip

KernelStep = Callable[["PlanWriter", Op], None]
LoopStep = Callable[["PlanWriter", Op], bool]
ScanStep = Callable[["PlanWriter", Op], bool]
Library = Callable[[OpDef], Callable[..., Any]]


@dataclass
class Plan:
    """The source of a plan, what its names stand for, and the user's place of each line."""

    name: str
    source: str
    scope: dict[str, Any] = field(repr=False)
    locs: dict[int, Loc] = field(repr=False)
    memory: MemoryPlan

    def compile(self) -> Callable[[Sequence[Any]], list[Any]]:
        """Return the function."""
        exec(compile(self.source, f"<jitorch {self.name}>", "exec"), self.scope)
        # Not left in its own globals: without that cycle the function and its kernels go at once.
        function: Callable[[Sequence[Any]], list[Any]] = self.scope.pop(self.name)
        return function

    def locate(self, error: Exception, function: Callable[..., Any]) -> None:
        """Say which of the user's lines an error that the plan's function raised comes from."""
        loc = self._place(error, function)
        if loc is None:
            return
        if isinstance(error, LocatedError):
            error.loc = error.loc if error.loc.known else loc
        elif not getattr(error, "__notes__", None):
            error.add_note(raised_note(loc))

    def _place(self, error: Exception, function: Callable[..., Any]) -> Loc | None:
        place, trace = None, error.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code is function.__code__:
                place = self.locs.get(trace.tb_lineno, place)
            trace = trace.tb_next
        return place


@dataclass
class _Line:
    depth: int
    text: str
    loc: Loc | None
    binds: str = ""  # the line is left out if nothing uses this symbol


@dataclass
class PlanWriter:
    """Writes the plan of one graph.

    `kernel_step` writes the launch of a `fused` op; `loop_step` and
    `scan_step` a loop and a running fold as native code, if they can. `library_call` gives the
    function that stands for any other op.
    """

    graph: Graph
    kernel_step: KernelStep
    loop_step: LoopStep
    scan_step: ScanStep
    library_call: Library = field(default=lambda definition: definition.eager)
    lines: list[_Line] = field(default_factory=list)
    depth: int = 1
    loc: Loc | None = None
    names: Names = field(default_factory=Names)
    of: dict[Value, str] = field(default_factory=dict)
    sizes: dict[str, str] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    scope: dict[str, Any] = field(default_factory=lambda: dict(BASE))
    made: dict[Value, Op] = field(default_factory=dict)
    rows: dict[Value, str] = field(
        default_factory=dict
    )  # lists whose items are the rows of an array
    joined: dict[Op, str] = field(default_factory=dict)  # what joins tensors -> its memory
    placed: set[Value] = field(default_factory=set)  # tensors that lie in memory so named

    def __post_init__(self) -> None:
        self.names.taken.update(self.scope)
        self.memory = plan_memory(self.graph)
        self.only_stacked = only_stacked(self.graph)
        self.uses = uses(self.graph.block)
        self.maker = {v: op for op in self.graph.walk() for v in op.outputs}

    def write(self) -> Plan:
        name = self.names.own(f"{self.graph.name}_plan")
        params = [self.define(v) for v in self.graph.params]
        if params:
            self.line(f"{', '.join(params)}{',' * (len(params) == 1)} = args")
        for v in self.graph.params:
            self.bind(v.type, self.of[v])
        self.block(self.graph.block)
        self.line(f"return [{', '.join(self.of[v] for v in self.graph.results)}]")
        return self.finish(name)

    def finish(self, name: str) -> Plan:
        kept = [line for line in self.lines if not line.binds or line.binds in self.used]
        text = [f"def {name}(args):"] + ["    " * line.depth + line.text for line in kept]
        locs = {
            i: line.loc for i, line in enumerate(kept, 2) if line.loc is not None and line.loc.known
        }
        return Plan(name, "\n".join(text) + "\n", self.scope, locs, self.memory)

    # Lines and names.

    def line(self, text: str) -> None:
        self.lines.append(_Line(self.depth, text, self.loc))

    @contextmanager
    def indented(self, head: str) -> Iterator[None]:
        self.line(head)
        known = dict(self.sizes)
        self.depth += 1
        yield
        self.depth -= 1
        self.sizes = known

    def define(self, v: Value) -> str:
        self.of[v] = self.names.new(v.hint)
        return self.of[v]

    def constant(self, wanted: str, value: Any) -> str:
        """Return a name for an object that the plan uses."""
        name = self.names.own(wanted)
        self.scope[name] = value
        return name

    def shared(self, wanted: str, value: Any) -> str:
        """As `constant`, with one name for an object at all its uses."""
        key = "shared", id(value)
        if key not in self.names.of:
            self.names.of[key] = self.constant(wanted, value)
        return self.names.of[key]

    def dtype(self, dtype: DType) -> str:
        self.scope[f"dtype_{dtype.tag}"] = dtype.numpy
        return f"dtype_{dtype.tag}"

    # Sizes.

    def bind(self, t: Type, text: str) -> None:
        """Give the symbols that stand alone in a type, and are new here, their values."""
        match t:
            case TensorType(shape=shape):
                for i, d in enumerate(shape):
                    self.bind_symbol(d, f"{text}.shape[{i}]")
            case ScalarType(value=value) if value is not None:
                self.bind_symbol(value, text)
            case TupleType(items):
                for i, item in enumerate(items):
                    self.bind(item, f"{text}[{i}]")
            case ListType(TensorType(shape=shape)):
                for i, d in enumerate(shape):
                    self.bind_symbol(d, f"{text}[0].shape[{i}] if {text} else 0")

    def bind_symbol(self, d: Dim, text: str) -> None:
        symbol = plain(d)
        if symbol is not None and symbol not in self.sizes:
            self.sizes[symbol] = self.names.own(f"size_{symbol}")
            self.lines.append(_Line(self.depth, f"{self.sizes[symbol]} = {text}", self.loc, symbol))

    def size(self, d: Dim) -> str:
        """Return the text of a size expression."""
        self.used.update(symbols(d))
        return python_source(d, self.sizes)

    def shape(self, t: TensorType) -> str:
        return f"({', '.join(map(self.size, t.shape))}{',' * (len(t.shape) == 1)})"

    def attribute(self, value: Attr) -> str:
        """Return the text of an attribute, with its size expressions worked out."""
        if isinstance(value, Sym):
            return self.size(value)
        if isinstance(value, tuple):
            return f"({', '.join(map(self.attribute, value))}{',' * (len(value) == 1)})"
        if isinstance(value, DType):
            return self.constant(f"dtype_{value.tag}_", value)
        if isinstance(value, (int, str, bool, type(None))):
            return repr(value)
        return self.constant("value", value)

    # Ops.

    def block(self, block: Block) -> None:
        dying = last_uses(block)
        for op, gone in zip(block.ops, dying, strict=True):
            outer, self.loc = self.loc, op.loc if op.loc.known else self.loc
            self.op(op)
            self.made.update((v, op) for v in op.outputs)
            names = [self.of[v] for v in gone if isinstance(v.type, TensorType)]
            if names and op is not block.ops[-1]:
                self.line(f"del {', '.join(names)}")
            self.loc = outer

    def op(self, op: Op) -> None:
        match op.name:
            case "if":
                self.branch(op)
            case "loop":
                if not self.loop_step(self, op):
                    self.loop(op)
            case "append" if op in self.memory.in_place:
                self.of[op.output] = self.of[op.inputs[0]]
                self.line(f"{self.of[op.output]}.append({self.of[op.inputs[1]]})")
            case "write" if op in self.memory.in_place:
                self.write_in_place(op)
            case "list_stack" if op.inputs[0] in self.rows and op.attrs["dim"] == 0:
                self.stack_rows(op)
            case "fused":
                self.kernel_step(self, op)
            case _ if op in self.joined:
                self.join(op)
            case name if OPS[name].scan is not None:
                if not self.scan_step(self, op):
                    self.library(op)
            case "dim":
                self.assign(op, self.attribute(op.attrs["value"]))
            case "constant" if isinstance(op.output.type, ScalarType):
                self.assign(op, self.attribute(op.attrs["value"]))
            case name if name in _INFIX and self.on_scalars(op):
                a, b = (self.of[v] for v in op.inputs)
                self.assign(op, f"{a} {_INFIX[name]} {b}")
            case _:
                self.library(op)

    def on_scalars(self, op: Op) -> bool:
        """Whether all operands are ints and floats, for which the op is Python's operator."""
        return all(
            isinstance(v.type, ScalarType) and v.type.kind in ("int", "float") for v in op.inputs
        )

    def assign(self, op: Op, text: str) -> None:
        name = self.define(op.output)
        self.line(f"{name} = {text}")
        self.bind(op.output.type, name)

    def library(self, op: Op) -> None:
        """Write a call of the op's `eager`, or of what does the same in compiled code."""
        definition = OPS[op.name]
        if definition.compose is not None:
            raise PassError(f"'{op.name}' is a composite op: run the pass 'decompose' first")
        scalars = definition.promote is not None and all(
            isinstance(v.type, ScalarType) for v in op.inputs
        )
        function = self.function(op)
        call = self.constant(f"op_{op.name}", as_scalar(function) if scalars else function)
        attrs = [f"{k}={self.attribute(a)}" for k, a in op.attrs.items()]
        operands = [self.operand(op, v) for v in op.inputs]
        text = f"{call}({', '.join([self.module(op), *operands, *attrs])})"
        if not op.outputs:
            self.line(text)
            return
        names = [self.define(v) for v in op.outputs]
        self.line(f"{', '.join(names)} = {text}")
        for v, name in zip(op.outputs, names, strict=True):
            self.admit(v, name, definition.view)
            self.bind(v.type, name)

    def function(self, op: Op) -> Callable[..., Any]:
        """Return the function that carries out an op of the library."""
        return self.library_call(OPS[op.name])

    def module(self, op: Op) -> str:
        """Return the name of the array module that carries out an op."""
        return "np"

    def operand(self, op: Op, v: Value) -> str:
        """Return the text of an operand, where the op is carried out."""
        return self.of[v]

    # Tensors that are made where they will be joined.

    def new_memory(self, v: Value) -> str:
        """Return the text of memory of its own for a tensor."""
        assert isinstance(v.type, TensorType)
        return f"empty({self.shape(v.type)}, {self.dtype(v.type.dtype)})"

    def memory_for(self, v: Value) -> str:
        """Return the text of memory for the result of a kernel: where it is joined, or of its own."""
        t = v.type
        assert isinstance(t, TensorType)
        op = self.memory.parts.get(v)
        if op is None or not self.has_sizes(op.output.type):
            return self.new_memory(v)
        if op not in self.joined:
            self.joined[op] = self.names.own(f"joined_{op.output.hint or 'parts'}")
            self.line(f"{self.joined[op]} = {self.new_memory(op.output)}")
        self.placed.add(v)
        place = next(k for k, x in enumerate(op.inputs) if self.root(x) is v)
        part = self.part(op, place)
        return part if op.inputs[place] is v else f"{part}.reshape({self.shape(t)})"

    def has_sizes(self, t: Type) -> bool:
        """Whether all sizes of a tensor are known at this line."""
        assert isinstance(t, TensorType)
        return all(name in self.sizes for d in t.shape for name in symbols(d))

    def root(self, v: Value) -> Value:
        """Return the tensor that has the same elements in the same order, but for sizes of 1."""
        return same_elements(v, self.maker)[-1]

    def part(self, op: Op, k: int) -> str:
        """Return the text of the part of the joined memory that operand `k` has."""
        joins = OPS[op.name].joins
        assert joins is not None
        dim = joins(**op.attrs)
        ends: list[Dim] = [0]
        for v in op.inputs[: k + 1]:
            assert isinstance(v.type, TensorType)
            ends.append(ends[-1] + v.type.shape[dim])
        return f"{self.joined[op]}[{':, ' * dim}{self.size(ends[k])}:{self.size(ends[k + 1])}]"

    def join(self, op: Op) -> None:
        """Write the rest of what is joined to where some parts were made."""
        for k, v in enumerate(op.inputs):
            if self.root(v) not in self.placed:
                self.line(f"{self.part(op, k)} = {self.of[v]}")
        self.of[op.output] = self.joined[op]
        self.bind(op.output.type, self.joined[op])

    def write_in_place(self, op: Op) -> None:
        """Write an assignment to what a view shows."""
        base, new = (self.operand(op, v) for v in op.inputs)
        view = op.attrs["view"]
        assert isinstance(view, str)
        call = self.constant(f"op_{view}", OPS[view].eager)
        attrs = [f"{k}={self.attribute(a)}" for k, a in op.attrs.items() if k != "view"]
        self.line(f"writable({call}({', '.join([self.module(op), base, *attrs])}))[...] = {new}")
        self.line(f"{self.define(op.output)} = {base}")

    def stack_rows(self, op: Op) -> None:
        """Write the stacking of a list whose items lie in one array already."""
        name, rows = self.define(op.output), self.rows[op.inputs[0]]
        none = f"{self.constant('stack', OPS[op.name].eager)}(np, [], dim=0)"
        # The rows are the stack itself, unless the list or another stack has them too.
        own = op.inputs[0] in self.only_stacked and self.uses[op.inputs[0]] == 1
        self.line(f"{name} = {rows if own else f'{rows}.copy()'} if len({rows}) else {none}")
        self.bind(op.output.type, name)

    def admit(self, v: Value, name: str, view: bool) -> None:
        """Write what makes a result have exactly its type."""
        match v.type:
            case TensorType(dtype=dtype, strided=strided) if not view:
                fit = self.admission(v.type)
                self.line(f"{name} = {fit}({name}, {self.dtype(dtype)}, {strided})")
            case ScalarType(kind="int" | "float" | "bool" as kind):
                self.line(f"{name} = {kind}({name})")

    def copy(self, t: Type, text: str) -> str:
        """Return the text of a copy of an array."""
        return f"{text}.copy()"

    def admission(self, t: TensorType) -> str:
        """Return the name of the function that makes an array exactly one of a type."""
        return "as_tensor"

    # Control flow.

    def branch(self, op: Op) -> None:
        names = [self.names.new(v.hint) for v in op.outputs]
        with self.indented(f"if {self.of[op.inputs[0]]}:"):
            self.inner(op.blocks[0], names)
        with self.indented("else:"):
            self.inner(op.blocks[1], names)
        self.close(op, names)

    def inner(self, block: Block, names: Sequence[str]) -> None:
        self.block(block)
        if names:
            values = ", ".join(self.of[v] for v in block.results)
            self.line(f"{', '.join(names)} = {values}")
        else:
            self.line("pass")

    def close(self, op: Op, names: Sequence[str]) -> None:
        for v, name in zip(op.outputs, names, strict=True):
            self.of[v] = name
            self.bind(v.type, name)

    def loop(self, op: Op) -> None:
        (body,) = op.blocks
        trips, condition, *carried = (self.of[v] for v in op.inputs)
        names = [self.names.new(v.hint) for v in body.params[1:]]
        if names:
            starts = [
                self.copy(v.type, x) if v in self.memory.own else x
                for v, x in zip(body.params[1:], carried, strict=True)
            ]
            self.line(f"{', '.join(names)} = {', '.join(starts)}")
        going = self.names.own("going")
        index = self.define(body.params[0])
        self.line(f"{going} = {condition}")
        self.line(f"{index} = 0")
        with self.indented(f"while {index} < {trips} and {going}:"):
            for v, name in zip(body.params[1:], names, strict=True):
                self.of[v] = name
            for v in body.params:
                self.bind(v.type, self.of[v])
            self.block(body)
            values = ", ".join(self.of[v] for v in body.results)
            self.line(f"{', '.join([going, *names])} = {values}")
            self.line(f"{index} += 1")
        self.close(op, names)


# What every plan may use.
BASE: Mapping[str, Any] = {
    "np": np,
    "empty": np.empty,
    "inf": math.inf,
    "nan": math.nan,
    "as_tensor": as_tensor,
    "handed_back": handed_back,
    "writable": writable,
}


def only_stacked(graph: Graph) -> set[Value]:
    """Return the lists that only `list_stack` along dimension 0 uses: they need not exist."""
    lists = {v for op in graph.walk() for v in op.outputs if isinstance(v.type, ListType)}
    for block in [graph.block, *(b for op in graph.walk() for b in op.blocks)]:
        lists -= set(block.results)
        for op in block.ops:
            if op.name != "list_stack" or op.attrs["dim"] != 0:
                lists -= set(op.inputs)
    return lists


def last_uses(block: Block) -> list[list[Value]]:
    """Return, for each op, the values of the block that nothing uses after it.

    A view keeps what it shows, which a native loop may read itself.
    """
    last: dict[Value, int] = {}
    for i, op in enumerate(block.ops):
        inside = [v for inner in op.blocks for v in free_values(inner)]
        for v in (*op.inputs, *inside, *op.outputs):
            last[v] = i
    for op in reversed(block.ops):
        if OPS[op.name].view:
            last[op.inputs[0]] = max(last[op.inputs[0]], last[op.output])
    own = {v for op in block.ops for v in op.outputs} - set(block.results)
    dying: list[list[Value]] = [[] for _ in block.ops]
    for v, i in last.items():
        if v in own:
            dying[i].append(v)
    return dying
