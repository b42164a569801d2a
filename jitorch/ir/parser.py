"""Text -> graph: the inverse of the printer.

graph @f(%x: f32[n, 4]) where (n == m) {
  %0: f32[n] = sum(%x) {dim=(1,), keepdim=False}   # comments run to the end of the line
  return %0
}
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from types import MappingProxyType

from jitorch.errors import VerifyError
from jitorch.ir.core import Attr, Block, Graph, Op, Value
from jitorch.ir.dims import Dim, Sym, from_ast
from jitorch.ir.types import BY_TAG, DType, ListType, ScalarType, TensorType, TupleType, Type

_TOKEN = re.compile(
    r"""(?P<space>\s+|\#[^\n]*)
      | (?P<string>"(?:[^"\\\n]|\\.)*")
      | (?P<value>%[\w.]+)
      | (?P<number>(?:\d+\.\d*|\.\d+|\d+)(?:[eE][+-]?\d+)?)
      | (?P<label>@[^\W\d]\w*)
      | (?P<name>[^\W\d]\w*)
      | (?P<punct>==|[-+*(){}\[\],:=;])""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    pos: int


def parse(text: str) -> Graph:
    """Return the graph that `text` spells. Raises VerifyError, with the line, where it is not IR.

    >>> print(parse("graph @f(%x: f32[n]) {\\n  %0: f32[n] = exp(%x)\\n  return %0\\n}"))
    graph @f(%x: f32[n]) {
      %0: f32[n] = exp(%x)
      return %0
    }
    """
    return _Parser(text).graph()


def parse_type(text: str) -> Type:
    """Return the type that `text` spells, such as `f32[n, 4]`."""
    parser = _Parser(text)
    result = parser.type()
    parser.expect_end()
    return result


def _tokens(text: str) -> list[_Token]:
    out, pos = [], 0
    while pos < len(text):
        match = _TOKEN.match(text, pos)
        if match is None:
            raise _error(text, pos, f"unexpected character {text[pos]!r}")
        if match.lastgroup != "space":
            out.append(_Token(str(match.lastgroup), match.group(), pos))
        pos = match.end()
    return [*out, _Token("end", "end of text", len(text.rstrip()))]


def _error(text: str, pos: int, message: str) -> VerifyError:
    """Return the error with the line it is about, and a caret."""
    start = text.rfind("\n", 0, pos) + 1
    line = text[start:].split("\n", 1)[0]
    indent = len(line) - len(line.lstrip())
    number = text.count("\n", 0, pos) + 1
    pad = " " * max(pos - start - indent, 0)
    return VerifyError(f"line {number}: {message}\n    {line.strip()}\n    {pad}^")


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = _tokens(text)
        self.pos = 0

    @property
    def now(self) -> _Token:
        return self.tokens[self.pos]

    def fail(self, message: str, token: _Token | None = None) -> VerifyError:
        return _error(self.text, (token or self.now).pos, message)

    def take(self) -> _Token:
        token = self.now
        self.pos += 1
        return token

    def accept(self, text: str) -> bool:
        if self.now.text != text or self.now.kind == "string":
            return False
        self.pos += 1
        return True

    def expect(self, text: str) -> None:
        if not self.accept(text):
            raise self.fail(f"expected '{text}', found '{self.now.text}'")

    def expect_kind(self, kind: str, what: str = "") -> str:
        if self.now.kind != kind:
            raise self.fail(f"expected {what or 'a ' + kind}, found '{self.now.text}'")
        return self.take().text

    def expect_end(self) -> None:
        if self.now.kind != "end":
            raise self.fail(f"expected the end, found '{self.now.text}'")

    def graph(self) -> Graph:
        self.expect("graph")
        name = self.expect_kind("label", "'@name'")
        scope: dict[str, Value] = {}
        params = self.params(scope)
        constraints = self.constraints() if self.accept("where") else ()
        self.expect("{")
        block = self.body(params, scope, "return")
        self.expect_end()
        return Graph(name[1:], block, constraints)

    def constraints(self) -> tuple[tuple[Dim, Dim], ...]:
        self.expect("(")
        out = []
        while not self.accept(")"):
            left = self.dim()
            self.expect("==")
            out.append((left, self.dim()))
            if self.now.text != ")":
                self.expect(",")
        return tuple(out)

    def params(self, scope: dict[str, Value]) -> tuple[Value, ...]:
        self.expect("(")
        out = []
        while not self.accept(")"):
            out.append(self.typed_value(scope))
            if self.now.text != ")":
                self.expect(",")
        return tuple(out)

    def typed_value(self, scope: dict[str, Value]) -> Value:
        token = self.now
        name = self.expect_kind("value", "'%name'")
        if name in scope:
            raise self.fail(f"{name} is defined twice", token)
        self.expect(":")
        value = Value(self.type(), hint_of(name[1:]))
        scope[name] = value
        return value

    def use(self, scope: dict[str, Value]) -> Value:
        token = self.now
        name = self.expect_kind("value", "'%name'")
        if name not in scope:
            raise self.fail(f"{name} is not defined here", token)
        return scope[name]

    def body(self, params: tuple[Value, ...], scope: dict[str, Value], end: str) -> Block:
        ops: list[Op] = []
        while self.now.text not in ("return", "yield"):
            if self.now.text == "}":
                raise self.fail(f"a block must end with '{end}'")
            ops.append(self.op(scope))
        self.expect(end)
        results = []
        while not self.accept("}"):
            results.append(self.use(scope))
            if self.now.text != "}":
                self.expect(",")
        return Block(params, tuple(ops), tuple(results))

    def op(self, scope: dict[str, Value]) -> Op:
        # An op's outputs join the scope after its blocks: a branch must not see its own result.
        first = self.now
        new: dict[str, Value] = {}
        outputs = []
        while self.now.kind == "value":
            outputs.append(self.typed_value(new))
            if not self.accept(","):
                self.expect("=")
                break
        name = self.expect_kind("name")
        self.expect("(")
        inputs = []
        while not self.accept(")"):
            inputs.append(self.use(scope))
            if self.now.text != ")":
                self.expect(",")
        attrs = self.attrs() if self.accept("{") else {}
        blocks = []
        while self.now.text == "(":
            inner = dict(scope)
            params = self.params(inner)
            self.expect("{")
            blocks.append(self.body(params, inner, "yield"))
        for key in new:
            if key in scope:
                raise self.fail(f"{key} is defined twice", first)
        scope.update(new)
        return Op(name, tuple(inputs), tuple(outputs), MappingProxyType(attrs), tuple(blocks))

    def attrs(self) -> dict[str, Attr]:
        out: dict[str, Attr] = {}
        while not self.accept("}"):
            token = self.now
            key = self.expect_kind("name")
            if key in out:
                raise self.fail(f"attribute '{key}' is given twice", token)
            self.expect("=")
            out[key] = self.attr()
            if self.now.text != "}":
                self.expect(",")
        return out

    def attr(self) -> Attr:
        token = self.now
        if token.kind == "string":
            return str(ast.literal_eval(self.take().text))
        if token.text == "(":
            return self.attr_tuple()
        if token.text in BY_TAG:
            return BY_TAG[self.take().text]
        if token.text in _WORDS:
            return _WORDS[self.take().text]
        if token.text == "complex":
            return self.complex()
        return self.number_or_dim()

    def complex(self) -> complex:
        token = self.take()
        parts = self.attr_tuple()
        if len(parts) != 2 or any(not isinstance(p, (int, float)) for p in parts):
            raise self.fail("expected complex(real, imaginary)", token)
        real, imag = (float(p) for p in parts if isinstance(p, (int, float)))
        return complex(real, imag)

    def attr_tuple(self) -> tuple[Attr, ...]:
        self.expect("(")
        out = []
        while not self.accept(")"):
            out.append(self.attr())
            if self.now.text != ")":
                self.expect(",")
        return tuple(out)

    def number_or_dim(self) -> int | float | Sym:
        negative = self.now.text == "-"
        ahead = self.tokens[self.pos + negative]
        is_float = ahead.kind == "number" and not ahead.text.isdigit()
        if is_float or ahead.text in ("inf", "nan"):
            self.pos += 1 + negative
            return -float(ahead.text) if negative else float(ahead.text)
        return self.dim()

    def dim(self) -> Dim:
        """Collect the tokens of one size expression and let Python's own parser read them."""
        first, parts, depth = self.now, [], 0
        while depth or self.now.text not in (",", ")", "]", "}", ";", "=="):
            if self.now.kind == "end":
                raise self.fail("a size expression does not end")
            depth += {"(": 1, ")": -1}.get(self.now.text, 0)
            parts.append(self.take().text)
        try:
            return from_ast(ast.parse(" ".join(parts), mode="eval").body)
        except (SyntaxError, VerifyError):
            raise self.fail(f"not a size expression: {' '.join(parts)!r}", first) from None

    def type(self) -> Type:
        token = self.now
        name = self.expect_kind("name", "a type")
        if name in BY_TAG and self.now.text == "[":
            return self.tensor_type(BY_TAG[name])
        if name == "tuple":
            return TupleType(self.type_list())
        if name == "list":
            items = self.type_list()
            if len(items) != 1:
                raise self.fail("a list type has one item type", token)
            return ListType(items[0])
        if name == "int" and self.accept("("):
            value = self.dim()
            self.expect(")")
            return ScalarType("int", value)
        if name in ("bool", "int", "float", "complex", "str", "none"):
            return ScalarType(name)
        raise self.fail(f"unknown type '{name}'", token)

    def type_list(self) -> tuple[Type, ...]:
        self.expect("[")
        out = []
        while not self.accept("]"):
            out.append(self.type())
            if self.now.text != "]":
                self.expect(",")
        return tuple(out)

    def tensor_type(self, dtype: DType) -> TensorType:
        self.expect("[")
        dims, strided = [], False
        while not self.accept("]"):
            if self.accept(";"):
                self.expect("strided")
                strided = True
                continue
            dims.append(self.dim())
            if self.now.text not in ("]", ";"):
                self.expect(",")
        return TensorType(dtype, tuple(dims), strided, self.device())

    def device(self) -> str:
        if self.now.kind != "label":
            return "cpu"
        name = self.take().text[1:]
        return f"{name}:{self.expect_kind('number')}" if self.accept(":") else name


def hint_of(name: str) -> str:
    """Return the user's part of a printed name: none of a number, `x` of `x.1`."""
    base = name.split(".")[0]
    return "" if base.isdigit() else base


_WORDS: dict[str, Attr] = {
    "True": True,
    "False": False,
    "None": None,
    "inf": float("inf"),
    "nan": float("nan"),
}
