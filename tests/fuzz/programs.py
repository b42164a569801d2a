"""Random programs: Python source with branches, loops, views and changes in place over a few tensors.

Variables `a b c` are tensors of one length, `s t` floats, `i j` ints, `p q` views. What a program does is
often pointless, never an error that depends on the data.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from hypothesis import strategies as st

Draw = Callable[[st.SearchStrategy[str]], str]

TENSORS = ("a", "b", "c")
FLOATS = ("s", "t")
INTS = ("i", "j")


@dataclass
class Writer:
    """Draws statements and keeps them as lines."""

    draw: Draw
    lines: list[str] = field(default_factory=list)
    depth: int = 1
    loops: int = 0
    counter: int = 0

    def pick(self, *choices: str) -> str:
        return self.draw(st.sampled_from(choices))

    def line(self, text: str) -> None:
        self.lines.append("    " * self.depth + text)

    def tensor(self) -> str:
        x, y = self.pick(*TENSORS), self.pick(*TENSORS)
        return self.pick(
            f"{x} + {y}", f"{x} * {self.number()}", f"jt.where({x} > {y}, {x}, {self.number()})", f"-{x}",
            f"jt.minimum({x}, {y}) - {self.number()}", f"{x}.clamp(-2.0, 2.0)", f"jt.cat([{x}[1:], {y}[:1]])",
            f"{x}.sum() + {y}", f"{x}.flip(0)", f"({x} - {x}.max()).abs()", f"{x}.clone()",
        )  # fmt: skip

    def number(self) -> str:
        return self.pick(
            *FLOATS,
            *INTS,
            "0.5",
            "2",
            "-1.25",
            "float(i)",
            f"{self.pick(*TENSORS)}[{self.index()}].item()",
        )

    def index(self) -> str:
        return self.pick("0", "-1", "1", "2", "i % 3", "j % 3")

    def test(self) -> str:
        x = self.pick(*TENSORS)
        one = self.pick(
            f"{x}.sum() > {self.number()}", f"{x}[{self.index()}] < {self.pick(*TENSORS)}[0]", "i > j",
            "s < t", "i % 2 == 0",
            "s < i <= 5", f"{x}.shape[0] > 3", "flag",
        )  # fmt: skip
        other = self.pick("i < 3", "s > 0", "not flag", f"{x}[0] > 0")
        return self.pick(one, one, f"{one} and {other}", f"{one} or {other}", f"not ({one})")

    def statement(self) -> None:
        kinds = (
            ["alias"]
            + ["tensor"] * 9
            + [
                "float",
                "int",
                "in place",
                "in place",
                "item",
                "slice",
                "view",
                "flag",
                "print",
                "append",
            ]
        )
        if self.depth < 4:
            kinds += ["if", "if", "for", "while", "if"]
        if self.loops:
            kinds += ["leave", "leave"]
        if self.depth > 1:
            kinds += ["return"]
        getattr(self, "do_" + self.pick(*kinds).replace(" ", "_"))()

    def block(self) -> None:
        self.depth += 1
        for _ in range(int(self.pick("1", "2", "3"))):
            self.statement()
        self.depth -= 1

    def do_tensor(self) -> None:
        self.line(f"{self.pick(*TENSORS)} = {self.tensor()}")

    def do_alias(self) -> None:
        self.line(f"{self.pick(*TENSORS)} = {self.pick(*TENSORS)}")

    def do_float(self) -> None:
        self.line(
            f"{self.pick(*FLOATS)} = "
            f"{self.pick('0.25', 's * 0.5', 't - s', 'a.sum().item() * 0.125', 'float(j) - 1.0', '-0.0')}"
        )

    def do_int(self) -> None:
        self.line(
            f"{self.pick(*INTS)} = {self.pick('i + 1', 'j * 2 - i', '3', 'abs(i - j) % 7', 'a.shape[0] - j', 'i // 2')}"
        )

    def do_in_place(self) -> None:
        x = self.pick(*TENSORS)
        self.line(
            self.pick(
                f"{x} += {self.number()}",
                f"{x} *= {self.pick(*TENSORS)}",
                f"{x} -= 1",
                f"{x}.add_(1.5)",
                f"{x}[{x} > 3] = 0.5",
            )
        )

    def do_item(self) -> None:
        self.line(f"{self.pick(*TENSORS)}[{self.index()}] {self.pick('=', '+=')} {self.number()}")

    def do_slice(self) -> None:
        x = self.pick(*TENSORS)
        self.line(
            self.pick(
                f"{x}[1:] = {self.pick(*TENSORS)}[:-1]",
                f"{x}[:2] *= 0.5",
                f"{x}[::2] = {self.number()}",
                f"{x}[1:-1] += 1",
            )
        )

    def do_view(self) -> None:
        self.counter += 1
        name = f"v{self.counter}"
        self.line(f"{name} = {self.pick(*TENSORS)}[{self.pick('1:', ':2', '::2')}]")
        self.line(self.pick(f"{name} += 1", f"{name} *= {self.number()}", f"{name}[0] = 7.0"))

    def do_flag(self) -> None:
        self.line(f"flag = {self.test()}")

    def do_print(self) -> None:
        self.line(f'print("{self.pick("x", "y")}", i, bool(flag))')

    def do_append(self) -> None:
        self.line(f"out.append({self.tensor()})")

    def do_if(self) -> None:
        self.line(f"if {self.test()}:")
        self.block()
        if self.pick("yes", "no") == "yes":
            self.line(f"elif {self.test()}:")
            self.block()
        if self.pick("yes", "no") == "yes":
            self.line("else:")
            self.block()

    def do_for(self) -> None:
        self.counter += 1
        head = self.pick(
            "range(3)",
            "range(i % 4)",
            "range(2, -1, -1)",
            "a",
            "enumerate(b)",
            "(1, 2)",
            "range(j % 3, 4)",
        )
        target = (
            f"n{self.counter}" if head != "enumerate(b)" else f"n{self.counter}, e{self.counter}"
        )
        self.line(f"for {target} in {head}:")
        self.loops += 1
        self.block()
        self.loops -= 1
        if self.pick("yes", "no", "no") == "yes":
            self.line("else:")
            self.block()

    def do_while(self) -> None:
        self.counter += 1
        name = f"k{self.counter}"
        self.line(f"{name} = 0")
        self.line(f"while {name} < 4 and ({self.test()}):")
        self.depth += 1
        self.line(f"{name} += 1")
        self.depth -= 1
        self.loops += 1
        self.block()
        self.loops -= 1

    def do_leave(self) -> None:
        self.line(f"if {self.test()}:")
        self.depth += 1
        self.line(self.pick("break", "continue"))
        self.depth -= 1

    def do_return(self) -> None:
        self.line(f"if {self.test()}:")
        self.depth += 1
        self.line("return a, b, c, s, t, i, j, bool(flag), out")
        self.depth -= 1


@st.composite
def programs(draw: Draw) -> str:
    """Draw the source of a function `f(a, b, c, s, i)`."""
    w = Writer(draw)
    for _ in range(int(w.pick("3", "5", "8"))):
        w.statement()
    head = ["import jitorch as jt", "", "", "def f(a, b, c, s, i):"]
    start = ["    t, j, flag = 1.5, 2, False", "    out = [a * 1.0]"]
    return "\n".join(
        [*head, *start, *w.lines, "    return a, b, c, s, t, i, j, bool(flag), out", ""]
    )
