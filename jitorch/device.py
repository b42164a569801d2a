"""Where tensors live."""

from __future__ import annotations

from dataclasses import dataclass

from jitorch.errors import TypeMismatch


@dataclass(frozen=True)
class device:
    """A device: `device("cpu")`. The processor is the only one there is."""

    type: str
    index: int | None = None

    def __init__(self, type: str | device, index: int | None = None) -> None:
        kind, _, number = str(type).partition(":")
        if kind != "cpu":
            raise TypeMismatch(f"device '{type}' is not available", hint="use device='cpu'")
        if number and not number.isdigit():
            raise TypeMismatch(f"Invalid device string: '{type}'")
        object.__setattr__(self, "type", kind)
        object.__setattr__(self, "index", int(number) if number else index)

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __repr__(self) -> str:
        index = "" if self.index is None else f", index={self.index}"
        return f"device(type={self.type!r}{index})"


CPU = device("cpu")
