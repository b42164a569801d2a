"""jitorch: a small PyTorch-shaped library with a hybrid front end.

Names, arguments and defaults are PyTorch's, so that `import jitorch as torch` is the way to move.
"""

from __future__ import annotations

from math import e as e, inf as inf, nan as nan, pi as pi

from jitorch import (
    backends as backends,
    cuda as cuda,
    interpreter as interpreter,
    jit as jit,
    nn as nn,
)
from jitorch.creation import *
from jitorch.device import device as device
from jitorch.dtypes import (
    can_cast as can_cast,
    finfo as finfo,
    iinfo as iinfo,
    is_complex as is_complex,
    is_floating_point as is_floating_point,
    promote_types as promote_types,
    result_type as result_type,
)
from jitorch.errors import OutOfMemoryError as OutOfMemoryError
from jitorch.ir.promotion import (
    get_default_dtype as get_default_dtype,
    set_default_dtype as set_default_dtype,
)
from jitorch.ir.types import (
    DType,
    bool_ as bool_,
    complex64 as complex64,
    complex128 as complex128,
    float16 as float16,
    float32 as float32,
    float64 as float64,
    int8 as int8,
    int16 as int16,
    int32 as int32,
    int64 as int64,
    uint8 as uint8,
)
from jitorch.jit import (
    compile_in_background as compile_in_background,
    eager as eager,
    ignore as ignore,
    max_compiles as max_compiles,
    script as script,
)
from jitorch.ops.activations import *
from jitorch.ops.class_losses import *
from jitorch.ops.complex import *
from jitorch.ops.create import *
from jitorch.ops.einsum import *
from jitorch.ops.elementary import *
from jitorch.ops.elementwise import *
from jitorch.ops.elementwise import abs_, pow_, round_
from jitorch.ops.gather import *
from jitorch.ops.join import *
from jitorch.ops.keys import *
from jitorch.ops.linalg import *
from jitorch.ops.losses import *
from jitorch.ops.nn import *
from jitorch.ops.position import *
from jitorch.ops.position import max_, min_
from jitorch.ops.random import *
from jitorch.ops.reduce import *
from jitorch.ops.reduce import all_, any_, sum_
from jitorch.ops.scan import *
from jitorch.ops.select import *
from jitorch.ops.shape import *
from jitorch.ops.similarity import *
from jitorch.ops.statistics import *
from jitorch.printing import set_printoptions as set_printoptions
from jitorch.size import Size as Size
from jitorch.tensor import Tensor as Tensor
from jitorch.threads import (
    get_num_threads as get_num_threads,
    set_num_threads as set_num_threads,
)

__version__ = "0.1.0"

# Names that stand for builtins in the modules where they are defined.
abs, all, any, max, min, pow, round, sum = abs_, all_, any_, max_, min_, pow_, round_, sum_
bool, double, float, half, int, long, short = bool_, float64, float32, float16, int32, int64, int16
cfloat, cdouble = complex64, complex128
dtype = DType
newaxis = None
