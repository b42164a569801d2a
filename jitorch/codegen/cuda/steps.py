"""The programs of graphs with tensors on a GPU: plans that launch kernels, and run.

    def softmax_plan(args):
        x, = args
        size_n = x.shape[0]
        size_m = x.shape[1]
        y = empty((size_n, size_m), dtype_f32)
        fused_844e97b2c3ac((size_n, 1, size_m), (address(x), address(y)), (size_n, size_m))
        return [y]

As for the CPU (`codegen/plan.py`), control flow is Python's, and views and library ops are the ops'
`eager` functions, on the GPU's array module. Loops stay in the plan.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from jitorch.codegen import picking
from jitorch.codegen.cuda.compiled import code, kernel_of
from jitorch.codegen.cuda.plans import GpuPlanWriter, Machines
from jitorch.codegen.cuda.printer import CudaSource
from jitorch.codegen.cuda.runtime import Kernel, Machine
from jitorch.codegen.kernel import Fault, Input, Number, Output, Scratch, Size, Slot, Stride
from jitorch.codegen.plan import Plan, PlanWriter
from jitorch.codegen.strides import makers
from jitorch.cuda import diagnosis
from jitorch.cuda.faults import Faults
from jitorch.ir.core import Graph, Op, Value
from jitorch.ir.types import TensorType

if TYPE_CHECKING:
    from jitorch.codegen.facts import Facts


class Program:
    """A graph that runs on machines."""

    def __init__(self, graph: Graph, plan: Plan, kernels: Sequence[Kernel], home: Machine) -> None:
        self.graph = graph
        self.plan = plan
        self.kernels = kernels
        self.sources = [kernel.source for kernel in kernels]
        self.home = home
        self._function = plan.compile()

    def run(self, args: Sequence[Any]) -> list[Any]:
        """Run on arrays and Python scalars; return a list of results."""
        try:
            if self.home.is_current():
                return self._function(args)
            with self.home.here():
                return self._function(args)
        except Exception as error:
            told = diagnosis.in_words(error, self.home.xp)
            if told is None:
                self.plan.locate(error, self._function)
                raise
            self.plan.locate(told.with_traceback(error.__traceback__), self._function)
            raise told from error

    @cached_property
    def facts(self) -> Facts:
        """What fused, what did not and why."""
        from jitorch.codegen.cuda.facts import facts_of  # loads the parts for the CPU

        return facts_of(self.graph, self.plan.memory)

    def code(self, stage: str) -> str:
        """Return all kernels as text: `stage` is plan, kernels, ptx or sass."""
        if stage == "plan":
            return self.plan.source
        return code(self.graph, stage, self.home.capability)


def compile_graph(graph: Graph, machines: Machines) -> Program:
    """Return the program of a fused graph, its kernels loaded: all that any sizes launch.

    `machines` has what runs the kernels of each device. All other devices are main memory, where
    NumPy computes op by op. The program runs while the first machine's GPU is the current one.
    """
    steps = _Steps(graph)
    plan = GpuPlanWriter(graph, machines, steps.kernel, steps.scan).write()
    program = Program(graph, plan, list(steps.kernels.values()), next(iter(machines.values())))
    for faults, places in steps.places.items():
        weakref.finalize(program, faults.release, places)
    return program


@dataclass
class _Steps:
    """Writes launches into a plan."""

    graph: Graph
    kernels: dict[str, Kernel] = field(default_factory=dict)  # by their names in the plan
    places: dict[Faults, list[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.made = makers(self.graph)

    def kernel(self, plan: PlanWriter, op: Op) -> None:
        """Write what carries out a `fused` op."""
        assert isinstance(plan, GpuPlanWriter)
        if not plan.device(op):
            plan.host_group(op)
            return
        source = kernel_of(op, self.made)
        assert source is not None
        operands = [self.moved(plan, op, v) for v in op.inputs]
        self.launch(plan, op, source, operands)

    def moved(self, plan: GpuPlanWriter, op: Op, v: Value) -> str:
        """Return the name of an operand, after a single number in main memory went to the GPU."""
        text = plan.operand(op, v)
        if text == plan.of[v]:
            return text
        name = plan.names.own("operand")
        plan.line(f"{name} = {text}")
        return name

    def scan(self, plan: PlanWriter, op: Op) -> bool:
        """Write a running fold as the launch of a kernel; False if it has none."""
        assert isinstance(plan, GpuPlanWriter)
        source = kernel_of(op) if plan.device(op) else None
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

    def launch(
        self, plan: GpuPlanWriter, op: Op, source: CudaSource, operands: Sequence[str]
    ) -> None:
        """Write the memory of the results, and the launch."""
        results = [plan.define(v) for v in op.outputs]
        for name, v in zip(results, op.outputs, strict=True):
            plan.line(f"{name} = empty({self.shape(plan, v)}, {self.dtype(plan, v)})")
        kernel = self.loaded(plan, source)
        given = [s for s in source.slots if not isinstance(s.source, Scratch)]
        words = {slot.name: self.word(plan, op, slot, operands, results) for slot in given}
        pointers = [words[slot.name] for slot in given if slot.pointer]
        numbers = [words[slot.name] for slot in given if not slot.pointer]
        sizes = [plan.size(d) for d in source.sizes]
        plan.line(f"{kernel}({_tuple(sizes)}, {_tuple(pointers)}, {_tuple(numbers)})")

    def loaded(self, plan: GpuPlanWriter, source: CudaSource) -> str:
        """Return the name of a kernel in the plan; it is loaded once on each GPU that runs it."""
        name = f"{source.name}_{plan.away.replace(':', '_')}" if plan.away else source.name
        if name not in self.kernels:
            machine = plan.machine()
            with machine.here():
                self.kernels[name] = Kernel(machine, source)
            plan.scope[name] = self.kernels[name]
        return name

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
            case Fault():
                return self.place(plan, slot.source)
        raise AssertionError(slot)

    def place(self, plan: PlanWriter, note: Fault) -> str:
        """Return the address for an index beyond the end; where all would be, raise at once."""
        assert isinstance(plan, GpuPlanWriter)
        picking.check_size(plan, note)
        faults = plan.machine().faults
        address = faults.place(note.dim, note.loc)
        self.places.setdefault(faults, []).append(address)
        return str(address)


def _tuple(texts: Sequence[str]) -> str:
    return f"({', '.join(texts)}{',' * (len(texts) == 1)})"
