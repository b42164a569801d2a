"""Convolutions: blocks of pictures, unrolled so that each is one product of matrices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from jitorch.dispatch import apply
from jitorch.errors import ShapeMismatch
from jitorch.ir import dims as D
from jitorch.ir.dims import Dim, equal, floordiv
from jitorch.ir.opdef import OpDef, register
from jitorch.ir.shapes import show
from jitorch.ir.types import TensorType, Type, common_device
from jitorch.ops.elementwise import add
from jitorch.ops.families import function, tensor_type
from jitorch.ops.rules import floating_only
from jitorch.ops.samples import Sample, ramp
from jitorch.ops.shape import reshape, squeeze, unsqueeze
from jitorch.ops.workers import at_once, parts, run_all

__all__ = ["conv1d", "conv2d"]

Pair = tuple[int, int]
Padding = tuple[int, int, int, int]  # above, below, left, right
Block = tuple[slice, slice]  # pictures, rows of their results
Scratch = dict[tuple[int, ...], Any]  # padded pictures, by their shape

# What an unrolled block takes in main memory: it is still in the second-level cache when it is multiplied.
_BLOCK_BYTES = 1 << 19
_LEAST_COLUMNS = 192  # below that BLAS spends its time on packing the filters


def _conv_size(size: Dim, kernel: Dim, stride: int, pads: int, dilation: int) -> Dim:
    return floordiv(size + pads - dilation * (kernel - 1) - 1, stride) + 1


def _conv_infer(
    x: Type, w: Type, *, stride: Pair, padding: Padding, dilation: Pair, groups: int
) -> Type:
    t, f = tensor_type(x, "conv2d"), tensor_type(w, "conv2d")
    if t.ndim != 4 or f.ndim != 4:
        raise ShapeMismatch(
            "Expected 3D (unbatched) or 4D (batched) input and 4D weight to conv2d, but got input "
            f"of size: {show(t.shape)} and weight of size: {show(f.shape)}"
        )
    out, per_group, *kernel = f.shape
    if not equal(t.shape[1], per_group * groups):
        raise ShapeMismatch(
            f"Given groups={groups}, weight of size {show(f.shape)}, expected "
            f"input{show(t.shape)} to have {per_group * groups} channels, but got {t.shape[1]} "
            "channels instead"
        )
    if not equal(out % groups, 0):
        raise ShapeMismatch(
            f"Given groups={groups}, expected weight to be divisible by {groups} at dimension 0, "
            f"but got weight of size {show(f.shape)} instead"
        )
    pads = (padding[0] + padding[1], padding[2] + padding[3])
    reach = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    padded = [size + p for size, p in zip(t.shape[2:], pads, strict=True)]
    if any(D.at_least(have, need) is False for have, need in zip(padded, reach, strict=True)):
        raise ShapeMismatch(
            f"Calculated padded input size per channel: ({padded[0]} x {padded[1]}). Kernel size: "
            f"({reach[0]} x {reach[1]}). Kernel size can't be greater than actual input size"
        )
    sizes = [_conv_size(t.shape[2 + i], kernel[i], stride[i], pads[i], dilation[i]) for i in (0, 1)]
    return TensorType(t.dtype, (t.shape[0], out, *sizes), device=common_device((t, f)))


def _conv_eager(
    xp: Any, x: Any, w: Any, *, stride: Pair, padding: Padding, dilation: Pair, groups: int
) -> Any:
    if x.dtype == xp.float16:  # half precision accumulates in single
        wide = x.astype(xp.float32), w.astype(xp.float32)
        attrs: dict[str, Any] = {
            "stride": stride,
            "padding": padding,
            "dilation": dilation,
            "groups": groups,
        }
        return _conv_eager(xp, *wide, **attrs).astype(xp.float16)
    (n, c, h, width), (o, per_group, kh, kw) = x.shape, w.shape
    rows, columns = (
        D.evaluate(_conv_size(*part), {})
        for part in (
            (h, kh, stride[0], padding[0] + padding[1], dilation[0]),
            (width, kw, stride[1], padding[2] + padding[3], dilation[1]),
        )
    )
    if min(rows, columns) < 0 or c != per_group * groups:
        raise ShapeMismatch(f"conv2d: sizes {show(x.shape)} and {show(w.shape)} do not fit")
    out = (xp.empty if w.size else xp.zeros)((n, o, rows, columns), x.dtype)
    if out.size == 0 or w.size == 0:
        return out
    windows = _Windows(xp, x, (kh, kw), stride, padding, dilation, columns)
    if per_group == 1 and groups > 1:
        blocks = _blocks(xp, n, rows, rows, o * columns * x.itemsize)
        run_all(xp, lambda: _depthwise(xp, windows, w, out), blocks)
        return out
    column = c * kh * kw * x.itemsize
    most = max(max(_BLOCK_BYTES // column, _LEAST_COLUMNS) // columns, 1)
    filters = w.reshape(groups, o // groups, -1)
    blocks = _blocks(xp, n, rows, most, 0 if windows.plain else column * columns)
    run_all(xp, lambda: _unroll(xp, windows, filters, out), blocks)
    return out


def _blocks(xp: Any, pictures: int, rows: int, most: int, scratch: int) -> list[Block]:
    """Return equal blocks: `most` rows of a picture, or on a GPU as many pictures as memory holds.

    `scratch` is what a row takes of memory. A picture that takes too much is cut there too.
    """
    most = most if xp is np else at_once(xp, scratch)
    together = at_once(xp, scratch * rows)
    return [(p, r) for p in parts(pictures, together) for r in parts(rows, most)]


class _Windows:
    """The elements of the input that each element of the result sees, as strided views."""

    def __init__(
        self, xp: Any, x: Any, kernel: Pair, stride: Pair, padding: Padding, dilation: Pair,
        columns: int,
    ) -> None:  # fmt: skip
        self.xp, self.x, self.kernel, self.columns = xp, x, kernel, columns
        self.stride, self.padding, self.dilation = stride, padding, dilation
        self.plain = kernel == (1, 1) and stride == (1, 1) and not any(padding)

    def view(self, block: Block, scratch: Scratch) -> Any:
        """Return (pictures, channels, kernel rows, kernel columns, rows, columns) of a block."""
        pictures, rows = block
        kh, kw = self.kernel
        start = rows.start * self.stride[0] - self.padding[0]
        stop = (rows.stop - 1) * self.stride[0] - self.padding[0] + self.dilation[0] * (kh - 1) + 1
        source = self._rows(self.x[pictures], start, stop, scratch)
        *outer, down, right = source.strides
        return self.xp.lib.stride_tricks.as_strided(
            source,
            (*source.shape[:2], kh, kw, rows.stop - rows.start, self.columns),
            (
                *outer,
                down * self.dilation[0],
                right * self.dilation[1],
                down * self.stride[0],
                right * self.stride[1],
            ),
        )

    def _rows(self, pictures: Any, start: int, stop: int, scratch: Scratch) -> Any:
        if not any(self.padding):
            return pictures[:, :, start:stop]
        *outer, height, width = pictures.shape
        left, right = self.padding[2:]
        shape = (*outer, stop - start, left + width + right)
        padded = scratch.get(shape)
        if padded is None:
            padded = scratch[shape] = self.xp.zeros(shape, pictures.dtype)
        low, high = min(max(start, 0), height), min(max(stop, 0), height)
        padded[:, :, : low - start] = 0
        padded[:, :, low - start : high - start, left : left + width] = pictures[:, :, low:high]
        padded[:, :, high - start :] = 0
        return padded


def _unroll(xp: Any, windows: _Windows, filters: Any, out: Any) -> Callable[[Block], None]:
    """Return what computes a block as filters @ unrolled windows."""
    groups, per_group, depth = filters.shape
    flat = out.reshape(len(out), groups, per_group, -1)
    padded: Scratch = {}
    unrolled = xp.empty(0, out.dtype)

    def work(block: Block) -> None:
        nonlocal unrolled
        pictures, rows = block
        if windows.plain:
            right = windows.x[pictures, :, rows]
        else:
            view = windows.view(block, padded)
            if unrolled.size < view.size:
                unrolled = xp.empty(view.size, out.dtype)
            right = unrolled[: view.size].reshape(view.shape)
            xp.copyto(right, view)
        right = right.reshape(len(right), groups, depth, -1)
        part = slice(rows.start * windows.columns, rows.stop * windows.columns)
        xp.matmul(filters, right, out=flat[pictures, :, :, part])

    return work


def _depthwise(xp: Any, windows: _Windows, w: Any, out: Any) -> Callable[[Block], None]:
    """Return what computes a block where each filter sees one channel: a sum over the kernel."""
    n, channels = windows.x.shape[:2]
    kh, kw = windows.kernel
    factors = w.reshape(channels, -1, kh, kw, 1, 1)
    by_channel = out.reshape(n, channels, -1, *out.shape[2:])
    padded: Scratch = {}

    def work(block: Block) -> None:
        pictures, rows = block
        view = windows.view(block, padded)[:, :, None]
        part = by_channel[pictures, :, :, rows]
        xp.multiply(view[:, :, :, 0, 0], factors[:, :, 0, 0], out=part)
        product = xp.empty_like(part)
        for at in range(1, kh * kw):
            i, j = divmod(at, kw)
            xp.multiply(view[:, :, :, i, j], factors[:, :, i, j], out=product)
            xp.add(part, product, out=part)

    return work


def _conv_samples() -> list[Sample]:
    plain: dict[str, Any] = {
        "stride": (1, 1), "padding": (0, 0, 0, 0), "dilation": (1, 1), "groups": 1,
    }  # fmt: skip
    x, w = ramp(2, 4, 6, 5), ramp(6, 4, 3, 2)
    turned = ramp(5, 6, 4, 2, dtype=np.float64).T
    return [
        ((x, w), plain),
        ((x, w), plain | {"stride": (2, 3), "padding": (1, 2, 0, 3), "dilation": (2, 1)}),
        ((turned, ramp(3, 4, 1, 1)), plain),
        ((x, ramp(6, 2, 2, 2)), plain | {"groups": 2}),
        ((x, ramp(8, 1, 3, 3)), plain | {"groups": 4, "padding": (1, 1, 1, 1)}),
        ((ramp(0, 4, 6, 5), w), plain),
        ((x.astype(np.float16), w.astype(np.float16)), plain),
    ]


conv_op = register(
    OpDef(
        name="convolution",
        eager=_conv_eager,
        infer=_conv_infer,
        filters=True,
        promote=floating_only("conv2d"),
        samples=_conv_samples,
    )
)


def pair(value: Any) -> Pair:
    """Return the two numbers that one number, or a sequence of one or two, stands for."""
    numbers = tuple(value) if isinstance(value, (tuple, list)) else (value,)
    return numbers * 2 if len(numbers) == 1 else numbers


def _padding(padding: Any, kernel: Any, stride: Pair, dilation: Pair) -> Padding:
    if padding == "valid":
        return (0, 0, 0, 0)
    if padding != "same":
        if isinstance(padding, str):
            raise ValueError(
                f"Invalid padding string {padding!r}, should be one of 'valid', 'same'"
            )
        down, right = pair(padding)
        if min(down, right) < 0:
            raise ValueError("negative padding is not supported")
        return (down, down, right, right)
    if stride != (1, 1):
        raise ValueError("padding='same' is not supported for strided convolutions")
    down, right = (d * (int(k) - 1) for d, k in zip(dilation, kernel, strict=True))
    return (down // 2, down - down // 2, right // 2, right - right // 2)


@function()
def conv2d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    """Return the cross-correlation of (N, C, H, W) or (C, H, W) with (O, C // groups, kh, kw).

    `padding` is a number of zeros at each side, a pair of them, "valid" or "same".
    """
    if input.ndim == 3:
        batch = unsqueeze(input, 0)
        return squeeze(conv2d(batch, weight, bias, stride, padding, dilation, groups), 0)
    steps, spread = pair(stride), pair(dilation)
    if min(*steps, *spread, groups) < 1:
        raise ValueError("conv2d: stride, dilation and groups must be greater than zero")
    pads = _padding(padding, weight.shape[2:], steps, spread)
    attrs = {"stride": steps, "padding": pads, "dilation": spread, "groups": groups}
    out = apply(conv_op, input, weight, **attrs)
    if bias is None:
        return out
    if bias.ndim != 1 or not equal(bias.shape[0], weight.shape[0]):
        raise ShapeMismatch(
            f"Given weight of size {show(weight.shape)}, expected bias to be 1-dimensional with "
            f"{weight.shape[0]} elements, but got bias of size {show(bias.shape)} instead"
        )
    return add(out, reshape(bias, -1, 1, 1))


@function()
def conv1d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    """Return the cross-correlation of (N, C, L) or (C, L) with (O, C // groups, k)."""
    if input.ndim not in (2, 3) or weight.ndim != 3:
        raise ShapeMismatch(
            "Expected 2D (unbatched) or 3D (batched) input and 3D weight to conv1d, but got input "
            f"of size: {show(input.shape)} and weight of size: {show(weight.shape)}"
        )
    steps, spread = (1, pair(stride)[-1]), (1, pair(dilation)[-1])
    pads = padding if isinstance(padding, str) else (0, pair(padding)[-1])
    rows = unsqueeze(input, -2), unsqueeze(weight, -2)
    return squeeze(conv2d(*rows, bias, steps, pads, spread, groups), -2)
