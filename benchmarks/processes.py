"""Runs measurements that need processes of their own."""

from __future__ import annotations

import atexit
import functools
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
NOTHING: Mapping[str, str] = {}


@dataclass(frozen=True)
class Outcome:
    """What a process measured, or why it did not."""

    found: dict[str, Any]
    failure: str | None = None

    def number(self, key: str) -> float | None:
        """Return a number by name; None if there is none."""
        value = self.found.get(key)
        return None if value is None else float(value)


@functools.cache
def _byte_code() -> str:
    """The folder where the processes keep byte code, until this one ends."""
    folder = tempfile.mkdtemp(prefix="bench-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def run(
    command: Sequence[str], *, cache: str, timeout: float = 600, env: Mapping[str, str] = NOTHING
) -> Outcome:
    """Run Python with some arguments; the last line it prints is JSON.

    `cache` is a folder where compilers keep on disk what they like. What they find there decides
    whether a start is cold or warm.
    """
    environment = os.environ | {
        # As packages are that pip installed: with byte code.
        "PYTHONDONTWRITEBYTECODE": "",
        "PYTHONPYCACHEPREFIX": _byte_code(),
        "JITORCH_CACHE_DIR": f"{cache}/jitorch",
        "JAX_COMPILATION_CACHE_DIR": f"{cache}/jax",
        # JAX keeps what took a second to compile. Here it is to keep everything, like the others.
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
        "TORCHINDUCTOR_CACHE_DIR": f"{cache}/torch",
        **env,
    }
    try:
        done = subprocess.run(
            [sys.executable, *command],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
    except subprocess.TimeoutExpired:
        return Outcome({}, f"> {timeout:.0f} s")
    if done.returncode:
        return Outcome({}, (done.stderr.strip().splitlines() or ["failed"])[-1])
    return Outcome(json.loads(done.stdout.splitlines()[-1]))


def child(
    *args: str, cache: str, timeout: float = 600, env: Mapping[str, str] = NOTHING
) -> Outcome:
    """Run a task of `benchmarks.child`."""
    return run(["-m", "benchmarks.child", *args], cache=cache, timeout=timeout, env=env)


def median(outcomes: Iterable[Outcome], key: str) -> float | None:
    """Return the median of a number over processes, None if one of them failed."""
    numbers = [outcome.number(key) for outcome in outcomes]
    known = [number for number in numbers if number is not None]
    return statistics.median(known) if known and len(known) == len(numbers) else None
