"""Convolutions without unrolling: the filters slide over rows that lie one after another in memory.

A unit of work is some rows of one picture. Its input rows, of all channels, are copied with their
padding to working memory that stays in the second-level cache. There, with rows of equal length,
the element of the input that a filter tap meets is at a fixed distance from the element of the
result:

    input    a b c d e f . | g h i j k l .          result at p:  w0 x[p] + w1 x[p+1]
    row               0              1                          + w2 x[p+row] + w3 x[p+row+1]

so a *tile* of the result, a few vectors of it for a few filters, takes nothing but loads and
multiply-adds, in registers from the first tap of the first channel to the last. The last elements
of a row, where the filter runs over its end, are computed like the others and not copied out.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from jitorch.codegen import native, threads
from jitorch.codegen.direct_text import Tile, text
from jitorch.codegen.llvm import cpu_features
from jitorch.ir.types import from_numpy_dtype
from jitorch.ops.conv import Padding, Pair, conv_op

# What the input rows of a unit may take: a part of the second-level cache.
_UNIT_BYTES = 192 * 1024
# Filters with fewer taps, or fewer filters than a tile has, are left to the unrolled product.
_LEAST_TAPS = 2
_LEAST_FILTERS = 4
# Input rows for one row of the result that take more than this have left every cache.
_MOST_BYTES = 1 << 26
# A thread should have at least so many multiply-adds, a tenth of a millisecond.
_CHUNK = 2_000_000


@functools.cache
def tile_for(itemsize: int) -> Tile:
    """Return the tile that fills this processor's registers, but for what the loads need."""
    features = cpu_features().split(",")
    if "+avx512f" in features and "-prefer-256-bit" in features:
        return Tile(8, 3, 64 // itemsize)
    if "+avx" in features:
        return Tile(4, 3, 32 // itemsize)
    return Tile(8 if "+neon" in features else 4, 3, 16 // itemsize)


def convolve(
    xp: Any, x: Any, w: Any, *, stride: Pair, padding: Padding, dilation: Pair, groups: int
) -> Any:
    """Return what the op's `eager` does: by tiles, or by that function where tiles don't pay."""
    attrs: dict[str, Any] = {
        "stride": stride, "padding": padding, "dilation": dilation, "groups": groups,
    }  # fmt: skip
    shape = _result(x, w, padding, dilation)
    line = w.shape[1] * (x.shape[3] + padding[2] + padding[3]) * x.itemsize
    suits = (
        stride == (1, 1)
        and x.dtype in (np.float32, np.float64)
        and x.shape[1] == w.shape[1] * groups
        and min(*shape, w.size) > 0
        and w.shape[0] >= _LEAST_FILTERS * groups
        and w.shape[2] * w.shape[3] >= _LEAST_TAPS
        and line * (dilation[0] * (w.shape[2] - 1) + 1) <= _MOST_BYTES
    )
    if not suits:
        return conv_op.eager(xp, x, w, **attrs)
    out = np.empty(shape, x.dtype)
    _run(np.ascontiguousarray(x), w, out, padding, dilation, groups)
    return out


def _result(x: Any, w: Any, padding: Padding, dilation: Pair) -> tuple[int, int, int, int]:
    rows = x.shape[2] + padding[0] + padding[1] - dilation[0] * (w.shape[2] - 1)
    columns = x.shape[3] + padding[2] + padding[3] - dilation[1] * (w.shape[3] - 1)
    return x.shape[0], w.shape[0], rows, columns


def _run(x: Any, w: Any, out: Any, padding: Padding, dilation: Pair, groups: int) -> None:
    tile = tile_for(x.itemsize)
    pictures, _, height, width = x.shape
    filters, depth, kh, kw = w.shape
    filters, (rows, columns) = filters // groups, out.shape[2:]
    row, halo = width + padding[2] + padding[3], dilation[0] * (kh - 1)
    fits = _UNIT_BYTES // (depth * row * x.itemsize) - halo
    most = min(max(fits, -(-2 * tile.width // row)), rows)
    blocks = -(-rows // most)
    step = -(-rows // blocks)
    packed = _packed(w.reshape(groups, filters, depth, kh, kw), tile)
    table = np.array(
        [
            x.ctypes.data, packed.ctypes.data, out.ctypes.data,
            groups, filters, depth, height, width, rows, columns, blocks, step,
            padding[0], padding[2], row, kh, dilation[0] * row, halo,
        ],
        np.int64,
    )  # fmt: skip
    kernel = _kernel(from_numpy_dtype(x.dtype).tag, kw, dilation[1])
    grain = _CHUNK // (step * row * filters * depth * kh * kw) + 1
    threads.launch(kernel, table.ctypes.data, pictures * groups * blocks, grain)


def _packed(w: Any, tile: Tile) -> Any:
    """Return the filters in the order in which a tile meets them, with zeros to fill the last tile."""
    groups, filters, depth, kh, kw = w.shape
    tiles = -(-filters // tile.filters)
    out = np.zeros((groups, tiles, depth, kh, kw, tile.filters), w.dtype)
    for t in range(tiles):
        part = w[:, t * tile.filters : (t + 1) * tile.filters]
        out[:, t, ..., : part.shape[1]] = np.moveaxis(part, 1, -1)
    return out


@functools.cache
def _kernel(tag: str, kw: int, right: int) -> native.NativeFunction:
    written = text(tag, tile_for({"f32": 4, "f64": 8}[tag]), kw, right)
    (function,) = native.cached([native.llvm_job(written, "direct")])
    return function
