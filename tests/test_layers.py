"""Imports run one way."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "jitorch"

# From the bottom up; a module may import its own layer and those below. `dispatch` lies within
# `ir`: it needs the op table's type, and what builds and runs graphs needs it.
LAYERS = [
    ["errors", "device", "locks", "philox", "size", "threads", "cuda", "backends"],
    ["ir"],
    ["dispatch"],
    ["ir.builder", "ir.interp"],
    ["arrays", "ops", "printing"],
    ["dtypes", "nn"],
    ["inplace"],
    ["placement"],
    ["tensor"],
    ["creation"],
    ["interpreter"],
    ["passes"],
    ["codegen"],
    ["pipeline"],
    ["compile"],
    ["frontend", "jit"],
    ["cli", "__main__", "__init__"],
]


def layer(module: str) -> int:
    """Return the number of a module's layer: that of its longest listed prefix."""
    places = {name: i for i, names in enumerate(LAYERS) for name in names}
    parts = module.split(".")
    for end in range(len(parts), 0, -1):
        if ".".join(parts[:end]) in places:
            return places[".".join(parts[:end])]
    raise AssertionError(f"jitorch.{module} has no layer; give it one in {__file__}")


def imports(tree: ast.Module) -> Iterator[str]:
    """Yield the modules of the package imported at the top level, outside `if TYPE_CHECKING`."""
    for node in tree.body:
        if isinstance(node, ast.Import):
            yield from (
                a.name.removeprefix("jitorch.") for a in node.names if a.name.startswith("jitorch.")
            )
        elif (
            isinstance(node, ast.ImportFrom)
            and node.module
            and node.module.split(".")[0] == "jitorch"
        ):
            base = node.module.removeprefix("jitorch").removeprefix(".")
            for a in node.names:
                inner = f"{base}.{a.name}".removeprefix(".")
                path = PACKAGE.joinpath(*inner.split("."))
                yield inner if path.is_dir() or path.with_suffix(".py").exists() else base


def test_imports_run_one_way() -> None:
    wrong = []
    for path in sorted(PACKAGE.rglob("*.py")):
        module = ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")
        for imported in imports(ast.parse(path.read_text(encoding="utf-8"))):
            if layer(imported) > layer(module):
                wrong.append(f"{module} imports {imported}")
    assert wrong == []
