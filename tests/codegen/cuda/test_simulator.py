"""The suite under Numba's CUDA simulator, which has to be chosen before Numba is imported."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.numba, pytest.mark.usefixtures("compiler")]


def test_kernels_under_the_simulator() -> None:
    file = Path(__file__).parent / "simulated.py"
    done = subprocess.run(
        # Scalars of NumPy warn of overflows, which integers in kernels do not.
        [sys.executable, "-m", "pytest", "-q", "-W", "ignore", "-p", "no:cacheprovider", str(file)],
        env={**os.environ, "NUMBA_ENABLE_CUDASIM": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert "passed" in done.stdout
