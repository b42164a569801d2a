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


@dataclass(frozen=True)
class Stage:
    """A function at one stage. `heading` is its provenance, a comment."""

    name: str
    heading: str
    lines: Sequence[Line]
    graph: Graph | None = None
    seconds: float | None = None

    def text(self, locations: bool = False) -> str:
        """Return the stage's text; with `locations`, each line ends with the user's place."""
        return "\n".join(
            f"{t}  # {place(loc)}" if locations and self.shows(loc) else t for t, loc in self.lines
        )

    def shows(self, loc: Loc) -> bool:
        """Whether a line's place is to be added: parsed code and kernels have it in the text."""
        return self.graph is not None and loc.known


def names() -> list[str]:
    """Return the stages there are, in order."""
    return ["parsed", "typed", *(n for n, _ in pipeline.STAGES), "optimized", "fused", *CODE]


def wanted(chosen: Sequence[str], subject: Subject) -> list[str]:
    """Return the stages that the user asked for, in order; `all` is every one up to `kernels`."""
    asked = [name.strip() for each in chosen for name in each.split(",")]
    for name in asked:
        if name == "ptx":
            raise Misuse(
                "the stage 'ptx' is CUDA code: it comes with CUDA support, in a later version"
            )
        if name != "all" and name not in names():
            close = difflib.get_close_matches(name, names(), 1)
            meant = f"; did you mean '{close[0]}'?" if close else ""
            raise Misuse(
                f"there is no stage '{name}'{meant}\n  the stages are: {', '.join(names())}, all"
            )
    if "all" in asked:
        asked += ["typed", *(n for n, _ in pipeline.STAGES)]
        asked += ["parsed"] * (not isinstance(subject.function, TracedFunction))
        asked += ["kernels"] * has_numba()
    return [name for name in names() if name in asked]


def build(subject: Subject, chosen: Sequence[str]) -> list[Stage]:
    """Return the chosen stages of a function. Values keep their names from stage to stage."""
    graphs = _graphs(subject) if any(n != "parsed" and n not in CODE for n in chosen) else {}
    names = Names()
    out: list[Stage] = []
    for name in chosen:
        if name == "parsed":
            out.append(_parsed(subject))
        elif name in CODE:
            out.append(_code(subject, name))
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
    found = [u for u in generated.units(subject) if u.native is not None]
    took = dict(subject.version().seconds).get("kernels", 0.0)
    heading = f"# {name}: {len(found)} function{'s' * (len(found) != 1)}, {took * 1e3:.1f} ms"
    return Stage(name, heading, generated.lines(subject, name), None, took)


def differences(stages: Sequence[Stage], locations: bool = False) -> str:
    """Return the unified diffs from each stage to the next."""
    return "\n\n".join(_difference(a, b, locations) for a, b in itertools.pairwise(stages))


def _difference(before: Stage, after: Stage, locations: bool) -> str:
    a, b = (s.text(locations).splitlines() for s in (before, after))
    lines = list(difflib.unified_diff(a, b, before.name, after.name, lineterm=""))
    return "\n".join([after.heading, *(lines or [f"# no change since {before.name}"])])
