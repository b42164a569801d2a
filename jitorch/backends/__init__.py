"""Switches of what computes, under PyTorch's names."""

from __future__ import annotations

from jitorch.backends import cuda as cuda
