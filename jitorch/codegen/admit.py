"""What plans do around library calls: give results exactly the type that the graph states."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jitorch import errors


def as_tensor_of(xp: Any) -> Callable[[Any, np.dtype[Any], bool], Any]:
    """Return `as_tensor(x, dtype, strided)` for an array module.

    It gives `x` as an array of `dtype`, contiguous unless `strided`.
    """

    def as_tensor(x: Any, dtype: np.dtype[Any], strided: bool) -> Any:
        array = xp.asarray(x)
        if array.dtype != dtype:
            array = array.astype(dtype)
        if not strided and not array.flags.c_contiguous:
            array = array.copy(order="C")
        return array

    return as_tensor


as_tensor = as_tensor_of(np)


def as_scalar(eager: Callable[..., Any]) -> Callable[..., Any]:
    """Return `eager` for Python numbers: True counts as 1, dividing an integer by 0 is an error."""

    def call(xp: Any, *inputs: Any, **attrs: Any) -> Any:
        numbers = [int(x) if isinstance(x, bool) else x for x in inputs]
        whole = len(numbers) == 2 and all(isinstance(x, int) for x in numbers)
        try:
            with np.errstate(all="ignore", divide="raise" if whole else "ignore"):
                return eager(xp, *(np.asarray(x)[()] for x in numbers), **attrs)
        except FloatingPointError:
            raise ZeroDivisionError("division by zero") from None

    return call


def raise_native(failures: Sequence[Any], number: int, first: int, second: int) -> None:
    """Raise what native code reported as `number`, 0 for nothing."""
    if number == 0:
        return
    failure = failures[number - 1]
    kind = getattr(errors, failure.exception, None) or getattr(builtins, failure.exception)
    message = failure.message.format(first, second)
    if issubclass(kind, errors.LocatedError):
        raise kind(message, loc=failure.loc)
    error = kind(message)
    error.add_note(errors.raised_note(failure.loc))
    raise error


def handed_back(made: Any, given: Sequence[Any], which: int, offset: int) -> Any:
    """Return a loop's result: `made`, or what it is in the memory of `given` tensor number `which`."""
    if which == 0:
        return made
    source = given[which - 1]
    if offset == 0 and source.shape == made.shape:
        return source
    return np.ndarray(made.shape, made.dtype, source, offset)


def writable(view: Any) -> Any:
    """Return a view that may be written to: some of NumPy's may not, though their base may."""
    if not view.flags.writeable:
        view = view.view()
        view.flags.writeable = True
    return view
