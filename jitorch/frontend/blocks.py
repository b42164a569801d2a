"""Blocks of statements: what runs after a `return`, `break` or `continue` that may not happen, and `if`.

`return`, `break` and `continue` are hidden variables (`$returned`, ...): once one may be set, the statements
after it run under `if not set`, so no later stage ever meets them.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable, Sequence
from typing import Any

from jitorch.errors import at
from jitorch.frontend import control
from jitorch.frontend.refusals import refuse
from jitorch.frontend.statements import Statements


class Blocks(Statements):
    """Carries out sequences of statements, and branches. A part of `Frame`."""

    def block(self, statements: Sequence[ast.stmt]) -> None:
        """Record statements until one has surely returned, broken or continued."""
        for i, statement in enumerate(statements):
            rest = statements[i + 1 :]
            if isinstance(statement, ast.If) and rest and _ends(statement):
                self.if_with_rest(statement, rest)
                return
            self.statement(statement)
            stopped = self.stopped()
            if stopped is True:
                return
            if stopped is not False and rest:
                go_on = functools.partial(self.block, rest)
                control.dynamic_if(self, self.negated(stopped), go_on, lambda: None)
                return

    def stopped(self) -> Any:
        """Return whether control has left this block: False, True or a bool of the program."""
        flags = ["$returned"]
        if self.loops:
            flags += [f"$broken{self.loops}", f"$continued{self.loops}"]
        return self.any_of([self.locals.get(f, False) for f in flags])

    def statement(self, node: ast.stmt) -> None:
        """Record one statement."""
        method = getattr(self, f"do_{type(node).__name__}", None)
        with at(self.loc(node)):
            if method is None:
                raise refuse(node)
            method(node)

    def do_If(self, node: ast.If) -> None:
        self.branch(node, lambda: self.block(node.body), lambda: self.block(node.orelse), node)

    def if_with_rest(self, node: ast.If, rest: Sequence[ast.stmt]) -> None:
        """Record `if c: return a` and what follows it as `if c: return a else: what follows`."""
        body, orelse = node.body, node.orelse
        if terminates(body):
            orelse = [*orelse, *rest]
        else:
            body = [*body, *rest]
        with at(self.loc(node)):
            self.branch(node, lambda: self.block(body), lambda: self.block(orelse), rest[-1])

    def branch(
        self, node: ast.If, then: Callable[[], None], orelse: Callable[[], None], last: ast.stmt
    ) -> None:
        """Record the branches; `last` is the last statement that they cover."""
        with at(self.loc(node.test)):
            condition = self.truth(self.eval(node.test))
        if isinstance(condition, bool):
            (then if condition else orelse)()
            return
        control.dynamic_if(self, condition, then, orelse, self.live_after(last))

    def live_after(self, node: ast.AST) -> Callable[[str], bool]:
        """Return a test of whether a name may be read after `node` in this function."""
        end = (getattr(node, "end_lineno", 0), getattr(node, "end_col_offset", 0))
        body = self.fn.source.node
        again = {id(n) for outer in self.enclosing if outer is not node for n in ast.walk(outer)}
        names = {
            n.id
            for n in ast.walk(body)
            if isinstance(n, ast.Name)
            and not isinstance(n.ctx, ast.Store)
            and ((n.lineno, n.col_offset) >= end or id(n) in again)
        }
        # `x += 1` reads x, though its context says store.
        for n in ast.walk(body):
            if (
                isinstance(n, ast.AugAssign)
                and isinstance(n.target, ast.Name)
                and ((n.lineno, n.col_offset) >= end or id(n) in again)
            ):
                names.add(n.target.id)
        inner = {
            m.id
            for n in ast.walk(body)
            if isinstance(n, (ast.FunctionDef, ast.Lambda)) and n is not body
            for m in ast.walk(n)
            if isinstance(m, ast.Name)
        }
        return lambda name: name.startswith("$") or name in names or name in inner


def terminates(body: Sequence[ast.stmt]) -> bool:
    """Whether control surely does not reach the end of the statements."""
    for s in body:
        if isinstance(s, (ast.Return, ast.Break, ast.Continue, ast.Raise)):
            return True
        if isinstance(s, ast.If) and s.orelse and terminates(s.body) and terminates(s.orelse):
            return True
    return False


def _ends(node: ast.If) -> bool:
    return terminates(node.body) or (bool(node.orelse) and terminates(node.orelse))
