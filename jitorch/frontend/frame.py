"""A call of a user function that is being recorded: its variables, and what names stand for."""

from __future__ import annotations

import ast
import builtins
import reprlib
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MethodType
from typing import Any

import numpy as np

from jitorch.dispatch import METHODS
from jitorch.errors import Loc, NameNotFound, TypeMismatch
from jitorch.frontend import control
from jitorch.frontend.record import Recorder
from jitorch.frontend.source import Source
from jitorch.frontend.values import (
    UNDEFINED,
    DictVal,
    ListVal,
    MaybeUndefined,
    Poison,
    same_constant,
)
from jitorch.ir.types import DTYPES
from jitorch.tensor import Tensor

NUMPY_DTYPES = frozenset(d.numpy for d in DTYPES)


@dataclass(frozen=True)
class ValueGuard:
    """A global, closure cell or attribute whose value a version of a program relies on."""

    name: str
    read: Callable[[], Any]
    value: Any  # lists and dicts with their items at the time

    def holds(self) -> bool:
        """Whether it still has that value: the same object and items, or an equal number or string."""
        try:
            return unchanged(self.read(), self.value)
        except (KeyError, AttributeError, ValueError, NameError):
            return False

    @property
    def by_identity(self) -> bool:
        """Whether the value holds as long as the same object is there."""
        return not isinstance(self.value, Contents)

    def in_words(self) -> str:
        """Say what changed."""
        try:
            now = reprlib.repr(self.read())
        except (KeyError, AttributeError, ValueError, NameError):
            return f"'{self.name}' is gone"
        then = reprlib.repr(self.value)
        return (
            f"'{self.name}' was {then}, now {now}" if then != now else f"'{self.name}' has changed"
        )


@dataclass(frozen=True)
class Contents:
    """A list, tuple or dict, and what was in it."""

    of: Any
    keys: tuple[Any, ...]
    items: tuple[Any, ...]

    def __repr__(self) -> str:
        return repr(dict(zip(self.keys, self.items, strict=True)) if self.keys else [*self.items])


def contents(x: Any) -> Any:
    """Return a value with what is in it, to be compared with later."""
    if isinstance(x, dict):
        return Contents(x, tuple(x), tuple(map(contents, x.values())))
    return Contents(x, (), tuple(map(contents, x))) if isinstance(x, (list, tuple)) else x


def unchanged(now: Any, then: Any) -> bool:
    """Whether a value is what `contents` once noted."""
    if isinstance(then, Contents):
        if type(now) is not type(then.of) or len(now) != len(then.items):
            return False
        if isinstance(now, dict) and tuple(now) != then.keys:
            return False
        items = now.values() if isinstance(now, dict) else now
        return all(map(unchanged, items, then.items))
    if now is then:
        return True
    if isinstance(then, MethodType):
        return isinstance(now, MethodType) and now.__self__ is then.__self__ and now == then
    return same_constant(now, then)


@dataclass
class Program:
    """What all functions inlined into one graph share."""

    rec: Recorder
    value_guards: dict[tuple[int, str], ValueGuard] = field(default_factory=dict)
    foreign: dict[int, tuple[Any, Any]] = field(default_factory=dict)  # lists and dicts by id
    depth: int = 0

    def rely(self, owner: object, name: str, read: Callable[[], Any], value: Any) -> Any:
        """Note that the program depends on a value from outside it, and return what stands for it."""
        if (id(owner), name) not in self.value_guards:
            self.value_guards[id(owner), name] = ValueGuard(name, read, contents(value))
        return self.adopt(name, value)

    def adopt(self, name: str, value: Any) -> Any:
        """Return what stands for a value from outside.

        Tensors become parameters of the program; lists and dicts are looked at, never changed.
        """
        if isinstance(value, Tensor):
            return self.rec.capture(value)
        if isinstance(value, np.ndarray) and self.rec.numpy and value.dtype in NUMPY_DTYPES:
            return self.rec.capture_array(value)
        if type(value) is tuple:
            return tuple(self.adopt(name, v) for v in value)
        if type(value) not in (list, dict, OrderedDict):
            return value
        if id(value) not in self.foreign:
            made: ListVal | DictVal = ListVal() if isinstance(value, list) else DictVal()
            self.foreign[id(value)] = (value, made)
            self.rec.outside[made] = name
            if isinstance(value, list):
                items: Any = tuple(self.adopt(name, v) for v in value)
            else:
                items = {k: self.adopt(name, v) for k, v in value.items()}
            self.rec.store[made] = self.rec.lasting[made] = items
        return self.foreign[id(value)][1]


@dataclass(frozen=True)
class UserFunction:
    """A function of the user's: its source and the names it sees."""

    source: Source
    globals: dict[str, Any]
    closure: Mapping[str, Any] | Names
    defaults: tuple[Any, ...] = ()
    kw_defaults: Mapping[str, Any] = field(default_factory=dict)


class Names:
    """The variables of a call, and the closures, globals and built-ins behind them."""

    def __init__(self, program: Program, fn: UserFunction, call_site: Loc | None = None) -> None:
        self.program = program
        self.rec = program.rec
        self.fn = fn
        self.call_site = call_site
        self.locals: dict[str, Any] = {}
        self.loops = 0
        self.enclosing: list[ast.AST] = []  # loops around the statement being recorded

    def loc(self, node: ast.AST) -> Loc:
        """Return the user's place of a node."""
        return self.fn.source.loc(node, self.call_site)

    def any_of(self, flags: Sequence[Any]) -> Any:
        known = [self._flag(f) for f in flags]
        if any(f is True for f in known):
            return True
        dynamic = [f for f in known if f is not False]
        if not dynamic:
            return False
        out = dynamic[0]
        for f in dynamic[1:]:
            out = METHODS["logical_or"](out, f)
        return out

    def _flag(self, f: Any) -> Any:
        return f.value if isinstance(f, MaybeUndefined) else (False if f is UNDEFINED else f)

    def negated(self, condition: Any) -> Any:
        return self.rec.wrap(self.rec.emit1("not", (condition.value,)))

    def name(self, name: str) -> Any:
        """Return what a name stands for."""
        if name in self.locals:
            return self.checked(name, self.locals[name])
        if name in self.fn.source.local_names:
            raise NameNotFound(
                f"'{name}' has no value yet at this point",
                hint="it is set further down, or where this call does not come by: set it first",
            )
        closure = self.fn.closure
        if isinstance(closure, Names):
            if closure.sees(name):
                return closure.name(name)
        elif name in closure:
            cell = closure[name]
            return self.program.rely(cell, name, lambda: cell.cell_contents, cell.cell_contents)
        if name in self.fn.globals:
            space = self.fn.globals
            return self.program.rely(space, name, lambda: space[name], space[name])
        if hasattr(builtins, name):
            return getattr(builtins, name)
        raise NameNotFound(f"name '{name}' is not defined", hint=self.similar(name))

    def sees(self, name: str) -> bool:
        """Whether the name is known in this frame or around it, globals aside."""
        closure = self.fn.closure
        return (
            name in self.locals
            or name in self.fn.source.local_names
            or (closure.sees(name) if isinstance(closure, Names) else name in closure)
        )

    def checked(self, name: str, value: Any) -> Any:
        if value is UNDEFINED:
            raise NameNotFound(
                f"'{name}' is not set on every path to here",
                hint="give it a value before the branch or loop",
            )
        if isinstance(value, Poison):
            what = name if " " in name else f"'{name}'"
            raise TypeMismatch(f"{what} can't be used here: {value.message}", hint=value.hint)
        if isinstance(value, MaybeUndefined):
            self.require_defined(name, value)
            self.locals[name] = value.value
            return value.value
        return value

    def require_defined(self, name: str, value: MaybeUndefined) -> None:
        """Raise at run time, as Python does, if the path taken left the variable unset."""
        if value.defined is not True:
            text = f"cannot access local variable '{name}' where it is not associated with a value"
            self.raise_if(self.negated(value.defined), "UnboundLocalError", text)

    def raise_if(self, condition: Any, exception: str, text: str) -> None:
        """Record that a built-in exception is raised where a bool of the program is true."""

        def fail() -> None:
            self.rec.emit("raise", (self.rec.constant(text),), {"exception": exception})

        control.dynamic_if(self, condition, fail, lambda: None)

    def similar(self, name: str) -> str:
        names = [
            n
            for n in (*self.locals, *self.fn.globals, *vars(builtins))
            if not n.startswith(("$", "_"))
        ]
        import difflib

        close = difflib.get_close_matches(name, names, 1)
        return f"did you mean '{close[0]}'?" if close else "define it before the function is called"
