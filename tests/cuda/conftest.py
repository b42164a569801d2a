"""Fixtures: pretended GPUs, and machines on which CUDA can't be used."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator

import pytest

from jitorch import compile as compiling
from jitorch.codegen.cuda import toolkit
from jitorch.cuda import adapter
from tests.cuda import pretend
from tests.cuda.kernels import Kernels, compilers, install
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


@pytest.fixture(params=["kernels", "op by op"])
def kernels(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, machine: Machine
) -> Iterator[Kernels | None]:
    """Run a test twice: on emulated kernels, and op by op, as where no compiler is installed."""
    if request.param == "kernels":
        yield install(monkeypatch)
    else:
        compilers(monkeypatch, "numba-cuda is not installed")
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="scripted and traced functions run op by op")
            yield None
    compiling.has_cuda_compilers.cache_clear()


@pytest.fixture(scope="session")
def compiler() -> None:
    """Skip where the wheels that make code for a GPU are not installed."""
    missing = toolkit.missing()
    if missing is not None:
        pytest.skip(f"{missing}; for these tests: pip install 'jitorch[dev]'")
