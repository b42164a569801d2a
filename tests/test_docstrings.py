"""The examples in docstrings print what they say."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import numpy as np
import pytest

import jitorch as jt
from jitorch import ops

MODULES = [
    "jitorch.creation",
    "jitorch.cuda.devices",
    "jitorch.device",
    "jitorch.dtypes",
    "jitorch.tensor",
] + [f"jitorch.ops.{m.name}" for m in pkgutil.iter_modules(ops.__path__)]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    module = importlib.import_module(name)
    result = doctest.testmod(module, extraglobs={"jt": jt, "np": np})
    assert result.failed == 0


def test_there_are_examples() -> None:
    finder = doctest.DocTestFinder()
    modules = map(importlib.import_module, MODULES)
    assert sum(bool(t.examples) for m in modules for t in finder.find(m)) > 15
