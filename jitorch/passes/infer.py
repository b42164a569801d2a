"""Make types as exact as what is known by now allows.

Every op's type rule runs again, on the types that its inputs have now. Sizes that the front end
left open and that turn out to be known (both branches give the same, a loop never changes it) are
replaced throughout. Constraints that have become trivial go. Symbols without a name fit to read get
one: n, m, k, ...

    graph @f(%x: f32[s_0], %c: bool) where (s_0 == s_0) {      graph @f(%x: f32[n], %c: bool) {
      %y: f32[u0] = if(%c) () {                                  %y: f32[n] = if(%c) () {
        %0: f32[s_0] = exp(%x)                                     %0: f32[n] = exp(%x)
        yield %0                                         ->        yield %0
      } () {                                                     } () {
        yield %x                                                   yield %x
      }                                                          }
      return %y                                                  return %y
    }                                                          }
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from jitorch.errors import CompileError
from jitorch.ir.alias import items
from jitorch.ir.core import Graph, Op, Value
from jitorch.ir.dims import Dim, symbol, symbols, using_facts
from jitorch.ir.facts import OPEN, all_symbols, bound_by, definitions, facts_of, plain, type_symbols
from jitorch.ir.opdef import result_types
from jitorch.ir.rebuild import rebuild, substitute_dims
from jitorch.ir.types import ScalarType, TensorType, Type

_ROUNDS = 10  # each makes at least one type more exact; nested loops seldom need three


def infer(graph: Graph) -> Graph:
    """Return the graph with the most exact types, and symbols that read well."""
    kept = tuple((a, b) for a, b in graph.constraints if a != b)
    if kept != graph.constraints:
        graph = replace(graph, constraints=kept)
    return _named(refine(graph))


def refine(graph: Graph) -> Graph:
    """Return the graph with every type worked out again from those of the parameters."""
    for _ in range(_ROUNDS):
        with using_facts(facts_of(graph)):
            refined = substitute_dims(_retyped(graph), _solved(graph))
        if refined is graph:
            break
        graph = refined
    return graph


def _retyped(graph: Graph) -> Graph:
    binder = bound_by(graph)
    fixed = set(items(graph.walk()))

    def visit(op: Op) -> Op:
        if op.blocks:
            types: tuple[Type, ...] = _block_types(op)
        else:
            try:
                types = result_types(op.name, [v.type for v in op.inputs], op.attrs)
            except CompileError:
                return op  # not before symbols found equal are replaced, in the next round
        pairs = zip(op.outputs, types, strict=True)
        outputs = tuple(_exact(v, t, binder, v in fixed) for v, t in pairs)
        return op if outputs == op.outputs else replace(op, outputs=outputs)

    return rebuild(graph, visit)


def _block_types(op: Op) -> tuple[Type, ...]:
    """Return the outputs' types; those of an `if` are contiguous where both branches are."""
    if op.name != "if":
        return tuple(v.type for v in op.outputs)
    then, otherwise = (b.results for b in op.blocks)
    return tuple(
        replace(v.type, strided=a.type.strided or b.type.strided)
        if isinstance(v.type, TensorType)
        and isinstance(a.type, TensorType)
        and isinstance(b.type, TensorType)
        else v.type
        for v, a, b in zip(op.outputs, then, otherwise, strict=True)
    )


def _exact(v: Value, rule: Type, binder: dict[str, Value], fixed: bool) -> Value:
    """Return `v`, or one of the type that its rule gives where that says more.

    Where `fixed`, the layout stays, since the items of a list have one.
    """

    def better(declared: Dim, found: Dim) -> Dim:
        name = plain(declared)
        fresh = name is not None and binder.get(name) is v
        return found if fresh and str(OPEN) not in symbols(found) else declared

    t = v.type
    if isinstance(t, TensorType) and isinstance(rule, TensorType):
        shape = tuple(map(better, t.shape, rule.shape))
        new: Type = replace(t, shape=shape, strided=t.strided if fixed else rule.strided)
    elif (
        isinstance(t, ScalarType)
        and isinstance(rule, ScalarType)
        and rule.value not in (None, OPEN)
    ):
        assert rule.value is not None
        new = replace(t, value=rule.value if t.value is None else better(t.value, rule.value))
    else:
        return v
    return v if new == t else Value(new, v.hint)


def _solved(graph: Graph) -> dict[str, Dim]:
    """Return the sizes of branches' and loops' results that turn out to be known."""
    binder = bound_by(graph)
    solved: dict[str, Dim] = {}
    for op in graph.walk():
        inside = {v for b in op.blocks for v in definitions(b)}
        for v, sources in _meetings(op):
            for i, declared in enumerate(_dims(v.type)):
                name = None if declared is None else plain(declared)
                if name is None or binder[name] is not v:
                    continue
                found = {_dims(s.type)[i] for s in sources} - {declared}
                if len(found) == 1 and None not in found:
                    (d,) = found
                    assert d is not None
                    if not any(binder[s] in inside for s in symbols(d)):
                        solved[name] = d
    return solved


def _meetings(op: Op) -> Iterator[tuple[Value, list[Value]]]:
    """Yield each value that a structured op defines with the values that it may be."""
    if op.name == "if":
        for v, a, b in zip(op.outputs, *(b.results for b in op.blocks), strict=True):
            yield v, [a, b]
    elif op.name == "loop":
        (body,) = op.blocks
        for param, init, result in zip(
            body.params[1:], op.inputs[2:], body.results[1:], strict=True
        ):
            yield param, [init, result]
        for out, param in zip(op.outputs, body.params[1:], strict=True):
            yield out, [param]


def _dims(t: Type) -> tuple[Dim | None, ...]:
    if isinstance(t, TensorType):
        return t.shape
    return (t.value,) if isinstance(t, ScalarType) and t.kind == "int" else ()


def _named(graph: Graph) -> Graph:
    """Give symbols that no person would have named so the usual letters, as they appear."""
    used = all_symbols(graph)
    letters = (c for c in "nmkpqrstvw" if c not in used)
    names: dict[str, Dim] = {}
    for name in (s for v in definitions(graph.block) for s in type_symbols(v.type)):
        if name not in names and not re.fullmatch("[A-Za-z][A-Za-z0-9]*", name):
            names[name] = symbol(next(letters, None) or _numbered(used))
    return substitute_dims(graph, names)


def _numbered(used: set[str]) -> str:
    name = next(f"d{i}" for i in range(len(used) + 1) if f"d{i}" not in used)
    used.add(name)
    return name
