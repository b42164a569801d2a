"""Simple statements: assignment, return, assert, raise, inner functions."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Sequence
from typing import Any

from jitorch.errors import TypeMismatch, UnsupportedSyntax, at
from jitorch.frontend.expressions import Expressions
from jitorch.frontend.frame import UserFunction
from jitorch.frontend.proxies import TensorProxy
from jitorch.frontend.source import Source
from jitorch.frontend.values import UNDEFINED, ListVal
from jitorch.tensor import Tensor


class Statements(Expressions):
    """Carries out statements without blocks. A part of `Frame`."""

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
        match node.target:
            case ast.Name(id=name):
                self.locals[name] = self.augmented(node, self.name(name))
            case ast.Subscript(value=owner_node, slice=key_node):
                owner, key = self.eval(owner_node), self.key(key_node)
                old = self.item(owner, key)
                new = self.augmented(node, old)
                if new is not old or not self.is_view_of(old, owner):
                    self.set_item(owner, key, new)
            case ast.Attribute(value=owner_node, attr=attr):
                old = self.attribute(self.eval(owner_node), attr)
                if self.augmented(node, old) is not old:
                    self.refuse_attribute(attr)

    def augmented(self, node: ast.AugAssign, old: Any) -> Any:
        """Return the value of `old op= value`: tensors and lists change in place."""
        value = self.eval(node.value)
        if isinstance(old, ListVal) and isinstance(node.op, ast.Add):
            self.list_extend(old, value)
            return old
        return self.inplace(node.op, old, value)

    def is_view_of(self, x: Any, owner: Any) -> bool:
        """Whether a change of `x` in place has changed what it was taken from."""
        if isinstance(x, TensorProxy) and isinstance(owner, TensorProxy):
            return x._storage is owner._storage
        return not isinstance(owner, Tensor)

    def refuse_attribute(self, attr: str) -> None:
        raise UnsupportedSyntax(
            f"setting an attribute ('.{attr}') is not supported in @script",
            hint="return the new value, or change a tensor in place: self.x.copy_(new)",
        )

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
        """Return the name of the exception and its message."""
        hint = "raise a built-in exception with at most one message: raise ValueError('...')"
        if node.exc is None or node.cause is not None:
            what = "'raise' without an exception" if node.exc is None else "'raise ... from'"
            raise UnsupportedSyntax(f"{what} is not supported in @script", hint=hint)
        call = node.exc
        cls: Any = self.eval(call.func if isinstance(call, ast.Call) else call)
        args = call.args if isinstance(call, ast.Call) else []
        known = isinstance(cls, type) and issubclass(cls, Exception)
        if not known or getattr(builtins, str(getattr(cls, "__name__", "")), None) is not cls:
            raise UnsupportedSyntax("only built-in exceptions can be raised in @script", hint=hint)
        if len(args) > 1 or (isinstance(call, ast.Call) and call.keywords):
            raise UnsupportedSyntax("an exception takes one message in @script", hint=hint)
        return str(getattr(cls, "__name__", "")), [self.text_value(self.eval(a)) for a in args]

    def do_FunctionDef(self, node: ast.FunctionDef) -> None:
        if node.decorator_list:
            with at(self.loc(node.decorator_list[0])):
                raise UnsupportedSyntax(
                    "decorators on inner functions are not supported in @script",
                    hint="define the function outside",
                )
        self.locals[node.name] = self.inner_function(node, node.name)

    def on_Lambda(self, node: ast.Lambda) -> Any:
        return self.inner_function(node, "<lambda>")

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
                    self.refuse_attribute(attr)
                case _:
                    raise UnsupportedSyntax(f"can't assign to {ast.unparse(target)}")

    def unpack(self, targets: Sequence[ast.expr], value: Any) -> None:
        items = self.known_items(value, "unpack")
        starred = [i for i, t in enumerate(targets) if isinstance(t, ast.Starred)]
        if starred:
            at_, after = starred[0], len(targets) - starred[0] - 1
            middle = self.new_list(items[at_ : len(items) - after])
            if len(items) < len(targets) - 1:
                raise TypeMismatch(
                    f"not enough values to unpack (expected at least {len(targets) - 1}, got {len(items)})"
                )
            tail = items[len(items) - after :] if after else []
            items = [*items[:at_], middle, *tail]
            targets = [t.value if isinstance(t, ast.Starred) else t for t in targets]
        if len(items) != len(targets):
            few = "not enough" if len(items) < len(targets) else "too many"
            raise TypeMismatch(
                f"{few} values to unpack (expected {len(targets)}, got {len(items)})"
            )
        for t, item in zip(targets, items, strict=True):
            self.assign(t, item)
