"""Which PTX the installed compilers make: asked of NVRTC and NVVM by compiling a line. Needs no GPU."""

from __future__ import annotations

import importlib
import re
from dataclasses import dataclass
from typing import Any

Release = tuple[int, int]

RELEASE = re.compile(r"release (\d+)\.(\d+)")
_PTX = re.compile(r"^\.version (\d+\.\d+)", re.MULTILINE)


@dataclass(frozen=True)
class Ptx:
    """What a compiler makes: of which CUDA release it is, and the version of its PTX."""

    release: Release
    version: str


def nvrtc_ptx() -> Ptx:
    """Compile a line of CUDA and return what became of it."""
    nvrtc = importlib.import_module("cuda.bindings.nvrtc")
    program = _ok(nvrtc.nvrtcCreateProgram(b'extern "C" __global__ void f(){}', b"f.cu", 0, [], []))
    _ok(nvrtc.nvrtcCompileProgram(program, 0, []))
    text = bytearray(_ok(nvrtc.nvrtcGetPTXSize(program)))
    _ok(nvrtc.nvrtcGetPTX(program, text))
    return _read(bytes(text).decode())


def _ok(answer: tuple[Any, ...]) -> Any:
    """Return what a call of NVRTC gives. Raises RuntimeError where it fails."""
    status, *values = answer
    if int(status):
        raise RuntimeError(status.name)
    return values[0] if values else None


_LAYOUT = (
    "e-p:64:64:64-i1:8:8-i8:8:8-i16:16:16-i32:32:32-i64:64:64-i128:128:128-f32:32:32-f64:64:64-"
    "v16:16:16-v32:32:32-v64:64:64-v128:128:128-n16:32:64"
)


def nvvm_ptx() -> Ptx:
    """Compile an empty function of LLVM and return what became of it."""
    nvvm = importlib.import_module("cuda.bindings.nvvm")
    version = ", ".join(f"i32 {n}" for n in nvvm.ir_version())
    text = (
        f'target triple = "nvptx64-nvidia-cuda"\ntarget datalayout = "{_LAYOUT}"\n'
        "define void @f() {\n  ret void\n}\n"
        f"!nvvmir.version = !{{!0}}\n!0 = !{{{version}}}\n"
    ).encode()
    program = nvvm.create_program()
    nvvm.add_module_to_program(program, text, len(text), "f")
    nvvm.compile_program(program, 0, [])
    made = bytearray(nvvm.get_compiled_result_size(program))
    nvvm.get_compiled_result(program, made)
    return _read(bytes(made).decode())


def _read(text: str) -> Ptx:
    """Return what PTX says of its compiler."""
    by, version = RELEASE.search(text), _PTX.search(text)
    if by is None or version is None:
        raise RuntimeError("its PTX names no release")
    return Ptx((int(by[1]), int(by[2])), version[1])
