"""Elementary functions that LLVM's loop vectoriser can widen.

Each is a Numba intrinsic for float32 and float64 scalars, without branches, tables in memory or
calls, so that a loop over contiguous memory becomes vector code. The docstrings state the error
bounds; `benchmarks/ulp.py` checks them, for float32 over every argument.
"""

from __future__ import annotations

from jitorch.codegen.vecmath.definition import FUNCTIONS
from jitorch.codegen.vecmath.exact import (
    abs_ as abs,
    ceil,
    copysign,
    floor,
    fma,
    isnan,
    maximum,
    minimum,
    rint,
    rsqrt,
    sqrt,
    trunc,
)
from jitorch.codegen.vecmath.exp_log import (
    exp,
    exp2,
    expm1,
    log,
    log1p,
    log2,
    log10,
    pow,
    sigmoid,
)
from jitorch.codegen.vecmath.hyperbolic import acosh, asinh, atanh, cosh, sinh, tanh
from jitorch.codegen.vecmath.special import cbrt, erf, erfc, lgamma
from jitorch.codegen.vecmath.trig import acos, asin, atan, atan2, cos, sin, tan

__all__ = [
    "FUNCTIONS",
    "abs",
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "cbrt",
    "ceil",
    "copysign",
    "cos",
    "cosh",
    "erf",
    "erfc",
    "exp",
    "exp2",
    "expm1",
    "floor",
    "fma",
    "isnan",
    "lgamma",
    "log",
    "log1p",
    "log2",
    "log10",
    "maximum",
    "minimum",
    "pow",
    "rint",
    "rsqrt",
    "sigmoid",
    "sin",
    "sinh",
    "sqrt",
    "tan",
    "tanh",
    "trunc",
]
