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
from jitorch.frontend.proxies import ScalarProxy, Storage
from jitorch.frontend.record import Recorder
from jitorch.frontend.sharing import pairs, relate, storages
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
    fresh_type,
    join,
    lift,
    lift_state,
    lower,
    meet,
    same_tree,
    tree_of,
    types_of,
    widen,
)
from jitorch.ir.core import Block, Value
from jitorch.ir.types import ListType, ScalarType
from jitorch.ops.control import FOREVER

Slot = str | Storage
MAX_TRIALS = 10


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
def _memory_of(rec: Recorder, state: State) -> Iterator[None]:
    """Let the recorder's memory be that of `state` within the block."""
    saved = dict(rec.store)
    state.restore_memory(rec)
    try:
        yield
    finally:
        rec.store.clear()
        rec.store.update({**rec.lasting, **saved})


@contextmanager
def _reopened(rec: Recorder, scope: Scope, state: State) -> Iterator[None]:
    """Append to a block already closed, with the memory as it was at its end."""
    rec.scopes.append(scope)
    try:
        with _memory_of(rec, state):
            yield
    finally:
        rec.scopes.pop()


def _join_slot(rec: Recorder, a: tuple[State, Any], b: tuple[State, Any]) -> Tree:
    """Return the tree of two contents, each read in its own state's memory."""
    with _memory_of(rec, a[0]):
        tree = _tree_content(rec, a[1])
    with _memory_of(rec, b[0]):
        return _widen_content(rec, tree, b[1])


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


def _widen_content(rec: Recorder, tree: Tree | Undefined, x: Any) -> Tree:
    if isinstance(tree, Undefined):
        return join(rec, UNDEFINED, _content(x))
    if isinstance(x, _Memory) and isinstance(x.content, Value):
        return meet(rec, tree, _value_tree(x))
    return widen(rec, tree, _content(x))


def _lower_content(rec: Recorder, x: Any, tree: Tree) -> list[Value]:
    if isinstance(x, _Memory) and isinstance(x.content, Value):
        return [x.content]
    return lower(rec, _content(x), tree)


def _put(frame: Frame, slot: Slot, values: Iterator[Value], tree: Tree) -> None:
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
    trees = [_join_slot(rec, (a, a.get(s)), (b, b.get(s))) for s in slots]
    results = []
    for end, scope in zip(ends, scopes, strict=True):
        with _reopened(rec, scope, end):
            results.append(
                [
                    v
                    for s, t in zip(slots, trees, strict=True)
                    for v in _lower_content(rec, end.get(s), t)
                ]
            )
    types = [fresh_type(rec, t) for tree in trees for t in types_of(tree)]
    hints = [_hint(s) for s, tree in zip(slots, trees, strict=True) for _ in types_of(tree)]
    blocks = tuple(Block((), tuple(s.ops), tuple(r)) for s, r in zip(scopes, results, strict=True))
    outputs = rec.emit("if", (condition.value,), types=types, blocks=blocks, hints=hints)
    _forget_unjoined(frame, before, ends, slots)
    values = iter(outputs)
    for slot, tree in zip(slots, trees, strict=True):
        _put(frame, slot, values, tree)
    _relate(frame, slots, before, ends)


def _relate(frame: Frame, slots: Iterable[Slot], before: State, paths: Sequence[State]) -> None:
    """Note which of the joined slots may share memory, with each other and with what is outside."""
    rec, now = frame.rec, State.of(frame)
    outside = before.store
    links = [
        [pair for s in slots for pair in pairs(_held(now, s), _held(p, s), now.store, p.store)]
        for p in paths
    ]
    relate(rec.sharing, links, outside.__contains__)


def _held(state: State, slot: Slot) -> Any:
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


def _hint(slot: Slot) -> str:
    return slot if isinstance(slot, str) and slot.isidentifier() else ""


@dataclass
class Loop:
    """A loop to record: how often at most, what starts each round, the test of a `while`, the body."""

    trips: Any  # int or Sym
    index_hint: str
    begin: Callable[[Any], None]
    body: Callable[[], None]
    test: Callable[[], Any] | None
    go_on: Callable[[], Any]  # False or a bool of the program once a break or return was met


def dynamic_loop(frame: Frame, loop: Loop, carried: Callable[[Slot], bool]) -> None:
    """Record a `loop` op. `carried(slot)` tells which changed slots matter to later rounds or later code."""
    # The first test of a `while` comes before the loop.
    first = True if loop.test is None else loop.test()
    before = State.of(frame)
    trees: dict[Slot, Tree] = {}
    previous: _Trial | None = None
    for _ in range(MAX_TRIALS):
        trial = _Trial(frame, loop, before, trees, previous)
        end = trial.run()
        wanted = {s: None for s in changed(trial.start, end) if s in trees or carried(s)}
        new = {s: _next_tree(frame.rec, before, trees.get(s), end, s) for s in wanted}
        settled = previous is not None and previous.shared() == trial.shared()
        if all(s in trees and same_tree(trees[s], t) for s, t in new.items()) and (
            settled or not trees
        ):
            trial.finish(end, first)
            return
        trees, previous = {**trees, **new}, trial
        before.restore(frame)
    raise TypeMismatch(
        "the types of the variables this loop changes do not settle",
        hint="give each variable its final dtype and shape before the loop",
    )


def _next_tree(rec: Recorder, before: State, known: Tree | None, end: State, slot: Slot) -> Tree:
    x = end.get(slot)
    if known is None:
        return _join_slot(rec, (before, before.get(slot)), (end, x))
    with _memory_of(rec, end):
        return _widen_content(rec, known, x)


class _Trial:
    """One run of a loop's body from carried values of the given trees."""

    def __init__(
        self,
        frame: Frame,
        loop: Loop,
        before: State,
        trees: dict[Slot, Tree],
        previous: _Trial | None,
    ) -> None:
        self.frame, self.rec, self.loop = frame, frame.rec, loop
        self.before = before
        self.previous = previous
        self.keys: dict[Storage, tuple[Slot, int]] = {}  # which slots carry which storages
        self.trees = trees
        self.types = [
            (s, fresh_type(self.rec, t)) for s, tree in trees.items() for t in types_of(tree)
        ]
        self.params = [Value(t, _hint(s)) for s, t in self.types]
        symbol = self.rec.fresh(loop.index_hint)
        self.index = Value(ScalarType("int", symbol), loop.index_hint)
        self.scope: Scope | None = None
        self.test: Any = True

    def run(self) -> State:
        rec, frame = self.rec, self.frame
        symbol = self.index.type.value  # type: ignore[union-attr]
        rec.non_negative.add(str(symbol))
        if self.loop.test is None:
            rec.upper[str(symbol)] = self.loop.trips
        with rec.scope() as self.scope:
            for v in (self.index, *self.params):
                rec.bind(v)
            values = iter(self.params)
            for slot, tree in self.trees.items():
                _put(frame, slot, values, tree)
            self.start = State.of(frame)
            self.relate_start()
            self.loop.begin(symbol)
            self.loop.body()
            self.test = self.next_test()
            self.end = State.of(frame)
        return self.end

    def relate_start(self) -> None:
        """A round starts with what was before the loop, or what the round before left."""
        paths = [self.before, *([self.previous.end] if self.previous is not None else [])]
        _relate(self.frame, self.trees, self.before, paths)
        for slot in self.trees:
            held = storages(_held(self.start, slot), self.start.store)
            self.keys.update({s: (slot, i) for i, s in enumerate(held)})

    def shared(self) -> set[frozenset[Any]]:
        """Return which of the loop's slots, and of the memory around it, may be the same."""
        outside = self.before.store
        known = {
            s: self.keys.get(s, s)
            for s in self.rec.sharing.related
            if s in self.keys or s in outside
        }
        return {
            frozenset({key, known[other]})
            for s, key in known.items()
            for other in self.rec.sharing.related[s]
            if other in known
        }

    def next_test(self) -> Any:
        """Return whether another round follows, as far as the body and the `while` test tell."""
        go_on = self.loop.go_on()
        if self.loop.test is None or go_on is False:
            return go_on
        if go_on is True:
            return self.loop.test()
        self.frame.locals["$test"] = False
        dynamic_if(self.frame, go_on, self._set_test, lambda: None)
        return self.frame.locals.pop("$test")

    def _set_test(self) -> None:
        assert self.loop.test is not None
        self.frame.locals["$test"] = self.loop.test()

    def finish(self, end: State, first: Any) -> None:
        """Emit the loop and set the carried slots to its outputs."""
        rec, frame, scope = self.rec, self.frame, self.scope
        assert scope is not None
        with _reopened(rec, scope, end):
            results = [v for s, t in self.trees.items() for v in _lower_content(rec, end.get(s), t)]
            go_on = rec.unwrap(self.test) or rec.constant(bool(self.test))
        self.before.restore(frame)
        trips = rec.size(FOREVER if self.loop.trips is None else self.loop.trips)
        start = rec.unwrap(first) or rec.constant(bool(first))
        inits = [v for s, t in self.trees.items() for v in self.initial(s, t)]
        body = Block((self.index, *self.params), tuple(scope.ops), (go_on, *results))
        types = [fresh_type(rec, t) for tree in self.trees.values() for t in types_of(tree)]
        hints = [_hint(s) for s, _ in self.types]
        outputs = rec.emit("loop", (trips, start, *inits), types=types, blocks=(body,), hints=hints)
        for storage, content in end.store.items():
            rec.store.setdefault(storage, content)
        values = iter(outputs)
        for slot, tree in self.trees.items():
            _put(frame, slot, values, tree)
        _relate(frame, self.trees, self.before, [self.before, end])

    def initial(self, slot: Slot, tree: Tree) -> list[Value]:
        return _lower_content(self.rec, self.before.get(slot), tree)
