"""What a scripted function is as a Python object: eager mode, debuggers, pickles, threads, sources."""

from __future__ import annotations

import functools
import inspect
import pickle
import subprocess
import sys
import threading
import traceback
from typing import Any

import pytest

import jitorch as jt
from jitorch import jit
from jitorch.errors import CompileError, TypeMismatch
from tests.frontend import helpers

X = jt.tensor([1.0, -2.0, 3.0])


@jit.script
def stepped(x: Any, n: int = 2) -> Any:
    """Add up."""
    total = x
    for i in range(n):
        total = total + i
    return total


def test_name_doc_and_signature_stay() -> None:
    assert (stepped.__name__, stepped.__doc__) == ("stepped", "Add up.")
    assert str(inspect.signature(stepped)) == "(x: 'Any', n: 'int' = 2) -> 'Any'"
    assert repr(stepped) == "<jitorch.script function stepped>"
    assert jit.script(stepped) is stepped


def lines_seen(run: Any, code: Any) -> list[int]:
    """Return the lines of a function that a debugger would stop at, counted from its first."""
    seen: list[int] = []

    def tracer(frame: Any, event: str, arg: Any) -> Any:
        if frame.f_code is code and event == "line":
            seen.append(frame.f_lineno - code.co_firstlineno)
        return tracer

    old = sys.gettrace()
    sys.settrace(tracer)
    try:
        run()
    finally:
        sys.settrace(old)
    return seen


def test_a_debugger_sees_the_users_lines_in_eager_mode() -> None:
    code = stepped.__wrapped__.__code__

    def with_eager() -> None:
        with jit.eager():
            stepped(X)

    steps = [3, 4, 5, 4, 5, 4, 6]
    assert lines_seen(with_eager, code) == steps
    assert lines_seen(lambda: stepped.eager(X), code) == steps
    assert lines_seen(lambda: stepped(X), code) == []


def test_eager_mode_reaches_callees_and_ends() -> None:
    code = helpers.scripted_swish.__wrapped__.__code__
    outer = jit.script(lambda x: helpers.scripted_swish(x))
    assert lines_seen(lambda: outer.eager(X), code) != []
    assert lines_seen(lambda: outer(X), code) == []


@jit.script
def fails(x: Any) -> Any:
    y = x + 1
    raise ValueError("no good")
    return y


def test_exceptions_in_eager_mode_have_the_plain_traceback() -> None:
    with pytest.raises(ValueError, match="no good") as info:
        fails.eager(X)
    frames = traceback.extract_tb(info.value.__traceback__)
    assert [f.name for f in frames[-1:]] == ["fails"]
    assert frames[-1].line == 'raise ValueError("no good")'


def test_the_environment_makes_everything_eager() -> None:
    program = (
        "import tests.frontend.helpers as h, jitorch as jt, sys\n"
        "print(h.scripted_swish(jt.tensor([1.0])).shape, h.scripted_swish._versions)\n"
    )
    made = subprocess.run(
        [sys.executable, "-c", program], env={**__import__("os").environ, "JITORCH_EAGER": "1"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert made.stdout == "torch.Size([1]) {}\n"


def test_a_scripted_function_pickles() -> None:
    again = pickle.loads(pickle.dumps(helpers.countdown))
    assert again is helpers.countdown
    made = subprocess.run(
        [sys.executable, "-c", "import pickle, sys; print(pickle.loads(sys.stdin.buffer.read()))"],
        input=pickle.dumps(helpers.countdown), capture_output=True, check=True,
    )  # fmt: skip
    assert made.stdout == b"<jitorch.script function countdown>\n"


def test_a_local_scripted_function_says_why_it_does_not_pickle() -> None:
    f = jit.script(lambda x: x)
    with pytest.raises(pickle.PicklingError, match="module level"):
        pickle.dumps(f)


def test_threads_compile_once_and_agree() -> None:
    f = jit.script(lambda x, n: helpers.countdown(x, n) * 2)
    results: list[Any] = []
    start = threading.Barrier(8)

    def work(n: int) -> None:
        start.wait()
        for k in range(5):
            results.append((n + k, f(jt.ones(n + 2), n + k).tolist()))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(results) == 40
    assert sum(map(len, f._versions.values())) == 1
    for n, got in results:
        assert got[0] == (helpers.countdown.eager(jt.ones(1), n) * 2).item()


class Model:
    def __init__(self) -> None:
        self.weight = jt.tensor([1.0, 2.0, 3.0])

    @jit.script
    def forward(self, x: Any, scale: float = 1.0) -> Any:
        """Weigh."""
        return x * self.weight * scale


def test_a_method_can_be_scripted() -> None:
    model, other = Model(), Model()
    assert model.forward(X).tolist() == [1.0, -4.0, 9.0]
    assert model.forward(X, scale=2.0).tolist() == [2.0, -8.0, 18.0]
    other.weight = jt.tensor([0.0, 0.0, 1.0])
    assert other.forward(X).tolist() == [0.0, -0.0, 3.0]
    assert Model.forward(model, X).tolist() == [1.0, -4.0, 9.0]
    assert model.forward.__doc__ == "Weigh."


def test_a_scripted_method_is_called_from_scripted_code() -> None:
    model = Model()
    assert jit.script(lambda x: model.forward(x) + 1)(X).tolist() == [2.0, -3.0, 10.0]


def decorated(fn: Any) -> Any:
    @functools.wraps(fn)
    def wrapper(x: Any) -> Any:
        return fn(x) + 1

    return wrapper


@decorated
def bumped(x: Any) -> Any:
    return x * 2


def test_decorated_callees_keep_their_decorators() -> None:
    assert jit.script(lambda x: bumped(x))(X).tolist() == [3.0, -3.0, 7.0]
    assert jit.script(bumped)(X).tolist() == [3.0, -3.0, 7.0]


def test_code_without_source_is_refused() -> None:
    space: dict[str, Any] = {}
    exec("def f(x):\n    return x + 1\n", space)
    with pytest.raises(CompileError, match="can't read the source of 'f'"):
        jit.script(space["f"])(X)


def test_only_functions_are_scripted() -> None:
    for wrong in (3, Model, len, "x"):
        with pytest.raises(TypeMismatch, match="script takes a function"):
            jit.script(wrong)  # type: ignore[arg-type]


def test_non_ascii_and_continuation_lines_keep_the_carets_right() -> None:
    def grüße(größe: Any, 数: Any) -> Any:
        überschrift = "漢字かな"; y = größe + \
            (größe @
             数)  # fmt: skip
        return y, überschrift

    with pytest.raises(RuntimeError) as info:
        jit.script(grüße)(jt.ones(2, 3), jt.ones(2, 3))
    lines = str(info.value).splitlines()
    assert lines[2:4] == ["    (größe @", "     ^^^^^^^"]

    def breit(x: Any) -> Any:
        return ("漢字", x.nichts)

    with pytest.raises(AttributeError) as info2:
        jit.script(breit)(X)
    assert str(info2.value).splitlines()[2:4] == [
        '    return ("漢字", x.nichts)',
        " " * 20 + "^" * 8,
    ]
