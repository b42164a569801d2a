"""Source and IR text as HTML with classes for colours. Everything is escaped.

Classes: k keyword, s string, n number, c comment, d a name being defined; v value, t type, o op.
"""

from __future__ import annotations

import io
import keyword
import re
import tokenize
from collections.abc import Iterator
from html import escape

from jitorch.ir.types import DTYPES

Span = tuple[int, int, str]  # columns from and to, class

_TYPES = "|".join(d.tag for d in DTYPES)
_IR = re.compile(
    rf"""(?P<c>\#.*)
       | (?P<s>"(?:[^"\\]|\\.)*")
       | (?P<v>%[\w.]+)
       | (?P<t>\b(?:{_TYPES})\[[^\]]*\] | (?<==)(?:{_TYPES})\b
             | (?<=:[ ])(?:int|float|bool|str|tuple|list)\b)
       | (?P<k>\b(?:graph|return|yield|True|False|None)\b | \bwhere(?=[ ]\())
       | (?P<n>(?<![\w.%])-?\d[\w.]*)
       | (?P<o>@?\w+(?=\())""",
    re.VERBOSE,
)


def colour_ir(line: str) -> str:
    """Return a line of IR text as HTML."""
    return _marked(line, [(m.start(), m.end(), str(m.lastgroup)) for m in _IR.finditer(line)])


def colour_python(text: str) -> list[str]:
    """Return the lines of Python source as HTML; those that are no Python stay plain."""
    lines = text.split("\n")
    spans: list[list[Span]] = [[] for _ in lines]
    try:
        for token, kind in _tokens(text):
            _add(spans, lines, token, kind)
    except (tokenize.TokenError, SyntaxError):
        pass  # what came before the error keeps its colours
    return [_marked(line, marks) for line, marks in zip(lines, spans, strict=True)]


def _tokens(text: str) -> Iterator[tuple[tokenize.TokenInfo, str]]:
    before = ""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if kind := _kind(token, before):
            yield token, kind
        before = token.string


def _kind(token: tokenize.TokenInfo, before: str) -> str:
    match token.type:
        case tokenize.COMMENT:
            return "c"
        case tokenize.NUMBER:
            return "n"
        case tokenize.STRING:
            return "s"
        case tokenize.NAME if keyword.iskeyword(token.string):
            return "k"
        case tokenize.NAME if before in ("def", "class"):
            return "d"
    # The parts of an f-string are tokens of their own from Python 3.12 on.
    return "s" if tokenize.tok_name[token.type].startswith("FSTRING") else ""


def _add(spans: list[list[Span]], lines: list[str], token: tokenize.TokenInfo, kind: str) -> None:
    """Note a token on each line it stands on."""
    (first, start), (last, end) = token.start, token.end
    for n in range(first, last + 1):
        stop = end if n == last else len(lines[n - 1])
        spans[n - 1].append((start if n == first else 0, stop, kind))


def _marked(line: str, spans: list[Span]) -> str:
    out, at = [], 0
    for start, end, kind in spans:
        if start >= at and end > start:
            out += [
                escape(line[at:start]),
                f'<span class="{kind}">{escape(line[start:end])}</span>',
            ]
            at = end
    return "".join([*out, escape(line[at:])])
