"""Operands that lie across a kernel's loops, turned by a kernel of their own before it.

Strides of what the caller passes are known at run time only, and a kernel that walks them as they
are reads one element of each cache line. A copy by squares (`Layout.BLOCKS`) reads each line once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from jitorch.codegen.plan import Plan
from jitorch.ir.core import Graph
from jitorch.ir.types import from_numpy_dtype
from jitorch.passes.fuse import fuse

# Bytes from which on turning pays; less stays in the first-level caches meanwhile.
_LEAST_BYTES = 1 << 16


class Turning:
    """Turns arrays; `plan` makes the plans of the kernels, one for each order of dimensions."""

    def __init__(self, plan: Callable[[Graph], Plan]) -> None:
        self.plan = plan
        self.plans: dict[tuple[str, tuple[int, ...]], Callable[[Sequence[Any]], list[Any]]] = {}

    def __call__(self, x: Any) -> Any:
        """Return `x`, or a contiguous copy of it if its dimensions lie in another order in memory."""
        strides = x.strides
        if x.nbytes < _LEAST_BYTES or strides[-1] == x.itemsize or x.itemsize not in strides:
            return x
        order = sorted(range(x.ndim), key=lambda d: -strides[d])
        lying = x.transpose(order)
        if not lying.flags.c_contiguous:
            return x
        key = from_numpy_dtype(x.dtype).tag, tuple(order.index(d) for d in range(x.ndim))
        if key not in self.plans:
            self.plans[key] = self.plan(fuse(_graph(*key))).compile()
        return self.plans[key]([lying])[0]


def _graph(tag: str, back: tuple[int, ...]) -> Graph:
    """Return what copies a tensor into the order of dimensions `back`."""
    from jitorch.ir.parser import parse  # loaded for the first tensor that lies across

    sizes = [f"s{d}" for d in range(len(back))]
    lying, shown = ", ".join(sizes), ", ".join(sizes[d] for d in back)
    return parse(f"""
    graph @turn(%x: {tag}[{lying}]) {{
      %v: {tag}[{shown}; strided] = permute(%x) {{dims={back}}}
      %y: {tag}[{shown}] = copy(%v)
      return %y
    }}""")
