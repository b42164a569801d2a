"""jitorch: a small PyTorch-shaped library with a hybrid front end."""

from __future__ import annotations

from jitorch.ops.create import arange, full, ones, zeros
from jitorch.ops.join import cat, stack
from jitorch.tensor import Tensor, as_tensor, from_numpy, tensor
