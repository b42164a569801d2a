"""What Python's built-in functions mean on values of a program."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from jitorch.dispatch import METHODS
from jitorch.errors import AttributeNotFound, TypeMismatch, UnsupportedSyntax
from jitorch.frontend.containers import is_static
from jitorch.frontend.iteration import LazyVal, RangeVal
from jitorch.frontend.proxies import ScalarProxy, TensorProxy, describe
from jitorch.frontend.values import DictVal, ListVal
from jitorch.ir import dims as D
from jitorch.ir.dims import Sym
from jitorch.tensor import Tensor

if TYPE_CHECKING:
    from jitorch.frontend.expressions import Expressions

Handler = Callable[..., Any]
BUILTINS: dict[Any, Handler] = {}


def builtin(*functions: Any) -> Callable[[Handler], Handler]:
    """Register what a built-in function means on values of the program."""

    def mark(handler: Handler) -> Handler:
        for f in functions:
            BUILTINS[f] = handler
        return handler

    return mark


@builtin(range)
def _range(frame: Expressions, *args: Any) -> Any:
    for a in args:
        if not isinstance(a, (int, Sym)) or isinstance(a, bool):
            raise TypeMismatch(f"range() takes ints, got {describe(a)}", hint="convert with int()")
    start, stop, step = (0, args[0], 1) if len(args) == 1 else (*args, 1)[:3]
    step = int(step)
    if step == 0:
        raise TypeMismatch("range() arg 3 must not be zero")
    return RangeVal(start, stop, step)


@builtin(len)
def _len(frame: Expressions, x: Any) -> Any:
    return frame.length(x)


@builtin(enumerate)
def _enumerate(frame: Expressions, x: Any, start: Any = 0) -> Any:
    return LazyVal("enumerate", (x,), start)


@builtin(zip)
def _zip(frame: Expressions, *parts: Any, strict: bool = False) -> Any:
    return LazyVal("zip", parts)


@builtin(reversed)
def _reversed(frame: Expressions, x: Any) -> Any:
    return LazyVal("reversed", (x,))


@builtin(print)
def _print(
    frame: Expressions,
    *items: Any,
    sep: Any = " ",
    end: Any = "\n",
    flush: bool = False,
    file: Any = None,
) -> None:
    if file is not None:
        raise UnsupportedSyntax(
            "print(file=...) is not supported in @script", hint="print to standard output"
        )
    attrs = {
        k: v
        for k, v, default in (("sep", sep, " "), ("end", end, "\n"))
        if v is not None and v != default
    }
    frame.rec.emit("print", [frame.text_value(x) for x in items], frame.text_attrs(**attrs))


@builtin(float)
def _float(frame: Expressions, x: Any = 0.0) -> Any:
    return _to_scalar(frame, float, x)


@builtin(int)
def _int(frame: Expressions, x: Any = 0) -> Any:
    return x if isinstance(x, Sym) else _to_scalar(frame, int, x)


@builtin(bool)
def _bool(frame: Expressions, x: Any = False) -> Any:
    return frame.truth(x)


def _to_scalar(frame: Expressions, to: type, x: Any) -> Any:
    if isinstance(x, Tensor):
        x = x.item()
    if isinstance(x, (Sym, ScalarProxy)):
        value = frame.rec.size(x) if isinstance(x, Sym) else x.value
        if getattr(x, "kind", "int") == to.__name__:
            return x
        return frame.rec.wrap(frame.rec.emit1("to_scalar", (value,), {"kind": to.__name__}))
    return to(x)


@builtin(str, repr)
def _str(frame: Expressions, x: Any = "") -> Any:
    if is_static(x):
        return str(x)
    attrs = frame.text_attrs(parts=(0,), specs=("!-",))
    return frame.rec.wrap(frame.rec.emit1("format", (frame.text_value(x),), attrs))


@builtin(abs)
def _abs(frame: Expressions, x: Any) -> Any:
    return METHODS["abs"](x) if isinstance(x, Sym) else abs(x)


@builtin(round)
def _round(frame: Expressions, x: Any, ndigits: Any = None) -> Any:
    if isinstance(x, ScalarProxy) and ndigits is None:
        return _to_scalar(frame, int, METHODS["round"](x))
    if isinstance(x, (ScalarProxy, Sym)):
        raise UnsupportedSyntax(
            "round() to a number of digits is not supported on run-time numbers"
        )
    return (
        METHODS["round"](x, decimals=ndigits or 0) if isinstance(x, Tensor) else round(x, ndigits)
    )


@builtin(pow)
def _pow(frame: Expressions, base: Any, exponent: Any) -> Any:
    return frame.binary(ast.Pow(), base, exponent)


@builtin(divmod)
def _divmod(frame: Expressions, a: Any, b: Any) -> Any:
    return frame.binary(ast.FloorDiv(), a, b), frame.binary(ast.Mod(), a, b)


def _extreme(pick: str, exact: Callable[[Any, Any], Any]) -> Handler:
    def handler(frame: Expressions, *args: Any) -> Any:
        items = (
            list(args)
            if len(args) > 1
            else (None if isinstance(args[0], Tensor) else frame.known_items(args[0], pick))
        )
        if items is None:
            return METHODS["amax" if pick == "max" else "amin"](args[0])
        if not items:
            raise TypeMismatch(f"{pick}() of an empty sequence")
        out = items[0]
        for x in items[1:]:
            out = _pick_two(frame, pick, exact, out, x)
        return out

    return handler


def _pick_two(
    frame: Expressions, pick: str, exact: Callable[[Any, Any], Any], a: Any, b: Any
) -> Any:
    if all(isinstance(v, (int, Sym)) for v in (a, b)):
        return exact(a, b)
    if any(isinstance(v, (Tensor, ScalarProxy, Sym)) for v in (a, b)):
        # As Python does it, which tells for NaN: the later one only if it compares.
        better = frame.truth(frame.compare(ast.Gt() if pick == "max" else ast.Lt(), b, a))
        if isinstance(better, bool):
            return b if better else a
        if {frame.kind(a), frame.kind(b)} == {"an int", "a float"}:
            a, b = _to_scalar(frame, float, a), _to_scalar(frame, float, b)
        return frame.choose(better, lambda: b, lambda: a)
    return max(a, b) if pick == "max" else min(a, b)


BUILTINS[max] = _extreme("max", D.dim_max)
BUILTINS[min] = _extreme("min", D.dim_min)


@builtin(sum)
def _sum(frame: Expressions, x: Any, start: Any = 0) -> Any:
    if isinstance(x, Tensor):
        return METHODS["sum"](x, 0)
    out = start
    for item in frame.known_items(x, "sum"):
        out = frame.binary(ast.Add(), out, item)
    return out


@builtin(any)
def _any(frame: Expressions, x: Any) -> Any:
    return _fold_truth(frame, x, stop_on=True)


@builtin(all)
def _all(frame: Expressions, x: Any) -> Any:
    return _fold_truth(frame, x, stop_on=False)


def _fold_truth(frame: Expressions, x: Any, stop_on: bool) -> Any:
    out: Any = not stop_on
    for item in frame.known_items(x, "any" if stop_on else "all"):
        out = frame.truth(frame.both(out, lambda item=item: item, stop_on))  # type: ignore[misc]
    return out


@builtin(list)
def _list(frame: Expressions, x: Any = ()) -> Any:
    return frame.new_list(frame.known_items(x, "list"))


@builtin(tuple)
def _tuple(frame: Expressions, x: Any = ()) -> Any:
    return tuple(frame.known_items(x, "tuple"))


@builtin(dict)
def _dict(frame: Expressions, x: Any = (), **items: Any) -> Any:
    out = DictVal()
    first = dict(frame.dict_state(x)) if x != () else {}
    frame.rec.store[out] = {**first, **items}
    return out


@builtin(isinstance)
def _isinstance(frame: Expressions, x: Any, kinds: Any) -> bool:
    wanted = kinds if isinstance(kinds, tuple) else (kinds,)
    stands_for: dict[type, tuple[type, ...]] = {Sym: (int,), ListVal: (list,), DictVal: (dict,)}
    if isinstance(x, ScalarProxy):
        own: tuple[type, ...] = ({"float": float, "bool": bool, "str": str}[x.kind],)
    elif isinstance(x, TensorProxy):
        own = (np.ndarray,) if frame.rec.numpy else (Tensor,)
    else:
        own = stands_for.get(type(x), (type(x),))
    return any(issubclass(o, w) for o in own for w in wanted)


@builtin(type)
def _type(frame: Expressions, x: Any) -> Any:
    raise UnsupportedSyntax("type() is not supported in @script", hint="use isinstance()")


@builtin(getattr)
def _getattr(frame: Expressions, x: Any, name: Any, *default: Any) -> Any:
    try:
        return frame.attribute(x, name)
    except AttributeNotFound:
        if not default:
            raise
        return default[0]


@builtin(hasattr)
def _hasattr(frame: Expressions, x: Any, name: Any) -> bool:
    try:
        frame.attribute(x, name)
    except AttributeNotFound:
        return False
    return True


# Where Python's functions raise instead of giving NaN or infinity: the test, and what is raised.
_DOMAINS: dict[str, tuple[Callable[[Any], Any], str, str]] = {
    "sqrt": (lambda v: METHODS["lt"](v, 0), "ValueError", "math domain error"),
    "log1p": (lambda v: METHODS["le"](v, -1), "ValueError", "math domain error"),
    "asin": (lambda v: METHODS["gt"](METHODS["abs"](v), 1), "ValueError", "math domain error"),
    "acos": (lambda v: METHODS["gt"](METHODS["abs"](v), 1), "ValueError", "math domain error"),
    "exp": (lambda v: METHODS["gt"](v, 709.782712893384), "OverflowError", "math range error"),
    **{
        name: (lambda v: METHODS["le"](v, 0), "ValueError", "math domain error")
        for name in ("log", "log2", "log10")
    },
}


def _math(name: str) -> None:
    method = METHODS.get(name)
    fn = getattr(math, name)

    def handler(frame: Expressions, *args: Any) -> Any:
        if any(isinstance(a, (Sym, ScalarProxy)) for a in args):
            assert method is not None
            if name in _DOMAINS:
                outside, exception, text = _DOMAINS[name]
                frame.raise_if(outside(args[0]), exception, text)
            return method(*args)
        if any(isinstance(a, Tensor) for a in args):
            raise TypeMismatch(
                f"math.{name} takes a number, got a tensor", hint=f"use torch.{name}"
            )
        return fn(*args)

    if method is not None:
        BUILTINS[fn] = handler


def _rounded(name: str) -> None:
    fn = getattr(math, name)

    def handler(frame: Expressions, x: Any) -> Any:
        if isinstance(x, Sym):
            return x
        return _to_scalar(frame, int, METHODS[name](x)) if isinstance(x, ScalarProxy) else fn(x)

    BUILTINS[fn] = handler


for _name in ("sqrt", "exp", "log", "log2", "log10", "log1p", "expm1", "sin", "cos", "tan", "asin", "acos", "atan",
              "atan2", "sinh", "cosh", "tanh", "erf", "erfc", "lgamma", "pow", "fmod", "isnan", "isinf",
              "isfinite"):  # fmt: skip
    _math(_name)
for _name in ("floor", "ceil", "trunc"):
    _rounded(_name)
for _fn, _operator in (
    (operator.add, ast.Add()),
    (operator.sub, ast.Sub()),
    (operator.mul, ast.Mult()),
    (operator.truediv, ast.Div()),
    (operator.floordiv, ast.FloorDiv()),
    (operator.mod, ast.Mod()),
    (operator.pow, ast.Pow()),
    (operator.matmul, ast.MatMult()),
):
    BUILTINS[_fn] = lambda frame, a, b, op=_operator: frame.binary(op, a, b)
