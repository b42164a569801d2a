"""Control flow, side effects and fused groups: the ops whose blocks or order matter.

    if(cond) () {yield a} () {yield b}                  one value per result
    loop(trips, cond, init...) (i, x...) {yield cond, x...}
        runs while i < trips and cond; serves `for` (cond stays true) and `while` (trips is the
        largest int)
    fused(a, b) (x, y) {yield z}                        one kernel

The interpreters carry these out themselves, since only they can run a block; `eager` says so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from jitorch import dispatch
from jitorch.cuda import adapter
from jitorch.errors import TypeMismatch
from jitorch.ir.dims import Shape, equal
from jitorch.ir.opdef import OpDef, register
from jitorch.ir.parser import parse_type
from jitorch.ir.shapes import check_sizes
from jitorch.ir.types import ScalarType, TensorType, Type
from jitorch.philox import default_generator

FOREVER = 2**63 - 1


def _by_interpreter(xp: Any, *args: Any, **attrs: Any) -> Any:
    raise AssertionError("ops with blocks are run by the interpreter")


def _no_types(*types: Type, **attrs: Any) -> tuple[Type, ...]:
    raise TypeMismatch("an op with blocks takes its result types from them")


if_op = register(OpDef(name="if", eager=_by_interpreter, infer=_no_types))
loop = register(OpDef(name="loop", eager=_by_interpreter, infer=_no_types))
fused = register(OpDef(name="fused", eager=_by_interpreter, infer=_no_types))


# Side effects. Their place in the block is their order.


def _display(xp: Any, x: Any, numpy: bool) -> Any:
    """Return what the user would see: a tensor, or the array where a program runs on arrays."""
    if isinstance(x, list):
        return [_display(xp, i, numpy) for i in x]
    if not adapter.is_data(x):
        return x
    return x[()] if numpy else dispatch.display(x)


def _print(xp: Any, *items: Any, sep: str = " ", end: str = "\n", numpy: bool = False) -> tuple[()]:
    print(*(_display(xp, x, numpy) for x in items), sep=sep, end=end)
    return ()


print_op = register(
    OpDef(
        name="print",
        eager=_print,
        infer=lambda *types, **attrs: (),
        pure=False,
        seen=True,
    )
)


_CONVERSIONS: dict[str, Callable[[Any], str]] = {"!r": repr, "!s": str, "!a": ascii}


def _format(
    xp: Any, *items: Any, parts: Sequence[str | int], specs: Sequence[str], numpy: bool = False
) -> str:
    out = ""
    for part in parts:
        if isinstance(part, str):
            out += part
            continue
        conversion, spec = specs[part][:2], specs[part][2:]
        value = _display(xp, items[part], numpy)
        if conversion in _CONVERSIONS:
            value = _CONVERSIONS[conversion](value)
        out += format(value, spec)
    return out


# `parts` are literal text and numbers of inputs; `specs` hold "!r" (or "!s", "!a", "!-") and the
# format.
format_op = register(
    OpDef(name="format", eager=_format, infer=lambda *types, **attrs: ScalarType("str"))
)


def _assert(xp: Any, condition: Any, *message: Any) -> tuple[()]:
    if not condition:
        raise AssertionError(*message)
    return ()


assert_op = register(
    OpDef(name="assert", eager=_assert, infer=lambda *types: (), pure=False, seen=True)
)


def _raise(xp: Any, *message: Any, exception: str) -> tuple[()]:
    import builtins

    raise getattr(builtins, exception)(*message)


raise_op = register(
    OpDef(name="raise", eager=_raise, infer=lambda *types, exception: (), pure=False, seen=True)
)


def _assign(xp: Any, target: Any, new: Any) -> tuple[()]:
    target[...] = new
    return ()


def _assign_infer(target: Type, new: Type) -> tuple[Type, ...]:
    if not isinstance(target, TensorType) or not isinstance(new, TensorType):
        raise TypeMismatch(f"assign: expected tensors, got {target} and {new}")
    if target.dtype is not new.dtype or not _fits(target.shape, new.shape):
        raise TypeMismatch(f"assign: can't write a {new} to a {target}")
    return ()


def _fits(target: Shape, new: Shape) -> bool:
    return len(target) == len(new) and all(map(equal, target, new))


# Write a result back to an argument (or captured tensor) that the function changes in place.
assign = register(OpDef(name="assign", eager=_assign, infer=_assign_infer, pure=False))


def _python_call_infer(
    *types: Type, target: str, returns: tuple[str, ...], numpy: bool = False
) -> tuple[Type, ...]:
    return tuple(parse_type(text) for text in returns)


def _python_call(
    xp: Any, *args: Any, target: str, returns: tuple[str, ...], numpy: bool = False
) -> tuple[Any, ...]:
    if target not in dispatch.PYTHON_FUNCTIONS:
        raise TypeMismatch(
            f"the Python function '{target}' is not loaded", hint="import its module"
        )
    found = dispatch.PYTHON_FUNCTIONS[target](*(_display(xp, a, numpy) for a in args))
    results = (found,) if len(returns) == 1 and not isinstance(found, tuple) else (found or ())
    if len(results) != len(returns):
        raise TypeMismatch(f"'{target}' returned {len(results)} values and declares {len(returns)}")
    return tuple(_checked_result(xp, r, t, target) for r, t in zip(results, returns, strict=True))


def _checked_result(xp: Any, value: Any, text: str, target: str) -> Any:
    declared = parse_type(text)
    if not isinstance(declared, TensorType):
        return value
    array = xp.asarray(value)
    sizes = [
        d == n or not isinstance(d, int) for d, n in zip(declared.shape, array.shape, strict=False)
    ]
    if array.dtype != declared.dtype.numpy or array.ndim != declared.ndim or not all(sizes):
        raise TypeMismatch(
            f"'{target}' returned {array.dtype}{list(array.shape)} and declares {text}"
        )
    return array


# A call of a function that the user left to Python (`@ignore`).
python_call = register(
    OpDef(
        name="python_call",
        eager=_python_call,
        infer=_python_call_infer,
        pure=False,
        seen=True,
    )
)


def _draw(xp: Any, *, shape: tuple[int, ...]) -> tuple[int, int]:
    """Take a number of the generator for each element of a shape.

    Returns the generator's seed, as an int64, and the place of the first number.
    """
    check_sizes(shape)
    seed, start = default_generator.take(math.prod(shape))
    return seed - 2**64 if seed >= 2**63 else seed, start


draw = register(
    OpDef(
        name="draw",
        eager=_draw,
        infer=lambda *, shape: (ScalarType("int"), ScalarType("int")),
        pure=False,
    )
)
