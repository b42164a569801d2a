"""Replays: all launches of a program as one CUDA graph, for `mode="reduce-overhead"`.

A program without control flow makes the same launches in every call with the same sizes and numbers.
They are captured once for each such set, on buffers that stay: a call copies its tensors into them,
starts the graph by one call of the driver, and gives out the buffers of the results. So the next call
overwrites them, as with `torch.compile`; `clone()` keeps one.

What can't be captured runs as without the mode, and `why_not` says why.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from jitorch.codegen.cuda.runtime import Capture
from jitorch.codegen.cuda.steps import Program
from jitorch.cuda import diagnosis
from jitorch.errors import UNKNOWN, Loc
from jitorch.ir.core import Graph, Op
from jitorch.ir.opdef import OPS
from jitorch.ir.types import ScalarType, TensorType, Type

if TYPE_CHECKING:
    from jitorch.codegen.facts import Facts

# How many sets of sizes and numbers are captured; each keeps all memory of a call for itself.
MOST_CAPTURES = 8


class Replayed:
    """A program that is captured and replayed where that can be.

    The last `kept` arguments are the same arrays in all calls, and are not copied.
    """

    def __init__(self, program: Program, kept: int) -> None:
        self.program = program
        self.graph = program.graph
        self.why_not = obstacle(program.graph)
        self._captures: dict[tuple[Any, ...], _Replay] = {}
        self._copied = len(program.graph.params) - kept
        self._lock = threading.Lock()

    def run(self, args: Sequence[Any]) -> Sequence[Any]:
        """Run on arrays and Python scalars; results are overwritten by the next call."""
        if self.why_not:
            return self.program.run(args)
        key = tuple(map(_key, args[: self._copied]))
        try:
            with self._lock:
                replay = self._captures.get(key) or self._capture(key, args)
                return replay(args)
        except _NotCaptured as error:
            self.why_not = str(error)
            self._captures.clear()
            return self.program.run(args)
        except Exception as error:
            told = diagnosis.in_words(error, self.program.home.xp)
            if told is None:
                raise
            raise told from error

    def _capture(self, key: tuple[Any, ...], args: Sequence[Any]) -> _Replay:
        """Return the replay of a call, made now."""
        if len(self._captures) == MOST_CAPTURES:
            raise _NotCaptured(f"calls had more than {MOST_CAPTURES} sets of sizes and numbers")
        replay = self._captures[key] = _Replay(self.program, args, self._copied)
        return replay

    @property
    def replay(self) -> str:
        """What became of the mode, in words."""
        if self.why_not:
            return f"launched one by one: {self.why_not}"
        return (
            f"replayed, {len(self._captures)} captured; each call overwrites the last one's results"
        )

    @cached_property
    def facts(self) -> Facts:
        """What fused, what did not and why."""
        return self.program.facts

    def code(self, stage: str) -> str:
        """Return all kernels as text: `stage` is plan, kernels, ptx or sass."""
        return self.program.code(stage)


class _NotCaptured(Exception):
    """Why a program can't be captured."""


class _Replay:
    """One captured call: `replay(args)` for arguments of the same sizes and numbers."""

    def __init__(self, program: Program, args: Sequence[Any], copied: int) -> None:
        self.machine = program.home
        xp = self.machine.xp
        with self.machine.here():
            self.inputs = [
                xp.empty(x.shape, x.dtype) if hasattr(x, "shape") and i < copied else x
                for i, x in enumerate(args)
            ]
            self.tensors = [
                (i, x) for i, x in enumerate(self.inputs[:copied]) if getattr(x, "size", 0)
            ]
            self._copy(args)
            # Once as usual, for what loads at first use; errors of the program are raised here.
            self.captured = self.machine.capture(lambda: program.run(self.inputs))
        self._check(xp)
        # A result that is an argument is the caller's own.
        params = program.graph.params
        self.given = [
            (k, params.index(r)) for k, r in enumerate(program.graph.results) if r in params
        ]

    def _check(self, xp: Any) -> None:
        if self.captured.failure is not None:
            (reason, *_) = str(self.captured.failure).splitlines() or [""]
            raise _NotCaptured(f"CUDA does not capture it: {reason}")
        given = [x for _, x in self.tensors]
        for out in self.captured.results:
            if any(out is not x and xp.may_share_memory(out, x) for x in given):
                raise _NotCaptured("a result is a view of an argument")

    def _copy(self, args: Sequence[Any]) -> None:
        for i, buffer in self.tensors:
            x = args[i]
            if x.flags.c_contiguous:
                buffer.data.copy_from_device_async(x.data, x.nbytes)
            else:
                buffer[...] = x

    def __call__(self, args: Sequence[Any]) -> Sequence[Any]:
        if self.machine.is_current():
            return self._start(args)
        with self.machine.here():
            return self._start(args)

    def _start(self, args: Sequence[Any]) -> Sequence[Any]:
        self._copy(args)
        capture: Capture = self.captured
        capture.launch()
        results = list(capture.results)
        for k, i in self.given:
            results[k] = args[i]
        return results


def _key(x: Any) -> Any:
    """Return what the launches depend on of an argument: a tensor's sizes, or a number."""
    if type(x) is float:
        return x.hex()  # 0.0 and -0.0 are not the same, and NaN is itself
    return getattr(x, "shape", x)


def obstacle(graph: Graph) -> str:
    """Return why a graph can't be captured, "" where nothing tells."""
    values: list[tuple[Type, Loc]] = [(v.type, UNKNOWN) for v in graph.params]
    values += [(v.type, op.loc) for op in graph.block.ops for v in op.outputs]
    places = {t.device for t, _ in values if isinstance(t, TensorType)}
    if len(places - {"cpu"}) > 1:
        return "it runs on several GPUs"
    for op in graph.block.ops:
        if why := _obstacle(op):
            return f"{why}{_at(op.loc)}"
    for t, loc in values:
        if isinstance(t, TensorType) and t.device == "cpu":
            return f"a tensor is in main memory{_at(loc)}"
    if not all(isinstance(v.type, (TensorType, ScalarType)) for v in graph.results):
        return "a result is a list"
    return ""


def _obstacle(op: Op) -> str:
    if op.blocks and op.name != "fused":
        return "it has control flow"
    if not OPS[op.name].pure:
        return f"'{op.name}' has to be done anew by each call"
    reads = any(isinstance(v.type, TensorType) for v in op.inputs)
    if reads and any(isinstance(v.type, ScalarType) for v in op.outputs):
        return f"'{op.name}' reads the GPU's memory"
    return ""


def _at(loc: Loc) -> str:
    return f" ({loc})" if loc.known else ""
