"""Plans of graphs whose tensors are on GPUs, or partly there: each op where its operands are.

    def f_plan(args):                        # runs while cuda:0 is the current GPU
        x, y, s = args                       # on cuda:0, on cuda:1, and of no dimensions in main memory
        a = op_mul(xp, x, there(s))
        a = as_tensor(a, dtype_f32, False)
        with here_cuda_1():
            b = op_sort(xp, y, dim=0)
            ...
        t = op_add(np, s, s)
        t = as_host_tensor(t, dtype_f32, False)

`machines` has what runs the kernels and the arrays of each device; what is on a device that it has
not is in main memory, and computed by NumPy, op by op.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from jitorch.codegen import admit
from jitorch.codegen.cuda.runtime import Machine
from jitorch.codegen.plan import BASE, KernelStep, PlanWriter, ScanStep
from jitorch.ir.core import Graph, Op, Value
from jitorch.ir.interp import device_for
from jitorch.ir.opdef import OPS
from jitorch.ir.types import TensorType, Type

Machines = Mapping[str, Machine]


class GpuPlanWriter(PlanWriter):
    """Writes a plan that runs while the first of the machines is the current GPU."""

    def __init__(
        self, graph: Graph, machines: Machines, kernel_step: KernelStep, scan_step: ScanStep
    ) -> None:
        self.machines = machines
        self.home = next(iter(machines))
        self.away: str | None = None  # another GPU, which is current at the lines being written
        xp = machines[self.home].xp
        scope = {
            **BASE,
            "xp": xp,
            "empty": xp.empty,
            "there": xp.asarray,
            "as_tensor": admit.as_tensor_of(xp),
            "as_host_tensor": admit.as_tensor,
            "writable": lambda view: view,  # on a GPU every view is
            "address": machines[self.home].address,
        }
        super().__init__(graph, kernel_step, lambda *_: False, scan_step, scope=scope)

    # Where ops run.

    def device(self, op: Op) -> str:
        """Return the GPU that carries out an op, "" for main memory."""
        device = device_for(op)
        return device if device in self.machines else ""

    def op(self, op: Op) -> None:
        device = "" if op.blocks and op.name != "fused" else self.device(op)
        if device in ("", self.home):
            super().op(op)
            return
        with self.on(device):
            super().op(op)

    @contextmanager
    def on(self, device: str) -> Iterator[None]:
        """Write lines that run while another GPU is the current one. What they define stays."""
        here = f"here_{device.replace(':', '_')}"
        self.scope[here] = self.machines[device].here
        self.line(f"with {here}():")
        self.depth += 1
        self.away = device
        yield
        self.away = None
        self.depth -= 1

    def machine(self) -> Machine:
        """Return the GPU that is current at the lines being written."""
        return self.machines[self.away or self.home]

    # Ops of the library.

    def function(self, op: Op) -> Callable[..., Any]:
        definition = OPS[op.name]
        return definition.eager if self.device(op) else on_host(definition.eager)

    def module(self, op: Op) -> str:
        return "xp" if self.device(op) else "np"

    def operand(self, op: Op, v: Value) -> str:
        in_main_memory = isinstance(v.type, TensorType) and v.type.device not in self.machines
        moved = in_main_memory and self.device(op)
        return f"there({self.of[v]})" if moved else self.of[v]

    def admission(self, t: TensorType) -> str:
        return "as_tensor" if t.device in self.machines else "as_host_tensor"

    def copy(self, t: Type, text: str) -> str:
        if isinstance(t, TensorType) and t.device in self.machines and t.device != self.home:
            return f"{self.constant('copied', copied_on(self.machines[t.device]))}({text})"
        return super().copy(t, text)

    def host_group(self, op: Op) -> None:
        """Write a group of ops in main memory one by one."""
        (body,) = op.blocks
        for inside, v in zip(body.params, op.inputs, strict=True):
            self.of[inside] = self.of[v]
        self.block(body)
        for v, inside in zip(op.outputs, body.results, strict=True):
            made = self.of[inside]  # perhaps a view of an operand; results of a group never are
            self.line(f"{self.define(v)} = np.array({made}, order='C')")


def on_host(eager: Callable[..., Any]) -> Callable[..., Any]:
    """Return an op's function for main memory, without NumPy's warnings."""

    @functools.wraps(eager)
    def call(*args: Any, **attrs: Any) -> Any:
        with np.errstate(all="ignore"):
            return eager(*args, **attrs)

    return call


def copied_on(machine: Machine) -> Callable[[Any], Any]:
    """Return what copies an array of a GPU that need not be the current one."""

    def copied(array: Any) -> Any:
        with machine.here():
            return array.copy()

    return copied
