"""Random valid programs in IR: elementwise ops, broadcasts, reductions, views, control flow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

from jitorch.ir.builder import Builder
from jitorch.ir.core import Attr, Block, Graph, Value
from jitorch.ir.dims import Dim, Shape, symbol
from jitorch.ir.opdef import OPS
from jitorch.ir.types import BOOL, DType, ScalarType, TensorType, bool_, float32, int32

N = symbol("n")
SHAPES: tuple[Shape, ...] = ((), (N,), (3,), (N, 3), (1, 3), (N, 1))
DTYPES = (float32, float32, int32, bool_)

UNARY = {
    "float": ("neg", "abs", "exp", "sqrt", "floor", "square", "reciprocal", "sign", "round"),
    "int": ("neg", "abs", "bitwise_not", "square", "sign"),
    "bool": ("logical_not", "bitwise_not"),
}
BINARY = {
    "float": ("add", "sub", "mul", "div", "maximum", "minimum"),
    "int": ("add", "sub", "mul", "maximum", "minimum", "bitwise_and", "bitwise_or", "bitwise_xor"),
    "bool": ("logical_and", "logical_or", "logical_xor", "bitwise_and"),
}
COMPARE = ("eq", "ne", "lt", "le", "gt", "ge")
CONSTANTS = (0, 1, -1, 2, 0.5, -0.0, 8)


class Programs:
    """Writes one random program."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.build = Builder({"n"})

    def graph(self) -> Graph:
        """Return a program of a dozen ops."""
        params = [Value(TensorType(d, s), f"x{i}") for i, (d, s) in enumerate(self.some_types(3))]
        params += [Value(BOOL, "c"), Value(ScalarType("int", symbol("k")), "k")]
        anchor = Value(TensorType(float32, (N,)), "x")  # binds n
        params.insert(0, anchor)
        pool = list(params)
        for _ in range(self.random.randint(3, 12)):
            self.step(pool, depth=2)
        if self.random.random() < 0.3:
            self.assign(params, pool)
        results = tuple(self.random.choice(pool) for _ in range(self.random.randint(1, 3)))
        return Graph("fuzz", Block(tuple(params), tuple(self.build.ops), results))

    def assign(self, params: list[Value], pool: list[Value]) -> None:
        """Change an argument or two in place, as front ends do at the end."""
        for target in self.random.sample(params, 2):
            alike = [v for v in pool if v.type == target.type and isinstance(v.type, TensorType)]
            if alike:
                self.emit("assign", [target, self.random.choice(alike)])

    def some_types(self, count: int) -> list[tuple[DType, Shape]]:
        return [(self.random.choice(DTYPES), self.random.choice(SHAPES)) for _ in range(count)]

    def step(self, pool: list[Value], depth: int) -> None:
        """Append one op on values of the pool, and its outputs to the pool."""
        kinds: list[Callable[[list[Value]], list[Value]]] = [
            self.unary, self.binary, self.binary, self.with_constant, self.compare, self.where,
            self.cast, self.reduce, self.view, self.view, self.join, self.composite, self.number,
        ]  # fmt: skip
        if depth:
            kinds += [lambda p: self.branch(p, depth), lambda p: self.loop(p, depth)]
        pool += self.random.choice(kinds)(pool)

    def pick(
        self, pool: list[Value], fits: Callable[[TensorType], bool] = lambda t: True
    ) -> Value | None:
        found = [v for v in pool if isinstance(v.type, TensorType) and fits(v.type)]
        return self.random.choice(found) if found else None

    def emit(self, name: str, inputs: list[Value], **attrs: Attr) -> list[Value]:
        return list(self.build.emit(name, inputs, attrs))

    # One kind of op each.

    def unary(self, pool: list[Value]) -> list[Value]:
        x = self.pick(pool)
        return [] if x is None else self.emit(self.random.choice(UNARY[kind(x)]), [x])

    def pair(self, pool: list[Value]) -> list[Value]:
        """Return two tensors of one dtype that broadcast."""
        x = self.pick(pool)
        y = x and self.pick(
            pool, lambda t: t.dtype is tensor(x).dtype and broadcasts(t.shape, tensor(x).shape)
        )
        return [x, y] if x is not None and y is not None else []

    def binary(self, pool: list[Value]) -> list[Value]:
        both = self.pair(pool)
        return self.emit(self.random.choice(BINARY[kind(both[0])]), both) if both else []

    def with_constant(self, pool: list[Value]) -> list[Value]:
        x = self.pick(pool)
        if x is None:
            return []
        value = self.random.choice(CONSTANTS)
        if tensor(x).dtype.kind != "float":
            value = bool(value) if tensor(x).dtype is bool_ else int(value)
        both = [x, self.build.constant(value, tensor(x).dtype)]
        self.random.shuffle(both)
        return self.emit(self.random.choice(BINARY[kind(x)]), both)

    def compare(self, pool: list[Value]) -> list[Value]:
        both = self.pair(pool)
        return self.emit(self.random.choice(COMPARE), both) if both else []

    def where(self, pool: list[Value]) -> list[Value]:
        both = self.pair(pool)
        shapes = [tensor(v).shape for v in both]
        c = both and self.pick(
            pool, lambda t: t.dtype is bool_ and all(broadcasts(t.shape, s) for s in shapes)
        )
        return self.emit("where", [c, *both]) if c else []

    def cast(self, pool: list[Value]) -> list[Value]:
        x = self.pick(pool, lambda t: t.dtype.kind != "float")
        return [] if x is None else self.emit("cast", [x], dtype=self.random.choice(DTYPES))

    def reduce(self, pool: list[Value]) -> list[Value]:
        x = self.pick(pool, lambda t: t.ndim > 0 and t.dtype is not bool_)
        if x is None:
            return []
        dims = tuple(d for d in range(tensor(x).ndim) if self.random.random() < 0.6) or (0,)
        return self.emit("sum", [x], dim=dims, keepdim=self.random.random() < 0.5)

    def view(self, pool: list[Value]) -> list[Value]:
        x = self.pick(pool, lambda t: t.ndim > 0)
        if x is None:
            return []
        t, dim = tensor(x), self.random.randrange(tensor(x).ndim)
        order = list(range(t.ndim))
        self.random.shuffle(order)
        size = t.shape[dim]
        start: Dim = self.random.choice([0, 0, 1]) if isinstance(size, int) and size > 1 else 0
        choices: list[tuple[str, dict[str, Attr]]] = [
            ("permute", {"dims": tuple(order)}),
            ("unsqueeze", {"dim": dim}),
            ("squeeze", {"dims": tuple(i for i, d in enumerate(t.shape) if d == 1)}),
            ("reshape", {"shape": (*t.shape[::-1],)}),
            ("reshape", {"shape": t.shape}),
            ("expand", {"shape": tuple(2 if d == 1 else d for d in t.shape)}),
            ("slice", {"dim": dim, "start": start, "length": size - start, "step": 1}),
        ]
        name, attrs = self.random.choice(choices)
        return self.emit(name, [x], **attrs)

    def join(self, pool: list[Value]) -> list[Value]:
        x = self.pick(pool, lambda t: t.ndim > 0)
        y = x and self.pick(pool, lambda t: t == tensor(x))
        if x is None or y is None:
            return []
        if self.random.random() < 0.5:
            return self.emit("cat", [x, y], dim=0)
        (items,) = self.emit("list", [x, y])
        return [*self.emit("list_stack", [items], dim=0), *self.emit("len", [items])]

    def composite(self, pool: list[Value]) -> list[Value]:
        x = self.pick(pool, lambda t: t.dtype is float32)
        return [] if x is None else self.emit(self.random.choice(["relu", "silu"]), [x])

    def number(self, pool: list[Value]) -> list[Value]:
        found = [v for v in pool if isinstance(v.type, ScalarType) and v.type.kind == "int"]
        size = self.build.size(self.random.choice([N, N * 2, 4]))
        return [size, *self.emit("add", [size, self.random.choice(found)])] if found else [size]

    # Blocks.

    def block(self, pool: list[Value], depth: int) -> list[Value]:
        """Build ops in a new list; return the values there are at its end."""
        inner = list(pool)
        for _ in range(self.random.randint(1, 4)):
            self.step(inner, depth - 1)
        return inner

    def condition(self, pool: list[Value]) -> Value:
        found = [v for v in pool if v.type == BOOL]
        return self.random.choice([*found, self.build.constant(self.random.random() < 0.5)])

    def branch(self, pool: list[Value], depth: int) -> list[Value]:
        condition, outer = self.condition(pool), self.build.ops
        sides: list[tuple[list[Value], list[Value]]] = []
        blocks = []
        for _ in range(2):
            self.build.ops = []
            sides.append((self.block(pool, depth), []))
            blocks.append(self.build.ops)
        for v in self.random.sample(sides[0][0], min(3, len(sides[0][0]))):
            other = [w for w in sides[1][0] if w.type == v.type and isinstance(v.type, TensorType)]
            if other:
                sides[0][1].append(v)
                sides[1][1].append(self.random.choice(other))
        self.build.ops = outer
        made = tuple(
            Block((), tuple(ops), tuple(results))
            for ops, (_, results) in zip(blocks, sides, strict=True)
        )
        types = [self.opened(v) for v in sides[0][1]]
        return list(self.build.emit("if", [condition], types=types, blocks=made))

    def loop(self, pool: list[Value], depth: int) -> list[Value]:
        start = [v for v in (self.pick(pool) for _ in range(2)) if v is not None]
        trips = self.build.size(self.random.choice([0, 1, 1, 2, 3]))
        condition = self.condition(pool)
        index = Value(ScalarType("int", self.build.fresh("i")), "i")
        params = [Value(self.opened(v)) for v in start]
        outer, self.build.ops = self.build.ops, []
        inner = self.block([*pool, index, *params], depth)
        again = [self.random.choice([w for w in inner if w.type == p.type]) for p in params]
        body = Block((index, *params), tuple(self.build.ops), (condition, *again))
        self.build.ops = outer
        types = [self.opened(p) for p in params]
        return list(
            self.build.emit("loop", [trips, condition, *start], types=types, blocks=(body,))
        )

    def opened(self, v: Value) -> TensorType:
        """Return the type of `v`, now and then with symbols of its own for sizes that are known."""
        t = tensor(v)
        sizes = {d for d in t.shape if not isinstance(d, int)}
        if sizes <= {N} and self.random.random() < 0.6:
            return t
        own: dict[Dim, Dim] = {d: self.build.fresh() for d in sorted(sizes, key=str)}
        return replace(t, shape=tuple(own.get(d, d) for d in t.shape))


def tensor(v: Value) -> TensorType:
    """Return the type of a tensor."""
    assert isinstance(v.type, TensorType)
    return v.type


def kind(v: Value) -> str:
    """Return the kind of a tensor's elements."""
    return tensor(v).dtype.kind


def broadcasts(a: Shape, b: Shape) -> bool:
    """Whether two shapes broadcast for every size."""
    pairs = list(zip(reversed(a), reversed(b), strict=False))
    return all(x == y or 1 in (x, y) for x, y in pairs)


assert all(name in OPS for names in (*UNARY.values(), *BINARY.values(), COMPARE) for name in names)
