"""Graphs as JSON."""

from __future__ import annotations

import json

from jitorch.errors import Loc
from jitorch.ir.core import Attr, Block, Graph, Op, Value
from jitorch.ir.dims import symbol
from jitorch.ir.json import to_json
from jitorch.ir.parser import parse
from jitorch.ir.types import FLOAT, float32


def test_names_are_those_of_the_text() -> None:
    graph = parse(
        "graph @f(%x: f32[n], %k: int(m)) where (n == m) {\n"
        "  %0: f32[n] = exp(%x)\n"
        "  %1: list[f32[n]] = list_of(%0)\n"
        "  return %0, %x\n}"
    )
    made = to_json(graph)
    assert made["name"] == "f"
    assert made["constraints"] == [["n", "m"]]
    assert [p["name"] for p in made["params"]] == ["%x", "%k"]
    assert made["params"][1]["type"] == {"text": "int(m)", "kind": "int", "value": "m"}
    assert made["ops"][0]["inputs"] == ["%x"]
    assert made["ops"][1]["outputs"][0]["type"]["item"]["shape"] == ["n"]
    assert made["results"] == ["%0", "%x"]
    assert json.loads(json.dumps(made, allow_nan=False)) == made


def test_attributes_keep_their_kind() -> None:
    attrs: dict[str, Attr] = {
        "dtype": float32,
        "size": symbol("n"),
        "nan": float("nan"),
        "low": -float("inf"),
        "z": complex(1, float("inf")),
        "dims": (0, None, True, "a"),
    }
    call = Loc("f.py", 9, func="outer")
    op = Op("constant", (), (Value(FLOAT),), attrs, (), Loc("g.py", 3, 4, 3, 9, "inner", call))
    (made,) = to_json(Graph("f", Block((), (op,), op.outputs)))["ops"]
    assert made["attrs"] == {
        "dtype": {"dtype": "f32"},
        "size": {"size": "n"},
        "nan": {"float": "nan"},
        "low": {"float": "-inf"},
        "z": {"complex": [1.0, {"float": "inf"}]},
        "dims": [0, None, True, "a"],
    }
    assert (made["loc"]["line"], made["loc"]["column"]) == (3, 4)
    assert made["loc"]["call_site"]["function"] == "outer"
    assert made["loc"]["call_site"]["call_site"] is None


def test_blocks_see_values_around_them() -> None:
    graph = parse(
        "graph @f(%c: bool, %x: f32[n]) {\n"
        "  %y: f32[n] = if(%c) () {\n    %t: f32[n] = exp(%x)\n    yield %t\n  }"
        " () {\n    yield %x\n  }\n"
        "  return %y\n}"
    )
    (op,) = to_json(graph)["ops"]
    then, otherwise = op["blocks"]
    assert then["ops"][0]["inputs"] == ["%x"]
    assert otherwise["results"] == ["%x"]
