# ruff: noqa
# mypy: ignore-errors
"""Errors that only the values show: raised by compiled code."""

import math

import jitorch as jt
from jitorch.errors import IndexOutOfRange, ShapeMismatch
from tests.frontend.errors.registry import wrong

X = jt.tensor([1.0, -2.0, 3.0])
N = jt.tensor([1, 0, 7])


@wrong(IndexError, X, 5)
def run_time_index(x, i):
    y = x + 1
    return y[i]


@wrong(IndexError, X, N)
def index_tensor(x, n):
    return x[n]


@wrong(IndexError, X, 4)
def grown_list_index(x, n):
    out = [x]
    for i in range(int(x[0])):
        out.append(x * i)
    return out[n]


@wrong(AssertionError, X)
def assertion(x):
    assert x.sum() < 0, "the sum must be negative"
    return x


@wrong(AssertionError, X)
def assertion_without_text(x):
    assert (x > 0).all()
    return x


@wrong(AssertionError, X, 2)
def assertion_with_values(x, n):
    assert x.sum() < 0, f"sum is {x.sum().item():.2f} with n = {n}"
    return x


@wrong(ValueError, X)
def raise_value_error(x):
    if x.sum() > 0:
        raise ValueError("negative numbers only")
    return x


@wrong(RuntimeError, X)
def raise_in_loop_of_callee(x):
    return check_all(x) * 2


@wrong(NotImplementedError, X)
def raise_always(x):
    raise NotImplementedError


@wrong(ZeroDivisionError, X, 0)
def int_division(x, n):
    k = 7 // n
    return x * k


@wrong(ZeroDivisionError, X, 0)
def int_remainder(x, n):
    return x * (7 % n)


@wrong(ZeroDivisionError, X, 0)
def true_division(x, n):
    return x * (1 / n)


@wrong(ZeroDivisionError, X, 0.0)
def float_division(x, v):
    return x * (1.0 / v)


@wrong(ZeroDivisionError, X, 0.0)
def float_floor_division(x, v):
    return x * (x[0].item() // v)


@wrong(OverflowError, X)
def exponential(x):
    return x * math.exp(x[2].item() * 1000)


@wrong(ValueError, X, -2)
def negative_power_of_an_int(x, n):
    return x * 2**n


@wrong(ValueError, X)
def square_root(x):
    return math.sqrt(x[1].item())


@wrong(UnboundLocalError, X)
def unset_on_the_path_taken(x):
    if x.sum() < 0:
        y = x
    return y + 1


@wrong(UnboundLocalError, X, 0)
def unset_after_zero_rounds(x, n):
    for i in range(n):
        y = x * i
    return y


@wrong(ShapeMismatch, X, jt.ones(1))
def sizes_known_late(x, y):
    a = x[x > 0]
    return a + jt.ones(3)


@wrong(ValueError, X)
def int_of_nan(x):
    return int(x[0] / 0 * 0)


def check_all(x):
    for v in x:
        if v < 0:
            raise RuntimeError("a negative number")
    return x
