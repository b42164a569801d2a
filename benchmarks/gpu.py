"""Checks and times on a GPU: `python -m benchmarks.gpu --help`.

First whether every op gives what it gives on the CPU, then how long workloads take beside PyTorch.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.text import Text

import jitorch as jt
from benchmarks import gpu_check, gpu_rows, machine, report
from benchmarks.cli import matches, wide_console, write_data
from benchmarks.gpu_rows import GpuRow
from benchmarks.gpu_timing import (
    CudaTorch,
    CudaTorchCompile,
    CudaTorchReplay,
    copy_bandwidth,
)
from benchmarks.report import DASH, Section, ratio_text, seconds_text
from benchmarks.workloads.base import Workload
from jitorch.errors import CudaError, TypeMismatch

RESULTS = Path(__file__).parent / "results"


@click.command()
@click.argument("patterns", nargs=-1, metavar="[WORKLOAD_GLOB]...")
@click.option("--device", default="cuda:0", show_default=True, help="The GPU to use.")
@click.option("--ops", default="*", metavar="GLOB", help="Check these ops only.")
@click.option("--no-checks", is_flag=True, help="Leave out whether results are right.")
@click.option("--no-times", is_flag=True, help="Leave out how long things take.")
@click.option("--no-peers", is_flag=True, help="Leave PyTorch out.")
@click.option("--markdown", is_flag=True, help="Print the tables in Markdown.")
@click.option(
    "--json",
    "data_file",
    type=click.Path(path_type=Path),
    help="Write the numbers here; else to benchmarks/results, by date and GPU.",
)
def command(
    patterns: tuple[str, ...],
    device: str,
    ops: str,
    no_checks: bool,
    no_times: bool,
    no_peers: bool,
    markdown: bool,
    data_file: Path | None,
) -> None:
    """Check the ops on a GPU against the CPU, and time workloads beside PyTorch.

    Exits with 2 where there is no GPU, and with 1 if any op gives something else than on the CPU.
    """
    try:
        about = describe(device)
    except (CudaError, TypeMismatch) as error:
        raise click.UsageError(str(error)) from None  # status 2
    console = wide_console()
    tables: list[Section] = []
    notes: list[str] = []
    if not no_checks:
        tables.append(check_section(gpu_check.table(ops), device, console))
    if not no_times:
        rows = [w for w in gpu_rows.WORKLOADS if matches(patterns, w.name)]
        replayed = [w for w in gpu_rows.REPLAYED if matches(patterns, w.name)]
        tables += time_sections(rows, replayed, device, [] if no_peers else notes, no_peers)
    for table in tables:
        if markdown:
            click.echo(report.markdown(table))
        else:
            report.show(table, console)
    for line in (*notes, f"{about['name']}, compute capability {about['capability']}"):
        console.print(Text(line))
    path = data_file or RESULTS / file_name(about["name"])
    path.parent.mkdir(parents=True, exist_ok=True)
    write_data([Section("gpu", "", "", [], [], about), *tables], notes, path)
    console.print(Text(f"The numbers are in {path}."))
    if any(table.name == "checks" and table.rows for table in tables):
        raise SystemExit(1)


def describe(device: str) -> dict[str, Any]:
    """Return what the GPU is. Raises CudaError where there is none."""
    told = jt.cuda.get_device_properties(device)
    return {
        "name": told.name,
        "capability": f"{told.major}.{told.minor}",
        "memory": told.total_memory,
        "multiprocessors": told.multi_processor_count,
        "L2 cache": told.L2_cache_size,
    }


def file_name(gpu: str) -> str:
    """Return the name of the file for the numbers of a GPU."""
    slug = re.sub(r"[^a-z0-9]+", "-", gpu.lower()).strip("-")
    return f"{machine.describe()['date']}-gpu-{slug}.json"


# ------------------------------------------------------------------------------------------- checks


def check_section(names: Sequence[str], device: str, console: Console) -> Section:
    """Return the failures of the op table, each printed when it is found."""
    failures, count = [], 0
    for check in gpu_check.checks(names, device):
        count += 1
        if check.failure:
            failures.append(check)
            line = f"{check.op}, sample {check.sample}, {check.way}: {check.failure}"
            console.print(Text(line))
    title = f"Ops on the GPU against the CPU: {len(failures)} of {count} checks failed"
    note = f"{len(names)} ops, on all their samples, eager and compiled."
    lines = [[c.op, str(c.sample), c.way, c.failure] for c in failures]
    data = {"ops": len(names), "checks": count, "failures": [vars(c) for c in failures]}
    return Section("checks", title, note, ["op", "sample", "way", "failure"], lines, data)


# -------------------------------------------------------------------------------------------- times


def time_sections(
    workloads: Sequence[Workload],
    replayed: Sequence[Workload],
    device: str,
    notes: list[str],
    no_peers: bool,
) -> list[Section]:
    """Return the tables of times: compiling, workloads, replayed workloads."""
    compiling = compile_section(gpu_rows.compile_seconds(device))
    bandwidth = copy_bandwidth(device)
    least = 2 * jt.cuda.get_device_properties(device).L2_cache_size
    eager, compiled, replay = CudaTorch(), CudaTorchCompile(), CudaTorchReplay()
    why = "left out" if no_peers else eager.missing()
    if why:
        notes.append(f"PyTorch is not among the peers: {why}")
    peers = [] if why else [eager, compiled]
    for peer in (*peers, replay) if peers else ():
        peer.start()
    rows = [gpu_rows.row(w, peers, device, least) for w in workloads]
    rows += [
        gpu_rows.row(w, [replay] if peers else [], device, least, mode="reduce-overhead")
        for w in replayed
    ]
    notes += [f"{r.name}, {who}: {text}" for r in rows for who, text in r.failures.items()]
    return [compiling, row_section(rows, bandwidth)]


def compile_section(seconds: dict[str, float]) -> Section:
    """Return what compiling a kernel takes."""
    note = "A kernel that is in no cache: PTX, machine code, and loading it."
    lines = [[name, seconds_text(t)] for name, t in seconds.items()]
    return Section("compiling", "Compiling a kernel", note, ["", "time"], lines, seconds)


def row_section(rows: Sequence[GpuRow], bandwidth: float) -> Section:
    """Return the table of workloads."""
    names = list(dict.fromkeys(name for row in rows for name in (*row.seconds, *row.failures)))
    lines = [
        [
            row.name + (f" (1/{row.shrunk} of the size)" if row.shrunk > 1 else ""),
            *(cell(row, name) for name in names),
            percent(row.fraction(bandwidth)),
            ratio_text(row.ratio),
            row.best_peer or DASH,
        ]
        for row in rows
    ]
    columns = ["", *names, "of copy", "jitorch / best", "best peer"]
    note = (
        "The median time of a call by the GPU's clock, in batches of calls on inputs that rotate over "
        "more than the L2 cache holds. 'of copy': the bytes of inputs and results per second, as a part "
        f"of what a copy reads and writes, {bandwidth / 1e9:.0f} GB per second in this run."
    )
    data = {"copy bytes per second": bandwidth, "rows": [row_data(r, bandwidth) for r in rows]}
    return Section("workloads", "Workloads on the GPU", note, columns, lines, data)


def cell(row: GpuRow, name: str) -> str:
    return "failed" if name in row.failures else seconds_text(row.seconds.get(name))


def percent(fraction: float | None) -> str:
    return DASH if fraction is None else f"{fraction:.0%}"


def row_data(row: GpuRow, bandwidth: float) -> dict[str, Any]:
    """Return everything about a row for the JSON file."""
    return {
        **vars(row),
        "best peer": row.best_peer,
        "ratio": row.ratio,
        "of copy": row.fraction(bandwidth),
    }


if __name__ == "__main__":
    command(prog_name="python -m benchmarks.gpu")
