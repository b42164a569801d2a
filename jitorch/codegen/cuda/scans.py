"""Running folds (`OpDef.scan`) for CUDA: cumulative sums and products.

    lines    lines that lie in one piece, or their parts, are done by a block each: a block's threads
             take neighbouring elements, the warps fold running sums by shuffles, and the sums go on
             from round to round. A line of several parts takes two launches more, before: the total
             of each part, and what these run up to
    threads  neighbouring lines that lie side by side, a thread each; and folds whose parts can't be
             joined

Parts have a fixed size, so that a result is the same on every GPU.
"""

from __future__ import annotations

from collections.abc import Iterator

from jitorch.codegen.cuda.launch import LINE_PART, WARP, Work
from jitorch.codegen.cuda.printer import CudaSource, assembled
from jitorch.codegen.cuda.text import MEMORY, Body, read, written
from jitorch.codegen.kernel import Input, Output, Scratch, Size, Slot
from jitorch.codegen.lines import SYMBOLS, carried_in, lines_of
from jitorch.ir.core import Op
from jitorch.ir.dims import Dim
from jitorch.ir.opdef import OPS, Scan
from jitorch.ir.types import DType, TensorType


def scan_source(op: Op) -> CudaSource:
    """Return the source for an op that `has_kernel`. Its operand has to be contiguous."""
    scan, t, lines = OPS[op.name].scan, op.inputs[0].type, lines_of(op)
    assert scan is not None
    assert isinstance(t, TensorType)
    writer = _Writer(scan, t.dtype)
    slots = [
        Slot("p_x", t.dtype.tag, Input(0), True),
        Slot("p_y", t.dtype.tag, Output(0), True),
        Slot("size_lines", "int", Size(lines.count)),
        Slot("size_line", "int", Size(lines.size)),
    ]
    if lines.inner == 1 and scan.joins(t.dtype):
        slots.insert(2, Slot("p_totals", writer.carry, Scratch(True), True))
        whole = not isinstance(lines.size, int) or lines.size <= LINE_PART
        entries = [
            _body(Work.LINE_PARTS, writer.parts(), late=whole),
            _body(Work.LINE_TOTALS, writer.totals(), late=whole),
            _body(Work.LINE_FOLDS, writer.folds()),
        ]
        sizes: tuple[Dim, ...] = (lines.count, lines.size)
    else:
        slots.append(Slot("size_inner", "int", Size(lines.inner)))
        entries = [_body(Work.EACH, writer.threads())]
        sizes = (lines.count,)
    return assembled("scan", entries, sizes, tuple(slots))


def _body(work: Work, text: Iterator[str], late: bool = False) -> Body:
    return Body(work, tuple("    " + line for line in text), late)


class _Writer:
    """Writes the entries for one fold and dtype."""

    def __init__(self, scan: Scan, dtype: DType) -> None:
        self.tag = dtype.tag
        self.carry = carried_in(scan, dtype)
        self.symbol = SYMBOLS[scan.step]
        self.init = f"to_{self.carry}({scan.init.text(dtype)})"

    def step(self, before: str, x: str) -> str:
        return f"to_{self.carry}({before} {self.symbol} {x})"

    def element(self, at: str) -> str:
        return f"to_{self.carry}({read(self.tag, f'p_x[{at}]')})"

    def stored(self, at: str, value: str) -> str:
        rounded = f"to_{'f32' if self.tag == 'f16' else self.tag}({value})"
        return f"p_y[{at}] = {written(self.tag, rounded)}"

    # Blocks along lines.

    def parts(self) -> Iterator[str]:
        """Leave the total of each part in p_totals."""
        yield from self.block(first=self.init, source=self.element("at"), store="")

    def totals(self) -> Iterator[str]:
        """Make each of p_totals what its line has run up to by the end of the part."""
        yield from self.lanes()
        yield "unit = cuda.blockIdx.x"
        yield "while unit < size_lines:"
        yield "    begin = unit * parts"
        yield "    end = begin + parts"
        yield f"    carry = {self.init}"
        yield from self.rounds("p_totals[at]", "p_totals[at] = value")
        yield "    unit += cuda.gridDim.x"

    def folds(self) -> Iterator[str]:
        """Fold each part, from what its line has run up to before."""
        yield from self.block(
            first=self.init, source=self.element("at"), store=self.stored("at", "value")
        )

    def block(self, first: str, source: str, store: str) -> Iterator[str]:
        yield from self.lanes()
        yield "unit = cuda.blockIdx.x"
        yield "while unit < size_lines * parts:"
        yield "    line = unit // parts"
        yield f"    begin = line * size_line + (unit - line * parts) * {LINE_PART}"
        yield f"    end = minimum(begin + {LINE_PART}, (line + 1) * size_line)"
        yield f"    carry = {first}"
        if store:
            yield "    if unit > line * parts:"
            yield "        carry = p_totals[unit - 1]"
        yield from self.rounds(source, store)
        if not store:
            yield "    if lane == 0:"
            yield "        p_totals[unit] = carry"
        yield "    unit += cuda.gridDim.x"

    def lanes(self) -> Iterator[str]:
        yield f"share = cuda.shared.array({WARP}, {MEMORY[self.carry]})"
        yield "lane = cuda.threadIdx.x"
        yield "lanes = cuda.blockDim.x"
        yield f"warp = lane // {WARP}"
        yield f"place = lane % {WARP}"
        yield f"parts = (size_line + {LINE_PART - 1}) // {LINE_PART}"

    def rounds(self, source: str, store: str) -> Iterator[str]:
        """Run over begin, ..., end - 1, a block's width at a time, from `carry` on."""
        yield "    first = begin"
        yield "    while first < end:"
        yield "        at = first + lane"
        yield f"        value = {self.init}"
        yield "        if at < end:"
        yield f"            value = {source}"
        yield "        distance = 1"
        yield f"        while distance < {WARP}:"
        yield "            before = shuffle_up(value, distance)"
        yield "            if place >= distance:"
        yield f"                value = {self.step('before', 'value')}"
        yield "            distance = distance * 2"
        yield f"        if place == {WARP - 1}:"
        yield "            share[warp] = value"
        yield "        cuda.syncthreads()"
        yield "        before = carry"
        yield f"        for other in range(lanes // {WARP}):"
        yield "            if other < warp:"
        yield f"                before = {self.step('before', 'share[other]')}"
        yield f"            carry = {self.step('carry', 'share[other]')}"
        yield "        cuda.syncthreads()"
        yield f"        value = {self.step('before', 'value')}"
        if store:
            yield "        if at < end:"
            yield f"            {store}"
        yield "        first += lanes"

    # A thread along each line.

    def threads(self) -> Iterator[str]:
        yield "line = cuda.grid(1)"
        yield "while line < size_lines:"
        yield "    at = line // size_inner * size_inner * size_line + line % size_inner"
        yield f"    carry = {self.init}"
        yield "    for k in range(size_line):"
        yield f"        carry = {self.step('carry', self.element('at'))}"
        yield f"        {self.stored('at', 'carry')}"
        yield "        at += size_inner"
        yield "    line += cuda.gridsize(1)"
