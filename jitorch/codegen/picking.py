"""Indices beyond the end in plans: a kernel notes them, and the plan raises."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from jitorch.codegen.kernel import Fault
from jitorch.errors import IndexOutOfRange, Loc, ShapeMismatch

if TYPE_CHECKING:
    from jitorch.codegen.plan import PlanWriter

# What stands where a kernel may note an index and a size.
NOTHING = -1
_CLEAN = np.full(2, NOTHING)


def check_size(plan: PlanWriter, note: Fault) -> None:
    """Write the checks that kernels rely on: that there is something to pick where there are indices."""
    for dim, wanted, size in note.others:
        check = plan.constant("require_fit", partial(_require_fit, dim, note.loc))
        plan.line(f"{check}({plan.size(wanted)}, {plan.size(size)})")
    if isinstance(note.size, int) and note.size > 0:
        return
    check = plan.constant("require_size", partial(_require_size, note.dim, note.loc))
    plan.line(f"{check}({plan.size(note.size)}, {plan.size(note.count)})")


def _require_size(dim: int, loc: Loc, size: int, count: int) -> None:
    if count and not size:
        raise IndexOutOfRange.beyond(None, dim, 0, loc)


# What is wrong with sizes that only run time tells: those of an index and its operand.
TOO_LARGE = "Size does not match at dimension {dim}: the index has {{}} and what it picks from {{}}"


def _require_fit(dim: int, loc: Loc, wanted: int, size: int) -> None:
    if wanted > size:
        raise ShapeMismatch(TOO_LARGE.format(dim=dim).format(wanted, size), loc=loc)


def room(plan: PlanWriter, note: Fault) -> str:
    """Write the memory for a note, and return its name."""
    check_size(plan, note)
    name = plan.names.own("fault")
    plan.line(f"{name} = {plan.shared('no_fault', _CLEAN)}.copy()")
    return name


def check(plan: PlanWriter, note: Fault, name: str) -> None:
    """Write what raises if a note was left."""
    tell = plan.constant("tell", partial(_tell, note.dim, note.loc))
    plan.line(f"if {name}[1] != {NOTHING}:")
    plan.line(f"    {tell}({name})")


def _tell(dim: int, loc: Loc, fault: Any) -> None:
    index, size = map(int, fault)
    raise IndexOutOfRange.beyond(index, dim, size, loc)
