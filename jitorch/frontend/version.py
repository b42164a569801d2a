"""One compiled version of a function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from jitorch.cuda import adapter
from jitorch.frontend.arguments import Leaves
from jitorch.frontend.explain import Explanation
from jitorch.tensor import wrap

Entry = Callable[[tuple[Any, ...]], Any]  # arguments to result, or MISS (`entry.py`)

if TYPE_CHECKING:
    from jitorch.compile import Mode
    from jitorch.frontend.program import Recorded


class Version:
    """One compiled version of a function, and why it was compiled."""

    def __init__(
        self,
        recorded: Recorded,
        reason: str = "traced",
        seconds: float = 0.0,
        mode: Mode = None,
    ) -> None:
        from jitorch.compile import compile_program, replaying

        self.recorded = recorded
        self.reason = reason
        self.seconds = [("record", seconds)]
        self.program = compile_program(
            recorded.graph, lambda name, s: self.seconds.append((name, s))
        )
        if mode == "reduce-overhead":
            self.program = replaying(self.program, len(recorded.captured))
        self.entry: Entry | None = None
        self.captured = [t._data for t in recorded.captured]
        written = {op.inputs[0] for op in recorded.graph.ops("assign")}
        self.written = [i for i, v in enumerate(recorded.graph.params) if v in written]

    def overlaps(self, values: Sequence[Any]) -> bool:
        """Whether an array this version writes to shares memory with another one of the call."""
        if not self.written:
            return False
        arrays = [*values, *self.captured]
        return any(
            adapter.may_share_memory(arrays[i], other)
            for i in self.written
            for j, other in enumerate(arrays)
            if j != i and adapter.is_data(other)
        )

    def run(self, leaves: Leaves) -> Any:
        """Run on the arguments of a call and return the function's value."""
        values = leaves.values + self.captured if self.captured else leaves.values
        outs = self.program.run(values)
        return self.recorded.assemble(
            [self.returned(x, leaves.values, leaves.objects) for x in outs]
        )

    def returned(self, x: Any, values: Sequence[Any], objects: Sequence[Any]) -> Any:
        """Return a result as the caller knows it: its own tensor where it is one, else a new object.

        `objects` are what the caller gave for the `values`.
        """
        if adapter.is_data(x):
            for value, owner in zip(values, objects, strict=True):
                if value is x and owner is not None:
                    return owner
            if self.recorded.numpy:
                return x if x.ndim else x[()]
            return wrap(x)
        return [self.returned(i, values, objects) for i in x] if isinstance(x, list) else x


def explanation(name: str, this: Version, others: Sequence[Version] = ()) -> Explanation:
    """Return, for printing, what was compiled and why; `others` are further versions of the function."""
    facts = getattr(this.program, "facts", None)
    r = this.recorded
    return Explanation(
        name,
        [this.reason, *(v.reason for v in others)],
        [
            *map(r.in_words, r.guards),
            *(f"{g.name} is {g.value!r}" for g in r.value_guards if _worth_saying(g.value)),
        ],
        facts.groups if facts else (),
        facts.reasons if facts else (),
        facts.memory if facts else (),
        this.seconds,
        getattr(this.program, "replay", ""),
    )


def _worth_saying(x: Any) -> bool:
    """Modules and functions are relied upon too, but nobody changes them."""
    return isinstance(x, (bool, int, float, str, tuple, type(None)))
