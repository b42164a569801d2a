# ruff: noqa
# mypy: ignore-errors
"""Corners of Python where a compiler is easily wrong: order, scope, aliasing, special values.

The programs are written as hasty users write them, so no linter looks at them.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

import jitorch as jt
from tests.frontend.cases import Programs

programs = Programs()

X = jt.tensor([1.0, -2.0, 3.0])
N = jt.tensor([3, -1, 2])
M = jt.arange(6).reshape(2, 3).float()


class Pair(NamedTuple):
    a: Any
    b: Any


@programs((M,))
def shapes_are_sizes(x):
    print(x.shape, x.size(), f"{x.shape}", str(x.shape), [*x.shape], x.shape.numel())
    s = x.shape if x.sum() > 0 else x.shape[::1]
    return s, x.shape[:1], x.shape + (2,), (1,) + x.shape, tuple(x.shape), x.shape == (2, 3)


@programs((X, 3))
def printed_containers(x, n):
    print(
        [n, "a"],
        (n, "b"),
        {"k": n, 2: [n > 2]},
        {"k": 1},
        (n,),
        [],
        {},
        Pair(n, 2),
        [x, [x[0]]],
        x.dtype,
    )
    print(f"{[n, 1]} {(x.shape[0], 's')}", str({"n": n}))
    return Pair(x, n)


@programs((M, M > 2, M < 2))
def written_through_masks_of_unknown_shape(x, a, b):
    picked = x[a]
    x[a] = -1
    x[b] = 2
    return picked


@programs(
    (jt.ones(2, 4, 6), jt.ones(2, 5, 6), jt.ones(2, 5, 3)),
    (jt.ones(1, 2, 3), jt.ones(1, 7, 3), jt.ones(1, 7, 5)),
)
def sizes_that_share_letters(q, k, v):
    return jt.softmax(q @ k.transpose(-2, -1), -1) @ v


@programs((M,))
def filled_in_place(x):
    x[0].zero_()
    x[1, 1:].fill_(7)
    x.t()[2].fill_(x[1, 1])
    x[:, 0].copy_(jt.arange(2)).clamp_(max=0.5)
    y = jt.empty_like(x).fill_(3)
    return y.mul_(x).add_(1, alpha=2), x.diagonal().zero_() * 1


@programs(
    (M, 5),
)
def drawn_in_place(x, seed):
    jt.manual_seed(3)
    x[0].uniform_(1, 2)
    x[1].normal_()
    return x, jt.empty(3).bernoulli_(0.5), jt.empty(3).random_(5), jt.empty(2).exponential_()


@programs((jt.zeros(0, 3),), (jt.zeros(3, 0),), (M,), (jt.full((2, 2), -float("inf")),))
def softmax_of_nothing(x):
    return x.softmax(0), x.log_softmax(1), x.logsumexp(0), x.logsumexp((0, 1)), (x * 2).softmax(-1)


@programs((M, np.ones(3, np.float32)))
def array_among_tensors(x, a):
    return x + jt.from_numpy(a), jt.as_tensor(a) * 2


@programs((jt.zeros(0),), messages=False)
def maximum_of_nothing(x):
    return x.max()


@programs((jt.zeros(0, 3),), messages=False)
def maximum_of_no_rows(x):
    return x.amax(0)


@programs((N, 2**31))
def int32_overflow(n, k):
    return n.to(jt.int32) * 2**30, n * k


@programs((X,))
def mutable_default(x):
    def g(v, acc=[]):
        acc.append(1)
        return len(acc)

    return g(1), g(2)


@programs((jt.tensor([0.0, -0.0, float("nan"), 1.0]),))
def nan_branch(x):
    out = []
    for v in x:
        if v > 0:
            out.append(1)
        elif v == 0:
            out.append(2)
        elif v != v:
            out.append(3)
        else:
            out.append(4)
    return out


@programs((X,))
def late_binding(x):
    fs = []
    for k in range(3):
        fs.append(lambda v: v * k)
    return [f(x) for f in fs]


@programs((X, 3))
def star_unpack(x, n):
    a, *b, c = [x * i for i in range(4)]
    (d, e), *f = ((1, 2), 3, 4)
    return a, b, c, d, e, f


@programs((X,))
def cond_print(x):
    def p(s, v):
        print(s)
        return v

    if p("a", x[0] > 0) and (p("b", x[1] > 0) or p("c", x[2] > 0)):
        print("yes")
    y = p("d", 1) if p("e", x[0] > 0) else p("f", 2)
    while p("w", y < 3):
        y += 1
    return y


@programs((X,), (-X,))
def diff_structure(x):
    if x.sum() > 0:
        r = (x, (x + 1, 2))
    else:
        r = (x - 1, (x, 3))
    return r[1][0], r


@programs((X, 5))
def shadow(x, n):
    for n in range(n):
        x = x + n
    x = [x for x in [1, 2]]
    return x, n


@programs((X,))
def loop_var_mutated(x):
    for i in range(4):
        i = i * 2
        x = x + i
    return x, i


@programs((X,))
def range_evaluated_once(x):
    n = 3
    for i in range(n):
        n = n + 1
        x = x + n
    return x, n


@programs((X,))
def tensor_changed_while_iterated(x):
    total = 0.0
    y = x.clone()
    for i, v in enumerate(y):
        if i + 1 < y.shape[0]:
            y[i + 1] += v
        total += v.item()
    return total, y


@programs((X,))
def aug_eval_once(x):
    xs = [x, x + 1]

    def idx():
        print("idx")
        return 0

    xs[idx()] += 5
    return xs, x


@programs((X,))
def aug_on_view_item(x):
    y = x.clone()
    y[1:][0] += 5
    y[0:2] += y[1:3]
    return y


@programs((X,))
def self_overlap(x):
    y = x.clone()
    y[1:] = y[:-1]
    y[:-1] += y[1:]
    return y


@programs((X,))
def swap_rows(x):
    m = jt.stack([x, x * 2])
    m[0], m[1] = m[1].clone(), m[0].clone()
    a, b = m[0], m[1]
    m[0] = b
    return m, a


@programs((X,))
def chained_assign(x):
    a = b = x.clone()
    a += 1
    c = d = 0
    c += 1
    return a, b, c, d


@programs((X,))
def view_after_rebind(x):
    y = x.clone()
    v = y[1:]
    y = y * 2
    v += 100
    return y, v


@programs((X,), (-X,))
def nested_none(x):
    best = None
    for v in (1, 2, 3):
        if best is None or v > best:
            best = v
    return best


@programs((X,), (-X,), kernel_aliases=False)
def best_tensor(x):
    best = x[0]
    arg = 0
    for i in range(x.shape[0]):
        if x[i] > best:
            best = x[i]
            arg = i
    return best, arg


@programs((7, -2), (-7, 2), (7, 2))
def divs(a, b):
    return a // b, a % b, divmod(a, b), int(a / b), a >> 1, abs(a)


@programs((2.5,), (3.5,), (-2.5,), (0.5,))
def rounding(v):
    return round(v), int(v), math.floor(v), v // 0.5, v % 1


@programs((1e308,), (float("inf"),))
def float_over(v):
    return v * 10, v - v, v + 1


@programs((X, True))
def bool_arith(x, f):
    return f + f, f * 2, x * f, -f, not f, f and 3, f == 1, f is True


@programs((0,), (3,))
def truthy(n):
    return (n and 5), (n or 7), not n, bool(n), 1 if n else 2


@programs((X, 0.0), (X, -0.0))
def zero_sign(x, z):
    return x * z, math.copysign(1.0, z) if False else 1, str(z), z == 0, f"{z}"


@programs((X,))
def is_ops(x):
    y = x
    z = x.clone()
    v = x[1:]
    return y is x, z is x, x[1:] is v, x is not None, (x, y) == (x, y) if False else True


@programs((X, 3), (X, 7))
def while_else_return(x, n):
    i = 0
    while True:
        i += 1
        for j in range(i):
            if i * j > n:
                return i, j
            if j > 2:
                break
        else:
            continue
        if i > 5:
            break
    return -1, -1


@programs((X,), (-X,))
def return_in_else(x):
    for v in x:
        if v < -1:
            break
    else:
        return x * 10
    y = x + 1
    return y


@programs((X,))
def del_like(x):
    x = x + 1
    y = x
    x = None
    return y, x


@programs((X,))
def comp_side(x):
    out = []
    r = [out.append(i) for i in range(3)]
    return r, out


@programs((X,))
def dict_alias(x):
    d = {"a": x.clone()}
    e = d
    e["a"] += 1
    e["b"] = 2
    f = dict(d)
    f["a"] = 0
    return d, e is d, f


@programs((X,))
def tuple_plus(x):
    t = (1,)
    t += (x,)
    s = [1]
    u = s
    s = s + [2]
    u += [3]
    return t, s, u


@programs((X,), (-X,))
def while_cond_mutates(x):
    y = x.clone()

    def step():
        y.add_(1)
        return y.sum() < 10

    while step():
        pass
    return y


@programs((M,))
def item_assign_tensor_index(m):
    m = m.clone()
    m[jt.tensor([0, 1]), jt.tensor([1, 2])] = -1.0
    m[:, jt.tensor([True, False, True])] += 1
    m[-1, -1] = m[0, 0]
    return m


@programs((X,))
def negative_steps(x):
    r = []
    for i in range(5, -6, -3):
        r.append(i)
    return r, list(range(3, 0)), x[0:-5], x[-100:2], x[2:1]


@programs((X, 3), (X, 0))
def for_zero_then_use(x, n):
    last = None
    for i in range(n):
        pass
    y = x
    for i in range(n):
        y = y + i
    return y


@programs((X,))
def lambda_default(x):
    k = 1
    f = lambda v, k=k: v + k
    k = 100
    g = lambda v: v + k
    return f(x), g(x)


@programs((X,))
def str_ops(x):
    s = "a,b"
    return (
        s.split(","),
        "a" in s,
        s[0],
        s + "c",
        len(s),
        s.replace(",", "-"),
        "%s" % 3,
        s == "a,b",
        [c for c in s],
    )


@programs((X,))
def global_shadow(x):
    X = 3
    return x * X


@programs((X, 1), (X, 2))
def neg_index_dyn(x, n):
    return x[-n], x[n - 1], x[n:] if False else x[1:]


@programs((X, 1), (X, 2), (X, -1), (X, 0), (X, 5))
def dyn_slice(x, n):
    return x[n:], x[:n], x[-n:]


@programs((X, 2, 3), (X, 1, 1))
def dyn_shapes(x, a, b):
    return jt.zeros(a, b), x.reshape(-1, 1).expand(3, b).sum(), jt.arange(a * b).reshape(a, b)


@programs((X,), (-X,))
def assert_false_branch(x):
    if x.sum() > 0:
        assert x[0] > 0, "bad"
    else:
        raise ValueError(f"neg {x.shape[0]}")
    return x


@programs((X,), (-X,))
def both_raise(x):
    y = x + 1
    if x.sum() > 0:
        raise KeyError("k")
    elif x.sum() < -100:
        return y
    else:
        raise IndexError


@programs((X,))
def try_float_str(x):
    return float("1.5"), int("3"), float("nan")


test_program = programs.test()
