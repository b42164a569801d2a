"""Calls: closures, globals, defaults, callees, methods, modules."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Any

import pytest

import jitorch as jt
from jitorch import jit
from tests.checking import check
from tests.frontend import helpers
from tests.frontend.cases import Programs

programs = Programs()

X = jt.tensor([1.0, -2.0, 3.0])
Y = jt.tensor([-4.0, -5.0, 0.5])
W = jt.tensor([0.5, 2.0, -1.0])
SCALE = 2.5
SIZES = (1, 2, 3)
NAMES: dict[str, Any] = {"a": 1, "b": [2, 3]}


class Layer:
    """A plain class with `forward`, as modules are."""

    def __init__(self, weight: Any, act: Any = None) -> None:
        self.weight = weight
        self.act = act
        self.gain = 2.0
        self.training = True

    def forward(self, x: Any) -> Any:
        y = x * self.weight * self.gain
        return y if self.act is None else self.act(y)

    def __call__(self, x: Any) -> Any:
        return self.forward(x)

    @property
    def total(self) -> Any:
        return self.weight.sum()

    @staticmethod
    def double(x: Any) -> Any:
        return x * 2

    @classmethod
    def triple(cls, x: Any) -> Any:
        return x * 3


class Net:
    def __init__(self) -> None:
        self.layers = [Layer(W), Layer(W * 2, helpers.swish)]
        self.heads = {"a": Layer(W)}
        self.bias = 1

    def __call__(self, x: Any) -> Any:
        return self.forward(x)

    def forward(self, x: Any, twice: bool = False) -> Any:
        for layer in self.layers:
            x = layer(x)
        if twice:
            x = self.helper(x)
        return self.heads["a"](x) + self.bias + self.layers[0].total

    def helper(self, x: Any) -> Any:
        if x.sum() > 0:
            return x + 1
        return x - 1


@dataclass
class Settings:
    rate: float = 0.5
    steps: int = 3


net = Net()
settings = Settings()


def outer(x: Any, *rest: Any, scale: float = 1.0, **named: Any) -> Any:
    total = x * scale
    for r in rest:
        total = total + r
    for name, value in named.items():
        if name != "skip":
            total = total + value
    return total, len(rest), len(named)


@programs((X,), (Y,))
def keyword_arguments(x: Any) -> Any:
    def inner(a: Any, b: int = 2, *, c: int = 3, d: int) -> Any:
        return a * b + c - d

    return (
        inner(x, d=1),
        inner(b=5, a=x, d=2, c=1),
        outer(x, x, x, scale=2.0, skip=1, more=x),
        outer(x),
    )


@programs((X,), (Y,))
def star_arguments(x: Any) -> Any:
    args = (x, 1)
    more = [2, 3]
    named = {"scale": 0.5}
    return outer(*args, *more, **named), max(*more), [*more, *args], {**named, "b": 1}, (*more, 9)


@programs((X, Y), (X,), (X, Y, W))
def variadic(x: Any, *rest: Any) -> Any:
    total = x
    for r in rest:
        total = total + r
    return total, len(rest)


@programs((X,), (X, 4), (X, 4, 2.0))
def defaults(x: Any, n: int = 2, scale: float = 0.5) -> Any:
    return x * scale + n


@programs((X,), (Y,))
def nested_functions(x: Any) -> Any:
    k = 2

    def shift(v: Any, by: float = 1.0) -> Any:
        def deeper(w: Any) -> Any:
            return w * k + by

        return deeper(v) - SCALE

    k = 3
    double = lambda v: v * 2 + k  # noqa: E731
    return shift(x), shift(x, by=4.0), double(x), (lambda a, b: a - b)(x, 1)


@programs((X,), (Y,))
def early_returns_in_callees(x: Any) -> Any:
    def sign(v: Any) -> Any:
        if v.sum() > 0:
            return 1
        return -1

    def first_negative(v: Any) -> Any:
        for i in range(v.shape[0]):
            if v[i] < 0:
                return i
        return -1

    return sign(x), first_negative(x), sign(-x) + sign(x), helpers.swish(x), helpers.swish(-x)


@programs((X,), (Y,))
def callees_elsewhere(x: Any) -> Any:
    return (
        helpers.scaled(x),
        helpers.scaled(by=0.5, x=x),
        helpers.SCALE * x,
        helpers.TABLE["gain"] + x,
    )


@programs((X,), (Y,))
def scripted_callees(x: Any) -> Any:
    y = helpers.scripted_swish(x)
    for _ in range(2):
        y = helpers.scripted_swish(y) + 1
    return y, helpers.countdown(x, 3)


@programs((X,), (Y,))
def globals_and_closures(x: Any) -> Any:
    total = x * SCALE
    for n in SIZES:
        total = total + n
    for k in NAMES:
        total = total + len(k)
    return (
        total + NAMES["a"] + NAMES["b"][1],
        W + x,
        math.pi,
        jt.pi,
        settings.rate * x,
        settings.steps,
    )


@programs((X,), (Y,))
def modules(x: Any) -> Any:
    return net(x), net.forward(x, twice=True), net.helper(x), net.layers[0].gain, len(net.layers)


@programs((X,), (Y,))
def methods(x: Any) -> Any:
    layer = net.layers[0]
    return layer.double(x), layer.triple(x), Layer.double(x), layer.total, layer.act is None


@programs((net, X), (net, Y))
def module_as_argument(module: Any, x: Any) -> Any:
    if module.layers[0].training:
        return module(x)
    return x


@programs((X, True), (X, False))
def functions_as_values(x: Any, flag: bool) -> Any:
    act = jt.exp if flag else jt.relu
    table = {"tanh": jt.tanh, "mine": helpers.scaled}
    return act(x), table["tanh"](x), table["mine"](x), [f(x) for f in (jt.sin, jt.cos)]


@programs((X,), (Y,))
def closure_over_a_loop_variable(x: Any) -> Any:
    fs = [lambda v, k=k: v * k for k in range(3)]
    gs = [lambda v: v + n for n in (1, 2)]  # noqa: B023
    out = []
    for k in range(2):

        def add(v: Any) -> Any:
            return v + k  # noqa: B023

        out.append(add(x))
    return [f(x) for f in fs], out, len(gs)


@programs((X,), (Y,))
def variables_of_callees_are_their_own(x: Any) -> Any:
    y = x

    def change(x: Any) -> Any:
        y = x * 2
        x = y + 1
        return x

    z = change(x)
    return x, y, z


@programs((X,), (Y,))
def callee_changes_its_argument(x: Any) -> Any:
    def bump(v: Any, xs: list[Any]) -> None:
        v += 1
        xs.append(v.sum())

    y, seen = x.clone(), [x.sum()]
    bump(y, seen)
    bump(y[1:], seen)
    if x[0] > 0:
        bump(y, seen)
    return y, seen


@programs((X, 3), (X, 0))
def shadowing(x: Any, n: int) -> Any:
    sum = x.sum()  # noqa: A001
    max = 3  # noqa: A001
    for n in range(n):  # noqa: B020
        sum = sum + n  # noqa: A001
    return sum, max, n


@programs((X,), (Y,))
def local_function_redefined(x: Any) -> Any:
    f = lambda v: v + 1  # noqa: E731
    a = f(x)
    f = lambda v: v * 2  # noqa: E731
    return a, f(x)


@programs((X, 2), (Y, 5))
def annotations_and_docstrings(x: jt.Tensor, n: int = 2) -> Any:
    """A docstring."""
    k: int = n
    y: Any
    y = x * k
    "not a docstring"
    ...
    pass
    return y


test_program = programs.test()


def made_by(factor: float) -> Any:
    def scale(x: Any) -> Any:
        return x * factor

    return scale


@pytest.mark.parametrize("factor", [2.0, 3.0])
def test_closures_of_a_factory(factor: float) -> None:
    check(made_by(factor), (X,))


def test_a_lambda_can_be_scripted() -> None:
    f = jit.script(lambda x, n: x * n if n > 1 else -x)
    assert f(X, 2).tolist() == [2.0, -4.0, 6.0]
    assert f(X, 1).tolist() == [-1.0, 2.0, -3.0]


def test_a_lambda_in_the_middle_of_an_expression() -> None:
    made = [jit.script(lambda a: a + 1), 3]
    assert made[0](X).tolist() == [2.0, -1.0, 4.0]  # type: ignore[operator]


def test_a_changed_global_recompiles(monkeypatch: pytest.MonkeyPatch) -> None:
    fn = jit.script(uses_global)
    assert fn(X).tolist() == (X * 2.5).tolist()
    with jit.max_compiles(0):
        fn(X)
        monkeypatch.setitem(globals(), "SCALE", 1.5 + 1.0)  # another object of the same value
        fn(X)
    monkeypatch.setitem(globals(), "SCALE", 4.0)
    with jit.max_compiles(1):
        assert fn(X).tolist() == (X * 4).tolist()


def uses_global(x: Any) -> Any:
    return x * SCALE


def test_changed_items_of_global_containers_recompile() -> None:
    sizes = [1, 2]
    table: dict[str, Any] = {"gain": 2.0, "deep": [1, (2, 3)]}

    @jit.script
    def fn(x: Any) -> Any:
        return x * table["gain"] + table["deep"][1][0] + sum(sizes)

    assert fn(X)[0] == 7
    with jit.max_compiles(0):
        fn(X)
    table["gain"] = 3.0
    assert fn(X)[0] == 8
    sizes.append(10)
    assert fn(X)[0] == 18
    table["deep"][1] = (5, 6)
    assert fn(X)[0] == 21
    table["new"] = 1
    assert fn(X)[0] == 21


def test_changed_attributes_recompile(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = Layer(W)
    fn = jit.script(lambda x: layer(x) * settings.rate * helpers.SCALE)
    first = fn(X)
    with jit.max_compiles(0):
        fn(X)
    layer.gain = 4.0
    assert fn(X).tolist() == (first * 2).tolist()
    layer.act = jt.neg
    assert fn(X).tolist() == (first * -2).tolist()
    layer.act = jt.relu
    assert fn(X).tolist() == (first * 2).relu().tolist()
    layer.act = None
    monkeypatch.setattr(settings, "rate", 1.0)
    assert fn(X).tolist() == (first * 4).tolist()
    monkeypatch.setattr(helpers, "SCALE", 6.0)
    assert fn(X).tolist() == (first * 8).tolist()


def test_captured_tensors_are_read_live() -> None:
    weight = jt.tensor([1.0, 2.0, 3.0])
    fn = jit.script(lambda x: x * weight)
    assert fn(X).tolist() == [1.0, -4.0, 9.0]
    with jit.max_compiles(0):
        weight[0] = 100.0
        assert fn(X).tolist() == [100.0, -4.0, 9.0]
    weight = jt.tensor([1.0, 1.0])
    assert fn(X[:2]).tolist() == [1.0, -2.0]


def test_captured_tensors_can_be_changed_in_place() -> None:
    count = jt.zeros(())
    total = jt.zeros(3)

    @jit.script
    def fn(x: Any) -> Any:
        count.add_(1)
        if x.sum() > 0:
            total[1:] += x[1:]
        return total * count

    fn(X)
    assert fn(X).tolist() == [0.0, -8.0, 12.0]
    assert (count.item(), total.tolist()) == (2.0, [0.0, -4.0, 6.0])


def test_a_redefined_callee_recompiles(monkeypatch: pytest.MonkeyPatch) -> None:
    fn = jit.script(lambda x: helpers.scaled(x))
    assert fn(X)[0] == 6
    monkeypatch.setattr(helpers, "scaled", lambda x: x + 100)
    assert fn(X)[0] == 101


def test_partial_is_called() -> None:
    half = functools.partial(helpers.scaled, by=0.5)
    check(lambda x: half(x), (X,))
