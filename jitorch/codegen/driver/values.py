"""Values inside native drivers: numbers, tensors as addresses, lists as growing buffers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Union

from jitorch.errors import Loc
from jitorch.ir.core import Op, Value
from jitorch.ir.dims import Dim, product
from jitorch.ir.opdef import OPS
from jitorch.ir.types import TensorType


class Unsupported(Exception):
    """Why a loop can't be native."""

    def __init__(self, why: str, loc: Loc | None) -> None:
        super().__init__(why)
        self.loc = loc

    def __str__(self) -> str:
        where = f" ({self.loc})" if self.loc is not None and self.loc.known else ""
        return f"{self.args[0]}{where}"


@dataclass(frozen=True)
class Scalar:
    """A number: the text of its value."""

    text: str


@dataclass(frozen=True)
class TensorRef:
    """A tensor: the text of its address; strides in elements, None if contiguous.

    `root` is the value whose memory it is, if the loop computes that.
    """

    address: str
    type: TensorType
    strides: tuple[str, ...] | None
    root: Value | None = None

    def stride(self, dim: int, size: Callable[[Dim], str]) -> str:
        """Return the text of the stride of a dimension."""
        return (
            size(product(self.type.shape[dim + 1 :])) if self.strides is None else self.strides[dim]
        )


@dataclass(frozen=True)
class ListRef:
    """A list of equal tensors: the address of the first, the text of how many there are."""

    buffer: str
    count: str
    item: TensorType


Ref = Union[Scalar, TensorRef, ListRef]
Text = Callable[[Dim], str]


def view(
    op: Op,
    x: TensorRef,
    size: Text,
    unsupported: Callable[[str], Unsupported],
    check_slice: Callable[[str, str, int, str], None],
) -> TensorRef:
    """Return what a view op shows of `x`: another address, other strides."""
    t = op.output.type
    assert isinstance(t, TensorType)
    if op.name == "reshape" and x.strides is None:
        return replace(x, type=t)
    strides = [x.stride(d, size) for d in range(x.type.ndim)]
    walks = OPS[op.name].walked(x.type, op.attrs)
    if walks is None:
        raise unsupported(f"the view '{op.name}' has no native form")
    moved = tuple("0" if d is None else _times(strides[d], step) for d, step in walks)
    shown = replace(x, type=t, strides=moved if t.strided else None)
    if OPS[op.name].axes is not None:
        return shown
    attrs = dict(op.attrs)
    dim = attrs["dim"]
    if op.name == "select" and isinstance(dim, int):
        index, n = size(attrs["index"]), size(x.type.shape[dim])  # type: ignore[arg-type]
        if not index.isdigit():
            index = f"({index} + {n} * ({index} < 0))"
        return replace(shown, address=_moved(x, index, strides[dim]))
    if op.name == "slice" and isinstance(dim, int):
        start, length, step = size(attrs["start"]), size(attrs["length"]), attrs["step"]  # type: ignore[arg-type]
        assert isinstance(step, int)
        check_slice(start, length, step, size(x.type.shape[dim]))
        return replace(shown, address=_moved(x, f"({start})", strides[dim]))
    raise unsupported(f"the view '{op.name}' has no native form")


def _times(stride: str, step: int) -> str:
    return stride if step == 1 else f"{stride} * {step}"


def _moved(x: TensorRef, index: str, stride: str) -> str:
    step = f" * ({stride})" if stride != "1" else ""
    return f"({x.address} + {index}{step} * {x.type.dtype.itemsize})"
