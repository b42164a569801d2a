"""Graph -> text. The text is total: `parse(print_graph(g))` prints the same."""

from __future__ import annotations

import math
import re

from jitorch.errors import UNKNOWN, Loc
from jitorch.ir.core import Attr, Block, Graph, Op, Value
from jitorch.ir.types import DType

Line = tuple[str, Loc]


def print_graph(graph: Graph, *, locations: bool = False) -> str:
    """Return the graph as text; with `locations`, each op ends with `# file:line`, a comment."""
    lines = located_lines(graph)
    return "\n".join(f"{text}  # {loc}" if locations and loc.known else text for text, loc in lines)


def located_lines(graph: Graph, names: Names | None = None) -> list[Line]:
    """Return the lines of the graph's text, each with the place of the op that begins on it.

    `names`, kept from one stage of a function to the next, gives a value the same name in all of
    them.
    """
    names = names or Names()
    names.begin()
    where = ""
    if graph.constraints:
        where = (
            " where (" + ", ".join(" == ".join(map(str, pair)) for pair in graph.constraints) + ")"
        )
    head = f"graph @{_identifier(graph.name)}({names.params(graph.params)}){where} {{"
    return [(head, UNKNOWN), *_body(graph.block, names, "return", "  "), ("}", UNKNOWN)]


class Names:
    """Gives each value a name: the user's where free, numbered otherwise."""

    def __init__(self) -> None:
        self.of: dict[Value, str] = {}
        self.earlier: dict[Value, str] = {}
        self.taken: set[str] = set()
        self.count = 0

    def begin(self) -> None:
        """Begin a graph: names given in graphs before it stay with their values."""
        self.earlier.update(self.of)
        self.of = {}

    def define(self, v: Value) -> str:
        """Return the name of a value that is being defined."""
        if v in self.earlier:
            self.of[v] = self.earlier[v]
            return self.of[v]
        # What the parser would take for a number or a suffix is left out, so that text comes back
        # the same.
        name = re.sub(r"\W", "_", v.hint.split(".")[0])
        name = "" if name.isdigit() else name
        if name in self.taken and name:
            suffix = 1
            while f"{name}.{suffix}" in self.taken:
                suffix += 1
            name = f"{name}.{suffix}"
        while not name or name in self.taken:
            name, self.count = str(self.count), self.count + 1
        self.taken.add(name)
        self.of[v] = "%" + name
        return self.of[v]

    def params(self, values: tuple[Value, ...]) -> str:
        """Define parameters and return their text."""
        return ", ".join(f"{self.define(v)}: {v.type}" for v in values)

    def uses(self, values: tuple[Value, ...]) -> str:
        """Return the text of values that are used."""
        return ", ".join(self.of.get(v, "%<undefined>") for v in values)


def _identifier(name: str) -> str:
    """Return a graph's name as the text can hold it (`<lambda>` is none)."""
    plain = re.sub(r"\W", "_", name)
    return plain if plain.isidentifier() else f"_{plain}"


def _body(block: Block, names: Names, end: str, indent: str) -> list[Line]:
    lines: list[Line] = []
    for op in block.ops:
        lines += _op(op, names, indent)
    results = names.uses(block.results)
    return [*lines, (f"{indent}{end} {results}" if results else f"{indent}{end}", UNKNOWN)]


def _op(op: Op, names: Names, indent: str) -> list[Line]:
    # The outputs are named first so that numbers rise down the page, but an inner block must not
    # see them.
    head = ", ".join(f"{names.define(v)}: {v.type}" for v in op.outputs)
    text = f"{indent}{head}{' = ' if head else ''}{op.name}({names.uses(op.inputs)})"
    if op.attrs:
        text += " {" + ", ".join(f"{k}={print_attr(v)}" for k, v in op.attrs.items()) + "}"
    if not op.blocks:
        return [(text, op.loc)]
    lines: list[Line] = []
    for i, block in enumerate(op.blocks):
        opening = f"({names.params(block.params)}) {{"
        lines.append(
            (f"{text} {opening}", op.loc) if i == 0 else (f"{indent}}} {opening}", UNKNOWN)
        )
        lines += _body(block, names, "yield", indent + "  ")
    return [*lines, (f"{indent}}}", UNKNOWN)]


def print_attr(value: Attr) -> str:
    """Return an attribute's text: a key, since it tells 1, 1.0, True, 0.0 and -0.0 apart."""
    match value:
        case tuple():
            items = ", ".join(print_attr(v) for v in value)
            return f"({items},)" if len(value) == 1 else f"({items})"
        case DType():
            return value.tag
        case float() if not math.isfinite(value):
            return {math.inf: "inf", -math.inf: "-inf"}.get(value, "nan")
        case complex():
            return f"complex({value.real!r}, {value.imag!r})"
        case str():
            return _quote(value)
        case bool() | int() | float() | None:
            return repr(value)
    return str(value)


def _quote(text: str) -> str:
    escaped = text.encode("unicode_escape").decode("ascii").replace('"', '\\"')
    return f'"{escaped}"'
