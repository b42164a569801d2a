"""Where tensors live."""

from __future__ import annotations

from dataclasses import dataclass

from jitorch.errors import TypeMismatch

_KINDS = ("cpu", "cuda")


@dataclass(frozen=True)
class device:
    """A device: `device("cpu")`, `device("cuda")` (the current GPU), `device("cuda:1")`, `device("cuda", 1)`.

    A number alone is that of a GPU, as in PyTorch. Making one asks nothing of the machine.

    >>> jt.device("cuda", 0)
    device(type='cuda', index=0)
    >>> str(jt.device(1))
    'cuda:1'
    """

    type: str
    index: int | None = None

    def __init__(self, type: str | int | device, index: int | None = None) -> None:
        name = f"cuda:{type}" if isinstance(type, int) else str(type)
        kind, colon, number = name.partition(":")
        if kind not in _KINDS:
            raise TypeMismatch(
                f"Expected one of {', '.join(_KINDS)} device type at start of device string: {kind}",
                hint="use device='cpu' or device='cuda'",
            )
        if colon and not (number.isascii() and number.isdecimal()):
            raise TypeMismatch(f"Invalid device string: '{name}'")
        if colon and index is not None:
            raise TypeMismatch(
                "type (string) must not include an index because index was passed explicitly: "
                f"{name}"
            )
        object.__setattr__(self, "type", kind)
        object.__setattr__(self, "index", int(number) if number else index)

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __repr__(self) -> str:
        index = "" if self.index is None else f", index={self.index}"
        return f"device(type={self.type!r}{index})"


CPU = device("cpu")
