"""The stage `parsed`: a function's AST as an indented tree, one statement or operation a line.

4  FunctionDef f(x, n=2)
5    Assign targets=[y]
5      value: BinOp op=Mult left=x right=n
6    Return y
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from jitorch.errors import Loc
from jitorch.frontend.source import Source
from jitorch.ir.printer import Line

# What fits on the line of its parent, as source.
_SHORT = (ast.Name, ast.Constant, ast.Attribute)
_UNINTERESTING = ("ctx", "type_comment", "kind", "type_params", "type_ignores")


def parsed_lines(source: Source) -> list[Line]:
    """Return the tree of a function, each line with its place."""
    return list(_node(source.node, "", 0, source))


def _node(node: ast.AST, label: str, depth: int, source: Source) -> Iterator[Line]:
    """Yield the line of a node, then the lines of what does not fit on it."""
    words, below = [type(node).__name__], []
    for name, value in ast.iter_fields(node):
        if name in _UNINTERESTING:
            continue
        if isinstance(node, (ast.FunctionDef, ast.Lambda)) and name == "args":
            words.append(f"({ast.unparse(node.args)})")
        elif (text := _inline(value)) is not None:
            words += [f"{name}={text}"] if text else []
        else:
            below.append((name, value))
    loc = source.loc(node)
    number = str(loc.line) if loc.known else ""
    yield f"{number:>5}  {'  ' * depth}{label}{' '.join(words)}", Loc(loc.file, loc.line)
    for name, value in below:
        yield from _below(name, value, depth + 1, source)


def _below(name: str, value: object, depth: int, source: Source) -> Iterator[Line]:
    items = value if isinstance(value, list) else [value]
    for item in items:
        if isinstance(item, ast.AST):
            # Statements need no label: they stand in order below what they belong to.
            statement = isinstance(item, ast.stmt) and name == "body"
            yield from _node(item, "" if statement else f"{name}: ", depth, source)


def _inline(value: object) -> str | None:
    """Return a field as text if it fits on the line, "" for an empty one, None for the rest."""
    match value:
        case None | []:
            return ""
        case list():
            texts = [_inline(v) for v in value]
            return None if None in texts else f"[{', '.join(t or 'None' for t in texts)}]"
        case ast.expr() if _is_short(value):
            return ast.unparse(value)
        case ast.operator() | ast.unaryop() | ast.cmpop() | ast.boolop():
            return type(value).__name__
        case ast.AST():
            return None
    return str(value)


def _is_short(node: ast.expr) -> bool:
    return isinstance(node, _SHORT) and (
        not isinstance(node, ast.Attribute) or _is_short(node.value)
    )
