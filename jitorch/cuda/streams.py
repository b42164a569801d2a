"""Streams and events: the order of work on a GPU, and its time. They are CuPy's, under PyTorch's names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from jitorch.cuda import adapter
from jitorch.cuda.devices import place
from jitorch.errors import CudaError


class Stream:
    """A queue of work on a GPU; streams do not wait for each other.

    >>> s = jt.cuda.Stream()  # doctest: +SKIP
    >>> with jt.cuda.stream(s):
    ...     y = x * 2  # doctest: +SKIP
    >>> s.synchronize()  # doctest: +SKIP
    """

    def __init__(self, device: Any = None) -> None:
        self.device = place(device)
        with adapter.on(self.device):
            self.cupy = adapter.cupy.cuda.Stream(non_blocking=True)

    @property
    def cuda_stream(self) -> int:
        """The handle by which other libraries know the stream."""
        return int(self.cupy.ptr)

    def synchronize(self) -> None:
        """Wait until all work of the stream is done."""
        with adapter.translated():
            self.cupy.synchronize()
        adapter.faults.check()

    def query(self) -> bool:
        """Return whether all work of the stream is done."""
        return bool(self.cupy.done)

    def wait_event(self, event: Event) -> None:
        """Let what is queued from now on wait for an event."""
        with adapter.translated():
            self.cupy.wait_event(event.cupy)

    def wait_stream(self, stream: Stream) -> None:
        """Let what is queued from now on wait for what is in another stream now."""
        self.wait_event(stream.record_event())

    def record_event(self, event: Event | None = None) -> Event:
        """Record an event after what is in the stream, and return it."""
        event = Event() if event is None else event
        event.record(self)
        return event

    def __repr__(self) -> str:
        return f"<jitorch.cuda.Stream device={self.device} cuda_stream={self.cuda_stream:#x}>"


class Event:
    """A moment in a stream.

    >>> start, end = (jt.cuda.Event(enable_timing=True) for _ in range(2))  # doctest: +SKIP
    >>> start.record(); y = x.exp(); end.record()  # doctest: +SKIP
    >>> end.synchronize(); start.elapsed_time(end)  # doctest: +SKIP
    0.0123
    """

    def __init__(self, enable_timing: bool = False, blocking: bool = False) -> None:
        self.enable_timing = enable_timing
        self._recorded = False
        module = adapter.load()
        with adapter.translated():
            self.cupy = module.cuda.Event(block=blocking, disable_timing=not enable_timing)

    def record(self, stream: Stream | None = None) -> None:
        """Mark the moment after what is in a stream now, by default in the current one."""
        with adapter.translated():
            self.cupy.record((current_stream() if stream is None else stream).cupy)
        self._recorded = True

    def synchronize(self) -> None:
        """Wait for the moment."""
        with adapter.translated():
            self.cupy.synchronize()
        adapter.faults.check()

    def query(self) -> bool:
        """Return whether the moment is past."""
        return bool(self.cupy.done)

    def wait(self, stream: Stream | None = None) -> None:
        """Let what is queued from now on in a stream wait for the moment."""
        (current_stream() if stream is None else stream).wait_event(self)

    def elapsed_time(self, end_event: Event) -> float:
        """Return the milliseconds from this event to another; both have been waited for."""
        if not (self.enable_timing and end_event.enable_timing):
            raise CudaError("Both events must be created with argument 'enable_timing=True'.")
        if not (self._recorded and end_event._recorded):
            raise CudaError("Both events must be recorded before calculating elapsed time.")
        with adapter.translated():
            return float(adapter.cupy.cuda.get_elapsed_time(self.cupy, end_event.cupy))


def _of(queue: Any, device: Any) -> Stream:
    """Return a stream of CuPy as one of ours."""
    out = Stream.__new__(Stream)
    out.device, out.cupy = place(device), queue
    return out


def current_stream(device: Any = None) -> Stream:
    """Return the stream that work on a GPU goes to."""
    with adapter.on(place(device)):
        return _of(adapter.cupy.cuda.get_current_stream(), device)


def default_stream(device: Any = None) -> Stream:
    """Return the stream that work goes to where no other was chosen."""
    with adapter.on(place(device)):
        return _of(adapter.cupy.cuda.Stream(null=True), device)


@contextmanager
def stream(stream: Stream | None) -> Iterator[None]:
    """Let work go to a stream, on its GPU, within the block; None leaves it as it is."""
    if stream is None:
        yield
        return
    with adapter.load().cuda.Device(stream.device.index), stream.cupy:
        yield
