"""Symbolic sizes: integer expressions over named symbols, in a normal form.

A dim is an `int` or a `Sym`. A `Sym` is a polynomial with integer coefficients over atoms; an atom is a
symbol (`n`) or a function the polynomial can't express (`floordiv(n - 1, 2)`, `min(n, 5)`). Two dims are
equal when their normal forms are: `n + m - n` is `m`. Every function here is total on its inputs and has
no side effects; a fact that cannot be proved from the expressions is asked of the current `Facts`.
"""

from __future__ import annotations

import ast
import contextvars
import math
import operator
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, Union

from jitorch.errors import TypeMismatch, VerifyError


@dataclass(frozen=True, order=True)
class Atom:
    """A symbol (no arguments) or a function of dims (`name` in FUNCTIONS)."""

    name: str
    args: tuple[Dim, ...] = ()

    def __str__(self) -> str:
        return f"{self.name}({', '.join(map(str, self.args))})" if self.args else self.name


Monomial = tuple[Atom, ...]  # sorted by printed form; () is the constant term


@dataclass(frozen=True)
class Sym:
    """A symbolic integer. Build it with `symbol`, arithmetic and the functions below."""

    terms: tuple[tuple[Monomial, int], ...]

    # Tensors and values under construction know what to do with a size: arithmetic is left to them.

    def __add__(self, other: Dim) -> Dim:
        return _combine(self, other, 1) if isinstance(other, (int, Sym)) else NotImplemented

    __radd__ = __add__

    def __sub__(self, other: Dim) -> Dim:
        return _combine(self, other, -1) if isinstance(other, (int, Sym)) else NotImplemented

    def __rsub__(self, other: Dim) -> Dim:
        whole = isinstance(other, (int, Sym))
        return _combine(_as_sym(other), self, -1) if whole else NotImplemented

    def __mul__(self, other: Dim) -> Dim:
        return _multiply(self, other) if isinstance(other, (int, Sym)) else NotImplemented

    __rmul__ = __mul__

    def __neg__(self) -> Dim:
        return _multiply(self, -1)

    def __rfloordiv__(self, other: Dim) -> Dim:
        return floordiv(other, self) if isinstance(other, (int, Sym)) else NotImplemented

    def __floordiv__(self, other: Dim) -> Dim:
        return floordiv(self, other) if isinstance(other, (int, Sym)) else NotImplemented

    def __rmod__(self, other: Dim) -> Dim:
        return mod(other, self) if isinstance(other, (int, Sym)) else NotImplemented

    def __mod__(self, other: Dim) -> Dim:
        return mod(self, other) if isinstance(other, (int, Sym)) else NotImplemented

    def __index__(self) -> int:
        """Make the size a number of this program: allowed where facts can vouch for it."""
        return _facts.get().concrete(self)

    __int__ = __index__

    def __str__(self) -> str:
        return self._text

    @cached_property
    def _text(self) -> str:
        out = ""
        for monomial, coefficient in self.terms:
            sign = "-" if coefficient < 0 else "+"
            factors = [str(atom) for atom in monomial]
            if abs(coefficient) != 1 or not factors:
                factors.insert(0, str(abs(coefficient)))
            body = "*".join(factors)
            out += f" {sign} {body}" if out else (f"-{body}" if sign == "-" else body)
        return out

    def __repr__(self) -> str:
        return self._text


Dim = Union[int, Sym]
Shape = tuple[Dim, ...]


def symbol(name: str) -> Sym:
    """Return the symbol called `name`."""
    return Sym((((Atom(name),), 1),))


def is_symbol(d: Dim) -> bool:
    """Whether a size is a symbol alone."""
    return (
        isinstance(d, Sym)
        and len(d.terms) == 1
        and d.terms[0][1] == 1
        and len(d.terms[0][0]) == 1
        and not d.terms[0][0][0].args
    )


def _as_sym(d: Dim) -> Sym:
    return d if isinstance(d, Sym) else Sym((((), d),) if d else ())


def _normal(terms: Mapping[Monomial, int]) -> Dim:
    kept = {m: c for m, c in terms.items() if c != 0}
    if not kept:
        return 0
    if list(kept) == [()]:
        return kept[()]
    # Highest degree first and the constant last, as one writes it by hand.
    order = sorted(kept, key=lambda m: (-len(m), [str(a) for a in m]))
    return Sym(tuple((m, kept[m]) for m in order))


def _combine(a: Sym, b: Dim, sign: int) -> Dim:
    terms = dict(a.terms)
    for monomial, c in _as_sym(b).terms:
        terms[monomial] = terms.get(monomial, 0) + sign * c
    return _normal(terms)


def _multiply(a: Sym, b: Dim) -> Dim:
    terms: dict[Monomial, int] = {}
    for m1, c1 in a.terms:
        for m2, c2 in _as_sym(b).terms:
            m = tuple(sorted(m1 + m2, key=str))
            terms[m] = terms.get(m, 0) + c1 * c2
    return _normal(terms)


def _exact_quotient(a: Sym, b: Dim) -> Dim | None:
    """Return a / b where the division leaves nothing over for any value of the symbols."""
    divisor = _as_sym(b)
    if len(divisor.terms) != 1:
        return None
    (atoms, c), out = divisor.terms[0], {}
    for monomial, coefficient in a.terms:
        rest = list(monomial)
        for atom in atoms:
            if atom not in rest:
                return None
            rest.remove(atom)
        if coefficient % c:
            return None
        out[tuple(rest)] = coefficient // c
    return _normal(out)


def floordiv(a: Dim, b: Dim) -> Dim:
    """Return a // b."""
    if isinstance(a, int) and isinstance(b, int):
        return a // b
    if a == b:
        return 1
    if isinstance(a, Sym) and (exact := _exact_quotient(a, b)) is not None:
        return exact
    return Sym((((Atom("floordiv", (a, b)),), 1),))


def mod(a: Dim, b: Dim) -> Dim:
    """Return a % b."""
    if isinstance(a, int) and isinstance(b, int):
        return a % b
    if a == b or (isinstance(a, Sym) and _exact_quotient(a, b) is not None):
        return 0
    return Sym((((Atom("mod", (a, b)),), 1),))


def dim_max(a: Dim, b: Dim) -> Dim:
    """Return the larger of two dims."""
    return _choose("max", max, a, b)


def dim_min(a: Dim, b: Dim) -> Dim:
    """Return the smaller of two dims."""
    return _choose("min", min, a, b)


def _choose(name: str, pick: Callable[[int, int], int], a: Dim, b: Dim) -> Dim:
    gap = a - b
    if isinstance(gap, int):  # the order is known: they differ by a constant
        return a if pick(gap, 0) == gap else b
    first, second = sorted((a, b), key=str)
    return Sym((((Atom(name, (first, second)),), 1),))


FUNCTIONS: dict[str, Callable[[Dim, Dim], Dim]] = {
    "floordiv": floordiv,
    "mod": mod,
    "max": dim_max,
    "min": dim_min,
}


def product(dims: Shape) -> Dim:
    """Return the product of the dims: the number of elements of a shape."""
    out: Dim = 1
    for d in dims:
        out = out * d
    return out


def substitute(d: Dim, env: Mapping[str, Dim]) -> Dim:
    """Return `d` with every symbol that `env` names replaced."""
    if isinstance(d, int) or not env:
        return d
    total: Dim = 0
    for monomial, c in d.terms:
        value: Dim = c
        for atom in monomial:
            value = value * _substitute_atom(atom, env)
        total = total + value
    return total


def _substitute_atom(atom: Atom, env: Mapping[str, Dim]) -> Dim:
    if atom.args:
        return FUNCTIONS[atom.name](*(substitute(a, env) for a in atom.args))
    return env.get(atom.name, symbol(atom.name))


def evaluate(d: Dim, env: Mapping[str, int]) -> int:
    """Return the value of `d` where `env` gives every symbol one. Raises KeyError where it does not."""
    if isinstance(d, int):
        return d
    return sum(c * math.prod(_evaluate_atom(a, env) for a in m) for m, c in d.terms)


def _evaluate_atom(atom: Atom, env: Mapping[str, int]) -> int:
    if not atom.args:
        return env[atom.name]
    value = FUNCTIONS[atom.name](*(evaluate(a, env) for a in atom.args))
    assert isinstance(value, int)
    return value


def symbols(d: Dim) -> Iterator[str]:
    """Yield the names of the symbols in `d`."""
    if isinstance(d, int):
        return
    for monomial, _ in d.terms:
        for atom in monomial:
            if not atom.args:
                yield atom.name
            for arg in atom.args:
                yield from symbols(arg)


def python_source(d: Dim, names: Mapping[str, str] | None = None) -> str:
    """Return a Python expression for `d`; `names` renames symbols."""
    if isinstance(d, int):
        return str(d)
    parts = []
    for monomial, c in d.terms:
        factors = [_atom_source(a, names or {}) for a in monomial]
        parts.append("*".join([str(c)] * (c != 1 or not factors) + factors))
    return "(" + " + ".join(parts) + ")" if len(parts) > 1 else parts[0]


def _atom_source(atom: Atom, names: Mapping[str, str]) -> str:
    if not atom.args:
        return names.get(atom.name, atom.name)
    a, b = (python_source(x, names) for x in atom.args)
    infix = {"floordiv": "//", "mod": "%"}.get(atom.name)
    if infix is None:
        return f"{atom.name}({a}, {b})"
    return f"({a} {infix} ({b}))" if "*" in b else f"({a} {infix} {b})"


_BINARY: dict[type[ast.operator], Callable[[Dim, Dim], Dim]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
}


def from_ast(node: ast.expr) -> Dim:
    """Return the dim that a parsed expression spells. Raises VerifyError for anything else."""
    match node:
        case ast.Constant(value=int(value)) if not isinstance(value, bool):
            return value
        case ast.Name(id=name):
            return symbol(name)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return 0 - from_ast(operand)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            return _BINARY[type(op)](from_ast(left), from_ast(right))
        case ast.Call(func=ast.Name(id=name), args=[a, b]) if name in FUNCTIONS:
            return FUNCTIONS[name](from_ast(a), from_ast(b))
    raise VerifyError(f"not a size expression: {ast.unparse(node)}")


class Facts(Protocol):
    """Who answers what the expressions alone do not tell."""

    def equal(self, a: Dim, b: Dim) -> bool:
        """Whether a == b; may record that the answer was relied upon."""

    def at_least(self, a: Dim, b: Dim) -> bool | None:
        """Whether a >= b, or None where it can't be told."""

    def concrete(self, d: Sym) -> int:
        """The value of `d` in this program, relied upon from here on."""


class ProvedFacts:
    """Only what holds for every value of the symbols."""

    def equal(self, a: Dim, b: Dim) -> bool:
        return a == b

    def at_least(self, a: Dim, b: Dim) -> bool | None:
        gap = a - b
        return gap >= 0 if isinstance(gap, int) else None

    def concrete(self, d: Sym) -> int:
        raise TypeMismatch(
            f"the size {d} is only known at run time, and a number is needed here",
            hint="pass it as an int argument, or take it from a constant",
        )


PROVED: Facts = ProvedFacts()
_facts: contextvars.ContextVar[Facts] = contextvars.ContextVar("jitorch_facts", default=PROVED)


@contextmanager
def using_facts(facts: Facts) -> Iterator[None]:
    """Let `facts` answer questions about sizes within the block."""
    token = _facts.set(facts)
    try:
        yield
    finally:
        _facts.reset(token)


def equal(a: Dim, b: Dim) -> bool:
    """Whether two sizes are equal, as far as the current facts go."""
    return a == b or (not (isinstance(a, int) and isinstance(b, int)) and _facts.get().equal(a, b))


def at_least(a: Dim, b: Dim) -> bool | None:
    """Whether a >= b, or None where the current facts can't tell."""
    if isinstance(a, int) and isinstance(b, int):
        return a >= b
    proved = ProvedFacts().at_least(a, b)
    return proved if proved is not None else _facts.get().at_least(a, b)
