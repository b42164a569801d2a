"""The parts of Numba the kernel compiler is built on, all in one place and all typed as Any.

Numba's own annotations are partial and differ between versions.
"""

from __future__ import annotations

import importlib
from typing import Any


def _module(name: str) -> Any:
    return importlib.import_module(name)


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
