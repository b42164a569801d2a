"""Loops on run-time values: the body is run on trial until what it carries settles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jitorch.errors import TypeMismatch
from jitorch.frontend.control import (
    Frame,
    Slot,
    State,
    changed,
    dynamic_if,
    held_by,
    hint,
    join_slot,
    lower_content,
    memory_of,
    note_sharing,
    put,
    reopened,
    widen_content,
)
from jitorch.frontend.lowering import fresh_type, types_of
from jitorch.frontend.proxies import Storage
from jitorch.frontend.record import Recorder
from jitorch.frontend.sharing import storages
from jitorch.frontend.sizes import Scope
from jitorch.frontend.values import (
    Tree,
    same_tree,
)
from jitorch.ir.core import Block, Value
from jitorch.ir.types import ScalarType
from jitorch.ops.control import FOREVER

MAX_TRIALS = 10


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
        return join_slot(rec, (before, before.get(slot)), (end, x))
    with memory_of(rec, end):
        return widen_content(rec, known, x)


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
        self.params = [Value(t, hint(s)) for s, t in self.types]
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
                put(frame, slot, values, tree)
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
        note_sharing(self.frame, self.trees, self.before, paths)
        for slot in self.trees:
            held = storages(held_by(self.start, slot), self.start.store)
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
        with reopened(rec, scope, end):
            results = [v for s, t in self.trees.items() for v in lower_content(rec, end.get(s), t)]
            go_on = rec.unwrap(self.test) or rec.constant(bool(self.test))
        self.before.restore(frame)
        trips = rec.size(FOREVER if self.loop.trips is None else self.loop.trips)
        start = rec.unwrap(first) or rec.constant(bool(first))
        inits = [v for s, t in self.trees.items() for v in self.initial(s, t)]
        body = Block((self.index, *self.params), tuple(scope.ops), (go_on, *results))
        types = [fresh_type(rec, t) for tree in self.trees.values() for t in types_of(tree)]
        hints = [hint(s) for s, _ in self.types]
        outputs = rec.emit("loop", (trips, start, *inits), types=types, blocks=(body,), hints=hints)
        for storage, content in end.store.items():
            rec.store.setdefault(storage, content)
        values = iter(outputs)
        for slot, tree in self.trees.items():
            put(frame, slot, values, tree)
        note_sharing(frame, self.trees, self.before, [self.before, end])

    def initial(self, slot: Slot, tree: Tree) -> list[Value]:
        return lower_content(self.rec, self.before.get(slot), tree)
