"""`interpret`: run a graph op by op on arrays, with no compiler. The oracle of the tests.

Each op is carried out by its `eager` function, so a graph means what the same ops mean in eager
mode. Views are views: what the graph returns or assigns aliases its arguments as it does there. An
op whose result is on a GPU is carried out by CuPy.
"""

from __future__ import annotations

import itertools
from collections import ChainMap
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jitorch.cuda import adapter
from jitorch.errors import ShapeMismatch, TypeMismatch, VerifyError, at
from jitorch.ir.builder import compose
from jitorch.ir.core import Attr, Block, Graph, Op, Value, free_values
from jitorch.ir.dims import Shape, Sym, evaluate, symbols, using_facts
from jitorch.ir.facts import all_symbols, facts_of, plain
from jitorch.ir.opdef import OPS, OpDef
from jitorch.ir.types import ListType, ScalarType, TensorType, TupleType, Type, from_numpy_dtype

Sizes = MutableMapping[str, int]
OnOp = Callable[[Op, Sequence[Any], Sequence[Any]], None]

_PYTHON: dict[str, Callable[[Any], Any]] = {
    "bool": bool,
    "int": int,
    "float": float,
    "complex": complex,
}


def interpret(graph: Graph, args: Sequence[Any], *, on_op: OnOp | None = None) -> tuple[Any, ...]:
    """Run the graph on arrays and Python scalars and return its results.

    `on_op(op, inputs, outputs)` is called after each op. Raises ShapeMismatch or TypeMismatch where
    the arguments do not fit the parameters; errors of ops carry the user's place.
    """
    if len(args) != len(graph.params):
        raise TypeMismatch(f"{graph.name} takes {len(graph.params)} arguments, got {len(args)}")
    run = _Run(graph, on_op)
    sizes: Sizes = ChainMap()
    for v, x in zip(graph.params, args, strict=True):
        _check_kind(v, x)
        _learn(v.type, x, sizes)
    for v, x in zip(graph.params, args, strict=True):
        _check_sizes(v, x, sizes)
    for a, b in graph.constraints:
        if evaluate(a, sizes) != evaluate(b, sizes):
            found = f"{evaluate(a, sizes)} and {evaluate(b, sizes)}"
            raise ShapeMismatch(f"{graph.name} relies on {a} == {b}, got {found}")
    with np.errstate(all="ignore"), using_facts(facts_of(graph)):
        return tuple(run.block(graph.block, args, sizes))


def run_op(
    op: Op, inputs: Sequence[Any], sizes: Mapping[str, int] | None = None
) -> tuple[Any, ...]:
    """Carry out one op that has no blocks and is not composite; return its outputs."""
    env: Sizes = dict(sizes or {})
    attrs = {k: evaluate_attr(a, env) for k, a in op.attrs.items()}
    return tuple(_admit_all(_eager(OPS[op.name], op, inputs, attrs), op.outputs, env))


def evaluate_attr(attr: Attr, sizes: Mapping[str, int]) -> Attr:
    """Return the attribute with its size expressions worked out."""
    if isinstance(attr, tuple):
        return tuple(evaluate_attr(a, sizes) for a in attr)
    return evaluate(attr, sizes) if isinstance(attr, Sym) else attr


@dataclass(frozen=True)
class _Plan:
    """Which values a block lets go of after each of its ops."""

    dying: tuple[tuple[Value, ...], ...]


def _plan(block: Block) -> _Plan:
    last: dict[Value, int] = {}
    for i, op in enumerate(block.ops):
        inside = [v for inner in op.blocks for v in free_values(inner)]
        for v in itertools.chain(op.inputs, inside, op.outputs):
            last[v] = i
    own = set(block.params).union(*(op.outputs for op in block.ops)) - set(block.results)
    dying: list[list[Value]] = [[] for _ in block.ops]
    for v, i in last.items():
        if v in own:
            dying[i].append(v)
    return _Plan(tuple(map(tuple, dying)))


class _Run:
    """One run of one graph."""

    def __init__(self, graph: Graph, on_op: OnOp | None) -> None:
        self.graph = graph
        self.on_op = on_op
        self.values: dict[Value, Any] = {}
        self.plans: dict[Block, _Plan] = {}
        self.expansions: dict[Op, Block] = {}
        self.taken: set[str] | None = None

    def block(self, block: Block, args: Sequence[Any], sizes: Sizes) -> list[Any]:
        """Run a block; its own sizes go to `sizes`, those around it are found there."""
        if block not in self.plans:
            self.plans[block] = _plan(block)
        self.values.update(zip(block.params, _admit_all(args, block.params, sizes), strict=True))
        for op, dying in zip(block.ops, self.plans[block].dying, strict=True):
            with at(op.loc):
                self.op(op, sizes)
            for v in dying:
                del self.values[v]
        return [self.values[v] for v in block.results]

    def op(self, op: Op, sizes: Sizes) -> None:
        inputs = [self.values[v] for v in op.inputs]
        outputs = _admit_all(self.carry_out(op, inputs, sizes), op.outputs, sizes)
        self.values.update(zip(op.outputs, outputs, strict=True))
        if self.on_op is not None:
            self.on_op(op, inputs, outputs)

    def carry_out(self, op: Op, inputs: list[Any], sizes: Sizes) -> Sequence[Any]:
        definition = OPS[op.name]
        match op.name:
            case "if":
                return self.inner(op.blocks[0 if inputs[0] else 1], (), sizes)
            case "loop":
                return self.loop(op, inputs, sizes)
            case "fused":
                return self.inner(op.blocks[0], inputs, sizes)
        if definition.compose is not None:
            return self.inner(self.expanded(op, definition), inputs, sizes)
        attrs = {k: evaluate_attr(a, sizes) for k, a in op.attrs.items()}
        return _eager(definition, op, inputs, attrs)

    def inner(self, block: Block, args: Sequence[Any], sizes: Sizes) -> list[Any]:
        return self.block(block, args, ChainMap({}, sizes))

    def loop(self, op: Op, inputs: list[Any], sizes: Sizes) -> list[Any]:
        (body,) = op.blocks
        trips, condition, *carried = inputs
        i = 0
        while i < trips and condition:
            condition, *carried = self.inner(body, [i, *carried], sizes)
            i += 1
        return carried

    def expanded(self, op: Op, definition: OpDef) -> Block:
        """Return a composite op as a block; kept, since loops come back to it."""
        if op not in self.expansions:
            if self.taken is None:
                self.taken = all_symbols(self.graph)
            params = tuple(Value(v.type) for v in op.inputs)
            ops, results = compose(definition, params, op.attrs, self.taken)
            self.expansions[op] = Block(params, tuple(ops), results)
        return self.expansions[op]


def _eager(
    definition: OpDef, op: Op, inputs: Sequence[Any], attrs: Mapping[str, Any]
) -> tuple[Any, ...]:
    place = device_for(op)
    if place != "cpu":
        with adapter.on(adapter.named(place)):
            made = adapter.run(definition.eager, inputs, attrs)
    elif definition.promote is not None and all(isinstance(v.type, ScalarType) for v in op.inputs):
        made = _on_scalars(definition, op, inputs, attrs)
    else:
        with np.errstate(all="ignore"):
            made = definition.eager(np, *inputs, **attrs)
    return (made,) if len(op.outputs) == 1 else made


def device_for(op: Op) -> str:
    """Return where an op runs: where its operands are, or where it makes a tensor."""
    for values in (op.inputs, op.outputs):
        devices = [v.type.device for v in values if isinstance(v.type, TensorType)]
        for device in devices:
            if device != "cpu":
                return device
        if devices:
            break
    return "cpu"


def _on_scalars(definition: OpDef, op: Op, inputs: Sequence[Any], attrs: Mapping[str, Any]) -> Any:
    """Carry out arithmetic on Python numbers: True counts as 1, an integer over 0 is an error."""
    if op.output.type != ScalarType("bool"):
        inputs = [int(x) if isinstance(x, bool) else x for x in inputs]
    whole = len(inputs) == 2 and all(isinstance(x, int) for x in inputs)
    try:
        with np.errstate(all="ignore", divide="raise" if whole else "ignore"):
            return definition.eager(np, *map(_scalar_array, inputs), **attrs)
    except FloatingPointError:
        raise ZeroDivisionError("division by zero") from None


def _scalar_array(x: Any) -> Any:
    return np.asarray(x)[()]


def _admit_all(made: Sequence[Any], values: Sequence[Value], sizes: Sizes) -> list[Any]:
    """Return what was made as `values` have it by their types; bind their symbols in `sizes`."""
    for x, v in zip(made, values, strict=True):
        _learn(v.type, x, sizes)
    return [_admit(x, v.type, sizes) for x, v in zip(made, values, strict=True)]


def _learn(t: Type, x: Any, sizes: Sizes) -> None:
    """Give the symbols that stand alone in the type, and are new, their values."""
    match t:
        case TensorType(shape=shape):
            for d, n in zip(shape, np.shape(x), strict=False):
                if (name := plain(d)) is not None:
                    sizes.setdefault(name, n)
        case ScalarType(value=value) if value is not None and (name := plain(value)) is not None:
            sizes.setdefault(name, int(x))
        case TupleType(items):
            for i, it in zip(x, items, strict=True):
                _learn(it, i, sizes)
        case ListType(item):
            for i in x:
                _learn(item, i, sizes)


def _admit(x: Any, t: Type, sizes: Sizes) -> Any:
    """Return `x` as a value of type `t`. Raises VerifyError where it is none."""
    match t:
        case TensorType():
            array = x if adapter.is_data(x) else np.asarray(x)
            if array.dtype != t.dtype.numpy:
                with adapter.beside(array):
                    array = array.astype(t.dtype.numpy)
            if not t.strided and not array.flags.c_contiguous:
                with adapter.beside(array):
                    array = array.copy(order="C")
            _check(t, t.shape, array.shape, sizes)
            return array
        case ScalarType(kind=kind, value=value):
            number = _PYTHON[kind](x) if kind in _PYTHON else x
            if value is not None:
                _check(t, (value,), (number,), sizes)
            return number
        case TupleType(items):
            return tuple(_admit(i, it, sizes) for i, it in zip(x, items, strict=True))
        case ListType(item):
            return [_admit(i, item, sizes) for i in x]


def _check(t: Type, declared: Shape, actual: tuple[int, ...], sizes: Sizes) -> None:
    if len(declared) == len(actual) and all(
        evaluate(d, sizes) == n for d, n in zip(declared, actual, strict=True)
    ):
        return
    known = ", ".join(f"{k}={sizes[k]}" for k in sorted({s for d in declared for s in symbols(d)}))
    raise VerifyError(
        f"a value of type {t} is {list(actual)} at run time" + (f" ({known})" if known else "")
    )


def _check_kind(v: Value, x: Any) -> None:
    """Raise, in the user's words, where an argument is of another kind than its parameter."""
    t, name = v.type, v.hint or "an argument"
    if isinstance(t, TensorType):
        if not adapter.is_data(x) or x.dtype != t.dtype.numpy or x.ndim != t.ndim:
            found = (
                f"{from_numpy_dtype(x.dtype).tag}{list(x.shape)}"
                if adapter.is_data(x)
                else type(x).__name__
            )
            raise TypeMismatch(f"{name}: expected {t}, got {found}")
        if t.device != str(place := adapter.device_of(x)):
            raise TypeMismatch(f"{name}: expected {t}, got a tensor on {place}")
        if not t.strided and not x.flags.c_contiguous:
            raise TypeMismatch(f"{name}: expected {t}, got an array that is not contiguous")
    elif isinstance(t, ScalarType) and t.kind in _PYTHON and type(x) is not _PYTHON[t.kind]:
        raise TypeMismatch(f"{name}: expected {t}, got {type(x).__name__}")


def _check_sizes(v: Value, x: Any, sizes: Sizes) -> None:
    """Raise, in the user's words, where an argument's sizes do not fit its parameter."""
    try:
        _admit(x, v.type, sizes)
    except VerifyError:
        found = list(x.shape) if adapter.is_data(x) else x
        raise ShapeMismatch(f"{v.hint or 'an argument'}: expected {v.type}, got {found}") from None
