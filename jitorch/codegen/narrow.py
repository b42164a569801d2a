"""Few points around long folds, written out: each has statements and accumulators of its own.

    for c < 2:                                   for i < n:
      for i < n:                                   x__0 = p_x[i*2]
        x = p_x[i*2 + c]             ->            x__1 = p_x[i*2 + 1]
        s = fold add(s, x)                         s__0 = fold add(s__0, x__0)
                                                   s__1 = fold add(s__1, x__1)

so that the range that is shared among threads is the long one.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace

from jitorch.codegen.kernel import Axis, Fold, Pass, Statement, Store
from jitorch.codegen.writer import placed, renamed, varying


def written_out(
    outer: Sequence[Axis],
    once: Sequence[Statement],
    row: Sequence[Statement],
    passes: Sequence[Pass],
) -> tuple[tuple[Statement, ...], tuple[Pass, ...]]:
    """Return what is done once, and the passes, for each point of the outer axes side by side."""
    own = _varying_names(outer, row, passes)
    known = [s for s in row if not isinstance(s, Store)]
    stored = [s for s in row if isinstance(s, Store)]
    before = [*once, *_all(known, outer, own)]
    made = [
        Pass(
            tuple(_all(each.body, outer, own)),
            tuple(_folds(each.folds, outer, own)),
            tuple(_all([*(stored if number == 0 else ()), *each.after], outer, own)),
        )
        for number, each in enumerate(passes)
    ]
    return tuple(before), tuple(made)


def _varying_names(
    outer: Sequence[Axis], row: Sequence[Statement], passes: Sequence[Pass]
) -> set[str]:
    """The names of what differs from one outer point to the next; results of folds do."""
    statements = [*row, *(s for each in passes for s in (*each.body, *each.after))]
    names = {fold.name for each in passes for fold in each.folds}
    for axis in outer:
        names |= {s.name for s in varying(statements, axis.name, names) if not isinstance(s, Store)}
    return names


def _points(outer: Sequence[Axis]) -> list[dict[str, int]]:
    sizes = [range(axis.size) for axis in outer if isinstance(axis.size, int)]
    names = [axis.name for axis in outer]
    return [dict(zip(names, point, strict=True)) for point in itertools.product(*sizes)]


def _suffix(at: Mapping[str, int]) -> str:
    return "_".join(map(str, at.values()))


def _all(statements: Sequence[Statement], outer: Sequence[Axis], own: set[str]) -> list[Statement]:
    """The statements for every point; those that do not vary only once."""
    out: list[Statement] = []
    for s in statements:
        if not isinstance(s, Store) and s.name not in own:
            out.append(s)
        else:
            out += [placed(s, at, _suffix(at), own) for at in _points(outer)]
    return out


def _folds(folds: Sequence[Fold], outer: Sequence[Axis], own: set[str]) -> list[Fold]:
    return [
        replace(
            fold,
            name=renamed(fold.name, _suffix(at), own),
            value=renamed(fold.value, _suffix(at), own),
        )
        for fold in folds
        for at in _points(outer)
    ]
