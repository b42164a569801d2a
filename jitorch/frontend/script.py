"""The script front end: a function's AST is carried out on proxies, and what they record is the graph.

Constants are computed on the spot, tensors record ops, and control flow on run-time values becomes `if` and
`loop` ops (`control.py`). `return`, `break` and `continue` are hidden variables (`$returned`, ...): once one
may be set, the statements after it run under `if not set`, so no later stage ever meets them.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jitorch.dispatch import METHODS
from jitorch.errors import Loc, NameNotFound, TypeMismatch, UnsupportedSyntax, at
from jitorch.frontend import control
from jitorch.frontend.expressions import Expressions
from jitorch.frontend.iteration import Iteration, iterate
from jitorch.frontend.record import Recorder
from jitorch.frontend.source import Source
from jitorch.frontend.values import UNDEFINED, ListVal, MaybeUndefined, Poison

MAX_DEPTH = 60
MAX_UNROLL = 64


@dataclass(frozen=True)
class ValueGuard:
    """A global, closure cell or attribute whose value a version of a program relies on."""

    name: str
    read: Callable[[], Any]
    value: Any

    def holds(self) -> bool:
        """Whether it still has that value: the same object, or an equal number or string."""
        try:
            now = self.read()
        except (KeyError, AttributeError, ValueError, NameError):
            return False
        if now is self.value:
            return True
        return type(now) is type(self.value) and isinstance(now, (bool, int, float, str)) and now == self.value


@dataclass
class Program:
    """What all functions inlined into one graph share."""

    rec: Recorder
    value_guards: dict[tuple[int, str], ValueGuard] = field(default_factory=dict)
    depth: int = 0

    def rely(self, owner: object, name: str, read: Callable[[], Any], value: Any) -> Any:
        """Note that the program depends on a value from outside it, and return the value."""
        self.value_guards.setdefault((id(owner), name), ValueGuard(name, read, value))
        return value


@dataclass(frozen=True)
class UserFunction:
    """A function of the user's: its source and the names it sees."""

    source: Source
    globals: dict[str, Any]
    closure: Mapping[str, Any] | Frame
    defaults: tuple[Any, ...] = ()
    kw_defaults: Mapping[str, Any] = field(default_factory=dict)


class Frame(Expressions):
    """One call of a user function being recorded."""

    def __init__(self, program: Program, fn: UserFunction, call_site: Loc | None = None) -> None:
        self.program = program
        self.rec = program.rec
        self.fn = fn
        self.call_site = call_site
        self.locals: dict[str, Any] = {}
        self.loops = 0
        self.enclosing: list[ast.AST] = []  # loops around the statement being recorded

    # Running.

    def run(self, arguments: Mapping[str, Any]) -> Any:
        """Record the body with the arguments bound and return the function's value."""
        self.program.depth += 1
        if self.program.depth > MAX_DEPTH:
            raise UnsupportedSyntax(
                f"'{self.fn.source.name}' is inlined more than {MAX_DEPTH} deep",
                hint="recursion has no compiled form; write a loop",
            )
        self.locals.update(arguments)
        node = self.fn.source.node
        try:
            if isinstance(node, ast.Lambda):
                return self.eval(node.body)
            self.locals["$returned"] = False
            self.block(node.body)
            return self.returned(node)
        finally:
            self.program.depth -= 1

    def returned(self, node: ast.FunctionDef) -> Any:
        done = self.locals["$returned"]
        if done is False:
            return None
        if done is not True and not _terminates(node.body):
            control.dynamic_if(self, self.negated(done), self._return_none, lambda: None)
        value = self.locals.get("$value", UNDEFINED)
        if isinstance(value, MaybeUndefined):
            value = value.value
        if isinstance(value, Poison):
            with at(self.loc(node)):
                raise TypeMismatch(f"'{node.name}' can't return one type: {value.message}", hint=value.hint)
        return None if value is UNDEFINED else value

    def _return_none(self) -> None:
        self.locals["$value"] = None

    def loc(self, node: ast.AST) -> Loc:
        """Return the user's place of a node."""
        return self.fn.source.loc(node, self.call_site)

    # Blocks and what ends them.

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
                control.dynamic_if(self, self.negated(stopped), lambda r=rest: self.block(r), lambda: None)  # type: ignore[misc]
                return

    def stopped(self) -> Any:
        """Return whether control has left this block: False, True or a bool of the program."""
        flags = ["$returned"]
        if self.loops:
            flags += [f"$broken{self.loops}", f"$continued{self.loops}"]
        return self.any_of([self.locals.get(f, False) for f in flags])

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

    def statement(self, node: ast.stmt) -> None:
        """Record one statement."""
        method = getattr(self, f"do_{type(node).__name__}", None)
        with at(self.loc(node)):
            if method is None:
                raise refuse(node)
            method(node)

    # Simple statements.

    def do_Expr(self, node: ast.Expr) -> None:
        if isinstance(node.value, ast.Constant):
            return  # a docstring
        self.eval(node.value)

    def do_Pass(self, node: ast.Pass) -> None:
        pass

    def do_Assign(self, node: ast.Assign) -> None:
        value = self.eval(node.value)
        for target in node.targets:
            self.assign(target, value)

    def do_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.assign(node.target, self.eval(node.value))

    def do_AugAssign(self, node: ast.AugAssign) -> None:
        load = ast.copy_location(_as_load(node.target), node.target)
        old = self.eval(load)
        value = self.eval(node.value)
        if isinstance(old, ListVal) and isinstance(node.op, ast.Add):
            self.list_extend(old, value)
            return
        new = self.inplace(node.op, old, value)
        if isinstance(node.target, ast.Name) or new is not old:
            self.assign(node.target, new)

    def do_Return(self, node: ast.Return) -> None:
        self.locals["$value"] = None if node.value is None else self.eval(node.value)
        self.locals["$returned"] = True

    def do_Break(self, node: ast.Break) -> None:
        self.locals[f"$broken{self.loops}"] = True

    def do_Continue(self, node: ast.Continue) -> None:
        self.locals[f"$continued{self.loops}"] = True

    def do_Assert(self, node: ast.Assert) -> None:
        condition = self.truth(self.eval(node.test))
        if condition is True:
            return
        message = [] if node.msg is None else [self.text_value(self.eval(node.msg))]
        flag = self.rec.constant(False) if condition is False else condition.value
        self.rec.emit("assert", (flag, *message))

    def do_Raise(self, node: ast.Raise) -> None:
        name, message = self.exception(node)
        self.rec.emit("raise", message, {"exception": name})
        self.locals["$returned"] = True
        self.locals["$value"] = UNDEFINED

    def exception(self, node: ast.Raise) -> tuple[str, list[Any]]:
        call = node.exc
        args = call.args if isinstance(call, ast.Call) else []
        cls = self.eval(call.func if isinstance(call, ast.Call) else call) if call is not None else None
        known = isinstance(cls, type) and issubclass(cls, Exception) and getattr(builtins, cls.__name__, None) is cls
        if not known or node.cause is not None or len(args) > 1 or (isinstance(call, ast.Call) and call.keywords):
            raise UnsupportedSyntax(
                "this raise is not supported in @script",
                hint="raise a built-in exception with at most one message: raise ValueError('...')",
            )
        return cls.__name__, [self.text_value(self.eval(a)) for a in args]

    def do_FunctionDef(self, node: ast.FunctionDef) -> None:
        if node.decorator_list:
            raise UnsupportedSyntax("decorators on inner functions are not supported", hint="define it outside")
        self.locals[node.name] = self.inner_function(node, node.name)

    def inner_function(self, node: ast.FunctionDef | ast.Lambda, name: str) -> UserFunction:
        """Return the value of an inner `def` or `lambda`."""
        source = Source(node, self.fn.source.file, self.fn.source.line_shift, name)
        defaults = tuple(self.eval(d) for d in node.args.defaults)
        kw = {
            a.arg: self.eval(d)
            for a, d in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
            if d is not None
        }
        return UserFunction(source, self.fn.globals, self, defaults, kw)

    # Assignment.

    def assign(self, target: ast.expr, value: Any) -> None:
        """Bind a value to a name, element, or pattern of them."""
        with at(self.loc(target)):
            match target:
                case ast.Name(id=name):
                    self.locals[name] = value
                case ast.Tuple(elts=elts) | ast.List(elts=elts):
                    self.unpack(elts, value)
                case ast.Subscript():
                    self.set_item(self.eval(target.value), self.key(target.slice), value)
                case ast.Attribute(attr=attr):
                    raise UnsupportedSyntax(
                        f"setting an attribute ('.{attr}') is not supported in @script",
                        hint="return the new value, or change a tensor in place (self.x.copy_(new))",
                    )
                case _:
                    raise UnsupportedSyntax(f"can't assign to {ast.unparse(target)}")

    def unpack(self, targets: Sequence[ast.expr], value: Any) -> None:
        items = self.known_items(value, "unpack")
        starred = [i for i, t in enumerate(targets) if isinstance(t, ast.Starred)]
        if starred:
            at_, after = starred[0], len(targets) - starred[0] - 1
            middle = self.new_list(items[at_ : len(items) - after])
            if len(items) < len(targets) - 1:
                raise TypeMismatch(f"not enough values to unpack (expected at least {len(targets) - 1}, got {len(items)})")
            tail = items[len(items) - after :] if after else []
            items = [*items[:at_], middle, *tail]
            targets = [t.value if isinstance(t, ast.Starred) else t for t in targets]
        if len(items) != len(targets):
            few = "not enough" if len(items) < len(targets) else "too many"
            raise TypeMismatch(f"{few} values to unpack (expected {len(targets)}, got {len(items)})")
        for t, item in zip(targets, items, strict=True):
            self.assign(t, item)

    # Branches.

    def do_If(self, node: ast.If) -> None:
        self.branch(node, lambda: self.block(node.body), lambda: self.block(node.orelse))

    def if_with_rest(self, node: ast.If, rest: Sequence[ast.stmt]) -> None:
        """Record `if c: return a` and what follows it as `if c: return a else: what follows`."""
        body, orelse = node.body, node.orelse
        if _terminates(body):
            orelse = [*orelse, *rest]
        else:
            body = [*body, *rest]
        with at(self.loc(node)):
            self.branch(node, lambda: self.block(body), lambda: self.block(orelse), with_rest=True)

    def branch(self, node: ast.If, then: Callable[[], None], orelse: Callable[[], None], with_rest: bool = False) -> None:
        with at(self.loc(node.test)):
            condition = self.truth(self.eval(node.test))
        if isinstance(condition, bool):
            (then if condition else orelse)()
            return
        live = (lambda name: name.startswith("$") or bool(self.enclosing)) if with_rest else self.live_after(node)
        control.dynamic_if(self, condition, then, orelse, live)

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
            if isinstance(n, ast.AugAssign) and isinstance(n.target, ast.Name) and ((n.lineno, n.col_offset) >= end or id(n) in again):
                names.add(n.target.id)
        inner = {m.id for n in ast.walk(body) if isinstance(n, (ast.FunctionDef, ast.Lambda)) and n is not body for m in ast.walk(n) if isinstance(m, ast.Name)}
        return lambda name: name.startswith("$") or name in names or name in inner

    # Loops.

    def do_For(self, node: ast.For) -> None:
        over = iterate(self, self.eval(node.iter))
        self.loop_over(node, over, lambda item: self.assign(node.target, item), lambda: self.block(node.body))
        self.loop_else(node)

    def loop_over(self, node: ast.AST, over: Iteration, begin: Callable[[Any], None], body: Callable[[], None]) -> None:
        """Record a `for` loop: unrolled over things of different kinds, else as a `loop` op."""
        self.locals[f"$broken{self.loops + 1}"] = False
        if over.items is not None:
            self.unrolled(node, over.items, begin, body)
            return
        before, ops = control.State.of(self), len(self.rec.ops)
        try:
            self.recorded_loop(node, over, begin, body)
        except (TypeMismatch, UnsupportedSyntax):
            # A short loop whose body needs its index as a number, or changes types as it goes, is unrolled.
            if not isinstance(over.length, int) or over.length > MAX_UNROLL:
                raise
            before.restore(self)
            del self.rec.ops[ops:]
            items = [over.get(i) for i in range(over.length)]
            self.unrolled(node, items, begin, body)

    def unrolled(self, node: ast.AST, items: Sequence[Any], begin: Callable[[Any], None], body: Callable[[], None]) -> None:
        for i, item in enumerate(items):
            with self.inside(node):
                self.locals[f"$continued{self.loops}"] = False
                begin(item)
                body()
                broken = self.any_of([self.locals["$returned"], self.locals[f"$broken{self.loops}"]])
            if broken is True:
                break
            if broken is not False:
                rest = items[i + 1 :]
                control.dynamic_if(self, self.negated(broken), lambda r=rest: self.unrolled(node, r, begin, body), lambda: None)  # type: ignore[misc]
                break

    def inside(self, node: ast.AST) -> _Inside:
        return _Inside(self, node)

    def recorded_loop(self, node: ast.AST, over: Iteration, begin: Callable[[Any], None], body: Callable[[], None]) -> None:
        with self.inside(node):
            depth = self.loops

            def start(index: Any) -> None:
                self.locals[f"$continued{depth}"] = False
                begin(over.get(index))

            loop = control.Loop(over.length, over.hint, start, body, None, lambda: self.go_on(depth))
            control.dynamic_loop(self, loop, self.carried(node))

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

            loop = control.Loop(None, "", start, lambda: self.block(node.body), test, lambda: self.go_on(depth))
            control.dynamic_loop(self, loop, self.carried(node))
        self.loop_else(node)

    def loop_else(self, node: ast.For | ast.While) -> None:
        if not node.orelse:
            return
        broken = self.any_of([self.locals["$returned"], self.locals[f"$broken{self.loops + 1}"]])
        if broken is False:
            self.block(node.orelse)
        elif broken is not True:
            control.dynamic_if(self, self.negated(broken), lambda: self.block(node.orelse), lambda: None)

    # Names.

    def name(self, name: str) -> Any:
        """Return what a name stands for."""
        if name in self.locals:
            return self.checked(name, self.locals[name])
        closure = self.fn.closure
        if isinstance(closure, Frame):
            if name in closure.locals or closure.sees(name):
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
        return name in self.locals or (closure.sees(name) if isinstance(closure, Frame) else name in closure)

    def checked(self, name: str, value: Any) -> Any:
        if value is UNDEFINED:
            raise NameNotFound(f"'{name}' is not set on every path to here", hint="give it a value before the branch or loop")
        if isinstance(value, Poison):
            raise TypeMismatch(f"'{name}' can't be used here: {value.message}", hint=value.hint)
        if isinstance(value, MaybeUndefined):
            self.require_defined(name, value)
            self.locals[name] = value.value
            return value.value
        return value

    def require_defined(self, name: str, value: MaybeUndefined) -> None:
        """Raise at run time, as Python does, if the path taken left the variable unset."""
        if value.defined is True:
            return

        def fail() -> None:
            text = f"cannot access local variable '{name}' where it is not associated with a value"
            self.rec.emit("raise", (self.rec.constant(text),), {"exception": "UnboundLocalError"})

        control.dynamic_if(self, self.negated(value.defined), fail, lambda: None)

    def similar(self, name: str) -> str:
        import difflib

        names = [n for n in (*self.locals, *self.fn.globals, *vars(builtins)) if not n.startswith(("$", "_"))]
        close = difflib.get_close_matches(name, names, 1)
        return f"did you mean '{close[0]}'?" if close else "define it before the function is called"


class _Inside:
    """Marks that a loop's body is being recorded."""

    def __init__(self, frame: Frame, node: ast.AST) -> None:
        self.frame, self.node = frame, node

    def __enter__(self) -> None:
        self.frame.loops += 1
        self.frame.enclosing.append(self.node)

    def __exit__(self, *error: object) -> None:
        self.frame.loops -= 1
        self.frame.enclosing.pop()


def _terminates(body: Sequence[ast.stmt]) -> bool:
    """Whether control surely does not reach the end of the statements."""
    for s in body:
        if isinstance(s, (ast.Return, ast.Break, ast.Continue, ast.Raise)):
            return True
        if isinstance(s, ast.If) and s.orelse and _terminates(s.body) and _terminates(s.orelse):
            return True
    return False


def _ends(node: ast.If) -> bool:
    return _terminates(node.body) or (bool(node.orelse) and _terminates(node.orelse))


def _reads(node: ast.AST) -> set[str]:
    names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Store)}
    return names | {n.target.id for n in ast.walk(node) if isinstance(n, ast.AugAssign) and isinstance(n.target, ast.Name)}


def _as_load(target: ast.expr) -> ast.expr:
    match target:
        case ast.Name(id=name):
            return ast.Name(name, ast.Load())
        case ast.Subscript(value=value, slice=key):
            return ast.Subscript(value, key, ast.Load(), lineno=target.lineno, col_offset=target.col_offset)
        case ast.Attribute(value=value, attr=attr):
            return ast.Attribute(value, attr, ast.Load(), lineno=target.lineno, col_offset=target.col_offset)
    return target


_HINTS: dict[type[ast.AST], tuple[str, str]] = {
    ast.Try: ("'try' blocks are", "move it to the caller"),
    ast.With: ("'with' blocks are", "enter the context in the caller"),
    ast.ClassDef: ("class definitions are", "define the class outside the function"),
    ast.AsyncFunctionDef: ("async functions are", "use a plain function"),
    ast.AsyncFor: ("'async for' is", "use a plain loop"),
    ast.AsyncWith: ("'async with' is", "move it to the caller"),
    ast.Import: ("'import' is", "import at the top of the file"),
    ast.ImportFrom: ("'import' is", "import at the top of the file"),
    ast.Global: ("'global' is", "pass the value in and return the new one"),
    ast.Nonlocal: ("'nonlocal' is", "pass the value in and return the new one"),
    ast.Delete: ("'del' is", "leave it out: values are freed after their last use"),
    ast.Match: ("'match' is", "use if and elif"),
    ast.Yield: ("'yield' is", "collect the values in a list and return it"),
    ast.YieldFrom: ("'yield' is", "collect the values in a list and return it"),
    ast.Await: ("'await' is", "call it outside the function"),
    ast.Set: ("set displays are", "use a tuple or list"),
    ast.SetComp: ("set comprehensions are", "use a list comprehension"),
    ast.GeneratorExp: ("generator expressions are", "use a list comprehension"),
    ast.DictComp: ("dict comprehensions are", "write the dict out; its keys must be constants"),
    ast.NamedExpr: ("':=' is", "assign on a line of its own"),
}


def refuse(node: ast.AST) -> UnsupportedSyntax:
    """Return the error for a construct that has no compiled form."""
    what, hint = _HINTS.get(type(node), (f"{type(node).__name__} is", "write it with the supported constructs"))
    return UnsupportedSyntax(f"{what} not supported in @script", hint=hint)

