"""Which statements of a kernel use which."""

from __future__ import annotations

from collections.abc import Sequence

from jitorch.codegen.kernel import Fold, Let, Statement, Store


def names_used(statements: Sequence[Statement], folds: Sequence[Fold]) -> set[str]:
    names = {fold.value for fold in folds}
    for s in statements:
        if isinstance(s, Let):
            names.update(s.uses)
        elif isinstance(s, Store):
            names.add(s.value)
    return names


def varying(statements: Sequence[Statement], axis: str) -> list[Statement]:
    """Return the statements whose results change along the axis."""
    names: set[str] = set()
    out: list[Statement] = []
    for s in statements:
        moves = not isinstance(s, Let) and any(a == axis for a, _ in s.index)
        if moves or names_used([s], ()) & names:
            out.append(s)
            if not isinstance(s, Store):
                names.add(s.name)
    return out


def needed_by(
    available: Sequence[Statement], statements: Sequence[Statement], folds: Sequence[Fold]
) -> list[Statement]:
    """Return the available statements that the others use, directly or not."""
    used = names_used(statements, folds)
    out: list[Statement] = []
    for s in reversed(available):
        if not isinstance(s, Store) and s.name in used:
            out.append(s)
            used |= names_used([s], ())
    return out[::-1]
