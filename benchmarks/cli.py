"""The command line of the benchmarks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from fnmatch import fnmatchcase
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from benchmarks import machine, plot, report
from benchmarks.contenders import CONTENDERS
from benchmarks.report import Section
from benchmarks.session import FULL, QUICK, SECTIONS, Session
from benchmarks.suite import OURS, Row
from benchmarks.workloads import WORKLOADS

FIGURE = Path(__file__).parents[1] / "docs" / "benchmarks.png"
RESULTS = Path(__file__).parent / "results"
PEERS = [each.name for each in CONTENDERS if each.name != OURS]
EVERYTHING = ",".join(PEERS)
QUICK_PEERS = ",".join(name for name in PEERS if name != "torch.compile")


@click.command()
@click.argument("patterns", nargs=-1, metavar="[WORKLOAD_GLOB]...")
@click.option("--peers", help=f"Whom to compare with, of {EVERYTHING}; else all.")
@click.option("--seconds", type=float, help="For each measurement: 0.6, or 0.05 if --quick.")
@click.option(
    "--json",
    "data_file",
    type=click.Path(path_type=Path),
    help="Write the numbers here; benchmarks/results/DATE-cpu.json if everything is run.",
)
@click.option(
    "--plot",
    "plot_file",
    type=click.Path(path_type=Path),
    help="Write the figure here; docs/benchmarks.png if everything is run.",
)
@click.option("--markdown", is_flag=True, help="Print the tables in Markdown.")
@click.option(
    "--quick", is_flag=True, help="A glance: short measurements, torch.compile only if named."
)
@click.option("--leak", type=int, metavar="N", help="Also compile and drop N functions: minutes.")
@click.option("--list", "listing", is_flag=True, help="List the names that globs are matched with.")
def command(
    patterns: tuple[str, ...],
    peers: str | None,
    seconds: float | None,
    data_file: Path | None,
    plot_file: Path | None,
    markdown: bool,
    quick: bool,
    leak: int | None,
    listing: bool,
) -> None:
    """Compare jitorch with its peers, by turns, with two threads each.

    Globs choose workloads and families of workloads, and the sections first-call, compile-time,
    memory and import-time. Without one everything is run. Peers that are not installed are left
    out. benchmarks/README.md says what is measured and how.
    """
    console = wide_console()
    workloads = [w for w in WORKLOADS if matches(patterns, w.name) or matches(patterns, w.family)]
    sections = [name for name in SECTIONS if matches(patterns, name)]
    if listing:
        click.echo("\n".join([*(w.name for w in workloads), *sections]))
        return
    if not workloads and not sections and leak is None:
        raise click.UsageError("nothing has such a name; --list shows the names")
    names = peer_names(peers or (QUICK_PEERS if quick else EVERYTHING))
    session = Session([OURS, *names], QUICK if quick else FULL, seconds)
    session.run(workloads, sections, leak, console)
    tables = session.tables()
    write_tables(tables, session.notes, console, markdown)
    if data_file is None and not patterns and not quick:
        data_file = RESULTS / f"{machine.describe()['date']}-cpu.json"
    if data_file:
        write_data(tables, session.notes, data_file)
    if plot_file is None and not patterns and not quick:
        plot_file = FIGURE
    if plot_file and find_spec("matplotlib") is None:
        click.echo("No figure was written: matplotlib is not installed.")
    elif plot_file:
        write_figures(session.rows, tables, plot_file)


def matches(patterns: Sequence[str], name: str) -> bool:
    """Whether one of the patterns fits a name; no patterns fit all."""
    return not patterns or any(fnmatchcase(name.lower(), p.lower()) for p in patterns)


def peer_names(text: str) -> list[str]:
    """Return the peers that a comma-separated text names, in the order of the tables."""
    wanted = {name.strip() for name in text.split(",") if name.strip()} - {OURS}
    unknown = wanted - set(PEERS)
    if unknown:
        raise click.UsageError(
            f"no such peer: {', '.join(sorted(unknown))}; there are {EVERYTHING}"
        )
    return [name for name in PEERS if name in wanted]


def wide_console() -> Console:
    """Return a console that is wide enough for the tables where nobody's window limits it."""
    console = Console()
    return console if console.is_terminal else Console(width=160)


def write_tables(
    tables: Sequence[Section], notes: Sequence[str], console: Console, as_markdown: bool
) -> None:
    """Print the tables, and what is missing in them."""
    about = report.about(machine.describe())
    if as_markdown:
        click.echo("\n".join([*map(report.markdown, tables), about, *(f"- {n}" for n in notes)]))
        return
    for table in tables:
        report.show(table, console)
    for line in (*notes, about):
        console.print(Text(line))


def write_data(tables: Sequence[Section], notes: Sequence[str], path: Path) -> None:
    """Write all numbers."""
    data: dict[str, Any] = {
        "machine": machine.describe(),
        "notes": list(notes),
        **{table.name: table.data for table in tables},
    }
    path.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


def write_figures(rows: Sequence[Row], tables: Sequence[Section], path: Path) -> None:
    """Write the figure, and beside it the curve of the dropped functions if there is one."""
    if rows:
        plot.plot_rows(rows, path, report.about(machine.describe()))
    for table in tables:
        if table.name == "leak":
            plot.plot_curve(table.data["curve"], path.with_name(f"{path.stem}_leak.png"))
