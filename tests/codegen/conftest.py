"""Fixtures of the native layer: a cache of its own, and kernels run on arrays."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

RunKernel = Callable[..., Any]


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the tests out of the user's cache, and the user's cache out of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JITORCH_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        patch.delenv("JITORCH_CACHE", raising=False)
        yield


@pytest.fixture
def seed() -> None:
    """The same random numbers each time: sums of many differ by more in some draws."""
    import jitorch as jt

    jt.manual_seed(0)


@pytest.fixture
def cache_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, with its warning not yet given."""
    from jitorch.codegen import cache

    folder = tmp_path / "cache"
    monkeypatch.setenv("JITORCH_CACHE_DIR", str(folder))
    cache._warned.clear()
    return folder


@pytest.fixture
def start_python() -> Callable[..., subprocess.Popen[str]]:
    """Start a Python process that runs a script, with warnings as errors."""
    import jitorch

    root = Path(str(jitorch.__file__)).parents[1]

    def start(script: str, *arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-W", "error", "-c", script, *arguments]
        environment = {**os.environ, "PYTHONPATH": str(root)}
        return subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE)

    return start


@pytest.fixture
def run_python(start_python: Callable[..., subprocess.Popen[str]]) -> Callable[..., str]:
    """Run a script in a process of its own; what it printed."""

    def run(script: str, *arguments: str) -> str:
        with start_python(script, *arguments) as process:
            output, _ = process.communicate(timeout=60)
        assert process.returncode == 0
        return output.strip()

    return run


def table(*values: Any) -> np.ndarray[Any, Any]:
    """An argument table: the addresses of arrays, integers, and the bits of floats."""
    slots = np.zeros(len(values), np.int64)
    for k, value in enumerate(values):
        if isinstance(value, np.ndarray):
            slots[k] = value.ctypes.data
        elif isinstance(value, float):
            slots[k : k + 1].view(np.float64)[0] = value
        else:
            slots[k] = value
    return slots


@pytest.fixture(name="table")
def table_fixture() -> Callable[..., Any]:
    return table


@pytest.fixture
def run_kernel() -> RunKernel:
    """Compile the body of a kernel and run it: run_kernel(source, n, *slots)."""
    from jitorch.codegen import native

    def run(source: str, n: int, *slots: Any) -> Any:
        function = native.compile_kernel(source, "kernel")
        args = table(*slots)
        function(args.ctypes.data, 0, n)
        return function

    return run


@pytest.fixture
def loop() -> Callable[..., str]:
    """Source of an elementwise kernel: loop("load(p0, i) + load(p1, i)", "f32", "f32", "f32").

    The tags are those of the operands p0, p1, ... and, last, of the result.
    """

    def source(expression: str, *tags: str) -> str:
        pointers = [f"    p{k} = arg_ptr_{tag}(args, {k})" for k, tag in enumerate(tags)]
        head = "def kernel(args, lo, hi):\n" + "\n".join(pointers)
        body = f"    for i in range(lo, hi):\n        store(p{len(tags) - 1}, i, {expression})\n"
        return f"{head}\n{body}"

    return source
