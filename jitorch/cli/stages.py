"""What a function looks like at each stage, as lines that know the user's place they come from."""

from __future__ import annotations

import difflib
import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass

from jitorch import pipeline
from jitorch.cli import generated
from jitorch.cli.console import Misuse, place
from jitorch.cli.parsed import parsed_lines
from jitorch.cli.subject import Subject
from jitorch.compile import has_numba
from jitorch.errors import Loc
from jitorch.frontend.source import parse_function
from jitorch.frontend.trace import TracedFunction
from jitorch.ir.core import Graph
from jitorch.ir.printer import Line, Names, located_lines

CODE = ("kernels", "llvm", "asm")
CUDA_CODE = ("kernels", "ptx", "sass")

# The compute capability that code is made for; None is the CPU.
Capability = tuple[int, int] | None


@dataclass(frozen=True)
class Stage:
    """A function at one stage. `heading` is its provenance, a comment; code has `functions`."""

    name: str
    heading: str
    lines: Sequence[Line]
    graph: Graph | None = None
    seconds: float | None = None
    functions: Sequence[generated.Text] = ()

    def text(self, locations: bool = False) -> str:
        """Return the stage's text; with `locations`, each line ends with the user's place."""
        return "\n".join(
            f"{t}  # {place(loc)}" if locations and self.shows(loc) else t for t, loc in self.lines
        )

    def shows(self, loc: Loc) -> bool:
        """Whether a line's place is to be added: parsed code and kernels have it in the text."""
        return self.graph is not None and loc.known


def names(cc: Capability = None) -> list[str]:
    """Return the stages there are, in order."""
    graphs = ["typed", *(n for n, _ in pipeline.STAGES), "optimized", "fused"]
    return ["parsed", *graphs, *(CODE if cc is None else CUDA_CODE)]


def wanted(chosen: Sequence[str], subject: Subject, cc: Capability = None) -> list[str]:
    """Return the stages that the user asked for, in order; `all` is every one up to `kernels`."""
    asked = [name.strip() for each in chosen for name in each.split(",")]
    for name in asked:
        if name != "all" and name not in names(cc):
            raise Misuse(_no_stage(name, cc))
    if "all" in asked:
        asked += ["typed", *(n for n, _ in pipeline.STAGES)]
        asked += ["parsed"] * (not isinstance(subject.function, TracedFunction))
        asked += ["kernels"] * (cc is not None or has_numba())
    return [name for name in names(cc) if name in asked]


def _no_stage(name: str, cc: Capability) -> str:
    if name in CUDA_CODE:
        return f"the stage '{name}' is code for a GPU: add --device cuda"
    if name in CODE:
        return f"the stage '{name}' is code for the CPU: leave out --device cuda"
    close = difflib.get_close_matches(name, names(cc), 1)
    meant = f"; did you mean '{close[0]}'?" if close else ""
    return f"there is no stage '{name}'{meant}\n  the stages are: {', '.join(names(cc))}, all"


def is_code(name: str) -> bool:
    """Whether a stage is generated code."""
    return name in CODE or name in CUDA_CODE


def build(subject: Subject, chosen: Sequence[str], cc: Capability = None) -> list[Stage]:
    """Return the chosen stages of a function. Values keep their names from stage to stage."""
    graphs = _graphs(subject) if any(n != "parsed" and not is_code(n) for n in chosen) else {}
    names = Names()
    out: list[Stage] = []
    for name in chosen:
        if name == "parsed":
            out.append(_parsed(subject))
        elif is_code(name):
            out.append(_code(subject, name) if cc is None else _cuda_code(subject, name, cc))
        else:
            heading, graph, seconds = graphs[name]
            out.append(Stage(name, heading, located_lines(graph, names), graph, seconds))
    return out


def _parsed(subject: Subject) -> Stage:
    if isinstance(subject.function, TracedFunction):
        raise Misuse(f"'{subject.name}' is traced, and a trace begins at the stage 'typed'")
    source = parse_function(subject.python)
    return Stage("parsed", f"# parsed from {place(source.loc(source.node))}", parsed_lines(source))


def _graphs(subject: Subject) -> dict[str, tuple[str, Graph, float]]:
    """Return heading, graph and time of every stage that is a graph."""
    start = time.perf_counter()
    recorded = subject.recorded()
    took = time.perf_counter() - start + subject.seconds
    front_end = "traced" if isinstance(subject.function, TracedFunction) else "scripted"
    count = sum(1 for _ in recorded.graph.walk())
    heading = f"# typed, {front_end}: {count} ops, {took * 1e3:.1f} ms"
    out = {"typed": (heading, recorded.graph, took)}

    def after(name: str, before: Graph, made: Graph, seconds: float) -> None:
        out[name] = (pipeline.provenance(name, before, made, seconds), made, seconds)

    pipeline.run(recorded.graph, after=after)
    for alias, last in (("optimized", pipeline.OPTIMIZE[-1]), ("fused", "fuse")):
        heading, graph, seconds = out.get(last, out[pipeline.OPTIMIZE[-1]])
        out[alias] = (f"# {alias}: {heading.removeprefix('# ')}", graph, seconds)
    return out


def _code(subject: Subject, name: str) -> Stage:
    units = generated.units(subject)
    found = [u for u in units if u.native is not None]
    took = dict(subject.version().seconds).get("kernels", 0.0)
    heading = f"# {name}: {len(found)} function{'s' * (len(found) != 1)}, {took * 1e3:.1f} ms"
    texts = [generated.Text(u.kind, u.name, u.text(name)) for u in units]
    return _stage_of_code(subject, name, heading, took, texts)


def _cuda_code(subject: Subject, name: str, cc: tuple[int, int]) -> Stage:
    from jitorch.codegen.cuda.compiled import units

    start = time.perf_counter()
    texts = [
        generated.Text("kernel", unit.name, unit.text(name, cc))
        for unit in units(_graphs(subject)["fused"][1])
    ]
    took = time.perf_counter() - start
    count = sum(bool(t.text) for t in texts)
    made_for = f"for compute capability {cc[0]}.{cc[1]}"
    heading = f"# {name}: {count} kernel{'s' * (count != 1)} {made_for}, {took * 1e3:.1f} ms"
    return _stage_of_code(subject, name, heading, took, texts)


def _stage_of_code(
    subject: Subject, name: str, heading: str, took: float, texts: Sequence[generated.Text]
) -> Stage:
    shown = [t for t in texts if t.text]
    return Stage(name, heading, generated.lines(subject, shown), None, took, shown)


def differences(stages: Sequence[Stage], locations: bool = False) -> str:
    """Return the unified diffs from each stage to the next."""
    return "\n\n".join(_difference(a, b, locations) for a, b in itertools.pairwise(stages))


def _difference(before: Stage, after: Stage, locations: bool) -> str:
    a, b = (s.text(locations).splitlines() for s in (before, after))
    lines = list(difflib.unified_diff(a, b, before.name, after.name, lineterm=""))
    return "\n".join([after.heading, *(lines or [f"# no change since {before.name}"])])
