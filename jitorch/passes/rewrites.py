"""Rules that a pattern can't spell: views, casts, lists, control flow. `simplify` applies them.

Each is a function of an op, of what is known about the values around it, and of a builder for new
ops; it returns the values to put in place of the op's outputs, or None where it does not apply.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Union

from jitorch.ir.builder import Builder
from jitorch.ir.core import Op, Value
from jitorch.ir.rebuild import inline
from jitorch.ir.types import DType, ScalarType, TensorType

UNKNOWN = object()


class Known:
    """The ops seen so far, by the values that they make."""

    def __init__(self) -> None:
        self.makers: dict[Value, Op] = {}

    def add(self, op: Op) -> None:
        """Note an op."""
        self.makers.update((v, op) for v in op.outputs)

    def maker(self, v: Value) -> Op | None:
        """Return the op that makes `v`, None for a parameter."""
        return self.makers.get(v)

    def made_by(self, v: Value, name: str) -> Op | None:
        """Return the op that makes `v` if it is called `name`."""
        op = self.makers.get(v)
        return op if op is not None and op.name == name else None

    def constant(self, v: Value) -> Any:
        """Return the value of a constant, UNKNOWN for anything else."""
        op = self.made_by(v, "constant")
        return UNKNOWN if op is None else op.attrs["value"]


Made = Union[Sequence[Value], None]
Rewriting = Callable[[Op, Known, Builder], Made]
REWRITES: dict[str, list[Rewriting]] = {}


def rewrite(*names: str) -> Callable[[Rewriting], Rewriting]:
    """Put a function in the table, for the ops called `names`."""

    def add(fn: Rewriting) -> Rewriting:
        for name in names:
            REWRITES.setdefault(name, []).append(fn)
        return fn

    return add


# Views.


@rewrite("reshape", "permute", "expand", "slice", "squeeze")
def view_of_everything(op: Op, known: Known, build: Builder) -> Made:
    """`x.reshape(x.shape)`, `x[:]` and their kin are x."""
    (x,) = op.inputs
    whole: dict[str, Callable[[TensorType], bool]] = {
        "permute": lambda t: op.attrs["dims"] == tuple(range(t.ndim)),
        "slice": lambda t: op.attrs["start"] == 0 and op.attrs["step"] == 1,
    }
    if not isinstance(x.type, TensorType) or x.type != op.output.type:
        return None
    return [x] if op.name not in whole or whole[op.name](x.type) else None


@rewrite("reshape")
def reshape_of_view(op: Op, known: Known, build: Builder) -> Made:
    """The last reshape tells the shape, whatever a reshape, squeeze or unsqueeze did before."""
    inner = known.maker(op.inputs[0])
    if inner is None or inner.name not in ("reshape", "squeeze", "unsqueeze") or _strided(inner):
        return None  # a strided tensor may be copied by the one and not by the other
    return [build.emit1("reshape", inner.inputs, {"shape": op.attrs["shape"]})]


@rewrite("permute")
def permute_of_permute(op: Op, known: Known, build: Builder) -> Made:
    """Two permutations are one."""
    inner = known.made_by(op.inputs[0], "permute")
    if inner is None:
        return None
    first, second = _ints(inner, "dims"), _ints(op, "dims")
    return [build.emit1("permute", inner.inputs, {"dims": tuple(first[d] for d in second)})]


@rewrite("expand")
def expand_of_expand(op: Op, known: Known, build: Builder) -> Made:
    """Of two expansions the last one tells the shape."""
    inner = known.made_by(op.inputs[0], "expand")
    return (
        None
        if inner is None
        else [build.emit1("expand", inner.inputs, {"shape": op.attrs["shape"]})]
    )


@rewrite("slice")
def slice_of_slice(op: Op, known: Known, build: Builder) -> Made:
    """`x[a:][b:]` is `x[a + b:]`, along one dimension."""
    inner = known.made_by(op.inputs[0], "slice")
    if inner is None or inner.attrs["dim"] != op.attrs["dim"]:
        return None
    outer, first = dict(op.attrs), dict(inner.attrs)
    start: Any = first["start"]
    step: Any = first["step"]
    start, step = start + outer["start"] * step, outer["step"] * step
    return [build.emit1("slice", inner.inputs, {**outer, "start": start, "step": step})]


@rewrite("squeeze")
def squeeze_of_unsqueeze(op: Op, known: Known, build: Builder) -> Made:
    """A dimension put in and taken out again."""
    inner = known.made_by(op.inputs[0], "unsqueeze")
    same = inner is not None and op.attrs["dims"] == (inner.attrs["dim"],)
    return inner.inputs if same and inner is not None else None


def _strided(op: Op) -> bool:
    t = op.inputs[0].type
    return isinstance(t, TensorType) and t.strided


def _ints(op: Op, name: str) -> tuple[int, ...]:
    value = op.attrs[name]
    assert isinstance(value, tuple)
    return tuple(d for d in value if isinstance(d, int))


# Casts.


@rewrite("cast")
def cast_to_the_same(op: Op, known: Known, build: Builder) -> Made:
    """A cast to the dtype that a tensor has."""
    t = op.inputs[0].type
    return op.inputs if isinstance(t, TensorType) and t.dtype is op.attrs["dtype"] else None


@rewrite("cast")
def cast_of_widening_cast(op: Op, known: Known, build: Builder) -> Made:
    """What a cast to a wider dtype lost nothing of may be cast from where it came."""
    inner = known.made_by(op.inputs[0], "cast")
    if inner is None or not isinstance(inner.inputs[0].type, TensorType):
        return None
    wide, target = inner.attrs["dtype"], op.attrs["dtype"]
    assert isinstance(wide, DType)
    assert isinstance(target, DType)
    if not holds_all(inner.inputs[0].type.dtype, wide, target):
        return None
    return [build.emit1("cast", inner.inputs, {"dtype": target})]


def holds_all(narrow: DType, wide: DType, target: DType) -> bool:
    """Whether casts by way of `wide` give what a cast from `narrow` gives."""
    if narrow.is_complex or wide.is_complex or target.is_complex:
        return False
    if narrow.kind == "float" and target.kind == "int":
        return False  # NaN and what is out of range give what the processor makes of that width
    if narrow.kind == "int" and wide.kind == "float" and target.kind != "bool":
        return _exact(narrow, wide) and _exact(narrow, target)
    return _exact(narrow, wide)


def _exact(narrow: DType, wide: DType) -> bool:
    """Whether every number of the one dtype is a number of the other."""
    if narrow is wide or narrow.kind == "bool":
        return True
    if narrow.kind == "float":
        return wide.kind == "float" and wide.itemsize > narrow.itemsize
    if wide.kind == "float":  # bits of the mantissa against bits of the integer
        return {2: 11, 4: 24, 8: 53}[wide.itemsize] >= 8 * narrow.itemsize
    signs = wide.is_signed or not narrow.is_signed
    return wide.kind == "int" and wide.itemsize > narrow.itemsize and signs


@rewrite("div")
def division_by_power_of_two(op: Op, known: Known, build: Builder) -> Made:
    """`x / 8` is `x * 0.125`, exactly, where the reciprocal is a normal number of the dtype."""
    x, y = op.inputs
    if (
        not isinstance(x.type, TensorType)
        or not isinstance(y.type, TensorType)
        or x.type.dtype.kind != "float"
    ):
        return None
    value = known.constant(y)
    if not isinstance(value, (int, float)) or value in (0, 1, -1) or not math.isfinite(value):
        return None
    mantissa, exponent = math.frexp(value)
    largest = {2: 14, 4: 126, 8: 1022}[x.type.dtype.itemsize]
    if abs(mantissa) != 0.5 or abs(exponent - 1) > largest:
        return None
    return [build.emit1("mul", (x, build.constant(1.0 / value, x.type.dtype)))]


# Tuples and lists.


@rewrite("tuple_get")
def item_of_tuple(op: Op, known: Known, build: Builder) -> Made:
    """An item of a tuple just made."""
    made = known.made_by(op.inputs[0], "tuple")
    index = op.attrs["index"]
    return [made.inputs[index]] if made is not None and isinstance(index, int) else None


@rewrite("list_get")
def item_of_list(op: Op, known: Known, build: Builder) -> Made:
    """An item of a list just made; beyond its end the op stays, and raises."""
    items, index = _items(op.inputs[0], known), op.attrs["index"]
    if items is None or not isinstance(index, int) or not -len(items) <= index < len(items):
        return None
    return [items[index]]


@rewrite("len")
def length_of_list(op: Op, known: Known, build: Builder) -> Made:
    """The length of a list just made."""
    items = _items(op.inputs[0], known)
    return None if items is None else [build.constant(len(items))]


@rewrite("append")
def append_to_list(op: Op, known: Known, build: Builder) -> Made:
    """A list with one more item is a list."""
    items = _items(op.inputs[0], known)
    return None if items is None else [build.emit1("list", (*items, op.inputs[1]))]


@rewrite("extend")
def extend_list(op: Op, known: Known, build: Builder) -> Made:
    """A list followed by a list is a list."""
    first, second = (_items(v, known) for v in op.inputs)
    return None if not first or second is None else [build.emit1("list", (*first, *second))]


@rewrite("list_stack")
def stack_of_list(op: Op, known: Known, build: Builder) -> Made:
    """Stack the tensors of a list whose length is known."""
    items = _items(op.inputs[0], known)
    if not items:
        return None
    rows = [build.emit1("unsqueeze", (v,), {"dim": op.attrs["dim"]}) for v in items]
    return [build.emit1("cat", rows, {"dim": op.attrs["dim"]})]


@rewrite("list_cat")
def cat_of_list(op: Op, known: Known, build: Builder) -> Made:
    """Join the tensors of a list whose length is known."""
    items = _items(op.inputs[0], known)
    return [build.emit1("cat", items, {"dim": op.attrs["dim"]})] if items else None


def _items(v: Value, known: Known) -> tuple[Value, ...] | None:
    """Return the items of a list whose length is known."""
    if known.made_by(v, "empty_list") is not None:
        return ()
    made = known.made_by(v, "list")
    return None if made is None else made.inputs


# Control flow.


@rewrite("if")
def if_of_constant(op: Op, known: Known, build: Builder) -> Made:
    """Take the branch that the condition names."""
    condition = known.constant(op.inputs[0])
    if not isinstance(condition, bool):
        return None
    return _inlined(op, 0 if condition else 1, (), build)


@rewrite("loop")
def loop_of_no_turns(op: Op, known: Known, build: Builder) -> Made:
    """A loop that never runs gives what it starts from."""
    trips, condition = op.inputs[:2]
    never = known.constant(condition) is False or _at_most(trips, 0)
    return op.inputs[2:] if never else None


@rewrite("loop")
def loop_of_one_turn(op: Op, known: Known, build: Builder) -> Made:
    """A loop that runs once is its body."""
    trips, condition = op.inputs[:2]
    assert isinstance(trips.type, ScalarType)
    if trips.type.value != 1 or known.constant(condition) is not True:
        return None
    results = _inlined(op, 0, (build.constant(0), *op.inputs[2:]), build)
    return results[1:]


def _at_most(v: Value, limit: int) -> bool:
    known = v.type.value if isinstance(v.type, ScalarType) else None
    return isinstance(known, int) and known <= limit


def _inlined(op: Op, block: int, args: Sequence[Value], build: Builder) -> tuple[Value, ...]:
    ops, results = inline(op.blocks[block], args)
    build.ops += ops
    return results
