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
    fixed = "args lo hi load store start stop block blocks step at first_step last_step np INF NAN"
    return frozenset(words | set(fixed.split()) | set(keyword.kwlist) | set(dir(builtins)))


class Names:
    """Hands out names, each once."""

    def __init__(self) -> None:
        self.taken: set[str] = set()
        self.of: dict[object, str] = {}
        self.count = 0

    def new(self, wanted: str) -> str:
        """Return a name like `wanted` that is not in use."""
        base = re.sub(r"\W", "_", wanted)
        if not base:
            base, self.count = f"t{self.count}", self.count + 1
        if base in reserved() or base[0].isdigit() or base.startswith(("to_", "arg_", "racc_")):
            base += "_"
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
