"""A function together with the arguments of one call: what the commands work on."""

from __future__ import annotations

import inspect
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jitorch import jit
from jitorch.cli import inputs
from jitorch.cli.console import Failure, Misuse, user_traceback
from jitorch.cli.inputs import Arguments
from jitorch.cli.target import Target, load
from jitorch.errors import JitorchError
from jitorch.frontend.function import ScriptFunction
from jitorch.frontend.program import Recorded
from jitorch.frontend.trace import TracedFunction
from jitorch.frontend.version import Version


@dataclass(frozen=True)
class Options:
    """How the text of an input becomes a value."""

    numpy: bool = False
    seed: int = 0
    trace: bool = False


@dataclass(frozen=True)
class Subject:
    """A compiled function and arguments for it."""

    target: Target
    function: ScriptFunction[..., Any] | TracedFunction[..., Any]
    arguments: Arguments
    seconds: float  # what tracing took

    @property
    def name(self) -> str:
        return self.target.name

    @property
    def python(self) -> Any:
        """The plain Python function."""
        return self.function.__wrapped__

    def call(self, arguments: Arguments) -> Any:
        """Run compiled."""
        return self.function(*arguments.args, **arguments.kwargs)

    def eager(self, arguments: Arguments) -> Any:
        """Run as plain Python."""
        with jit.eager():
            return self.python(*arguments.args, **arguments.kwargs)

    def recorded(self) -> Recorded:
        """Return what the front end makes of the function, without compiling it."""
        if isinstance(self.function, TracedFunction):
            return self.function.version.recorded
        leaves, bound = self.function.leaves(self.arguments.args, self.arguments.kwargs)
        return self.function.record(leaves, bound)

    def version(self) -> Version:
        """Return the compiled version for the arguments."""
        if isinstance(self.function, TracedFunction):
            return self.function.version
        leaves, bound = self.function.leaves(self.arguments.args, self.arguments.kwargs)
        return self.function.version(leaves, bound)

    def inputs(self) -> list[tuple[str, str]]:
        """Return the arguments by name, each with what it is."""
        bound = inspect.signature(self.python).bind(*self.arguments.args, **self.arguments.kwargs)
        bound.apply_defaults()
        return [(name, inputs.describe(x)) for name, x in bound.arguments.items()]


def open_subject(spec: str, texts: Sequence[str], options: Options) -> Subject:
    """Load a function, read its inputs, and script or trace it if it is plain Python."""
    target = load(spec)
    arguments = read_arguments(target, texts, options)
    fn = target.function
    if isinstance(fn, TracedFunction) or (isinstance(fn, ScriptFunction) and not options.trace):
        return Subject(target, fn, arguments, 0.0)
    if not options.trace:
        return Subject(target, jit.script(fn), arguments, 0.0)
    start = time.perf_counter()
    traced = _traced(fn, arguments)
    return Subject(target, traced, arguments, time.perf_counter() - start)


def _traced(fn: Any, arguments: Arguments) -> TracedFunction[..., Any]:
    bound = inspect.signature(fn).bind(*arguments.args, **arguments.kwargs)
    try:
        return jit.trace(fn, bound.args)
    except JitorchError:
        raise
    except Exception as error:  # a trace runs the user's code
        raise Failure(
            f"{fn.__name__} raised an error while it was traced\n{user_traceback(error)}"
        ) from None


def read_arguments(target: Target, texts: Sequence[str], options: Options) -> Arguments:
    """Return the arguments that the texts spell. Raises Misuse where they do not fit."""
    arguments = inputs.read(texts, vars(target.module), numpy=options.numpy, seed=options.seed)
    arguments = Arguments([*target.bound, *arguments.args], arguments.kwargs)
    fn = target.function
    signature = inspect.signature(fn)
    try:
        signature.bind(*arguments.args, **arguments.kwargs)
    except TypeError as error:
        raise Misuse(
            f"{target.name}() {error}\n  its signature is {target.name}{_plain(signature)}; "
            "give an --input for each argument that has no default"
        ) from None
    return arguments


def _plain(signature: inspect.Signature) -> inspect.Signature:
    """Return a signature without annotations."""
    empty = inspect.Signature.empty
    parameters = [p.replace(annotation=empty) for p in signature.parameters.values()]
    return signature.replace(parameters=parameters, return_annotation=empty)
