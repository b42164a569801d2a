"""Loops and list comprehensions."""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable, Sequence
from typing import Any

from jitorch.errors import TypeMismatch, UnsupportedSyntax, at
from jitorch.frontend import control, rounds
from jitorch.frontend.blocks import Blocks
from jitorch.frontend.iteration import Iteration, LazyVal, iterate
from jitorch.frontend.values import UNDEFINED, DictVal, ListVal

MAX_UNROLL = 64


class Loops(Blocks):
    """Carries out loops. A part of `Frame`."""

    def do_For(self, node: ast.For) -> None:
        with at(self.loc(node.iter)):
            over_what = self.eval(node.iter)
            over = iterate(self, over_what)
        held = self.contents_of(over_what)
        self.loop_over(
            node, over, lambda item: self.assign(node.target, item), lambda: self.block(node.body)
        )
        if any(a is not b for a, b in zip(self.contents_of(over_what), held, strict=True)):
            raise UnsupportedSyntax(
                "the loop changes the list or dict that it runs over",
                hint="loop over a copy: for x in list(xs)",
            )
        self.loop_else(node)

    def contents_of(self, x: Any) -> list[Any]:
        """Return objects that are others once a list or dict that a loop runs over has changed."""
        if isinstance(x, LazyVal):
            return [c for part in x.parts for c in self.contents_of(part)]
        if isinstance(x, DictVal):  # only its keys matter: values may be replaced
            return [len(self.dict_state(x))]
        return [self.rec.store[x]] if isinstance(x, ListVal) else []

    def loop_over(
        self, node: ast.AST, over: Iteration, begin: Callable[[Any], None], body: Callable[[], None]
    ) -> None:
        """Record a `for` loop: unrolled over things of different kinds, else as a `loop` op."""
        self.locals[f"$broken{self.loops + 1}"] = False
        if over.items is not None:
            self.unrolled(node, over.items, begin, body)
            return
        before, recorded = control.State.of(self), self.rec.scopes[-1].copy()
        try:
            self.recorded_loop(node, over, begin, body)
        except (TypeMismatch, UnsupportedSyntax):
            # A short loop whose body needs its index as a number, or changes types as it goes, is unrolled.
            if not isinstance(over.length, int) or over.length > MAX_UNROLL:
                raise
            before.restore(self)
            self.rec.scopes[-1].restore(recorded)
            items = [over.get(i) for i in range(over.length)]
            self.unrolled(node, items, begin, body)

    def unrolled(
        self,
        node: ast.AST,
        items: Sequence[Any],
        begin: Callable[[Any], None],
        body: Callable[[], None],
    ) -> None:
        for i, item in enumerate(items):
            with self.inside(node):
                self.locals[f"$continued{self.loops}"] = False
                begin(item)
                body()
                broken = self.any_of(
                    [self.locals["$returned"], self.locals[f"$broken{self.loops}"]]
                )
            if broken is True:
                break
            if broken is not False:
                rest = items[i + 1 :]
                go_on = functools.partial(self.unrolled, node, rest, begin, body)
                control.dynamic_if(self, self.negated(broken), go_on, lambda: None)
                break

    def inside(self, node: ast.AST) -> _Inside:
        return _Inside(self, node)

    def recorded_loop(
        self, node: ast.AST, over: Iteration, begin: Callable[[Any], None], body: Callable[[], None]
    ) -> None:
        with self.inside(node):
            depth = self.loops

            def start(index: Any) -> None:
                self.locals[f"$continued{depth}"] = False
                begin(over.get(index))

            loop = rounds.Loop(over.length, over.hint, start, body, None, lambda: self.go_on(depth))
            rounds.dynamic_loop(self, loop, self.carried(node))

    def go_on(self, depth: int) -> Any:
        stop = self.any_of([self.locals["$returned"], self.locals[f"$broken{depth}"]])
        return (not stop) if isinstance(stop, bool) else self.negated(stop)

    def carried(self, node: ast.AST) -> Callable[[control.Slot], bool]:
        """Return a test of whether a slot that a loop changes matters to a later round or to code after it."""
        live = self.live_after(node)
        reads = _reads(node)
        known = set(self.locals)
        outer = set(self.rec.store)

        def test(slot: control.Slot) -> bool:
            if not isinstance(slot, str):
                return slot in outer
            if slot.startswith(("$continued", "$test")):
                return False
            return live(slot) or (slot in known and slot in reads)

        return test

    def do_While(self, node: ast.While) -> None:
        self.locals[f"$broken{self.loops + 1}"] = False
        with self.inside(node):
            depth = self.loops

            def start(index: Any) -> None:
                self.locals[f"$continued{depth}"] = False

            def test() -> Any:
                with at(self.loc(node.test)):
                    return self.truth(self.eval(node.test))

            loop = rounds.Loop(
                None, "", start, lambda: self.block(node.body), test, lambda: self.go_on(depth)
            )
            rounds.dynamic_loop(self, loop, self.carried(node))
        self.loop_else(node)

    def loop_else(self, node: ast.For | ast.While) -> None:
        if not node.orelse:
            return
        broken = self.any_of([self.locals["$returned"], self.locals[f"$broken{self.loops + 1}"]])
        if broken is False:
            self.block(node.orelse)
        elif broken is not True:
            control.dynamic_if(
                self, self.negated(broken), lambda: self.block(node.orelse), lambda: None
            )

    def on_ListComp(self, node: ast.ListComp) -> Any:
        out = self.new_list([])
        names = {
            n.id for g in node.generators for n in ast.walk(g.target) if isinstance(n, ast.Name)
        }
        shadowed = {n: self.locals.get(n, UNDEFINED) for n in names}
        self.comprehension(node, out, list(node.generators))
        for n, old in shadowed.items():  # a comprehension's variables are its own
            self.locals.pop(n, None)
            if old is not UNDEFINED:
                self.locals[n] = old
        return out

    def comprehension(
        self, node: ast.ListComp, out: ListVal, generators: list[ast.comprehension]
    ) -> None:
        if not generators:
            self.list_append(out, self.eval(node.elt))
            return
        g = generators[0]
        over: Iteration = iterate(self, self.eval(g.iter))
        if over.items is None and isinstance(over.length, int) and over.length <= MAX_UNROLL:
            items = [over.get(i) for i in range(over.length)]
            over = Iteration(over.length, over.get, items)  # a list of known length is worth it

        def body() -> None:
            self.conditions(list(g.ifs), lambda: self.comprehension(node, out, generators[1:]))

        self.loop_over(node, over, lambda item: self.assign(g.target, item), body)

    def conditions(self, tests: list[ast.expr], then: Callable[[], None]) -> None:
        if not tests:
            then()
            return
        condition = self.truth(self.eval(tests[0]))
        inner = functools.partial(self.conditions, tests[1:], then)
        if isinstance(condition, bool):
            if condition:
                inner()
            return
        control.dynamic_if(self, condition, inner, lambda: None)


class _Inside:
    """Marks that a loop's body is being recorded."""

    def __init__(self, frame: Loops, node: ast.AST) -> None:
        self.frame, self.node = frame, node

    def __enter__(self) -> None:
        self.frame.loops += 1
        self.frame.enclosing.append(self.node)

    def __exit__(self, *error: object) -> None:
        self.frame.loops -= 1
        self.frame.enclosing.pop()


def _reads(node: ast.AST) -> set[str]:
    names = {
        n.id for n in ast.walk(node) if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Store)
    }
    return names | {
        n.target.id
        for n in ast.walk(node)
        if isinstance(n, ast.AugAssign) and isinstance(n.target, ast.Name)
    }
