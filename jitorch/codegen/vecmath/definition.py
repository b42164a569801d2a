"""The decorator that makes a function of `Real` values a Numba intrinsic."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import types
from numba.extending import intrinsic

from jitorch.codegen.vecmath.values import FLOAT32, FLOAT64, Flag, Real

Function = Callable[..., Any]

FUNCTIONS: dict[str, Function] = {}
"""Every function by name, as kernel source calls it."""


def elementary(define: Callable[..., Real | Flag]) -> Function:
    """Makes `define`, a function of one to three `Real`, callable in nopython code.

    The arguments must be float32 or float64; a mixture is computed in float64. The result has the
    type of the arguments, or is a boolean if `define` returns a `Flag`.
    """

    def typed(arguments: tuple[Any, ...]) -> Any:
        if not all(each in (types.float32, types.float64) for each in arguments):
            return None
        single = all(each == types.float32 for each in arguments)
        argument = types.float32 if single else types.float64
        truth = define.__annotations__["return"] == "Flag"
        signature = (types.boolean if truth else argument)(*[argument] * len(arguments))
        real_format = FLOAT32 if single else FLOAT64

        def generate(_context: Any, builder: Any, _signature: Any, values: Any) -> Any:
            return define(*[Real(builder, real_format, each) for each in values]).value

        return signature, generate

    result = _make(define, _typings(typed)[define.__code__.co_argcount])
    FUNCTIONS[define.__name__.rstrip("_")] = result
    return result


def _typings(typed: Callable[[tuple[Any, ...]], Any]) -> dict[int, Function]:
    """Typing functions by number of arguments: Numba wants to see them named."""

    def unary(_typing_context: Any, x: Any) -> Any:
        return typed((x,))

    def binary(_typing_context: Any, x: Any, y: Any) -> Any:
        return typed((x, y))

    def ternary(_typing_context: Any, x: Any, y: Any, z: Any) -> Any:
        return typed((x, y, z))

    return {1: unary, 2: binary, 3: ternary}


def _make(define: Callable[..., Any], typing: Function) -> Function:
    """The intrinsic with the name and documentation of `define`."""
    typing.__name__ = typing.__qualname__ = define.__name__
    typing.__module__ = define.__module__
    typing.__doc__ = define.__doc__
    made: Function = intrinsic(typing)
    return made
