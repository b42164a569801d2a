"""A run of the benchmarks: which contenders, which measurements, and the tables they give."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks import limits, memory, report, startup
from benchmarks.contenders import CONTENDERS, Contender
from benchmarks.limits import Limits
from benchmarks.report import Section
from benchmarks.suite import OURS, Row, run_workload
from benchmarks.timing import Effort
from benchmarks.workloads import overhead
from benchmarks.workloads.base import Workload

Step = Callable[[str], None]


@dataclass(frozen=True)
class Scale:
    """How much is measured: of a workload, and how many processes for each of the other numbers."""

    seconds: float
    least_turns: int
    most_turns: int
    retries: int
    repeats: int
    operations: tuple[int, ...]
    memory: Sequence[str]


FULL = Scale(
    seconds=0.6,
    least_turns=5,
    most_turns=15,
    retries=3,
    repeats=5,
    operations=(100, 300, 1000, 3000),
    memory=memory.WORKLOADS,
)
QUICK = Scale(
    seconds=0.05,
    least_turns=3,
    most_turns=5,
    retries=0,
    repeats=1,
    operations=(100, 300),
    memory=memory.WORKLOADS[:3],
)

SECTIONS = ("first-call", "compile-time", "memory", "import-time")


@dataclass
class Session:
    """Runs what was asked for and keeps what it found."""

    wanted: Sequence[str]
    scale: Scale
    seconds: float | None = None
    notes: list[str] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    limits: Limits | None = None
    sections: list[Section] = field(default_factory=list)
    contenders: list[Contender] = field(default_factory=list)

    @property
    def effort(self) -> Effort:
        """How long each measurement takes."""
        seconds = self.seconds or self.scale.seconds
        return Effort(seconds, self.scale.least_turns, self.scale.most_turns)

    @property
    def names(self) -> list[str]:
        """The contenders that are there."""
        return [contender.name for contender in self.contenders]

    def run(
        self,
        workloads: Sequence[Workload],
        sections: Sequence[str],
        leak: int | None,
        console: Console,
    ) -> None:
        """Measure everything, with a progress bar."""
        columns = (
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.description}", markup=False),
        )
        with Progress(*columns, console=console, transient=True) as progress:
            total = 1 + len(workloads) + len(sections) + (leak is not None)
            task = progress.add_task("", total=total)

            def step(what: str) -> None:
                progress.update(task, description=what)

            self.start(step)
            progress.advance(task)
            if workloads:
                step("limits of the machine")
                self.limits = limits.measure_limits(self.effort)
            for workload in workloads:
                step(workload.name)
                row = run_workload(
                    workload, self.contenders, self.effort, retries=self.scale.retries
                )
                self.rows.append(row)
                progress.advance(task)
            for name in sections:
                self.sections.append(self.section(name, step))
                progress.advance(task)
            if leak is not None:
                self.sections.append(memory.leak(leak, step))
        self.notes += report.disturbances(self.rows)
        self.notes += report.failures(self.rows)

    def start(self, step: Step) -> None:
        """Load the contenders that were asked for; those that can't be used leave a note."""
        for kind in CONTENDERS:
            if kind.name not in self.wanted:
                continue
            step(f"loading {kind.name}")
            contender = kind()
            missing = contender.missing()
            if missing:
                self.notes.append(f"{contender.name} left out: {missing}")
                continue
            contender.start()
            self.contenders.append(contender)

    def section(self, name: str, step: Step) -> Section:
        """Measure one of the sections that need processes of their own."""
        match name:
            case "first-call":
                return startup.first_calls(self.names, self.scale.repeats, step)
            case "compile-time":
                return startup.compile_times(
                    self.names, self.scale.operations, self.scale.repeats, step
                )
            case "memory":
                return memory.growth(self.names, step, self.scale.memory)
            case "import-time":
                return startup.import_times(self.names, self.scale.repeats, step)
        raise ValueError(f"no section {name}")

    def tables(self) -> list[Section]:
        """Return all tables in the order of the report."""
        tables = [report.limits_section(self.limits)] if self.limits else []
        calls = [row for row in self.rows if row.workload.family == overhead.FAMILY]
        others = [row for row in self.rows if row.workload.family != overhead.FAMILY]
        if others:
            title = f"Workloads, {OURS} and its peers"
            tables.append(self.table("workloads", title, others))
        if calls:
            tables.append(self.table("call-overhead", "Overhead of a call", calls))
        return tables + self.sections

    def table(self, name: str, title: str, rows: Sequence[Row]) -> Section:
        return report.workload_section(
            name, title, report.explanation(), rows, self.names, self.limits
        )
