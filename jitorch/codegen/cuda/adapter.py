"""All that jitorch asks of NVVM: kernel source in, PTX out. No GPU is needed.

No other module imports `numba.cuda`. What is used is its way to NVVM, which knows where the library is
and adds libdevice; kernels never see Numba's compiler, which takes five times as long with what NVVM
takes counted in.
"""

from __future__ import annotations

from collections.abc import Sequence

from llvmlite import ir
from numba.cuda.cudadrv import nvrtc, nvvm

from jitorch.codegen.cuda.lowering import kernel_module

Capability = tuple[int, int]

_TRIPLE = "nvptx64-nvidia-cuda"


def ptx(
    source: str,
    entry: str,
    parameters: Sequence[tuple[str, bool]],
    cc: Capability,
    threads: int,
) -> str:
    """Return the PTX text of one entry of kernel source.

    `parameters` has for each argument its dtype or kind ("int", "float") and whether it is a pointer.
    Blocks have at most `threads` threads.
    """
    module = kernel_module(source, entry, parameters)
    module.triple, module.data_layout = _TRIPLE, nvvm.NVVM().data_layout
    _announce(module, entry, threads)
    # The numbers stay those of IEEE: no option for fast math, or for denormals, is given.
    text: bytes = nvvm.compile_ir(str(module), opt=3, arch=nvrtc.get_arch_option(*cc))
    return text.decode().strip("\x00").strip() + "\n"


def _announce(module: ir.Module, entry: str, threads: int) -> None:
    """Tell NVVM which function is a kernel, its launch bounds, and the version of its dialect."""
    number = ir.IntType(32)
    for name, value in (("kernel", 1), ("maxntidx", threads)):
        fact = (module.get_global(entry), ir.MetaDataString(module, name), number(value))
        module.add_named_metadata("nvvm.annotations", module.add_metadata(fact))
    version = [number(part) for part in nvvm.NVVM().get_ir_version()]
    module.add_named_metadata("nvvmir.version", module.add_metadata(version))
