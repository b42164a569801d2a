"""How tensors print: as PyTorch's do.

All numbers of a tensor share one format, chosen from the finite ones that are not zero: whole
numbers print as `3.`, others with four digits, and scientific notation sets in where the largest is
more than 1000 times the smallest, or numbers are very large or small.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from jitorch.errors import TypeMismatch
from jitorch.ir.promotion import get_default_dtype
from jitorch.ir.types import DType, bool_, complex64, complex128, float32, int64

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Options:
    """What `set_printoptions` sets."""

    precision: int = 4
    threshold: int = 1000
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool | None = None


_PROFILES = {
    "default": Options(),
    "short": Options(precision=2, edgeitems=2),
    "full": Options(threshold=2**63),
}
_current = [Options()]


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Set how tensors print. What is not given stays; a `sci_mode` of None is automatic.

    - `precision`: digits after the point (4)
    - `threshold`: tensors with more elements than that are summarised (1000)
    - `edgeitems`: how many items a summary shows at each end of each dimension (3)
    - `linewidth`: characters in a line (80)
    - `profile`: "default", "short" or "full", to start from
    - `sci_mode`: whether to use scientific notation
    """
    if profile is not None and profile not in _PROFILES:
        raise TypeMismatch(f"no such profile: {profile}", hint='use "default", "short" or "full"')
    start = _current[0] if profile is None else _PROFILES[profile]
    given = {
        "precision": precision,
        "threshold": None if threshold is None else int(min(threshold, 2**63)),
        "edgeitems": edgeitems,
        "linewidth": linewidth,
    }
    changes: dict[str, Any] = {k: v for k, v in given.items() if v is not None}
    _current[0] = replace(start, sci_mode=sci_mode, **changes)


def tensor_repr(array: Array, dtype: DType, device: object = None) -> str:
    """Return `tensor(...)` for the array; a `device` is named if it is not main memory."""
    options = _current[0]
    prefix = "tensor("
    suffixes = [] if device is None else [f"device='{device}'"]
    if array.size == 0:
        body = "[]"
        if array.ndim != 1:
            suffixes.append(f"size={tuple(array.shape)}")
        shown = dtype is not get_default_dtype()
    else:
        body = _body(array, len(prefix), options)
        default = get_default_dtype()
        usual = {default, complex64 if default is float32 else complex128, int64, bool_}
        shown = dtype not in usual
    if shown:
        suffixes.append(f"dtype={dtype!r}")
    return _joined(prefix + body, suffixes, len(prefix), options.linewidth) + ")"


def _joined(text: str, suffixes: list[str], indent: int, linewidth: int) -> str:
    """Append the suffixes, on a line of their own where they do not fit."""
    used = len(text) - text.rfind("\n") + 1
    for suffix in suffixes:
        if used + len(suffix) + 2 > linewidth:
            text += ",\n" + " " * indent + suffix
            used = indent + len(suffix)
        else:
            text += ", " + suffix
            used += len(suffix) + 2
    return text


def _body(array: Array, indent: int, options: Options) -> str:
    """Return the nested brackets of a tensor."""
    summarise = array.size > options.threshold
    shown = _edges(array, options.edgeitems) if summarise else array
    form, width = _formatter(shown, options)
    return _nested(array, indent, summarise, form, width, options)


def _edges(array: Array, edgeitems: int) -> Array:
    """Return the part of the array that a summary shows."""
    for axis, size in enumerate(array.shape):
        if size > 2 * edgeitems:
            kept = [*range(edgeitems), *range(size - edgeitems, size)]
            array = np.take(array, kept, axis)
    return array


def _nested(
    array: Array,
    indent: int,
    summarise: bool,
    form: Callable[[Any], str],
    width: int,
    options: Options,
) -> str:
    if array.ndim == 0:
        return form(array.item())
    edge = options.edgeitems
    cut = summarise and len(array) > 2 * edge
    head, tail = (array[:edge], array[-edge:]) if cut else (array, array[:0])
    if array.ndim == 1:
        items = [*map(form, head.tolist()), *[" ..."] * cut, *map(form, tail.tolist())]
        lines = _wrapped(items, max(1, (options.linewidth - indent) // (width + 2)))
        return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"
    rest = indent + 1, summarise, form, width, options
    parts = [_nested(a, *rest) for a in head]
    parts += ["..."] * cut + [_nested(a, *rest) for a in tail]
    return "[" + ("," + "\n" * (array.ndim - 1) + " " * (indent + 1)).join(parts) + "]"


def _wrapped(items: list[str], per_line: int) -> Iterator[str]:
    for i in range(0, len(items), per_line):
        yield ", ".join(items[i : i + per_line])


def _formatter(shown: Array, options: Options) -> tuple[Callable[[Any], str], int]:
    """Return the function that prints one element, and the width it takes."""
    if shown.dtype.kind == "c":
        return _complex_formatter(shown, options)
    if shown.dtype.kind == "f":
        form, width = _float_format(shown, options)
    else:
        form = str
        width = max(len(str(v)) for v in shown.reshape(-1).tolist())
    return lambda v: form(v).rjust(width), width


def _complex_formatter(shown: Array, options: Options) -> tuple[Callable[[Any], str], int]:
    real, real_width = _float_format(shown.real, options)
    imag, imag_width = _float_format(shown.imag, options)

    def form(v: complex) -> str:
        text = imag(v.imag)
        plus = "" if text.startswith("-") else "+"
        return f"{real(v.real).rjust(real_width)}{plus}{text}j"

    return form, real_width + imag_width + 1


def _float_format(shown: Array, options: Options) -> tuple[Callable[[float], str], int]:
    """Return the function that prints one float, unpadded, and the width that the column has."""
    values = shown.astype(np.float64).reshape(-1)
    counted = values[np.isfinite(values) & (values != 0)]
    if not counted.size:
        return _whole, 1
    sizes = np.abs(counted)
    least, most = sizes.min(), sizes.max()
    whole = bool((counted == np.ceil(counted)).all())
    scientific = options.sci_mode
    if scientific is None:
        with np.errstate(over="ignore"):
            scientific = bool(most / least > 1000 or most > 1e8 or (least < 1e-4 and not whole))
    form = _whole
    if scientific:
        form = f"{{:.{options.precision}e}}".format
    elif not whole:
        form = f"{{:.{options.precision}f}}".format
    return form, max(len(form(v)) for v in counted.tolist())


def _whole(v: float) -> str:
    return f"{v:.0f}." if np.isfinite(v) else f"{v:.0f}"
