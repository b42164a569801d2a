"""Operands that lie across a kernel's loops, turned by a kernel of their own before it.

Strides of what the caller passes are known at run time only, and a kernel that walks them as they
are reads one element of each cache line. A copy by squares (`Layout.BLOCKS`) reads each line once.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from jitorch.ir.types import from_numpy_dtype

# Bytes from which on turning pays; less stays in the first-level caches meanwhile.
_LEAST_BYTES = 1 << 16


def turned(x: Any) -> Any:
    """Return `x`, or a contiguous copy of it if its dimensions lie in another order in memory."""
    strides = x.strides
    if x.nbytes < _LEAST_BYTES or strides[-1] == x.itemsize or x.itemsize not in strides:
        return x
    order = sorted(range(x.ndim), key=lambda d: -strides[d])
    lying = x.transpose(order)
    if not lying.flags.c_contiguous:
        return x
    back = tuple(order.index(d) for d in range(x.ndim))
    return _turner(from_numpy_dtype(x.dtype).tag, back)([lying])[0]


@functools.cache
def _turner(tag: str, back: tuple[int, ...]) -> Callable[[Sequence[Any]], Sequence[Any]]:
    """Return what copies a tensor into the order of dimensions `back`."""
    from jitorch.codegen.runtime import compile_graph  # which imports this module
    from jitorch.ir.parser import parse
    from jitorch.passes.fuse import fuse

    sizes = [f"s{d}" for d in range(len(back))]
    lying, shown = ", ".join(sizes), ", ".join(sizes[d] for d in back)
    graph = parse(f"""
    graph @turn(%x: {tag}[{lying}]) {{
      %v: {tag}[{shown}; strided] = permute(%x) {{dims={back}}}
      %y: {tag}[{shown}] = copy(%v)
      return %y
    }}""")
    return compile_graph(fuse(graph)).run
