"""Parts of complex numbers. Real tensors count as complex ones without an imaginary part."""

from __future__ import annotations

from typing import Any

from jitorch.ir.opdef import ITSELF, Scalar
from jitorch.ir.promotion import common, floating
from jitorch.ops.families import unary
from jitorch.ops.rules import magnitude, numeric

__all__ = ["angle", "conj", "imag", "real", "sgn"]

real = unary(
    "real", lambda xp, x: xp.real(x).copy(), ITSELF,
    "Return the real part.", promote=common, result=magnitude, inplace=False,
)  # fmt: skip
imag = unary(
    "imag", lambda xp, x: xp.imag(x).copy(), None,
    "Return the imaginary part; zeros for real tensors.",
    promote=common, result=magnitude, inplace=False,
)  # fmt: skip
conj = unary(
    "conj", lambda xp, x: x.copy() if x.dtype.kind == "b" else xp.conj(x), ITSELF,
    "Return the complex conjugate.", promote=common, inplace=False, methods=("conj_physical",),
)  # fmt: skip


def _angle(xp: Any, x: Any) -> Any:
    if x.dtype.kind == "c":
        return xp.angle(x)
    # pi for negative numbers, NaN for NaN.
    return xp.where(xp.isnan(x), x, xp.where(x < 0, x.dtype.type(xp.pi), x.dtype.type(0)))


angle = unary(
    "angle", _angle, None,
    "Return the angle from the positive real axis, in radians.",
    promote=floating, result=magnitude, inplace=False,
)  # fmt: skip
sgn = unary(
    "sgn", lambda xp, x: xp.sign(x), Scalar(float="sign({0})", int="sign({0})"),
    "Return x / abs(x), and 0 where x is 0.", promote=numeric("sgn"),
)  # fmt: skip
