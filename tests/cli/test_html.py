"""`jitorch dump --format html`: one self-contained page whose lines are linked."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from jitorch.cli.colour import colour_ir, colour_python
from tests.cli.conftest import Run

SOURCE = Path(__file__).parent / "functions.py"


class Page(HTMLParser):
    """The lines of a page by where they stand, and whatever it loads from elsewhere."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.pane = ""
        self.lines: dict[str, list[dict[str, str]]] = {}
        self.text: dict[str, str] = {}
        self.tags: list[str] = []
        self.loaded: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {k: v or "" for k, v in attrs}
        self.tags.append(tag)
        self.loaded += [v for k, v in given.items() if k in ("src", "href")]
        if tag == "aside":
            self.pane = "source"
        elif tag == "section":
            self.pane = given["id"]
        elif given.get("class", "").split()[:1] == ["l"]:
            self.lines.setdefault(self.pane, []).append(given)

    def handle_data(self, data: str) -> None:
        self.text[self.pane] = self.text.get(self.pane, "") + data


def page(run: Run, *arguments: str) -> tuple[str, Page]:
    text = run("dump", *arguments, "--format", "html").output
    return text, Page(text)


def line_of(code: str) -> int:
    lines = SOURCE.read_text(encoding="utf-8").splitlines()
    return next(i for i, line in enumerate(lines, 1) if code in line)


def test_lines_are_linked(run: Run) -> None:
    _, made = page(run, "functions.py:steps", "-i", "f32[8]", "-s", "parsed,typed,dce")
    inner, call = line_of("return v * by"), line_of("x = scale(x, 0.5)")
    ids = {line["id"]: line for line in made.lines["source"]}
    assert ids[f"L{inner}"]["data-at"] == f"0:{inner}"
    assert f"L{line_of('return x.sum()')}" in ids
    assert f"L{line_of('def norm')}" not in ids  # another function
    for stage in ("stage1", "stage2"):
        places = [line.get("data-at", "") for line in made.lines[stage]]
        assert f"0:{inner} 0:{call}" in places  # inlined: its own place, then that of the call
    sources = {line["data-at"] for line in made.lines["source"] if "data-at" in line}
    linked = {at for stage in ("stage0", "stage1", "stage2") for at in places_in(made, stage)}
    assert linked == sources


def places_in(made: Page, stage: str) -> set[str]:
    return {at for line in made.lines[stage] for at in line.get("data-at", "").split()}


def test_it_is_self_contained(run: Run) -> None:
    text, made = page(run, "functions.py:softmax", "-i", "f32[8,16]", "-s", "typed,dce")
    assert made.loaded == []
    assert not re.search(r"https?://", text)
    assert "default-src 'none'" in text
    assert "{{" not in text


def test_source_is_escaped(run: Run) -> None:
    text, made = page(run, "functions.py:strings", "-i", "f32[3]", "-s", "parsed,typed")
    assert "</script><script>alert(1)" not in text
    assert made.tags.count("script") == 1
    assert "</script><script>alert(1)</script>" in made.text["source"]
    assert "</script><script>alert(1)</script>" in made.text["stage0"]


def test_tabs_belong_to_panels(run: Run) -> None:
    text, made = page(run, "functions.py:softmax", "-i", "f32[8,16]", "-s", "typed,cse,dce")
    assert re.findall(r'aria-controls="(\w+)"', text) == ["stage0", "stage1", "stage2"]
    assert text.count('aria-selected="true"') == 1
    assert (
        'id="tab1" aria-controls="stage1" aria-selected="false" tabindex="-1" class="same"' in text
    )
    assert {"stage0", "stage1", "stage2"} < set(made.lines)


@pytest.mark.numba
def test_kernels_are_linked(run: Run) -> None:
    _, made = page(run, "functions.py:softmax", "-i", "f32[8,16]")
    kernels = f"stage{len(made.lines) - 2}"
    assert places_in(made, kernels) >= {f"0:{line_of('e = torch.exp')}"}


def test_colours_escape_everything() -> None:
    nasty = 'x = \'<i>&\' # <b>\nif x < 1: y = """<\n>"""'
    first, second, third = colour_python(nasty)
    assert first == (
        'x = <span class="s">&#x27;&lt;i&gt;&amp;&#x27;</span> <span class="c"># &lt;b&gt;</span>'
    )
    assert "x &lt; " in second
    assert third == '<span class="s">&gt;&quot;&quot;&quot;</span>'


def test_broken_source_keeps_its_text() -> None:
    assert colour_python("def f(:\n  ?")[0].endswith("(:")
    assert len(colour_python("x = (\n'")) == 2


def test_colours_of_ir() -> None:
    assert colour_ir('%0: f32[n] = f(%x) {a="<", b=-1}') == (
        '<span class="v">%0</span>: <span class="t">f32[n]</span> = <span class="o">f</span>('
        '<span class="v">%x</span>) '
        '{a=<span class="s">&quot;&lt;&quot;</span>, b=<span class="n">-1</span>}'
    )
