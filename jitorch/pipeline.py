"""The list of passes, read from top to bottom, and `run`, which carries it out.

    >>> optimized = run(graph)                          # all stages
    >>> run(graph, ["cse", "dce"])                      # the named ones
    >>> stages(graph)["fold"]                           # the graph as it stood after a stage

`JITORCH_VERIFY=1` verifies the graph after every pass. A pass that fails leaves the graph before it
in a file, and the error says how to run that pass on it again.
"""

from __future__ import annotations

import importlib
import os
import tempfile
import time
from collections.abc import Callable, Sequence

from jitorch.errors import PassError
from jitorch.ir.core import Graph
from jitorch.ir.verify import verify
from jitorch.passes.cse import cse
from jitorch.passes.dce import dce
from jitorch.passes.decompose import decompose
from jitorch.passes.fold import fold
from jitorch.passes.infer import infer
from jitorch.passes.licm import licm
from jitorch.passes.simplify import simplify

Pass = Callable[[Graph], Graph]
After = Callable[[str, Graph, Graph, float], None]  # name, before, after, seconds


def _later(name: str) -> Pass:
    """Return a pass whose module is imported when it first runs."""

    def load(graph: Graph) -> Graph:
        found: Pass = getattr(importlib.import_module(f"jitorch.passes.{name}"), name)
        return found(graph)

    return load


# The front ends give the stages before these: `parsed`, and `typed`, which is what `run` takes.
STAGES: list[tuple[str, Pass]] = [
    ("infer", infer),  # first: the rest asks types
    ("decompose", decompose),  # before all that looks at single ops; they need not know composites
    ("fold", fold),  # before simplify, whose rules look for constants
    ("simplify", simplify),  # before cse: it brings what is written differently to one form
    ("cse", cse),  # before licm, which would move each of two equal ops
    ("licm", licm),
    ("dce", dce),  # after all that leaves ops unused
    ("lower", _later("lower")),  # before fuse, and after all that knows ops by name
    ("fuse", _later("fuse")),  # last: memory is planned by the code generator, on what it leaves
]


# The passes after which a graph is `optimized`: those that need no code generator.
OPTIMIZE = ["infer", "decompose", "fold", "simplify", "cse", "licm", "dce"]


def get_pass(name: str) -> Pass:
    """Return the pass called `name`. Raises KeyError, with the names there are, for another."""
    known = dict(STAGES)
    if name not in known:
        raise KeyError(f"there is no pass '{name}'; there are: {', '.join(known)}")
    return known[name]


def run(graph: Graph, passes: Sequence[str] | None = None, after: After | None = None) -> Graph:
    """Return the graph after the named passes, in the given order (by default all of `STAGES`).

    `after(name, before, after, seconds)` is called after each. Raises PassError where one fails.
    """
    for name in [n for n, _ in STAGES] if passes is None else passes:
        start = time.perf_counter()
        result = _run_one(name, get_pass(name), graph)
        if after is not None:
            after(name, graph, result, time.perf_counter() - start)
        graph = result
    return graph


def stages(graph: Graph, passes: Sequence[str] | None = None) -> dict[str, Graph]:
    """Return the graph as it stands after each stage, by name; `typed` is the graph given."""
    out = {"typed": graph}
    run(graph, passes, lambda name, before, after, seconds: out.update({name: after}))
    out["optimized"] = out.get(OPTIMIZE[-1], graph)
    out["fused"] = out.get("fuse", out["optimized"])
    return out


def provenance(name: str, before: Graph, after: Graph, seconds: float | None = None) -> str:
    """Return the comment that heads a dump: `# after cse (4th of 9): 14 -> 11 ops, 0.4 ms`."""
    names = [n for n, _ in STAGES]
    place = f" ({_ordinal(names.index(name) + 1)} of {len(names)})" if name in names else ""
    took = f", {seconds * 1e3:.1f} ms" if seconds is not None else ""
    return f"# after {name}{place}: {_size(before)} -> {_size(after)} ops{took}"


def _ordinal(n: int) -> str:
    return f"{n}" + {1: "st", 2: "nd", 3: "rd"}.get(n, "th")


def _size(graph: Graph) -> int:
    return sum(1 for _ in graph.walk())


def _run_one(name: str, run_pass: Pass, graph: Graph) -> Graph:
    try:
        result = run_pass(graph)
        if os.environ.get("JITORCH_VERIFY", "") not in ("", "0"):
            verify(result)
    except Exception as error:
        raise PassError(
            f"the pass '{name}' failed on the graph '{graph.name}'; this is a defect of jitorch\n"
            f"  {type(error).__name__}: {error}\n"
            f"  to run it again: python -m jitorch opt {_saved(graph, name)} -p {name}"
        ) from error
    return result


def _saved(graph: Graph, name: str) -> str:
    """Write the graph to a new file and return its path."""
    with tempfile.NamedTemporaryFile(
        "w", prefix=f"jitorch-{name}-", suffix=".ir", delete=False, encoding="utf-8"
    ) as file:
        file.write(f"# before {name}\n{graph}\n")
    return file.name
