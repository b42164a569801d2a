"""Plans for a GPU: Python functions that launch kernels, and leave the rest to the array library.

    def softmax_plan(args):
        x, = args
        size_n = x.shape[0]
        size_m = x.shape[1]
        y = empty((size_n, size_m), dtype_f32)
        fused_844e97b2c3ac(((size_n, size_m),), (address(x), address(y)), (size_n, size_m))
        return [y]

As for the CPU (`codegen/plan.py`), control flow is Python's, and views and library ops are the ops'
`eager` functions, on the GPU's array module. Loops stay in the plan.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from jitorch.codegen.cuda.compiled import kernel_of
from jitorch.codegen.cuda.printer import CudaSource
from jitorch.codegen.cuda.runtime import Kernel, Machine
from jitorch.codegen.kernel import Input, Number, Output, Scratch, Size, Slot, Stride
from jitorch.codegen.plan import BASE, Plan, PlanWriter, check_empty
from jitorch.codegen.strides import makers
from jitorch.ir.core import Graph, Op, Value
from jitorch.ir.types import BY_TAG, TensorType


@dataclass
class Program:
    """A graph that runs on a machine."""

    graph: Graph
    plan: Plan
    sources: Sequence[CudaSource]
    function: Callable[[Sequence[Any]], list[Any]]

    def run(self, args: Sequence[Any]) -> list[Any]:
        """Run on the machine's arrays and Python scalars; return a list of results."""
        return self.function(args)


def compile_graph(graph: Graph, machine: Machine) -> Program:
    """Return the program of a fused graph, its kernels loaded."""
    steps = _Steps(machine, graph)
    xp = machine.xp
    scope = {
        **BASE,
        "np": xp,
        "empty": xp.empty,
        "address": machine.address,
        "as_tensor": _as_tensor(xp),
        "writable": lambda view: view,  # on a GPU every view is
    }
    plan = PlanWriter(graph, steps.kernel, lambda *_: False, steps.scan, scope=scope).write()
    sources = [kernel.source for kernel in steps.kernels.values()]
    return Program(graph, plan, sources, plan.compile())


def _as_tensor(xp: Any) -> Callable[[Any, Any, bool], Any]:
    """Return what gives a library's result exactly its type, as `codegen/admit.py` does."""

    def as_tensor(x: Any, dtype: Any, strided: bool) -> Any:
        array = xp.asarray(x)
        if array.dtype != dtype:
            array = array.astype(dtype)
        if not strided and not array.flags.c_contiguous:
            array = xp.ascontiguousarray(array)
        return array

    return as_tensor


@dataclass
class _Steps:
    """Writes launches into a plan."""

    machine: Machine
    graph: Graph
    kernels: dict[str, Kernel] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.made = makers(self.graph)

    def kernel(self, plan: PlanWriter, op: Op) -> None:
        """Write what carries out a `fused` op."""
        source = kernel_of(op, self.made)
        assert source is not None
        check_empty(plan, op)
        operands = [plan.of[v] for v in op.inputs]
        self.launch(plan, op, source, operands)

    def scan(self, plan: PlanWriter, op: Op) -> bool:
        """Write a running fold as the launch of a kernel; False if it has none."""
        source = kernel_of(op)
        if source is None:
            return False
        (x,), t = op.inputs, op.inputs[0].type
        assert isinstance(t, TensorType)
        operand = plan.of[x]
        if t.strided:
            operand = plan.names.own("operand")
            plan.line(f"{operand} = as_tensor({plan.of[x]}, {plan.dtype(t.dtype)}, False)")
        self.launch(plan, op, source, [operand])
        return True

    def launch(self, plan: PlanWriter, op: Op, source: CudaSource, operands: Sequence[str]) -> None:
        """Write the memory of the results, and the launch."""
        results = [plan.define(v) for v in op.outputs]
        for name, v in zip(results, op.outputs, strict=True):
            plan.line(f"{name} = empty({self.shape(plan, v)}, {self.dtype(plan, v)})")
        if source.name not in self.kernels:
            self.kernels[source.name] = Kernel(self.machine, source)
        kernel = plan.scope.setdefault(source.name, self.kernels[source.name])
        assert kernel is self.kernels[source.name]
        words = {
            slot.name: self.word(plan, op, source, slot, operands, results) for slot in source.slots
        }
        pointers = [words[slot.name] for slot in source.slots if slot.pointer]
        numbers = [words[slot.name] for slot in source.slots if not slot.pointer]
        sizes = [_tuple([plan.size(d) for d in entry.sizes]) for entry in source.entries]
        plan.line(f"{source.name}({_tuple(sizes)}, {_tuple(pointers)}, {_tuple(numbers)})")

    def shape(self, plan: PlanWriter, v: Value) -> str:
        assert isinstance(v.type, TensorType)
        return plan.shape(v.type)

    def dtype(self, plan: PlanWriter, v: Value) -> str:
        assert isinstance(v.type, TensorType)
        return plan.dtype(v.type.dtype)

    def word(
        self,
        plan: PlanWriter,
        op: Op,
        source: CudaSource,
        slot: Slot,
        operands: Sequence[str],
        results: Sequence[str],
    ) -> str:
        match slot.source:
            case Input(index):
                return f"address({operands[index]})"
            case Output(index):
                return f"address({results[index]})"
            case Number(index):
                return operands[index]
            case Size(value):
                return plan.size(value)
            case Stride(index, dim):
                t = op.inputs[index].type
                assert isinstance(t, TensorType)
                return f"{operands[index]}.strides[{dim}] // {t.dtype.itemsize}"
            case Scratch(per_block):
                name = plan.names.own("scratch")
                count = plan.size(source.blocks) if per_block else "1"
                plan.line(f"{name} = empty({count}, {plan.dtype(BY_TAG[slot.tag])})")
                return f"address({name})"
        raise AssertionError(slot)


def _tuple(texts: Sequence[str]) -> str:
    return f"({', '.join(texts)}{',' * (len(texts) == 1)})"
