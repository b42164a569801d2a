"""Sizes while a program is being recorded: symbols, what is known about them, and guards.

Each size is a symbol with the value it has in this call as a hint. A question about sizes ("is n == m?") is
answered from the hints and noted as a guard: the program is right for every call that fulfils the guards.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from jitorch.errors import CompileError, Loc, current_loc
from jitorch.frontend.proxies import View, plain_attr
from jitorch.ir import dims as D
from jitorch.ir.builder import Builder
from jitorch.ir.core import Op, Value
from jitorch.ir.dims import Dim, Sym
from jitorch.ir.facts import names_a_size
from jitorch.ir.types import ScalarType, TensorType

LETTERS = "nmkpqrsuvw"


@dataclass(frozen=True)
class Guard:
    """A fact about sizes that a version of a program relies on."""

    kind: str  # "==", "!=", ">=" or "<"
    left: Dim
    right: Dim
    loc: Loc

    def holds(self, env: Mapping[str, int]) -> bool:
        """Whether the fact is true where `env` gives the sizes."""
        a, b = D.evaluate(self.left, env), D.evaluate(self.right, env)
        return _HOLDS[self.kind](a, b)

    def __str__(self) -> str:
        return f"{self.left} {self.kind} {self.right}" + (
            f" at {self.loc}" if self.loc.known else ""
        )


_HOLDS: dict[str, Callable[[int, int], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    "<": operator.lt,
}


@dataclass
class Scope:
    """A block under construction: its ops, and the views already read in it."""

    ops: list[Op] = field(default_factory=list)
    views: dict[tuple[Value, View], Value] = field(default_factory=dict)
    sizes: dict[Dim, Value] = field(default_factory=dict)
    symbols: set[str] = field(default_factory=set)
    bound: dict[str, Value] = field(default_factory=dict)  # symbol -> the int that defines it

    def copy(self) -> Scope:
        """Return the scope as it is now, to go back to."""
        return Scope(
            list(self.ops), dict(self.views), dict(self.sizes), set(self.symbols), dict(self.bound)
        )

    def restore(self, copy: Scope) -> None:
        """Go back to what a copy has; whoever began the scope holds this object."""
        vars(self).update(vars(copy))


class Sizes(Builder):
    """Names sizes and answers questions about them. A part of `Recorder`."""

    def __init__(self) -> None:
        self.scopes = [Scope()]
        self.hints: dict[str, int] = {}
        self.guards: list[Guard] = []
        self.solved: dict[str, Dim] = {}
        self.non_negative: set[str] = set()
        self.upper: dict[str, Dim] = {}  # loop index -> what it stays below
        self.used: set[str] = set()
        self.unnamed: set[str] = set()  # symbols whose names mean nothing to the user

    def fresh(self, prefix: str = "") -> Sym:
        """Return a new symbol, named after `prefix` where it is free."""
        name = re.sub(r"\W", "_", prefix)
        if not name:
            name = next((c for c in LETTERS if c not in self.used), "d0")
        base, count = name.strip("0123456789_") or "d", 0
        while name in self.used or name == "_" or not names_a_size(name):
            name, count = f"{base}{count}", count + 1
        self.used.add(name)
        return D.symbol(name)

    @contextmanager
    def naming_sizes(self) -> Iterator[None]:
        """Add to errors raised within the block what their symbols stand for in this call."""
        try:
            yield
        except CompileError as error:
            words = re.findall(r"(?<!['\w])[a-z]\w*", f"{error.message} {error.hint}")
            known = [f"{w} = {self.hints[w]}" for w in dict.fromkeys(words) if w in self.hints]
            if known:
                error.message += f" (in this call {', '.join(known)})"
            raise

    def dim_symbol(self, hint: int) -> Sym:
        """Return a new symbol for a size that is `hint` in this call."""
        s = self.fresh()
        self.unnamed.add(str(s))
        self.hints[str(s)] = hint
        self.non_negative.add(str(s))
        return s

    def bind(self, v: Value) -> None:
        """Note the symbols that a value defines, and that they are known from here to the end of the block."""
        t = v.type
        if isinstance(t, ScalarType) and t.value is not None and D.is_symbol(t.value):
            self.scopes[-1].bound.setdefault(str(t.value), v)
            self.scopes[-1].symbols.add(str(t.value))
        if isinstance(t, TensorType):
            self.scopes[-1].symbols.update(str(d) for d in t.shape if D.is_symbol(d))

    def visible(self, d: Dim) -> bool:
        """Whether every symbol in a size means something here."""
        return all(
            s in self.hints or any(s in scope.symbols for scope in self.scopes)
            for s in D.symbols(d)
        )

    def size(self, dim: Dim) -> Value:
        if isinstance(dim, int):
            return self.constant(dim)
        dim = plain_attr(dim)
        for scope in self.scopes:
            if str(dim) in scope.bound:
                return scope.bound[str(dim)]
            if dim in scope.sizes:
                return scope.sizes[dim]
        out = self.emit1("dim", (), {"value": dim})
        self.scopes[-1].sizes[dim] = out
        return out

    shape_kind: type[tuple[Any, ...]] = tuple  # what user code sees a shape as

    def shape_of(self, t: TensorType) -> Any:
        """Return a shape as user code sees it."""
        return self.shape_kind(self.canonical(d) for d in t.shape)

    def canonical(self, d: Dim) -> Dim:
        """Return a size with everything already known about its symbols put in."""
        return D.substitute(plain_attr(d), self.solved)

    def value_of(self, d: Dim) -> int | None:
        """Return the value of a size in this call, None if only run time tells."""
        try:
            return D.evaluate(d, self.hints)
        except KeyError:
            return None

    def note(self, kind: str, a: Dim, b: Dim) -> None:
        """Rely on a fact from here on."""
        self.guards.append(Guard(kind, a, b, current_loc()))
        if kind == "==":
            self._solve(a, b)

    def _solve(self, a: Dim, b: Dim) -> None:
        """Use an equation to do without one of its symbols, the latest that stands alone in it."""
        gap = a - b
        if isinstance(gap, int):
            return
        for name in reversed(self.hints):
            s = D.symbol(name)
            for factor in (1, -1):
                other = s - gap * factor
                if name not in set(D.symbols(other)):
                    self.solved = {
                        k: D.substitute(d, {name: other}) for k, d in self.solved.items()
                    }
                    self.solved[name] = other
                    return

    def equal(self, a: Dim, b: Dim) -> bool:
        a, b = self.canonical(a), self.canonical(b)
        if a == b:
            return True
        if isinstance(a, int) and isinstance(b, int):
            return False
        x, y = self.value_of(a), self.value_of(b)
        if x is None or y is None:
            self.emit("assume", (), {"left": a, "right": b})
            return True
        if x == y:
            self.note("==", a, b)
        return x == y

    def decide(self, name: str, a: Dim, b: Dim) -> bool:
        """Return how sizes compare (`eq`, `ne`, `lt`, ...) in this call, and rely on it."""
        if name in ("eq", "ne"):
            same = self.equal(a, b)
            if not same:
                self.note("!=", self.canonical(a), self.canonical(b))
            return same == (name == "eq")
        if name in ("ge", "le"):
            return bool(self.at_least(*((a, b) if name == "ge" else (b, a))))
        return not self.at_least(*((b, a) if name == "gt" else (a, b)))

    def at_least(self, a: Dim, b: Dim) -> bool | None:
        gap = self.canonical(a) - self.canonical(b)
        if isinstance(gap, int):
            return gap >= 0
        if self._surely_non_negative(gap):
            return True
        value = self.value_of(gap)
        if value is None:
            return None
        self.note(">=" if value >= 0 else "<", self.canonical(a), self.canonical(b))
        return value >= 0

    def _surely_non_negative(self, gap: Sym) -> bool:
        """Whether sizes and loop indices, none below 0, and the bounds of the latter settle the sign."""
        highest = {s: self.canonical(top) - 1 for s, top in self.upper.items()}
        falling = {s for m, c in gap.terms if c < 0 for s in (a.name for a in m)}
        lowest = D.substitute(gap, {s: d for s, d in highest.items() if s in falling})
        if isinstance(lowest, int):
            return lowest >= 0
        return all(
            c >= 0 and all(not a.args and a.name in self.non_negative for a in m)
            for m, c in lowest.terms
        )

    def concrete(self, d: Sym) -> int:
        known = self.canonical(d)
        if isinstance(known, int):
            return known
        value = self.value_of(known)
        if value is None:
            return D.ProvedFacts().concrete(known)
        self.note("==", known, value)
        return value
