"""What a host does to launch the kernels of a graph, on NumPy arrays and one graph op at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jitorch.codegen.cuda import launch
from jitorch.codegen.cuda.compiled import kernel_of
from jitorch.codegen.cuda.launch import Shape
from jitorch.codegen.cuda.printer import CudaSource
from jitorch.codegen.kernel import Fault, Input, Number, Output, Scratch, Size, Slot, Stride
from jitorch.codegen.strides import makers
from jitorch.ir.core import Graph, Op, Value
from jitorch.ir.dims import evaluate
from jitorch.ir.facts import binders
from jitorch.ir.interp import evaluate_attr, interpret
from jitorch.ir.opdef import OPS
from jitorch.ir.types import BY_TAG, ScalarType, TensorType, sizes_in

# launch(source, entry, shape, arguments)
Launch = Callable[[CudaSource, str, Shape, Sequence[Any]], None]


class Memory:
    """Elements behind a pointer: index 0 is the first element of an array, others are beside it."""

    def __init__(self, array: Any) -> None:
        base = array if array.base is None else array.base
        while base.base is not None:
            base = base.base
        flat = np.ndarray((base.nbytes // array.itemsize,), array.dtype, base)
        self.data = flat.view(np.uint8) if array.dtype == np.bool_ else flat
        where = array.__array_interface__["data"][0] - base.__array_interface__["data"][0]
        self.first = int(where // array.itemsize)

    def place(self, index: Any) -> int:
        at = self.first + int(index)
        if not 0 <= at < len(self.data):
            raise IndexError(f"element {index} is outside of the memory")
        return at

    def __getitem__(self, index: Any) -> Any:
        return self.data[self.place(index)]

    def __setitem__(self, index: Any, value: Any) -> None:
        self.data[self.place(index)] = value


def run_graph(graph: Graph, args: Sequence[Any], start: Launch) -> list[Any]:
    """Run a fused graph: `fused` ops are launched, all others are the interpreter's."""
    values: dict[Value, Any] = dict(zip(graph.params, args, strict=True))
    env: dict[str, int] = {}
    ops = makers(graph)
    for v, x in values.items():
        bind(v, x, env)
    for op in graph.block.ops:
        inputs = [values[v] for v in op.inputs]
        made = kernel_of(op, ops)
        results: Sequence[Any]
        results = (
            run_op(op, inputs, env) if made is None else run_kernel(made, op, inputs, env, start)
        )
        values.update(zip(op.outputs, results, strict=True))
    return [values[v] for v in graph.results]


def bind(v: Value, x: Any, env: dict[str, int]) -> None:
    if isinstance(v.type, TensorType):
        for d, n in zip(v.type.shape, x.shape, strict=True):
            if not isinstance(d, int) and str(d) in binders(v.type):
                env[str(d)] = n
    for d in sizes_in(v.type) if isinstance(v.type, ScalarType) else ():
        env[str(d)] = x


def run_op(op: Op, inputs: Sequence[Any], env: dict[str, int]) -> tuple[Any, ...]:
    attrs = {name: evaluate_attr(value, env) for name, value in op.attrs.items()}
    out = OPS[op.name].eager(np, *inputs, **attrs)
    return out if isinstance(out, tuple) else (out,)


def run_kernel(
    made: CudaSource, op: Op, inputs: Sequence[Any], env: dict[str, int], start: Launch
) -> Sequence[Any]:
    results = []
    for v in op.outputs:
        assert isinstance(v.type, TensorType)
        extents = tuple(evaluate(d, env) for d in v.type.shape)
        results.append(np.empty(extents, v.type.dtype.numpy))
    sizes = [evaluate(d, env) for d in made.sizes]
    room = launch.room((entry.work for entry in made.entries), sizes)
    arguments = [argument(slot, room, inputs, results, env) for slot in made.slots]
    if made.vectors is not None:
        # Arrays of the simulator are aligned as it likes; sizes and strides decide.
        numbers = dict(zip((s.name for s in made.slots), arguments, strict=True))
        strides = [numbers[s] if isinstance(s, str) else s for s in made.vectors]
        arguments.append(int(all(s % 4 == 0 for s in strides)))
    for entry in made.entries:
        shape = launch.SHAPES[entry.work](*sizes)
        if not launch.is_empty(shape):
            start(made, entry.name, shape, arguments)
    return results


def argument(
    slot: Slot,
    room: tuple[int, int],
    inputs: Sequence[Any],
    results: Sequence[Any],
    env: dict[str, int],
) -> Any:
    match slot.source:
        case Input(index):
            return Memory(np.asarray(inputs[index]))
        case Output(index):
            return Memory(results[index])
        case Number(index):
            return np.float64(inputs[index]) if slot.tag == "float" else np.int64(inputs[index])
        case Size(value):
            return np.int64(evaluate(value, env))
        case Stride(index, dim):
            return np.int64(inputs[index].strides[dim] // inputs[index].itemsize)
        case Scratch(per_block):
            parts, points = room
            return Memory(np.empty(parts if per_block else points, BY_TAG[slot.tag].numpy))
        case Fault():
            return Memory(np.full(2, -1))
    raise AssertionError(slot)


def expected(graph: Graph, args: Sequence[Any]) -> list[Any]:
    return list(interpret(graph, [x.copy() if isinstance(x, np.ndarray) else x for x in args]))
