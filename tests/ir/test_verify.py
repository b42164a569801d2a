"""One malformed graph for each thing the verifier refuses."""

from __future__ import annotations

import numpy as np
import pytest

from jitorch.errors import VerifyError
from jitorch.ir.core import Attr, Block, Graph, Op, Value
from jitorch.ir.dims import symbol
from jitorch.ir.parser import parse
from jitorch.ir.types import BOOL, INT, TensorType, float32
from jitorch.ir.verify import verify

LOOP = "%i: int(i), %a: f32[n]"

# name: (what the message says, the body of `graph @f(%x: f32[n, 4], %v: f32[n], %c: bool, %k:
# int)`)
TEXTS: dict[str, tuple[str, str]] = {
    "unknown_op": ("there is no op 'frobnicate'", "%y: f32[n] = frobnicate(%v)"),
    "too_few_inputs": ("wrong inputs or attributes", "%y: f32[n] = add(%v)"),
    "too_many_inputs": ("wrong inputs or attributes", "%y: f32[n] = exp(%v, %v)"),
    "missing_attribute": (
        "missing a required argument: 'dim'",
        "%y: f32[n] = sum(%x) {keepdim=False}",
    ),
    "unknown_attribute": ("unexpected keyword argument 'speed'", "%y: f32[n] = exp(%v) {speed=2}"),
    "too_many_outputs": (
        "has 2 outputs where its rule gives 1",
        "%y: f32[n], %z: f32[n] = exp(%v)",
    ),
    "no_outputs": ("has 0 outputs where its rule gives 1", "exp(%v)"),
    "wrong_shape": ("result type f32[4] where its rule gives f32[n]", "%y: f32[4] = exp(%v)"),
    "wrong_dtype": ("result type f64[n] where its rule gives f32[n]", "%y: f64[n] = exp(%v)"),
    "wrong_rank": ("result type f32[] where its rule gives f32[n]", "%y: f32[] = exp(%v)"),
    "wrong_layout": ("result type f32[n; strided] where", "%y: f32[n; strided] = exp(%v)"),
    "wrong_kind": ("result type bool where its rule gives f32[n]", "%y: bool = exp(%v)"),
    "shapes_do_not_fit": ("must match the size", "%y: f32[n, 4] = add(%x, %v)"),
    "known_size_for_an_open_one": (
        "result type i64[n, 1] where its rule gives i64[_, 1]",
        "%y: i64[n, 1] = nonzero(%v)",
    ),
    "open_size": ("leaves a size open", "%y: i64[_, 1] = nonzero(%v)"),
    "size_not_bound_in_type": (
        "size 'q' in type f32[2*q] is not bound",
        "%y: f32[n] = loop(%k, %c, %v) (%i: int(i), %a: f32[2*q]) { yield %c, %a }",
    ),
    "size_not_bound_in_attribute": (
        "size 'q' in attribute 'value' is not bound",
        "%y: int = dim() {value=q + 1}",
    ),
    "size_called_like_a_dtype": ("is no name for a size", "%y: i64[max, 1] = nonzero(%v)"),
    "size_bound_twice": (
        "size 'u' is bound in two blocks",
        "if(%c) () { %y: i64[u, 1] = nonzero(%v)\n yield } "
        "() { %y: i64[u, 1] = nonzero(%v)\n yield }",
    ),
    "negative_size": (
        "size -1 in type f32[-1] is negative",
        "%y: f32[-1] = undefined() {dtype=f32, shape=(-1,)}",
    ),
    "blocks_on_a_plain_op": ("takes no blocks", "%y: f32[n] = exp(%v) () { yield %v }"),
    "attributes_on_an_if": (
        "takes no attributes, has likely",
        "if(%c) {likely=True} () { yield } () { yield }",
    ),
    "if_without_condition": ("takes one bool condition", "if() () { yield } () { yield }"),
    "if_of_a_tensor": ("takes one bool condition", "if(%v) () { yield } () { yield }"),
    "if_with_one_block": ("takes two blocks, has 1", "if(%c) () { yield }"),
    "if_with_parameters": (
        "branches take no parameters",
        "if(%c) (%q: int) { yield } () { yield }",
    ),
    "if_yields_too_few": (
        "a branch yields 0 values for 1 outputs",
        "%y: f32[n] = if(%c) () { yield %v } () { yield }",
    ),
    "if_yields_other_type": (
        "a branch yields f32[n, 4] for",
        "%y: f32[n] = if(%c) () { yield %v } () { yield %x }",
    ),
    "if_yields_strided": (
        "a branch yields f32[4, n; strided] for an output of type f32[4, n]",
        "%t: f32[4, n; strided] = permute(%x) {dims=(1, 0)}\n"
        "%y: f32[4, n] = if(%c) () { yield %t } () { yield %t }",
    ),
    "loop_without_trips": ("takes a trip count", "loop(%c) (%i: int(i)) { yield %c }"),
    "loop_with_two_blocks": (
        "takes one block, has 2",
        "loop(%k, %c) (%i: int(i)) { yield %c } () { yield }",
    ),
    "loop_without_index": (
        "its body takes the index (int) and 1 carried",
        "%y: f32[n] = loop(%k, %c, %v) (%a: f32[n]) { yield %c, %a }",
    ),
    "loop_without_condition": (
        "its body yields a condition",
        f"%y: f32[n] = loop(%k, %c, %v) ({LOOP}) {{ yield %a }}",
    ),
    "loop_without_output": (
        "has 0 outputs for 1 carried values",
        f"loop(%k, %c, %v) ({LOOP}) {{ yield %c, %a }}",
    ),
    "loop_starts_from_other_type": (
        "carries a f32[n, 4] into",
        f"%y: f32[n] = loop(%k, %c, %x) ({LOOP}) {{ yield %c, %a }}",
    ),
    "loop_yields_other_type": (
        "its body yields a f32[n, 4] for",
        f"%y: f32[n] = loop(%k, %c, %v) ({LOOP}) {{ yield %c, %x }}",
    ),
    "loop_ends_in_other_type": (
        "has an output of type f32[4] for a carried f32[n]",
        f"%y: f32[4] = loop(%k, %c, %v) ({LOOP}) {{ yield %c, %a }}",
    ),
    "loop_changes_a_known_size": (
        "its body yields a f32[2*n] for a parameter of type f32[n]",
        f"%y: f32[n] = loop(%k, %c, %v) ({LOOP}) {{\n"
        "  %b: f32[2*n] = cat(%a, %a) {dim=0}\n yield %c, %b }",
    ),
    "fused_with_two_blocks": ("takes one block, has 2", "fused() () { yield } () { yield }"),
    "fused_parameters_differ": (
        "its parameters differ in type",
        "%y: f32[n] = fused(%v) (%a: f32[4]) { yield %v }",
    ),
    "fused_results_differ": (
        "yields values that differ in type",
        "%y: f32[n] = fused(%x) (%a: f32[n, 4]) { yield %a }",
    ),
    "fused_side_effect": (
        "holds an op with side effects",
        'fused(%v) (%a: f32[n]) { print(%a) {sep=" ", end=""}\n yield }',
    ),
    "assign_to_no_parameter": (
        "not a parameter of the graph",
        "%y: f32[n] = exp(%v)\n assign(%y, %v)",
    ),
}


@pytest.mark.parametrize("name", TEXTS)
def test_malformed_text_is_refused(name: str) -> None:
    message, body = TEXTS[name]
    graph = parse(
        f"graph @f(%x: f32[n, 4], %v: f32[n], %c: bool, %k: int) {{\n {body}\n return %v\n}}"
    )
    with pytest.raises(VerifyError) as caught:
        verify(graph)
    assert message in str(caught.value)


def test_every_complaint_is_its_own() -> None:
    messages = [message for message, _ in TEXTS.values()]
    assert len(set(messages)) >= 30


V = Value(TensorType(float32, (symbol("n"),)), "v")
C = Value(BOOL, "c")


def graph(*ops: Op, params: tuple[Value, ...] = (V, C), results: tuple[Value, ...] = ()) -> Graph:
    return Graph("f", Block(params, ops, results))


def exp(x: Value, **attrs: object) -> Op:
    given: dict[str, Attr] = attrs  # type: ignore[assignment]
    return Op("exp", (x,), (Value(x.type),), given)


FIRST = exp(V)
SECOND = exp(FIRST.output)
INSIDE = exp(V)
BRANCH = Op("if", (C,), (), {}, (Block((), (INSIDE,), ()), Block((), (), ())))

# What the parser would refuse, or no text can say: what the message says, and the graph.
GRAPHS: dict[str, tuple[str, Graph]] = {
    "used_before_definition": ("used before it is defined", graph(SECOND, FIRST)),
    "used_outside_its_block": (
        "used outside the block that defines it",
        graph(BRANCH, exp(INSIDE.output)),
    ),
    "result_outside_its_block": ("used outside the block", graph(BRANCH, results=(INSIDE.output,))),
    "op_twice": ("is defined twice", graph(FIRST, FIRST)),
    "parameter_twice": ("'v' is defined twice", graph(params=(V, V))),
    "array_attribute": ("attribute 'a' is a ndarray", graph(exp(V, a=np.zeros(2)))),
    "numpy_attribute": ("attribute 'a' is a float64", graph(exp(V, a=np.float64(1)))),
    "list_in_tuple_attribute": ("attribute 'a' is a tuple", graph(exp(V, a=([1],)))),
    "attribute_without_name": (
        "'no name' is no name for an attribute",
        graph(exp(V, **{"no name": 1})),
    ),
    "constraint_of_unknown_size": (
        "size 'q' in a constraint is not bound by a parameter",
        Graph("f", Block((V,), (), ()), ((symbol("n"), symbol("q")),)),
    ),
    "constraint_that_fails": ("3 == 4 can't hold", Graph("f", Block((V,), (), ()), ((3, 4),))),
    "constraint_of_one": ("must be two sizes", Graph("f", Block((V,), (), ()), ((3,),))),  # type: ignore[arg-type]
    "own_output_in_a_branch": (
        "used before it is defined",
        graph(Op("if", (C,), (INT_OUT := Value(INT),), {}, (Block((), (), (INT_OUT,)),) * 2)),
    ),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_malformed_graph_is_refused(name: str) -> None:
    message, malformed = GRAPHS[name]
    with pytest.raises(VerifyError) as caught:
        verify(malformed)
    assert message in str(caught.value)


GOOD = """graph @f(%x: f32[n, 4], %y: f32[m, 4], %k: int(k)) where (n == 2*m) {
  %true: bool = constant() {value=True}
  %c: f32[2*m, 4] = cat(%y, %y) {dim=0}
  %s: f32[n, 4] = add(%x, %c)
  %nz: i64[u, 2] = nonzero(%s)
  %z: i64[w, 2] = loop(%k, %true, %nz) (%i: int(i), %a: i64[p, 2]) {
    %b: i64[2*p, 2] = cat(%a, %a) {dim=0}
    yield %true, %b
  }
  %len: int(w + k) = dim() {value=w + k}
  return %z, %len
}"""


def test_symbols_constraints_and_growing_loops_pass() -> None:
    verify(parse(GOOD))


def test_the_complaint_shows_the_place() -> None:
    text = GOOD.replace("%s: f32[n, 4] = add", "%s: f32[n, 5] = add")
    with pytest.raises(VerifyError, match=r"(?m)^> +%s: f32\[n, 5\] = add\(%x, %c\)$"):
        verify(parse(text))
