"""From a function to its AST, with the positions of the user's file.

The source is parsed where it stands: an indented function is put under an added `if True:` line instead of
being dedented, since dedenting moves columns and breaks continuation lines.
"""

from __future__ import annotations

import ast
import inspect
import linecache
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from types import CodeType
from typing import Any

from jitorch.errors import UNKNOWN, CompileError, Loc

FunctionNode = ast.FunctionDef | ast.Lambda


def _stored(node: ast.AST) -> Iterator[str]:
    """Yield the names set in a function, those of inner functions and comprehensions left out."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Name) and isinstance(child.ctx, ast.Store):
            yield child.id
        elif isinstance(child, ast.FunctionDef):
            yield child.name
        elif not isinstance(child, (ast.Lambda, ast.ListComp)):
            yield from _stored(child)


@dataclass(frozen=True)
class Source:
    """A parsed function. `line_shift` turns AST line numbers into those of the file."""

    node: FunctionNode
    file: str
    line_shift: int
    name: str

    @cached_property
    def local_names(self) -> frozenset[str]:
        """The names that the function itself sets, which are never looked up outside of it."""
        return frozenset(_stored(self.node))

    @cached_property
    def has_inner_functions(self) -> bool:
        """Whether functions are defined inside, which may outlive a call."""
        inner = (ast.FunctionDef, ast.Lambda)
        return any(isinstance(n, inner) and n is not self.node for n in ast.walk(self.node))

    def loc(self, node: ast.AST, call_site: Loc | None = None) -> Loc:
        """Return the place of an AST node; those that carry none (`ast.arguments`) give an unknown place."""
        if not isinstance(
            node, (ast.expr, ast.stmt, ast.arg, ast.keyword, ast.alias, ast.excepthandler)
        ):
            return UNKNOWN
        line, end_line = (
            node.lineno + self.line_shift,
            (node.end_lineno or node.lineno) + self.line_shift,
        )
        col = self._column(line, node.col_offset)
        end_col = self._column(end_line, node.end_col_offset or node.col_offset)
        return Loc(self.file, line, col, end_line, end_col, self.name, call_site)

    def _column(self, line: int, offset: int) -> int:
        """AST columns count UTF-8 bytes; ours count characters."""
        text = linecache.getline(self.file, line)
        return len(text.encode()[:offset].decode(errors="ignore")) if not text.isascii() else offset


def parse_function(fn: Callable[..., Any]) -> Source:
    """Return the source of a Python function. Raises CompileError where there is none to read."""
    code = fn.__code__
    try:
        lines = _lines(fn)
    except OSError:
        raise CompileError(
            f"can't read the source of '{fn.__qualname__}'",
            hint="define the function in a file; code typed at a prompt or made by exec() keeps no source",
            loc=Loc(code.co_filename, code.co_firstlineno, func=fn.__name__),
        ) from None
    tree = _parse(lines)
    # One line was added above an indented function.
    shift = code.co_firstlineno - 1 - (1 if lines[0][:1].isspace() else 0)
    node = _find(tree, fn, shift)
    return Source(node, code.co_filename, shift, fn.__name__)


def _lines(fn: Callable[..., Any]) -> list[str]:
    """Return the lines of a function. Raises OSError where there are none.

    `inspect.getsourcelines` looks through all modules for the function's own, which takes longer
    than all else here.
    """
    code = fn.__code__
    linecache.checkcache(code.co_filename)
    lines = linecache.getlines(code.co_filename, fn.__globals__)
    if len(lines) < code.co_firstlineno:
        raise OSError("could not get source code")
    return inspect.getblock(lines[code.co_firstlineno - 1 :])


def _parse(lines: list[str]) -> ast.Module:
    text = "".join(lines)
    text = "if True:\n" + text if lines[0][:1].isspace() else text
    try:
        return ast.parse(text)
    except SyntaxError:
        # A lambda in the middle of an expression: its lines alone are not a statement.
        return ast.parse("\n" * 0 + _lambda_text(lines))


def _lambda_text(lines: list[str]) -> str:
    """Return the text from the first `lambda` on, cut where it parses."""
    text = "".join(lines)
    start = text.index("lambda") if "lambda" in text else 0
    pad = " " * start
    for end in range(len(text), start, -1):
        try:
            ast.parse(f"(\n{text[start:end]}\n)", mode="eval")
        except SyntaxError:
            continue
        return "(" + pad[1:] + text[start:end] + ")"
    raise CompileError("can't find the lambda in its source line", hint="use a def statement")


def _find(tree: ast.Module, fn: Callable[..., Any], shift: int) -> FunctionNode:
    code = fn.__code__
    if code.co_name == "<lambda>":
        return _find_lambda(tree, code, shift)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name == code.co_name:
            return node
    raise CompileError(
        f"can't compile '{fn.__qualname__}': only plain functions (def) are supported",
        hint="async functions and generators have no compiled form",
        loc=Loc(code.co_filename, code.co_firstlineno, func=fn.__name__),
    )


def _find_lambda(tree: ast.Module, code: CodeType, shift: int) -> ast.Lambda:
    """Return the lambda whose body stands where the code says."""
    places = set(code.co_positions())
    found = [n for n in ast.walk(tree) if isinstance(n, ast.Lambda)]
    for n in found:
        b = n.body
        first, last = b.lineno + shift, (b.end_lineno or b.lineno) + shift
        if len(found) == 1 or (first, last, b.col_offset, b.end_col_offset) in places:
            return n
    raise CompileError(
        "can't tell which lambda of this line is meant",
        hint="use a def statement",
        loc=Loc(code.co_filename, code.co_firstlineno, func="<lambda>"),
    )
