"""The script front end: a function's AST is carried out on proxies, and what they record is the graph.

Constants are computed on the spot, tensors record ops, and control flow on run-time values becomes `if` and
`loop` ops (`control.py`). A `Frame` is built up in layers, one module for each:

    Names -> Containers -> Operations -> Expressions -> Statements -> Blocks -> Loops -> Frame
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from jitorch.errors import UNKNOWN, Loc, TypeMismatch, UnsupportedSyntax, at
from jitorch.frontend import control
from jitorch.frontend.blocks import terminates
from jitorch.frontend.loops import Loops
from jitorch.frontend.values import UNDEFINED, MaybeUndefined, Poison

MAX_DEPTH = 60


def _ends_of(loc: Loc) -> Loc:
    """Return a place with only the outermost of the calls that led there."""
    outer = loc.call_site
    while outer is not None and outer.call_site is not None:
        outer = outer.call_site
    return replace(loc, call_site=outer)


class Frame(Loops):
    """One call of a user function being recorded."""

    def run(self, arguments: Mapping[str, Any]) -> Any:
        """Record the body with the arguments bound and return the function's value."""
        self.program.depth += 1
        if self.program.depth > MAX_DEPTH:
            raise UnsupportedSyntax(
                f"'{self.fn.source.name}' calls itself without end, or more than {MAX_DEPTH} deep",
                hint="recursion has no compiled form; write a loop",
                loc=_ends_of(self.call_site or UNKNOWN),
            )
        self.locals.update(arguments)
        self.rec.sharing.frames.append(self.locals)
        node = self.fn.source.node
        try:
            if isinstance(node, ast.Lambda):
                return self.eval(node.body)
            self.locals["$returned"] = False
            self.block(node.body)
            return self.returned(node)
        finally:
            self.program.depth -= 1
            if not self.fn.source.has_inner_functions:  # they see this call's variables later too
                self.rec.sharing.leave(self.locals)

    def returned(self, node: ast.FunctionDef) -> Any:
        done = self.locals["$returned"]
        if done is False:
            return None
        if done is not True and not terminates(node.body):
            control.dynamic_if(self, self.negated(done), self._return_none, lambda: None)
        value = self.locals.get("$value", UNDEFINED)
        if isinstance(value, MaybeUndefined):
            value = value.value
        if isinstance(value, Poison):
            with at(self.loc(node)):
                raise TypeMismatch(
                    f"'{node.name}' can't return one type: {value.message}", hint=value.hint
                )
        return None if value is UNDEFINED else value

    def _return_none(self) -> None:
        self.locals["$value"] = None
