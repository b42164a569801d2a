"""The error tree and source locations.

    JitorchError
    ├── CompileError(loc)              the user's code; every message says what, where, and what to write instead
    │   ├── UnsupportedSyntax          a construct the compiler does not take
    │   ├── NameNotFound               an undefined name
    │   ├── AttributeNotFound          an undefined attribute
    │   ├── TypeMismatch               a wrong dtype, kind or argument count
    │   ├── ShapeMismatch              sizes that do not fit
    │   ├── IndexOutOfRange            an index or dimension beyond the end
    │   └── DeviceMismatch             tensors that are not on one device
    ├── CudaError(loc)                 a GPU can't be used, or failed
    │   └── OutOfMemoryError           its memory is full
    ├── TraceError(loc)                tracing met something that would bake data in
    ├── VerifyError                    a malformed graph: ours
    └── PassError                      a pass failed: ours

The user-facing classes also derive from the built-in exception that plain Python (and PyTorch) would
raise in the same place, so `except TypeError` around a call keeps working when the call is compiled.
PyTorch raises RuntimeError for most that is wrong with a tensor's dtype, sizes or indices, so the
classes for these are RuntimeErrors too.
"""

from __future__ import annotations

import contextvars
import linecache
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from unicodedata import east_asian_width


@dataclass(frozen=True, slots=True)
class Loc:
    """A span of the user's source. Lines count from 1, columns from 0 (in characters).

    `call_site` is the place an inlined function was called from.
    """

    file: str
    line: int
    col: int = 0
    end_line: int = 0
    end_col: int = 0
    func: str = ""
    call_site: Loc | None = None

    @property
    def known(self) -> bool:
        return self.line > 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.known else "<unknown>"

    def render(self) -> str:
        """Return the place with its source line and carets, innermost call last."""
        if not self.known:
            return ""
        outer = self.call_site.render() + "\n" if self.call_site is not None else ""
        where = f'  File "{self.file}", line {self.line}' + (
            f", in {self.func}" if self.func else ""
        )
        text = linecache.getline(self.file, self.line).rstrip("\n")
        if not text.strip():
            return outer + where
        indent = len(text) - len(text.lstrip())
        end = self.end_col if self.end_line in (0, self.line) else len(text)
        start, stop = max(self.col, indent), max(end, self.col + 1)
        pad = _width(text[indent:start])
        carets = max(_width(text[start:stop]), 1)
        return f"{outer}{where}\n    {text.strip()}\n    {' ' * pad}{'^' * carets}"


UNKNOWN = Loc("", 0)


def _width(text: str) -> int:
    """Columns a terminal gives to the text (East Asian wide characters take two)."""
    return sum(2 if east_asian_width(ch) in "WF" else 1 for ch in text)


class JitorchError(Exception):
    """Base of every error that jitorch raises on purpose."""


class LocatedError(JitorchError):
    """An error in the user's code: a message, its place, and a hint."""

    def __init__(self, message: str, *, hint: str = "", loc: Loc = UNKNOWN) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.loc = loc

    def __str__(self) -> str:
        lines = [self.message]
        if self.loc.known:
            lines.append(self.loc.render())
        if self.hint:
            lines.append(f"  hint: {self.hint}")
        return "\n".join(lines)


class CompileError(LocatedError):
    """The user's function can't be compiled as it stands."""


class UnsupportedSyntax(CompileError):
    """A Python construct that `@script` does not take."""


class NameNotFound(CompileError, NameError):
    """A name that does not exist."""


class AttributeNotFound(CompileError, AttributeError):
    """An attribute that does not exist."""


class TypeMismatch(CompileError, TypeError, RuntimeError):
    """A value of the wrong kind or dtype, or a wrong number of arguments."""


class ShapeMismatch(CompileError, RuntimeError, ValueError):
    """Sizes that do not fit together."""


class IndexOutOfRange(CompileError, IndexError, RuntimeError):
    """An index or a dimension number beyond the end."""

    @classmethod
    def beyond(cls, index: object, dim: int, size: object, loc: Loc = UNKNOWN) -> IndexOutOfRange:
        """Return the error for an index along a dimension; None stands for any."""
        which = "index" if index is None else f"index {index}"
        return cls(f"{which} is out of bounds for dimension {dim} with size {size}", loc=loc)


class KeyNotFound(CompileError, KeyError):
    """A key that a dict does not have."""


class DeviceMismatch(CompileError, RuntimeError):
    """Tensors on different devices that were to be computed with together."""

    @classmethod
    def between(cls, a: object, b: object) -> DeviceMismatch:
        """Return the error about tensors on devices `a` and `b`."""
        return cls(
            "Expected all tensors to be on the same device, but found at least two devices, "
            f"{a} and {b}!",
            hint=f"move one of them first: x.to('{a}')",
        )


class CudaError(LocatedError, RuntimeError):
    """CUDA can't be used on this machine, or a GPU reported an error."""


class OutOfMemoryError(CudaError):
    """A GPU's memory does not suffice."""


class TraceError(LocatedError, RuntimeError):
    """Tracing met something that would bake this run's data into the graph."""


class VerifyError(JitorchError):
    """A malformed graph. This is a defect of jitorch, or of hand-written IR text."""


class PassError(JitorchError):
    """A pass failed. This is a defect of jitorch."""


_loc: contextvars.ContextVar[Loc] = contextvars.ContextVar("jitorch_loc", default=UNKNOWN)


def current_loc() -> Loc:
    """Return the user's place that is being compiled now."""
    return _loc.get()


def raised_note(loc: Loc) -> str:
    """Return what an exception of the user's own program says about its place."""
    return f"raised by compiled code for\n{loc.render()}"


@contextmanager
def at(loc: Loc) -> Iterator[None]:
    """Make `loc` the current place, and stamp it on errors raised below that have none.

    Exceptions that are not ours keep their text; the place is added as a note.
    """
    token = _loc.set(loc)
    try:
        yield
    except LocatedError as error:
        if not error.loc.known:
            error.loc = loc
        raise
    except Exception as error:
        if loc.known and not getattr(error, "__notes__", None):
            error.add_note(raised_note(loc))
        raise
    finally:
        _loc.reset(token)


def inlined(loc: Loc, call_site: Loc) -> Loc:
    """Return `loc` with the place its function was called from."""
    return replace(loc, call_site=call_site)


def full_traceback() -> bool:
    """Whether internal frames stay in tracebacks (`JITORCH_FULL_TRACEBACK=1`)."""
    return os.environ.get("JITORCH_FULL_TRACEBACK", "") not in ("", "0")


def shortened(error: Exception) -> Exception:
    """Return the error without the frames of jitorch in its traceback, unless the user wants them.

    A traceback that ends in other code, such as a function marked `@ignore`, stays whole.
    """
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    ends_in = trace.tb_frame.f_globals.get("__name__", "") if trace is not None else ""
    ours = ends_in.split(".")[0] in ("jitorch", "numpy", "") or ends_in.startswith("<jitorch")
    return error if full_traceback() or not ours else error.with_traceback(None)
