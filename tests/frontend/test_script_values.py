"""Values: numbers, strings, tuples, lists, dicts, indexing, changes in place."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

import jitorch as jt
from tests.frontend.cases import Programs

programs = Programs()

X = jt.tensor([1.0, -2.0, 3.0])
Y = jt.tensor([-4.0, -5.0, 0.5])
M = jt.tensor([[1.0, 2.0, 0.5], [-3.0, 4.0, 7.0]])
N = jt.tensor([5, -3, 2])
B = jt.tensor([True, False, True])


class Point(NamedTuple):
    x: Any
    y: Any


# Operators.


@programs((X, Y), (M, M), (N, jt.tensor([2, 4, -3])), trace=False)
def arithmetic(a: Any, b: Any) -> Any:
    return a + b, a - b, a * b, a / b, a // b, a % b, -a, +a, abs(a), 2 - a, 1 / b, a + 1, a * True


@programs((X, 2.0), (X, 0.5))
def power(a: Any, p: float) -> Any:
    return a**2, abs(a) ** p, 2**a, a.abs() ** -1


@programs((N, 3), (jt.tensor([7, 8, 9]), 1))
def bits(a: Any, n: int) -> Any:
    return a & 6, a | n, a ^ n, ~a, a << n, a >> 1


@programs((B, jt.tensor([True, True, False])))
def masks(a: Any, b: Any) -> Any:
    return a & b, a | b, a ^ b, ~a, a == b, a != b


@programs((M, jt.ones(3)), (M, jt.ones(3, 4)))
def matrix_product(a: Any, b: Any) -> Any:
    return a @ b


@programs((X, Y), (Y, X), trace=True)
def comparisons(a: Any, b: Any) -> Any:
    return a < b, a <= b, a > b, a >= b, a == b, a != b, a < 0, 1 >= a


@programs((7, 3), (-7, 3), (7, -3), (-7, -3), (0, 5))
def int_arithmetic(a: int, b: int) -> Any:
    return (
        a + b,
        a - b,
        a * b,
        a / b,
        a // b,
        a % b,
        -a,
        abs(a),
        a & b,
        a | b,
        a ^ b,
        ~a,
        a**2,
        divmod(a, b),
    )


@programs((7.5, 3.0), (-7.5, 3.0), (7.5, -2.0), (-0.0, 5.0), (math.inf, 2.0), (math.nan, 2.0))
def float_arithmetic(a: float, b: float) -> Any:
    return a + b, a - b, a * b, a / b, a // b, a % b, -a, abs(a), a > b, a == b, a != a


@programs((5, 2), (2, 5), (3, 3))
def scalar_logic(a: int, b: int) -> Any:
    return (
        a < b and b > 3,
        a < b or b < 3,
        not a == b,
        a < b < 10,
        0 < a <= b,
        a != b,
        min(a, b),
        max(a, b, 4),
    )


@programs((X, 2), (Y, 2), (X, -1))
def chained_comparison_is_short(x: Any, n: int) -> Any:
    return 0 < x.sum() < n, n < x.sum().item() <= 2.5


@programs((2.5,), (-2.5,), (0.0,), (1e6,))
def math_functions(v: float) -> Any:
    a = math.sqrt(abs(v)) + math.exp(-abs(v)) + math.sin(v) + math.cos(v) + math.atan2(v, 2.0)
    return (
        a,
        math.floor(v),
        math.ceil(v),
        math.trunc(v),
        math.log(abs(v) + 1),
        math.tanh(v),
        math.pi * v,
    )


@programs((2.5,), (-3.7,), (7.0,))
def conversions(v: float) -> Any:
    return int(v), float(v), bool(v), round(v), float(int(v)), int(v) % 3


@programs((X,), (N,), (B,))
def items(x: Any) -> Any:
    return x[0].item(), float(x[1]), int(x[2]), bool(x[0])


@programs((X,), (Y,))
def run_time_scalars(x: Any) -> Any:
    s = x.sum().item()
    n = int(x.abs().max())
    t = s * 2 + n
    if t > 3:
        t = -t
    return x * t + n, t, n, n // 2, n % 2 == 1, s if s > n else n + 0.0


@programs((X, 3), (X, 4))
def sizes(x: Any, n: int) -> Any:
    k = x.shape[0] + n
    return (
        jt.zeros(k, 2),
        x.reshape(1, -1).expand(n, x.size(0)),
        x.numel() * n,
        len(x),
        k % 2,
        k // 2,
    )


@programs((X,), (Y,))
def truth_of_things(x: Any) -> Any:
    out = []
    out.append(1 if [] else 2)
    out.append(1 if [x] else 2)
    out.append(1 if () else 2)
    out.append(1 if {} else 2)
    out.append(1 if "a" else 2)
    out.append(1 if None else 2)
    out.append(1 if x.sum() else 2)
    out.append(1 if 0.0 else 2)
    return out


@programs((X,), (Y,))
def and_or_give_values(x: Any) -> Any:
    return (
        (0 or 5),
        (3 and 4),
        ("" or "b"),
        (None or 2),
        (x[0] > 0 and x[1] < 0),
        (x[0] > 0 or x[1] > 0),
    )


@programs((X, Y))
def identity(x: Any, y: Any) -> Any:
    z = x
    return (
        z is x,
        z is not y,
        x is None,
        3 in (1, 2, 3),
        4 not in [1, 2],
        "a" in {"a": 1},
        "b" in "abc",
    )


# Strings and printing.


@programs((X, 2, 0.5), (Y, 3, -1.25))
def printing(x: Any, n: int, f: float) -> Any:
    print("x is", x, n, f, True, None, (n, 1), [1, 2], sep=" | ", end="!\n")
    print(f"{n} and {f:.3f} and {n:>5d} {x[0].item():8.2f} {n!r} {'s'!r} {x}")
    print()
    for i in range(n):
        print("round", i, x[i] > 0)
        if x[i] > 0:
            print("positive", x[i])
    return f"n={n}"


@programs((3,), (12,))
def strings(n: int) -> Any:
    s = "a" + "b"
    t = f"{s}-{n:03d}"
    return s, t, s * 2, s.upper(), str(4), f"{1 + 1}", "%d" % 3, ",".join(["x", "y"])


@programs((X,), (Y,))
def order_of_evaluation(x: Any) -> Any:
    def noisy(v: Any, name: str) -> Any:
        print(name)
        return v

    a = noisy(1, "a") + noisy(2, "b") * noisy(3, "c")
    b = noisy(x[0] > 0, "d") and noisy(x[1] > 0, "e") or noisy(x[2] > 0, "f")
    c = noisy(0.0, "g") < noisy(x.sum(), "h") < noisy(100.0, "i")
    d = noisy(x, "yes") if noisy(x[0] > 0, "test") else noisy(-x, "no")
    e = [noisy(1, "l1"), noisy(2, "l2")]
    e[noisy(0, "index")] = noisy(5, "value")
    f = {noisy("k", "key"): noisy(1, "val")}
    return a, b, c, d, e, f


# Tuples, lists, dicts.


@programs((X, Y), trace=True)
def tuples(x: Any, y: Any) -> Any:
    t = (x, y, 3)
    a, b, n = t
    (c, d), e = (a, b), n
    first, *rest = t
    *init, last = (1, 2, 3)
    return (
        t[0],
        t[-1],
        t[1:],
        len(t),
        a + b,
        c,
        d,
        e,
        first,
        rest,
        init,
        last,
        t + (1,),
        (1, 2) * 2,
        (1, 2) == (1, 2),
    )


@programs(((X, Y),), ((Y, X),))
def tuple_argument(pair: Any) -> Any:
    a, b = pair
    return b, a, pair, pair[0] is a


@programs((X,))
def named_tuples(x: Any) -> Any:
    p = Point(x, 2)
    q = Point(y=x + 1, x=p.y)
    return p, q, q.x, p.x + q.y


@programs((Point(X, 3),))
def named_tuple_argument(p: Any) -> Any:
    return p.x * p.y, Point(p.y, p.x)


@programs((X, 3), (X, 0))
def lists(x: Any, n: int) -> Any:
    xs = [x, x + 1]
    xs.append(x * 2)
    xs += [x * 3]
    xs.extend([x * 4, x * 5])
    ys = xs
    ys[0] = x - 1
    last = xs.pop()
    xs.insert(1, x * 7)
    zs = xs[1:3] + [last]
    zs.reverse()
    return xs, len(xs), ys is xs, zs, xs[-1], xs[::2], [0] * 2, [1, 2] + [3]


@programs((X, 3), (X, 0), (X, 6))
def growing_list(x: Any, n: int) -> Any:
    out = []
    for i in range(n):
        if i % 2 == 0:
            out.append(x * i)
    total = x * 0
    for v in out:
        total = total + v
    return out, len(out), total


@programs((X, 4), (X, 1))
def growing_list_is_stacked(x: Any, n: int) -> Any:
    states = [x]
    for i in range(n):
        states.append(states[-1] * 0.5)
    return jt.stack(states), jt.cat(states, 0), states[0], states[n]


@programs((X, 4), (X, 0))
def comprehensions(x: Any, n: int) -> Any:
    a = [x * i for i in range(3)]
    b = [i * j for i in range(3) for j in range(i) if i != j + 1]
    c = [v.item() for v in x if v > 0]
    d = [x + i for i in range(n)]
    e = [[i + j for j in range(2)] for i in range(2)]
    f = [k for k, v in enumerate((5, 6)) if v > 5]
    return a, b, c, d, e, f


@programs((X,), (Y,))
def comprehension_scope(x: Any) -> Any:
    i = 10
    xs = [i * x[0] for i in range(3)]
    return xs, i


@programs((X,), (Y,))
def list_changed_in_branch(x: Any) -> Any:
    xs = [x, x * 2]
    ys = xs
    if x.sum() > 0:
        xs[0] = x * 5
    else:
        xs = [x - 1, x]
    return xs, ys


@programs((X,), (Y,))
def list_grows_in_branch(x: Any) -> Any:
    xs = [x]
    if x.sum() > 0:
        xs.append(x * 2)
    return xs, len(xs)


@programs((X,))
def dicts(x: Any) -> Any:
    d = {"a": x, "b": x + 1, 3: 4}
    d["c"] = x * 2
    d["a"] = x * 5
    total = x * 0
    for k in d:
        if k != 3:
            total = total + d[k]
    for k, v in d.items():
        if k == "b":
            total = total - v
    e = {**d, "z": 1}
    e.update(y=2)
    return (
        d,
        total,
        len(d),
        d.get("q"),
        d.get("q", 7),
        list(d.keys()),
        "a" in d,
        e,
        dict(u=1),
        list(d.values()),
    )


@programs(({"w": X, "b": Y},), ({"w": Y, "b": X},))
def dict_argument(params: Any) -> Any:
    return params["w"] * 2 + params["b"], {"new": params["w"]}


@programs(([X, Y],), ([Y, Y],), ([X, Y, X],))
def list_argument(xs: Any) -> Any:
    total = xs[0] * 0
    for x in xs:
        total = total + x
    return total, xs[-1] * 2, len(xs)


@programs((X,), (Y,))
def dict_through_branch_and_loop(x: Any) -> Any:
    state = {"x": x, "n": 0}
    for i in range(3):
        if state["x"].sum() > 0:
            state["x"] = state["x"] * 0.5
            state["n"] = state["n"] + 1
        else:
            state["x"] = state["x"] + 1
    return state


@programs((X, Y), (Y, X))
def iteration_helpers(x: Any, y: Any) -> Any:
    total = x[0] * 0
    for i, v in enumerate(x):
        total = total + i * v
    for i, (a, b) in enumerate(zip(x, y), 1):
        total = total + a * b * i
    for a, b in zip([1, 2], (x, y)):
        total = total + a * b.sum()
    for v in reversed(x):
        total = total * 0.5 + v
    for v in reversed([1, 2, 3]):
        total = total + v
    for i in reversed(range(4)):
        total = total * i + 1
    for c in "ab":
        total = total + len(c)
    return (
        total,
        sum([1, 2, 3]),
        any([False, True]),
        all([x[0] > 0, y[0] > 0]),
        list(zip((1, 2), (3, 4))),
    )


@programs((M,), (M.t(),))
def unpacking_tensors(m: Any) -> Any:
    out = []
    for a in m:
        out.append(a.sum())
    first, second = m[:2]
    return out, first, second


# Indexing.


@programs((M,), (jt.tensor([[1.0, 5.0, 3.0], [2.0, 2.0, 2.0], [9.0, 8.0, 7.0]]),), trace=True)
def indexing(m: Any) -> Any:
    return (
        m[0],
        m[-1],
        m[0, 1],
        m[:, 1],
        m[1:],
        m[:-1],
        m[::2],
        m[..., 0],
        m[None],
        m[0][1],
        m[:, ::2],
        m[0:0],
        m[m > 1],
        m[[0, 1]],
        m[:, [2, 0]],
        m[jt.tensor([1, 0])],
    )


@programs((M, 0), (M, 1), (M, -1))
def run_time_index(m: Any, i: int) -> Any:
    return m[i], m[i, i], m[:, i]


@programs((X, 1), (X, 2), (X, 3), (X, -1), (X, 0))
def run_time_slices(x: Any, k: int) -> Any:
    return x[:2], x[1:], x[:-1], x[-2:]


@programs((X, N))
def index_by_tensor(x: Any, n: Any) -> Any:
    i = n.argmin()
    return x[i], x[(n > 0)]


@programs((X.clone(), 1), (Y.clone(), 2))
def assignment_to_items(x: Any, i: int) -> Any:
    y = x.clone()
    y[0] = 5
    y[i] = y[0] * 2
    y[-1] += 1
    y[1:] *= 2
    y[y > 8] = 0.0
    return y


@programs((M.clone(),))
def assignment_to_argument(m: Any) -> Any:
    m[0, 1] = 7
    m[1] = m[0] * 2
    m[:, 0] += 1
    m[m < 0] = jt.tensor(0.0)
    m[..., 2] = 3.5
    return None


@programs((X,), (Y,))
def in_place_operators(x: Any) -> Any:
    y = x.clone()
    y += 1
    y -= x
    y *= 3
    y /= 2
    y **= 2
    z = y
    z += 10
    n = 3
    n += 1
    n *= 2
    n //= 3
    n -= 1
    return y, z is y, n


@programs((X,))
def in_place_on_argument(x: Any) -> Any:
    x += 1
    x.mul_(2).add_(1)
    return x


@programs((X,))
def returned_argument_and_views(x: Any) -> Any:
    return x, x[1:], x.reshape(3, 1), x * 1


@programs((X,))
def views_alias(x: Any) -> Any:
    y = x[1:]
    y *= 10
    z = x.reshape(3, 1)
    z[0] = 100
    w = x.clone()
    v = w[:2]
    w += 1
    return y, z, v, w


@programs((X,), (Y,))
def view_changed_in_branch(x: Any) -> Any:
    y = x.clone()
    v = y[1:]
    if x.sum() > 0:
        v += 1
    else:
        y *= 2
    return y, v


@programs((X, 3), (X, 0))
def view_changed_in_loop(x: Any, n: int) -> Any:
    y = x.clone()
    v = y[1:]
    for i in range(n):
        v += i
        y[0] = v.sum()
    return y, v


@programs((M.clone(), 2), (M.clone(), 1))
def rows_changed_in_loop(m: Any, n: int) -> Any:
    for row in m:
        row *= 2
    for i in range(n):
        m[i] = m[i] + i
        m[i, 0] = 0
    return m.sum()


@programs((X, 4), (X, 0))
def buffer_filled_in_loop(x: Any, n: int) -> Any:
    out = jt.zeros(n, 3)
    for i in range(n):
        out[i] = x * i
        if i > 0:
            out[i] += out[i - 1]
    return out


@programs((jt.ones(5),), (jt.ones(3),), (jt.ones(2),))
def stencil(u: Any) -> Any:
    for _ in range(3):
        u[1:-1] = 0.5 * (u[:-2] + u[2:])
    return u


@programs((X, N), (X.double(), N.to(jt.int32)))
def dtypes(x: Any, n: Any) -> Any:
    a = x.to(jt.float64)
    return (
        a,
        n.float(),
        x.dtype == jt.float32,
        (x + n),
        n / 2,
        n // 2,
        x.int(),
        a.dtype == x.dtype,
        x.to(n.dtype),
    )


@programs((X,))
def methods_and_functions(x: Any) -> Any:
    return (x.exp().log(), jt.exp(x), x.sum(), x.mean(0), x.max(), jt.where(x > 0, x, -x), x.softmax(0),
            jt.relu(x), x.reshape(-1, 1).t(), x.unsqueeze(0).squeeze(0), jt.maximum(x, x * 2), x.clamp(0,
            2))  # fmt: skip


@programs((X, 1.0), (X, 2), (X, True))
def numeric_kinds(x: Any, k: Any) -> Any:
    return x * k, x + k


@programs((jt.zeros(0, 3), jt.zeros(0)))
def empties(m: Any, e: Any) -> Any:
    return (
        m.sum(),
        m.sum(0),
        e + 1,
        jt.cat([e, e]),
        m.reshape(3, 0),
        m[:, 1:],
        e.shape[0],
        [v for v in e],
    )


@programs((np.float32(2.5),), (np.int64(3),))
def numpy_scalar_argument(v: Any) -> Any:
    return v * 2


test_program = programs.test()
