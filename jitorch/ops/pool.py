"""Pooling: the largest or the mean element of each window of a picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from jitorch.dispatch import apply
from jitorch.errors import ShapeMismatch
from jitorch.ir import dims as D
from jitorch.ir.dims import Dim, dim_min, floordiv
from jitorch.ir.opdef import OpDef, register
from jitorch.ir.shapes import show
from jitorch.ir.types import TensorType, Type
from jitorch.ops.conv import Pair, pair
from jitorch.ops.families import function, tensor_type
from jitorch.ops.rules import floating_only
from jitorch.ops.samples import Samples, ramp, strided
from jitorch.ops.shape import squeeze, unsqueeze
from jitorch.ops.workers import at_once, parts, run_all

__all__ = ["avg_pool2d", "max_pool2d"]


def _pool_size(size: Dim, kernel: int, stride: int, pad: int, spread: int, ceil: bool) -> Dim:
    span = size + 2 * pad - spread * (kernel - 1) - 1
    if not ceil:
        return floordiv(span, stride) + 1
    # A window that starts in the padding on the right does not count.
    return dim_min(floordiv(span + stride - 1, stride), floordiv(size + pad - 1, stride)) + 1


def _pool_infer(
    x: Type, *, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair, ceil: bool, **rest: Any
) -> Type:
    t = tensor_type(x, "pool2d")
    if t.ndim != 4:
        raise ShapeMismatch(f"pool2d: Expected 3D or 4D input, but got size {show(t.shape)}")
    for size, k, pad, spread in zip(t.shape[2:], kernel, padding, dilation, strict=True):
        if D.at_least(size + 2 * pad, spread * (k - 1) + 1) is False and not ceil:
            raise ShapeMismatch(
                f"Given input size {show(t.shape)} and kernel size {show(kernel)}, the output size "
                "is too small"
            )
    sizes = [
        _pool_size(t.shape[2 + i], kernel[i], stride[i], padding[i], dilation[i], ceil)
        for i in (0, 1)
    ]
    return TensorType(t.dtype, (*t.shape[:2], *sizes), device=t.device)


def _fold(
    xp: Any, fold: Any, fill: float, x: Any,
    kernel: Pair, stride: Pair, padding: Pair, dilation: Pair, ceil: bool,
) -> Any:  # fmt: skip
    """Return the fold over each window, with `fill` around the picture."""
    n, c, height, width = x.shape
    sides = zip((height, width), kernel, stride, padding, dilation, strict=True)
    rows, columns = (D.evaluate(_pool_size(*side, ceil), {}) for side in sides)
    if min(rows, columns) < 1:
        raise ShapeMismatch(f"pool2d: input of size {show(x.shape)} is smaller than the window")
    reach = [
        (count - 1) * s + d * (k - 1) + 1
        for count, s, d, k in zip((rows, columns), stride, dilation, kernel, strict=True)
    ]
    tall, wide = (
        max(r, size + p) for r, size, p in zip(reach, (height, width), padding, strict=True)
    )
    out = xp.empty((n, c, rows, columns), x.dtype)
    if out.size == 0:
        return out
    blocks = parts(n, at_once(xp, c * tall * wide * x.itemsize))
    # In main memory a copy in the cache is quicker to go over many times.
    framed = xp is np or (tall, wide) != (height, width)

    def start() -> Any:
        padded = xp.full((blocks[0].stop if framed else 0, c, tall, wide), fill, x.dtype)
        inner = padded[:, :, padding[0] : padding[0] + height, padding[1] : padding[1] + width]

        def work(pictures: slice) -> None:
            part, source = out[pictures], x[pictures]
            if framed:
                inner[: len(part)] = source
                source = padded[: len(part)]
            for at in range(kernel[0] * kernel[1]):
                i, j = (k * d for k, d in zip(divmod(at, kernel[1]), dilation, strict=True))
                down = slice(i, i + (rows - 1) * stride[0] + 1, stride[0])
                right = slice(j, j + (columns - 1) * stride[1] + 1, stride[1])
                seen = source[:, :, down, right]
                fold(part, seen, out=part) if at else xp.copyto(part, seen)

        return work

    run_all(xp, start, blocks)
    return out


def _single(xp: Any, x: Any) -> Any:
    return x.astype(xp.float32) if x.dtype == xp.float16 else x


def _max_eager(xp: Any, x: Any, **window: Any) -> Any:
    return _fold(xp, xp.maximum, -np.inf, x, **window)


def _avg_eager(xp: Any, x: Any, *, inside: bool, divisor: int | None, **window: Any) -> Any:
    total = _fold(xp, xp.add, 0.0, _single(xp, x), **window)
    if divisor is None and _whole(total.shape[2:], x.shape[2:], inside, window):
        divisor = math.prod(window["kernel"])
    if divisor is None:
        sides = zip(total.shape[2:], x.shape[2:], strict=True)
        down, right = (_counts(xp, *side, inside, i, window) for i, side in enumerate(sides))
        total /= (down[:, None] * right).astype(total.dtype)
    else:
        total /= divisor
    return total.astype(x.dtype, copy=False)


def _whole(counts: Sequence[int], sizes: Sequence[int], inside: bool, window: Any) -> bool:
    """Whether no window has elements that do not count."""
    named = (window[name] for name in ("kernel", "stride", "padding"))
    for count, size, k, step, pad in zip(counts, sizes, *named, strict=True):
        around = 0 if inside else pad
        if pad > around or (count - 1) * step - pad + k > size + around:
            return False
    return True


def _counts(xp: Any, count: int, size: int, inside: bool, i: int, window: Any) -> Any:
    """Return how many elements each window has along a dimension, with padding or without."""
    pad = window["padding"][i]
    first = xp.arange(count) * window["stride"][i] - pad
    last = xp.minimum(first + window["kernel"][i], size if inside else size + pad)
    return last - (xp.maximum(first, 0) if inside else first)


def _samples(**more: Any) -> Samples:
    plain: dict[str, Any] = {
        "kernel": (2, 2), "stride": (2, 2), "padding": (0, 0), "dilation": (1, 1), "ceil": False,
    } | more  # fmt: skip
    x = ramp(2, 3, 7, 5)
    return lambda: [
        ((x,), plain),
        ((x,), plain | {"kernel": (3, 2), "padding": (1, 1), "stride": (2, 1)}),
        ((x,), plain | {"padding": (1, 1), "ceil": True}),
        ((strided().reshape(1, 1, 5, 3),), plain),
        ((ramp(1, 2, 4, 4, dtype=np.float16),), plain),
        ((ramp(0, 2, 4, 4),), plain),
    ]


max_pool_op = register(
    OpDef(
        name="max_pool2d",
        eager=_max_eager,
        infer=_pool_infer,
        promote=floating_only("max_pool2d"),
        samples=_samples(),
    )
)
avg_pool_op = register(
    OpDef(
        name="avg_pool2d",
        eager=_avg_eager,
        infer=_pool_infer,
        promote=floating_only("avg_pool2d"),
        samples=_samples(inside=False, divisor=None),
    )
)


def _pool(op: OpDef, x: Any, size: Any, stride: Any, padding: Any, spread: Any, **more: Any) -> Any:
    if x.ndim == 3:
        return squeeze(_pool(op, unsqueeze(x, 0), size, stride, padding, spread, **more), 0)
    kernel, pads = pair(size), pair(padding)
    steps = kernel if stride is None else pair(stride)
    if min(*kernel, *steps, *pair(spread)) < 1:
        raise ValueError(f"{op.name}: kernel size, stride and dilation must be greater than zero")
    if any(p < 0 or 2 * p > k for p, k in zip(pads, kernel, strict=True)):
        raise ValueError(
            f"pad should be at least zero and at most half of kernel size, but got pad={pads} and "
            f"kernel_size={kernel}"
        )
    window = {"kernel": kernel, "stride": steps, "padding": pads, "dilation": pair(spread)}
    return apply(op, x, **window, **more)


@function()
def max_pool2d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
) -> Any:
    """Return the largest element of each window of (N, C, H, W) or (C, H, W)."""
    return _pool(max_pool_op, input, kernel_size, stride, padding, dilation, ceil=ceil_mode)


@function()
def avg_pool2d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Any:
    """Return the mean of each window of (N, C, H, W) or (C, H, W)."""
    counted = {"inside": not count_include_pad, "divisor": divisor_override}
    return _pool(avg_pool_op, input, kernel_size, stride, padding, 1, ceil=ceil_mode, **counted)
