"""Fixtures: pretended GPUs, and machines on which CUDA can't be used."""

from __future__ import annotations

import sys

import pytest

from jitorch.cuda import adapter
from tests.cuda import pretend
from tests.cuda.pretend import Machine


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Pretend that CuPy is installed and there are two GPUs."""
    for name, module in pretend.modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(adapter, "cupy", None)
    return pretend.machine


@pytest.fixture
def no_wheels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretend that CuPy is not installed."""
    monkeypatch.setitem(sys.modules, "cupy", None)
    monkeypatch.setattr(adapter, "cupy", None)
