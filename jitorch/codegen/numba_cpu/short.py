"""SHORT: folds written out, the innermost loop goes over outer points."""

from __future__ import annotations

import itertools

from jitorch.codegen.kernel import (
    Kernel,
    Pass,
    Statement,
    Store,
)
from jitorch.codegen.numba_cpu.writer import Writer
from jitorch.codegen.writer import placed, renamed, varying


def short(w: Writer) -> None:
    kernel = w.kernel
    last = kernel.outer[-1].name
    moving = varying(kernel.row, last)
    steady = [s for s in kernel.row if s not in moving]
    passes = [written_out(each, kernel) for each in kernel.passes]
    with w.segments("lo", "hi", kernel.outer):
        w.prepare(steady, None)
        w.statements(steady)
        w.prepare([*moving, *(s for p in passes for s in p if not isinstance(s, str))], last)
        w.prepare([s for p in kernel.passes for s in p.after], last)
        with w.block(f"for {last} in range(start, stop):"):
            w.statements(moving, last)
            for each, statements in zip(kernel.passes, passes, strict=True):
                for s in statements:
                    if isinstance(s, str):
                        w.line(s)
                    else:
                        w.statements([s], last)
                w.statements(each.after, last)


def written_out(each: Pass, kernel: Kernel) -> list[Statement | str]:
    """Return the statements of a pass for each element of the inner axes, folds as text."""
    own = {s.name for p in kernel.passes for s in p.body if not isinstance(s, Store)}
    out: list[Statement | str] = [f"{f.name} = {f.init}" for f in each.folds]
    sizes = [range(a.size) for a in kernel.inner if isinstance(a.size, int)]
    for point in itertools.product(*sizes):
        at = dict(zip((a.name for a in kernel.inner), point, strict=True))
        suffix = "_".join(map(str, point))
        body = [placed(s, at, suffix, own) for s in each.body]
        out += [s for s in body if not isinstance(s, Store)]
        for f in each.folds:
            value = renamed(f.value, suffix, own)
            out.append(f"{f.name} = {f.step.format(acc=f.name, x=value)}")
        out += [s for s in body if isinstance(s, Store)]
    return out
