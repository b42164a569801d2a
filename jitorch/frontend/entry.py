"""The quick way into a version: one flat function that checks a call's arguments and runs the program.

    def entry(args):
        if len(args) != 2: return MISS
        x, k = args
        if type(x) is not Tensor: return MISS
        v0 = x._data
        if type(v0) is not ndarray: return MISS         # another one is on a GPU
        s0 = v0.shape
        if v0.dtype is not dtype0 or len(s0) != 1 or 1 in s0 or not v0.flags.c_contiguous: return MISS
        if type(k) is not int or not -LIMIT <= k < LIMIT: return MISS
        if s0[0] < k: return MISS                       # a guard on sizes
        if read0() is not value0 and not holds0(): return MISS
        values = [v0, k]
        out = run(values)
        return assemble([wrap(out[0])])

It answers only for calls that the version serves for certain, and MISS for all others: those take
the general way, through `Leaves`, which costs several times as much.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from jitorch.frontend.version import Entry, Version
from jitorch.ir import dims as D
from jitorch.ir.types import ScalarType, TensorType
from jitorch.tensor import Tensor, wrap

MISS = object()


class _NotFlat(Exception):
    """An argument that only the general way can check."""


def write_entry(version: Version, args: tuple[Any, ...]) -> Entry:
    """Return the entry of a version for calls like the one given.

    `args` are all arguments of the function in order, defaults included.
    """
    writer = _Writer(version)
    try:
        return writer.write(args)
    except _NotFlat:
        return lambda args: MISS


class _Writer:
    def __init__(self, version: Version) -> None:
        self.version = version
        self.lines: list[str] = []
        self.values: list[str] = []
        self.objects: list[str] = []
        self.scope: dict[str, Any] = {"MISS": MISS, "Tensor": Tensor, "ndarray": np.ndarray}

    def write(self, args: tuple[Any, ...]) -> Entry:
        self.items("args", "a", args)
        self.guards()
        self.value_guards()
        self.result()
        source = "\n    ".join(["def entry(args):", *self.lines])
        exec(compile(source, "<jitorch entry>", "exec"), self.scope)
        entry: Entry = self.scope.pop("entry")  # without it the two are no cycle, and go at once
        return entry

    def constant(self, kind: str, value: Any) -> str:
        name = f"{kind}{len(self.scope)}"
        self.scope[name] = value
        return name

    def refuse(self, *conditions: str) -> None:
        self.lines.append(f"if {' or '.join(conditions)}: return MISS")

    # Arguments.

    def items(self, text: str, name: str, items: tuple[Any, ...] | list[Any]) -> None:
        self.refuse(f"len({text}) != {len(items)}")
        names = [f"{name}_{i}" for i in range(len(items))]
        if names:
            self.lines.append(f"{', '.join(names)}, = {text}")
        for item_name, item in zip(names, items, strict=True):
            self.argument(item_name, item)

    def argument(self, name: str, x: Any) -> None:
        kind = type(x)
        if kind is Tensor:
            self.refuse(f"type({name}) is not Tensor")
            self.lines.append(f"{name}_data = {name}._data")
            self.refuse(f"type({name}_data) is not {self.constant('kind', type(x._data))}")
            self.array(f"{name}_data", name, x._data)
        elif kind is np.ndarray:
            self.refuse(f"type({name}) is not ndarray")
            self.array(name, name, x)
        elif kind is int or kind is float:
            in_range = [f"not {-(2**63)} <= {name} < {2**63}"] if kind is int else []
            self.refuse(f"type({name}) is not {kind.__name__}", *in_range)
            self.values.append(name)
            self.objects.append("None")
        elif kind is tuple or kind is list:
            self.refuse(f"type({name}) is not {kind.__name__}")
            self.items(name, name, x)
        elif kind is dict:
            keys = self.constant("keys", tuple(x))
            self.refuse(f"type({name}) is not dict", f"tuple({name}) != {keys}")
            self.items(f"tuple({name}.values())", name, list(x.values()))
        elif kind is str:
            self.refuse(f"type({name}) is not str", f"{name} != {x!r}")
        elif isinstance(
            x, (np.ndarray, np.generic, Tensor, int, float, tuple, list, dict, str)
        ) and (kind is not bool):
            raise _NotFlat
        else:
            self.refuse(f"{name} is not {self.constant('object', x)}")

    def array(self, value: str, owner: str, x: Any) -> None:
        if x.dtype is not np.dtype(x.dtype.str):
            raise _NotFlat
        sizes = f"{value}_shape"
        self.lines.append(f"{sizes} = {value}.shape")
        if 1 in x.shape:
            ones = [f"{sizes}[{i}] {'!=' if n == 1 else '=='} 1" for i, n in enumerate(x.shape)]
        else:
            ones = [f"1 in {sizes}"] if x.shape else []
        if not isinstance(x, np.ndarray):
            ones.append(f"{value}.data.device_id != {x.data.device_id}")
        self.refuse(
            f"{value}.dtype is not {self.constant('dtype', x.dtype)}",
            f"len({sizes}) != {x.ndim}",
            *ones,
            f"{value}.flags.c_contiguous is not {x.flags.c_contiguous}",
        )
        self.values.append(value)
        self.objects.append(owner)

    # What the version relies on.

    def guards(self) -> None:
        recorded = self.version.recorded
        names = {
            b.name: self.values[b.index]
            if b.dim is None
            else f"{self.values[b.index]}_shape[{b.dim}]"
            for b in recorded.bindings
            if b.index < len(self.values)
        }
        for g in recorded.guards:
            if not {*D.symbols(g.left), *D.symbols(g.right)} <= names.keys():
                raise _NotFlat  # the size of a captured tensor
            left, right = D.python_source(g.left, names), D.python_source(g.right, names)
            self.refuse(f"not ({left} {g.kind} {right})")

    def value_guards(self) -> None:
        guards = self.version.recorded.value_guards
        if not guards:
            return
        self.lines.append("try:")
        for g in guards:
            holds = f"not {self.constant('holds', g.holds)}()"
            if g.by_identity:
                read, value = self.constant("read", g.read), self.constant("value", g.value)
                holds = f"{read}() is not {value} and {holds}"
            self.lines.append(f"    if {holds}: return MISS")
        self.lines.append("except (KeyError, AttributeError, ValueError, NameError): return MISS")

    # The call.

    def result(self) -> None:
        v = self.version
        self.lines.append(f"values = [{', '.join(self.values)}]")
        if v.written:
            self.refuse(f"{self.constant('overlaps', v.overlaps)}(values)")
        captured = f" + {self.constant('captured', v.captured)}" if v.captured else ""
        run, assemble = (
            self.constant(k, f)
            for k, f in (("run", v.program.run), ("assemble", v.recorded.assemble))
        )
        self.lines.append(f"out = {run}(values{captured})")
        self.lines.append(f"objects = [{', '.join(self.objects)}]")
        self.scope["wrap"] = wrap
        returned = self.constant("returned", v.returned)
        graph = v.program.graph
        fused = {r for op in graph.block.ops if op.name == "fused" for r in op.outputs}
        results = []
        for i, r in enumerate(graph.results):
            match r.type:
                case TensorType(shape=shape) if r in fused and not v.recorded.numpy:
                    results.append(f"wrap(out[{i}])")
                case TensorType(shape=shape) if r in fused:
                    results.append(f"out[{i}]" if shape else f"out[{i}][()]")
                case ScalarType():
                    results.append(f"out[{i}]")
                case _:
                    results.append(f"{returned}(out[{i}], values, objects)")
        self.lines.append(f"return {assemble}([{', '.join(results)}])")
