# ruff: noqa
# mypy: ignore-errors
"""Names, types, arguments and shapes that do not fit."""

import fractions
import math

import numpy as np

import jitorch as jt
from jitorch.errors import (
    AttributeNotFound,
    CompileError,
    IndexOutOfRange,
    KeyNotFound,
    NameNotFound,
    ShapeMismatch,
    TypeMismatch,
    UnsupportedSyntax,
)
from tests.frontend import helpers
from tests.frontend.errors.registry import wrong

X = jt.tensor([1.0, -2.0, 3.0])
Y = jt.tensor([1.0, 2.0])
M = jt.ones(2, 3)
N = jt.tensor([1, 2, 3])
A = np.array([1.0, 2.0, 3.0])


# Names.


@wrong(NameNotFound, X)
def undefined_name(x):
    return x + bias


@wrong(NameNotFound, X)
def misspelt_name(scaling):
    return scalign * 2


@wrong(NameNotFound, X)
def never_set(x):
    if False:
        y = x
    return y


@wrong(NameNotFound, X)
def set_later(x):
    z = y + 1
    y = x
    return z


@wrong(AttributeNotFound, X)
def misspelt_method(x):
    return x.reshpe(-1)


@wrong(AttributeNotFound, X)
def misspelt_function(x):
    return jt.sofmax(x, 0)


@wrong(AttributeNotFound, X)
def misspelt_module_name(x):
    return x * helpers.SCALES


@wrong(AttributeNotFound, X)
def attribute_of_a_number(x):
    return x.sum().item().shape


@wrong(AttributeNotFound, X, 3)
def attribute_of_an_int(x, n):
    return n.shape


@wrong(AttributeNotFound, X)
def list_method(x):
    xs = [x]
    xs.sort()
    return xs


@wrong(AttributeNotFound, X)
def dict_method(x):
    d = {"a": x}
    d.setdefault("b", x)
    return d


# Arguments.


@wrong(TypeMismatch, X)
def too_few_arguments(x, y):
    return x + y


@wrong(TypeMismatch, X, X, X)
def too_many_arguments(x, y):
    return x + y


@wrong(TypeMismatch, X, scale=2)
def unknown_keyword(x):
    return x


@wrong(TypeMismatch, X)
def callee_arguments(x):
    return helpers.scaled(x, 1, 2)


@wrong(TypeMismatch, X)
def callee_keyword(x):
    return helpers.scaled(x, factor=2)


@wrong(TypeMismatch, X)
def inner_function_arguments(x):
    def inner(a, b):
        return a + b

    return inner(x)


@wrong(ShapeMismatch, X)
def method_arguments(x):
    return x.reshape()


@wrong(TypeMismatch, X)
def function_keyword(x):
    return jt.softmax(x, axis_number=0)


@wrong(TypeMismatch, X)
def builtin_arguments(x):
    return len(x, 2)


@wrong(TypeMismatch, X)
def list_method_arguments(x):
    xs = []
    xs.append()
    return xs


@wrong(TypeMismatch, X)
def call_a_number(x):
    n = 3
    return n(x)


@wrong(TypeMismatch, X)
def call_a_tensor(x):
    return x(2)


@wrong(TypeMismatch, jt.tensor([1 + 2j]))
def complex_argument(x):
    return x * 2


@wrong(TypeMismatch, np.array([object()]))
def object_array(x):
    return x


@wrong(TypeMismatch, np.array(["a", "b"]))
def string_array(x):
    return x


@wrong(TypeMismatch, np.array([1], np.uint64))
def unsigned_array(x):
    return x


# Types.


@wrong(TypeMismatch, X)
def tensor_plus_string(x):
    return x + "1"


@wrong(TypeMismatch, X)
def number_plus_list(x):
    return 1 + [x]


@wrong(TypeMismatch, X)
def tensor_times_list(x):
    return x * [1, 2, 3]


@wrong(TypeMismatch, X)
def compare_with_string(x):
    return x.sum().item() < "1"


@wrong(TypeMismatch, X)
def negative_string(x):
    return -"a"


@wrong(TypeMismatch, X)
def branches_of_two_types(x):
    if x.sum() > 0:
        y = x
    else:
        y = "none"
    return y


@wrong(TypeMismatch, X)
def branches_of_two_dtypes(x):
    if x.sum() > 0:
        y = x
    else:
        y = x > 0
    return y


@wrong(TypeMismatch, M)
def branches_of_two_ranks(m):
    y = m
    if m.sum() > 0:
        y = m.sum(0)
    return y * 2


@wrong(TypeMismatch, X)
def returns_of_two_types(x):
    if x.sum() > 0:
        return x
    return None


@wrong(TypeMismatch, X)
def returns_of_two_lengths(x):
    if x.sum() > 0:
        return x, x
    return x, x, x


@wrong(TypeMismatch, X)
def ternary_of_two_types(x):
    return x if x.sum() > 0 else None


@wrong(TypeMismatch, X, 3)
def loop_changes_dtype(x, n):
    y = x
    for i in range(n):
        y = y.double()
    return y


@wrong(TypeMismatch, X, 3)
def loop_changes_kind(x, n):
    y = None
    for i in range(n):
        y = x
    return y


@wrong(TypeMismatch, X, 3)
def int_meets_float(x, n):
    k = n
    if x.sum() > 0:
        k = 0.5
    return x * k


@wrong(TypeMismatch, X)
def list_of_two_kinds(x):
    out = []
    for v in x:
        if v > 0:
            out.append(v)
        else:
            out.append("negative")
    return out


@wrong(ShapeMismatch, X)
def tensor_as_bool(x):
    if x > 0:
        return x
    return -x


@wrong(ShapeMismatch, X, Y)
def and_of_tensors(x, y):
    return x > 0 and x < 2


@wrong(TypeMismatch, X)
def range_of_a_float(x):
    for i in range(x.sum().item()):
        x = x + i
    return x


@wrong(TypeMismatch, X, 0)
def range_step_zero(x, n):
    for i in range(0, 3, 0):
        x = x + i
    return x


@wrong(TypeMismatch, X)
def iterate_over_a_number(x):
    for i in 3:
        x = x + i
    return x


@wrong(TypeMismatch, jt.tensor(1.0))
def iterate_over_a_scalar_tensor(x):
    for v in x:
        x = x + v
    return x


@wrong(TypeMismatch, X)
def unpack_too_few(x):
    a, b = x, x, x
    return a


@wrong(TypeMismatch, X)
def unpack_a_number(x):
    a, b = 3
    return a


@wrong(TypeMismatch, X)
def index_with_a_float(x):
    return x[x[0].item()]


@wrong(IndexOutOfRange, X)
def index_with_a_string(x):
    return x["a"]


@wrong(TypeMismatch, X)
def assign_into_a_tuple(x):
    t = (x, x)
    t[0] = x + 1
    return t


@wrong(TypeMismatch, X)
def run_time_dict_key(x):
    d = {1: x, 2: x * 2}
    return d[int(x[0])]


@wrong(TypeMismatch, X)
def tensor_dict_key(x):
    return {x: 1}


@wrong(TypeMismatch, X)
def run_time_list_index(x):
    xs = [x, x[:2]]
    return xs[int(x[0])]


@wrong(TypeMismatch, X, 1)
def run_time_dimension(x, n):
    return x.sum(int(x[0]))


@wrong(TypeMismatch, X)
def size_needed_while_compiling(x):
    n = int(x[2])
    a, b = [x[i] for i in range(n)]
    return a


@wrong(TypeMismatch, X)
def math_of_a_tensor(x):
    return math.sqrt(x)


@wrong(TypeMismatch, X)
def in_place_to_int(x):
    n = jt.tensor([1, 2, 3])
    n += x
    return n


@wrong(TypeMismatch, X)
def write_to_expanded(x):
    y = x[:1].expand(3)
    y += 1
    return y


@wrong(TypeMismatch, X)
def unknown_device(x):
    return x.to("tpu:0")


@wrong(TypeMismatch, X)
def integer_division_by_zero(x):
    return x * (1 // 0)


@wrong(UnsupportedSyntax, X)
def foreign_function(x):
    return fractions.Fraction(1, 2) * x


@wrong(UnsupportedSyntax, A)
def numpy_function(x):
    return np.fft.fft(x)


@wrong(UnsupportedSyntax, A)
def numpy_where_with_one_argument(x):
    return np.where(x > 0)


@wrong(UnsupportedSyntax, A)
def numpy_random(x):
    return x + np.random.rand(3)


@wrong(UnsupportedSyntax, A)
def numpy_ufunc_option(x):
    return np.add(x, 1, where=x > 0)


@wrong(UnsupportedSyntax, A)
def numpy_ufunc_method(x):
    return np.add.reduce(x)


@wrong(TypeMismatch, A)
def numpy_dtype(x):
    return x.astype("uint64")


# Shapes.


@wrong(ShapeMismatch, X, Y)
def broadcast(x, y):
    return x + y


@wrong(ShapeMismatch, M, M)
def matmul(a, b):
    return a @ b


@wrong(ShapeMismatch, M, X)
def cat(a, b):
    return jt.cat([a, b])


@wrong(ShapeMismatch, M)
def reshape(m):
    return m.reshape(4, 2)


@wrong(ShapeMismatch, X, Y)
def in_place_shape(x, y):
    x += y
    return x


@wrong(ShapeMismatch, M, X)
def in_place_grows(m, x):
    x += m
    return x


@wrong(ShapeMismatch, X)
def item_of_many(x):
    return x.item()


@wrong(ShapeMismatch, X)
def assign_slice(x):
    x[:2] = jt.ones(3)
    return x


@wrong(IndexOutOfRange, X)
def dimension(x):
    return x.sum(1)


@wrong(IndexOutOfRange, X)
def index_of_tensor(x):
    return x[5]


@wrong(IndexOutOfRange, X)
def too_many_indices(x):
    return x[0, 1]


@wrong(IndexOutOfRange, X)
def index_of_list(x):
    xs = [x, x]
    return xs[2]


@wrong(IndexOutOfRange, X)
def index_of_tuple(x):
    return (x, x)[-3]


@wrong(KeyNotFound, X)
def missing_key(x):
    d = {"a": x, "b": x}
    return d["c"]


@wrong(TypeMismatch, X)
def pop_from_empty(x):
    xs = []
    return xs.pop()


@wrong(ShapeMismatch, X, Y)
def in_a_callee_of_a_callee(x, y):
    def inner(a, b):
        return a * b

    def outer(a):
        return inner(a, y)

    return outer(x) + 1
