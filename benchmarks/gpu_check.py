"""Whether a GPU computes what the CPU does: every op of the table, on all its samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

import jitorch as jt
from benchmarks.suite import first_line
from jitorch.dispatch import apply
from jitorch.ir.opdef import OPS, OpDef
from jitorch.ops import control, structure
from jitorch.tensor import Tensor, wrap

WAYS = ("eager", "compiled")
# By the bytes of a float: elementary functions and the order of sums differ from the CPU's.
TOLERANCE = {2: 2e-2, 4: 1e-4, 8: 1e-9}
# Ops that hold a program together have no sense on plain arrays.
_PROGRAM = {
    op.name
    for module in (control, structure)
    for op in vars(module).values()
    if isinstance(op, OpDef)
}


@dataclass(frozen=True)
class Check:
    """One sample of one op, done one way. `failure` says what went wrong, "" if nothing did."""

    op: str
    sample: int
    way: str
    failure: str


def table(pattern: str = "*") -> list[str]:
    """Return the ops to check: those with samples."""
    return [
        name
        for name, op in sorted(OPS.items())
        if op.samples and name not in _PROGRAM and fnmatchcase(name, pattern)
    ]


def checks(names: Sequence[str], device: str) -> Iterator[Check]:
    """Yield the check of each sample, eager and compiled. Nothing that fails ends it."""
    for name in names:
        samples = OPS[name].samples
        assert samples is not None
        for number, (args, attrs) in enumerate(samples()):
            for way in WAYS:
                # A complex tensor has no compiled form, on the CPU neither.
                if way == "eager" or not any(np.iscomplexobj(x) for x in args):
                    yield Check(name, number, way, _failure(OPS[name], args, attrs, way, device))


def _failure(op: OpDef, args: Sequence[Any], attrs: Any, way: str, device: str) -> str:
    try:
        wanted = _run(lambda *xs: apply(op, *xs, **attrs), [_tensor(x) for x in args])
        there = [x.to(device) if isinstance(x, Tensor) else x for x in map(_tensor, args)]
        takes = (op.infer.__kwdefaults__ or {}) if not there else {}
        place = {"device": device} if "device" in takes else {}

        def call(*xs: Any) -> Any:
            return apply(op, *xs, **attrs, **place)

        found = _run(jt.jit.trace(call, tuple(there)) if way == "compiled" else call, there)
    except Exception as error:  # whatever goes wrong is a line of the report
        return first_line(error)
    return _difference(found, wanted)


def _tensor(x: Any) -> Any:
    return wrap(x.copy()) if isinstance(x, np.ndarray) else x


def _run(call: Callable[..., Any], args: Sequence[Any]) -> list[Any]:
    jt.manual_seed(3)
    made = call(*args)
    return [x.cpu().numpy() for x in (made if isinstance(made, tuple) else (made,))]


def _difference(found: Sequence[Any], wanted: Sequence[Any]) -> str:
    """Return in which way results differ, "" if they do not."""
    for a, b in zip(found, wanted, strict=True):
        if (a.dtype, a.shape) != (b.dtype, b.shape):
            return f"{a.dtype}{list(a.shape)} for {b.dtype}{list(b.shape)}"
        bound = TOLERANCE[b.real.itemsize] if b.dtype.kind in "fc" else 0.0
        same = np.isclose(a, b, rtol=bound, atol=bound, equal_nan=True)
        if not same.all():
            where = int(np.argmin(same.ravel()))
            wrong = f"{int((~same).sum())} of {b.size} differ"
            return f"{wrong}: {a.ravel()[where]} for {b.ravel()[where]}"
    return ""
