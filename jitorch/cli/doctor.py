"""`jitorch doctor`: what is installed, what this machine offers, and what is missing."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import platform
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jitorch
from jitorch.cli import doctor_cuda
from jitorch.cli.findings import Finding, ask, emit_json, show

# Vector features by which kernels differ in speed, widest first.
_VECTORS = ("avx512f", "avx2", "avx", "fma", "sse4.2", "sve2", "sve", "neon")
# Package: the oldest version that works, and what needs it.
_PACKAGES = {
    "numpy": ("2.0", "everything"),
    "numba": ("0.62", "compiling kernels; without it functions run op by op"),
    "llvmlite": ("0.45", "compiling kernels; it comes with Numba"),
    "scipy": ("1.13", "matrix products and special functions"),
}


def doctor(form: str = "text") -> bool:
    """Print the findings, and return whether all is well on the CPU."""
    probes = {
        "software": _software,
        "machine": _machine,
        "BLAS": _blas,
        "kernel cache": _cache,
        "environment": _environment,
    }
    findings = [f for what, probe in probes.items() for f in ask(probe, what, "cpu")]
    findings += doctor_cuda.findings()
    if form == "json":
        emit_json(findings)
    else:
        show(findings)
    return not any(f.fault for f in findings)


def _software() -> Iterator[Finding]:
    yield Finding("jitorch", jitorch.__version__)
    version = platform.python_version()
    supported = sys.implementation.name == "cpython" and (3, 11) <= sys.version_info[:2] < (3, 14)
    remedy = "" if supported else "jitorch needs CPython 3.11 to 3.13"
    yield Finding(
        "Python", f"{version} ({platform.python_implementation()})", remedy, not supported
    )
    for package, (oldest, purpose) in _PACKAGES.items():
        yield _package(package, oldest, purpose)


def _package(package: str, oldest: str, purpose: str) -> Finding:
    command = f'{sys.executable} -m pip install "{package}>={oldest}"'
    if importlib.util.find_spec(package) is None:
        return Finding(
            package, "not installed", f"{package} is needed for {purpose}:\n  {command}", True
        )
    try:
        version = importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return Finding(package, "of unknown version")
    if _numbers(version) < _numbers(oldest):
        return Finding(
            package,
            f"{version}, too old",
            f"{package} {oldest} or later is needed:\n  {command}",
            True,
        )
    return Finding(package, version)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())


def _machine() -> Iterator[Finding]:
    yield Finding("system", f"{platform.system()} {platform.release()}, {platform.machine()}")
    if importlib.util.find_spec("llvmlite") is None:
        return
    from jitorch import threads
    from jitorch.codegen import llvm

    have = {f[1:] for f in llvm.cpu_features().split(",") if f.startswith("+")}
    vectors = [v for v in _VECTORS if v in have]
    yield Finding("CPU", f"{llvm.cpu_name()} ({', '.join(vectors) or 'no vector features'})")
    used, available = threads.get_num_threads(), threads.available_cpus()
    yield Finding("threads", f"{used} of {available} available CPU{'s' * (available != 1)}")


def _blas() -> Iterator[Finding]:
    for package in ("numpy", "scipy"):
        if importlib.util.find_spec(package) is None:
            continue
        told: Any = importlib.import_module(package).show_config(mode="dicts")
        blas = told["Build Dependencies"]["blas"]
        yield Finding(f"BLAS of {package}", f"{blas['name']} {blas.get('version', '')}".strip())
    yield from _blas_kernels()


# What OpenBLAS calls its kernels for processors without 512-bit vectors.
_NARROW_KERNELS = ("haswell", "zen", "sandybridge", "nehalem", "prescott")


def _blas_kernels() -> Iterator[Finding]:
    """Whether OpenBLAS knows this processor: what is younger than it gets kernels for an older one."""
    if importlib.util.find_spec("llvmlite") is None:
        return
    from jitorch import threads
    from jitorch.codegen import llvm

    wide = "+avx512f" in llvm.cpu_features() and "-prefer-256-bit" in llvm.cpu_features()
    kinds = {getattr(each, "architecture", None) or "" for each in threads.blas_libraries()}
    for kind in sorted(filter(None, kinds)):
        slow = wide and kind.lower() in _NARROW_KERNELS
        remedy = (
            "this processor has 512-bit vectors, which these kernels do not use; set "
            "OPENBLAS_CORETYPE=SkylakeX before Python starts, and see whether matrix products get faster"
        )
        yield Finding("BLAS kernels", f"for {kind}", remedy if slow else "")


def _cache() -> Iterator[Finding]:
    from jitorch.codegen import cache

    if not cache.enabled():
        yield Finding("kernel cache", "switched off by JITORCH_CACHE=0")
        return
    folder = cache.directory()
    if not _writable(folder):
        remedy = f"set JITORCH_CACHE_DIR to a directory of your own: {folder} can't be written"
        yield Finding("kernel cache", f"{folder}, not writable", remedy, True)
        return
    entries = cache.entries()
    used = sum(e.size for e in entries)
    text = f"{folder}, {len(entries)} kernels, {size(used)} of {size(cache.limit_bytes())}"
    yield Finding("kernel cache", text)


def _writable(folder: Path) -> bool:
    """Whether files can be made in a folder, or the folder itself can be made."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _environment() -> Iterator[Finding]:
    names = sorted(name for name in os.environ if name.startswith("JITORCH_"))
    for name in names:
        yield Finding(name, os.environ[name])


def size(count: int) -> str:
    """Return a number of bytes in the unit that suits it."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count} B"
