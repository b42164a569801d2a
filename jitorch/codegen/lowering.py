"""Kernel source to LLVM text: `nest` emits the instructions, a function that Numba compiles calls them.

Numba's own code library optimises a module several times over and hands it to an execution engine
that keeps it for ever. The library here only collects the text; `native` optimises it once and
makes an object file of it. Importing this module imports Numba.
"""

from __future__ import annotations

import functools
import linecache
from collections.abc import Mapping
from typing import Any

from llvmlite import ir

from jitorch.codegen.emit import ENTRY, Intrinsic
from jitorch.codegen.llvm import target_machine
from jitorch.codegen.nest import emit_nest, function_in
from jitorch.codegen.numba_api import (
    codegen,
    compiler,
    cpu,
    extending,
    fastmathpass,
    funcdesc,
    lowering,
    machinery,
    typed_passes,
    types,
    typing,
    untyped_passes,
    utils,
)

# Numba's contexts keep something of every compilation.
_COMPILES_PER_CONTEXT = 200


class _TextLibrary(codegen.CodeLibrary):  # type: ignore[misc]  # numba is untyped
    """Collects the LLVM text of one function."""

    def __init__(self, owner: Any, name: str) -> None:
        super().__init__(owner, name)
        self.texts: list[str] = []

    def add_ir_module(self, ir_module: Any) -> None:
        self.texts.append(str(ir_module))

    def add_linking_library(self, library: Any) -> None:
        raise NotImplementedError("kernels link to nothing")

    def finalize(self) -> None:
        self._finalized = True

    def get_function(self, name: str) -> Any:
        raise NotImplementedError("a text library has no functions")

    def get_llvm_str(self) -> str:
        return "\n".join(self.texts)

    def get_asm_str(self) -> str:
        raise NotImplementedError("a text library has no assembly")


class _TextCodegen(codegen.Codegen):  # type: ignore[misc]
    """Makes empty modules for the host, and text libraries."""

    _library_class = _TextLibrary

    def __init__(self) -> None:
        self._triple = target_machine().triple
        self._target_data = target_machine().target_data
        self._layout = str(self._target_data)

    def _create_empty_module(self, name: str) -> Any:
        module = ir.Module(name)
        module.triple = self._triple
        module.data_layout = self._layout
        return module

    def _add_module(self, module: Any) -> None:
        raise NotImplementedError("a text library is not executed")


class _Typing(typing.Context):  # type: ignore[misc]
    """Types of calls of intrinsics, which know their own: Numba's registries take 60 ms to load."""

    def refresh(self) -> None:
        pass


class _Context(cpu.CPUContext):  # type: ignore[misc]
    """Numba's CPU target for calls of intrinsics: no arrays, no operators and no run time."""

    def init(self) -> None:
        self.is32bit = utils.MACHINE_BITS == 32
        self._internal_codegen = _TextCodegen()

    def refresh(self) -> None:
        pass

    def post_lowering(self, mod: Any, library: Any) -> None:
        """Numba links its run time here."""

    def get_function(self, fn: Any, sig: Any, _firstcall: bool = True) -> Any:
        return fn.emitter(self, sig)

    def get_constant_generic(self, builder: Any, ty: Any, val: Any) -> Any:
        return self.get_dummy_value()


@machinery.register_pass(mutates_CFG=True, analysis_only=False)
class _Lowering(machinery.LoweringPass):  # type: ignore[misc]
    """Numba's pass without wrappers, results to be called, and questions to LLVM.

    LLVM answers one thread at a time, and may be at work on the kernel before.
    """

    _name = "jitorch_lowering"

    def __init__(self) -> None:
        super().__init__()

    def run_pass(self, state: Any) -> bool:
        target = state.targetctx
        description = funcdesc.PythonFunctionDescriptor.from_specialized_function(
            state.func_ir,
            state.typemap,
            state.return_type,
            state.calltypes,
            mangler=target.mangler,
            inline=False,
            noalias=False,
            abi_tags=[state.flags.get_mangle_string()],
        )
        library = target.codegen().create_library(state.func_id.func_qualname)
        with target.push_code_library(library):
            lowering.Lower(target, library, description, state.func_ir).lower()
        state.cr = description.mangled_name, library
        return True


# Numba's passes less those for closures, inlining, array rewrites, SSA form and reports.
_PASSES = (
    untyped_passes.TranslateByteCode,
    untyped_passes.FixupArgs,
    untyped_passes.IRProcessing,
    typed_passes.NopythonTypeInference,
    typed_passes.IRLegalization,
    _Lowering,
)


class _KernelCompiler(compiler.CompilerBase):  # type: ignore[misc]
    def define_pipelines(self) -> list[Any]:
        passes = machinery.PassManager("kernel")
        for each in _PASSES:
            passes.add_pass(each, each.__name__)
        passes.finalize()
        return [passes]


_contexts: tuple[Any, Any] | None = None
_uses = 0


def _typing_and_target() -> tuple[Any, Any]:
    """Numba's typing and target contexts, our own, renewed now and then."""
    global _contexts, _uses
    if _contexts is None or _uses >= _COMPILES_PER_CONTEXT:
        typing_context = _Typing()
        _contexts, _uses = (typing_context, _Context(typing_context, "cpu")), 0
    _uses += 1
    return _contexts


def _flags() -> Any:
    flags = compiler.Flags()
    flags.nrt = False
    flags.no_compile = True
    flags.no_cpython_wrapper = True
    flags.no_cfunc_wrapper = True
    flags.no_rewrites = True
    flags.enable_pyobject = False
    return flags


def _adapted(namespace: Mapping[str, object]) -> dict[str, object]:
    """Take intrinsics that were defined with Numba's decorator as our own."""
    return {
        name: _intrinsic(value) if isinstance(value, extending._Intrinsic) else value
        for name, value in namespace.items()
    }


@functools.cache
def _intrinsic(value: Any) -> Intrinsic:
    return Intrinsic(value._defn, literal=value._prefer_literal)


_WRAPPER = """
define void @{entry}(i64 %args, i64 %lo, i64 %hi) {{
  %result = alloca ptr
  %error = alloca ptr
  %status = call i32 @"{mangled}"(ptr %result, ptr %error, i64 %args, i64 %lo, i64 %hi)
  ret void
}}
declare i32 @"{mangled}"(ptr, ptr, i64, i64, i64)
"""


def lower(
    source: str,
    entry: str,
    namespace: Mapping[str, object],
    fastmath: frozenset[str],
    filename: str,
) -> list[str]:
    """The LLVM modules (text) of function `entry` of `source`; the first defines symbol `entry`.

    Raises TypingError for source that has no meaning as a kernel.
    """
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    module = ir.Module(f"{entry}.nest")
    # Outside of Numba, whose compiler lock other threads may be waiting for.
    emit_nest(module, module.name, function_in(source, entry, filename), _adapted(namespace))
    options = cpu.FastMathOptions(set(fastmath))
    if options:
        fastmathpass.rewrite_module(module, options)
    nest = _call_of(module.name)

    def kernel(args: int, lo: int, hi: int) -> None:
        nest(args, lo, hi)

    typing_context, target_context = _typing_and_target()
    mangled, library = compiler.compile_extra(
        typing_context,
        target_context,
        kernel,
        (types.int64,) * 3,
        types.void,
        _flags(),
        {},
        pipeline_class=_KernelCompiler,
    )
    return [_WRAPPER.format(entry=entry, mangled=mangled), *library.texts, str(module)]


def _call_of(name: str) -> Intrinsic:
    """The operation (args, lo, hi) that calls a function of another module."""

    def define(typing_context: Any, *operands: Any) -> Any:
        def emit(context: Any, builder: Any, sig: Any, values: Any) -> Any:
            builder.call(ir.Function(builder.module, ENTRY, name), values)
            return context.get_dummy_value()

        return types.void(*operands), emit

    return Intrinsic(define)
