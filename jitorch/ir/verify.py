"""The verifier: structure first, then every op's own type rule, run again and compared.

It runs after every pass in tests and on parsed text. Each complaint prints the lines around the op.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence

from jitorch.errors import CompileError, VerifyError
from jitorch.ir.core import Block, Graph, Op, Value
from jitorch.ir.dims import Sym, symbols, using_facts
from jitorch.ir.facts import attr_symbols, binders, facts_of, names_a_size, type_symbols
from jitorch.ir.match import Flow, first_misfit
from jitorch.ir.opdef import OPS, result_types
from jitorch.ir.types import BOOL, DType, ScalarType, TensorType, sizes_in

_ATTR_KINDS = (bool, int, float, complex, str, type(None), DType, Sym)


def verify(graph: Graph) -> None:
    """Check the graph. Raises VerifyError, which shows the place, where it is malformed."""
    verifier = _Verifier(graph)
    verifier.constraints()
    with using_facts(facts_of(graph)):
        verifier.run()


class _Verifier:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.defined: set[Value] = set()
        self.visible: set[Value] = set()
        self.known: set[str] = set()  # symbols that have a value here
        self.bound: set[str] = set()  # symbols that have one anywhere so far

    def fail(self, op: Op | None, message: str) -> VerifyError:
        where = f"in '{op.name}': " if op is not None else ""
        return VerifyError(f"{where}{message}\n{_excerpt(self.graph, op)}")

    def run(self) -> None:
        self.block(self.graph.block, None)

    def constraints(self) -> None:
        known = {name for v in self.graph.params for name in binders(v.type)}
        for pair in self.graph.constraints:
            if (
                not isinstance(pair, tuple)
                or len(pair) != 2
                or any(type(d) not in (int, Sym) for d in pair)
            ):
                raise self.fail(None, f"a constraint must be two sizes, got {pair!r}")
            if all(isinstance(d, int) for d in pair) and pair[0] != pair[1]:
                raise self.fail(None, f"the constraint {pair[0]} == {pair[1]} can't hold")
            for name in (name for d in pair for name in symbols(d)):
                if name not in known:
                    raise self.fail(
                        None, f"size '{name}' in a constraint is not bound by a parameter"
                    )

    # Values and sizes.

    def define(self, values: Sequence[Value], op: Op | None) -> None:
        """Make values visible, and the symbols that they bind."""
        for v in values:
            if v in self.defined:
                raise self.fail(op, f"value '{v.hint or v.type}' is defined twice")
            self.defined.add(v)
            self.visible.add(v)
            for name in binders(v.type):
                self.bind(name, v, op)
        for v in values:
            for name in type_symbols(v.type):
                if name not in self.known:
                    raise self.fail(op, f"size '{name}' in type {v.type} is not bound here")
            if isinstance(v.type, TensorType):
                for d in sizes_in(v.type):
                    if isinstance(d, int) and d < 0:
                        raise self.fail(op, f"size {d} in type {v.type} is negative")

    def bind(self, name: str, v: Value, op: Op | None) -> None:
        if name in self.known:
            return
        if name == "_":
            raise self.fail(op, f"type {v.type} leaves a size open; it needs a symbol of its own")
        if not names_a_size(name):
            raise self.fail(op, f"'{name}' in type {v.type} is no name for a size")
        if name in self.bound:
            raise self.fail(
                op, f"size '{name}' is bound in two blocks; each must have a name of its own"
            )
        self.known.add(name)
        self.bound.add(name)

    def use(self, v: Value, op: Op | None) -> None:
        if v in self.visible:
            return
        if v in self.defined:
            raise self.fail(
                op, f"a value of type {v.type} is used outside the block that defines it"
            )
        raise self.fail(op, f"a value of type {v.type} is used before it is defined")

    def block(self, block: Block, owner: Op | None) -> None:
        outer = set(self.visible), set(self.known)
        self.define(block.params, owner)
        for op in block.ops:
            self.op(op)
        for v in block.results:
            self.use(v, owner)
        self.visible, self.known = outer

    # Ops.

    def op(self, op: Op) -> None:
        if op.name not in OPS:
            raise self.fail(op, f"there is no op '{op.name}'")
        for v in op.inputs:
            self.use(v, op)
        self.attrs(op)
        for block in op.blocks:
            self.block(block, op)
        structured = _STRUCTURED.get(op.name)
        if structured is not None:
            if op.attrs:
                raise self.fail(op, f"takes no attributes, has {', '.join(op.attrs)}")
            structured(self, op)
        elif op.blocks:
            raise self.fail(op, "takes no blocks")
        else:
            self.types(op)
        self.define(op.outputs, op)

    def attrs(self, op: Op) -> None:
        for key, attr in op.attrs.items():
            if not key.isidentifier():
                raise self.fail(op, f"{key!r} is no name for an attribute")
            if not _is_attr(attr):
                raise self.fail(
                    op, f"attribute '{key}' is a {type(attr).__name__}, which the text can't hold"
                )
            for name in attr_symbols(attr):
                if name not in self.known:
                    raise self.fail(op, f"size '{name}' in attribute '{key}' is not bound here")

    def types(self, op: Op) -> None:
        """Run the op's type rule again and compare."""
        try:
            expected = result_types(op.name, [v.type for v in op.inputs], op.attrs)
        except CompileError as error:
            raise self.fail(op, error.message) from None
        except TypeError as error:
            raise self.fail(op, _signature_message(op, error)) from None
        if len(expected) != len(op.outputs):
            raise self.fail(
                op, f"has {len(op.outputs)} outputs where its rule gives {len(expected)}"
            )
        flows = [(t, v.type) for t, v in zip(expected, op.outputs, strict=True)]
        self.flows(op, flows, "result type {declared} where its rule gives {actual}", exact=True)
        if op.name == "assign" and op.inputs[0] not in self.graph.params:
            raise self.fail(op, "writes to a value that is not a parameter of the graph")

    def flows(self, op: Op, flows: Sequence[Flow], message: str, exact: bool = False) -> None:
        wrong = first_misfit(flows, self.known, exact=exact)
        if wrong is not None:
            actual, declared = flows[wrong]
            raise self.fail(op, message.format(actual=actual, declared=declared))


def _check_if(self: _Verifier, op: Op) -> None:
    if len(op.inputs) != 1 or op.inputs[0].type != BOOL:
        raise self.fail(op, "takes one bool condition")
    if len(op.blocks) != 2:
        raise self.fail(op, f"takes two blocks, has {len(op.blocks)}")
    for block in op.blocks:
        if block.params:
            raise self.fail(op, "branches take no parameters")
        if len(block.results) != len(op.outputs):
            raise self.fail(
                op, f"a branch yields {len(block.results)} values for {len(op.outputs)} outputs"
            )
        flows = [(v.type, out.type) for v, out in zip(block.results, op.outputs, strict=True)]
        self.flows(op, flows, "a branch yields {actual} for an output of type {declared}")


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
    params = [v.type for v in body.params[1:]]
    initial = [(v.type, t) for v, t in zip(carried, params, strict=True)]
    self.flows(op, initial, "carries a {actual} into a parameter of type {declared}")
    again = [(v.type, t) for v, t in zip(body.results[1:], params, strict=True)]
    self.flows(op, again, "its body yields a {actual} for a parameter of type {declared}")
    final = [(t, v.type) for t, v in zip(params, op.outputs, strict=True)]
    self.flows(op, final, "has an output of type {declared} for a carried {actual}")


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
_STRUCTURED: dict[str, Callable[[_Verifier, Op], None]] = {
    "if": _check_if,
    "loop": _check_loop,
    "fused": _check_fused,
}


def _kind(v: Value) -> str:
    return v.type.kind if isinstance(v.type, ScalarType) else ""


def _is_attr(attr: object) -> bool:
    # Exact types: a NumPy float is a float, but prints as something else.
    return all(map(_is_attr, attr)) if type(attr) is tuple else type(attr) in _ATTR_KINDS


def _signature_message(op: Op, error: TypeError) -> str:
    try:
        inspect.signature(OPS[op.name].infer).bind(*op.inputs, **op.attrs)
    except TypeError as wrong:
        return f"wrong inputs or attributes: {wrong}"
    return str(error)


def _excerpt(graph: Graph, op: Op | None) -> str:
    """Return the printed graph around `op`, which is marked."""
    lines = str(graph).split("\n")
    if op is None:
        return "\n".join(lines[:10])
    order = list(graph.walk())
    heads = [i for i, line in enumerate(lines) if _is_op_line(line)]
    at = heads[order.index(op)] if op in order and order.index(op) < len(heads) else 0
    shown = range(max(at - 5, 0), min(at + 6, len(lines)))
    return "\n".join(("> " if i == at else "  ") + lines[i] for i in shown)


def _is_op_line(line: str) -> bool:
    text = line.strip()
    return not text.startswith(("graph ", "}", "yield", "return"))
