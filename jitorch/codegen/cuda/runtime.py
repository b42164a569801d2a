"""Running on a GPU: machine code from the cache or the compiler, loaded through CuPy, and launches.

A launch packs its arguments into a buffer of eight bytes each and makes one call of the driver, on
CuPy's current stream, and does not wait. All that can be done once is done when the program is made,
or when sizes are met: an entry that other sizes may never need is compiled and loaded then.
Who loads CuPy, and finds that there is a driver and a GPU, hands the module to `Gpu`.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import hashlib
import importlib.metadata
import struct
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from jitorch.codegen import cache
from jitorch.codegen.cuda import compiled, launch
from jitorch.codegen.cuda.launch import Shape
from jitorch.codegen.cuda.printer import CudaSource, Entry
from jitorch.codegen.kernel import Scratch
from jitorch.cuda import adapter
from jitorch.cuda.faults import Faults
from jitorch.ir.types import BY_TAG

# Of cuLaunchKernel's `extra`: a buffer with the arguments, its size, and the end of the list.
_BUFFER, _SIZE, _END = 1, 2, 0
# What the machine code of a kernel depends on beside its source.
_COMPILERS = ("numba-cuda", "nvidia-cuda-nvcc", "nvidia-nvvm")
_WIDEST = 16  # bytes of one access


class Machine(Protocol):
    """What runs kernels: a GPU, or what stands in for one in tests. `xp` makes its arrays."""

    xp: Any

    @property
    def capability(self) -> tuple[int, int]:
        """The compute capability."""

    def here(self) -> AbstractContextManager[Any]:
        """Make it the current one within a block: what is loaded, launched and made is there."""

    def is_current(self) -> bool:
        """Whether it is the current one."""

    def load(self, source: CudaSource, entry: Entry) -> Any:
        """Return a handle for an entry."""

    def address(self, array: Any) -> int:
        """Return where the first element of an array is."""

    @property
    def faults(self) -> Faults:
        """Where kernels note indices beyond the end."""

    def launch(self, function: Any, shape: Shape, arguments: Arguments) -> None:
        """Start an entry."""

    def capture(self, run: Callable[[], Sequence[Any]]) -> Capture:
        """Return what a program asks of it, to be asked again as a whole."""


class Arguments(threading.local):
    """The packed arguments of the launch that a thread is about."""

    def __init__(self, layout: str) -> None:
        self.packer = struct.Struct(f"={layout}")
        self.buffer = ctypes.create_string_buffer(self.packer.size)
        self.size = ctypes.c_size_t(self.packer.size)
        places = (_BUFFER, ctypes.addressof(self.buffer), _SIZE, ctypes.addressof(self.size), _END)
        self._extra = (ctypes.c_void_p * len(places))(*places)
        self.extra = ctypes.addressof(self._extra)

    def pack(self, words: Sequence[Any]) -> None:
        self.packer.pack_into(self.buffer, 0, *words)


class Gpu:
    """A GPU of CuPy, whose module is `xp`, by its number."""

    def __init__(self, xp: Any, index: int) -> None:
        self.xp = xp
        self.index = index
        self._current = xp.cuda.runtime.getDevice
        self._start = xp.cuda.driver.launchKernel
        self._stream = xp.cuda.get_current_stream
        self._modules: list[Any] = []  # machine code is unloaded with its module

    @functools.cached_property
    def capability(self) -> tuple[int, int]:
        """The compute capability."""
        digits = str(self.xp.cuda.Device(self.index).compute_capability)
        return int(digits[:-1]), int(digits[-1])

    def here(self) -> AbstractContextManager[Any]:
        """Make it the current one within a block."""
        context: AbstractContextManager[Any] = self.xp.cuda.Device(self.index)
        return context

    def is_current(self) -> bool:
        """Whether it is the current one."""
        return bool(self._current() == self.index)

    def load(self, source: CudaSource, entry: Entry) -> int:
        """Return the driver's handle for an entry."""
        module = self.xp.cuda.function.Module()
        module.load(binary(source, entry.name, self.capability))
        self._modules.append(module)
        return int(module.get_function(entry.name).ptr)

    def address(self, array: Any) -> int:
        """Return where the first element of an array is."""
        return int(array.data.ptr)

    @property
    def faults(self) -> Faults:
        """Where kernels note indices beyond the end."""
        return adapter.faults

    def launch(self, function: int, shape: Shape, arguments: Arguments) -> None:
        """Start an entry on the current stream."""
        (x, y), (wide, high) = shape.blocks, shape.threads
        self._start(
            function, x, y, 1, wide, high, 1, 0, self._stream().ptr, 0, arguments.extra
        )  # fmt: skip

    def capture(self, run: Callable[[], Sequence[Any]]) -> Capture:
        """Return what a program asks of it, to be asked again as a whole. Runs it once before.

        Memory comes from a pool of the capture's own: what its launches write belongs to them as long as
        they may be started again.
        """
        cuda = self.xp.cuda
        pool = cuda.MemoryPool()
        stream = cuda.Stream(non_blocking=True)
        cuda.get_current_stream().synchronize()  # the other stream does not wait for this one
        with cuda.using_allocator(pool.malloc), stream:
            run()
            stream.synchronize()
            stream.begin_capture()
            try:
                results = run()
                graph = stream.end_capture()
            except Exception as error:
                with contextlib.suppress(Exception):  # raised if the capture is broken, and ends it
                    stream.end_capture()
                return Capture(failure=error)
        return Capture(results, graph, pool)


@dataclass
class Capture:
    """Launches that can be started as one, and the arrays that have the results then."""

    results: Sequence[Any] = ()
    graph: Any = None
    pool: Any = None  # keeps the memory that the launches use
    failure: Exception | None = None

    def launch(self) -> None:
        """Start all launches on the current stream."""
        self.graph.launch()


class Kernel:
    """A kernel that can be launched: `kernel(sizes, pointers, numbers)`.

    `sizes` are those that shape the launches; `pointers` are addresses and `numbers` the ints and
    floats, in the order of the source's slots. Working memory is the kernel's own affair.
    """

    def __init__(self, machine: Machine, source: CudaSource) -> None:
        self.source = source
        self.machine = machine
        load = functools.cache(functools.partial(machine.load, source))
        for entry in source.entries:
            if not entry.late:
                load(entry)
        # Looked up by each call.
        self.starts = functools.lru_cache(1024)(functools.partial(_starts, source, load))
        tags = [slot.tag for slot in source.slots] + ["int"] * (source.vectors is not None)
        self.arguments = Arguments("".join("d" if tag == "float" else "q" for tag in tags))
        first = sum(slot.pointer for slot in source.slots)
        names = {slot.name: i - first for i, slot in enumerate(source.slots)}
        strides = source.vectors or ()
        self.strides = [names[s] for s in strides if isinstance(s, str)]
        self.never = any(isinstance(s, int) and s % launch.FOUR for s in strides)

    def __call__(
        self, sizes: Sequence[Sequence[int]], pointers: Sequence[int], numbers: Sequence[Any]
    ) -> None:
        starts = self.starts(sizes)
        if not starts.launches:
            return
        memory = self.machine.xp.empty(starts.room, "u1") if starts.room else None
        first = 0 if memory is None else self.machine.address(memory)
        words = [*pointers, *(first + place for place in starts.scratch), *numbers]
        if self.source.vectors is not None:
            words.append(self.vectors(pointers, numbers))
        self.arguments.pack(words)
        for function, shape in starts.launches:
            self.machine.launch(function, shape, self.arguments)

    def vectors(self, pointers: Sequence[int], numbers: Sequence[Any]) -> int:
        """Return whether four neighbours may be accessed at once."""
        if self.never:
            return 0
        together = 0
        for pointer in pointers:
            together |= pointer
        if together % _WIDEST:
            return 0
        for i in self.strides:
            if numbers[i] % launch.FOUR:
                return 0
        return 1


@dataclass(frozen=True, slots=True)
class _Starts:
    """What sizes ask for: functions to launch, and where in so many bytes working memory lies."""

    launches: Sequence[tuple[Any, Shape]]
    scratch: Sequence[int]
    room: int


def _starts(source: CudaSource, load: Callable[[Entry], Any], sizes: Sequence[int]) -> _Starts:
    """Return what to start for some sizes; entries that have nothing to do are not even loaded."""
    shapes = [(entry, launch.SHAPES[entry.work](*sizes)) for entry in source.entries]
    launches = [(load(entry), shape) for entry, shape in shapes if not launch.is_empty(shape)]
    parts, points = launch.room((entry.work for entry in source.entries), sizes)
    scratch, room = [], 0
    for slot in source.slots:
        if isinstance(slot.source, Scratch):
            scratch.append(room)
            size = BY_TAG[slot.tag].itemsize * (parts if slot.source.per_block else points)
            room += size + -size % _WIDEST
    return _Starts(launches, scratch, room)


# Machine code.

# Modules that decide what source means, besides those of `nest`.
_MEANING = (
    "casts.py",
    "emit.py",
    "numeric.py",
    "cuda/adapter.py",
    "cuda/device.py",
    "cuda/lowering.py",
    "cuda/primitives.py",
    "cuda/text.py",
)


def binary(source: CudaSource, entry: str, cc: tuple[int, int]) -> bytes:
    """Return the machine code of an entry: from the disk, or compiled now and kept there."""
    key = cache.make_key(
        source=source.text,
        entry=entry,
        parameters=source.types,
        threads=[launch.BOUNDS[e.work] for e in source.entries],
        capability=cc,
        compilers=_versions(),
        ours=_ours(),
    )
    kept = cache.load(key)
    if kept is not None:
        return kept[1]
    made = compiled.cubin(source, entry, cc)
    cache.store(key, f"{entry} sm_{cc[0]}{cc[1]}", made, compiled.ptx(source, entry, cc))
    return made


@functools.cache
def _versions() -> list[str]:
    return [f"{name} {_version(name)}" for name in _COMPILERS]


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "none"


@functools.cache
def _ours() -> str:
    """Return a digest of the modules that decide what source means."""
    folder = Path(__file__).parent.parent
    files = [*map(folder.joinpath, _MEANING), *sorted(folder.glob("nest/*.py"))]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
