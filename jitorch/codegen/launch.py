"""Launching kernels from Python with one foreign call.

A launch is a packed table: a head of six words, then the kernel's arguments, pointers first. Python
fills pointers with the *identities* of the arrays; the launcher, native code, replaces each by the
array's data pointer. That costs nothing, where asking NumPy for an address costs more than a small
kernel.

    pack("10q", kernel, n, grain, pointers, steps, first_step, id(x), id(y), size, ...)
"""

from __future__ import annotations

import ctypes
import functools

import numpy as np

from jitorch.codegen import native, threads
from jitorch.codegen.native import Job, NativeFunction

HEAD = 6
# Where an array object keeps the address of its data: right behind what every object starts with.
# This has been NumPy's binary interface since its first release.
_DATA_WORD = object.__basicsize__ // 8
# Where a bytes object keeps its bytes (a terminating zero is counted in its size).
BYTES = bytes.__basicsize__ - 1

_SOURCE = f"""\
def jitorch_launch(args, lo, hi):
    kernel = arg_i64(args, 0)
    n = arg_i64(args, 1)
    grain = arg_i64(args, 2)
    pointers = arg_i64(args, 3)
    steps = arg_i64(args, 4)
    first = arg_i64(args, 5)
    table = args + {8 * HEAD}
    for k in range(pointers):
        set_i64(table, k, arg_i64(arg_i64(table, k), {_DATA_WORD}))
    if steps == 0:
        if 0 < n <= grain:
            call_kernel(kernel, table, 0, n)
        elif n > 0:
            parallel_for(kernel, table, n, grain)
    elif n <= grain:
        set_i64(table, first, 0)
        set_i64(table, first + 1, steps)
        call_kernel(kernel, table, 0, n)
    else:
        for step in range(steps):
            set_i64(table, first, step)
            set_i64(table, first + 1, step + 1)
            if step % 2 == 0:
                parallel_for(kernel, table, n, grain)
            else:
                call_kernel(kernel, table, 0, 1)
"""


@functools.cache
def launcher() -> NativeFunction:
    """Return the native function that takes the address of a packed launch."""
    _check_layout()
    return native.cached(jobs())[-1]


def jobs() -> list[Job]:
    """What the launcher needs, as something to have compiled; it comes last."""
    return [threads.pool_job(), native.source_job(_SOURCE, "jitorch_launch")]


def _check_layout() -> None:
    """Refuse a Python or NumPy whose objects are laid out in another way."""
    array = np.zeros(3)
    word = ctypes.c_int64.from_address(id(array) + 8 * _DATA_WORD).value
    packed = b"jitorch"
    if word != array.ctypes.data or ctypes.string_at(id(packed) + BYTES, 7) != packed:
        raise RuntimeError("compiled kernels need CPython and NumPy's usual object layout")
