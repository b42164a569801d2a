"""The pretended driver: GPUs, streams that capture, events, memory; what `cupy.cuda` offers of it."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

GPUS = 2
TOTAL = 16 * 2**30


class Machine:
    """The state of the pretended driver."""

    def __init__(self) -> None:
        self.current = 0
        self.driver = 13000
        self.runtime = 13000
        self.gpus = GPUS
        self.used = [0] * GPUS
        self.free_blocks = [0] * GPUS
        self.fail: Exception | None = None  # what the next call raises
        self.stream: Any = None
        self.clock = itertools.count()
        self.synchronized: list[Any] = []
        self.capture: Any = None
        self.replays = 0
        self.products: dict[str, int] = {}


machine = Machine()


class OutOfMemoryError(MemoryError):
    __module__ = "cupy.cuda.memory"


class CUDARuntimeError(RuntimeError):
    __module__ = "cupy_backends.cuda.api.runtime"


def may_fail() -> None:
    failure, machine.fail = machine.fail, None
    if failure is not None:
        raise failure


class Capture:
    """What a stream was asked for since its capture began, which happens at each replay."""

    def __init__(self) -> None:
        self.work: list[Callable[[], Any]] = []
        self.broken = False

    def launch(self, stream: Any = None) -> None:
        may_fail()
        assert machine.capture is None
        for each in self.work:
            each()
        machine.replays += 1


def recorded(work: Callable[[], Any]) -> None:
    """Do some work of the GPU, now or, while a stream captures, at each replay too."""
    work()
    if machine.capture is not None:
        machine.capture.work.append(work)


def waits() -> None:
    """Refuse what makes main memory wait for a GPU while a stream captures."""
    if machine.capture is not None:
        machine.capture.broken = True
        raise CUDARuntimeError("cudaErrorStreamCaptureUnsupported: operation not permitted")


class Device:
    """A GPU; as a context, the current one."""

    compute_capability = "90"

    def __init__(self, index: int | None = None) -> None:
        self.id = machine.current if index is None else int(index)
        self.before: list[int] = []

    def __enter__(self) -> Device:
        self.before.append(machine.current)
        machine.current = self.id
        return self

    def __exit__(self, *error: Any) -> None:
        machine.current = self.before.pop()

    def use(self) -> Device:
        machine.current = self.id
        return self

    def synchronize(self) -> None:
        may_fail()
        machine.synchronized.append(self.id)

    @property
    def mem_info(self) -> tuple[int, int]:
        return TOTAL - machine.used[self.id], TOTAL


class Stream:
    """A queue of work."""

    def __init__(self, null: bool = False, non_blocking: bool = False) -> None:
        self.ptr = 0 if null else 4096
        self.waited: list[Any] = []
        self.before: list[Any] = []

    def __enter__(self) -> Stream:
        self.before.append(machine.stream)
        machine.stream = self
        return self

    def __exit__(self, *error: Any) -> None:
        machine.stream = self.before.pop()

    def synchronize(self) -> None:
        waits()
        machine.synchronized.append(self)

    def begin_capture(self, mode: Any = None) -> None:
        assert machine.stream is self
        assert self.ptr, "the default stream can't be captured"
        machine.capture = Capture()

    def end_capture(self) -> Capture:
        made: Capture = machine.capture
        machine.capture = None
        if made.broken:
            raise CUDARuntimeError("cudaErrorStreamCaptureInvalidated: operation failed")
        return made

    def wait_event(self, event: Any) -> None:
        self.waited.append(event)

    def record(self, event: Any = None) -> Any:
        event.record(self)
        return event

    done = True


class Event:
    """A moment in a stream."""

    def __init__(self, block: bool = False, disable_timing: bool = False) -> None:
        self.disable_timing = disable_timing
        self.at: int | None = None
        self.done = True

    def record(self, stream: Any = None) -> None:
        self.at = next(machine.clock)

    def synchronize(self) -> None:
        machine.synchronized.append(self)


class MemoryPool:
    def used_bytes(self) -> int:
        return machine.used[machine.current]

    def total_bytes(self) -> int:
        return machine.used[machine.current] + machine.free_blocks[machine.current]

    def free_all_blocks(self, stream: Any = None) -> None:
        machine.free_blocks[machine.current] = 0

    def malloc(self, size: int) -> Any:
        raise NotImplementedError("arrays of the stand-in have NumPy's memory")


def _properties(index: int) -> dict[str, Any]:
    return {
        "name": b"Pretend GPU %d" % index,
        "major": 9,
        "minor": 0,
        "totalGlobalMem": TOTAL,
        "multiProcessorCount": 132,
        "warpSize": 32,
        "maxThreadsPerMultiProcessor": 2048,
        "sharedMemPerMultiprocessor": 228 * 1024,
        "l2CacheSize": 50 * 2**20,
    }


def _count() -> int:
    if machine.driver // 1000 < machine.runtime // 1000:
        raise CUDARuntimeError("cudaErrorInsufficientDriver: CUDA driver version is insufficient")
    if not machine.gpus:
        raise CUDARuntimeError("cudaErrorNoDevice: no CUDA-capable device is detected")
    return machine.gpus


def _elapsed(start: Event, end: Event) -> float:
    assert start.at is not None
    assert end.at is not None
    return float(end.at - start.at)


def _set_device(index: int) -> None:
    machine.current = index


class PinnedMemory(np.ndarray):
    """Bytes of main memory, at `ptr`."""

    ptr = property(lambda self: self.ctypes.data)


def _pinned(size: int) -> Any:
    whole = np.zeros(size + 16, np.uint8)
    start = -whole.ctypes.data % 16
    return whole[start : start + size].view(PinnedMemory)


def cuda() -> Any:
    """Return what stands for the module `cupy.cuda`."""
    runtime = SimpleNamespace(
        getDevice=lambda: machine.current,
        setDevice=_set_device,
        getDeviceCount=_count,
        driverGetVersion=lambda: machine.driver,
        runtimeGetVersion=lambda: machine.runtime,
        memGetInfo=lambda: Device().mem_info,
        getDeviceProperties=_properties,
        CUDARuntimeError=CUDARuntimeError,
    )
    return SimpleNamespace(
        alloc_pinned_memory=_pinned,
        Device=Device,
        Event=Event,
        MemoryPool=MemoryPool,
        using_allocator=lambda allocator: contextlib.nullcontext(),
        ExternalStream=lambda ptr, device_id=-1: Stream(),
        Stream=Stream,
        get_current_stream=lambda: machine.stream or Stream(null=True),
        get_elapsed_time=_elapsed,
        memory=SimpleNamespace(OutOfMemoryError=OutOfMemoryError),
        runtime=runtime,
    )
