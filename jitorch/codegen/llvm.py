"""LLVM: modules to optimised object files, several at once.

llvmlite lets one thread at a time into LLVM, and Numba compiles under the same lock. What takes
long here, the optimiser and the code generator, is called without it: each compilation has a
context and a code generator of its own, and LLVM asks no more of its users.
"""

from __future__ import annotations

import ctypes
import functools
import itertools
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import llvmlite.binding as llvm
from llvmlite.binding import ffi
from llvmlite.binding.newpassmanagers import NewPassManager


@dataclass(frozen=True)
class ObjectCode:
    """A compiled function: its symbol, the object file, and the optimised LLVM text."""

    name: str
    data: bytes
    llvm: str


# ------------------------------------------------------------------------------------ the machine


@functools.cache
def cpu_name() -> str:
    """LLVM's name of the processor this process runs on."""
    return str(llvm.get_host_cpu_name())


@functools.cache
def cpu_features() -> str:
    """The features code is generated for, as LLVM writes them."""
    features = llvm.get_host_cpu_features()
    if wide_vectors(features):
        features["prefer-256-bit"] = False
    if "sse2" in features:
        # On Zen 5 gathers take three times as long as loads one by one; Intel's were slowed down in 2023.
        features["prefer-no-gather"] = True
    return str(features.flatten())


def wide_vectors(features: Mapping[str, bool]) -> bool:
    """Whether to use 512-bit vectors, which LLVM avoids by itself.

    It avoids them because the first AVX-512 servers (Skylake) lowered their clock for them; those
    that followed (Ice Lake and later, which have VBMI2; every AMD that has AVX-512) hardly do.
    """
    return bool(features.get("avx512f") and features.get("avx512vbmi2"))


@functools.cache
def _target() -> tuple[Any, str]:
    """The kind of machine, and its name."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    triple = llvm.get_process_triple()
    if sys.platform == "win32":
        triple += "-elf"  # the linker of `native` knows ELF best
    return llvm.Target.from_triple(triple), triple


def new_machine() -> Any:
    """A code generator for this processor, for one thread at a time."""
    target, _ = _target()
    return target.create_target_machine(
        cpu=cpu_name(), features=cpu_features(), opt=3, reloc="pic", codemodel="default"
    )


@functools.cache
def target_machine() -> Any:
    """What describes this processor to those who only ask."""
    return new_machine()


# ---------------------------------------------------------------------------------------- compile


def _unlocked(name: str) -> Callable[..., Any]:
    """A function of llvmlite's library without its lock."""
    wrapped = getattr(ffi.lib, name)
    found: Callable[..., Any] = getattr(wrapped, "_cfn", wrapped)
    return found


class Compilation:
    """LLVM modules (text), linked, and on the way to the object file of `entry`.

    `run` is what takes long, and may be called on any thread.
    """

    def __init__(self, modules: Sequence[str], entry: str) -> None:
        self.entry = entry
        self.machine = new_machine()
        # A context of its own: the process-wide one keeps every type and name it has seen.
        self.context = llvm.create_context()
        first, *others = [llvm.parse_assembly(text, context=self.context) for text in modules]
        for other in others:
            first.link_in(other)
        first.name = entry
        first.data_layout = str(self.machine.target_data)
        first.triple = self.machine.triple
        first.verify()
        for symbol in itertools.chain(first.functions, first.global_variables):
            if symbol.name != entry and not symbol.is_declaration:
                symbol.linkage = "internal"
        self.module = first
        self.builder = llvm.create_pass_builder(self.machine, _options())
        self.passes = self.builder.getModulePassManager()

    def run(self) -> ObjectCode:
        """Optimise, keep what the entry needs, and generate code."""
        _unlocked("LLVMPY_RunNewModulePassManager")(self.passes, self.module, self.builder)
        text = str(self.module)  # before code generation, which rewrites the module
        with ffi.OutputString() as error:
            emit = _unlocked("LLVMPY_TargetMachineEmitToMemory")
            buffer = emit(self.machine, self.module, 1, error)
            if not buffer:
                raise RuntimeError(str(error))
        return ObjectCode(self.entry, _taken(buffer), text)

    def close(self) -> None:
        """Free what the optimiser used."""
        # llvmlite's own class inherits two `_dispose` and finds the empty one first: 70 kB a module.
        NewPassManager._dispose(self.passes)
        self.passes.detach()


def _options() -> Any:
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    options.loop_vectorization = True
    options.loop_interleaving = True
    options.slp_vectorization = True
    options.loop_unrolling = True
    return options


def _taken(buffer: Any) -> bytes:
    """The bytes of one of LLVM's buffers, which is freed."""
    try:
        start, size = ffi.lib.LLVMPY_GetBufferStart(buffer), ffi.lib.LLVMPY_GetBufferSize(buffer)
        return ctypes.string_at(start, size)
    finally:
        ffi.lib.LLVMPY_DisposeMemoryBuffer(buffer)


def compile_llvm(modules: Sequence[str], entry: str) -> ObjectCode:
    """Link LLVM modules (text), keep what `entry` needs, optimise it and make an object file."""
    compilation = Compilation(modules, entry)
    try:
        return compilation.run()
    finally:
        compilation.close()


def assembly(code: ObjectCode | str) -> str:
    """The assembly text of compiled code (or of LLVM text)."""
    text = code if isinstance(code, str) else code.llvm
    return str(
        new_machine().emit_assembly(llvm.parse_assembly(text, context=llvm.create_context()))
    )
