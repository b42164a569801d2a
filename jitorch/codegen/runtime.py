"""`compile_graph`: an executable for a fused graph.

    executable = compile_graph(fuse(graph))
    y, = executable.run([x])
    print(executable.kernels[0].source)

The executable has a plan (`codegen/plan.py`), which launches kernels (`codegen/schedule/`,
`codegen/numba_cpu.py`) and calls the library for the rest. It may run in several threads at once:
each launch has an argument table of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from jitorch.codegen.compiled import CompiledKernel, Kernels
from jitorch.codegen.llvm import assembly
from jitorch.codegen.plan import Plan
from jitorch.codegen.steps import Steps
from jitorch.ir.core import Graph

if TYPE_CHECKING:
    from jitorch.codegen.facts import Facts

FASTMATH = {
    "strict": frozenset[str](),
    "default": frozenset({"contract"}),
    "fast": frozenset({"contract", "nsz", "arcp", "reassoc", "afn"}),
}


class Executable:
    """A compiled graph."""

    def __init__(self, graph: Graph, plan: Plan, steps: Steps) -> None:
        self.graph = graph
        self.plan = plan
        self.drivers = tuple(steps.drivers)
        self.scans = tuple(steps.scans.values())
        self._steps = steps
        self._function = plan.compile()

    @property
    def kernels(self) -> tuple[CompiledKernel, ...]:
        """The kernels compiled so far: those for short folds come with the calls that need them."""
        return tuple(self._steps.kernels.by_name.values())

    def run(self, args: Sequence[Any]) -> list[Any]:
        """Run on arrays and Python scalars; return a list of results."""
        try:
            return self._function(args)
        except Exception as error:
            self.plan.locate(error, self._function)
            raise

    @cached_property
    def facts(self) -> Facts:
        """What fused, what did not and why, and what memory is used again."""
        from jitorch.codegen.facts import facts_of

        return facts_of(self.graph, self._steps, self.plan.memory)

    def code(self, stage: str) -> str:
        """Return all native code as text: `stage` is plan, kernels, llvm or asm."""
        if stage == "plan":
            return self.plan.source
        functions = [k.function for k in self.kernels] + [k.function for k in self.scans]
        functions += [function for _, function in self.drivers]
        if stage == "kernels":
            sources = [k.source for k in self.kernels] + [k.source for k in self.scans]
            return "\n".join(sources + [d.source for d, _ in self.drivers])
        if stage not in ("llvm", "asm"):
            raise ValueError(
                f"there is no code at stage {stage!r}; there are: plan, kernels, llvm, asm"
            )
        show = assembly if stage == "asm" else lambda code: code.llvm
        return "\n".join(str(show(function.code)) for function in functions)


def compile_graph(graph: Graph, *, fastmath: str = "default") -> Executable:
    """Return an executable of the graph; its `fused` ops become kernels.

    `fastmath` is strict, default or fast.
    """
    steps = Steps(Kernels(FASTMATH[fastmath]))
    plan = steps.plan(graph)
    return Executable(graph, plan, steps)
