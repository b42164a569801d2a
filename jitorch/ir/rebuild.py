"""The one walk that passes share: a new graph, op by op, with values replaced."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Union

from jitorch.ir.core import Attr, Block, Graph, Op, Value
from jitorch.ir.dims import Dim, Sym, substitute
from jitorch.ir.types import substitute_type

# What a visitor makes of an op: the op (perhaps changed) to keep it, ops to stand for it, or values
# that already exist to take the place of its outputs.
Rewrite = Union[Op, tuple[Sequence[Op], Sequence[Value]], Sequence[Value]]
Visit = Callable[[Op], Rewrite]


class Scope:
    """The old value -> new value map of one rebuild."""

    def __init__(self, initial: Mapping[Value, Value] | None = None) -> None:
        self.new: dict[Value, Value] = dict(initial or {})

    def __getitem__(self, v: Value) -> Value:
        return self.new.get(v, v)

    def all(self, values: Sequence[Value]) -> tuple[Value, ...]:
        return tuple(self.new.get(v, v) for v in values)


def rebuild(graph: Graph, visit: Visit, enter: Callable[[Block], None] | None = None) -> Graph:
    """Return the graph with every op replaced by what `visit` makes of it, inner blocks first.

    `visit` gets ops whose inputs are already the new values. It returns the op to keep, `(ops, values)` to
    put `ops` in its place with `values` for its outputs, or values alone to drop it. `enter` is called with
    each old block before its ops are visited.
    """
    return replace(graph, block=rebuild_block(graph.block, visit, Scope(), enter))


def rebuild_block(
    block: Block, visit: Visit, scope: Scope, enter: Callable[[Block], None] | None = None
) -> Block:
    """Return the block rebuilt; values it defines are added to `scope`."""
    if enter is not None:
        enter(block)
    ops: list[Op] = []
    for old in block.ops:
        blocks = tuple(rebuild_block(b, visit, scope, enter) for b in old.blocks)
        made = visit(replace(old, inputs=scope.all(old.inputs), blocks=blocks))
        if isinstance(made, Op):
            ops.append(made)
            outputs: Sequence[Value] = made.outputs
        elif isinstance(made, tuple) and len(made) == 2 and not isinstance(made[0], Value):
            ops.extend(made[0])
            outputs = made[1]
        else:
            outputs = made
        for before, after in zip(old.outputs, outputs, strict=True):
            if before is not after:
                scope.new[before] = after
    return Block(block.params, tuple(ops), scope.all(block.results))


def substitute_dims(graph: Graph, env: dict[str, Dim]) -> Graph:
    """Return the graph with symbols replaced in every type and attribute."""
    if not env:
        return graph
    scope = Scope()
    return replace(
        graph,
        block=_substitute_block(graph.block, env, scope),
        constraints=tuple(
            (x, y)
            for x, y in ((substitute(a, env), substitute(b, env)) for a, b in graph.constraints)
            if x != y
        ),
    )


def _substitute_block(block: Block, env: dict[str, Dim], scope: Scope) -> Block:
    params = tuple(_substitute_value(v, env, scope) for v in block.params)
    ops = []
    for op in block.ops:
        inputs = scope.all(op.inputs)
        blocks = tuple(_substitute_block(b, env, scope) for b in op.blocks)
        outputs = tuple(_substitute_value(v, env, scope) for v in op.outputs)
        attrs = {k: substitute_attr(v, env) for k, v in op.attrs.items()}
        ops.append(Op(op.name, inputs, outputs, attrs, blocks, op.loc))
    return Block(params, tuple(ops), scope.all(block.results))


def _substitute_value(v: Value, env: dict[str, Dim], scope: Scope) -> Value:
    new_type = substitute_type(v.type, env)
    if new_type == v.type:
        return v
    scope.new[v] = Value(new_type, v.hint)
    return scope.new[v]


def substitute_attr(attr: Attr, env: Mapping[str, Dim]) -> Attr:
    """Return the attribute with symbols replaced."""
    if isinstance(attr, tuple):
        return tuple(substitute_attr(a, env) for a in attr)
    return substitute(attr, env) if isinstance(attr, Sym) else attr
