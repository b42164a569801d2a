"""Apply the rules: an op, or a few, that mean the same as something simpler.

Algebra is the table in `rules.py`; views, casts, lists and control flow are the functions in
`rewrites.py`. A rule is applied only where the new value fits the type of the old. A tensor that
the caller gets is not replaced by one that shares memory with another.

    %0: f32[n] = mul(%x, %one)
    %1: f32[n] = neg(%0)
    %2: f32[n] = sub(%y, %1)

becomes

    %2: f32[n] = add(%y, %x)

and leaves ops without use to `dce`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from jitorch.errors import CompileError, at
from jitorch.ir.alias import escaping, items, owns_memory, reachable
from jitorch.ir.builder import Builder
from jitorch.ir.core import Block, Graph, Op, Value
from jitorch.ir.dims import using_facts
from jitorch.ir.facts import all_symbols, binders, bound_by, facts_of, type_symbols
from jitorch.ir.match import first_misfit
from jitorch.ir.opdef import OPS
from jitorch.ir.rebuild import Rewrite, Scope, rebuild, rebuild_block
from jitorch.ir.types import ScalarType, TensorType, Type
from jitorch.passes.infer import refine
from jitorch.passes.rewrites import REWRITES, Known
from jitorch.passes.rules import RULES, Call, Pattern, Rule, by_op

_RULES = by_op(RULES)


def simplify(graph: Graph) -> Graph:
    """Return the graph with the rules applied until none does any more.

    Once more after each change, since a size that one rule made known may let another apply.
    """
    while True:
        simplifier = _Simplifier(graph)
        with using_facts(facts_of(graph)):
            made = rebuild(graph, simplifier.visit, simplifier.scope)
        if made is graph:
            return graph
        graph = refine(made)


class _Simplifier:
    def __init__(self, graph: Graph) -> None:
        self.taken = all_symbols(graph)
        self.binder = bound_by(graph)
        self.kept = escaping(graph)
        self.rigid = set(items(graph.walk()))
        self.known = Known()
        self.scope = Scope()

    def visit(self, op: Op) -> Rewrite:
        """Return what stands for the op once no rule applies any more."""
        made = self.step(op)
        if made is None:
            self.known.add(op)
            return op
        ops, values = made
        block = rebuild_block(Block((), tuple(ops), tuple(values)), self.visit, self.scope)
        return list(block.ops), block.results

    def step(self, op: Op) -> tuple[list[Op], Sequence[Value]] | None:
        """Apply the first rule that matches."""
        for how in (*REWRITES.get(op.name, ()), *_RULES.get(op.name, ())):
            builder = Builder(self.taken)
            try:
                with at(op.loc):
                    if isinstance(how, Rule):
                        values = self.applied(how, op, builder)
                    else:
                        values = how(op, self.known, builder)
            except CompileError:
                continue  # the types do not allow it
            if values is not None and self.allowed(op, builder.ops, values):
                pairs = zip(op.outputs, values, strict=True)
                self.kept |= reachable(builder.ops, [n for v, n in pairs if v in self.kept])
                self.rigid.update(items(builder.ops))
                return self.hinted(op, builder.ops, values)
        return None

    def allowed(self, op: Op, ops: Sequence[Op], values: Sequence[Value]) -> bool:
        for old, new in zip(op.outputs, values, strict=True):
            fresh = {s for s in binders(old.type) if self.binder.get(s) is old}
            if fresh and isinstance(new.type, ScalarType) and new.type.value is None:
                return False  # sizes elsewhere are told in terms of this number
            if (
                first_misfit([(new.type, old.type)], set(type_symbols(old.type)) - fresh)
                is not None
            ):
                return False
            if old in self.rigid and _strided(old) != _strided(new):
                return False
        if not owns_memory(op) or self.kept.isdisjoint(op.outputs):
            return True
        return all(any(v in new.outputs and owns_memory(new) for new in ops) for v in values)

    def hinted(
        self, op: Op, ops: list[Op], values: Sequence[Value]
    ) -> tuple[list[Op], Sequence[Value]]:
        """Let the last new op define the old value where the types agree, so that names stay."""
        if op.blocks or not ops or len(values) != 1 or ops[-1].outputs != tuple(values):
            return ops, values
        if op.output.type != values[0].type:
            return ops, values
        last = ops[-1]
        renamed = Op(last.name, last.inputs, op.outputs, last.attrs, last.blocks, last.loc)
        return [*ops[:-1], renamed], op.outputs

    # Rows of the table.

    def applied(self, row: Rule, op: Op, builder: Builder) -> Sequence[Value] | None:
        if _computing_kind(op) not in row.kinds:
            return None
        env: dict[str, Value] = {}
        if not self.matches(row.left, op.output, op, env):
            return None
        if any(_kind(v.type) not in row.kinds for v in env.values()):
            return None  # a Python int in an op of floats
        return [_build(row.right, env, builder)]

    def matches(self, pattern: Pattern, v: Value, op: Op | None, env: dict[str, Value]) -> bool:
        """Whether `v`, made by `op`, is what the pattern says; `env` gets what names stand for."""
        match pattern:
            case str():
                return env.setdefault(pattern, v) is v
            case Call(name, args):
                if op is None or op.name != name or len(op.inputs) != len(args):
                    return False
                orders = [op.inputs, op.inputs[::-1]] if OPS[name].commutative else [op.inputs]
                return any(self.all_match(args, order, op, env) for order in orders)
        return False

    def all_match(
        self, args: Sequence[Pattern], values: Sequence[Value], op: Op, env: dict[str, Value]
    ) -> bool:
        """Whether the operands of `op` are what the patterns say."""
        trial = dict(env)
        for pattern, v in zip(args, values, strict=True):
            if isinstance(pattern, (str, Call)):
                if not self.matches(pattern, v, self.known.maker(v), trial):
                    return False
            elif not _equals(self.known.constant(v), pattern, v.type, _computing_kind(op)):
                return False
        env.update(trial)
        return True


def _build(pattern: Pattern, env: dict[str, Value], builder: Builder) -> Value:
    if isinstance(pattern, str):
        return env[pattern]
    assert isinstance(pattern, Call)
    return builder.emit1(pattern.name, [_build(a, env, builder) for a in pattern.args])


def _equals(value: Any, number: Any, t: Type, kind: str) -> bool:
    """Whether a constant of type `t` is the number that a pattern names.

    In an op that computes with floats, zeros are told apart by sign, and an int 0 is 0.0.
    """
    if not isinstance(value, (bool, int, float)):
        return False
    if _kind(t) == "bool" or isinstance(number, bool):
        return _kind(t) == "bool" and bool(value) == number
    if isinstance(t, TensorType):
        value = np.asarray(value).astype(t.dtype.numpy).item()
    same_sign = kind != "float" or math.copysign(1, value) == math.copysign(1, number)
    return bool(value == number) and same_sign


_KINDS = ("bool", "int", "float", "complex")


def _computing_kind(op: Op) -> str:
    """Return the kind of number an op computes with: the widest among its operands.

    Python numbers come mixed: `2.5 // 1` is a floor division of floats.
    """
    kinds = {_kind(v.type) for v in op.inputs}
    return max(kinds, key=_KINDS.index) if kinds and kinds.issubset(_KINDS) else ""


def _kind(t: Type) -> str:
    if isinstance(t, TensorType):
        return t.dtype.kind
    return t.kind if isinstance(t, ScalarType) else ""


def _strided(v: Value) -> bool:
    return isinstance(v.type, TensorType) and v.type.strided
