"""Which values may share memory with what the caller sees.

A pass must not replace a value with memory of its own by one that shares: `y = x * 1` is a new
tensor, and a later `x += 1` must not show in it. For values that stay inside the graph it makes no
difference.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from jitorch.ir.core import Graph, Op, Value
from jitorch.ir.opdef import OPS
from jitorch.ir.types import ListType, ScalarType, TupleType


def escaping(graph: Graph) -> set[Value]:
    """Return the tensors whose memory may be reached from results or side effects.

    An `assign` takes its tensor when arguments may have changed already, and a Python function may
    keep it.
    """
    ops = list(graph.walk())
    taken = [v for op in ops if not OPS[op.name].pure for v in op.inputs]
    return reachable(ops, [*graph.results, *taken])


def reachable(ops: Iterable[Op], roots: Iterable[Value]) -> set[Value]:
    """Return the values whose memory may be reached from `roots`, by way of the ops."""
    sources: dict[Value, list[Value]] = {}
    for op in ops:
        for out, source in shared(op):
            sources.setdefault(out, []).append(source)
    found: set[Value] = set()
    todo = list(roots)
    while todo:
        v = todo.pop()
        if v not in found:
            found.add(v)
            todo += sources.get(v, [])
    return found


def shared(op: Op) -> Iterator[tuple[Value, Value]]:
    """Yield (value, other) wherever the op may make a value share the memory of another."""
    if op.blocks:
        yield from _through_blocks(op)
    elif OPS[op.name].view:
        yield op.output, op.inputs[0]
    else:
        # Tuples and lists hold their items, and give them out.
        for out in op.outputs:
            for v in op.inputs:
                if is_container(out) or is_container(v):
                    yield out, v


def _through_blocks(op: Op) -> Iterator[tuple[Value, Value]]:
    for block in op.blocks:
        params, results = _carried(block.params, op), _carried(block.results, op)
        yield from zip(op.outputs, results, strict=True)
        yield from zip(params, op.inputs[-len(params) :] if params else (), strict=True)
        if op.name == "loop":
            yield from zip(params, results, strict=True)
            yield from zip(op.outputs, params, strict=True)


def _carried(values: tuple[Value, ...], op: Op) -> tuple[Value, ...]:
    """Leave out the index and the condition, which head a loop's parameters and results."""
    return values[1:] if op.name == "loop" else values


def owns_memory(op: Op) -> bool:
    """Whether the op's tensors, tuples or lists are its own, and not those of its inputs."""
    makes_objects = any(not isinstance(v.type, ScalarType) for v in op.outputs)
    return makes_objects and not op.blocks and not OPS[op.name].view


def items(ops: Iterable[Op]) -> Iterator[Value]:
    """Yield what tuples and lists take and give: the items of one list agree in type."""
    for op in ops:
        if any(map(is_container, (*op.inputs, *op.outputs))):
            yield from (*op.inputs, *op.outputs)


def is_container(v: Value) -> bool:
    """Whether the value is a tuple or a list."""
    return isinstance(v.type, (ListType, TupleType))
