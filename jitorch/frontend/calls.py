"""Calls in the script front end: Python's built-ins, library functions, and the user's own, which are inlined."""

from __future__ import annotations

import inspect
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import TYPE_CHECKING, Any

from jitorch.dispatch import METHODS
from jitorch.errors import (
    AttributeNotFound,
    LocatedError,
    TypeMismatch,
    UnsupportedSyntax,
    current_loc,
)
from jitorch.frontend.iteration import LazyVal, RangeVal
from jitorch.frontend.record import ListProxy, ScalarProxy, TensorProxy, describe
from jitorch.frontend.source import parse_function
from jitorch.frontend.values import DictVal, ListVal
from jitorch.ir import dims as D
from jitorch.ir.core import Value
from jitorch.ir.dims import Sym
from jitorch.tensor import Tensor

if TYPE_CHECKING:
    from jitorch.frontend.script import Frame

Handler = Callable[..., Any]
BUILTINS: dict[Any, Handler] = {}


def call(frame: Frame, fn: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """Record a call and return its value."""
    from jitorch.frontend.expressions import BoundMethod
    from jitorch.frontend.script import UserFunction

    if isinstance(fn, UserFunction):
        return inline(frame, fn, args, kwargs)
    if isinstance(fn, BoundMethod):
        return _container_method(frame, fn.owner, fn.name, args, kwargs)
    if (handler := _builtin(fn)) is not None:
        return _checked(fn, lambda: handler(frame, *args, **kwargs))
    if (scripted := getattr(fn, "__jitorch_script__", None)) is not None:
        return inline_function(frame, scripted, args, kwargs)
    if (ignored := getattr(fn, "__jitorch_ignored__", None)) is not None:
        return ignored.record(frame.rec, args, kwargs)
    if _from_numpy(fn):
        return _numpy(frame, fn, args, kwargs)
    if is_library(fn):
        plain = [_plain(frame, a) for a in args]
        named = {k: _plain(frame, v) for k, v in kwargs.items()}
        return _result(frame, _checked(fn, lambda: fn(*plain, **named)))
    if isinstance(fn, MethodType) and isinstance(fn.__func__, FunctionType):
        return inline_function(frame, fn.__func__, [fn.__self__, *args], kwargs)
    if isinstance(fn, FunctionType):
        return inline_function(frame, fn, args, kwargs)
    return _other(frame, fn, args, kwargs)


def _builtin(fn: Any) -> Handler | None:
    try:
        return BUILTINS.get(fn)
    except TypeError:  # not hashable
        return None


def _other(frame: Frame, fn: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    from jitorch.frontend.expressions import is_static

    if isinstance(fn, type) and issubclass(fn, tuple):
        return _checked(fn, lambda: fn(*args, **kwargs))  # a named tuple of whatever it holds
    forward = getattr(type(fn), "forward", None)
    if forward is not None and isinstance(forward, FunctionType):
        return inline_function(frame, forward, [fn, *args], kwargs)
    own_call = getattr(type(fn), "__call__", None)
    if isinstance(own_call, FunctionType) and not isinstance(fn, type):
        return inline_function(frame, own_call, [fn, *args], kwargs)
    if not callable(fn):
        raise TypeMismatch(f"{describe(fn)} is not callable")
    if is_static(list(args)) and is_static(list(kwargs.values())) and _harmless(fn):
        return _checked(fn, lambda: fn(*args, **kwargs))
    name = getattr(fn, "__qualname__", None) or getattr(fn, "__name__", repr(fn))
    module = getattr(fn, "__module__", None)
    raise UnsupportedSyntax(
        f"can't call '{f'{module}.' if module and module != 'builtins' else ''}{name}' in @script",
        hint="use a jitorch or NumPy function, or call Python from a function marked @jt.ignore",
    )


def _harmless(fn: Any) -> bool:
    """Whether a call with constant arguments may run while compiling."""
    module = getattr(fn, "__module__", "") or type(getattr(fn, "__self__", None)).__module__
    return module in ("math", "cmath", "builtins", "operator") and isinstance(fn, (BuiltinFunctionType, type(str.join), type))


def _checked(fn: Any, run: Callable[[], Any]) -> Any:
    """Run a library call; a Python error in the arguments becomes one of ours."""
    try:
        return run()
    except LocatedError:
        raise
    except (TypeError, ValueError, IndexError, OverflowError, ZeroDivisionError) as error:
        name = getattr(fn, "__name__", "call")
        raise TypeMismatch(f"{name}: {_without_self(str(error))}") from None


def _without_self(message: str) -> str:
    for lead in ("jitorch.", "<locals>."):
        message = message.replace(lead, "")
    return message


def is_library(fn: Any) -> bool:
    """Whether a function is ours, to be run on the proxies as it stands."""
    target = fn.__func__ if isinstance(fn, MethodType) else fn
    module = getattr(target, "__module__", None) or ""
    if module == "jitorch" or module.startswith("jitorch."):
        return not module.startswith("jitorch.models")
    return isinstance(getattr(fn, "__self__", None), (Tensor, ScalarProxy))


def _plain(frame: Frame, x: Any) -> Any:
    """Return a value as library functions take it: Python lists, or the graph's list."""
    if isinstance(x, ListVal):
        state: Any = frame.rec.store[x]
        return ListProxy(frame.rec, state) if isinstance(state, Value) else [_plain(frame, i) for i in state]
    if isinstance(x, DictVal):
        return {k: _plain(frame, v) for k, v in frame.dict_state(x).items()}
    if isinstance(x, tuple) and type(x) is tuple:
        return tuple(_plain(frame, i) for i in x)
    return x


def _result(frame: Frame, x: Any) -> Any:
    return frame.new_list([_result(frame, i) for i in x]) if isinstance(x, list) else x


# The user's functions.


def inline_function(frame: Frame, fn: FunctionType, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """Record the body of a plain Python function in place of the call."""
    return inline(frame, user_function(fn), args, kwargs)


def user_function(fn: Any) -> Any:
    """Return a Python function as the front end keeps it."""
    from jitorch.frontend.script import UserFunction

    closure = dict(zip(fn.__code__.co_freevars, fn.__closure__ or (), strict=True))
    return UserFunction(parse_function(fn), fn.__globals__, closure, fn.__defaults__ or (), fn.__kwdefaults__ or {})


def inline(frame: Frame, fn: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """Record the body of a function in place of the call."""
    from jitorch.frontend.script import Frame as NewFrame

    bound = bind(frame, fn, args, kwargs)
    return NewFrame(frame.program, fn, current_loc()).run(bound)


def bind(frame: Frame, fn: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Bind the arguments of a call to the function's parameters, as Python does."""
    a = fn.source.node.args
    kind = inspect.Parameter
    parameters = [kind(p.arg, kind.POSITIONAL_ONLY) for p in a.posonlyargs]
    parameters += [kind(p.arg, kind.POSITIONAL_OR_KEYWORD) for p in a.args]
    for i, default in enumerate(reversed(fn.defaults), 1):
        parameters[-i] = parameters[-i].replace(default=default)
    if a.vararg:
        parameters.append(kind(a.vararg.arg, kind.VAR_POSITIONAL))
    parameters += [kind(p.arg, kind.KEYWORD_ONLY, default=fn.kw_defaults.get(p.arg, kind.empty)) for p in a.kwonlyargs]
    if a.kwarg:
        parameters.append(kind(a.kwarg.arg, kind.VAR_KEYWORD))
    try:
        bound = inspect.Signature(parameters).bind(*args, **kwargs)
    except TypeError as error:
        raise TypeMismatch(f"{fn.source.name}() {error}") from None
    bound.apply_defaults()
    out = dict(bound.arguments)
    if a.kwarg:
        made = DictVal()
        frame.rec.store[made] = dict(out[a.kwarg.arg])  # type: ignore[assignment]
        out[a.kwarg.arg] = made
    return out


# NumPy's functions.


def _from_numpy(fn: Any) -> bool:
    module = getattr(fn, "__module__", None) or type(fn).__module__
    return module == "numpy" or module.startswith("numpy.")


def _numpy(frame: Frame, fn: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    from jitorch.frontend.numpy_api import call_numpy

    plain = [_plain(frame, a) for a in args]
    named = {k: _plain(frame, v) for k, v in kwargs.items()}
    return _result(frame, call_numpy(fn, plain, named))


# Python's built-ins.


def builtin(*functions: Any) -> Callable[[Handler], Handler]:
    """Register what a built-in function means on values of the program."""

    def mark(handler: Handler) -> Handler:
        for f in functions:
            BUILTINS[f] = handler
        return handler

    return mark


@builtin(range)
def _range(frame: Frame, *args: Any) -> Any:
    for a in args:
        if not isinstance(a, (int, Sym)) or isinstance(a, bool):
            raise TypeMismatch(f"range() takes ints, got {describe(a)}", hint="convert with int()")
    start, stop, step = (0, args[0], 1) if len(args) == 1 else (*args, 1)[:3]
    step = int(step)
    if step == 0:
        raise TypeMismatch("range() arg 3 must not be zero")
    return RangeVal(start, stop, step)


@builtin(len)
def _len(frame: Frame, x: Any) -> Any:
    return frame.length(x)


@builtin(enumerate)
def _enumerate(frame: Frame, x: Any, start: Any = 0) -> Any:
    return LazyVal("enumerate", (x,), start)


@builtin(zip)
def _zip(frame: Frame, *parts: Any, strict: bool = False) -> Any:
    return LazyVal("zip", parts)


@builtin(reversed)
def _reversed(frame: Frame, x: Any) -> Any:
    return LazyVal("reversed", (x,))


@builtin(print)
def _print(frame: Frame, *items: Any, sep: Any = " ", end: Any = "\n", flush: bool = False, file: Any = None) -> None:
    if file is not None:
        raise UnsupportedSyntax("print(file=...) is not supported in @script", hint="print to standard output")
    attrs = {k: v for k, v, default in (("sep", sep, " "), ("end", end, "\n")) if v is not None and v != default}
    frame.rec.emit("print", [frame.text_value(x) for x in items], frame.text_attrs(**attrs))


@builtin(float)
def _float(frame: Frame, x: Any = 0.0) -> Any:
    return _to_scalar(frame, float, x)


@builtin(int)
def _int(frame: Frame, x: Any = 0) -> Any:
    return x if isinstance(x, Sym) else _to_scalar(frame, int, x)


@builtin(bool)
def _bool(frame: Frame, x: Any = False) -> Any:
    return frame.truth(x)


def _to_scalar(frame: Frame, to: type, x: Any) -> Any:
    if isinstance(x, Tensor):
        x = frame.rec.wrap(frame.rec.emit1("item", (frame.rec.unwrap(x),)))  # type: ignore[arg-type]
    if isinstance(x, (Sym, ScalarProxy)):
        value = frame.rec.size(x) if isinstance(x, Sym) else x.value
        if getattr(x, "kind", "int") == to.__name__:
            return x
        return frame.rec.wrap(frame.rec.emit1("to_scalar", (value,), {"kind": to.__name__}))
    return to(x)


@builtin(str, repr)
def _str(frame: Frame, x: Any = "") -> Any:
    from jitorch.frontend.expressions import is_static

    if is_static(x):
        return str(x)
    attrs = frame.text_attrs(parts=(0,), specs=("!-",))
    return frame.rec.wrap(frame.rec.emit1("format", (frame.text_value(x),), attrs))


@builtin(abs)
def _abs(frame: Frame, x: Any) -> Any:
    return METHODS["abs"](x) if isinstance(x, Sym) else abs(x)


@builtin(round)
def _round(frame: Frame, x: Any, ndigits: Any = None) -> Any:
    if isinstance(x, ScalarProxy) and ndigits is None:
        return _to_scalar(frame, int, METHODS["round"](x))
    if isinstance(x, (ScalarProxy, Sym)):
        raise UnsupportedSyntax("round() to a number of digits is not supported on run-time numbers")
    return METHODS["round"](x, decimals=ndigits or 0) if isinstance(x, Tensor) else round(x, ndigits)


@builtin(pow)
def _pow(frame: Frame, base: Any, exponent: Any) -> Any:
    return base**exponent if not isinstance(base, Sym) else METHODS["pow"](base, exponent)


@builtin(divmod)
def _divmod(frame: Frame, a: Any, b: Any) -> Any:
    return a // b, a % b


def _extreme(pick: str, exact: Callable[[Any, Any], Any]) -> Handler:
    def handler(frame: Frame, *args: Any) -> Any:
        items = list(args) if len(args) > 1 else (None if isinstance(args[0], Tensor) else frame.known_items(args[0], pick))
        if items is None:
            return METHODS["amax" if pick == "max" else "amin"](args[0])
        if not items:
            raise TypeMismatch(f"{pick}() of an empty sequence")
        out = items[0]
        for x in items[1:]:
            out = _pick_two(frame, pick, exact, out, x)
        return out

    return handler


def _pick_two(frame: Frame, pick: str, exact: Callable[[Any, Any], Any], a: Any, b: Any) -> Any:
    if all(isinstance(v, (int, Sym)) for v in (a, b)):
        return exact(a, b)
    if any(isinstance(v, (Tensor, ScalarProxy, Sym)) for v in (a, b)):
        return METHODS["maximum" if pick == "max" else "minimum"](a, b)
    return max(a, b) if pick == "max" else min(a, b)


BUILTINS[max] = _extreme("max", D.dim_max)
BUILTINS[min] = _extreme("min", D.dim_min)


@builtin(sum)
def _sum(frame: Frame, x: Any, start: Any = 0) -> Any:
    if isinstance(x, Tensor):
        return METHODS["sum"](x, 0)
    out = start
    for item in frame.known_items(x, "sum"):
        out = out + item
    return out


@builtin(any)
def _any(frame: Frame, x: Any) -> Any:
    return _fold_truth(frame, x, stop_on=True)


@builtin(all)
def _all(frame: Frame, x: Any) -> Any:
    return _fold_truth(frame, x, stop_on=False)


def _fold_truth(frame: Frame, x: Any, stop_on: bool) -> Any:
    out: Any = not stop_on
    for item in frame.known_items(x, "any" if stop_on else "all"):
        out = frame.truth(frame.both(out, lambda item=item: item, stop_on))  # type: ignore[misc]
    return out


@builtin(list)
def _list(frame: Frame, x: Any = ()) -> Any:
    return frame.new_list(frame.known_items(x, "list"))


@builtin(tuple)
def _tuple(frame: Frame, x: Any = ()) -> Any:
    return tuple(frame.known_items(x, "tuple"))


@builtin(dict)
def _dict(frame: Frame, x: Any = (), **items: Any) -> Any:
    out = DictVal()
    first = dict(frame.dict_state(x)) if x != () else {}
    frame.rec.store[out] = {**first, **items}  # type: ignore[assignment]
    return out


@builtin(isinstance)
def _isinstance(frame: Frame, x: Any, kinds: Any) -> bool:
    wanted = kinds if isinstance(kinds, tuple) else (kinds,)
    stands_for: dict[type, tuple[type, ...]] = {Sym: (int,), ListVal: (list,), DictVal: (dict,)}
    if isinstance(x, ScalarProxy):
        own: tuple[type, ...] = ({"float": float, "bool": bool, "str": str}[x.kind],)
    elif isinstance(x, TensorProxy):
        import numpy as np

        own = (np.ndarray,) if frame.rec.numpy else (Tensor,)
    else:
        own = stands_for.get(type(x), (type(x),))
    return any(issubclass(o, w) for o in own for w in wanted)


@builtin(type)
def _type(frame: Frame, x: Any) -> Any:
    raise UnsupportedSyntax("type() is not supported in @script", hint="use isinstance()")


@builtin(getattr)
def _getattr(frame: Frame, x: Any, name: Any, *default: Any) -> Any:
    try:
        return frame.attribute(x, name)
    except AttributeNotFound:
        if not default:
            raise
        return default[0]


@builtin(hasattr)
def _hasattr(frame: Frame, x: Any, name: Any) -> bool:
    try:
        frame.attribute(x, name)
    except AttributeNotFound:
        return False
    return True


def _math(name: str) -> None:
    method = METHODS.get(name)
    fn = getattr(math, name)

    def handler(frame: Frame, *args: Any) -> Any:
        if any(isinstance(a, (Sym, ScalarProxy)) for a in args):
            assert method is not None
            return method(*args)
        if any(isinstance(a, Tensor) for a in args):
            raise TypeMismatch(f"math.{name} takes a number, got a tensor", hint=f"use torch.{name}")
        return fn(*args)

    if method is not None:
        BUILTINS[fn] = handler


def _rounded(name: str) -> None:
    fn = getattr(math, name)

    def handler(frame: Frame, x: Any) -> Any:
        if isinstance(x, Sym):
            return x
        return _to_scalar(frame, int, METHODS[name](x)) if isinstance(x, ScalarProxy) else fn(x)

    BUILTINS[fn] = handler


for _name in ("sqrt", "exp", "log", "log2", "log10", "log1p", "expm1", "sin", "cos", "tan", "asin", "acos", "atan",
              "atan2", "sinh", "cosh", "tanh", "erf", "erfc", "lgamma", "pow", "fmod", "isnan", "isinf", "isfinite"):  # fmt: skip
    _math(_name)
for _name in ("floor", "ceil", "trunc"):
    _rounded(_name)
for _fn, _method in ((operator.add, "add"), (operator.sub, "sub"), (operator.mul, "mul"), (operator.truediv, "div")):
    BUILTINS[_fn] = lambda frame, a, b, m=_method: METHODS[m](a, b)


# Methods of lists and dicts.


def _container_method(frame: Frame, owner: Any, name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    table = _LIST_METHODS if isinstance(owner, ListVal) else _DICT_METHODS
    kind = "list" if isinstance(owner, ListVal) else "dict"
    if name not in table:
        raise AttributeNotFound(
            f"the {kind} method '{name}' is not supported in @script", hint=f"supported are: {', '.join(sorted(table))}"
        )
    try:
        inspect.signature(table[name]).bind(frame, owner, *args, **kwargs)
    except TypeError as error:
        raise TypeMismatch(f"{kind}.{name}: {error}") from None
    return table[name](frame, owner, *args, **kwargs)


def _list_pop(frame: Frame, owner: ListVal, index: int = -1) -> Any:
    items = frame.known_items(owner, "pop")
    if not items:
        raise TypeMismatch("pop from empty list")
    out = items.pop(index)
    frame.rec.store[owner] = tuple(items)  # type: ignore[assignment]
    return out


def _list_insert(frame: Frame, owner: ListVal, index: int, x: Any) -> None:
    items = frame.known_items(owner, "insert")
    items.insert(index, x)
    frame.rec.store[owner] = tuple(items)  # type: ignore[assignment]


def _list_reverse(frame: Frame, owner: ListVal) -> None:
    frame.rec.store[owner] = tuple(reversed(frame.known_items(owner, "reverse")))  # type: ignore[assignment]


_LIST_METHODS: dict[str, Handler] = {
    "append": lambda frame, owner, x: frame.list_append(owner, x),
    "extend": lambda frame, owner, other: frame.list_extend(owner, other),
    "pop": _list_pop,
    "insert": _list_insert,
    "reverse": _list_reverse,
    "copy": lambda frame, owner: frame.new_list(frame.known_items(owner, "copy")),
}


def _dict_get(frame: Frame, owner: DictVal, key: Any, default: Any = None) -> Any:
    return frame.dict_state(owner).get(frame.constant_key(key), default)


def _dict_update(frame: Frame, owner: DictVal, other: Any = (), **items: Any) -> None:
    more = frame.dict_state(other) if other != () else {}
    frame.rec.store[owner] = {**frame.dict_state(owner), **more, **items}  # type: ignore[assignment]


_DICT_METHODS: dict[str, Handler] = {
    "get": _dict_get,
    "keys": lambda frame, owner: tuple(frame.dict_state(owner)),
    "values": lambda frame, owner: tuple(frame.dict_state(owner).values()),
    "items": lambda frame, owner: tuple(frame.dict_state(owner).items()),
    "update": _dict_update,
}
