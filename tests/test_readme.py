"""The code in the README and the documents runs, and prints what they say it prints.

A `python` block is a script; one that starts with `# name.py` is also a file for the blocks after
it. A `console` block holds command lines after `$`. A `text` block after a script, and the lines
after a command, are the output: a line of `...` stands for any lines, and the number in `0.12 ms`
for any number. Blocks marked `sh` install or build; only the names of make's targets are checked.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
PAGES = ("README.md", "docs/language.md")

pytestmark = pytest.mark.numba


@dataclass
class Block:
    kind: str
    line: int
    text: str
    expected: str = ""

    def __str__(self) -> str:
        return f"line {self.line}"


@dataclass
class Page:
    blocks: list[Block] = field(default_factory=list)

    def files(self, before: int) -> dict[str, str]:
        """Return the scripts that have a name, up to and with a line of the page."""
        found = {}
        for block in self.blocks:
            name = re.match(r"# (\w+\.py)\n", block.text)
            if name and block.line <= before:
                found[name[1]] = block.text
        return found


def read(name: str) -> Page:
    page = Page()
    text = (ROOT / name).read_text(encoding="utf-8")
    for match in re.finditer(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        line = text[: match.start()].count("\n") + 1
        kind, body = match.groups()
        if kind == "text" and page.blocks and page.blocks[-1].kind == "python":
            page.blocks[-1].expected = body
        else:
            page.blocks.append(Block(kind, line, body))
    return page


def cases(kind: str) -> list[Any]:
    return [
        pytest.param(name, block, id=f"{name}:{block.line}")
        for name in PAGES
        for block in read(name).blocks
        if block.kind == kind
    ]


def run(command: list[str], folder: Path) -> str:
    env = {**os.environ, "COLUMNS": "100", "NO_COLOR": "1"}
    env.pop("JITORCH_VERIFY", None)
    done = subprocess.run(
        command, cwd=folder, env=env, stdout=-1, stderr=subprocess.STDOUT, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def check_output(expected: str, found: str) -> None:
    pattern = re.escape(expected.rstrip("\n"))
    pattern = re.sub(r"\\\.\\\.\\\.(?=\\\n|\n|$)", ".*", pattern)
    pattern = re.sub(r"\d+(?:\\\.\d+)?(?=\\? (?:ms|s|us|µs)\b)", r"[0-9.]+", pattern)
    assert re.fullmatch(pattern, found.rstrip("\n"), re.DOTALL), (
        f"expected\n{expected}\nfound\n{found}"
    )


def write_files(page: str, before: int, folder: Path) -> None:
    for name, text in read(page).files(before).items():
        (folder / name).write_text(text, encoding="utf-8")


@pytest.mark.parametrize(("page", "block"), cases("python"))
def test_script(page: str, block: Block, tmp_path: Path) -> None:
    write_files(page, block.line, tmp_path)
    (tmp_path / "script.py").write_text(block.text, encoding="utf-8")
    found = run([sys.executable, "script.py"], tmp_path)
    if block.expected:
        check_output(block.expected, found)


@pytest.mark.parametrize(("page", "block"), cases("console"))
def test_console(page: str, block: Block, tmp_path: Path) -> None:
    write_files(page, block.line, tmp_path)
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        command, _, expected = part.partition("\n")
        words = shlex.split(command)
        assert words[0] in ("jitorch", "python"), command
        start = [sys.executable, "-m", "jitorch"] if words[0] == "jitorch" else [sys.executable]
        check_output(expected, run(start + words[1:], tmp_path))


@pytest.mark.parametrize("page", [*PAGES, "CONTRIBUTING.md"])
def test_blocks_are_of_known_kinds_and_targets_exist(page: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    for block in read(page).blocks:
        assert block.kind in ("python", "console", "text", "sh"), block
        if block.kind == "sh":
            assert set(re.findall(r"^make ([a-z-]+)", block.text, re.MULTILINE)) <= targets
