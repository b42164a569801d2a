"""Control flow on run-time values: `if` and `loop` ops, and the state that flows through them.

The state of a function is its local variables and what the recorder's store holds for each piece of memory.
Both branches of an `if` start from the same state; afterwards the states are joined slot by slot. A loop's
body is run on trial first, to learn which slots it changes and which types they settle on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from jitorch.errors import TypeMismatch
from jitorch.frontend.lowering import fresh_type, lift, lift_state, lower, types_of
from jitorch.frontend.proxies import ScalarProxy, Storage
from jitorch.frontend.record import Recorder
from jitorch.frontend.sharing import pairs, relate
from jitorch.frontend.sizes import Scope
from jitorch.frontend.values import (
    UNDEFINED,
    Const,
    DictVal,
    Growing,
    Leaf,
    ListVal,
    Poison,
    Tree,
    Undefined,
    join,
    meet,
    tree_of,
    widen,
)
from jitorch.ir.core import Block, Value
from jitorch.ir.types import ListType

Slot = str | Storage


class Frame(Protocol):
    """What control flow needs of a function being compiled."""

    rec: Recorder
    locals: dict[str, Any]


@dataclass
class State:
    """Local variables and memory at one point of the program."""

    locals: dict[str, Any]
    own: dict[Storage, Any]
    lasting: dict[Storage, Any]  # memory from outside the function, whenever it was first met

    @staticmethod
    def of(frame: Frame) -> State:
        return State(dict(frame.locals), dict(frame.rec.store), frame.rec.lasting)

    @property
    def store(self) -> dict[Storage, Any]:
        return {**self.lasting, **self.own}

    def restore(self, frame: Frame) -> None:
        frame.locals.clear()
        frame.locals.update(self.locals)
        self.restore_memory(frame.rec)

    def restore_memory(self, rec: Recorder) -> None:
        rec.store.clear()
        rec.store.update(self.store)

    def get(self, slot: Slot) -> Any:
        if isinstance(slot, str):
            return self.locals.get(slot, UNDEFINED)
        store = self.store
        return _Memory(slot, store[slot]) if slot in store else UNDEFINED


@dataclass(frozen=True)
class _Memory:
    """The content of a piece of memory, as a thing that can be joined."""

    storage: Storage
    content: Any


def changed(before: State, after: State) -> list[Slot]:
    """Return the slots whose content differs, in a stable order."""
    names = [n for n in {**before.locals, **after.locals} if not _is_same(before, after, n)]
    memory = [
        s for s, content in before.store.items() if after.store.get(s, content) is not content
    ]
    return [*names, *memory]


def _is_same(a: State, b: State, name: str) -> bool:
    return a.locals.get(name, UNDEFINED) is b.locals.get(name, UNDEFINED)


@contextmanager
def memory_of(rec: Recorder, state: State) -> Iterator[None]:
    """Let the recorder's memory be that of `state` within the block."""
    saved = dict(rec.store)
    state.restore_memory(rec)
    try:
        yield
    finally:
        rec.store.clear()
        rec.store.update({**rec.lasting, **saved})


@contextmanager
def reopened(rec: Recorder, scope: Scope, state: State) -> Iterator[None]:
    """Append to a block already closed, with the memory as it was at its end."""
    rec.scopes.append(scope)
    try:
        with memory_of(rec, state):
            yield
    finally:
        rec.scopes.pop()


def join_slot(rec: Recorder, a: tuple[State, Any], b: tuple[State, Any]) -> Tree:
    """Return the tree of two contents, each read in its own state's memory."""
    with memory_of(rec, a[0]):
        tree = _tree_content(rec, a[1])
    with memory_of(rec, b[0]):
        return widen_content(rec, tree, b[1])


def _content(x: Any) -> Any:
    """Memory joins as the container or tensor it belongs to."""
    if not isinstance(x, _Memory):
        return x
    return x.storage if isinstance(x.storage, (ListVal, DictVal)) else x


def _tree_content(rec: Recorder, x: Any) -> Tree | Undefined:
    if isinstance(x, Undefined):
        return UNDEFINED
    if isinstance(x, _Memory) and isinstance(x.content, Value):
        return _value_tree(x)
    return tree_of(rec, _content(x))


def _value_tree(x: _Memory) -> Tree:
    t = x.content.type
    return Growing(Leaf(t.item)) if isinstance(t, ListType) else Leaf(t)


def widen_content(rec: Recorder, tree: Tree | Undefined, x: Any) -> Tree:
    if isinstance(tree, Undefined):
        return join(rec, UNDEFINED, _content(x))
    if isinstance(x, _Memory) and isinstance(x.content, Value):
        return meet(rec, tree, _value_tree(x))
    return widen(rec, tree, _content(x))


def lower_content(rec: Recorder, x: Any, tree: Tree) -> list[Value]:
    if isinstance(x, _Memory) and isinstance(x.content, Value):
        return [x.content]
    return lower(rec, _content(x), tree)


def put(frame: Frame, slot: Slot, values: Iterator[Value], tree: Tree) -> None:
    """Set a slot to joined values."""
    if isinstance(slot, str):
        frame.locals[slot] = lift(frame.rec, values, tree)
    elif isinstance(tree, Poison):
        kind = "dict" if isinstance(slot, DictVal) else "list"
        lead = "" if tree.message.startswith("a list") else f"a {kind} is changed in part: "
        raise TypeMismatch(lead + tree.message, hint=tree.hint)
    elif not isinstance(tree, Const):
        frame.rec.store[slot] = lift_state(frame.rec, values, tree)


def dynamic_if(
    frame: Frame,
    condition: ScalarProxy,
    then: Callable[[], None],
    orelse: Callable[[], None],
    live: Callable[[str], bool] = lambda name: True,
) -> None:
    """Record both branches as an `if` op and join their states; names not `live` after it are dropped."""
    rec, before = frame.rec, State.of(frame)
    ends: list[State] = []
    scopes: list[Scope] = []
    for branch in (then, orelse):
        with rec.scope() as scope:
            branch()
        ends.append(State.of(frame))
        scopes.append(scope)
        before.restore(frame)
    slots = _joined_slots(before, ends, live)
    a, b = ends
    trees = [join_slot(rec, (a, a.get(s)), (b, b.get(s))) for s in slots]
    results = []
    for end, scope in zip(ends, scopes, strict=True):
        with reopened(rec, scope, end):
            results.append(
                [
                    v
                    for s, t in zip(slots, trees, strict=True)
                    for v in lower_content(rec, end.get(s), t)
                ]
            )
    types = [fresh_type(rec, t) for tree in trees for t in types_of(tree)]
    hints = [hint(s) for s, tree in zip(slots, trees, strict=True) for _ in types_of(tree)]
    blocks = tuple(Block((), tuple(s.ops), tuple(r)) for s, r in zip(scopes, results, strict=True))
    outputs = rec.emit("if", (condition.value,), types=types, blocks=blocks, hints=hints)
    _forget_unjoined(frame, before, ends, slots)
    values = iter(outputs)
    for slot, tree in zip(slots, trees, strict=True):
        put(frame, slot, values, tree)
    note_sharing(frame, slots, before, ends)


def note_sharing(
    frame: Frame, slots: Iterable[Slot], before: State, paths: Sequence[State]
) -> None:
    """Note which of the joined slots may share memory, with each other and with what is outside."""
    rec, now = frame.rec, State.of(frame)
    outside = before.store
    links = [
        [pair for s in slots for pair in pairs(held_by(now, s), held_by(p, s), now.store, p.store)]
        for p in paths
    ]
    relate(rec.sharing, links, outside.__contains__)


def held_by(state: State, slot: Slot) -> Any:
    """Return the content of a slot as a value: the items of a container, the tensor of a name."""
    if isinstance(slot, str):
        return state.locals.get(slot, UNDEFINED)
    return slot if isinstance(slot, (ListVal, DictVal)) and slot in state.store else UNDEFINED


def _joined_slots(before: State, ends: Sequence[State], live: Callable[[str], bool]) -> list[Slot]:
    out: dict[Slot, None] = {}
    for end in ends:
        for slot in changed(before, end):
            if not isinstance(slot, str) or live(slot):
                out[slot] = None
    a, b = ends
    return [
        s for s in out if not (isinstance(s, str) and a.get(s) is b.get(s)) or _adopt(before, a, s)
    ]


def _adopt(before: State, end: State, slot: Slot) -> bool:
    """Both branches hold the very same object: no join is needed."""
    before.locals[str(slot)] = end.locals.get(str(slot), UNDEFINED)
    return False


def _forget_unjoined(
    frame: Frame, before: State, ends: Sequence[State], slots: Sequence[Slot]
) -> None:
    """A name that only a branch knew, and nobody reads later, is gone."""
    before.restore(frame)
    for end in ends:
        for slot in changed(before, end):
            if isinstance(slot, str) and slot not in slots:
                frame.locals.pop(slot, None)
    # Memory made inside a branch stays known: joined containers may refer to it.
    for end in ends:
        for storage, content in end.store.items():
            frame.rec.store.setdefault(storage, content)


def hint(slot: Slot) -> str:
    return slot if isinstance(slot, str) and slot.isidentifier() else ""
