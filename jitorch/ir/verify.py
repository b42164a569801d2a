"""The verifier: structure first, then every op's own type rule, run again and compared.

It runs after every pass in tests and on parsed text. Each complaint prints the lines around the op.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence

from jitorch.errors import CompileError, VerifyError
from jitorch.ir.core import Block, Graph, Op, Value
from jitorch.ir.dims import Dim, ProvedFacts, Sym, equal, symbols, using_facts
from jitorch.ir.opdef import OPS, result_types
from jitorch.ir.types import BOOL, ListType, ScalarType, TensorType, TupleType, Type


class _Constraints(ProvedFacts):
    """What a graph's `where` clause lets one rely on."""

    def __init__(self, pairs: Sequence[tuple[Dim, Dim]]) -> None:
        self.pairs = {p for a, b in pairs for p in ((a, b), (b, a))}

    def equal(self, a: Dim, b: Dim) -> bool:
        return a == b or (a, b) in self.pairs


def verify(graph: Graph) -> None:
    """Check the graph. Raises VerifyError, with the place in the printed graph, where it is malformed."""
    with using_facts(_Constraints(graph.constraints)):
        _Verifier(graph).run()


class _Verifier:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.defined: set[Value] = set()
        self.visible: set[Value] = set()
        self.known: set[str] = set()

    def run(self) -> None:
        self.block(self.graph.block, None)

    def fail(self, op: Op | None, message: str) -> VerifyError:
        where = f"in '{op.name}': " if op is not None else ""
        return VerifyError(f"{where}{message}\n{_excerpt(self.graph, op)}")

    def define(self, v: Value, op: Op | None) -> None:
        if v in self.defined:
            raise self.fail(op, f"value '{v.hint or v.type}' is defined twice")
        self.defined.add(v)
        self.visible.add(v)
        self.known.update(_binders(v.type))
        for name in _symbols(v.type):
            if name not in self.known:
                raise self.fail(op, f"size '{name}' in type {v.type} is not bound here")

    def use(self, v: Value, op: Op | None) -> None:
        if v in self.visible:
            return
        if v in self.defined:
            raise self.fail(op, f"a value of type {v.type} is used outside the block that defines it")
        raise self.fail(op, f"a value of type {v.type} is used before it is defined")

    def block(self, block: Block, owner: Op | None) -> None:
        outer = set(self.visible), set(self.known)
        for v in block.params:
            self.known.update(_binders(v.type))
        for v in block.params:
            self.define(v, owner)
        for op in block.ops:
            self.op(op)
        for v in block.results:
            self.use(v, owner)
        self.visible, self.known = outer

    def op(self, op: Op) -> None:
        if op.name not in OPS:
            raise self.fail(op, f"there is no op '{op.name}'")
        for v in op.inputs:
            self.use(v, op)
        for attr in op.attrs.values():
            for name in _attr_symbols(attr):
                if name not in self.known:
                    raise self.fail(op, f"size '{name}' in an attribute is not bound here")
        for block in op.blocks:
            self.block(block, op)
        check = _STRUCTURED.get(op.name)
        if check is not None:
            check(self, op)
        elif op.blocks:
            raise self.fail(op, "takes no blocks")
        else:
            self.types(op)
        for v in op.outputs:
            self.define(v, op)

    def types(self, op: Op) -> None:
        try:
            expected = result_types(op.name, [v.type for v in op.inputs], dict(op.attrs))
        except CompileError as error:
            raise self.fail(op, error.message) from None
        except TypeError as error:
            raise self.fail(op, self.signature_message(op, error)) from None
        self.outputs(op, expected)

    def signature_message(self, op: Op, error: TypeError) -> str:
        try:
            inspect.signature(OPS[op.name].infer).bind(*op.inputs, **op.attrs)
        except TypeError as wrong:
            return f"wrong inputs or attributes: {wrong}"
        return str(error)

    def outputs(self, op: Op, expected: Sequence[Type]) -> None:
        if len(expected) != len(op.outputs):
            raise self.fail(op, f"has {len(op.outputs)} outputs where its rule gives {len(expected)}")
        for v, t in zip(op.outputs, expected, strict=True):
            if not matches(v.type, t):
                raise self.fail(op, f"result type {v.type} where its rule gives {t}")


def _check_if(self: _Verifier, op: Op) -> None:
    if len(op.inputs) != 1 or op.inputs[0].type != BOOL:
        raise self.fail(op, "takes one bool condition")
    if len(op.blocks) != 2:
        raise self.fail(op, f"takes two blocks, has {len(op.blocks)}")
    for block in op.blocks:
        if block.params:
            raise self.fail(op, "branches take no parameters")
        if len(block.results) != len(op.outputs):
            raise self.fail(op, f"a branch yields {len(block.results)} values for {len(op.outputs)} outputs")
        for v, out in zip(block.results, op.outputs, strict=True):
            if not fits(v.type, out.type):
                raise self.fail(op, f"a branch yields {v.type} for an output of type {out.type}")


def _check_loop(self: _Verifier, op: Op) -> None:
    if len(op.inputs) < 2 or _kind(op.inputs[0]) != "int" or op.inputs[1].type != BOOL:
        raise self.fail(op, "takes a trip count (int), a condition (bool) and the carried values")
    if len(op.blocks) != 1:
        raise self.fail(op, f"takes one block, has {len(op.blocks)}")
    (body,) = op.blocks
    carried = op.inputs[2:]
    if len(body.params) != len(carried) + 1 or _kind(body.params[0]) != "int":
        raise self.fail(op, f"its body takes the index (int) and {len(carried)} carried values")
    if len(body.results) != len(carried) + 1 or body.results[0].type != BOOL:
        raise self.fail(op, f"its body yields a condition (bool) and {len(carried)} carried values")
    if len(op.outputs) != len(carried):
        raise self.fail(op, f"has {len(op.outputs)} outputs for {len(carried)} carried values")
    for init, param, result, out in zip(
        carried, body.params[1:], body.results[1:], op.outputs, strict=True
    ):
        if not fits(init.type, param.type):
            raise self.fail(op, f"carries a {init.type} into a parameter of type {param.type}")
        if not fits(result.type, param.type):
            raise self.fail(op, f"its body yields a {result.type} for a parameter of type {param.type}")
        if not fits(param.type, out.type):
            raise self.fail(op, f"has an output of type {out.type} for a carried {param.type}")


def _check_fused(self: _Verifier, op: Op) -> None:
    if len(op.blocks) != 1:
        raise self.fail(op, f"takes one block, has {len(op.blocks)}")
    (body,) = op.blocks
    if [v.type for v in body.params] != [v.type for v in op.inputs]:
        raise self.fail(op, "its parameters differ in type from its inputs")
    if [v.type for v in body.results] != [v.type for v in op.outputs]:
        raise self.fail(op, "yields values that differ in type from its outputs")
    if any(not OPS[inner.name].pure or inner.blocks for inner in body.ops):
        raise self.fail(op, "holds an op with side effects or blocks")


# The only ops whose types come from blocks; the verifier, like the interpreters, runs them itself.
_STRUCTURED = {"if": _check_if, "loop": _check_loop, "fused": _check_fused}


def _kind(v: Value) -> str:
    return v.type.kind if isinstance(v.type, ScalarType) else ""


def matches(actual: Type, rule: Type) -> bool:
    """Whether a value's type is what a rule gave; `_` in the rule stands for any size."""
    match actual, rule:
        case TensorType(), TensorType():
            return (
                actual.dtype is rule.dtype
                and actual.strided == rule.strided
                and actual.device == rule.device
                and len(actual.shape) == len(rule.shape)
                and all(_same_size(a, r) for a, r in zip(actual.shape, rule.shape, strict=True))
            )
        case ScalarType(), ScalarType():
            if actual.kind != rule.kind:
                return False
            return actual.value is None or rule.value is None or _same_size(actual.value, rule.value)
        case ListType(), ListType():
            return matches(actual.item, rule.item)
        case TupleType(), TupleType():
            return len(actual.items) == len(rule.items) and all(
                matches(a, r) for a, r in zip(actual.items, rule.items, strict=True)
            )
    return False


def _same_size(actual: Dim, rule: Dim) -> bool:
    if "_" in symbols(rule):
        return str(rule) == "_" or isinstance(actual, Sym)
    return equal(actual, rule)


def fits(actual: Type, declared: Type) -> bool:
    """Whether a value may flow to a place of the declared type: a fresh size there takes any size."""
    match actual, declared:
        case TensorType(), TensorType():
            return (
                actual.dtype is declared.dtype
                and actual.device == declared.device
                and (declared.strided or not actual.strided)
                and len(actual.shape) == len(declared.shape)
                and all(a == d or _plain(d) for a, d in zip(actual.shape, declared.shape, strict=True))
            )
        case ScalarType(), ScalarType():
            return actual.kind == declared.kind
        case ListType(), ListType():
            return fits(actual.item, declared.item)
        case TupleType(), TupleType():
            return len(actual.items) == len(declared.items) and all(
                fits(a, d) for a, d in zip(actual.items, declared.items, strict=True)
            )
    return False


def _plain(d: Dim) -> bool:
    """Whether a size is a symbol alone."""
    return isinstance(d, Sym) and str(d).isidentifier()


def _symbols(t: Type) -> list[str]:
    match t:
        case TensorType():
            return [name for d in t.shape for name in symbols(d)]
        case ScalarType(value=value) if value is not None:
            return list(symbols(value))
        case ListType(item):
            return _symbols(item)
        case TupleType(items):
            return [name for i in items for name in _symbols(i)]
    return []


def _binders(t: Type) -> list[str]:
    """Return the symbols that defining a value of this type gives a value to: those that stand alone."""
    match t:
        case TensorType():
            return [str(d) for d in t.shape if _plain(d)]
        case ScalarType(value=value) if value is not None and _plain(value):
            return [str(value)]
        case ListType(item):
            return _binders(item)
        case TupleType(items):
            return [name for i in items for name in _binders(i)]
    return []


def _attr_symbols(attr: object) -> list[str]:
    if isinstance(attr, tuple):
        return [name for a in attr for name in _attr_symbols(a)]
    return list(symbols(attr)) if isinstance(attr, Sym) else []


def _excerpt(graph: Graph, op: Op | None) -> str:
    """Return the printed graph around `op`, which is marked."""
    lines = str(graph).split("\n")
    if op is None:
        return "\n".join(lines[:10])
    order = [o for o in graph.walk()]
    heads = [i for i, line in enumerate(lines) if _is_op_line(line)]
    at = heads[order.index(op)] if op in order and order.index(op) < len(heads) else 0
    shown = range(max(at - 5, 0), min(at + 6, len(lines)))
    return "\n".join(("> " if i == at else "  ") + lines[i] for i in shown)


def _is_op_line(line: str) -> bool:
    text = line.strip()
    return not text.startswith(("graph ", "}", "yield", "return"))
