"""Tables, for the terminal and in Markdown."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmarks import accuracy, machine
from benchmarks.limits import LARGE, SMALL, Limits
from benchmarks.suite import OURS, Cell, Row
from benchmarks.timing import Timing

DASH = "—"
NEXT_TO_NOTHING = 5e-6  # seconds, about what calls cost


@dataclass(frozen=True)
class Section:
    """A table: its name on the command line, texts, and the numbers behind it for the JSON file."""

    name: str
    title: str
    note: str
    columns: list[str]
    rows: list[list[str]]
    data: Any


# ------------------------------------------------------------------------------------------ numbers


def seconds_text(seconds: float | None) -> str:
    """Return a time with three digits and its unit."""
    if seconds is None:
        return DASH
    if seconds >= 1:
        number, unit = seconds, "s"
    elif seconds >= 1e-3:
        number, unit = seconds * 1e3, "ms"
    else:
        number, unit = seconds * 1e6, "µs"
    digits = 2 if number < 10 else 1 if number < 100 else 0
    return f"{number:.{digits}f} {unit}"


def ratio_text(ratio: float | None) -> str:
    return DASH if ratio is None else f"{ratio:.2f}"


def geometric_mean(ratios: Sequence[float]) -> float | None:
    """Return the mean for ratios."""
    return math.exp(sum(map(math.log, ratios)) / len(ratios)) if ratios else None


# ---------------------------------------------------------------------------------------- workloads


def cell_text(cell: Cell | None) -> str:
    """Return time and error; a dash for what can't be expressed."""
    if cell is None:
        return DASH
    if cell.timing is None:
        return "not supported" if cell.failure else DASH
    flag = "" if cell.exact else " !"
    return f"{seconds_text(cell.timing.median)}\n{cell.error:.0e}{flag}"


def limit_text(row: Row, limits: Limits | None) -> str:
    """Return how far jitorch is from what binds it: copying the data, or multiplying and adding.

    The larger of the two least times is the one that counts. Where both are next to nothing, it is
    the call itself that binds.
    """
    ours = row.seconds(OURS)
    if ours is None or limits is None:
        return DASH
    copying = row.least_copying or 0.0
    computing = row.flops / limits.flops[row.dtype]
    if max(copying, computing) < NEXT_TO_NOTHING:
        return DASH
    if copying > computing:
        return f"{ours / copying:.2f}x copy"
    return f"{computing / ours:.0%} of gemm"


def workload_section(
    name: str,
    title: str,
    note: str,
    rows: Sequence[Row],
    names: Sequence[str],
    limits: Limits | None,
) -> Section:
    """Return the table of some workloads, with the geometric mean of the ratios."""
    lines = [
        [
            f"{row.workload.name}\n{row.dtype}, {row.workload.takes}",
            *(cell_text(row.cells.get(each)) for each in names),
            ratio_text(row.ratio),
            row.best_peer or DASH,
            limit_text(row, limits),
        ]
        for row in rows
    ]
    ratios = [row.ratio for row in rows if row.ratio is not None]
    blanks = [""] * len(names)
    mean = f"geometric mean of {len(ratios)}, of {len(rows)}"
    lines.append([mean, *blanks, ratio_text(geometric_mean(ratios)), "", ""])
    columns = ["", *names, f"{OURS} / best", "best peer", "limit"]
    return Section(name, title, note, columns, lines, [row_data(row, limits) for row in rows])


def row_data(row: Row, limits: Limits | None) -> dict[str, Any]:
    """Return everything about a row for the JSON file."""
    return {
        "name": row.workload.name,
        "family": row.workload.family,
        "sizes": row.workload.sizes,
        "jitorch takes": row.workload.takes,
        "dtype": row.dtype,
        "bytes": row.moved,
        "sweeps": row.workload.sweeps(*row.workload.sizes),
        "operations": row.flops,
        "ratio": row.ratio,
        "best peer": row.best_peer,
        "least seconds by copying": row.least_copying,
        "least seconds by gemm": row.flops / limits.flops[row.dtype] if limits else None,
        "copy": timing_data(row.copy),
        "processors kept busy by others": row.disturbance,
        "contenders": {name: cell_data(cell) for name, cell in row.cells.items()},
    }


def cell_data(cell: Cell) -> dict[str, Any]:
    if cell.failure:
        return {"failure": cell.failure}
    return {"error": cell.error, "within tolerance": cell.exact, **(timing_data(cell.timing) or {})}


def timing_data(timing: Timing | None) -> dict[str, Any] | None:
    """Return median, quartiles, and all turns."""
    if timing is None:
        return None
    return {
        "median": timing.median,
        "quartiles": timing.quartiles,
        "turns": timing.seconds,
        "calls per turn": timing.calls,
    }


def limits_section(limits: Limits) -> Section:
    """Return what the machine does at most."""
    return Section(
        "limits",
        "Limits of the machine",
        "Copies by NumPy in two threads, bytes read and written; products of two matrices by BLAS.",
        ["", "per second"],
        [
            [f"copy of {LARGE / 1e6:g} MB", f"{limits.copy_large / 1e9:.1f} GB"],
            [f"copy of {SMALL / 1e6:g} MB, within the caches", f"{limits.copy_small / 1e9:.1f} GB"],
            *([f"gemm, {t}", f"{f / 1e9:.0f} GFLOP"] for t, f in limits.flops.items()),
        ],
        asdict(limits),
    )


def failures(rows: Sequence[Row]) -> list[str]:
    """Return what was refused or went wrong, a line for each."""
    return [
        f"{row.workload.name}, {name}: {cell.failure}"
        for row in rows
        for name, cell in row.cells.items()
        if cell.failure
    ]


def disturbances(rows: Sequence[Row]) -> list[str]:
    """Return how busy others kept the machine, and what that means for the numbers."""
    known = [row.disturbance for row in rows if row.disturbance is not None]
    if not known:
        return []
    busy = statistics.mean(known)
    text = f"Other programs kept {busy:.2f} processors busy while the times were taken."
    if busy >= machine.DISTURBING:
        text += (
            " They are not to be relied on: libraries whose threads wait for each other by spinning,"
            " such as those that use OpenMP, lose more by it than others. Measure again."
        )
    return [text]


def explanation() -> str:
    """Return what the cells of the workload tables mean."""
    bounds = ", ".join(f"{name} {bound:.0e}" for name, bound in accuracy.TOLERANCES.items())
    return (
        "Each cell: the median time of a call, and the largest error against NumPy in float64 "
        f"(of integers, the share that differs); ! is above the tolerance: {bounds}. "
        "Beside the type stands what jitorch is called with, its tensors or NumPy's arrays. "
        "'limit': the time of jitorch in copies of as many bytes as inputs and results have, or its "
        "operations per second as a share of gemm's, whichever binds. A dash: can't be expressed."
    )


# ------------------------------------------------------------------------------------------ writing


def show(section: Section, console: Console) -> None:
    """Print a table to the terminal."""
    table = Table(title=section.title, title_justify="left", title_style="bold", show_lines=False)
    for i, column in enumerate(section.columns):
        table.add_column(Text(column), justify="right" if i else "left")
    tall = any("\n" in cell for row in section.rows for cell in row)
    for row in section.rows:
        table.add_row(*map(Text, row), end_section=tall)
    console.print(table)
    console.print(Text(section.note, style="dim"))
    console.print()


def markdown(section: Section) -> str:
    """Return a table in Markdown."""
    lines = [section.columns, ["---", *["--:"] * (len(section.columns) - 1)], *section.rows]
    table = "\n".join("| " + " | ".join(line) + " |" for line in lines_of(lines))
    return f"### {section.title}\n\n{table}\n\n{section.note}\n"


def lines_of(lines: list[list[str]]) -> list[list[str]]:
    """Return cells that Markdown takes: of one line, and without what would end them."""
    return [[cell.replace("|", "\\|").replace("\n", "<br>") for cell in line] for line in lines]


def about(facts: dict[str, Any]) -> str:
    """Return what was measured on, as a line."""
    versions = ", ".join(f"{name} {v}" for name, v in facts["versions"].items() if v)
    return (
        f"{facts['processor']}, {facts['threads']} threads of {facts['cores']} cores, "
        f"{facts['system']}, Python {facts['python']}, {facts['date']}\n{versions}"
    )
