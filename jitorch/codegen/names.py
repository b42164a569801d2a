"""Names in generated source: the user's own, where they are free."""

from __future__ import annotations

import builtins
import functools
import keyword
import re

from jitorch.ir.opdef import OPS

_WORD = re.compile(r"[A-Za-z_]\w*")


@functools.cache
def reserved() -> frozenset[str]:
    """Return the names that mean something else in generated source."""
    texts = [
        text
        for op in OPS.values()
        if op.scalar is not None
        for text in (op.scalar.float, op.scalar.int, op.scalar.bool)
        if text is not None
    ]
    words = {word for text in texts for word in _WORD.findall(text)}
    return frozenset(words | set(_FIXED.split()) | set(keyword.kwlist) | set(dir(builtins)))


# Names that the writers of source use themselves; see also `_OWN`.
_FIXED = """args lo hi load store row start stop begin end first width lane block blocks
    step INF NAN empty pack launch cuda math np whole vectors lanes warp place
    inside distance quad each address picked picked_ahead
    unit part parts pieces group line bands point"""
_OWN = re.compile(
    r"(to|arg|racc|part|kept|acc|sum|over|size|scratch|p|four|share|square|turned|dtype)_"
    r"|at\d*$|.*_(sum|stride_\d+)$"
)


class Names:
    """Hands out names, each once."""

    def __init__(self) -> None:
        self.taken: set[str] = set()
        self.of: dict[object, str] = {}
        self.count = 0

    def new(self, wanted: str) -> str:
        """Return a name like the user's `wanted` that is not in use and means nothing else."""
        base = re.sub(r"[\W_]{2,}|\W", "_", wanted)  # two of them stand before suffixes
        if not base:
            base, self.count = f"t{self.count}", self.count + 1
        if base in reserved() or base[0].isdigit() or _OWN.match(base):
            base = f"v_{base}"
        return self.own(base)

    def own(self, base: str) -> str:
        """Return a name of the writer's own, numbered if it is in use."""
        name, suffix = base, 0
        while name in self.taken:
            suffix += 1
            name = f"{base}_{suffix}"
        self.taken.add(name)
        return name

    def again(self, key: object, wanted: str) -> str:
        """Return the name given to `key`, a new one like `wanted` the first time."""
        if key not in self.of:
            self.of[key] = self.new(wanted)
        return self.of[key]
