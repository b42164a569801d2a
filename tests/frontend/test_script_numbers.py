# ruff: noqa
# mypy: ignore-errors
"""Python's numbers in scripted functions: bits, powers, division, the larger of two."""

from __future__ import annotations

import math
import operator

import jitorch as jt
from tests.frontend.cases import Programs

programs = Programs(messages=False)

INF, NAN = math.inf, math.nan
X = jt.tensor([1.0, 2.0, -3.0])


@programs((2.5,), (3,), (-0.0,))
def neutral_operands_of_floats(a):
    return a // 1, a * 1, a + 0, 0 + a, a - 0, a / 1, a**1


@programs((X, 2.5), (X, -1.0))
def bits_of_bools_are_bools(x, a):
    p, q = a > 0, float(x[0]) > 0.5
    return p & q, p | q, p ^ q, max(p, q), min(p, True), (p & q) == True


@programs((2.5,), (-1.0,))
def bools_count_as_ints(a):
    return (a > 0) << 2, ~(a > 0), -(a > 0), +(a > 0), (a > 0) + (a > 0), abs(a > 0)


@programs((7.5, 2.0), (-7.5, 2.0), (0.0, -5.0), (7, 2), (-7, 2), (7, 0), (7.0, 0.0))
def divmod_of_numbers(a, b):
    return divmod(a, b)


@programs((7.5, 2.0), (7, 2), (7.0, 0.0))
def operators_by_name(a, b):
    return operator.truediv(a, b), operator.floordiv(a, b), operator.mod(a, b), operator.pow(a, b)


@programs((2.5, 3.0), (-0.0, 0.0), (0.0, -0.0), (NAN, 1.0), (1.0, NAN))
def larger_as_python_has_it(a, b):
    return max(a, b), max(b, a), min(a, b), min(b, a), max(a, 1.0, b), max([a, b]), min((b, a))


@programs((X,))
def larger_of_tensors_is_one_of_them(x):
    return max(x[0], x[1]) * 1, min(x[0], x[2]) * 1


@programs((X,))
def larger_of_whole_tensors_is_an_error(x):
    return max(x, x + 1)


@programs((X,))
def larger_in_a_loop(x):
    best = float("-inf")
    for i in range(len(x)):
        best = max(best, float(x[i]))
    return best


@programs(
    *(
        (a, b)
        for a in (2.0, 0.0, 1.0, INF, NAN)
        for b in (2.0, -1.0, 0.5, -0.5, 0.0, INF, -INF, NAN)
    ),
    *((-2.0, b) for b in (2.0, 3.0, -1.0, 0.0, INF, NAN)),
)
def powers(a, b):
    return a**b


@programs((jt.tensor([-0.0, -INF, 4.0]),))
def square_roots(x):
    return x**0.5


@programs((jt.tensor([-0.0, 0.0, -2.0, NAN]),))
def signs(x):
    return jt.sign(x)


@programs((2,), (0,), (-3,))
def negative_powers_of_ints_are_floats(n):
    return n**-1, n**-2


@programs((2, 0.5), (0, 2.0), (3, -1.0), (0, -1.0))
def float_powers_of_ints(n, a):
    return n**a, pow(n, a)


@jt.jit.script
def cube_root(a):
    return a ** (1 / 3)


def test_complex_powers_are_refused() -> None:
    import pytest

    with pytest.raises(ValueError, match="a negative number to a fractional power is complex"):
        cube_root(-8.0)
    assert cube_root(8.0) == 2.0


@jt.jit.script
def with_bits(a):
    return a | 2


def test_floats_have_no_bits() -> None:
    import pytest

    with pytest.raises(TypeError, match="bitwise_or: expected ints, got float, int"):
        with_bits(2.5)


def test_ints_have_64_bits() -> None:
    import pytest

    with pytest.raises(
        TypeError, match="argument 'a' is 9223372036854775808, which does not fit into 64 bits"
    ):
        with_bits(2**63)
    assert with_bits(-(2**63)) == 2 - 2**63


test_program = programs.test()
