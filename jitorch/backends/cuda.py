"""Switches of what computes on GPUs.

>>> jt.backends.cuda.matmul.allow_tf32
False
"""

from __future__ import annotations

from jitorch.cuda import adapter


class _MatMul:
    """How matrix products are computed."""

    @property
    def allow_tf32(self) -> bool:
        """Whether products of float32 may be computed in TF32: quicker, with 10 bits of the fraction."""
        return adapter.tf32

    @allow_tf32.setter
    def allow_tf32(self, allowed: bool) -> None:
        adapter.allow_tf32(bool(allowed))


matmul = _MatMul()
