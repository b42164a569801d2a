"""The steps of a plan that run native code: launches of kernels, and loops with a driver.

The latter are written by `codegen/driver/steps.py`, which is imported at the first loop.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jitorch.codegen import picking
from jitorch.codegen.compiled import CompiledKernel, Kernels, sharing, walked
from jitorch.codegen.kernel import Fault, Input, Number, Output, Scratch, Size, Slot, Step, Stride
from jitorch.codegen.launch import BYTES, HEAD, launcher
from jitorch.codegen.lines import Lines, carried_in, has_kernel, lines_of
from jitorch.codegen.native import DEFAULT_FASTMATH, NativeFunction
from jitorch.codegen.plan import Plan, PlanWriter
from jitorch.codegen.scan import BAND, CHUNK, ScanKernel, compile_scan, cut
from jitorch.codegen.special import SpecialKernels, specials
from jitorch.codegen.strides import makers
from jitorch.codegen.turned import Turning
from jitorch.ir.core import Graph, Op, Value
from jitorch.ir.dims import symbol
from jitorch.ir.opdef import OPS, OpDef
from jitorch.ir.types import BY_TAG, TensorType

if TYPE_CHECKING:
    from jitorch.codegen.driver.base import Driver


@dataclass
class Steps:
    """Writes native steps into a plan, compiling what they need."""

    kernels: Kernels
    drivers: list[tuple[Driver, NativeFunction]] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    reused: list[tuple[Value, Value]] = field(default_factory=list)
    placed: list[Value] = field(default_factory=list)
    native_loops: list[Op] = field(default_factory=list)
    scans: dict[Op, ScanKernel] = field(default_factory=dict)

    def plan(self, graph: Graph) -> Plan:
        """Return the plan of a graph."""
        self.kernels.made = makers(graph)
        writer = PlanWriter(graph, self.kernel, self.loop, self.scan, self.library)
        fused = [op for op in graph.block.ops if op.name == "fused"]
        self.kernels.compile_all(fused, writer.memory.reuse)
        plan = writer.write()
        self.placed += writer.placed
        return plan

    # Kernels.

    def kernel(self, plan: PlanWriter, op: Op) -> None:
        """Write what carries out a `fused` op."""
        names = [plan.define(v) for v in op.outputs]
        compiled = self.kernels.compile(op, plan.memory.reuse)
        word = "if"
        for special in specials(op, compiled.kernel):
            kernels = plan.constant("special", SpecialKernels(op, special, self.plan))
            sizes = "".join(f"{plan.size(symbol(s))}, " for s in special.symbols)
            others = [plan.size(symbol(s)) for s in special.others]
            args = "".join(f"{a}, " for a in (*(plan.of[v] for v in op.inputs), *others))
            with plan.indented(f"{word} {special.condition(plan.size)}:"):
                plan.line(f"{', '.join(names)}, = {kernels}(({sizes}), ({args}))")
            word = "elif"
        if word == "if":
            self.write_kernel(plan, op, compiled, plan.memory_for)
            return
        with plan.indented("else:"):
            self.write_kernel(plan, op, compiled, plan.new_memory)

    def write_kernel(
        self,
        plan: PlanWriter,
        op: Op,
        compiled: CompiledKernel,
        memory: Callable[[Value], str],
    ) -> None:
        """Write the launch of a kernel, and the memory of its results."""
        shared = sharing(compiled.kernel, op, plan.memory.reuse)
        names = {slot.source: slot.name for slot in compiled.kernel.slots}
        for k, v in enumerate(op.outputs):
            assert isinstance(v.type, TensorType)
            name = plan.of[v]
            if names[Output(k)] in shared:
                plan.line(f"{name} = {plan.of[plan.memory.reuse[v]]}")
                self.reused.append((v, plan.memory.reuse[v]))
            else:
                plan.line(f"{name} = {memory(v)}")
        self.launch(plan, op, compiled)

    def launch(self, plan: PlanWriter, op: Op, compiled: CompiledKernel) -> None:
        slots = compiled.kernel.slots
        extent = compiled.extent(op)
        n = plan.size(extent.count)
        grain = extent.grain(plan.size)
        first = next((i for i, s in enumerate(slots) if s.source == Step("first")), 0)
        steps = 2 * len(compiled.kernel.passes) if first else 0
        operands = [plan.of[v] for v in op.inputs]
        strided = {s.source.index for s in slots if isinstance(s.source, Stride)}
        for index in strided & walked(compiled.kernel):
            operands[index] = plan.names.own("operand")
            turned = plan.shared("turned", turning())
            plan.line(f"{operands[index]} = {turned}({plan.of[op.inputs[index]]})")
        faults = {s: picking.room(plan, s.source) for s in slots if isinstance(s.source, Fault)}
        words = [
            f"id({faults[slot]})" if slot in faults else self.word(plan, op, slot, n, operands)
            for slot in slots
        ]
        layout = "".join("d" if s.tag == "float" else "q" for s in slots)
        pointers = sum(s.pointer for s in slots)
        head = [str(compiled.function.address), n, grain, str(pointers), str(steps), str(first)]
        self.call(plan, layout, head + words, compiled.name)
        for slot, name in faults.items():
            assert isinstance(slot.source, Fault)
            picking.check(plan, slot.source, name)

    def call(self, plan: PlanWriter, layout: str, words: Sequence[str], comment: str) -> str:
        """Write the packing of a table and the foreign call; return the table's name."""
        plan.scope["launch"] = launcher().call
        pack = plan.constant("pack", struct.Struct(f"{HEAD}q{layout}").pack)
        table = plan.names.own("table")
        plan.line(f"{table} = {pack}({', '.join(words)})")
        plan.line(f"launch(id({table}) + {BYTES}, 0, 0)  # {comment}")
        return table

    def word(self, plan: PlanWriter, op: Op, slot: Slot, n: str, operands: Sequence[str]) -> str:
        match slot.source:
            case Input(index):
                return f"id({operands[index]})"
            case Output(index):
                return f"id({plan.of[op.outputs[index]]})"
            case Number(index):
                return operands[index]
            case Size(value):
                return plan.size(value)
            case Stride(index, dim):
                t = op.inputs[index].type
                assert isinstance(t, TensorType)
                return f"{operands[index]}.strides[{dim}] // {t.dtype.itemsize}"
            case Scratch(per_block, elements):
                name = plan.names.own("scratch")
                count = f"({n if per_block else 1}) * ({plan.size(elements)})"
                plan.line(f"{name} = empty({count}, {plan.dtype(BY_TAG[slot.tag])})")
                return f"id({name})"
            case Step():
                return "0"
        raise AssertionError(slot)

    # Running folds.

    def scan(self, plan: PlanWriter, op: Op) -> bool:
        """Write a running fold as the launch of a kernel; False if it has none."""
        if not has_kernel(op):
            return False
        kernel = self.scans[op] = compile_scan(op, self.kernels.fastmath)
        (x,), t = op.inputs, op.output.type
        assert isinstance(x.type, TensorType)
        assert isinstance(t, TensorType)
        operand = plan.of[x]
        if x.type.strided:
            operand = plan.names.own("operand")
            plan.line(f"{operand} = as_tensor({plan.of[x]}, {plan.dtype(t.dtype)}, False)")
        name = plan.define(op.output)
        plan.line(f"{name} = empty({plan.shape(t)}, {plan.dtype(t.dtype)})")
        pointers = [f"id({operand})", f"id({name})"]
        if kernel.columns:
            self.scan_columns(plan, lines_of(op), kernel, pointers)
        else:
            self.scan_lines(plan, op, kernel, pointers)
        return True

    def scan_columns(
        self, plan: PlanWriter, lines: Lines, kernel: ScanKernel, pointers: Sequence[str]
    ) -> None:
        size, inner, count = plan.size(lines.size), plan.size(lines.inner), plan.size(lines.count)
        bands, units = plan.names.own("bands"), plan.names.own("units")
        plan.line(f"{bands} = ({inner} + {BAND - 1}) // {BAND}")
        plan.line(f"{units} = ({count}) // max({inner}, 1) * {bands}")
        grain = f"{CHUNK} // (({size}) * min({inner}, {BAND}) + 1) + 1"
        head = [str(kernel.function.address), units, grain, "2", "0", "0"]
        self.call(plan, "5q", [*head, *pointers, size, inner, bands], kernel.name)

    def scan_lines(
        self, plan: PlanWriter, op: Op, kernel: ScanKernel, pointers: Sequence[str]
    ) -> None:
        scan, t, lines = OPS[op.name].scan, op.output.type, lines_of(op)
        assert scan is not None
        assert isinstance(t, TensorType)
        count, size = plan.size(lines.count), plan.size(lines.size)
        part, parts, totals = (plan.names.own(name) for name in ("part", "parts", "totals"))
        carry = plan.dtype(BY_TAG[carried_in(scan, t.dtype)])
        call = plan.constant("cut", cut)
        plan.line(
            f"{part}, {parts}, {totals} = {call}({count}, {size}, {scan.joins(t.dtype)}, {carry})"
        )
        # The slots of the steps are for launches without any: they fold whole lines.
        head = [
            str(kernel.function.address),
            f"({count}) * {parts} if ({size}) else 0",
            f"{CHUNK} // ({part} + 1) + 1",
            "3",
            f"3 if {parts} > 1 else 0",
            "7",
        ]
        words = [*pointers, f"id({totals})", count, size, part, parts, "2", "3"]
        self.call(plan, "9q", head + words, kernel.name)

    # Library calls.

    def library(self, definition: OpDef) -> Callable[..., Any]:
        """Return the function to call for an op that is no kernel."""
        if not definition.filters:
            return definition.eager
        from jitorch.codegen.direct import convolve

        return convolve

    # Loops.

    def loop(self, plan: PlanWriter, op: Op) -> bool:
        """Write a loop as a call of a native driver; False if it can't be one."""
        from jitorch.codegen.driver.steps import write_loop

        return write_loop(self, plan, op)


@functools.cache
def turning() -> Turning:
    """The process's `Turning`, whose kernels stay."""
    return Turning(Steps(Kernels(DEFAULT_FASTMATH)).plan)
