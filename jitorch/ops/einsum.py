"""`einsum`, written in transpositions, sums and matrix products.

Operands are contracted from left to right. A label is kept until no later operand and not the
result needs it: one that only the pair has is the inner dimension of a matrix product, one that the
result needs from both is a batch dimension.
"""

from __future__ import annotations

from typing import Any

from jitorch.dispatch import apply
from jitorch.errors import ShapeMismatch
from jitorch.ir import dims as D
from jitorch.ops.elementwise import mul
from jitorch.ops.families import function
from jitorch.ops.linalg import matmul_op
from jitorch.ops.reduce import sum_
from jitorch.ops.shape import diagonal, expand, permute, reshape

__all__ = ["einsum"]


@function()
def einsum(equation: str, *operands: Any) -> Any:
    """Return the sums of products that the equation describes (Einstein's summation convention).

    Every dimension has a letter; letters that do not stand in the result are summed over. `...`
    stands for further dimensions, which broadcast. Without `->` the result has the letters that
    occur once, in alphabetical order.

    >>> jt.einsum("ij,jk->ik", jt.ones(2, 3), jt.ones(3, 2))
    tensor([[3., 3.],
            [3., 3.]])
    """
    if len(operands) == 1 and isinstance(operands[0], (tuple, list)):
        operands = tuple(operands[0])
    inputs, output = _parse(equation, [x.ndim for x in operands])
    terms = [_diagonals(x, labels) for x, labels in zip(operands, inputs, strict=True)]
    terms = _spread(terms)
    x, labels = terms[0]
    for i, (y, other) in enumerate(terms[1:], 1):
        needed = set(output).union(*(later for _, later in terms[i + 1 :]))
        x, labels = _contract(x, labels, y, other, needed)
    x, labels = _summed(x, labels, set(output))
    return permute(x, *(labels.index(label) for label in output)) if labels else x


def _parse(equation: str, ranks: list[int]) -> tuple[list[list[str]], list[str]]:
    """Return the labels of every operand and of the result; `...` becomes labels "0", "1", ..."""
    left, arrow, right = equation.replace(" ", "").partition("->")
    parts = left.split(",")
    if len(parts) != len(ranks):
        raise ShapeMismatch(
            f"einsum(): the equation names {len(parts)} operands, but {len(ranks)} were given"
        )
    inputs = [_labels(part, rank) for part, rank in zip(parts, ranks, strict=True)]
    dots = sorted({label for labels in inputs for label in labels if label.isdigit()}, key=int)
    dots.reverse()
    if arrow:
        output = [*right.replace("...", ".")]
        at = output.index(".") if "." in output else 0
        output[at : at + ("." in output)] = dots if "." in output else []
    else:
        every = [label for labels in inputs for label in labels]
        output = dots + sorted(c for c in set(every) if every.count(c) == 1 and c.isalpha())
    known = {label for labels in inputs for label in labels}
    for label in output:
        if label not in known or output.count(label) > 1:
            raise ShapeMismatch(
                f"einsum(): output subscript {label} must appear exactly once in the result and "
                "in some operand"
            )
    return inputs, output


def _labels(part: str, rank: int) -> list[str]:
    """Return the labels of one operand. Dimensions under `...` are numbered from the right."""
    letters = part.replace("...", "")
    if not all(c.isalpha() for c in letters):
        raise ShapeMismatch(f"einsum(): invalid subscript given in {part!r}")
    hidden = rank - len(letters)
    if hidden < 0 or (hidden and "..." not in part):
        raise ShapeMismatch(
            f"einsum(): the number of subscripts in {part!r} does not match the number of "
            f"dimensions ({rank}) of its operand"
        )
    at = part.find("...")
    dots = [str(i) for i in reversed(range(hidden))]
    return [*letters] if at < 0 else [*letters[:at], *dots, *letters[at:]]


def _diagonals(x: Any, labels: list[str]) -> tuple[Any, list[str]]:
    """Take the diagonal of dimensions that share a label."""
    for label in dict.fromkeys(labels):
        while labels.count(label) > 1:
            first = labels.index(label)
            second = labels.index(label, first + 1)
            x = diagonal(x, 0, first, second)
            labels = [c for i, c in enumerate(labels) if i not in (first, second)] + [label]
    return x, labels


def _spread(terms: list[tuple[Any, list[str]]]) -> list[tuple[Any, list[str]]]:
    """Expand dimensions of size 1 to the size that others with their label have."""
    sizes: dict[str, D.Dim] = {}
    for x, labels in terms:
        for label, size in zip(labels, x.shape, strict=True):
            known = sizes.setdefault(label, size)
            if known == 1:
                sizes[label] = size
            elif size != 1 and not D.equal(known, size):
                raise ShapeMismatch(
                    f"einsum(): subscript {label} has size {size} which does not broadcast with "
                    f"previously seen size {known}"
                )
    return [(expand(x, *(sizes[c] for c in labels)), labels) for x, labels in terms]


def _summed(x: Any, labels: list[str], needed: set[str]) -> tuple[Any, list[str]]:
    """Sum over the labels that nothing needs."""
    gone = [i for i, label in enumerate(labels) if label not in needed]
    if not gone:
        return x, labels
    return sum_(x, gone, dtype=x.dtype), [label for label in labels if label in needed]


def _contract(
    x: Any, left: list[str], y: Any, right: list[str], needed: set[str]
) -> tuple[Any, list[str]]:
    """Multiply two operands and sum over the labels that nothing else needs."""
    x, left = _summed(x, left, needed | set(right))
    y, right = _summed(y, right, needed | set(left))
    batch = [c for c in left if c in right and c in needed]
    inner = [c for c in left if c in right and c not in needed]
    rows = [c for c in left if c not in right]
    columns = [c for c in right if c not in left]
    sizes = dict(zip(left, x.shape, strict=True)) | dict(zip(right, y.shape, strict=True))
    result = [*batch, *rows, *columns]
    if not inner:  # nothing to sum: a plain product
        a = _arranged(x, left, [*batch, *rows], sizes, [*batch, *rows, *[None] * len(columns)])
        b = _arranged(y, right, [*batch, *columns], sizes, [*batch, *[None] * len(rows), *columns])
        return mul(a, b), result
    a = _blocks(x, left, [batch, rows, inner], sizes)
    b = _blocks(y, right, [batch, inner, columns], sizes)
    return reshape(apply(matmul_op, a, b), *(sizes[c] for c in result)), result


def _arranged(
    x: Any, labels: list[str], order: list[str], sizes: dict[str, D.Dim], dims: list[str | None]
) -> Any:
    """Return x with its dimensions in an order, and dimensions of size 1 where `dims` has None."""
    moved = permute(x, *(labels.index(c) for c in order)) if order else x
    return reshape(moved, *(1 if c is None else sizes[c] for c in dims))


def _blocks(x: Any, labels: list[str], blocks: list[list[str]], sizes: dict[str, D.Dim]) -> Any:
    """Return x as a 3-d tensor: one dimension for each block of labels."""
    moved = permute(x, *(labels.index(c) for block in blocks for c in block))
    return reshape(moved, *(D.product(tuple(sizes[c] for c in block)) for block in blocks))
