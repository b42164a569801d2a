"""What is timed on a GPU: the workloads of the CPU at a GPU's sizes, and what calls and compiling cost."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from unittest import mock

import numpy as np

import jitorch as jt
from benchmarks.gpu_timing import Clock, CudaTorch, bytes_of, rotated, seconds_of
from benchmarks.suite import first_line
from benchmarks.workloads import elementwise, networks, overhead, picking, reductions, vision
from benchmarks.workloads.base import Workload

MILLION = 1 << 20
# Of the largest tensor: two sets of up to three inputs, results, and what eager peers compute on the way.
MEMORY_FACTOR = 16


def _sized(workload: Workload, name: str, *sizes: int) -> Workload:
    return replace(workload, name=name, sizes=sizes)


WORKLOADS = [
    elementwise.chain("64M", 64 * MILLION),
    _sized(elementwise.black_scholes("float32", np.float32), "black-scholes, 64M", 64 * MILLION),
    _sized(elementwise.BIAS_GELU, "bias + gelu + residual, 8192x4096", 8192, 4096),
    reductions.softmax(16384, 4096, "16384x4096"),
    reductions.softmax(64, MILLION, "64x1M"),
    _sized(reductions.LAYER_NORM, "layer norm, 16384x4096", 16384, 4096),
    _sized(reductions.LAYER_NORM, "layer norm, 64x1M", 64, MILLION),
    reductions.column_sum(MILLION, 32, "1Mx32"),
    _sized(reductions.MEAN_SQUARED_ERROR, "mean squared error, 256M", 256 * MILLION),
    _sized(vision.CONVOLUTION, "conv2d 3x3, 256x64x56x56", 256, 64, 56),
    vision.BLOCK,
    _sized(picking.EMBEDDING, "embedding, 64k of 50000x1024", 50_000, 65_536, 1024),
    _sized(picking.ENTROPY, "cross entropy, 8192x32000", 8192, 32_000),
    _sized(picking.SHUFFLE, "x[order], 64M", 64 * MILLION),
    networks.RNN,
    networks.mlp(128),
    overhead.call("tensors"),
]
REPLAYED = [vision.BLOCK, networks.mlp(128), overhead.call("tensors")]


@dataclass(frozen=True)
class GpuRow:
    """A workload on jitorch and its peers. Those who failed have a line in `failures`.

    `shrunk` is by how much the size was divided so that it fits the memory.
    """

    name: str
    sizes: tuple[int, ...]
    shrunk: int
    moved: int
    seconds: dict[str, float]
    failures: dict[str, str]

    @property
    def best_peer(self) -> str | None:
        peers = {name: t for name, t in self.seconds.items() if name != "jitorch"}
        return min(peers, key=peers.__getitem__, default=None)

    @property
    def ratio(self) -> float | None:
        """Jitorch's time in those of the best peer: below 1 is quicker."""
        ours = self.seconds.get("jitorch")
        return ours / self.seconds[self.best_peer] if ours and self.best_peer else None

    def fraction(self, bandwidth: float) -> float | None:
        """Return the bytes of inputs and results per second of jitorch, as a part of a copy's."""
        ours = self.seconds.get("jitorch")
        return self.moved / ours / bandwidth if ours else None


def fitted(workload: Workload, free: int) -> tuple[Workload, int]:
    """Return a workload whose first size is divided until it fits, and the divisor."""
    divisor = 1
    while MEMORY_FACTOR * _bytes_at_most(workload.sizes) > free and workload.sizes[0] > 1:
        divisor *= 2
        workload = replace(workload, sizes=(workload.sizes[0] // 2, *workload.sizes[1:]))
    return workload, divisor


def _bytes_at_most(sizes: Sequence[int]) -> int:
    """Return the bytes of one large float32 tensor of a workload; weights are small beside it."""
    first, *rest = sizes
    return 4 * first * (rest[0] if rest else 1)


def row(
    workload: Workload,
    peers: Sequence[CudaTorch],
    device: str,
    least: int,
    *,
    mode: Any = None,
) -> GpuRow:
    """Return a workload's row. Inputs rotate over more than `least` bytes."""
    free, _ = jt.cuda.mem_get_info(device)
    workload, shrunk = fitted(workload, free)
    inputs = workload.make_inputs(workload.sizes)
    seconds: dict[str, float] = {}
    failures: dict[str, str] = {}
    moved = 0
    try:
        ours = tuple(
            jt.from_numpy(x).to(device) if isinstance(x, np.ndarray) else x for x in inputs
        )
        call = jt.script(workload.jitorch, mode=mode)
        moved = (bytes_of(ours) + bytes_of(call(*ours))) * workload.sweeps(*workload.sizes)
        seconds["jitorch"] = seconds_of(call, rotated(ours, least), Clock(jt))
    except Exception as error:  # whatever goes wrong is a line of the report
        failures["jitorch"] = first_line(error)
    call = ours = None  # type: ignore[assignment]  # their memory is for the peers
    jt.cuda.empty_cache()
    for peer in peers:
        try:
            theirs = peer.convert(workload, inputs)
            function = peer.function(workload, theirs)
            if function is not None:
                clock = Clock(peer.torch)
                seconds[peer.name] = seconds_of(function, rotated(theirs, least), clock)
        except Exception as error:
            failures[peer.name] = first_line(error)
        theirs = function = None  # type: ignore[assignment]
        peer.torch.cuda.empty_cache()
    name = workload.name + (", reduce-overhead" if mode else "")
    return GpuRow(name, workload.sizes, shrunk, moved, seconds, failures)


def compile_seconds(device: str) -> dict[str, float]:
    """Return what the kernel of a function takes to compile that is in no cache: the first, a later one."""
    found = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch.dict("os.environ", {"JITORCH_CACHE_DIR": folder}),
    ):
        for name, factor in (("the first, compilers loaded", 1.25), ("a later one", 2.75)):
            f = jt.script(lambda x, factor=factor: (x * factor).exp().sum(0) + factor)
            f(jt.ones(64, 64, device=device))
            stages = dict(f.explain(jt.ones(64, 64, device=device)).seconds)
            found[name] = stages.get("kernels", float("nan"))
    return found
