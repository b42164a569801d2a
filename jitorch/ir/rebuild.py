"""The one walk that passes share: a new graph, op by op, with values replaced.

What a pass leaves alone keeps its identity: an op whose inputs did not change is the same object, a
block without changes too, so a pass that finds nothing to do returns the graph it got.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Union

from jitorch.ir.core import Attr, Block, Graph, Op, Value
from jitorch.ir.dims import Dim, Sym, substitute
from jitorch.ir.facts import plain
from jitorch.ir.types import ScalarType, TensorType, TupleType, Type, substitute_type

# What a visitor makes of an op: the op (perhaps changed) to keep it, or ops (perhaps none) to put
# in its place with values for its outputs.
Rewrite = Union[Op, tuple[list[Op], Sequence[Value]]]
Visit = Callable[[Op], Rewrite]


class Scope:
    """What replaces what in one rebuild: old value -> new value, and symbol -> size."""

    def __init__(self, initial: Mapping[Value, Value] | None = None) -> None:
        self.new: dict[Value, Value] = {}
        self.sizes: dict[str, Dim] = {}
        for old, new in (initial or {}).items():
            self.put(old, new)

    def __getitem__(self, v: Value) -> Value:
        return self.new.get(v, v)

    def all(self, values: Sequence[Value]) -> tuple[Value, ...]:
        """Return the values with the replaced ones put in."""
        return tuple(self.new.get(v, v) for v in values)

    def put(self, old: Value, new: Value) -> None:
        """Let `new` stand for `old`, and its sizes for the symbols that `old` binds."""
        if old is not new:
            self.new[old] = new
            for name, d in bindings(old.type, new.type).items():
                self.sizes[name] = substitute(d, self.sizes)


def bindings(declared: Type, actual: Type) -> dict[str, Dim]:
    """Return what symbols that stand alone in `declared` are in `actual`, where that differs."""
    pairs: list[tuple[Dim, Dim]] = []
    match declared, actual:
        case TensorType(), TensorType():
            pairs = list(zip(declared.shape, actual.shape, strict=True))
        case ScalarType(), ScalarType():
            if declared.value is not None and actual.value is not None:
                pairs = [(declared.value, actual.value)]
        case TupleType(), TupleType():
            both = zip(declared.items, actual.items, strict=True)
            return {k: d for a, b in both for k, d in bindings(a, b).items()}
    return {name: b for a, b in pairs if a != b and (name := plain(a)) is not None}


def rebuild(graph: Graph, visit: Visit, scope: Scope | None = None) -> Graph:
    """Return the graph with every op replaced by what `visit` makes of it, inner blocks first.

    `visit` gets ops whose inputs are already the new values. Where a value of a more exact type
    takes the place of one that binds a symbol, the symbol is replaced throughout. A visitor that
    rebuilds what it makes, by `rebuild_block`, does so in the same `scope`.
    """
    scope = scope or Scope()
    block = rebuild_block(graph.block, visit, scope)
    return substitute_dims(with_block(graph, block), scope.sizes)


def with_block(graph: Graph, block: Block) -> Graph:
    """Return the graph with another block; itself if it is the same."""
    return graph if block is graph.block else replace(graph, block=block)


def rebuild_block(block: Block, visit: Visit, scope: Scope) -> Block:
    """Return the block rebuilt; values that took the place of others are put in `scope`."""
    ops: list[Op] = []
    for old in block.ops:
        blocks = tuple(rebuild_block(b, visit, scope) for b in old.blocks)
        made = visit(with_parts(old, scope.all(old.inputs), blocks))
        new, outputs = ([made], made.outputs) if isinstance(made, Op) else made
        ops += new
        for before, after in zip(old.outputs, outputs, strict=True):
            scope.put(before, after)
    return with_ops(block, ops, scope.all(block.results))


def with_parts(op: Op, inputs: tuple[Value, ...], blocks: tuple[Block, ...]) -> Op:
    """Return the op with other inputs and blocks; itself if they are the same."""
    same = _same(op.inputs, inputs) and _same(op.blocks, blocks)
    return op if same else replace(op, inputs=inputs, blocks=blocks)


def with_ops(block: Block, ops: Sequence[Op], results: Sequence[Value]) -> Block:
    """Return the block with other ops and results; itself if they are the same."""
    if _same(block.ops, ops) and _same(block.results, results):
        return block
    return Block(block.params, tuple(ops), tuple(results))


def _same(a: Sequence[object], b: Sequence[object]) -> bool:
    return len(a) == len(b) and all(x is y for x, y in zip(a, b, strict=True))


def inline(block: Block, args: Sequence[Value]) -> tuple[list[Op], tuple[Value, ...]]:
    """Return a copy of the block's ops with `args` for its parameters, and its results.

    Every value is a new one. Symbols that the ops themselves bind keep their names: put a block in
    two places only where it binds none.
    """
    scope = Scope(dict(zip(block.params, args, strict=True)))
    ops = copy_ops(block.ops, scope)
    return ops, scope.all(block.results)


def copy_ops(ops: Sequence[Op], scope: Scope) -> list[Op]:
    """Return copies of the ops, with what `scope` replaces put in; it learns the new outputs."""
    return [_substitute_op(op, scope, fresh=True) for op in ops]


def substitute_dims(graph: Graph, sizes: Mapping[str, Dim]) -> Graph:
    """Return the graph with symbols replaced in every type and attribute.

    What replaces a symbol is replaced in turn: {u: v, v: n} makes u an n.
    """
    return rename_dims(graph, _closed(dict(sizes)))


def rename_dims(graph: Graph, sizes: Mapping[str, Dim]) -> Graph:
    """Return the graph with symbols replaced all at once: {u: v, v: n} makes u a v."""
    if not sizes:
        return graph
    scope = Scope()
    scope.sizes = dict(sizes)
    pairs = ((substitute(a, scope.sizes), substitute(b, scope.sizes)) for a, b in graph.constraints)
    return replace(
        graph,
        block=_substitute_block(graph.block, scope, fresh=False),
        constraints=tuple((a, b) for a, b in pairs if a != b),
    )


def _closed(sizes: dict[str, Dim]) -> dict[str, Dim]:
    """Return the replacements with each carried out in the others: {u: v, v: n} makes u an n."""
    for _ in sizes:
        step = {name: substitute(d, sizes) for name, d in sizes.items()}
        if step == sizes:
            break
        sizes = step
    return sizes


def _substitute_block(block: Block, scope: Scope, fresh: bool) -> Block:
    params = tuple(_substitute_value(v, scope, fresh) for v in block.params)
    ops = tuple(_substitute_op(op, scope, fresh) for op in block.ops)
    return Block(params, ops, scope.all(block.results))


def _substitute_op(op: Op, scope: Scope, fresh: bool) -> Op:
    inputs = scope.all(op.inputs)
    blocks = tuple(_substitute_block(b, scope, fresh) for b in op.blocks)
    outputs = tuple(_substitute_value(v, scope, fresh) for v in op.outputs)
    attrs = {k: substitute_attr(v, scope.sizes) for k, v in op.attrs.items()}
    return Op(op.name, inputs, outputs, attrs, blocks, op.loc)


def _substitute_value(v: Value, scope: Scope, fresh: bool) -> Value:
    new_type = substitute_type(v.type, scope.sizes)
    if not fresh and new_type == v.type:
        return v
    scope.new[v] = Value(new_type, v.hint)
    return scope.new[v]


def substitute_attr(attr: Attr, env: Mapping[str, Dim]) -> Attr:
    """Return the attribute with symbols replaced."""
    if isinstance(attr, tuple):
        return tuple(substitute_attr(a, env) for a in attr)
    return substitute(attr, env) if isinstance(attr, Sym) else attr
