"""The recorder: the interpreter of both front ends, which appends ops to a graph instead of computing.

It extends the `Builder` with what user code needs:

- tensors that can be changed in place. A `Storage` is an identity; the store maps it to the value it holds
  now. A tensor is a storage seen through a chain of views; writing to one makes a new value of the storage.
  The graph itself never mutates.
- sizes. Each is a symbol with the value it has in this call as a hint. A question about sizes ("is n == m?")
  is answered from the hints and noted as a guard: the program is right for every call that fulfils the guards.
- captured tensors, which become extra parameters.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from jitorch.dispatch import using
from jitorch.errors import Loc, TypeMismatch, current_loc
from jitorch.ir import dims as D
from jitorch.ir.builder import Builder, Operators
from jitorch.ir.core import Attr, Op, Value
from jitorch.ir.dims import Dim, Sym
from jitorch.ir.opdef import OpDef, result_types
from jitorch.ir.promotion import using_numpy_rules
from jitorch.ir.types import INT, DType, ListType, ScalarType, TensorType, Type, from_numpy_dtype
from jitorch.tensor import Tensor, check_assignable

LETTERS = "nmkpqrsuvw"
View = tuple[str, tuple[tuple[str, Attr], ...]]


class Storage:
    """The identity of a piece of memory; what it holds is in the recorder's store."""

    __slots__ = ("__weakref__",)


@dataclass(frozen=True)
class Guard:
    """A fact about sizes that a version of a program relies on."""

    kind: str  # "==", ">=" or "<"
    left: Dim
    right: Dim
    loc: Loc

    def holds(self, env: Mapping[str, int]) -> bool:
        """Whether the fact is true where `env` gives the sizes."""
        a, b = D.evaluate(self.left, env), D.evaluate(self.right, env)
        return a == b if self.kind == "==" else (a >= b if self.kind == ">=" else a < b)

    def __str__(self) -> str:
        return f"{self.left} {self.kind} {self.right}" + (f" at {self.loc}" if self.loc.known else "")


class TensorProxy(Tensor):
    """A tensor of the program being recorded."""

    def __init__(self, recorder: Recorder, storage: Storage, views: tuple[View, ...] = ()) -> None:
        self._recorder = recorder
        self._storage = storage
        self._views = views

    @property
    def value(self) -> Value:
        return self._recorder.read(self)

    @property
    def tensor_type(self) -> TensorType:
        t = self.value.type
        assert isinstance(t, TensorType)
        return t

    @property
    def shape(self) -> Any:
        return self._recorder.shape_of(self.tensor_type)

    @property
    def dtype(self) -> DType:
        return self.tensor_type.dtype

    @property
    def ndim(self) -> int:
        return self.tensor_type.ndim

    def is_contiguous(self) -> bool:
        return not self.tensor_type.strided

    def item(self) -> Any:
        return self._recorder.item(self)

    def __bool__(self) -> bool:
        return bool(self._recorder.python_value(self, "bool()"))

    def __int__(self) -> int:
        return int(self._recorder.python_value(self, "int()"))

    def __float__(self) -> float:
        return float(self._recorder.python_value(self, "float()"))

    def __index__(self) -> int:
        return int(self._recorder.python_value(self, "an index"))

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeMismatch("len() of a 0-d tensor")
        return int(self.shape[0])

    def numpy(self) -> Any:
        return self._recorder.python_value(self, "numpy()")

    def tolist(self) -> Any:
        return self._recorder.python_value(self, "tolist()")

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return self._recorder.python_value(self, "conversion to a NumPy array")

    def __repr__(self) -> str:
        return f"<tensor {self.value.type} being recorded>"

    def __format__(self, spec: str) -> str:
        return repr(self)

    def _assign(self, new: Any) -> Any:
        self._recorder.write(self, new)
        return self

    __hash__ = object.__hash__


class ScalarProxy(Operators):
    """A float, bool or str of the program being recorded. (Ints are `Sym`.)"""

    __slots__ = ("recorder", "value")

    def __init__(self, recorder: Recorder, value: Value) -> None:
        self.recorder = recorder
        self.value = value

    @property
    def kind(self) -> str:
        assert isinstance(self.value.type, ScalarType)
        return self.value.type.kind

    def __bool__(self) -> bool:
        return bool(self.recorder.python_value(self, "bool()"))

    def __float__(self) -> float:
        return float(self.recorder.python_value(self, "float()"))

    def __int__(self) -> int:
        return int(self.recorder.python_value(self, "int()"))

    def __repr__(self) -> str:
        return f"<{self.kind} being recorded>"

    __hash__ = object.__hash__


class ListProxy:
    """A list whose length is only known at run time."""

    __slots__ = ("recorder", "value")

    def __init__(self, recorder: Recorder, value: Value) -> None:
        self.recorder = recorder
        self.value = value


@dataclass
class Scope:
    """A block under construction: its ops, and the views already read in it."""

    ops: list[Op] = field(default_factory=list)
    views: dict[tuple[Value, View], Value] = field(default_factory=dict)
    sizes: dict[Dim, Value] = field(default_factory=dict)
    symbols: set[str] = field(default_factory=set)


class Recorder(Builder):
    """Records one program. With `numpy`, its tensors behave as NumPy's arrays."""

    def __init__(self, numpy: bool = False) -> None:
        self.proxy = TensorProxy
        if numpy:
            from jitorch.frontend.numpy_api import ArrayProxy

            self.proxy = ArrayProxy
        self.scopes = [Scope()]
        self.numpy = numpy
        self.store: dict[Storage, Value] = {}
        self.hints: dict[str, int] = {}
        self.guards: list[Guard] = []
        self.solved: dict[str, Dim] = {}
        self.non_negative: set[str] = set()
        self.upper: dict[str, Dim] = {}  # loop index -> what it stays below
        self.bound: dict[str, Value] = {}  # symbol -> the int value that defines it
        self.params: list[Value] = []
        self.origins: dict[Storage, Value] = {}  # the parameters' memory, as it was at the start
        self.captured: dict[int, tuple[Tensor, TensorProxy]] = {}
        self.used: set[str] = set()
        self.unnamed: set[str] = set()  # symbols whose names mean nothing to the user

    @property
    def ops(self) -> list[Op]:  # type: ignore[override]
        return self.scopes[-1].ops

    # Recording.

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Let ops, sizes and promotion go through this recorder."""
        with using(self), D.using_facts(self), using_numpy_rules(self.numpy):
            yield

    @contextmanager
    def scope(self) -> Iterator[Scope]:
        """Collect the ops of an inner block."""
        self.scopes.append(Scope())
        try:
            yield self.scopes[-1]
        finally:
            self.scopes.pop()

    def apply(self, op: OpDef, inputs: tuple[Any, ...], attrs: dict[str, Any]) -> Any:
        attrs = {k: plain_attr(v) for k, v in attrs.items()}
        if op.view and isinstance(inputs[0], TensorProxy):
            return self.view(inputs[0], op.name, attrs)
        return super().apply(op, inputs, attrs)

    def emit(
        self, name: str, inputs: Sequence[Value], attrs: dict[str, Attr] | None = None, **options: Any
    ) -> tuple[Value, ...]:
        """Append an op; sizes and ints known only at run time get fresh symbols."""
        types = options.pop("types", None)
        if types is None:
            types = result_types(name, [v.type for v in inputs], attrs or {})
        types = [ScalarType("int", self.fresh("i")) if t == INT else t for t in types]
        outputs = super().emit(name, inputs, attrs, types=types, **options)
        for v in outputs:
            self.bind(v)
        return outputs

    def wrap(self, v: Value) -> Any:
        """Return what stands for a value in user code."""
        if isinstance(v.type, TensorType):
            return self.tensor(v)
        if isinstance(v.type, ListType):
            return ListProxy(self, v)
        if isinstance(v.type, ScalarType) and v.type.kind == "int":
            assert v.type.value is not None
            return v.type.value
        return ScalarProxy(self, v)

    def unwrap(self, x: Any) -> Value | None:
        if isinstance(x, (TensorProxy, ScalarProxy, ListProxy)):
            return x.value
        if isinstance(x, Value):
            return x
        if isinstance(x, Tensor):
            return self.capture(x).value
        if isinstance(x, (np.ndarray, np.generic)):
            return self.capture_array(np.asarray(x)).value
        return None

    def tensor(self, v: Value) -> TensorProxy:
        """Return a tensor with memory of its own that holds `v`."""
        storage = Storage()
        self.store[storage] = v
        return self.proxy(self, storage)

    # Memory.

    def read(self, x: TensorProxy) -> Value:
        """Return the value a tensor has now."""
        value = self.store[x._storage]
        for view in x._views:
            value = self._viewed(value, view)
        return value

    def _viewed(self, value: Value, view: View) -> Value:
        for scope in self.scopes:
            if (value, view) in scope.views:
                return scope.views[value, view]
        out = self.emit1(view[0], (value,), dict(view[1]))
        self.scopes[-1].views[value, view] = out
        return out

    def view(self, x: TensorProxy, name: str, attrs: dict[str, Any]) -> TensorProxy:
        """Return a view of a tensor."""
        view = (name, tuple(attrs.items()))
        out = self.proxy(self, x._storage, (*x._views, view))
        out.value  # noqa: B018  recorded here, where the user wrote it, so that errors point there
        return out

    def write(self, x: TensorProxy, new: Any) -> None:
        """Overwrite a tensor (perhaps a view) in place."""
        value = self.unwrap(new)
        if value is None:
            value = self.converted(new, None, x.dtype)
        t, target = value.type, x.tensor_type
        assert isinstance(t, TensorType)
        check_assignable(target.dtype, target.shape, t.dtype, t.shape)
        if any(name == "expand" for name, _ in x._views):
            raise TypeMismatch(
                "unsupported operation: more than one element of the written-to tensor refers to a single "
                "memory location",
                hint="clone() the tensor before performing the operation",
            )
        value = self.cast(value, target.dtype)
        if t.shape != target.shape:
            value = self.emit1("copy", (self.emit1("expand", (value,), {"shape": target.shape}),))
        chain = [self.store[x._storage]]
        for view in x._views:
            chain.append(self._viewed(chain[-1], view))
        for base, (name, attrs) in zip(reversed(chain[:-1]), reversed(x._views), strict=True):
            value = self.emit1("write", (base, value), {"view": name, **dict(attrs)})
        self.store[x._storage] = value

    # Captured tensors.

    def capture(self, x: Tensor) -> TensorProxy:
        """Make a tensor from outside the program a parameter of it."""
        if id(x) not in self.captured:
            if x is not x.detach():  # pragma: no cover - kept for tensors with a history
                raise TypeMismatch("can't capture a tensor with gradient history")
            self.captured[id(x)] = (x, self.parameter(x._data, "", captured=True))
        return self.captured[id(x)][1]

    def capture_array(self, x: Any) -> TensorProxy:
        """Make an array from outside a parameter."""
        for held, proxy in self.captured.values():
            if held._data is x:
                return proxy
        from jitorch.tensor import wrap

        return self.capture(wrap(x))

    def parameter(self, array: Any, name: str, captured: bool = False) -> TensorProxy:
        """Add a tensor parameter with the dtype, rank and layout of `array`."""
        shape = tuple(n if n == 1 or captured else self.dim_symbol(n) for n in array.shape)
        dtype = from_numpy_dtype(array.dtype)
        v = Value(TensorType(dtype, shape, strided=not array.flags.c_contiguous), name or "const")
        self.params.append(v)
        proxy = self.tensor(v)
        self.origins[proxy._storage] = v
        return proxy

    def scalar_parameter(self, value: int | float, name: str) -> Any:
        """Add an int or float parameter."""
        if isinstance(value, float):
            v = Value(ScalarType("float"), name)
            self.params.append(v)
            return ScalarProxy(self, v)
        s = self.fresh(name)
        self.hints[str(s)] = value
        v = Value(ScalarType("int", s), name)
        self.params.append(v)
        self.bind(v)
        return s

    # Sizes.

    def fresh(self, prefix: str = "") -> Sym:
        """Return a new symbol, named after `prefix` where it is free."""
        name = prefix
        if not name:
            name = next((c for c in LETTERS if c not in self.used), "d0")
        base, count = name.rstrip("0123456789") or "d", 0
        while name in self.used or name in D.FUNCTIONS or name in _RESERVED:
            name, count = f"{base}{count}", count + 1
        self.used.add(name)
        return D.symbol(name)

    def dim_symbol(self, hint: int) -> Sym:
        """Return a new symbol for a size that is `hint` in this call."""
        s = self.fresh()
        self.unnamed.add(str(s))
        self.hints[str(s)] = hint
        self.non_negative.add(str(s))
        return s

    def bind(self, v: Value) -> None:
        """Note the symbols that a value defines, and that they are known from here to the end of the block."""
        t = v.type
        if isinstance(t, ScalarType) and t.value is not None and D.is_symbol(t.value):
            self.bound.setdefault(str(t.value), v)
            self.scopes[-1].symbols.add(str(t.value))
        if isinstance(t, TensorType):
            self.scopes[-1].symbols.update(str(d) for d in t.shape if D.is_symbol(d))

    def visible(self, d: Dim) -> bool:
        """Whether every symbol in a size means something here."""
        return all(s in self.hints or any(s in scope.symbols for scope in self.scopes) for s in D.symbols(d))

    def size(self, dim: Dim) -> Value:
        if isinstance(dim, int):
            return self.constant(dim)
        dim = plain_attr(dim)
        if str(dim) in self.bound:
            return self.bound[str(dim)]
        for scope in self.scopes:
            if dim in scope.sizes:
                return scope.sizes[dim]
        out = self.emit1("dim", (), {"value": dim})
        self.scopes[-1].sizes[dim] = out
        return out

    def shape_of(self, t: TensorType) -> Any:
        """Return a shape as user code sees it."""
        return tuple(self.canonical(d) for d in t.shape)

    def canonical(self, d: Dim) -> Dim:
        """Return a size with everything already known about its symbols put in."""
        return D.substitute(plain_attr(d), self.solved)

    def value_of(self, d: Dim) -> int | None:
        """Return the value of a size in this call, None if only run time tells."""
        try:
            return D.evaluate(d, self.hints)
        except KeyError:
            return None

    def note(self, kind: str, a: Dim, b: Dim) -> None:
        """Rely on a fact from here on."""
        self.guards.append(Guard(kind, a, b, current_loc()))
        if kind == "==":
            self._solve(a, b)

    def _solve(self, a: Dim, b: Dim) -> None:
        """Use an equation to do without one of its symbols, the later one."""
        order = list(self.hints)
        for s, other in sorted(((a, b), (b, a)), key=lambda p: -order.index(str(p[0])) if str(p[0]) in order else 1):
            if isinstance(s, Sym) and str(s) in self.hints and str(s) not in set(D.symbols(other)):
                self.solved = {k: D.substitute(v, {str(s): other}) for k, v in self.solved.items()}
                self.solved[str(s)] = other
                return

    def equal(self, a: Dim, b: Dim) -> bool:
        a, b = self.canonical(a), self.canonical(b)
        if a == b:
            return True
        if isinstance(a, int) and isinstance(b, int):
            return False
        x, y = self.value_of(a), self.value_of(b)
        if x is None or y is None:
            self.emit("assume", (), {"left": a, "right": b})
            return True
        if x == y:
            self.note("==", a, b)
        return x == y

    def at_least(self, a: Dim, b: Dim) -> bool | None:
        gap = self.canonical(a) - self.canonical(b)
        if isinstance(gap, int):
            return gap >= 0
        if self._surely_non_negative(gap):
            return True
        value = self.value_of(gap)
        if value is None:
            return None
        self.note(">=" if value >= 0 else "<", self.canonical(a), self.canonical(b))
        return value >= 0

    def _surely_non_negative(self, gap: Sym) -> bool:
        """Whether sizes and loop indices, none below 0, and the bounds of the latter settle the sign."""
        highest = {s: self.canonical(top) - 1 for s, top in self.upper.items()}
        falling = {s for m, c in gap.terms if c < 0 for s in (a.name for a in m)}
        lowest = D.substitute(gap, {s: d for s, d in highest.items() if s in falling})
        if isinstance(lowest, int):
            return lowest >= 0
        return all(c >= 0 and all(not a.args and a.name in self.non_negative for a in m) for m, c in lowest.terms)

    def concrete(self, d: Sym) -> int:
        known = self.canonical(d)
        if isinstance(known, int):
            return known
        value = self.value_of(known)
        if value is None:
            return D.ProvedFacts().concrete(known)
        self.note("==", known, value)
        return value

    # Values that leave the program.

    def item(self, x: TensorProxy) -> Any:
        """Return the only element of a tensor as a number of the program."""
        return self.wrap(self.emit1("item", (x.value,)))

    def python_value(self, x: Any, what: str) -> Any:
        """Refuse to make a run-time value a Python one."""
        raise TypeMismatch(
            f"{what} needs the value of {describe(x)}, which is only known at run time",
            hint="leave the value in the program, or call a function marked @jt.ignore",
        )


_RESERVED = frozenset({"inf", "nan", "complex", "strided", "where", "return", "yield", "graph", "tuple", "list"}) | {
    "bool", "int", "float", "str", "none", "None", "True", "False", "lambda", "if", "for", "in", "is", "or", "and", "not",
    "i8", "i16", "i32", "i64", "u8", "f16", "f32", "f64", "c64", "c128", "as", "from", "def", "del", "class", "with", "_",
}  # fmt: skip


def plain_attr(a: Any) -> Any:
    """Return an attribute as the graph keeps it: tuples instead of lists, sizes without what tracing adds."""
    if isinstance(a, (tuple, list)):
        return tuple(plain_attr(x) for x in a)
    if isinstance(a, Sym) and type(a) is not Sym:
        return Sym(a.terms)
    return int(a) if isinstance(a, np.integer) else (float(a) if isinstance(a, np.floating) else a)


def describe(x: Any) -> str:
    """Return what a value is, in the user's words."""
    if isinstance(x, Tensor):
        return "a tensor"
    if isinstance(x, ScalarProxy):
        return f"a {x.kind}"
    if isinstance(x, Sym):
        return f"the size {x}"
    return f"a {type(x).__name__}"


def type_of(x: Any) -> Type | None:
    """Return the IR type of a recorded value."""
    return x.value.type if isinstance(x, (TensorProxy, ScalarProxy, ListProxy)) else None

