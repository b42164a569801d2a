"""Kernels for single sizes: for the lengths of short rows, and the widths of narrow ones, that occur.

Loops over three coordinates or eight classes fill no vector. Where the folded axes of a kernel turn
out to be that short, or the axes around a long fold, the kernel is compiled for their very sizes,
and they are written out (`Layout.SHORT`, and `codegen/narrow.py`). Other sizes, and all sizes of
everything else, share the general kernel.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from jitorch.codegen.kernel import Kernel, Layout
from jitorch.codegen.loops import longest_short, most_narrow
from jitorch.codegen.plan import Plan
from jitorch.ir.core import Block, Graph, Op, Value
from jitorch.ir.dims import Dim, product, symbol
from jitorch.ir.facts import all_symbols, binders, plain
from jitorch.ir.rebuild import substitute_dims
from jitorch.ir.types import ScalarType
from jitorch.passes.domain import Domain, analyse

# A fold across memory is long from here on, and the points where it is done are few up to here.
_LONG = 4096
_FEW = 2048

# Plans that are kept for one kernel; those made first go first.
_MOST_PLANS = 64

SizeText = Callable[[Dim], str]


@dataclass(frozen=True)
class Special:
    """The sizes that a kernel is compiled for, each a symbol, and the condition under which it is.

    `others` are further symbols of the kernel that no operand binds.
    """

    symbols: tuple[str, ...]
    others: tuple[str, ...]
    condition: Callable[[SizeText], str]
    in_bands: bool = False


def specials(op: Op, general: Kernel) -> list[Special]:
    """Return for which sizes a `fused` op has kernels of its own, beside the general one."""
    ops = op.blocks[0].ops
    domain = analyse(ops)
    folded, points = _size(domain, domain.reduced), _size(domain, domain.outer)
    found: list[Special | None] = []
    longest, most = longest_short(len(ops)), most_narrow(len(ops))
    if domain.outer and longest > 1:
        found.append(
            _special(op, domain, domain.reduced, lambda size: f"1 < {size(folded)} <= {longest}")
        )
    across = general.layout is Layout.COLUMNS
    if across and most > 0:
        found.append(
            _special(
                op,
                domain,
                domain.outer,
                lambda size: f"{size(points)} <= {most} and {size(folded)} >= {_LONG}",
            )
        )
    if across and len(general.outer) == len(general.inner) == 1:
        found.append(
            Special(
                (),
                _unbound(op, ()),
                lambda size: f"0 < {size(points)} <= {_FEW} and {size(folded)} >= {_LONG}",
                in_bands=True,
            )
        )
    return [each for each in found if each is not None]


def _size(domain: Domain, axes: Collection[int]) -> Dim:
    return product(tuple(domain.sizes[a] for a in sorted(axes)))


def _special(
    op: Op, domain: Domain, axes: Collection[int], condition: Callable[[SizeText], str]
) -> Special | None:
    """Return a kernel that knows the sizes of some axes, if some are symbols and all could be known."""
    sizes = [domain.sizes[a] for a in sorted(axes)]
    symbols = [plain(d) for d in sizes if not isinstance(d, int)]
    known = list(dict.fromkeys(s for s in symbols if s is not None))
    if not known or None in symbols:
        return None
    return Special(tuple(known), _unbound(op, known), condition)


def _unbound(op: Op, known: Collection[str]) -> tuple[str, ...]:
    """Return the symbols that neither an operand binds nor the kernel knows."""
    bound = {name for v in op.inputs for name in binders(v.type)}
    return tuple(sorted(all_symbols(_graph(op)) - bound - set(known)))


def _graph(op: Op, sizes: Sequence[str] = ()) -> Graph:
    """Return a graph of the op alone, with parameters for its operands and for sizes."""
    numbers = [Value(ScalarType("int", symbol(name)), f"size_{name}") for name in sizes]
    return Graph("special", Block((*op.inputs, *numbers), (op,), op.outputs))


class SpecialKernels:
    """A `fused` op as plans for single sizes, each compiled when it is first met."""

    def __init__(self, op: Op, special: Special, plan: Callable[[Graph], Plan]) -> None:
        self.op = op
        self.special = special
        self.plan = plan
        self.plans: dict[tuple[int, ...], Callable[[Sequence[Any]], list[Any]]] = {}

    def __call__(self, sizes: tuple[int, ...], args: Sequence[Any]) -> list[Any]:
        """Return the results of the op.

        `sizes` are the values of the symbols; `args` the operands and the other sizes.
        """
        run = self.plans.get(sizes)
        if run is None:
            if len(self.plans) >= _MOST_PLANS:
                oldest, *_ = self.plans
                self.plans.pop(oldest, None)  # another thread may have
            run = self.plans[sizes] = self.compile(sizes)
        return run(args)

    def compile(self, sizes: tuple[int, ...]) -> Callable[[Sequence[Any]], list[Any]]:
        op = replace(self.op, attrs={"in_bands": True}) if self.special.in_bands else self.op
        graph = _graph(op, self.special.others)
        known: dict[str, Dim] = dict(zip(self.special.symbols, sizes, strict=True))
        return self.plan(substitute_dims(graph, known)).compile()
