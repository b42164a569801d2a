"""Graph -> Graphviz: ops are nodes, values are edges, inner blocks are clusters."""

from __future__ import annotations

from jitorch.ir.core import Block, Graph, Op, Value
from jitorch.ir.printer import print_attr


def to_dot(graph: Graph) -> str:
    """Return the graph in Graphviz's language: `dot -Tsvg` draws it."""
    return "\n".join(_Drawing(graph).lines)


class _Drawing:
    def __init__(self, graph: Graph) -> None:
        self.source: dict[Value, str] = {}
        self.count = 0
        self.lines = [
            f'digraph "{graph.name}" {{',
            '  node [shape=box, fontname="monospace"]',
            "  rankdir=TB",
        ]
        self.block(graph.block, "return", "  ")
        self.lines.append("}")

    def node(self, label: str, indent: str, style: str = "") -> str:
        name = f"n{self.count}"
        self.count += 1
        self.lines.append(f"{indent}{name} [label={_quote(label)}{style}]")
        return name

    def edges(self, values: tuple[Value, ...], target: str, indent: str) -> None:
        for v in values:
            label = _quote(f"{v.hint}: {v.type}" if v.hint else str(v.type))
            self.lines.append(f"{indent}{self.source[v]} -> {target} [label={label}]")

    def block(self, block: Block, end: str, indent: str) -> str:
        """Draw a block and return the node of its end."""
        for v in block.params:
            self.source[v] = self.node(v.hint or "param", indent, ", shape=ellipse")
        for op in block.ops:
            self.op(op, indent)
        name = self.node(end, indent, ", shape=ellipse")
        self.edges(block.results, name, indent)
        return name

    def op(self, op: Op, indent: str) -> None:
        attrs = "".join(f"\n{k}={print_attr(a)}" for k, a in op.attrs.items())
        name = self.node(op.name + attrs, indent)
        self.edges(op.inputs, name, indent)
        for i, inner in enumerate(op.blocks):
            self.lines.append(f"{indent}subgraph cluster_{name}_{i} {{")
            self.lines.append(f"{indent}  label={_quote(_role(op, i))}")
            end = self.block(inner, "yield", indent + "  ")
            self.lines.append(f"{indent}}}")
            self.lines.append(f"{indent}{end} -> {name} [style=dashed]")
        for v in op.outputs:
            self.source[v] = name


def _role(op: Op, i: int) -> str:
    return ("then", "else")[i] if op.name == "if" else op.name


def _quote(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
