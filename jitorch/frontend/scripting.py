"""Recording of scripted functions: what `function.py` needs once a function has to be compiled."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from jitorch.errors import Loc, TypeMismatch, at
from jitorch.frontend.arguments import Leaves
from jitorch.frontend.calls import inline, user_function
from jitorch.frontend.frame import Program, UserFunction
from jitorch.frontend.program import Recorded, finish
from jitorch.frontend.record import Recorder
from jitorch.frontend.script import Frame
from jitorch.frontend.signature import parameter
from jitorch.frontend.source import Source
from jitorch.ir.parser import parse_type
from jitorch.ir.types import TensorType
from jitorch.tensor import wrap


def record(fn: Callable[..., Any], leaves: Leaves, bound: Mapping[str, Any]) -> Recorded:
    """Return the program of a function for the arguments of a call."""
    rec = Recorder(numpy=leaves.numpy and not leaves.torch)
    program = Program(rec)
    target = user_function(fn)
    with rec.recording(), at(target.source.loc(target.source.node)):
        frame = Frame(program, target)
        given = {name: parameter(rec, name, x) for name, x in bound.items()}
        with rec.naming_sizes():
            result = frame.run(given)
        return finish(rec, fn.__name__, result, list(program.value_guards.values()))


def record_into(rec: Any, fn: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """Record a function into a program under construction, control flow and all."""
    target = user_function(fn)
    frame = Frame(Program(rec), UserFunction(target.source, target.globals, target.closure))
    return inline(frame, target, args, kwargs)


def signature_loc(fn: Callable[..., Any]) -> Loc:
    """Return the place of a function's first parameter."""
    source: Source = user_function(fn).source
    parameters = source.node.args.args
    return source.loc(parameters[0] if parameters else source.node)


def example(x: Any) -> Any:
    """Return an argument for compiling: a tensor for the text of its type, anything else as it is."""
    if not isinstance(x, str) or not re.fullmatch(r"\w+ *\[.*\]", x):
        return x
    t = parse_type(x)
    if not isinstance(t, TensorType) or not all(isinstance(n, int) for n in t.shape):
        raise TypeMismatch(f"'{x}' is no tensor of known sizes", hint='such as "f32[8, 16]"')
    return wrap(np.zeros(t.shape, t.dtype.numpy))
