"""In-place writes inside loops: where `write` may change memory instead of copying it first.

    loop(..., %x) (%i, %p) {
      %v = select(%p) {...}          reads before the write: fine
      %q = write(%p, %new) {...}     in place: nothing reads the old %p from here on
      yield %c, %q                   the next iteration's %p is %q
    }

A carried tensor whose next value comes from its old one by writes alone (also inside branches and
inner loops) has one buffer, which the loop owns.
"""

from __future__ import annotations

from collections.abc import Iterator

from jitorch.ir.core import Block, Op, Value, free_values
from jitorch.ir.opdef import OPS


class Mutation:
    """Facts about the writes in one loop."""

    def __init__(self, loop: Op) -> None:
        self.maker: dict[Value, Op] = {}
        self.place: dict[Op, tuple[Block, int]] = {}
        self.owner: dict[Block, Op] = {}
        self.views: dict[Value, list[Value]] = {}
        self.scan(loop)

    def scan(self, op: Op) -> None:
        for block in op.blocks:
            self.owner[block] = op
            for i, inner in enumerate(block.ops):
                self.place[inner] = block, i
                self.maker.update((v, inner) for v in inner.outputs)
                if OPS[inner.name].view:
                    self.views.setdefault(inner.inputs[0], []).append(inner.output)
                if inner.name != "fused":
                    self.scan(inner)

    def origin(self, v: Value) -> Value | None:
        """Return the value that `v` comes from by writes alone; None if a branch decides."""
        for older in self.older(v):
            if older is None:
                return None
            v = older
        return v

    def older(self, v: Value) -> Iterator[Value | None]:
        """Yield the versions before `v`, the latest first; None where a branch decides."""
        while (op := self.maker.get(v)) is not None:
            if op.name == "write":
                v = op.inputs[0]
            elif op.name == "if":
                k = op.outputs.index(v)
                one, other = (self.origin(b.results[k]) for b in op.blocks)
                if one is None or one is not other:
                    yield None
                    return
                v = one
            elif op.name == "loop":
                k = op.outputs.index(v)
                (body,) = op.blocks
                if self.origin(body.results[k + 1]) is not body.params[k + 1]:
                    yield None
                    return
                v = op.inputs[k + 2]
            else:
                return
            yield v

    def is_changed(self, loop: Op, index: int) -> bool:
        """Whether carried value `index` of a loop gets its next value by writes."""
        (body,) = loop.blocks
        param, result = body.params[index + 1], body.results[index + 1]
        return result is not param and self.origin(result) is param

    def is_read_later(self, write: Op) -> bool:
        """Whether anything reads the old memory after the write.

        A write to a view is one to what the view shows, if that gets the result written back: so
        `x[i][j] = v` looks in the graph.
        """
        old, put_back = self.old_memory(write)
        todo = list(old)
        while todo:
            for view in self.views.get(todo.pop(), ()):
                old.add(view)
                todo.append(view)
        op = write
        while op in self.place:
            block, at = self.place[op]
            if old & set(block.results) or any(
                old & _reads(o) for o in block.ops[at + 1 :] if o not in put_back
            ):
                return True
            op = self.owner[block]
            if op.name == "loop" and old & set(free_values(block)):
                return True  # the next iteration reads it again
        return False

    def old_memory(self, write: Op) -> tuple[set[Value], set[Op]]:
        """Return the values that lie where the write goes, and the writes that put it back."""
        base, result = write.inputs[0], write.output
        old = {base, *(v for v in self.older(base) if v is not None)}
        put_back: set[Op] = set()
        while (op := self.maker.get(base)) is not None and OPS[op.name].view:
            base = op.inputs[0]
            old |= {base, *(v for v in self.older(base) if v is not None)}
            back = next(
                (o for o in self.place if o.name == "write" and o.inputs == (base, result)), None
            )
            if back is None:
                break
            put_back.add(back)
            result = back.output
        return old, put_back


def _reads(op: Op) -> set[Value]:
    return {*op.inputs, *(v for block in op.blocks for v in free_values(block))}
