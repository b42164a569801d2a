"""Kernels for GPUs on this CPU: the LLVM module that NVVM would get, compiled by LLVM itself.

Each thread of a block is a thread of this process (`emulator`). What a GPU has and a CPU has not calls
back: places of threads, barriers, shuffles, libdevice, for which NumPy and SciPy stand.
"""

from __future__ import annotations

import ctypes
import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import llvmlite.binding as llvm
import numpy as np

from jitorch.codegen.cuda import primitives
from jitorch.codegen.cuda.launch import Shape, Work
from jitorch.codegen.cuda.lowering import kernel_module
from jitorch.codegen.cuda.printer import CudaSource
from jitorch.codegen.llvm import new_machine
from tests.codegen.cuda import emulator
from tests.codegen.cuda.host import Memory
from tests.codegen.cuda.names import function

_REGISTERS = {"tid": "threadIdx", "ctaid": "blockIdx", "ntid": "blockDim", "nctaid": "gridDim"}
# By the number of the mode: what a shuffle does, and the lane beyond which there is none.
_SHUFFLES = {3: (emulator.BOARD.shuffle, 31), 1: (emulator.BOARD.shuffle_up, 0)}
_WARPS = (Work.SQUARES, Work.LINE_PARTS, Work.LINE_TOTALS, Work.LINE_FOLDS)

# A pair comes back in registers that ctypes does not know, and so does a half. A double rounds to half
# once if the bits that a float has no room for are kept in its last one.
_PRELUDE = """
declare i32 @gpu.shuffle(i32, i32, i32, i32, i32)
define {i32, i1} @gpu.shfl.sync.i32(i32 %lanes, i32 %mode, i32 %x, i32 %far, i32 %clamp) {
  %word = call i32 @gpu.shuffle(i32 %lanes, i32 %mode, i32 %x, i32 %far, i32 %clamp)
  %result = insertvalue {i32, i1} undef, i32 %word, 0
  ret {i32, i1} %result
}
define half @__truncdfhf2(double %x) {
  %bits = bitcast double %x to i64
  %low = and i64 %bits, 536870911
  %lost = icmp ne i64 %low, 0
  %one = zext i1 %lost to i64
  %last = shl i64 %one, 29
  %high = and i64 %bits, -536870912
  %odd = or i64 %high, %last
  %kept = bitcast i64 %odd to double
  %float = fptrunc double %kept to float
  %half = fptrunc float %float to half
  ret half %half
}
"""


def start(made: CudaSource, entry: str, shape: Shape, arguments: Sequence[Any]) -> None:
    """Launch an entry."""
    _, kernel = _compiled(made, entry)
    words = [_word(x) for x in arguments]
    pointers = [w for w, x in zip(words, arguments, strict=True) if isinstance(x, Memory)]
    if made.vectors is not None and any(w % 16 for w in pointers):
        words[-1] = 0
    emulator.run(kernel, made, shape, words)


def one_thread(made: CudaSource, entry: str, shape: Shape, arguments: Sequence[Any]) -> None:
    """Launch an entry in a single thread, which does the work of all, if whole warps need not meet."""
    (work,) = (e.work for e in made.entries if e.name == entry)
    if work not in _WARPS:
        shape = Shape((1, 1), (1, 1))
    start(made, entry, shape, arguments)


def _word(x: Any) -> Any:
    if isinstance(x, Memory):
        return x.data.ctypes.data + x.first * x.data.itemsize
    return float(x) if isinstance(x, float) else int(x)


@functools.cache
def _compiled(made: CudaSource, entry: str) -> tuple[Any, Callable[..., None]]:
    """Return what keeps the machine code of an entry alive, and the entry."""
    _define()
    text = str(kernel_module(made.text, entry, made.types))
    machine = new_machine()
    module = llvm.parse_assembly(text.replace("llvm.nvvm.", "gpu."), llvm.create_context())
    module.link_in(llvm.parse_assembly(_PRELUDE, module._context))
    module.triple, module.data_layout = machine.triple, str(machine.target_data)
    module.verify()
    builder = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(2))
    builder.getModulePassManager().run(module, builder)
    engine = llvm.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    kinds = [
        ctypes.c_double if tag == "float" and not pointer else ctypes.c_int64
        for tag, pointer in made.types
    ]
    return engine, ctypes.CFUNCTYPE(None, *kinds)(engine.get_function_address(entry))


@functools.cache
def _define() -> list[Any]:
    """Make known to LLVM what modules call, and return it, to be kept."""
    found = []
    for name, result, kinds, call in _symbols():
        callback = ctypes.CFUNCTYPE(result, *kinds)(call)
        address = ctypes.cast(callback, ctypes.c_void_p).value
        llvm.add_symbol(name, address)
        found.append(callback)
    return found


def _symbols() -> Iterator[tuple[str, Any, list[Any], Any]]:
    word = ctypes.c_int32
    for (register, what), axis in itertools.product(_REGISTERS.items(), "xy"):
        name = f"gpu.read.ptx.sreg.{register}.{axis}"
        yield name, word, [], functools.partial(emulator.place, what, axis)
    yield "gpu.barrier0", None, [], emulator.wait
    yield "gpu.shuffle", word, [word] * 5, _shuffle
    for name in {*primitives.MATH.values(), "fmod", "fabs", "cbrt"}:
        arity = 2 if name in ("atan2", "copysign", "fmod", "pow") else 1
        for suffix, kind, dtype in (
            ("f", ctypes.c_float, np.float32),
            ("", ctypes.c_double, np.float64),
        ):
            call = functools.partial(_math, function(name), dtype)
            yield f"__nv_{name}{suffix}", kind, [kind] * arity, call


def _shuffle(lanes: int, mode: int, word: int, far: int, clamp: int) -> int:
    exchange, last = _SHUFFLES[mode]
    assert (lanes, clamp) == (-1, last)
    return int(exchange(word, far))


def _math(call: Any, dtype: Any, *operands: float) -> float:
    with np.errstate(all="ignore"):
        return float(call(*map(dtype, operands)))
