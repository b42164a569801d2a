"""jitorch: a small PyTorch-shaped library with a hybrid front end.

Names, arguments and defaults are PyTorch's, so that `import jitorch as torch` is the way to move.
"""

from __future__ import annotations

from math import e, inf, nan, pi

from jitorch.ir.promotion import get_default_dtype, set_default_dtype
from jitorch.ir.types import DType as dtype  # noqa: N813
from jitorch.ir.types import (
    bool_,
    complex64,
    complex128,
    float16,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    uint8,
)
from jitorch.ops.activations import *  # noqa: F403
from jitorch.ops.complex import *  # noqa: F403
from jitorch.ops.create import *  # noqa: F403
from jitorch.ops.einsum import *  # noqa: F403
from jitorch.ops.elementary import *  # noqa: F403
from jitorch.ops.elementwise import *  # noqa: F403
from jitorch.ops.elementwise import abs_, pow_, round_
from jitorch.ops.index import *  # noqa: F403
from jitorch.ops.join import *  # noqa: F403
from jitorch.ops.linalg import *  # noqa: F403
from jitorch.ops.losses import *  # noqa: F403
from jitorch.ops.nn import *  # noqa: F403
from jitorch.ops.reduce import *  # noqa: F403
from jitorch.ops.reduce import all_, any_, max_, min_, sum_
from jitorch.ops.scan import *  # noqa: F403
from jitorch.ops.select import *  # noqa: F403
from jitorch.ops.shape import *  # noqa: F403
from jitorch.tensor import Size, Tensor, as_tensor, from_numpy, tensor

__version__ = "0.1.0"

# Names that stand for builtins in the modules where they are defined.
abs, all, any, max, min, pow, round, sum = abs_, all_, any_, max_, min_, pow_, round_, sum_
bool, double, float, half, int, long, short = bool_, float64, float32, float16, int32, int64, int16
cfloat, cdouble = complex64, complex128
newaxis = None
