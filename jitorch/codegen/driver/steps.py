"""Loops in a plan as calls of native drivers: their memory, their tables, and their results."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from jitorch.codegen.admit import raise_native
from jitorch.codegen.compiled import CompiledKernel
from jitorch.codegen.driver.base import (
    Address,
    Arena,
    Driver,
    DriverSlot,
    Known,
    Outer,
    OuterStride,
    Result,
)
from jitorch.codegen.driver.values import Unsupported
from jitorch.codegen.driver.writer import write_driver
from jitorch.codegen.launch import HEAD
from jitorch.codegen.native import NativeFunction
from jitorch.codegen.plan import PlanWriter
from jitorch.codegen.strides import Strides
from jitorch.ir.core import Op, Value
from jitorch.ir.dims import symbol
from jitorch.ir.types import BY_TAG, ListType, ScalarType, TensorType

if TYPE_CHECKING:
    from jitorch.codegen.steps import Steps


def write_loop(steps: Steps, plan: PlanWriter, op: Op) -> bool:
    """Write a loop as a call of a native driver; False if it can't be one."""

    def kernel(
        op: Op, strides: Mapping[Value, Strides], over: Mapping[Value, Value]
    ) -> CompiledKernel:
        return steps.kernels.compile(op, over, strides)

    try:
        driver = write_driver(op, plan.made, set(plan.sizes), kernel, plan.only_stacked)
    except Unsupported as reason:
        steps.reasons.append(f"the loop at {op.loc} runs in Python: {reason}")
        return False
    function = steps.kernels.compile_driver(driver.source)
    steps.drivers.append((driver, function))
    steps.native_loops.append(op)
    _drive(steps, plan, op, driver, function)
    return True


def _drive(
    steps: Steps, plan: PlanWriter, op: Op, driver: Driver, function: NativeFunction
) -> None:
    names = [_result(plan, op, i, driver) for i in range(len(op.outputs))]
    arena = plan.names.own("arena")
    plan.line(f"{arena} = empty({plan.size(driver.arena)}, {plan.dtype(BY_TAG['u8'])})")
    words = [_driver_word(plan, op, slot, names, arena) for slot in driver.slots]
    layout = "".join("d" if s.kind == "float" else "q" for s in driver.slots)
    pointers = sum(s.kind == "pointer" for s in driver.slots)
    head = [str(function.address), "1", "1", str(pointers), "0", "0"]
    table = steps.call(plan, layout, head + words, "loop")
    _take_results(plan, op, driver, names, table)


def _result(plan: PlanWriter, op: Op, index: int, driver: Driver) -> str:
    """Write the memory of a result and return its name."""
    v, init = op.outputs[index], op.inputs[index + 2]
    name = plan.names.new(v.hint)
    if isinstance(v.type, TensorType):
        assert isinstance(init.type, TensorType)
        plan.line(f"{name} = empty({plan.shape(init.type)}, {plan.dtype(init.type.dtype)})")
    elif isinstance(v.type, ListType):
        assert isinstance(init.type, ListType)
        item = init.type.item
        assert isinstance(item, TensorType)
        start, trips = plan.of[init], plan.of[op.inputs[0]]
        room = f"len({start}) + {driver.appends[index]} * max({trips}, 0)"
        shape = ", ".join([room, *(plan.size(d) for d in item.shape)])
        plan.line(f"{name} = empty(({shape},), {plan.dtype(item.dtype)})")
        plan.line(f"if {start}: {name}[:len({start})] = {start}")
    return name


def _driver_word(
    plan: PlanWriter, op: Op, slot: DriverSlot, names: Sequence[str], arena: str
) -> str:
    match slot.source:
        case Outer(value) if isinstance(value.type, TensorType):
            return f"id({plan.of[value]})"
        case Outer(value) if isinstance(value.type, ListType):
            return f"len({plan.of[value]})"
        case Outer(value):
            return plan.of[value]
        case Known(name):
            return plan.size(symbol(name))
        case OuterStride(value, dim):
            t = value.type
            assert isinstance(t, TensorType)
            return f"{plan.of[value]}.strides[{dim}] // {t.dtype.itemsize}"
        case Address(kernel):
            return str(kernel.function.address)
        case Arena():
            return f"id({arena})"
        case Result(index) if slot.kind == "pointer":
            return f"id({names[index]})"
    return "0"


def _take_results(
    plan: PlanWriter, op: Op, driver: Driver, names: Sequence[str], table: str
) -> None:
    """Write the check for errors and what gives the results their names."""
    returned = [
        (k, s)
        for k, s in enumerate(driver.slots)
        if s.kind != "pointer" and isinstance(s.source, Result)
    ]
    error = next(k for k, s in enumerate(driver.slots) if s.name == "error_0")
    if driver.failures:
        read = plan.constant("read", struct.Struct("3q").unpack_from)
        failures = plan.constant("failures", driver.failures)
        raise_ = plan.constant("raise_native", raise_native)
        plan.line(f"{raise_}({failures}, *{read}({table}, {8 * (HEAD + error)}))")
    for k, slot in returned:
        assert isinstance(slot.source, Result)
        name = names[slot.source.index]
        read = plan.constant(
            "read", struct.Struct("d" if slot.kind == "float" else "q").unpack_from
        )
        text = f"{read}({table}, {8 * (HEAD + k)})[0]"
        t = op.outputs[slot.source.index].type
        if isinstance(t, TensorType):
            given = ", ".join(plan.of[v] for v in driver.given[slot.source.index])
            both = plan.constant("read", struct.Struct("2q").unpack_from)
            where = f"*{both}({table}, {8 * (HEAD + k)})"
            plan.line(f"{name} = handed_back({name}, ({given},), {where})")
        elif isinstance(t, ListType):
            rows = plan.names.own(f"{name}_rows")
            plan.line(f"{rows} = {name}[:{text}]")
            plan.rows[op.outputs[slot.source.index]] = rows
            if op.outputs[slot.source.index] not in plan.only_stacked:
                # `[i, ...]`: an item without dimensions stays an array
                plan.line(f"{name} = [{rows}[i, ...] for i in range(len({rows}))]")
        else:
            boolean = isinstance(t, ScalarType) and t.kind == "bool"
            plan.line(f"{name} = bool({text})" if boolean else f"{name} = {text}")
    plan.close(op, names)
