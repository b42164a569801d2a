"""A recorded program: its graph, what it relies on, and how results become Python objects again."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from jitorch.errors import TypeMismatch
from jitorch.frontend.frame import ValueGuard
from jitorch.frontend.proxies import ListProxy, ScalarProxy, TensorProxy
from jitorch.frontend.record import Recorder
from jitorch.frontend.signature import Binding
from jitorch.frontend.sizes import LETTERS, Guard
from jitorch.frontend.values import DictVal, ListVal, MaybeUndefined, Poison
from jitorch.ir import dims as D
from jitorch.ir.core import Block, Graph, Value
from jitorch.ir.dims import Sym
from jitorch.ir.promotion import get_default_dtype
from jitorch.ir.rebuild import rename_dims, substitute_dims
from jitorch.ir.types import ScalarType, TensorType
from jitorch.size import like_tuple
from jitorch.tensor import Tensor

Assemble = Callable[[list[Any]], Any]


@dataclass(frozen=True)
class Recorded:
    """What a front end makes of a function for one kind of arguments."""

    graph: Graph
    guards: tuple[Guard, ...]
    value_guards: tuple[ValueGuard, ...]
    bindings: tuple[Binding, ...]
    captured: tuple[Tensor, ...]  # the last parameters of the graph
    assemble: Assemble  # graph results -> the function's value
    numpy: bool

    def broken_guard(self, values: list[Any]) -> str | None:
        """Return the first fact that does not hold for a call, None if all do."""
        for v in self.value_guards:
            if not v.holds():
                return v.in_words()
        env = {b.name: b.read(values) for b in self.bindings}
        for g in self.guards:
            if not g.holds(env):
                return self.in_words(g)
        return None

    def in_words(self, g: Guard) -> str:
        """Return a guard as the user would write it: `x.shape[1] == 4`."""
        names = {b.name: _access(self.graph.params[b.index].hint, b.dim) for b in self.bindings}
        left, right = (D.python_source(d, names) for d in (g.left, g.right))
        return f"{left} {g.kind} {right}" + (f" ({g.loc})" if g.loc.known else "")


def _access(name: str, dim: int | None) -> str:
    return name if dim is None else f"{name}.shape[{dim}]"


def _pretty(rec: Recorder, graph: Graph) -> dict[str, D.Dim]:
    """Return new names for the sizes that the user did not name: n, m, k, ... as they come."""
    seen: dict[str, None] = {}
    for v in graph.params:
        if isinstance(v.type, TensorType):
            seen.update((s, None) for d in v.type.shape for s in D.symbols(d) if s in rec.unnamed)
    free = [c for c in LETTERS if c not in rec.used or c in rec.unnamed]
    return {old: D.symbol(new) for old, new in zip(seen, free, strict=False)}


def finish(rec: Recorder, name: str, result: Any, value_guards: Sequence[ValueGuard]) -> Recorded:
    """Close a recording: write back in-place changes of parameters, and collect the results."""
    _write_back(rec)
    leaves: list[Value] = []
    assemble = _flatten(rec, result, leaves)
    params = tuple(rec.params)
    bindings = tuple(_bindings(params))
    block = Block(params, tuple(rec.ops), tuple(leaves))
    graph = substitute_dims(Graph(re.sub(r"\W", "", name), block), dict(rec.solved))
    guards = tuple(dict.fromkeys(rec.guards))
    constraints = tuple(dict.fromkeys(_unsolved(rec, guards)))
    graph = Graph(graph.name, graph.block, constraints)
    return Recorded(
        rename_dims(graph, _pretty(rec, graph)),
        guards,
        # Constants and integer divisions were typed by it.
        (ValueGuard("the default dtype", get_default_dtype, get_default_dtype()), *value_guards),
        bindings,
        tuple(t for t, _ in rec.captured.values()),
        assemble,
        rec.numpy,
    )


def _unsolved(rec: Recorder, guards: Sequence[Guard]) -> list[tuple[D.Dim, D.Dim]]:
    """Return the equations that putting in solved symbols does not make trivial."""
    pairs = [(rec.canonical(g.left), rec.canonical(g.right)) for g in guards if g.kind == "=="]
    return [(a, b) for a, b in pairs if a != b]


def _write_back(rec: Recorder) -> None:
    for storage, original in list(rec.origins.items()):
        now = rec.store[storage]
        if now is not original:
            rec.emit("assign", (original, now))
            rec.store[storage] = original


def _bindings(params: Sequence[Value]) -> list[Binding]:
    out: dict[str, Binding] = {}
    for i, v in enumerate(params):
        if isinstance(v.type, TensorType):
            for d, size in enumerate(v.type.shape):
                if D.is_symbol(size):
                    out.setdefault(str(size), Binding(str(size), i, d))
        elif isinstance(v.type, ScalarType) and isinstance(v.type.value, Sym):
            out.setdefault(str(v.type.value), Binding(str(v.type.value), i, None))
    return list(out.values())


def _flatten(rec: Recorder, x: Any, leaves: list[Value]) -> Assemble:
    """Append the graph values in `x` to `leaves`; return what puts their results back in its structure."""
    match x:
        case Poison(message=message, hint=hint):
            raise TypeMismatch(f"the result can't be of one type: {message}", hint=hint)
        case MaybeUndefined(value=value):
            return _flatten(rec, value, leaves)
        case ListVal() | DictVal():
            return _flatten_container(rec, x, leaves)
        case tuple():
            parts = [_flatten(rec, i, leaves) for i in x]
            return lambda outs: like_tuple(type(x), [p(outs) for p in parts])
        case TensorProxy() | ScalarProxy() | ListProxy() | Sym() | Tensor():
            v = rec.size(x) if isinstance(x, Sym) else rec.unwrap(x)
            assert v is not None
            return _leaf(v, leaves)
    return lambda outs: x


def _flatten_container(rec: Recorder, x: ListVal | DictVal, leaves: list[Value]) -> Assemble:
    state: Any = rec.store[x]
    if isinstance(state, Value):
        return _leaf(state, leaves)
    if isinstance(x, DictVal):
        parts = {k: _flatten(rec, v, leaves) for k, v in state.items()}
        return lambda outs: {k: p(outs) for k, p in parts.items()}
    items = [_flatten(rec, v, leaves) for v in state]
    return lambda outs: [p(outs) for p in items]


def _leaf(v: Value, leaves: list[Value]) -> Assemble:
    index = len(leaves)
    leaves.append(v)
    return lambda outs: outs[index]
