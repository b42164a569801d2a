"""`jitorch run`: one call, eager and compiled, side by side."""

from __future__ import annotations

import contextlib
import io
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click
import numpy as np
from rich.markup import escape
from rich.table import Table

import jitorch as jt
from jitorch.cli.console import Misuse, console, user_traceback
from jitorch.cli.inputs import Arguments, describe
from jitorch.cli.subject import Subject
from jitorch.errors import LocatedError

# Relative and absolute tolerance where the user gives none, by dtype of the result.
TOLERANCES = {"float16": (1e-2, 1e-3), "float32": (1e-5, 1e-6), "float64": (1e-10, 1e-12)}
_WIDTH = 48
_BATCH_SECONDS = 2e-3


@dataclass(frozen=True)
class Outcome:
    """What a call gave: results and changed arguments by name, what it printed, or its error."""

    values: dict[str, Any]
    printed: str
    error: Exception | None
    seconds: float


@dataclass(frozen=True)
class Row:
    """A result, eager and compiled. `ulp` and `absolute` are None where they have no meaning."""

    name: str
    kind: str
    eager: str
    compiled: str
    ulp: int | None
    absolute: float | None
    same: bool


def run(subject: Subject, repeat: int, rtol: float | None, atol: float | None) -> bool:
    """Run both ways, print the table, and return whether they agree."""
    if os.environ.get("JITORCH_EAGER", "") not in ("", "0"):
        raise Misuse("JITORCH_EAGER is set, so nothing would run compiled; unset it to compare")
    eager = _outcome(subject, subject.eager)
    compiled = _outcome(subject, subject.call)
    if eager.error is not None or compiled.error is not None:
        return _report_errors(eager, compiled)
    rows = rows_of(eager, compiled, rtol, atol)
    _print_rows(rows)
    same = all(r.same for r in rows)
    if eager.printed != compiled.printed:
        click.echo(f"printed, eager:\n{eager.printed}printed, compiled:\n{compiled.printed}")
        same = False
    _print_times(subject, compiled, repeat)
    if not same:
        click.echo("eager and compiled results differ beyond the tolerance", err=True)
    return same


def _outcome(subject: Subject, call: Callable[[Arguments], Any]) -> Outcome:
    arguments = subject.arguments.copy()
    jt.manual_seed(0)
    out = io.StringIO()
    values: dict[str, Any] = {}
    error: Exception | None = None
    start = time.perf_counter()
    with contextlib.redirect_stdout(out):
        try:
            values["result"] = call(arguments)
        except Exception as raised:
            error = raised
    seconds = time.perf_counter() - start
    found: dict[str, Any] = {}
    for name, x in values.items():
        _flatten(name, x, found)
    for name, x in _changed(subject.arguments, arguments):
        _flatten(f"{name} (written)", x, found)
    return Outcome(found, out.getvalue(), error, seconds)


def _flatten(name: str, x: Any, out: dict[str, Any]) -> None:
    """Put the tensors and numbers in a result under names such as `result[0]`."""
    if isinstance(x, (list, tuple)):
        for i, item in enumerate(x):
            _flatten(f"{name}[{i}]", item, out)
    elif isinstance(x, dict):
        for key, item in x.items():
            _flatten(f"{name}[{key!r}]", item, out)
    else:
        out[name] = x


def _changed(before: Arguments, after: Arguments) -> list[tuple[str, Any]]:
    """Return the arguments that a call wrote to."""
    old: dict[str, Any] = {}
    new: dict[str, Any] = {}
    for arguments, out in ((before, old), (after, new)):
        for i, x in enumerate(arguments.args):
            _flatten(f"argument {i}", x, out)
        for name, x in arguments.kwargs.items():
            _flatten(name, x, out)
    return [(n, x) for n, x in new.items() if n not in old or not _identical(old[n], x)]


def _identical(a: Any, b: Any) -> bool:
    if isinstance(a, (jt.Tensor, np.ndarray)):
        x, y = np.asarray(a), np.asarray(b)
        return x.shape == y.shape and x.tobytes() == y.tobytes()
    return a is b or bool(a == b)


# ---------------------------------------------------------------------------------------- comparing


def rows_of(eager: Outcome, compiled: Outcome, rtol: float | None, atol: float | None) -> list[Row]:
    """Compare two outcomes result by result."""
    names = dict.fromkeys([*eager.values, *compiled.values])
    return [
        _row(
            name, eager.values.get(name, _NOTHING), compiled.values.get(name, _NOTHING), rtol, atol
        )
        for name in names
    ]


class _Nothing:
    def __repr__(self) -> str:
        return "nothing"


_NOTHING = _Nothing()


def _row(name: str, a: Any, b: Any, rtol: float | None, atol: float | None) -> Row:
    kinds = [_kind(a), _kind(b)]
    kind = kinds[0] if kinds[0] == kinds[1] else f"{kinds[0]} / {kinds[1]}"
    texts = _short(a), _short(b)
    if kinds[0] != kinds[1]:
        return Row(name, kind, *texts, None, None, False)
    if not isinstance(a, (jt.Tensor, np.ndarray, np.generic, float)):
        return Row(name, kind, *texts, None, None, a is b or bool(a == b))
    x, y = np.asarray(a), np.asarray(b)
    if x.dtype.kind != "f":
        differ = bool((x != y).any())
        return Row(name, kind, *texts, None, None, not differ)
    rel, absolute = TOLERANCES[x.dtype.name]
    rel, absolute = rel if rtol is None else rtol, absolute if atol is None else atol
    same = bool(np.allclose(y, x, rel, absolute, equal_nan=True))
    return Row(name, kind, *texts, max_ulp(x, y), max_difference(x, y), same)


def _kind(x: Any) -> str:
    if isinstance(x, np.generic):
        return f"np:{describe(jt.from_numpy(np.asarray(x)))}"
    return (
        describe(x)
        if isinstance(x, (jt.Tensor, np.ndarray))
        else type(x).__name__.strip("_").lower()
    )


def _short(x: Any) -> str:
    """Return a value on one short line."""
    if isinstance(x, (jt.Tensor, np.ndarray)):
        text = np.array2string(np.asarray(x), precision=4, threshold=6, edgeitems=2, separator=", ")
        text = " ".join(text.split())
    else:
        text = repr(x)
    return text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "…"


def max_ulp(a: Any, b: Any) -> int:
    """Return the largest distance in units in the last place; NaNs are alike."""
    apart = ~(np.isnan(a) & np.isnan(b))
    x, y = (_ordered(each[apart]).astype(np.int64) for each in (a, b))
    # Without a sign, the distance from -inf to inf fits the type too.
    distance = np.maximum(x, y).view(np.uint64) - np.minimum(x, y).view(np.uint64)
    return int(distance.max(initial=0))


def _ordered(a: Any) -> Any:
    """Return integers in the order of the floats, neighbours one apart, both zeros at 0."""
    bits = np.ascontiguousarray(a).reshape(-1).view(f"i{a.dtype.itemsize}")
    return np.where(bits < 0, np.iinfo(bits.dtype).min - bits, bits).reshape(a.shape)


def max_difference(a: Any, b: Any) -> float:
    """Return the largest absolute difference; equal infinities and NaNs differ by nothing."""
    with np.errstate(invalid="ignore"):
        difference = np.abs(a.astype(np.float64) - b.astype(np.float64))
    difference = np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, difference)
    return float(difference.max(initial=0.0))


# --------------------------------------------------------------------------------------- reporting


def _report_errors(eager: Outcome, compiled: Outcome) -> bool:
    """Say which way raised an error. Even if both did, nothing was compared."""
    for name, outcome in (("eager", eager), ("compiled", compiled)):
        if outcome.error is None:
            click.echo(f"{name}: gave a result", err=True)
        else:
            shown = (
                str(outcome.error)
                if isinstance(outcome.error, LocatedError)
                else user_traceback(outcome.error)
            )
            click.echo(f"{name}: raised {type(outcome.error).__name__}\n{shown}", err=True)
    return False


def _print_rows(rows: list[Row]) -> None:
    table = Table("result", "type", "eager", "compiled")
    for title in ("max diff", "ULP"):
        table.add_column(title, justify="right")
    table.add_column("")
    for r in rows:
        table.add_row(
            escape(r.name),
            escape(r.kind),
            escape(r.eager),
            escape(r.compiled),
            "" if r.absolute is None else f"{r.absolute:.3g}",
            "" if r.ulp is None else str(r.ulp),
            "[green]same[/]" if r.same else "[bold red]differs[/]",
        )
    console().print(table)


def _print_times(subject: Subject, compiled: Outcome, repeat: int) -> None:
    eager_time, compiled_time = (
        _median(subject, call, repeat) for call in (subject.eager, subject.call)
    )
    stages = sum(s for _, s in subject.version().seconds)
    table = Table("", "time")
    table.columns[1].justify = "right"
    table.add_row("compile", duration(stages))
    table.add_row("first compiled call", duration(compiled.seconds))
    table.add_row(f"eager, median of {repeat}", duration(eager_time))
    table.add_row(f"compiled, median of {repeat}", duration(compiled_time))
    table.add_row("ratio", f"{eager_time / compiled_time:.2f}x")
    console().print(table)


def _median(subject: Subject, call: Callable[[Arguments], Any], repeat: int) -> float:
    """Return the time of one call: the median of batches long enough for the clock."""
    arguments = subject.arguments.copy()
    with contextlib.redirect_stdout(io.StringIO()):
        start = time.perf_counter()
        call(arguments)
        once = max(time.perf_counter() - start, 1e-7)
        count = max(int(_BATCH_SECONDS / once), 1)
        return statistics.median(_batch(call, arguments, count) for _ in range(repeat))


def _batch(call: Callable[[Arguments], Any], arguments: Arguments, count: int) -> float:
    start = time.perf_counter()
    for _ in range(count):
        call(arguments)
    return (time.perf_counter() - start) / count


def duration(seconds: float) -> str:
    """Return a time in the unit that suits it."""
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
        if seconds * factor >= 1:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e9:.0f} ns"
