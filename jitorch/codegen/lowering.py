"""Kernel source to LLVM text, by Numba: parsing, typing and lowering, and none of its execution.

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

from jitorch.codegen.emit import Intrinsic, IntrinsicType
from jitorch.codegen.native import target_machine
from jitorch.codegen.numba_api import (
    codegen,
    compiler,
    cpu,
    extending,
    fastmathpass,
    funcdesc,
    lowering,
    machinery,
    mathdecl,
    mathimpl,
    registry,
    templates,
    typed_passes,
    types,
    typing,
    untyped_passes,
    utils,
)

# Numba's contexts keep something of every compilation; new ones cost 60 ms.
_COMPILES_PER_CONTEXT = 200


class _TextLibrary(codegen.CodeLibrary):  # type: ignore[misc]  # numba is untyped
    """Collects the LLVM text of one function and of what it calls."""

    def __init__(self, owner: Any, name: str) -> None:
        super().__init__(owner, name)
        self.texts: list[str] = []
        self.links: list[Any] = []

    def add_ir_module(self, ir_module: Any) -> None:
        self.texts.append(str(ir_module))

    def add_linking_library(self, library: Any) -> None:
        self.links.append(library)

    def finalize(self) -> None:
        self._finalized = True

    def get_function(self, name: str) -> Any:
        raise NotImplementedError("a text library has no functions")

    def get_llvm_str(self) -> str:
        return "\n".join(self.texts)

    def get_asm_str(self) -> str:
        raise NotImplementedError("a text library has no assembly")

    def modules(self) -> list[str]:
        """The text of this function and of everything linked to it, each once."""
        seen: dict[int, list[str]] = {}
        todo: list[Any] = [self]
        while todo:
            library = todo.pop()
            if id(library) in seen:
                continue
            if isinstance(library, _TextLibrary):
                seen[id(library)] = library.texts
                todo.extend(library.links)
            else:  # a function compiled by Numba itself, for the body of an overload
                seen[id(library)] = [str(library._get_module_for_linking())]
        return [text for texts in seen.values() for text in texts]


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
    """Types of scalars, tuples, ranges and `math`.

    Overloaded methods and attributes (of arrays, strings, ...) are left out: a single one of them
    makes Numba load all of its own array library.
    """

    def init(self) -> None:
        self._calls: dict[Any, Any] = {}

    def load_additional_registries(self) -> None:
        self.install_registry(mathdecl.registry)

    def resolve_function_type(self, func: Any, args: Any, kws: Any) -> Any:
        """The signature of a call. Arithmetic comes in few types, so these are remembered."""
        if kws or isinstance(func, types.Type):
            return super().resolve_function_type(func, args, kws)
        key = (func, args)
        if key not in self._calls:
            self._calls[key] = super().resolve_function_type(func, args, kws)
        return self._calls[key]

    def install_registry(self, registry: Any) -> None:
        if registry in self._registries:
            return
        loader = self._registries[registry] = templates.RegistryLoader(registry)
        for template in loader.new_registrations("functions"):
            self.insert_function(template(self))
        for template in loader.new_registrations("attributes"):
            if not issubclass(template, templates._OverloadAttributeTemplate):
                self.insert_attributes(template(self))
        for value, kind in loader.new_registrations("globals"):
            known = self._lookup_global(value)
            if known is not None:
                self._remove_global(value)
            self.insert_global(value, kind if known is None else known.augment(kind))


class _Context(cpu.CPUContext):  # type: ignore[misc]
    """Numba's CPU target for scalars, tuples, ranges and `math`: no arrays and no run time."""

    def init(self) -> None:
        self.is32bit = utils.MACHINE_BITS == 32
        self._internal_codegen = _TextCodegen()
        self._sizes: dict[str, int] = {}

    def load_additional_registries(self) -> None:
        # Importing these (above) filled the registry of builtins that Numba installs after this.
        self.install_registry(mathimpl.registry)

    def post_lowering(self, mod: Any, library: Any) -> None:
        """Add the fast-math flags; Numba also links its run time here."""
        if self.fastmath:
            fastmathpass.rewrite_module(mod, self.fastmath)

    def get_abi_sizeof(self, ty: Any) -> int:
        """The size of a type in bytes. There are few types, and asking LLVM may take long."""
        key = str(ty)
        if key not in self._sizes:
            self._sizes[key] = super().get_abi_sizeof(ty)
        return self._sizes[key]

    def get_function(self, fn: Any, sig: Any, _firstcall: bool = True) -> Any:
        if isinstance(fn, IntrinsicType):
            return fn.emitter(self, sig)
        try:
            return super().get_function(fn, sig, _firstcall=_firstcall)
        except NotImplementedError:
            # A builtin written in Python, such as min(): Numba's own target has compiled its body.
            key = fn.get_impl_key(sig) if isinstance(fn, types.Callable) else fn
            self._defns[key] = registry.cpu_target.target_context._defns[key]
            return super().get_function(fn, sig, _firstcall=False)

    def get_constant_generic(self, builder: Any, ty: Any, val: Any) -> Any:
        if isinstance(ty, IntrinsicType):
            return self.get_dummy_value()
        return super().get_constant_generic(builder, ty, val)


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


# Numba's passes less those for closures, inlining, array rewrites and reports, and less SSA form: a
# variable of a kernel has one type wherever it is set.
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


def _flags(fastmath: frozenset[str]) -> Any:
    flags = compiler.Flags()
    flags.nrt = False
    flags.no_compile = True
    flags.no_cpython_wrapper = True
    flags.no_cfunc_wrapper = True
    flags.no_rewrites = True
    flags.enable_pyobject = False
    flags.error_model = "numpy"
    flags.fastmath = cpu.FastMathOptions(set(fastmath))
    return flags


def _adapt(value: object) -> object:
    """Take intrinsics that were defined with Numba's decorator as our own."""
    return _adapted(value) if isinstance(value, extending._Intrinsic) else value


@functools.cache
def _adapted(value: Any) -> Intrinsic:
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
    """The LLVM modules (text) of function `entry` of `source`; the first defines symbol `entry`."""
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    scope = {name: _adapt(value) for name, value in namespace.items()}
    scope["__name__"] = "jitorch.generated"
    exec(compile(source, filename, "exec"), scope)
    typing_context, target_context = _typing_and_target()
    mangled, library = compiler.compile_extra(
        typing_context,
        target_context,
        scope[entry],
        (types.int64,) * 3,
        types.void,
        _flags(fastmath),
        {},
        pipeline_class=_KernelCompiler,
    )
    return [_WRAPPER.format(entry=entry, mangled=mangled), *library.modules()]
