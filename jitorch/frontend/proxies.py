"""What stands for run-time values in user code while it is being recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from jitorch.cuda import adapter
from jitorch.device import device as Device
from jitorch.dispatch import current
from jitorch.errors import TraceError, TypeMismatch
from jitorch.ir.builder import Operators
from jitorch.ir.core import Attr, Value
from jitorch.ir.dims import Sym
from jitorch.ir.types import DType, ScalarType, TensorType
from jitorch.tensor import Tensor

if TYPE_CHECKING:
    from jitorch.frontend.record import Recorder

View = tuple[str, tuple[tuple[str, Attr], ...]]


class Storage:
    """The identity of a piece of memory; what it holds is in the recorder's store."""

    __slots__ = ("__weakref__",)


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
        return self._recorder.type_of(self)

    @property
    def shape(self) -> Any:
        return self._recorder.shape_of(self.tensor_type)

    @property
    def dtype(self) -> DType:
        return self.tensor_type.dtype

    @property
    def ndim(self) -> int:
        return self.tensor_type.ndim

    @property
    def device(self) -> Device:
        return adapter.named(self.tensor_type.device)

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

    def numpy(self, *, force: bool = False) -> Any:
        return self._recorder.python_value(self, "numpy()")

    def tolist(self) -> Any:
        return self._recorder.python_value(self, "tolist()")

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return self._recorder.python_value(self, "conversion to a NumPy array")

    def __repr__(self) -> str:
        return f"<tensor {self.value.type} being recorded>"

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __getattr__(self, name: str) -> Any:
        if name != "_data":
            raise AttributeError(name)
        if current() is self._recorder:
            return self._recorder.python_value(self, "this")
        raise TraceError(
            "this tensor belongs to a trace that has ended, or to another thread's",
            hint="return it from the traced function instead of keeping it elsewhere",
        )

    def _assign(self, new: Any) -> Any:
        self._recorder.write(self, new)
        return self

    def _fill(self, filled: Any) -> None:
        self._recorder.write(self, filled)

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
    if x is None:
        return "None"
    name = "int" if isinstance(x, Sym) else type(x).__name__
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"
