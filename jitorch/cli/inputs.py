"""`--input`: from text to the arguments of a call.

    f32[8,16]               normal random numbers (integers: 0 to 9; bool: either)
    f32[8,16] in 0..1       uniform in a range (integers: both ends included)
    f64[100]=arange         zeros, ones, arange, or any number: f32[3]=0.5
    f32[8,16; strided]      a tensor that is not contiguous
    data/x.npy              an array from a file
    3, 0.5, "mean", [1, 2]  a Python expression; it may use np, jt, f32[...], and the names of the
                            function's module
    name=VALUE              a keyword argument
    np:VALUE                NumPy arrays instead of tensors

Random numbers come from one generator with a fixed seed, in the order of the inputs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import jitorch as jt
from jitorch.cli.console import Misuse
from jitorch.ir.types import DTYPES, DType

_BY_NAME = {name: d for d in DTYPES for name in (d.tag, d.name)}
_TENSOR = re.compile(
    rf"""(?P<dtype>{"|".join(sorted(_BY_NAME, key=len, reverse=True))})
         \[ (?P<sizes>[^\];]*) (?P<strided>;\s*strided\s*)? \] \s*
         (?: in \s+ (?P<low>\S+?) \s*\.\.\s* (?P<high>\S+) | = \s* (?P<fill>\S+) )? $""",
    re.VERBOSE,
)
_KEYWORD = re.compile(r"([A-Za-z_]\w*)\s*=(?!=)\s*(.*)$", re.DOTALL)


@dataclass
class Arguments:
    """The arguments of a call."""

    args: list[Any]
    kwargs: dict[str, Any]

    def copy(self) -> Arguments:
        """Return arguments of their own memory: a function may change what it is given."""
        return Arguments(
            [_copy(x) for x in self.args], {k: _copy(x) for k, x in self.kwargs.items()}
        )


def read(
    texts: Sequence[str], scope: Mapping[str, Any], *, numpy: bool = False, seed: int = 0
) -> Arguments:
    """Return the arguments that the texts spell; `scope` has further names for expressions."""
    reader = _Reader(scope, np.random.default_rng(seed))
    out = Arguments([], {})
    for text in texts:
        keyword = _KEYWORD.match(text)
        value = reader.value((keyword[2] if keyword else text).strip(), numpy)
        if keyword is None:
            out.args.append(value)
        elif keyword[1] in out.kwargs:
            raise Misuse(f"the input '{keyword[1]}' is given twice")
        else:
            out.kwargs[keyword[1]] = value
    return out


class _Maker:
    """`f32[8, 16]` within an expression."""

    def __init__(self, reader: _Reader, dtype: DType) -> None:
        self.reader = reader
        self.dtype = dtype

    def __getitem__(self, sizes: int | tuple[int, ...]) -> Any:
        shape = sizes if isinstance(sizes, tuple) else (sizes,)
        return jt.from_numpy(self.reader.random(self.dtype, shape))


class _Reader:
    def __init__(self, scope: Mapping[str, Any], rng: np.random.Generator) -> None:
        self.rng = rng
        makers = {d.tag: _Maker(self, d) for d in DTYPES}
        self.scope = {"np": np, "jt": jt, **makers, **scope}

    def value(self, text: str, numpy: bool) -> Any:
        if text.startswith("np:"):
            return self.value(text[3:].strip(), True)
        tensor = _TENSOR.match(text)
        if tensor is not None:
            made = self.tensor(text, tensor)
        elif text.endswith(".npy"):
            made = _from_file(text)
        else:
            made = self.expression(text)
        return _converted(made, numpy)

    def tensor(self, text: str, spec: re.Match[str]) -> Any:
        dtype = _BY_NAME[spec["dtype"]]
        shape = _sizes(text, spec["sizes"])
        wide = (*shape[:-1], 2 * shape[-1]) if spec["strided"] and shape else shape
        try:
            if spec["low"]:
                array = self.uniform(
                    dtype, wide, _number(spec["low"], dtype), _number(spec["high"], dtype)
                )
            elif spec["fill"]:
                array = _filled(dtype, wide, spec["fill"])
            else:
                array = self.random(dtype, wide)
        except (ValueError, OverflowError, MemoryError) as error:
            raise Misuse(f"input '{text}': {error}") from None
        return array[..., ::2] if spec["strided"] and shape else array

    def random(self, dtype: DType, shape: tuple[int, ...]) -> Any:
        """Return ordinary values of a dtype."""
        match dtype.kind:
            case "bool":
                return self.rng.random(shape) < 0.5
            case "int":
                return self.rng.integers(0, 9, shape, dtype.numpy, endpoint=True)
            case "complex":
                parts = self.rng.standard_normal((2, *shape))
                return (parts[0] + 1j * parts[1]).astype(dtype.numpy)
        return np.asarray(self.rng.standard_normal(shape)).astype(dtype.numpy)

    def uniform(self, dtype: DType, shape: tuple[int, ...], low: Any, high: Any) -> Any:
        if low > high:
            raise ValueError(f"the range {low}..{high} is empty")
        if dtype.kind == "int":
            return self.rng.integers(low, high, shape, dtype.numpy, endpoint=True)
        if dtype.kind == "float":
            return np.asarray(self.rng.uniform(low, high, shape)).astype(dtype.numpy)
        raise ValueError(f"a range has no meaning for {dtype.name}")

    def expression(self, text: str) -> Any:
        try:
            return eval(text, dict(self.scope))
        except SyntaxError:
            raise Misuse(f"input '{text}' is neither {_FORMS}") from None
        except NameError as error:
            quoted = f"; a string needs quotes: '\"{text}\"'" if text.isidentifier() else ""
            raise Misuse(f"input '{text}': {error}{quoted}") from None
        except Exception as error:
            raise Misuse(f"input '{text}': {type(error).__name__}: {error}") from None


_FORMS = "a type with sizes such as f32[8,16], nor a .npy file, nor a Python expression"


def _sizes(text: str, sizes: str) -> tuple[int, ...]:
    parts = [p.strip() for p in sizes.split(",")] if sizes.strip() else []
    for p in parts:
        if not p.isdecimal():
            raise Misuse(
                f"input '{text}': a size must be a number, got '{p}'; "
                "sizes become symbols by themselves"
            )
    return tuple(map(int, parts))


def _number(text: str, dtype: DType) -> Any:
    try:
        return int(text) if dtype.kind == "int" else float(text)
    except ValueError:
        raise ValueError(
            f"'{text}' is no {'integer' if dtype.kind == 'int' else 'number'}"
        ) from None


def _filled(dtype: DType, shape: tuple[int, ...], fill: str) -> Any:
    match fill:
        case "zeros" | "ones":
            return getattr(np, fill)(shape, dtype.numpy)
        case "arange":
            return np.arange(int(np.prod(shape))).reshape(shape).astype(dtype.numpy)
    try:
        value = _number(fill, dtype)
    except ValueError:
        raise ValueError(
            f"'{fill}' is none of zeros, ones, arange and the numbers of {dtype.name}"
        ) from None
    return np.full(shape, value, dtype.numpy)


def _from_file(text: str) -> Any:
    try:
        return np.load(Path(text), allow_pickle=False)
    except FileNotFoundError:
        raise Misuse(f"input '{text}': there is no such file") from None
    except (OSError, ValueError, EOFError) as error:
        raise Misuse(f"input '{text}' can't be read: {error}") from None


def _converted(x: Any, numpy: bool) -> Any:
    """Return a value with every array in it of the wanted kind."""
    if numpy and isinstance(x, jt.Tensor):
        return x.numpy()
    if not numpy and isinstance(x, (np.ndarray, np.generic)):
        try:
            return jt.from_numpy(np.asarray(x))
        except TypeError as error:
            raise Misuse(str(error)) from None
    if type(x) in (list, tuple):
        return type(x)(_converted(i, numpy) for i in x)
    return {k: _converted(i, numpy) for k, i in x.items()} if type(x) is dict else x


def _copy(x: Any) -> Any:
    if isinstance(x, np.ndarray):
        return _copy_array(x)
    if isinstance(x, jt.Tensor):
        return jt.from_numpy(_copy_array(x.numpy()))
    if type(x) in (list, tuple):
        return type(x)(map(_copy, x))
    return {k: _copy(i) for k, i in x.items()} if type(x) is dict else x


def _copy_array(a: Any) -> Any:
    """Return a copy with the same strides, which decide the version that is compiled."""
    if a.flags.c_contiguous or not a.size or min(a.strides) < 0:
        return a.copy()
    extent = sum((n - 1) * s for n, s in zip(a.shape, a.strides, strict=True)) + a.itemsize
    out = np.ndarray(a.shape, a.dtype, bytearray(extent), 0, a.strides)
    out[...] = a
    return out


def describe(x: Any) -> str:
    """Return what an argument is: `f32[8, 16]`, or its Python text."""
    if isinstance(x, jt.Tensor):
        return f"{x.dtype.tag}[{', '.join(map(str, x.shape))}]"
    if isinstance(x, np.ndarray):
        return f"np:{describe(jt.from_numpy(x))}"
    if type(x) is list:
        return f"[{', '.join(map(describe, x))}]"
    if type(x) is tuple:
        return f"({', '.join(map(describe, x))}{',' * (len(x) == 1)})"
    if type(x) is dict:
        return f"{{{', '.join(f'{k!r}: {describe(i)}' for k, i in x.items())}}}"
    text = repr(x)
    return text if len(text) <= 40 else text[:39] + "…"
