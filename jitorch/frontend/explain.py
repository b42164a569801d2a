"""`fn.explain(...)`: what became of a function, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Explanation:
    """What the compiler did with a function for one kind of arguments. Print it.

    name      the function
    versions  why each version compiled so far exists, this one first
    guards    the facts about sizes and outside values this version relies on
    groups    which ops share a kernel, with the user's lines
    reasons   why neighbouring ops do not
    memory    buffers reused and written in place
    seconds   time per stage
    replay    what became of mode="reduce-overhead" on a GPU, empty without it
    """

    name: str
    versions: Sequence[str]
    guards: Sequence[str]
    groups: Sequence[str]
    reasons: Sequence[str]
    memory: Sequence[str]
    seconds: Sequence[tuple[str, float]]
    replay: str = ""

    def __str__(self) -> str:
        lines = [f"{self.name}: {len(self.versions)} version{'s' * (len(self.versions) != 1)}"]
        lines += _section("compiled because", self.versions)
        lines += _section("relies on", self.guards)
        lines += _section("kernels", self.groups)
        lines += _section("not fused", self.reasons)
        lines += _section("memory", self.memory)
        lines += _section("launches", [self.replay] if self.replay else [])
        total = sum(s for _, s in self.seconds)
        lines += _section(
            f"time to compile: {total * 1e3:.1f} ms",
            [f"{n}: {s * 1e3:.1f} ms" for n, s in self.seconds],
        )
        return "\n".join(lines)


def _section(title: str, items: Sequence[str]) -> list[str]:
    return [f"  {title}", *(f"    {item}" for item in items)] if items else []
