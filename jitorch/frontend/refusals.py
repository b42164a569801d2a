"""Constructs that have no compiled form, and what to write instead."""

from __future__ import annotations

import ast

from jitorch.errors import UnsupportedSyntax

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
    what, hint = _HINTS.get(
        type(node), (f"{type(node).__name__} is", "write it with the supported constructs")
    )
    return UnsupportedSyntax(f"{what} not supported in @script", hint=hint)
