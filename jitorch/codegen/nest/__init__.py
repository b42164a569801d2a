"""Kernel source to LLVM instructions, in one walk over its syntax tree.

Kernel source is a small part of Python whose types are known on the spot: intrinsics, numbers,
`range`, `while` and `if`. Inferring types over the whole function, as Numba does for Python at
large, takes five times as long, with all that Numba does besides. `lowering` puts what is emitted here behind one
intrinsic, in a function that Numba compiles. `cuda/lowering` adds what source for GPUs has besides.

A variable has one type, that of the first value it is given. What a block of statements binds is
unknown after it, unless it is bound elsewhere too.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from llvmlite import ir

from jitorch.codegen import notes
from jitorch.codegen.emit import I64
from jitorch.codegen.nest.expressions import Expressions, Typed, no_meaning, shown
from jitorch.codegen.numba_api import errors, types


def emit_nest(module: Any, name: str, tree: ast.FunctionDef, namespace: Mapping[str, Any]) -> Any:
    """Add the function to the LLVM module and return it; its arguments are i64.

    Raises Numba's TypingError, with the line, for what has no meaning there.
    """
    kinds = [types.int64] * len(tree.args.args)
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), [I64] * len(kinds)), name)
    function.attributes.add("alwaysinline")
    Nest.fill(function, kinds, tree, namespace)
    return function


def function_in(source: str, name: str, filename: str) -> ast.FunctionDef:
    """Return the function of that name in source; raises Numba's TypingError if it has none."""
    for node in ast.parse(source, filename).body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return node
    raise errors.TypingError(f"the source has no function '{name}'")


def assignments(tree: ast.FunctionDef) -> Counter[str]:
    """How often each name is assigned; a name that only loops bind is bound anew by each."""
    loops = [node.target for node in ast.walk(tree) if isinstance(node, ast.For)]
    stored = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    ]
    counts = Counter(each.arg for each in tree.args.args)
    counts.update(node.id for node in stored if node not in loops)
    counts.update(node.id for node in stored if node in loops and node.id in counts)
    return counts


class _Loop(NamedTuple):
    """Where `continue` and `break` go."""

    again: Any
    after: Any


class Nest(Expressions):
    """Emits statements."""

    def __init__(
        self, entry: Any, builder: Any, namespace: Mapping[str, Any], assigned: Counter[str]
    ) -> None:
        super().__init__(entry, builder, namespace, assigned)
        self.loops: list[_Loop] = []

    @classmethod
    def fill(
        cls,
        function: Any,
        kinds: Sequence[Any],
        tree: ast.FunctionDef,
        namespace: Mapping[str, Any],
    ) -> None:
        """Emit the body of an LLVM function whose arguments are of these Numba types."""
        entry, start = (function.append_basic_block(name) for name in ("entry", "start"))
        nest = cls(entry, ir.IRBuilder(start), namespace, assignments(tree))
        for argument, kind, value in zip(tree.args.args, kinds, function.args, strict=True):
            nest.bind(argument.arg, Typed(kind, value))
        nest.block(tree.body)
        if not nest.builder.block.is_terminated:
            notes.write(nest.builder)
            nest.builder.ret_void()
        ir.IRBuilder(entry).branch(start)

    def block(self, statements: Sequence[ast.stmt]) -> None:
        """Emit statements; what they bind ends with them."""
        known = dict(self.bound)
        for each in statements:
            if self.builder.block.is_terminated:
                break
            try:
                self.statement(each)
            except errors.TypingError as error:
                raise _located(error, each) from None
        self.bound = known

    def statement(self, node: ast.stmt) -> None:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                self.bind(name, self.value(value))
            case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Tuple(elts=values)):
                self.assign_all(names, values)
            case ast.AugAssign(target=ast.Name(id=name), op=op, value=value):
                self.bind(name, self.binary(op, self.lookup(name), self.value(value)))
            case ast.Expr(value=value):
                self.value(value)
            case ast.For(
                target=ast.Name(id=name),
                iter=ast.Call(func=ast.Name(id="range"), args=limits, keywords=[]),
                orelse=[],
            ):
                self.loop(name, [self.index(each) for each in limits], node.body)
            case ast.While(orelse=[]):
                self.repeat(node)
            case ast.If():
                self.branch(node)
            case ast.Return(value=None):
                self.builder.ret_void()
            case ast.Break():
                self.builder.branch(self.loops[-1].after)
            case ast.Continue():
                self.builder.branch(self.loops[-1].again)
            case ast.Pass():
                pass
            case _:
                raise no_meaning(node)

    def assign_all(self, names: Sequence[ast.expr], values: Sequence[ast.expr]) -> None:
        found = [self.value(each) for each in values]
        for target, value in zip(names, found, strict=True):
            if not isinstance(target, ast.Name):
                raise no_meaning(target)
            self.bind(target.id, value)

    def loop(self, name: str, limits: Sequence[Any], body: Sequence[ast.stmt]) -> None:
        """Emit `for name in range(*limits)`."""
        zero, one = ir.Constant(I64, 0), ir.Constant(I64, 1)
        start, stop, *rest = limits if len(limits) > 1 else (zero, *limits)
        step = rest[0] if rest else one
        before, (head, inside, again, after) = self.builder.block, self.blocks(4)
        self.builder.branch(head)
        self.builder.position_at_end(head)
        index = self.builder.phi(I64)
        index.add_incoming(start, before)
        self.builder.cbranch(self.runs(index, stop, step), inside, after)
        self.builder.position_at_end(inside)
        known = dict(self.bound)
        with self.within(again, after):
            self.bind(name, Typed(types.int64, index))
            self.block(body)
        self.bound = known
        self.builder.position_at_end(again)
        # Steps of 1 do not pass the end, so they do not overflow.
        flags = () if rest else ("nsw",)
        index.add_incoming(self.builder.add(index, step, flags=flags), again)
        self.builder.branch(head)
        self.builder.position_at_end(after)

    def runs(self, index: Any, stop: Any, step: Any) -> Any:
        """Whether an index lies before the end of its range."""
        up = self.builder.icmp_signed("<", index, stop)
        if isinstance(step, ir.Constant) and step.constant > 0:
            return up
        down = self.builder.icmp_signed(">", index, stop)
        falls = self.builder.icmp_signed("<", step, ir.Constant(I64, 0))
        return self.builder.select(falls, down, up)

    def repeat(self, node: ast.While) -> None:
        head, inside, after = self.blocks(3)
        self.builder.branch(head)
        self.builder.position_at_end(head)
        self.builder.cbranch(self.truth(self.value(node.test)), inside, after)
        self.builder.position_at_end(inside)
        with self.within(head, after):
            self.block(node.body)
        self.builder.position_at_end(after)

    @contextmanager
    def within(self, again: Any, after: Any) -> Iterator[None]:
        """Emit a loop's body, which goes on at `again`."""
        self.loops.append(_Loop(again, after))
        yield
        self.loops.pop()
        if not self.builder.block.is_terminated:
            self.builder.branch(again)

    def branch(self, node: ast.If) -> None:
        condition = self.truth(self.value(node.test))
        yes, no, after = self.blocks(3)
        self.builder.cbranch(condition, yes, no)
        for block, statements in ((yes, node.body), (no, node.orelse)):
            self.builder.position_at_end(block)
            self.block(statements)
            if not self.builder.block.is_terminated:
                self.builder.branch(after)
        self.builder.position_at_end(after)


def _located(error: Exception, node: ast.stmt) -> Exception:
    """The error with the line, which the innermost statement knows."""
    if "\n" in str(error):
        return error
    located: Exception = errors.TypingError(f"{error}\n  line {node.lineno}: {shown(node)}")
    return located
