"""Neural networks: so far their functions, under PyTorch's name `nn.functional`."""

from __future__ import annotations

from jitorch.nn import functional as functional
