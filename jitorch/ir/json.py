"""Graph -> JSON: the graph as plain dicts and lists, for other programs to read.

    graph   {"name", "constraints": [[size, size]]}, and what a block has
    block   {"params": [value], "ops": [op], "results": [name]}
    op      {"op", "inputs": [name], "outputs": [value], "attrs": {name: attr}, "blocks": [block],
             "loc": loc}
    value   {"name": "%x", "hint": "x", "type": type}
    type    {"text": "f32[n, 4]", "kind": "tensor", "dtype": "f32", "shape": [size],
             "strided": false, "device": "cpu"}; kind "tuple" has "items", "list" has "item",
             "int" has "value": the size that it equals, or null
    size    a number, or the text of an expression such as "n + 1"
    attr    as in JSON; {"size": "n"}, {"dtype": "f32"}, {"float": "nan"}, {"complex": [re, im]}
    loc     {"file", "line", "column", "end_line", "end_column", "function",
             "call_site": loc}; or null

Names are those of the graph's text.
"""

from __future__ import annotations

import math
from typing import Any

from jitorch.errors import Loc
from jitorch.ir.core import Attr, Block, Graph, Op, Value
from jitorch.ir.dims import Dim, Sym
from jitorch.ir.printer import Names
from jitorch.ir.types import DType, ListType, ScalarType, TensorType, TupleType, Type


def to_json(graph: Graph) -> dict[str, Any]:
    """Return the graph as dicts, lists, strings and numbers that `json.dumps` takes."""
    names = Names()
    block = _block(graph.block, names)
    constraints = [[_size(a), _size(b)] for a, b in graph.constraints]
    return {"name": graph.name, "constraints": constraints, **block}


def _block(block: Block, names: Names) -> dict[str, Any]:
    return {
        "params": [_value(v, names) for v in block.params],
        "ops": [_op(op, names) for op in block.ops],
        "results": [names.of[v] for v in block.results],
    }


def _op(op: Op, names: Names) -> dict[str, Any]:
    outputs = [_value(v, names) for v in op.outputs]  # named before what is inside, as in the text
    return {
        "op": op.name,
        "inputs": [names.of[v] for v in op.inputs],
        "outputs": outputs,
        "attrs": {k: _attr(v) for k, v in op.attrs.items()},
        "blocks": [_block(b, names) for b in op.blocks],
        "loc": _loc(op.loc),
    }


def _value(v: Value, names: Names) -> dict[str, Any]:
    return {"name": names.define(v), "hint": v.hint, "type": _type(v.type)}


def _type(t: Type) -> dict[str, Any]:
    match t:
        case TensorType():
            rest: dict[str, Any] = {
                "kind": "tensor",
                "dtype": t.dtype.tag,
                "shape": [_size(d) for d in t.shape],
                "strided": t.strided,
                "device": t.device,
            }
        case ScalarType(kind="int"):
            rest = {"kind": "int", "value": None if t.value is None else _size(t.value)}
        case ScalarType():
            rest = {"kind": t.kind}
        case TupleType():
            rest = {"kind": "tuple", "items": [_type(i) for i in t.items]}
        case ListType():
            rest = {"kind": "list", "item": _type(t.item)}
    return {"text": str(t), **rest}


def _size(d: Dim) -> int | str:
    return str(d) if isinstance(d, Sym) else d


def _attr(value: Attr) -> Any:
    match value:
        case tuple():
            return [_attr(v) for v in value]
        case DType():
            return {"dtype": value.tag}
        case Sym():
            return {"size": str(value)}
        case complex():
            return {"complex": [_attr(value.real), _attr(value.imag)]}
        case float() if not math.isfinite(value):
            return {"float": repr(value)}
    return value


def _loc(loc: Loc | None) -> dict[str, Any] | None:
    if loc is None or not loc.known:
        return None
    return {
        "file": loc.file,
        "line": loc.line,
        "column": loc.col,
        "end_line": loc.end_line,
        "end_column": loc.end_col,
        "function": loc.func,
        "call_site": _loc(loc.call_site),
    }
