"""`check(fn, calls)`: run a function in every way there is, and compare all that a caller can see.

Eager Python is the truth. Compared with it: the typed graph and the optimised graph, both interpreted, the
trace (for functions that can be traced), and compiled kernels where a test asks for them. What is compared:
values, dtypes, shapes, what became of the arguments, which results share memory with which arguments, printed
output, and the kind of error. Every graph is verified, and its text must read back as the same text.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import numpy as np

import jitorch as jt
from jitorch import compile as backend, jit, pipeline
from jitorch.compile import Interpreted
from jitorch.ir.core import Graph
from jitorch.ir.parser import parse
from jitorch.ir.verify import verify
from jitorch.tensor import wrap

Call = tuple[Any, ...]
Compile = Callable[..., Any]


@dataclass
class Outcome:
    """All that a caller can see of one call."""

    result: Any
    arguments: Call
    printed: str
    error: tuple[str, str] | None
    aliases: list[tuple[int, int]] = field(default_factory=list)
    same_objects: list[tuple[int, int]] = field(default_factory=list)


def check(
    fn: Callable[..., Any],
    *calls: Call,
    trace: bool = False,
    compiled: bool = False,
    rtol: float = 1e-5,
    messages: bool = True,
    exact: bool = True,
    aliases: bool = True,
) -> None:
    """Assert that `fn`, called with each tuple of arguments in turn, does the same in all ways.

    `messages=False` compares only the class of an exception, not its text; `exact=False` allows for other
    elementary functions than eager mode's, such as NumPy's own; `aliases=False` does not ask which results
    share memory with arguments.
    """
    calls = (*calls, *calls)  # the second time, a call takes the quick way to its version
    wanted = [observe(plain(fn), call) for call in calls]
    # The interpreter carries out the very ops that eager mode does.
    rtol = 0.0 if exact and not compiled else rtol
    for how, compile_program in variants(compiled):
        with mock.patch.object(backend, "compile_program", compile_program):
            scripted = jit.script(plain(fn))
            made = [observe(scripted, call) for call in calls]
            _compare(f"script, {how}", wanted, made, calls, rtol, messages, aliases)
            if trace:
                traced = jit.trace(plain(fn), fresh(calls[0]))
                made = [observe(traced, call) for call in calls]
                _compare(f"trace, {how}", wanted, made, calls, rtol, messages, aliases)


def plain(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Return the Python function behind a scripted one."""
    return getattr(fn, "__wrapped__", fn)


def variants(compiled: bool) -> Iterator[tuple[str, Compile]]:
    """Yield the ways to make a graph run."""
    if compiled:
        yield "kernels", backend.compile_program
        return
    yield "typed", lambda graph, *rest: _interpreted(graph)
    yield "optimized", lambda graph, *rest: _interpreted(pipeline.run(graph, pipeline.OPTIMIZE))


def _interpreted(graph: Graph) -> Interpreted:
    verify(graph)
    text = str(graph)
    again = parse(text)
    assert str(again) == text
    return Interpreted(again)


def observe(fn: Callable[..., Any], call: Call) -> Outcome:
    """Call `fn` on copies of the arguments and note all that can be seen."""
    arguments, printed = fresh(call), io.StringIO()
    result, error = None, None
    with contextlib.redirect_stdout(printed), np.errstate(all="ignore"), jit_inside(fn):
        try:
            result = fn(*arguments)
        except Exception as e:
            error = (type(e).__name__, str(e))
    out = Outcome(result, arguments, printed.getvalue(), error)
    mine, theirs = list(leaves(result)), list(leaves(arguments))
    for i, a in enumerate(mine):
        for j, b in enumerate(theirs):
            if np.may_share_memory(array(a), array(b)) and np.shares_memory(array(a), array(b)):
                out.aliases.append((i, j))
            if a is b:
                out.same_objects.append((i, j))
    return out


def jit_inside(fn: Callable[..., Any]) -> contextlib.AbstractContextManager[None]:
    """Plain Python stays plain: scripted callees of an unscripted function run eagerly too."""
    scripted = isinstance(fn, (jit.ScriptFunction, jit.TracedFunction))
    return contextlib.nullcontext() if scripted else jit.eager()


def fresh(x: Any, memo: dict[int, Any] | None = None) -> Any:
    """Return a copy of arguments in which arrays keep their strides and share memory as before."""
    memo = {} if memo is None else memo
    if isinstance(x, (tuple, list)):
        items = [fresh(i, memo) for i in x]
        return type(x)(*items) if hasattr(x, "_fields") else type(x)(items)
    if isinstance(x, dict):
        return {k: fresh(v, memo) for k, v in x.items()}
    if not isinstance(x, (jt.Tensor, np.ndarray)):
        return x
    if id(x) not in memo:
        a = array(x)
        memo[id(x)] = wrap(_copied(a, memo)) if isinstance(x, jt.Tensor) else _copied(a, memo)
    return memo[id(x)]


def _copied(a: Any, memo: dict[int, Any]) -> Any:
    root = a
    while isinstance(root.base, np.ndarray):
        root = root.base
    if id(root) not in memo:
        memo[id(root)] = root.copy(order="K")
    if root is a:
        return memo[id(root)]
    offset = a.__array_interface__["data"][0] - root.__array_interface__["data"][0]
    return np.ndarray(a.shape, a.dtype, memo[id(root)], offset, a.strides)


def array(x: Any) -> Any:
    """Return the array behind a tensor or array."""
    return x._data if isinstance(x, jt.Tensor) else x


def leaves(x: Any) -> Iterator[Any]:
    """Yield the tensors and arrays in a value, in order."""
    if isinstance(x, (jt.Tensor, np.ndarray)):
        yield x
    elif isinstance(x, (tuple, list)):
        for i in x:
            yield from leaves(i)
    elif isinstance(x, dict):
        yield from leaves(list(x.values()))


def _compare(
    how: str,
    wanted: Sequence[Outcome],
    found: Sequence[Outcome],
    calls: Sequence[Call],
    rtol: float,
    messages: bool,
    aliases: bool,
) -> None:
    for w, f, call in zip(wanted, found, calls, strict=True):
        where = f"{how}, called with {call}:\n"
        if w.error is not None or f.error is not None:
            assert f.error is not None, f"{where}eager raised {w.error}, this returned {f.result}"
            assert w.error is not None, f"{where}raised {f.error[0]}: {f.error[1]}"
            assert w.error[0] == f.error[0], f"{where}eager {w.error}, this {f.error}"
            if messages:
                assert f.error[1].startswith(w.error[1]), f"{where}eager {w.error}, this {f.error}"
        else:
            assert_same(f.result, w.result, where + "result", rtol)
            if aliases:
                # A compiled function may return an argument itself where eager returns a view of it all.
                missed = set(w.same_objects) - set(f.same_objects)
                assert f.aliases == w.aliases, f"{where}(result, argument) that share memory"
                assert not missed, f"{where}(result, argument) that are one object in eager mode"
        assert f.printed == w.printed, where + "printed"
        assert_same(f.arguments, w.arguments, where + "arguments afterwards", rtol)


def assert_same(found: Any, wanted: Any, where: str, rtol: float = 1e-5) -> None:
    """Assert equal structure, types, dtypes, shapes and values (signs of zeros and NaNs included)."""
    assert type(found) is type(wanted), f"{where}: {found!r} where eager has {wanted!r}"
    if isinstance(wanted, (tuple, list)):
        assert len(found) == len(wanted), f"{where}: {found!r} where eager has {wanted!r}"
        for i, (a, b) in enumerate(zip(found, wanted, strict=True)):
            assert_same(a, b, f"{where}[{i}]", rtol)
    elif isinstance(wanted, dict):
        assert list(found) == list(wanted), f"{where}: keys"
        for k in wanted:
            assert_same(found[k], wanted[k], f"{where}[{k!r}]", rtol)
    elif isinstance(wanted, (jt.Tensor, np.ndarray, np.generic)):
        a, b = np.asarray(array(found)), np.asarray(array(wanted))
        assert (a.dtype, a.shape) == (b.dtype, b.shape), f"{where}: {found!r} not {wanted!r}"
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol, err_msg=where)
        if a.dtype.kind == "f":
            zeros = (a == 0) & (b == 0)
            signs = np.signbit(a[zeros]) == np.signbit(b[zeros])
            assert signs.all(), f"{where}: sign of zero, {found!r} not {wanted!r}"
    elif isinstance(wanted, float):
        np.testing.assert_allclose(found, wanted, rtol=rtol, atol=rtol, err_msg=where)
        assert wanted or np.signbit(found) == np.signbit(wanted), f"{where}: sign of zero"
    else:
        assert found == wanted, f"{where}: {found!r} not {wanted!r}"
