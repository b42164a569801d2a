"""Functions of neural networks under PyTorch's name: `import jitorch.nn.functional as F`."""

from __future__ import annotations

from jitorch.ops.activations import *  # noqa: F403
from jitorch.ops.class_losses import *  # noqa: F403
from jitorch.ops.conv import *  # noqa: F403
from jitorch.ops.elementary import sigmoid as sigmoid, tanh as tanh
from jitorch.ops.linalg import linear as linear
from jitorch.ops.losses import *  # noqa: F403
from jitorch.ops.nn import *  # noqa: F403
from jitorch.ops.pool import *  # noqa: F403
from jitorch.ops.random import dropout as dropout
from jitorch.ops.select import threshold as threshold
from jitorch.ops.similarity import *  # noqa: F403
