"""Running folds (`OpDef.scan`) as kernels: cumulative sums and products.

A tensor is *lines* along the dimension of the fold. Which kernel does it depends on the memory:

    lines     each line lies in one piece. A unit of work is a line; or, of few long lines, a part
              of one, in three steps: the total of each part, what stands before each part, the fold
    columns   neighbouring lines lie side by side. A unit is a band of them, folded together

Parts and bands have fixed sizes, so that results do not depend on the number of threads. Sums of
floats are carried in double (of half precision, in single). Both are sources with a table of their
own, launched like the kernels of fused ops; nothing fuses with them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from jitorch.codegen import native
from jitorch.codegen.lines import SYMBOLS, carried_in, lines_of
from jitorch.codegen.native import NativeFunction
from jitorch.ir.core import Op
from jitorch.ir.opdef import OPS, Scan
from jitorch.ir.types import DType, TensorType

# Elements of a part of a long line: 32 kB of float32, read twice, the second time from the cache.
PART = 8192
# Lines from which on there is enough to do without cutting any.
_MANY_LINES = 16
# Lines of a band: some cache lines of each row, and running folds that stay in the first cache.
BAND = 128
# Lines side by side that are too few for vectors, and are folded one after another.
_FEW_LINES = 8
# Elements that a thread should have at least.
CHUNK = 40_000


@dataclass(frozen=True)
class ScanKernel:
    """A compiled kernel; `columns` tells which of the two it is."""

    name: str
    source: str
    function: NativeFunction
    columns: bool


def compile_scan(op: Op, fastmath: frozenset[str]) -> ScanKernel:
    """Return the kernel of the op, for which `has_kernel` holds."""
    scan, t = OPS[op.name].scan, op.inputs[0].type
    assert scan is not None
    assert isinstance(t, TensorType)
    columns = lines_of(op).inner != 1
    writer = _Writer(scan, t.dtype)
    body = "\n".join("    " + line for line in (writer.columns() if columns else writer.lines()))
    name = f"scan_{hashlib.sha256(body.encode()).hexdigest()[:12]}"
    source = f"def {name}(args, lo, hi):\n{body}\n"
    function = native.compile_kernel(source, name, _namespace, fastmath=fastmath)
    return ScanKernel(name, source, function, columns)


def cut(count: int, size: int, joins: bool, dtype: Any) -> tuple[int, int, Any]:
    """Return (elements of a part, parts of a line, an array for their totals)."""
    if not joins or count >= _MANY_LINES or size <= 2 * PART:
        return size, 1, _NOTHING
    parts = -(-size // PART)
    return PART, parts, np.empty(count * parts, dtype)


_NOTHING = np.empty(0)


def _namespace() -> dict[str, object]:
    from jitorch.codegen.namespace import namespace

    return dict(namespace())


class _Writer:
    """Writes the two kernels for one fold and dtype."""

    def __init__(self, scan: Scan, dtype: DType) -> None:
        self.scan = scan
        self.tag = dtype.tag
        self.carry = carried_in(scan, dtype)
        self.joins = scan.joins(dtype)
        self.init = f"to_{self.carry}({scan.init.text(dtype)})"

    def step(self, before: str, x: str) -> str:
        return f"to_{self.carry}({before} {SYMBOLS[self.scan.step]} {x})"

    def pointers(self) -> Iterator[str]:
        yield f"x = arg_ptr_{self.tag}(args, 0)"
        yield f"y = arg_ptr_{self.tag}(args, 1)"

    def columns(self) -> Iterator[str]:
        yield from self.pointers()
        yield "size = arg_i64(args, 2)"
        yield "inner = arg_i64(args, 3)"
        yield "bands = arg_i64(args, 4)"
        yield f"carry = scratch_{self.carry}(512, {BAND})"
        yield "for unit in range(lo, hi):"
        yield "    block = unit // bands"
        yield f"    first = (unit - block * bands) * {BAND}"
        yield f"    width = minimum(inner - first, {BAND})"
        yield "    at = block * size * inner + first"
        yield f"    if inner < {_FEW_LINES}:"
        yield "        for lane in range(width):"
        yield f"            alone = {self.init}"
        yield "            for k in range(size):"
        yield f"                alone = {self.step('alone', 'load(x, at + k * inner + lane)')}"
        yield "                store(y, at + k * inner + lane, alone)"
        yield "    else:"
        yield "        for lane in range(width):"
        yield f"            store(carry, lane, {self.init})"
        yield "        for k in range(size):"
        yield "            for lane in range(width):"
        yield f"                value = {self.step('load(carry, lane)', 'load(x, at + lane)')}"
        yield "                store(carry, lane, value)"
        yield "                store(y, at + lane, value)"
        yield "            at += inner"

    def lines(self) -> Iterator[str]:
        yield from self.pointers()
        yield f"totals = arg_ptr_{self.carry}(args, 2)"
        for k, name in enumerate(("count", "size", "part", "parts", "first_step", "last_step"), 3):
            yield f"{name} = arg_i64(args, {k})"
        yield "for step in range(first_step, last_step):"
        yield "    if step == 1:"
        yield "        for line in range(count):"
        yield f"            carry = {self.init}"
        yield "            for k in range(line * parts, (line + 1) * parts):"
        yield "                total = load(totals, k)"
        yield "                store(totals, k, carry)"
        yield f"                carry = {self.step('carry', 'total')}"
        yield "    else:"
        yield "        for unit in range(lo, hi):"
        yield "            line = unit"
        yield "            if parts > 1:"
        yield "                line = unit // parts"
        yield "            at = line * size + (unit - line * parts) * part"
        yield "            stop = minimum(at + part, (line + 1) * size)"
        yield f"            carry = {self.init}"
        yield "            if step == 0:"
        yield "                for i in range(at, stop):"
        yield f"                    carry = racc_{self.scan.step}(carry, load(x, i))"
        yield "                store(totals, unit, carry)"
        yield "            else:"
        yield "                if parts > 1:"
        yield "                    carry = load(totals, unit)"
        if self.joins:
            yield from self.vectors(16 if self.tag == "f32" else 8)
        else:
            yield "                while at < stop:"
            yield from self.single()

    def vectors(self, lanes: int) -> Iterator[str]:
        """Write the fold of a line in vectors, the largest first; what is left takes no loop."""
        loop = "while"
        while lanes >= 4:
            yield f"                {loop} at + {lanes} <= stop:"
            yield f"                    carry = running_{self.scan.step}({lanes}, x, at, y, carry)"
            yield f"                    at += {lanes}"
            loop, lanes = "if", lanes // 2
        for _ in range(3):
            yield "                if at < stop:"
            yield from self.single()

    def single(self) -> Iterator[str]:
        yield f"                    carry = {self.step('carry', 'load(x, at)')}"
        yield "                    store(y, at, carry)"
        yield "                    at += 1"
