"""The parts of Numba the kernel compiler is built on, all in one place and all typed as Any.

Numba's own annotations are partial and differ between versions.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any


def _module(name: str) -> Any:
    """Import a module of Numba, or, if that is interrupted, nothing of it."""
    complete = "numba" in sys.modules
    try:
        return importlib.import_module(name)
    except BaseException:
        # Half-made modules would stay and be found by the next attempt.
        for each in [] if complete else [m for m in sys.modules if m.split(".")[0] == "numba"]:
            del sys.modules[each]
        raise


errors = _module("numba.core.errors")
extending = _module("numba.core.extending")
models = _module("numba.core.datamodel.models")
types = _module("numba.core.types")

codegen = _module("numba.core.codegen")
compiler = _module("numba.core.compiler")
cpu = _module("numba.core.cpu")
fastmathpass = _module("numba.core.fastmathpass")
funcdesc = _module("numba.core.funcdesc")
lowering = _module("numba.core.lowering")
machinery = _module("numba.core.compiler_machinery")
typed_passes = _module("numba.core.typed_passes")
typing = _module("numba.core.typing")
untyped_passes = _module("numba.core.untyped_passes")
utils = _module("numba.core.utils")
