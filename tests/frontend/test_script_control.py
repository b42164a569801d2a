"""Control flow: branches, loops, and all ways to leave them."""

from __future__ import annotations

from typing import Any

import jitorch as jt
from tests.frontend.cases import Programs

programs = Programs()

X = jt.tensor([1.0, -2.0, 3.0])
Y = jt.tensor([-4.0, -5.0, 0.5])
EMPTY = jt.zeros(0)
M = jt.tensor([[1.0, 2.0], [-3.0, 4.0], [5.0, -6.0]])
I = jt.tensor([3, 1, 2])


# Branches.


@programs((X,), (Y,), (EMPTY,), (jt.tensor([0.0]),))
def if_elif_else(x: Any) -> Any:
    if x.sum() > 1:
        y = x + 1
    elif x.sum() < -5:
        y = x - 1
    else:
        y = x * 10
    return y


@programs((X,), (Y,))
def if_without_else(x: Any) -> Any:
    y = x
    if x.sum() > 0:
        y = y * 2
    return y


@programs((X, 1), (X, 0), (Y, 1), (Y, -3))
def nested_ifs(x: Any, n: int) -> Any:
    if n > 0:
        if x.sum() > 0:
            return x + n
        elif x[0] < -3:
            x = x * n
        else:
            return x - n
    elif n < 0:
        if x.sum() < 0:
            x = -x
    return x + 100


@programs((X, True), (X, False))
def static_branch(x: Any, flag: bool) -> Any:
    if flag:
        return x + 1
    return x.sum(), x


@programs((X, None), (X, Y))
def optional_argument(x: Any, bias: Any = None) -> Any:
    if bias is not None:
        x = x + bias
    return x if bias is None else x * 2


@programs((X,), (Y,))
def ternary(x: Any) -> Any:
    a = 1 if x[0] > 0 else 2
    b = x if x[1] > 0 else -x
    return b * a, (3.5 if a == 1 else 2.0)


@programs((X,), (Y,))
def early_return(x: Any) -> Any:
    if x.sum() > 0:
        return x * 2
    y = x + 1
    if y.sum() > -8:
        return y
    return y.exp()


@programs((X,), (Y,), (jt.tensor([0.0, 0.0, 0.0]),))
def return_none_on_a_path(x: Any) -> Any:
    y = x.clone()
    if x.sum() > 0:
        y += 1
        return None
    y -= 1
    return None


@programs((X,), (Y,))
def variables_set_in_both_branches(x: Any) -> Any:
    if x.sum() > 0:
        a, b, c = x, 1, 2.0
    else:
        a, b, c = x + 1, 2, 3.0
    return a * b + c, a, b, c


@programs((X,), (Y,))
def float_on_one_path_int_on_the_other_stays_apart(x: Any) -> Any:
    k = 2.0
    if x.sum() > 0:
        k = 3.0
    return x * k, k


@programs((X,), (Y,))
def bool_variables(x: Any) -> Any:
    big = x.sum() > 0
    odd = False
    if big:
        odd = True
    return (x if odd and big else -x), odd


@programs((X,), (Y,))
def tuples_from_branches(x: Any) -> Any:
    if x.sum() > 0:
        pair = (x, (x + 1, 3))
    else:
        pair = (x - 1, (x, 4))
    a, (b, n) = pair
    return a, b, n, pair


# `for`.


@programs((X,), (EMPTY,))
def for_over_a_tensor(x: Any) -> Any:
    total = jt.tensor(0.0)
    for v in x:
        total = total + v * v
    return total


@programs((M,), (jt.zeros(0, 2),))
def for_over_rows(m: Any) -> Any:
    out = jt.zeros(2)
    for row in m:
        if row.sum() > 0:
            out = out + row
        else:
            out = out - row
    return out


@programs((X, 3), (X, 0), (X, -2))
def for_range(x: Any, n: int) -> Any:
    for i in range(n):
        x = x * 2 + i
    return x


@programs((X, 2, 9, 3), (X, 9, 2, 3), (X, 0, 1, 3), (X, -5, 4, 3))
def for_range_with_step(x: Any, a: int, b: int, step: int) -> Any:
    for i in range(a, b, 3):
        x = x + i
    for i in range(b, a, -2):
        x = x * 2 - i
    return x


@programs((X, 5), (X, 0))
def for_range_backwards(x: Any, n: int) -> Any:
    out = []
    for i in range(n - 1, -1, -1):
        out.append(x + i)
    return out


@programs((X, 4), (X, 0))
def loop_variable_after_loop(x: Any, n: int) -> Any:
    i = -1
    for i in range(n):
        x = x + i
    return x, i


@programs((X, 3), (X, 0))
def break_in_for(x: Any, n: int) -> Any:
    for i in range(10):
        if i == n:
            break
        x = x + i
    return x


@programs((X,), (Y,), (EMPTY,))
def break_on_data(x: Any) -> Any:
    total = 0.0
    for v in x:
        if v < 0:
            break
        total = total + v.item()
    return total


@programs((X,), (Y,))
def continue_on_data(x: Any) -> Any:
    total = 0.0
    for v in x:
        if v < 0:
            continue
        total += v.item()
    return total


@programs((X,), (Y,))
def break_and_continue(x: Any) -> Any:
    count = 0
    for i in range(x.shape[0]):
        if x[i] > 2:
            break
        if x[i] < -1.5:
            continue
        count += i + 1
    return count


@programs((X,), (Y,), (EMPTY,))
def for_else(x: Any) -> Any:
    for v in x:
        if v < -3:
            found = True
            break
    else:
        found = False
    return found


@programs((X, 3.0), (X, 30.0), (EMPTY, 1.0))
def return_in_loop(x: Any, limit: float) -> Any:
    total = 0.0
    for i in range(x.shape[0]):
        total = total + abs(x[i].item())
        if total > limit:
            return i
    return -1


@programs((M, 2.0), (M, 4.5), (M, 100.0))
def return_from_nested_loops(m: Any, limit: float) -> Any:
    for i in range(m.shape[0]):
        for j in range(m.shape[1]):
            if m[i, j] > limit:
                return m[i] * 2
            elif m[i, j] < -100:
                return -m[i]
        m = m + 0.25
    return m[0]


@programs((M, 3), (M, 1))
def nested_breaks(m: Any, n: int) -> Any:
    total = 0.0
    for i in range(m.shape[0]):
        for j in range(m.shape[1]):
            if m[i, j] < 0:
                if j == 0:
                    break
                else:
                    continue
            total += m[i, j].item() * (j + 1)
        else:
            total += 1000
        if i == n:
            break
    return total


@programs((X,), (Y,), kernel_aliases=False)
def for_else_with_return(x: Any) -> Any:
    for v in x:
        if v > 2:
            return v
    else:
        x = x * 2
    return x.sum()


# `while`.


@programs((X,), (Y,), (EMPTY,))
def while_on_data(x: Any) -> Any:
    n = 0
    while x.abs().sum() > 1:
        x = x / 2
        n += 1
    return x, n


@programs((X, 5), (X, 0), (X, -1))
def while_on_int(x: Any, n: int) -> Any:
    while n > 0:
        x = x + n
        n -= 2
    return x, n


@programs((X,), (Y,))
def while_true(x: Any) -> Any:
    steps = 0
    while True:
        x = x * 0.5
        steps += 1
        if x.abs().max() < 0.3:
            break
    return steps, x


@programs((X, 3), (X, 20))
def while_else(x: Any, limit: int) -> Any:
    n = 0
    while n < 10:
        if n == limit:
            break
        n += 1
    else:
        n = -n
    return x * n


@programs((X, 7), (X, 1))
def while_continue(x: Any, n: int) -> Any:
    total = 0
    while n > 0:
        n -= 1
        if n % 3 == 1:
            continue
        total += n
    return x + total


@programs((27,), (1,), (6,))
def collatz(n: int) -> Any:
    steps = 0
    while n != 1:
        if n % 2 == 0:
            n = n // 2
        else:
            n = 3 * n + 1
        steps += 1
    return steps


@programs((jt.tensor([1.0, 5.0, 2.0]),), (jt.tensor([9.0]),))
def newton(a: Any) -> Any:
    x = a
    for _ in range(50):
        new = 0.5 * (x + a / x)
        if (new - x).abs().max() < 1e-6:
            return new
        x = new
    return x


# What loops carry.


@programs((X, 4), (X, 0))
def carried_kinds(x: Any, n: int) -> Any:
    t, f, i, b, pair = x, 1.0, 0, False, (x, 1)
    for k in range(n):
        t = t + k
        f = f * 1.5
        i = i + k * k
        b = not b
        pair = (pair[0] * 2, pair[1] + i)
    return t, f, i, b, pair


@programs((X, 5), (X, 1), (X, 0))
def fibonacci(x: Any, n: int) -> Any:
    a, b = x, x * 2
    for _ in range(n):
        a, b = b, a + b
    return a


@programs((X, 3), (X, 1))
def int_turns_into_float(x: Any, n: int) -> Any:
    total: float = 0
    for i in range(n):
        total = total + 0.5
    return x * total


@programs((X, 3), (X, 1))
def number_turns_into_tensor(x: Any, n: int) -> Any:
    total = 0
    for i in range(n):
        total = total + x * i
    return total + x


@programs((X, 3), (X, 1))
def first_set_in_loop(x: Any, n: int) -> Any:
    for i in range(n):
        y = x * i
    return y


@programs((X,), (Y,))
def first_set_in_branch_and_read_in_a_like_branch(x: Any) -> Any:
    if x.sum() > 0:
        y = x * 3
    z = x
    if x.sum() > 0:
        z = z + y
    return z


@programs((X, 3), (X, 0))
def grows_in_loop(x: Any, n: int) -> Any:
    y = x
    for i in range(n):
        y = jt.cat([y, x])
    return y


@programs((X,), (Y,))
def loop_in_branch_in_loop(x: Any) -> Any:
    total = jt.zeros(())
    for i in range(3):
        if x[i] > 0:
            for j in range(i + 1):
                if x[j] > 2:
                    total = total + 100
                    continue
                total = total + x[j]
        else:
            k = 0
            while k < 2:
                total = total * 2
                k += 1
    return total


@programs((X, 2), (X, 0))
def unused_and_shadowed_loop_variables(x: Any, n: int) -> Any:
    i = 10
    for _ in range(n):
        for i in range(2):
            x = x + i
    return x * i


@programs((X, 3))
def loop_over_range_as_list(x: Any, n: int) -> Any:
    numbers = list(range(n))
    for k in numbers:
        x = x + k
    return x, numbers, tuple(range(2))


@programs((I,), (jt.tensor([0, 0, 5]),))
def trip_count_from_a_tensor(t: Any) -> Any:
    total = 0
    for i in range(t[0].item()):
        total += i
    n = int(t.sum())
    for i in range(n):
        total -= 1
    return total


@programs((X,), (Y,))
def break_inside_nested_ifs(x: Any) -> Any:
    seen = 0
    while seen < 50:
        seen += 1
        if seen > 2:
            if x[0] > 0:
                if seen * x[0] > 5:
                    break
            else:
                if seen > 7:
                    break
        if seen == 4:
            continue
        x = x + 0.125
    return x, seen


@programs((X, 0), (X, 1), (X, 2), (X, 3))
def return_at_every_depth(x: Any, n: int) -> Any:
    if n == 0:
        return x
    for i in range(4):
        if i == n:
            return x + i
        k = 0
        while True:
            if x.sum() + k > 4:
                if n == 2:
                    return x - k
                break
            k += 1
        x = x + k
    return x * 1000


@programs((X, 3), (X, 0))
def unrolled_over_a_tuple_with_break(x: Any, n: int) -> Any:
    for name, scale in (("a", 1), ("b", 2), ("c", 3)):
        if scale > n:
            break
        if name == "b":
            continue
        x = x * scale + 1
    else:
        x = -x
    return x


@programs((X, Y, 1), (X, Y, -1))
def unrolled_in_a_branch_after_a_trial(x: Any, y: Any, n: int) -> Any:
    if n > 0:
        for k in range(3):
            x.copy_(y * 2 + k)
            y = x
    else:
        y = y + 1
    return x + 1, y - 1


@programs((X,), (Y,))
def while_with_and_or(x: Any) -> Any:
    i = 0
    while i < x.shape[0] and x[i] > -3:
        i += 1
    while not (i <= 0 or x.sum() > 100):
        i -= 1
        x = x + 1
    return i, x


test_program = programs.test()
