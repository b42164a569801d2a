"""Times on a GPU, by its own clock: events around batches of calls on inputs that rotate."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Callable, Sequence
from typing import Any

import jitorch as jt
from benchmarks.contenders import Torch
from benchmarks.workloads.base import Function, Inputs, Workload

# Batches that are timed, after some that are not; a batch holds so many calls that launches are ahead
# of the GPU, and lasts about this long at least.
ROUNDS = 15
LEAST_CALLS = 8
MOST_CALLS = 400
BATCH = 10.0  # milliseconds
COPIED = 1 << 28  # bytes of the copy by which bandwidth is measured


class Clock:
    """Events of a library: jitorch's, or PyTorch's, whose module has the same names."""

    def __init__(self, library: Any) -> None:
        self.cuda = library.cuda

    def milliseconds(self, work: Callable[[], None]) -> float:
        """Return how long the GPU is busy with some work, waiting for it."""
        start, end = (self.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        work()
        end.record()
        end.synchronize()
        return float(start.elapsed_time(end))


def seconds_of(call: Function, sets: Sequence[Inputs], clock: Clock) -> float:
    """Return the median time of one call."""
    turn = itertools.cycle(sets)

    def batch(calls: int) -> Callable[[], None]:
        def run() -> None:
            for _ in range(calls):
                call(*next(turn))

        return run

    clock.milliseconds(batch(len(sets) + 2))
    one = clock.milliseconds(batch(LEAST_CALLS)) / LEAST_CALLS
    calls = min(max(int(BATCH / max(one, 1e-4)), LEAST_CALLS), MOST_CALLS)
    times = [clock.milliseconds(batch(calls)) / calls for _ in range(ROUNDS)]
    return statistics.median(times) / 1e3


def copy_bandwidth(device: str) -> float:
    """Return the bytes per second that a copy reads and writes."""
    free, _ = jt.cuda.mem_get_info(device)
    size = min(COPIED, free // 8)
    source = jt.ones(size // 4, device=device)
    target = jt.empty(size // 4, device=device)
    seconds = seconds_of(lambda: target.copy_(source), [()], Clock(jt))
    return 2 * bytes_of(source) / seconds


def rotated(inputs: Inputs, least: int) -> list[Inputs]:
    """Return copies of inputs on a GPU, at least two, that together exceed some bytes."""
    size = max(bytes_of(inputs), 1)
    count = min(max(2, -(-least // size)), 64)
    return [inputs, *(tuple(map(_copied, inputs)) for _ in range(count - 1))]


def _copied(x: Any) -> Any:
    return x.clone() if hasattr(x, "clone") else x


def bytes_of(values: Any) -> int:
    """Return the bytes of the tensors among some values."""
    values = values if isinstance(values, (tuple, list)) else (values,)
    return sum(int(x.numel()) * x.element_size() for x in values if hasattr(x, "numel"))


class CudaTorch(Torch):
    """PyTorch on a GPU, eager."""

    def start(self) -> None:
        super().start()
        self.torch.backends.cudnn.allow_tf32 = False  # as for products, and as jitorch computes

    def convert(self, workload: Workload, inputs: Inputs) -> Inputs:
        return tuple(
            x.cuda() if hasattr(x, "cuda") else x for x in super().convert(workload, inputs)
        )

    def missing(self) -> str | None:
        """Return why PyTorch can't be used on a GPU, or None."""
        found = super().missing()
        if found is None:
            self.start()
            found = None if self.torch.cuda.is_available() else "torch sees no GPU"
        return found


class CudaTorchCompile(CudaTorch):
    """PyTorch on a GPU, compiled; with `mode` as `torch.compile` has it."""

    name = "torch.compile"
    mode: str | None = None

    def function(self, workload: Workload, args: Inputs) -> Function | None:
        self.torch.compiler.reset()
        if workload.torch_compile:
            return workload.torch_compile(self.torch)
        made = workload.torch and workload.torch(self.torch)
        return made and self.torch.compile(made, mode=self.mode)


class CudaTorchReplay(CudaTorchCompile):
    """PyTorch's replayed graphs."""

    name = "torch.compile, reduce-overhead"
    mode = "reduce-overhead"
