"""All that jitorch asks of Numba's CUDA compiler: kernel source in, PTX out. No GPU is needed.

No other module imports `numba.cuda`. What is used: `cuda.compile`, with pointers for tensors and
nothing that knows arrays; a dispatcher whose device functions are compiled for the wanted compute
capability, where Numba's own asks the GPU; and one intrinsic each for loading and storing four
neighbouring elements at once, which source can't say.
"""

from __future__ import annotations

import functools
import linecache
import math
import types as python_types
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from llvmlite import ir
from numba import cuda
from numba.cuda import types
from numba.cuda.compiler import compile_cuda
from numba.cuda.core.errors import NumbaPerformanceWarning
from numba.cuda.dispatcher import CUDADispatcher
from numba.cuda.extending import intrinsic

from jitorch.codegen.cuda import primitives

Capability = tuple[int, int]

# The types of what source takes: elements that pointers point to, and the two kinds of numbers.
ELEMENTS: Mapping[str, Any] = {
    "bool": types.uint8,
    "u8": types.uint8,
    "i8": types.int8,
    "i16": types.int16,
    "i32": types.int32,
    "i64": types.int64,
    "f16": types.float16,
    "f32": types.float32,
    "f64": types.float64,
}
NUMBERS: Mapping[str, Any] = {"int": types.int64, "float": types.float64}

_TAGS = {str(t): tag for tag, t in ELEMENTS.items() if tag != "bool"} | {"bool": "bool"}
_WIDEST = 16  # bytes of one access


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
    scope = dict(namespace(cc))
    file = f"<jitorch {entry}>"
    linecache.cache[file] = (len(source), None, source.splitlines(True), file)
    exec(compile(source, file, "exec"), scope)
    signature = types.void(
        *(types.CPointer(ELEMENTS[tag]) if pointer else NUMBERS[tag] for tag, pointer in parameters)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NumbaPerformanceWarning)
        text, _ = cuda.compile(
            scope[entry], signature, cc=cc, device=False, abi="numba", launch_bounds=threads
        )
    return _named(text, entry)


def _named(text: str, entry: str) -> str:
    """Give the entry, whose name Numba mangles, its own name, and drop what nothing uses."""
    start = text.index(".visible .entry ") + len(".visible .entry ")
    mangled = text[start : text.index("(", start)]
    lines = [
        x for x in text.splitlines() if not x.startswith(".common .global .align 8 .u64 _ZN08")
    ]
    return "\n".join(lines).replace(mangled, entry) + "\n"


@functools.cache
def namespace(cc: Capability) -> Mapping[str, Any]:
    """Return the names that kernel source may use with what they stand for."""
    names: dict[str, Any] = {
        "cuda": cuda,
        "math": math,
        "np": np,
        "INF": math.inf,
        "NAN": math.nan,
        "ALL_LANES": primitives.ALL_LANES,
        "load_4": load_4,
        "store_4": store_4,
    }
    names.update({name: getattr(math, of) for name, of in primitives.MATH.items()})
    names.update({name: _Primitive(name, names, cc) for name in primitives.TABLE})
    return names


class _Primitive(CUDADispatcher):  # type: ignore[misc]  # numba is untyped
    """A device function of the table: which one depends on the type of its first operand."""

    def __init__(self, name: str, names: Mapping[str, Any], cc: Capability) -> None:
        (first, *_) = primitives.TABLE[name].values()
        super().__init__(first, {"device": True})
        self.name, self.names, self.cc = name, names, cc

    def compile_device(self, args: Any, return_type: Any = None) -> Any:
        if args not in self.overloads:
            tag = _TAGS.get(str(types.unliteral(args[0])), "i64")
            kind = {"f": "float", "b": "bool"}.get(tag[0], "int")
            function = primitives.variant(self.name, tag, kind)
            bound = python_types.FunctionType(function.__code__, dict(self.names), self.name)
            made = compile_cuda(
                bound, return_type, args, forceinline=True, nvvm_options={"opt": 3}, cc=self.cc
            )
            made.target_context.insert_user_function(made.entry_point, made.fndesc, [made.library])
            self.overloads[args] = made
        return self.overloads[args]


# Four neighbouring elements.


def _vectors(context: Any, builder: Any, sig: Any, args: Any) -> tuple[Any, Any, int]:
    """Return pointers to four elements in memory and in an array, and the alignment of the first."""
    pointer, array = sig.args[0], sig.args[2]
    element = context.get_data_type(pointer.dtype)
    vector = ir.VectorType(element, primitives.FOUR)
    outside = builder.bitcast(builder.gep(args[0], [args[1]]), vector.as_pointer())
    data = context.make_array(array)(context, builder, args[2]).data
    inside = builder.bitcast(data, vector.as_pointer(data.type.addrspace))
    return outside, inside, min(primitives.FOUR * pointer.dtype.bitwidth // 8, _WIDEST)


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def load_4(typingctx: Any, pointer: Any, at: Any, array: Any) -> Any:
    """load_4(pointer, at, array): elements at, ..., at + 3; `at` is a multiple of four."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        outside, inside, align = _vectors(context, builder, sig, args)
        builder.store(builder.load(outside, align=align), inside, align=1)
        return context.get_dummy_value()

    return types.void(pointer, types.int64, array), emit


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def store_4(typingctx: Any, pointer: Any, at: Any, array: Any) -> Any:
    """store_4(pointer, at, array): the opposite of `load_4`."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        outside, inside, align = _vectors(context, builder, sig, args)
        builder.store(builder.load(inside, align=1), outside, align=align)
        return context.get_dummy_value()

    return types.void(pointer, types.int64, array), emit
