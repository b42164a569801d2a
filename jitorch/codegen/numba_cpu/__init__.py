"""Kernels as Numba source for the CPU: one statement per line, the user's line at its end.

    def fused_844e97b2c3ac(args, lo, hi):
        p_x = arg_ptr_f32(args, 0)
        p_y = arg_ptr_f32(args, 1)
        for i in range(lo, hi):
            x = load(p_x, i)  # model.py:12
            y = tanh(x)  # model.py:12
            store(p_y, i, y)  # model.py:12

The names are those of `codegen/intrinsics.py` and `codegen/vecmath`. A kernel is named for its
text, which holds no absolute path: equal programs share the cache.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from jitorch.codegen.kernel import Kernel, Layout, Slot
from jitorch.codegen.numba_cpu.bands import bands
from jitorch.codegen.numba_cpu.blocks import blocks
from jitorch.codegen.numba_cpu.columns import columns
from jitorch.codegen.numba_cpu.flat import flat, tiles
from jitorch.codegen.numba_cpu.rows import rows
from jitorch.codegen.numba_cpu.short import short
from jitorch.codegen.numba_cpu.sizes import (
    FOLD_BLOCK as FOLD_BLOCK,
    SPLIT_BLOCK as SPLIT_BLOCK,
    SQUARE as SQUARE,
)
from jitorch.codegen.numba_cpu.split import split
from jitorch.codegen.numba_cpu.writer import Writer


def source(kernel: Kernel, shared: Mapping[str, str] | None = None) -> tuple[str, str]:
    """Return the name and the source of the kernel's entry.

    `shared` names, for pointers that may hold the same address, the pointer whose slot they use.
    """
    writer = Writer(kernel, shared or {})
    _write(writer)
    body = "\n".join(writer.lines)
    name = f"fused_{hashlib.sha256(body.encode()).hexdigest()[:12]}"
    return name, f"def {name}(args, lo, hi):\n{body}\n"


def _write(w: Writer) -> None:
    numbers = {slot.name: i for i, slot in enumerate(w.kernel.slots)}
    for slot in w.kernel.slots:
        w.line(f"{slot.name} = {_read(slot, numbers[w.shared.get(slot.name, slot.name)])}")
    w.statements(w.kernel.once)
    layouts = {
        Layout.FLAT: flat,
        Layout.TILES: tiles,
        Layout.BLOCKS: blocks,
        Layout.ROWS: rows,
        Layout.COLUMNS: columns,
        Layout.BANDS: bands,
        Layout.SHORT: short,
        Layout.SPLIT: split,
    }
    layouts[w.kernel.layout](w)


def _read(slot: Slot, number: int) -> str:
    if slot.pointer:
        return f"arg_ptr_{slot.tag}(args, {number})"
    return f"arg_f64(args, {number})" if slot.tag == "float" else f"arg_i64(args, {number})"
