"""Matrix products in compiled code: SciPy's BLAS, called by address.

`matmul_f32(a, b, c, m, n, k, lda, ldb, ldc, ta, tb)` and `matmul_f64` are intrinsics for kernel
source: C = op(A) @ op(B) with C of m rows and n columns, all three row-major at byte addresses
a, b, c, with leading dimensions (distance of rows) in elements. ta = 1 says that A is stored
transposed, as k rows of m; tb likewise. Sizes must be below 2**31 and C must not overlap A or B.

Objects refer to BLAS by name (`jitorch_sgemm`, ...), never by address: see `native.define_symbol`.
This module imports neither Numba nor SciPy; `intrinsics_namespace` does the first, the first
address asked for the second.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import importlib
import importlib.machinery
import importlib.util
import sys
from pathlib import Path
from typing import Any

from jitorch.threads import blas_was_loaded

ROUTINES = ("sgemm", "dgemm", "sgemv", "dgemv")


@functools.cache
def blas_address(name: str) -> int:
    """The address of a BLAS routine, with Fortran's calling convention and 32-bit integers."""
    capsule = _cython_blas().__pyx_capi__[name]
    api = ctypes.pythonapi
    api.PyCapsule_GetName.restype, api.PyCapsule_GetName.argtypes = (
        ctypes.c_char_p,
        [ctypes.py_object],
    )
    pointer = api.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return int(pointer(capsule, api.PyCapsule_GetName(capsule)))


@functools.cache
def _cython_blas() -> Any:
    """SciPy's module of BLAS addresses."""
    try:
        return _import_blas("scipy.linalg.cython_blas")
    finally:
        blas_was_loaded()


def _import_blas(name: str) -> Any:
    if "scipy.linalg" not in sys.modules:
        # The package around it takes ten times as long to import as the module itself.
        with contextlib.suppress(Exception):
            return _import_alone(name)
    return importlib.import_module(name)


def _import_alone(name: str) -> Any:
    """Import an extension module without the package it is in."""
    top, folder, module = name.split(".")
    root = Path(str(importlib.import_module(top).__file__)).parent
    for suffix in importlib.machinery.EXTENSION_SUFFIXES:
        path = root / folder / f"{module}{suffix}"
        if path.exists():
            loader = importlib.machinery.ExtensionFileLoader(name, str(path))
            spec = importlib.util.spec_from_file_location(name, path, loader=loader)
            assert spec is not None
            try:
                found = importlib.util.module_from_spec(spec)
                loader.exec_module(found)
            finally:
                sys.modules.pop(name, None)  # a later import of the package is to find its own
            return found
    raise ImportError(name)


# ------------------------------------------------------------------------------------ intrinsics


class _Matmul:
    """Writes the LLVM function `jitorch_matmul_<tag>` into a module.

    BLAS is column-major: a row-major matrix is to it the transpose, so it is asked for
    C^T = op(B)^T @ op(A)^T, which swaps the operands and leaves their flags alone.
    """

    def __init__(self, tag: str, ir: Any) -> None:
        self.ir, self.tag = ir, tag
        self.letter = {"f32": "s", "f64": "d"}[tag]
        self.element = {"f32": ir.FloatType(), "f64": ir.DoubleType()}[tag]
        self.i8, self.i32, self.i64 = (ir.IntType(width) for width in (8, 32, 64))

    def function(self, module: Any) -> Any:
        """The function (a, b, c, m, n, k, lda, ldb, ldc, ta, tb), all i64."""
        name = f"jitorch_matmul_{self.tag}"
        if name in module.globals:
            return module.globals[name]
        ftype = self.ir.FunctionType(self.ir.VoidType(), [self.i64] * 11)
        function = self.ir.Function(module, ftype, name)
        function.linkage = "internal"
        function.attributes.add("noinline")  # one copy however many products a kernel has
        builder = self.ir.IRBuilder(function.append_basic_block())
        builder.position_at_end(self._guard(builder, *function.args[:9]))
        self._dispatch(builder, *function.args)
        return function

    def _guard(self, builder: Any, a: Any, b: Any, c: Any, m: Any, n: Any, k: Any, *ld: Any) -> Any:
        """Deal with empty operands; returns the block for the others."""
        zero = self.ir.Constant(self.i64, 0)
        some = builder.icmp_signed(">", self._least(builder, m, n), zero)
        with builder.if_then(builder.not_(some)):
            builder.ret_void()
        with builder.if_then(builder.icmp_signed("<=", k, zero)):
            self._each(builder, m, lambda row: self._zero(builder, c, builder.mul(row, ld[2]), n))
            builder.ret_void()
        return builder.block

    def _dispatch(self, builder: Any, *args: Any) -> None:
        a, b, c, m, n, k, lda, ldb, ldc, ta, tb = args
        one = self.ir.Constant(self.i64, 1)
        # Of a matrix with one row, the distance of rows may be anything; BLAS wants it sensible.
        lda = self._most(builder, lda, builder.select(self._true(builder, ta), m, k))
        ldb = self._most(builder, ldb, builder.select(self._true(builder, tb), k, n))
        with builder.if_then(builder.icmp_signed("==", m, one)):
            step = builder.select(self._true(builder, ta), lda, one)
            # y = op(B)^T x: B itself is to BLAS its transpose
            self._gemv(
                builder, b, ldb, n, k, builder.not_(self._true(builder, tb)), a, step, c, one
            )
            builder.ret_void()
        with builder.if_then(builder.icmp_signed("==", n, one)):
            step = builder.select(self._true(builder, tb), one, ldb)
            self._gemv(builder, a, lda, m, k, self._true(builder, ta), b, step, c, ldc)
            builder.ret_void()
        ldc = self._most(builder, ldc, n)
        self._gemm(builder, a, b, c, m, n, k, lda, ldb, ldc, ta, tb)
        builder.ret_void()

    def _gemm(self, builder: Any, *args: Any) -> None:
        a, b, c, m, n, k, lda, ldb, ldc, ta, tb = args
        flags = [self._flag(builder, self._true(builder, t)) for t in (tb, ta)]
        sizes = [self._int(builder, v) for v in (n, m, k)]
        one, zero = self._real(builder, 1.0), self._real(builder, 0.0)
        left, right = [b, self._int(builder, ldb)], [a, self._int(builder, lda)]
        rest = [zero, c, self._int(builder, ldc)]
        self._call(builder, "gemm", [*flags, *sizes, one, *left, *right, *rest])

    def _gemv(self, builder: Any, *args: Any) -> None:
        """y = M x for the matrix at `a`, row-major with `rows` results, or M stored transposed."""
        a, lda, rows, k, plain, x, step, y, ystep = args
        # Seen from BLAS the row-major matrix of `rows` by k is k by `rows`, to be transposed.
        flag = self._flag(builder, builder.not_(plain))
        first, second = builder.select(plain, rows, k), builder.select(plain, k, rows)
        self._each(
            builder, rows, lambda i: self._put_zero(builder, y, builder.mul(i, ystep))
        )  # some libraries multiply what y held by beta = 0, and NaN stays
        one, zero = self._real(builder, 1.0), self._real(builder, 0.0)
        sizes = [self._int(builder, v) for v in (first, second)]
        matrix, vector = [a, self._int(builder, lda)], [x, self._int(builder, step)]
        result = [zero, y, self._int(builder, ystep)]
        self._call(builder, "gemv", [flag, *sizes, one, *matrix, *vector, *result])

    # Small pieces.

    def _call(self, builder: Any, routine: str, values: list[Any]) -> None:
        """Call BLAS; integers are addresses already, the rest are pointers to stack slots."""
        name = f"jitorch_{self.letter}{routine}"
        ftype = self.ir.FunctionType(self.ir.VoidType(), [self.i64] * len(values))
        function = builder.module.globals.get(name) or self.ir.Function(builder.module, ftype, name)
        pointers = [builder.ptrtoint(v, self.i64) if v.type.is_pointer else v for v in values]
        builder.call(function, pointers)

    def _slot(self, builder: Any, value: Any) -> Any:
        with builder.goto_entry_block():
            slot = builder.alloca(value.type)
        builder.store(value, slot)
        return slot

    def _int(self, builder: Any, value: Any) -> Any:
        one = self.ir.Constant(self.i64, 1)
        return self._slot(builder, builder.trunc(self._most(builder, value, one), self.i32))

    def _real(self, builder: Any, value: float) -> Any:
        return self._slot(builder, self.ir.Constant(self.element, value))

    def _flag(self, builder: Any, transposed: Any) -> Any:
        yes, no = (self.ir.Constant(self.i8, ord(c)) for c in "TN")
        return self._slot(builder, builder.select(transposed, yes, no))

    def _true(self, builder: Any, value: Any) -> Any:
        return builder.icmp_signed("!=", value, self.ir.Constant(self.i64, 0))

    def _least(self, builder: Any, a: Any, b: Any) -> Any:
        return builder.select(builder.icmp_signed("<", a, b), a, b)

    def _most(self, builder: Any, a: Any, b: Any) -> Any:
        return builder.select(builder.icmp_signed(">", a, b), a, b)

    def _put_zero(self, builder: Any, base: Any, index: Any) -> None:
        pointer = builder.inttoptr(base, self.element.as_pointer())
        builder.store(self.ir.Constant(self.element, 0.0), builder.gep(pointer, [index]))

    def _zero(self, builder: Any, base: Any, start: Any, count: Any) -> None:
        self._each(builder, count, lambda i: self._put_zero(builder, base, builder.add(start, i)))

    def _each(self, builder: Any, count: Any, body: Any) -> None:
        """for i in range(count): body(i), for count > 0."""
        before = builder.block
        loop, after = builder.append_basic_block(), builder.append_basic_block()
        builder.branch(loop)
        builder.position_at_end(loop)
        index = builder.phi(self.i64)
        index.add_incoming(self.ir.Constant(self.i64, 0), before)
        body(index)
        following = builder.add(index, self.ir.Constant(self.i64, 1))
        index.add_incoming(following, builder.block)
        builder.cbranch(builder.icmp_signed("<", following, count), loop, after)
        builder.position_at_end(after)


def _matmul(tag: str) -> Any:
    from llvmlite import ir

    from jitorch.codegen.casts import convert
    from jitorch.codegen.emit import intrinsic
    from jitorch.codegen.numba_api import types

    writer = _Matmul(tag, ir)

    def matmul(typingctx: Any, *operands: Any) -> Any:
        if len(operands) != 11:
            return None

        def emit(context: Any, builder: Any, sig: Any, values: Any) -> Any:
            numbers = [
                convert(builder, v, t, types.int64) for v, t in zip(values, sig.args, strict=True)
            ]
            builder.call(writer.function(builder.module), numbers)
            return None

        return types.void(*operands), emit

    return intrinsic(matmul)


@functools.cache
def intrinsics_namespace() -> dict[str, Any]:
    """`matmul_f32` and `matmul_f64`, for the namespace of kernel source."""
    return {f"matmul_{tag}": _matmul(tag) for tag in ("f32", "f64")}
