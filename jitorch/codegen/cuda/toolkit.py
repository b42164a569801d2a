"""The parts of the CUDA toolkit that compiling needs, all from wheels: found, used, or missed.

NVVM and NVRTC are libraries that numba-cuda loads; `ptxas` turns PTX into machine code and
`nvdisasm` shows it. Whichever is missing is named with the command that installs it.
"""

from __future__ import annotations

import functools
import importlib.util
import subprocess
import tempfile
from pathlib import Path
from types import ModuleType

from jitorch.errors import CompileError

INSTALL = "pip install 'jitorch[cuda]'"

# The oldest compute capability that the compilers of CUDA 13 know.
OLDEST = (7, 5)


def adapter() -> ModuleType:
    """Return `jitorch.codegen.cuda.adapter`. Raises CompileError if what it needs is missing."""
    _check()
    from jitorch.codegen.cuda import adapter

    return adapter


@functools.cache
def _check() -> None:
    """Raise for what is missing, before Numba fails in its own words."""
    if importlib.util.find_spec("numba_cuda") is None:
        raise _missing("numba-cuda is not installed")
    try:
        from cuda import pathfinder
    except ImportError:
        raise _missing("cuda-pathfinder is not installed") from None
    for library in ("nvvm", "nvrtc"):
        try:
            pathfinder.load_nvidia_dynamic_lib(library)
        except RuntimeError:  # DynamicLibNotFoundError, or an error while loading
            raise _missing(f"the library {library.upper()} was not found") from None


def tool(name: str) -> str:
    """Return the path of a program of the toolkit."""
    try:
        from cuda import pathfinder
    except ImportError:
        raise _missing(f"{name} was not found") from None
    found = pathfinder.find_nvidia_binary_utility(name)
    if found is None:
        raise _missing(f"{name} was not found")
    return str(found)


@functools.cache
def missing() -> str | None:
    """Return what is missing for making machine code, None if nothing is."""
    try:
        _check()
        tool("ptxas")
    except CompileError as error:
        return error.message
    return None


def _missing(what: str) -> CompileError:
    return CompileError(f"no code can be made for CUDA: {what}", hint=INSTALL)


def parse_capability(text: str) -> tuple[int, int]:
    """Return a compute capability, such as "9.0", as two numbers."""
    major, dot, minor = text.partition(".")
    if not (major.isdigit() and (minor.isdigit() or not dot)):
        raise CompileError(f"'{text}' is no compute capability", hint="write it like 9.0")
    found = int(major), int(minor or 0)
    if found < OLDEST:
        raise CompileError(
            f"compute capability {text} is too old: CUDA 13 compiles for 7.5 and newer"
        )
    return found


def assemble(ptx: str, cc: tuple[int, int]) -> bytes:
    """Return the machine code (a cubin) of PTX text."""
    with tempfile.TemporaryDirectory() as folder:
        source, result = Path(folder, "kernel.ptx"), Path(folder, "kernel.cubin")
        source.write_text(ptx, encoding="utf-8")
        _run("ptxas", f"-arch=sm_{cc[0]}{cc[1]}", str(source), "-o", str(result))
        return result.read_bytes()


def disassemble(cubin: bytes) -> str:
    """Return the machine code of a cubin as text."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "kernel.cubin")
        path.write_bytes(cubin)
        return _run("nvdisasm", "--print-code", str(path))


def _run(name: str, *arguments: str) -> str:
    done = subprocess.run([tool(name), *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise CompileError(
            f"{name} failed: {(done.stderr or done.stdout).strip()}",
            hint=f"take all parts from one CUDA release: {INSTALL}",
        )
    return done.stdout
