"""The recorder: the interpreter of both front ends, which appends ops to a graph instead of computing.

It extends the `Builder` with what user code needs:

- tensors that can be changed in place. A `Storage` is an identity; the store maps it to what it holds now.
  A tensor is a storage seen through a chain of views; writing to one makes a new value of the storage.
  The graph itself never mutates.
- sizes that are symbols, with guards (`sizes.py`).
- captured tensors, which become extra parameters.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from jitorch.cuda import adapter
from jitorch.dispatch import using
from jitorch.errors import ShapeMismatch, TypeMismatch
from jitorch.frontend.proxies import (
    ListProxy,
    ScalarProxy,
    Storage,
    TensorProxy,
    View,
    describe,
    plain_attr,
)
from jitorch.frontend.sharing import Sharing
from jitorch.frontend.sizes import Scope, Sizes
from jitorch.ir import dims as D
from jitorch.ir.core import Attr, Op, Value
from jitorch.ir.dims import product
from jitorch.ir.opdef import OpDef, result_types
from jitorch.ir.promotion import using_numpy_rules
from jitorch.ir.shapes import show
from jitorch.ir.types import INT, ListType, ScalarType, TensorType, from_numpy_dtype
from jitorch.size import Size
from jitorch.tensor import Tensor, check_assignable


class Recorder(Sizes):
    """Records one program. With `numpy`, its tensors behave as NumPy's arrays."""

    def __init__(self, numpy: bool = False) -> None:
        super().__init__()
        self.proxy = TensorProxy
        if numpy:
            from jitorch.frontend.numpy_api import ArrayProxy

            self.proxy = ArrayProxy
        self.numpy = numpy
        self.shape_kind = tuple if numpy else Size
        self.store: dict[Storage, Any] = {}  # tensors: a value; lists and dicts: their items
        self.lasting: dict[Storage, Any] = {}  # what the store held first for memory from outside
        self.params: list[Value] = []
        self.origins: dict[Storage, Value] = {}  # the parameters' memory, as it was at the start
        self.outside: dict[Storage, str] = {}  # lists and dicts from outside, and their names
        self.sharing = Sharing()
        self.captured: dict[int, tuple[Tensor, TensorProxy]] = {}

    @property
    def ops(self) -> list[Op]:  # type: ignore[override]
        return self.scopes[-1].ops

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
        self,
        name: str,
        inputs: Sequence[Value],
        attrs: dict[str, Attr] | None = None,
        **options: Any,
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

    def read(self, x: TensorProxy) -> Value:
        """Return the value a tensor has now."""
        value: Value = self.store[x._storage]
        for view in x._views:
            value = self._viewed(value, view)
        return value

    def type_of(self, x: TensorProxy) -> TensorType:
        """Return the type a tensor has now; unlike `read`, this records nothing."""
        t: Any = self.store[x._storage].type
        for name, attrs in x._views:
            (t,) = result_types(name, [t], dict(attrs))
        assert isinstance(t, TensorType)
        return t

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
        self.sharing.check_write(x._storage, self.store, self.lasting)
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
        if t.device != target.device:
            value = self.emit1("transfer", (value,), {"device": target.device})
        if t.ndim != target.ndim or not all(map(self.equal, t.shape, target.shape)):
            value = self.emit1("copy", (self.emit1("expand", (value,), {"shape": target.shape}),))
        chain = [self.store[x._storage]]
        for view in x._views:
            chain.append(self._viewed(chain[-1], view))
        for base, (name, attrs) in zip(reversed(chain[:-1]), reversed(x._views), strict=True):
            value = self.emit1("write", (base, value), {"view": name, **dict(attrs)})
        self.store[x._storage] = value

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
        """Add a tensor parameter with the dtype, rank, layout and device of `array`."""
        shape = tuple(n if n == 1 or captured else self.dim_symbol(n) for n in array.shape)
        dtype = from_numpy_dtype(array.dtype)
        place = str(adapter.device_of(array))
        strided = not array.flags.c_contiguous
        v = Value(TensorType(dtype, shape, strided, place), name or "const")
        self.params.append(v)
        proxy = self.tensor(v)
        self.origins[proxy._storage] = self.lasting[proxy._storage] = v
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

    def item(self, x: TensorProxy) -> Any:
        """Return the only element of a tensor as a number of the program."""
        if x.ndim and not self.equal(product(tuple(x.shape)), 1):
            raise ShapeMismatch(
                f"a tensor of shape {show(x.shape)} can't be made a number",
                hint="reduce it first, or take one element: x[0].item()",
            )
        return self.wrap(self.emit1("item", (x.value,)))

    def python_value(self, x: Any, what: str) -> Any:
        """Refuse to make a run-time value a Python one."""
        raise TypeMismatch(
            f"{what} needs the value of {describe(x)}, which is only known at run time",
            hint="leave the value in the program, or call a function marked @jt.ignore",
        )
