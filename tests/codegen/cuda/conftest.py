"""What the CUDA tests need: no GPU, but the compiler's wheels, or else a plain reason to skip."""

from __future__ import annotations

import pytest

from jitorch.codegen.cuda import toolkit
from jitorch.errors import CompileError


@pytest.fixture(scope="session")
def compiler() -> None:
    """Skip where the wheels that make code for a GPU are not installed."""
    try:
        toolkit.adapter()
        toolkit.tool("ptxas")
    except CompileError as error:
        pytest.skip(f"{error.message}; for these tests: pip install 'jitorch[dev]'")
