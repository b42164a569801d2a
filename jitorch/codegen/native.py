"""Native code: kernel source to object file, object file to a function that can be called.

    source --lowering (Numba)--> LLVM text --optimise--> object file --load--> NativeFunction

Only the first arrow needs Numba, and only a compilation imports it. Objects are position
independent: whatever lives at an address of this process (BLAS, the thread pool) is a named symbol
that `define_symbol` resolves while loading, so an object can be kept on disk and loaded again.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import importlib
import importlib.util
import itertools
import os
import sys
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm
from llvmlite.binding import ffi

from jitorch import threads
from jitorch.codegen import cache
from jitorch.codegen.llvm import (
    Compilation,
    ObjectCode,
    compile_llvm,
    cpu_features,
    cpu_name,
    target_machine,
)
from jitorch.locks import Lock

DEFAULT_FASTMATH = frozenset({"contract"})

# void(int64, int64, int64): ctypes passes integers as `c_void_p` in half the time of `c_int64`.
_ENTRY = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)


@functools.cache
def _versions() -> dict[str, object]:
    """What else decides the code a source becomes: versions, and the files of this package."""
    packages = ("numba", "llvmlite")
    return {package: _version(package) for package in packages} | {"codegen": _own_files()}


def _version(package: str) -> str:
    """What the package says of its version; importing it, or asking its metadata, takes longer."""
    spec = importlib.util.find_spec(package)
    with contextlib.suppress(OSError):  # not installed as files
        if spec is not None and spec.origin is not None:
            return Path(spec.origin).with_name("_version.py").read_text(encoding="utf-8")
    return _metadata_version(package)


def _metadata_version(package: str) -> str:
    import importlib.metadata

    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def _own_files(folder: str = os.path.dirname(__file__)) -> list[tuple[str, int, int]]:
    """The source files of this package, with sizes and times of change."""
    found: list[tuple[str, int, int]] = []
    with contextlib.suppress(OSError):  # not installed as files
        for item in os.scandir(folder):
            if item.name.endswith(".py"):
                status = item.stat()
                found.append((item.name, status.st_size, status.st_mtime_ns))
            elif item.name != "__pycache__" and item.is_dir():
                found += _own_files(item.path)
    return sorted(found)


# ---------------------------------------------------------------------------------------- compile

_compiling = Lock()
_loading = Lock()
_interval: float | None = None  # how often threads switch when nothing is compiled


def _after_fork() -> None:
    """Undo what a compilation in another thread had done to the process that forked."""
    if _interval is not None:
        sys.setswitchinterval(_interval)
    compilers = sys.modules.get("numba.core.compiler_lock")
    owners: list[Any] = [ffi.lib._lock, getattr(compilers, "global_compiler_lock", None)]
    for owner in owners:
        if hasattr(owner, "_lock"):
            owner._lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def compile_source(
    source: str,
    entry: str,
    namespace: Mapping[str, object],
    *,
    fastmath: frozenset[str] = DEFAULT_FASTMATH,
    filename: str,
) -> ObjectCode:
    """Compile function `entry` of `source`, called as void(int64 args, int64 lo, int64 hi).

    `namespace` holds the names the source uses. `filename` is what tracebacks and debuggers show;
    its lines are registered with `linecache`.
    """
    with _compiling:
        from jitorch.codegen import lowering

        return compile_llvm(lowering.lower(source, entry, namespace, fastmath, filename), entry)


# ------------------------------------------------------------------------------------------- load


class LinkError(RuntimeError):
    """An object file that is damaged, or refers to what is not in the process."""


class NativeFunction:
    """A loaded entry. Its machine code is freed when the last reference to this goes.

    `call(args, lo, hi)` is the bare function, the quickest way to it from Python; whoever keeps
    `call` or `address` must keep this too.
    """

    __slots__ = ("__weakref__", "_tracker", "address", "call", "code", "name")

    def __init__(self, code: ObjectCode, tracker: Any, address: int) -> None:
        self.code = code
        self.name = code.name
        self.address = address
        self._tracker = tracker
        self.call = _ENTRY(address)

    def __call__(self, args: int, lo: int, hi: int) -> None:
        """Run over [lo, hi), with the interpreter lock released."""
        self.call(args, lo, hi)

    def keep(self) -> None:
        """Never free the machine code: for functions that threads of their own run in."""
        self._tracker._owned = True  # llvmlite's mark of objects it is not to dispose of

    def __repr__(self) -> str:
        return f"<NativeFunction {self.name} at {self.address:#x}>"


_library_numbers = itertools.count()


def _address_of(module: str, function: str, *args: str) -> Callable[[], int]:
    """Ask a module of this package for an address, importing it only then."""
    return lambda: int(getattr(importlib.import_module(module), function)(*args))


_symbols: dict[str, Callable[[], int]] = {
    "jitorch_parallel_for": _address_of("jitorch.codegen.threads", "parallel_for_address"),
    **{
        f"jitorch_{name}": _address_of("jitorch.codegen.blas", "blas_address", name)
        for name in ("sgemm", "dgemm", "sgemv", "dgemv")
    },
}


def define_symbol(name: str, address: Callable[[], int]) -> None:
    """Let compiled code refer to `name`; `address()` is asked when an object first needs it."""
    _symbols[name] = address


@functools.cache
def _linker() -> Any:
    """The process's linker. It is never closed: code may be running until the process ends."""
    linker = llvm.create_lljit_compiler(
        target_machine(),
        use_jit_link=True,
        suppress_errors=True,  # it raises them, and would print them too
    )
    linker._owned = True
    return linker


def load_object(code: ObjectCode) -> NativeFunction:
    """Link an object file into the process. Needs llvmlite, not Numba."""
    library = llvm.JITLibraryBuilder().add_object_img(code.data).add_current_process()
    for name, address in _symbols.items():
        if name.encode() in code.data:
            library.import_symbol(name, address())
    library.export_symbol(code.name)
    try:
        with _loading:
            tracker = library.link(_linker(), f"{code.name}.{next(_library_numbers)}")
    except RuntimeError as error:
        raise LinkError(f"{code.name} cannot be linked into the process: {error}") from None
    return NativeFunction(code, tracker, tracker[code.name])


# ------------------------------------------------------------------------------------------ cache

_kernels: weakref.WeakValueDictionary[str, NativeFunction] = weakref.WeakValueDictionary()


def kernel_key(text: str, flags: frozenset[str] = frozenset()) -> str:
    """The cache key of `text`: of it, the flags, the versions and the processor."""
    return cache.make_key(
        text=text,
        flags=sorted(flags),
        versions=_versions(),
        cpu=cpu_name(),
        features=cpu_features(),
    )


@dataclass(frozen=True)
class Job:
    """Something to have compiled: its cache key, its entry, and what makes its LLVM modules."""

    key: str
    entry: str
    modules: Callable[[], list[str]]


def llvm_job(text: str, entry: str) -> Job:
    """A job of LLVM text."""
    return Job(kernel_key(text), entry, lambda: [text])


def source_job(
    source: str,
    entry: str,
    namespace: Callable[[], Mapping[str, object]] | None = None,
    *,
    fastmath: frozenset[str] = DEFAULT_FASTMATH,
    filename: str | None = None,
) -> Job:
    """A job of kernel source.

    `namespace` is called when it has to be compiled, since making one imports Numba; what it gives
    must depend on the version of the package only. By default it is the one of `intrinsics`.
    """
    key = kernel_key(f"{entry}\0{source}", fastmath)
    name = filename or f"<jitorch {entry} {key[:12]}>"
    names = namespace or default_namespace

    def modules() -> list[str]:
        from jitorch.codegen import lowering

        return lowering.lower(source, entry, names(), fastmath, name)

    return Job(key, entry, modules)


def cached(jobs: Sequence[Job]) -> list[NativeFunction]:
    """The functions of the jobs: from memory, else from disk, else compiled now and kept in both.

    Memory holds them as long as somebody uses them.
    """
    found = [_kernels.get(job.key) for job in jobs]
    if None not in found:
        return [each for each in found if each is not None]
    with _compiling:  # so that one text is compiled once
        made: dict[str, NativeFunction] = {}
        missing: dict[str, Job] = {}
        for job in jobs:
            function = _kernels.get(job.key) or _from_disk(job.key)
            if function is None:
                missing[job.key] = job
            else:
                _kernels[job.key] = made[job.key] = function
        for key, code in _compiled(list(missing.values())):
            cache.store(key, code.name, code.data, code.llvm)
            _kernels[key] = made[key] = load_object(code)
        return [made[job.key] for job in jobs]


def _compiled(jobs: Sequence[Job]) -> Iterator[tuple[str, ObjectCode]]:
    """Compile jobs: LLVM is at work on some, on threads of its own, while Python is at the next."""
    if len(jobs) < 2:
        yield from ((job.key, compile_llvm(job.modules(), job.entry)) for job in jobs)
        return
    from concurrent.futures import ThreadPoolExecutor

    with contextlib.ExitStack() as stack:
        stack.enter_context(_quick_switches())
        pool = ThreadPoolExecutor(threads.available_cpus(), "jitorch-llvm")
        started = []
        try:
            for job in jobs:
                compilation = Compilation(job.modules(), job.entry)
                stack.callback(compilation.close)
                started.append((job.key, pool.submit(compilation.run)))
            yield from ((key, code.result()) for key, code in started)
        finally:
            pool.shutdown(cancel_futures=True)  # before what it works on is closed


@contextlib.contextmanager
def _quick_switches() -> Iterator[None]:
    """Let a thread that returns from LLVM have the interpreter within 0.1 ms, not Python's 5 ms."""
    global _interval
    before = _interval = sys.getswitchinterval()
    sys.setswitchinterval(min(before, 1e-4))
    try:
        yield
    finally:
        sys.setswitchinterval(before)
        _interval = None


def _from_disk(key: str) -> NativeFunction | None:
    kept = cache.load(key)
    if kept is None:
        return None
    try:
        return load_object(ObjectCode(*kept))
    except LinkError:
        return None


def compile_kernel(
    source: str,
    entry: str,
    namespace: Callable[[], Mapping[str, object]] | None = None,
    *,
    fastmath: frozenset[str] = DEFAULT_FASTMATH,
    filename: str | None = None,
) -> NativeFunction:
    """The entry `entry` of kernel `source`, compiled if it is in no cache; see `source_job`."""
    job = source_job(source, entry, namespace, fastmath=fastmath, filename=filename)
    return cached([job])[0]


def default_namespace() -> Mapping[str, object]:
    """What kernel source may use: everything in `intrinsics.NAMESPACE`."""
    from jitorch.codegen import intrinsics

    return intrinsics.NAMESPACE
