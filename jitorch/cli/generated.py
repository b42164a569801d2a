"""The code generated for a function: kernels, native loops, and the plan that calls them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jitorch.cli.subject import Subject
from jitorch.compile import has_numba
from jitorch.errors import UNKNOWN, CompileError, Loc
from jitorch.ir.printer import Line

if TYPE_CHECKING:
    from jitorch.codegen.native import NativeFunction
    from jitorch.codegen.runtime import Executable

_PLACE = re.compile(r"  # ([^#]+):(\d+)$")


@dataclass(frozen=True)
class Unit:
    """A generated function. The plan, which is plain Python, has no native code."""

    kind: str
    name: str
    source: str
    native: NativeFunction | None = None

    def text(self, stage: str) -> str:
        """Return its source, LLVM text or assembly; "" where it has none."""
        if stage == "kernels" or self.native is None:
            return self.source if stage == "kernels" else ""
        if stage == "llvm":
            return self.native.code.llvm
        from jitorch.codegen.llvm import assembly

        return assembly(self.native.code)


@dataclass(frozen=True)
class Text:
    """The text of a generated function at some stage."""

    kind: str
    name: str
    text: str


def units(subject: Subject) -> list[Unit]:
    """Return what was generated for a function. Raises CompileError where there is no Numba."""
    return list(_units(executable(subject)))


def executable(subject: Subject) -> Executable:
    """Return the compiled program of a function."""
    if not has_numba():
        raise CompileError(
            "no code was generated: Numba is not installed", hint="pip install numba"
        )
    from jitorch.codegen.runtime import Executable

    program = subject.version().program
    assert isinstance(program, Executable)
    return program


def _units(program: Executable) -> Iterator[Unit]:
    for k in program.kernels:
        yield Unit("kernel", k.name, k.source, k.function)
    for driver, function in program.drivers:
        source = driver.source.replace("def driver(", f"def {function.name}(", 1)
        yield Unit("loop", function.name, source, function)
    yield Unit("plan", program.plan.name, program.plan.source)


def lines(subject: Subject, texts: Sequence[Text]) -> list[Line]:
    """Return generated code with, for each line, the user's place it comes from."""
    places = _places(subject)
    out: list[Line] = []
    for each in texts:
        locs = executable(subject).plan.locs if each.kind == "plan" else None
        out += [("", UNKNOWN)] * bool(out) + [(f"# {each.kind} {each.name}", UNKNOWN)]
        for number, line in enumerate(each.text.strip("\n").splitlines(), 1):
            known = _place(line, places) if locs is None else locs.get(number, UNKNOWN)
            out.append((line, known))
    return out


def _places(subject: Subject) -> dict[tuple[str, int], Loc]:
    """Return the places of a function by what kernel source says of them: file name and line."""
    out: dict[tuple[str, int], Loc] = {}
    for op in subject.recorded().graph.walk():
        key = Path(op.loc.file).name, op.loc.line
        same = op.loc.known and out.setdefault(key, op.loc).call_site == op.loc.call_site
        if not same:  # inlined more than once: the line alone does not say from where
            out[key] = Loc(op.loc.file, op.loc.line)
    return out


def _place(line: str, places: dict[tuple[str, int], Loc]) -> Loc:
    """Return the user's place that a line of kernel source ends with."""
    found = _PLACE.search(line)
    return places.get((found[1], int(found[2])), UNKNOWN) if found else UNKNOWN
