# ruff: noqa
# mypy: ignore-errors
"""Constructs that have no compiled form."""

import contextlib

import jitorch as jt
from jitorch.errors import CompileError, UnsupportedSyntax
from tests.frontend.errors.registry import wrong

X = jt.tensor([1.0, -2.0, 3.0])
COUNT = 0


@wrong(UnsupportedSyntax, X)
def try_block(x):
    try:
        return x / 0
    except ZeroDivisionError:
        return x


@wrong(UnsupportedSyntax, X)
def try_finally(x):
    try:
        y = x + 1
    finally:
        y = x
    return y


@wrong(UnsupportedSyntax, X)
def with_block(x):
    with contextlib.suppress(ValueError):
        x = x + 1
    return x


@wrong(UnsupportedSyntax, X)
def class_inside(x):
    class Local:
        scale = 2

    return x * Local.scale


@wrong(CompileError, X)
async def async_function(x):
    return x


@wrong(UnsupportedSyntax, X)
def async_inside(x):
    async def later():
        return x

    return x


@wrong(UnsupportedSyntax, X)
def import_inside(x):
    import math

    return x * math.pi


@wrong(UnsupportedSyntax, X)
def from_import_inside(x):
    from math import pi

    return x * pi


@wrong(UnsupportedSyntax, X)
def global_statement(x):
    global COUNT
    COUNT = COUNT + 1
    return x * COUNT


@wrong(UnsupportedSyntax, X)
def nonlocal_statement(x):
    n = 0

    def bump():
        nonlocal n
        n += 1

    bump()
    return x * n


@wrong(UnsupportedSyntax, X)
def delete_statement(x):
    y = x + 1
    del y
    return x


@wrong(UnsupportedSyntax, X, 1)
def match_statement(x, n):
    match n:
        case 0:
            return x
        case _:
            return -x


@wrong(UnsupportedSyntax, X)
def yield_value(x):
    for v in x:
        yield v


@wrong(UnsupportedSyntax, X)
def yield_from(x):
    yield from x


@wrong(UnsupportedSyntax, X)
def generator_expression(x):
    return sum(v * 2 for v in x)


@wrong(UnsupportedSyntax, X)
def set_display(x):
    dims = {0, 1}
    return x


@wrong(UnsupportedSyntax, X)
def set_comprehension(x):
    return {i for i in range(3)}


@wrong(UnsupportedSyntax, X)
def dict_comprehension(x):
    return {i: x * i for i in range(3)}


@wrong(UnsupportedSyntax, X)
def walrus(x):
    if (n := x.shape[0]) > 2:
        return x * n
    return x


@wrong(UnsupportedSyntax, X)
def decorated_inner_function(x):
    @contextlib.contextmanager
    def inner():
        return x

    return x


@wrong(UnsupportedSyntax, X)
def set_attribute(x):
    x.scale = 2
    return x


@wrong(UnsupportedSyntax, X)
def assign_list_slice(x):
    xs = [x, x, x]
    xs[1:2] = [x + 1]
    return xs


@wrong(UnsupportedSyntax, X)
def raise_own_exception(x):
    raise CustomError("no")


@wrong(UnsupportedSyntax, X)
def raise_with_cause(x):
    raise ValueError("no") from None


@wrong(UnsupportedSyntax, X)
def bare_raise(x):
    raise


@wrong(UnsupportedSyntax, X, 3)
def recursion(x, n):
    if n == 0:
        return x
    return recursion(x * 2, n - 1)


@wrong(UnsupportedSyntax, X)
def open_a_file(x):
    with open("data.txt") as f:
        return x


@wrong(UnsupportedSyntax, X)
def call_open(x):
    f = open("data.txt")
    return x


@wrong(UnsupportedSyntax, X)
def call_input(x):
    return x * float(input("scale? "))


@wrong(UnsupportedSyntax, X)
def call_type(x):
    return type(x)


@wrong(UnsupportedSyntax, X)
def call_map(x):
    return list(map(lambda v: v + 1, [x, x]))


@wrong(UnsupportedSyntax, X)
def call_sorted(x):
    return sorted([x[0], x[1]])


@wrong(UnsupportedSyntax, X)
def call_set(x):
    return set([1, 2])


@wrong(UnsupportedSyntax, X)
def print_to_a_file(x):
    import_free = None
    print(x, file=contextlib)
    return x


@wrong(UnsupportedSyntax, X)
def make_an_object(x):
    return Pair(x, x)


@wrong(UnsupportedSyntax, X)
def inside_a_callee(x):
    return helper(x) + 1


@wrong(UnsupportedSyntax, X)
def format_with_run_time_width(x):
    n = int(x[0])
    return f"{x.sum().item():{n}}"


@wrong(UnsupportedSyntax, X)
def rebound_and_changed_in_place(x):
    y = x
    for i in range(x.shape[0]):
        y += 1
        y = y * 2
    return y


@wrong(UnsupportedSyntax, X)
def changed_after_a_branch_shared_it(x):
    y, z = x + 1, x + 2
    if x.sum() > 0:
        z = y
    y += 1
    return y, z


@wrong(UnsupportedSyntax, X, 3)
def changed_after_a_loop_listed_it(x, n):
    y, out = x + 1, []
    for i in range(n):
        out.append(y)
    y += 1
    return out


@wrong(UnsupportedSyntax, [X, X])
def append_to_argument(xs):
    xs.append(xs[0] + 1)
    return xs


@wrong(UnsupportedSyntax, X)
def loop_over_a_list_that_grows(x):
    xs = [x, x * 2]
    for v in xs:
        if len(xs) < 4:
            xs.append(v + 1)
    return xs


@wrong(UnsupportedSyntax, X)
def mutable_default(x, seen=[]):
    seen.append(1)
    return x * len(seen)


@wrong(UnsupportedSyntax, {"w": X})
def change_dict_argument(params):
    params["w"] = params["w"] * 2
    return params


@wrong(UnsupportedSyntax, X)
def change_global_list(x):
    HISTORY.append(1)
    return x


def helper(x):
    try:
        return x
    finally:
        pass


class CustomError(Exception):
    pass


class Pair:
    def __init__(self, a, b):
        self.a = a
        self.b = b


HISTORY = []
