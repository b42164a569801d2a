"""`--format html`: one page, the source on the left, every stage on the right, linked by lines.

A line that comes from the user's code has `data-at`: the places it has to do with, `FILE:LINE` with
the number of the file, innermost first. `#L12` at the end of the page's address pins a line.
"""

from __future__ import annotations

import ast
import linecache
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html import escape
from importlib import resources
from pathlib import Path

from jitorch.cli.colour import colour_ir, colour_python
from jitorch.cli.console import short_path
from jitorch.cli.stages import Stage
from jitorch.cli.subject import Subject
from jitorch.errors import Loc
from jitorch.frontend.source import parse_function


def page(subject: Subject, stages: Sequence[Stage]) -> str:
    """Return the page as text."""
    source = parse_function(subject.python)
    writer = _Writer(source.loc(source.node))
    panels = [
        writer.panel(i, stage, stages[i - 1] if i else None) for i, stage in enumerate(stages)
    ]
    shown = _first_shown(stages)
    parts = {
        "title": escape(f"{subject.name} - jitorch"),
        "name": escape(f"{short_path(source.file)}:{subject.name}"),
        "inputs": ", ".join(
            f"{escape(name)}: <code>{escape(text)}</code>" for name, text in subject.inputs()
        ),
        "tabs": "\n".join(_tab(i, stage, i == shown, stages) for i, stage in enumerate(stages)),
        "panels": "\n".join(_section(i, p, i == shown) for i, p in enumerate(panels)),
        "source": writer.source(),
    }
    template = resources.files("jitorch.cli").joinpath("page.html").read_text(encoding="utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda m: parts[m[1]], template).rstrip()


def _first_shown(stages: Sequence[Stage]) -> int:
    """Return the stage that the page opens with: the last graph."""
    return max((i for i, s in enumerate(stages) if s.graph is not None), default=len(stages) - 1)


def _tab(i: int, stage: Stage, chosen: bool, stages: Sequence[Stage]) -> str:
    same = i > 0 and [t for t, _ in stage.lines] == [t for t, _ in stages[i - 1].lines]
    state = f'aria-selected="{str(chosen).lower()}" tabindex="{0 if chosen else -1}"'
    title = ' class="same" title="no change"' if same else ""
    return (
        f'<button type="button" role="tab" id="tab{i}" aria-controls="stage{i}" {state}{title}>'
        f"{escape(stage.name)}<i></i></button>"
    )


def _section(i: int, content: str, chosen: bool) -> str:
    hidden = "" if chosen else " hidden"
    head = f'<section role="tabpanel" id="stage{i}" aria-labelledby="tab{i}"{hidden}>'
    return f"{head}\n{content}\n</section>"


@dataclass
class _Writer:
    """Writes lines, and notes which places of the source they come from."""

    root: Loc
    files: dict[str, int] = field(default_factory=dict)
    used: dict[str, set[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.number(self.root)

    def number(self, loc: Loc) -> str:
        """Return the name of a place, `FILE:LINE`."""
        index = self.files.setdefault(loc.file, len(self.files))
        self.used.setdefault(loc.file, set()).add(loc.line)
        return f"{index}:{loc.line}"

    def places(self, loc: Loc) -> Iterator[str]:
        """Yield the place, then that of the call it was inlined from, and so on."""
        each: Loc | None = loc
        while each is not None and each.known:
            yield self.number(each)
            each = each.call_site

    def panel(self, i: int, stage: Stage, before: Stage | None) -> str:
        """Return a stage as lines, with those marked that the stage before has not."""
        old = (
            {t for t, _ in before.lines}
            if before is not None and before.graph is not None
            else None
        )
        new = [stage.graph is not None and old is not None and t not in old for t, _ in stage.lines]
        text = [t for t, _ in stage.lines]
        python = stage.name == "kernels"
        coloured = colour_python("\n".join(text)) if python else [colour_ir(t) for t in text]
        if stage.name in ("llvm", "asm", "parsed"):
            coloured = list(map(escape, text))
        rows = [
            self.row(c, loc, " new" * n)
            for c, (_, loc), n in zip(coloured, stage.lines, new, strict=True)
        ]
        legend = '\n<p class="legend"><span>new in this stage</span></p>' if any(new) else ""
        heading = escape(stage.heading.removeprefix("# "))
        return f'<h2>{heading}</h2>\n<div class="code"><div>\n{"".join(rows)}</div></div>{legend}'

    def row(self, code: str, loc: Loc, kind: str) -> str:
        at = " ".join(dict.fromkeys(self.places(loc)))
        linked = f' data-at="{at}"' if at else ""
        return f'<div class="l{kind}"{linked}><b></b><span>{code or " "}</span></div>\n'

    def source(self) -> str:
        """Return the functions that the places are in, the one that was asked for first."""
        return "\n".join(self.listing(file, lines) for file, lines in list(self.used.items()))

    def listing(self, file: str, used: set[int]) -> str:
        lines = [t.rstrip("\n") for t in linecache.getlines(file)]
        coloured = colour_python("\n".join(lines))
        index = self.files[file]
        out = []
        ranges = _statements("\n".join(lines), used)
        if index == 0:  # the function that was asked for comes first
            ranges.sort(key=lambda r: not r[0] <= self.root.line <= r[1])
        for first, last in ranges:
            rows = [
                _source_row(index, n, coloured[n - 1], n in used) for n in range(first, last + 1)
            ]
            head = f"{escape(short_path(file))}, lines {first} to {last}"
            out.append(f'<h2>{head}</h2>\n<div class="code"><div>\n{"".join(rows)}</div></div>')
        return "\n".join(out) or f"<h2>{escape(Path(file).name)}: there is no source to show</h2>"


def _source_row(index: int, number: int, code: str, used: bool) -> str:
    name = f"L{number}" if index == 0 else f"F{index}L{number}"
    linked = f' data-at="{index}:{number}"' if used else ""
    return f'<div class="l" id="{name}"{linked}><b>{number}</b><span>{code or " "}</span></div>\n'


def _statements(text: str, used: set[int]) -> list[tuple[int, int]]:
    """Return the line ranges of the functions (or other statements) that the lines stand in."""
    try:
        body = ast.parse(text).body
    except SyntaxError:
        return []
    ranges = [r for r in _ranges(body) if any(r[0] <= line <= r[1] for line in used)]
    return sorted(dict.fromkeys(ranges))


def _ranges(body: Sequence[ast.stmt]) -> Iterator[tuple[int, int]]:
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield from _ranges(node.body)
            continue
        decorators = getattr(node, "decorator_list", [])
        yield min([node.lineno, *(d.lineno for d in decorators)]), node.end_lineno or node.lineno
