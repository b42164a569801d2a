"""The walk that passes share, what a graph says about sizes, and its drawing."""

from __future__ import annotations

from jitorch.ir.alias import escaping
from jitorch.ir.core import Graph, Op, Value
from jitorch.ir.dims import symbol
from jitorch.ir.facts import bound_by, facts_of
from jitorch.ir.parser import parse
from jitorch.ir.rebuild import Rewrite, inline, rebuild, rename_dims, substitute_dims
from jitorch.ir.verify import verify

GRAPH = """graph @f(%x: f32[n], %c: bool) {
  %0: f32[n] = exp(%x)
  %y: f32[n] = if(%c) () {
    %1: f32[n] = neg(%0)
    %2: f32[n] = neg(%1)
    yield %2
  } () {
    %3: f32[n] = abs(%x)
    yield %3
  }
  return %y
}"""


def test_what_is_left_alone_keeps_its_identity() -> None:
    graph = parse(GRAPH)
    assert rebuild(graph, lambda op: op) is graph

    def drop_neg(op: Op) -> Rewrite:
        return ([], op.inputs) if op.name == "neg" else op

    changed = rebuild(graph, drop_neg)
    exp, branch = graph.block.ops
    new_exp, new_branch = changed.block.ops
    assert new_exp is exp
    assert new_branch.blocks[0] is not branch.blocks[0]
    assert new_branch.blocks[1] is branch.blocks[1]
    assert new_branch.blocks[0].results == exp.outputs


def test_a_more_exact_value_replaces_the_symbols_of_the_old() -> None:
    graph = parse(
        """graph @f(%x: f32[n], %y: f32[3]) {
          %0: i64[u, 1] = nonzero(%x)
          %1: i64[w, 1] = nonzero(%y)
          %2: i64[w, 1] = neg(%1)
          %3: int(2*w) = dim() {value=2*w}
          return %2, %3
        }"""
    )
    first = graph.block.ops[0]

    def merge(op: Op) -> Rewrite:
        return ([], first.outputs) if op.name == "nonzero" and op is not first else op

    merged = rebuild(graph, merge)
    verify(merged)
    assert [str(v.type) for v in merged.results] == ["i64[u, 1]", "int(2*u)"]


def test_sizes_are_replaced_all_the_way() -> None:
    graph = parse("graph @f(%x: f32[a], %y: f32[b], %z: f32[c]) where (a == c) { return %x }")
    new = substitute_dims(graph, {"a": symbol("b"), "b": symbol("c")})
    assert str(new) == "graph @f(%x: f32[c], %y: f32[c], %z: f32[c]) {\n  return %x\n}"


def test_symbols_are_renamed_all_at_once() -> None:
    graph = parse("graph @f(%x: f32[a, b], %y: f32[b, c]) { return %x }")
    new = rename_dims(graph, {"a": symbol("b"), "b": symbol("a"), "c": symbol("d")})
    assert str(new) == "graph @f(%x: f32[b, a], %y: f32[a, d]) {\n  return %x\n}"


def test_inlining_makes_new_values() -> None:
    body = parse(GRAPH).block
    x, c = Value(body.params[0].type, "a"), Value(body.params[1].type, "b")
    ops, results = inline(body, (x, c))
    assert ops[0].inputs == (x,)
    assert results == ops[1].outputs
    old = {v for op in body.ops for v in op.outputs}
    assert old.isdisjoint(v for op in ops for v in op.outputs)


def test_symbols_are_bound_where_they_first_stand_alone() -> None:
    graph = parse(
        """graph @f(%a: f32[2*n], %b: f32[n, n], %k: int(k)) {
          %0: i64[u, 1] = nonzero(%a)
          return %0
        }"""
    )
    names = {s: v.hint or "0" for s, v in bound_by(graph).items()}
    assert names == {"n": "b", "k": "k", "u": "0"}


def test_facts_follow_from_constraints_and_assumptions() -> None:
    graph = parse(
        """graph @f(%a: f32[n], %b: f32[m], %c: f32[k]) where (n == 2*m) {
          assume() {left=k, right=n}
          return %a
        }"""
    )
    facts = facts_of(graph)
    n, m, k = symbol("n"), symbol("m"), symbol("k")
    assert facts.equal(k, 2 * m)
    assert facts.equal(k + 1, n + 1)
    assert facts.at_least(n, 2 * m - 1)
    assert not facts.equal(n, m)
    assert facts.at_least(n, m) is None


def test_views_lists_and_control_flow_let_memory_escape() -> None:
    graph = parse(
        """graph @f(%x: f32[n, 4], %c: bool, %k: int) {
          %inside: f32[n, 4] = exp(%x)
          %base: f32[n, 4] = exp(%inside)
          %view: f32[4, n; strided] = permute(%base) {dims=(1, 0)}
          %item: f32[n, 4] = exp(%x)
          %list: list[f32[n, 4]] = list(%item)
          %start: f32[n, 4] = exp(%x)
          %y: f32[n, 4] = loop(%k, %c, %start) (%i: int(i), %a: f32[n, 4]) {
            %next: f32[n, 4] = exp(%a)
            yield %c, %next
          }
          %z: f32[n, 4] = if(%c) () {
            yield %y
          } () {
            yield %x
          }
          return %view, %list, %z
        }"""
    )
    names = {v.hint for v in escaping(graph)}
    assert {"base", "item", "start", "next", "y", "z", "x"} <= names
    assert "inside" not in names


def drawn() -> tuple[Graph, str]:
    graph = parse(GRAPH)
    return graph, graph.to_dot()


def test_the_drawing_has_a_node_for_each_op_and_a_cluster_for_each_block() -> None:
    graph, text = drawn()
    assert text.startswith('digraph "f" {')
    assert text.count("subgraph cluster_") == 2
    for op in graph.walk():
        assert f'[label="{op.name}"]' in text
    assert text.count("{") == text.count("}")
