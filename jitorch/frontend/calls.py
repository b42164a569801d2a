"""Calls in the script front end: built-ins, library functions, and the user's own, which are inlined."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from jitorch.errors import LocatedError, TypeMismatch, UnsupportedSyntax, current_loc
from jitorch.frontend.containers import BoundMethod, container_method, is_static
from jitorch.frontend.frame import UserFunction
from jitorch.frontend.numpy_api import call_numpy, full_name
from jitorch.frontend.proxies import ListProxy, ScalarProxy
from jitorch.frontend.python_builtins import BUILTINS, Handler
from jitorch.frontend.source import parse_function
from jitorch.frontend.values import DictVal, ListVal
from jitorch.ir.core import Value
from jitorch.ir.dims import Sym
from jitorch.tensor import Tensor

if TYPE_CHECKING:
    from jitorch.frontend.expressions import Expressions


def call(frame: Expressions, fn: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """Record a call and return its value."""
    if isinstance(fn, UserFunction):
        return inline(frame, fn, args, kwargs)
    if isinstance(fn, BoundMethod):
        return container_method(frame, fn.owner, fn.name, args, kwargs)
    if (handler := _builtin(fn)) is not None:
        _bind_builtin(fn, handler, args, kwargs)
        return _checked(fn, lambda: handler(frame, *args, **kwargs))
    if not callable(fn) or isinstance(fn, (Tensor, Sym, ScalarProxy)):
        raise TypeMismatch(f"{frame.kind(fn)} can't be called like a function")
    if isinstance(fn, MethodType) and hasattr(fn.__func__, "__jitorch_script__"):
        return inline_function(frame, fn.__func__.__jitorch_script__, [fn.__self__, *args], kwargs)
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
    if isinstance(fn, functools.partial):
        first = [frame.program.adopt("partial", a) for a in fn.args]
        more = {k: frame.program.adopt(k, v) for k, v in fn.keywords.items()}
        return call(frame, fn.func, [*first, *args], {**more, **kwargs})
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


def _bind_builtin(fn: Any, handler: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    """Raise, naming the function, where the arguments are not those a built-in takes."""
    parameters = list(inspect.signature(handler).parameters.values())[1:]
    try:
        inspect.Signature(parameters).bind(*args, **kwargs)
    except TypeError as error:
        raise TypeMismatch(f"{fn.__name__}() {error}") from None


def _other(frame: Expressions, fn: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    if isinstance(fn, type) and issubclass(fn, tuple):
        return _checked(fn, lambda: fn(*args, **kwargs))  # a named tuple of whatever it holds
    forward = getattr(type(fn), "forward", None)
    if forward is not None and isinstance(forward, FunctionType):
        return inline_function(frame, forward, [fn, *args], kwargs)
    own_call = inspect.getattr_static(type(fn), "__call__", None)
    if isinstance(own_call, FunctionType) and not isinstance(fn, type):
        return inline_function(frame, own_call, [fn, *args], kwargs)
    plain = [_plain(frame, a) for a in args]
    named = {k: _plain(frame, v) for k, v in kwargs.items()}
    if is_static([*plain, *named.values()]) and _harmless(fn):
        return _result(frame, _checked(fn, lambda: fn(*plain, **named)))
    raise UnsupportedSyntax(
        f"can't call '{_name_of(fn)}' in @script", hint=_INSTEAD.get(_name_of(fn), _INSTEAD[""])
    )


def _name_of(fn: Any) -> str:
    if isinstance(getattr(fn, "__self__", None), np.ufunc):
        return full_name(fn)
    name = str(getattr(fn, "__qualname__", None) or getattr(fn, "__name__", type(fn).__name__))
    module = getattr(fn, "__module__", None)
    return f"{module}.{name}" if module not in (None, "builtins", "io", "_io") else name


_INSTEAD = {
    "": "use a jitorch or NumPy function, or call Python from a function marked @jt.ignore",
    "filter": "use a list comprehension with 'if'",
    "input": "read it before the call and pass it in",
    "iter": "use a for loop",
    "map": "use a list comprehension",
    "next": "use a for loop, or an index",
    "open": "read the file before the call and pass in what it holds",
    "set": "use a list or a tuple",
    "sorted": "stack the numbers and use torch.sort",
}


# What may run while compiling, on constants: it depends on its arguments alone and changes nothing.
_PURE_BUILTINS = frozenset(
    {ascii, bin, bool, bytes, callable, chr, complex, float, format, frozenset, hex, int, issubclass,
     oct, ord, slice, str}
)  # fmt: skip
_PURE_OWNERS = (str, bytes, int, float, complex, tuple, frozenset, range)


def _harmless(fn: Any) -> bool:
    """Whether a call with constant arguments may run while compiling."""
    try:
        if fn in _PURE_BUILTINS:
            return True
    except TypeError:  # not hashable
        return False
    if not isinstance(fn, (BuiltinFunctionType, type(str.join))):
        return False
    owner = getattr(fn, "__self__", None)
    if isinstance(owner, ModuleType):
        return owner.__name__ in ("math", "cmath", "operator", "_operator")
    kind = getattr(fn, "__objclass__", None) or (owner if isinstance(owner, type) else type(owner))
    return kind in _PURE_OWNERS


def _checked(fn: Any, run: Callable[[], Any]) -> Any:
    """Run a library call; a Python error in the arguments becomes one of ours."""
    try:
        return run()
    except LocatedError:
        raise
    except (TypeError, ValueError, IndexError, OverflowError, ZeroDivisionError) as error:
        name = getattr(fn, "__name__", "call")
        raise TypeMismatch(_in_users_words(str(error), name)) from None


def _in_users_words(message: str, name: str) -> str:
    """Return the text of a Python error without names that only jitorch knows."""
    message = re.sub(r"\b\w*\.?<locals>\.|\bjitorch\.", "", message)
    found = re.match(
        r"[\w.]+\(\) (.*)", message
    )  # Python names the function it called, which is ours
    if found is not None:
        return f"{name}() {found[1]}"
    return f"{name}: {message}"


def is_library(fn: Any) -> bool:
    """Whether a function is ours, to be run on the proxies as it stands."""
    target = fn.__func__ if isinstance(fn, MethodType) else fn
    module = getattr(target, "__module__", None) or ""
    if module == "jitorch" or module.startswith("jitorch."):
        return not module.startswith("jitorch.models")
    return isinstance(getattr(fn, "__self__", None), (Tensor, ScalarProxy))


def _plain(frame: Expressions, x: Any) -> Any:
    """Return a value as library functions take it: Python lists, or the graph's list."""
    if isinstance(x, ListVal):
        state: Any = frame.rec.store[x]
        return (
            ListProxy(frame.rec, state)
            if isinstance(state, Value)
            else [_plain(frame, i) for i in state]
        )
    if isinstance(x, DictVal):
        return {k: _plain(frame, v) for k, v in frame.dict_state(x).items()}
    if isinstance(x, tuple) and type(x) is tuple:
        return tuple(_plain(frame, i) for i in x)
    return x


def _result(frame: Expressions, x: Any) -> Any:
    return frame.new_list([_result(frame, i) for i in x]) if isinstance(x, list) else x


# The user's functions.


def inline_function(
    frame: Expressions, fn: FunctionType, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> Any:
    """Record the body of a plain Python function in place of the call."""
    return inline(frame, user_function(fn), args, kwargs)


def user_function(fn: Any) -> Any:
    """Return a Python function as the front end keeps it."""
    closure = dict(zip(fn.__code__.co_freevars, fn.__closure__ or (), strict=True))
    return UserFunction(
        parse_function(fn), fn.__globals__, closure, fn.__defaults__ or (), fn.__kwdefaults__ or {}
    )


def inline(frame: Expressions, fn: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """Record the body of a function in place of the call."""
    from jitorch.frontend.script import Frame as NewFrame

    bound = bind(frame, fn, args, kwargs)
    return NewFrame(frame.program, fn, current_loc()).run(bound)


_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def bind(
    frame: Expressions, fn: Any, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> dict[str, Any]:
    """Bind the arguments of a call to the function's parameters, as Python does."""
    a = fn.source.node.args
    kind = inspect.Parameter
    parameters = [kind(p.arg, kind.POSITIONAL_ONLY) for p in a.posonlyargs]
    parameters += [kind(p.arg, kind.POSITIONAL_OR_KEYWORD) for p in a.args]
    for i, default in enumerate(reversed(fn.defaults), 1):
        parameters[-i] = parameters[-i].replace(default=default)
    if a.vararg:
        parameters.append(kind(a.vararg.arg, kind.VAR_POSITIONAL))
    parameters += [
        kind(p.arg, kind.KEYWORD_ONLY, default=fn.kw_defaults.get(p.arg, kind.empty))
        for p in a.kwonlyargs
    ]
    if a.kwarg:
        parameters.append(kind(a.kwarg.arg, kind.VAR_KEYWORD))
    signature = inspect.Signature(parameters)
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError as error:
        raise TypeMismatch(
            f"{fn.source.name}() {error}", hint=f"it is defined as {fn.source.name}{signature}"
        ) from None
    given = set(bound.arguments)
    bound.apply_defaults()
    out = {
        k: v if k in given or parameters[i].kind in _VARIADIC else frame.program.adopt(k, v)
        for i, (k, v) in enumerate(bound.arguments.items())
    }
    if a.kwarg:
        made = DictVal()
        frame.rec.store[made] = dict(out[a.kwarg.arg])
        out[a.kwarg.arg] = made
    return out


# NumPy's functions.


def _from_numpy(fn: Any) -> bool:
    module = getattr(fn, "__module__", None) or type(fn).__module__
    return module == "numpy" or module.startswith("numpy.")


def _numpy(frame: Expressions, fn: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    plain = [_plain(frame, a) for a in args]
    named = {k: _plain(frame, v) for k, v in kwargs.items()}
    return _result(frame, call_numpy(fn, plain, named))
