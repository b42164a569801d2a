"""`FILE.py:FUNC` and `package.module:FUNC`: the function that a command is about."""

from __future__ import annotations

import difflib
import functools
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from jitorch.cli.console import Failure, Misuse, user_traceback
from jitorch.frontend.function import ScriptFunction
from jitorch.frontend.trace import TracedFunction


@dataclass(frozen=True)
class Target:
    """What a name stands for: a function, and arguments it already has (the object of a method)."""

    name: str
    module: ModuleType
    function: ScriptFunction[..., Any] | TracedFunction[..., Any] | Callable[..., Any]
    bound: tuple[Any, ...] = ()


def load(spec: str) -> Target:
    """Return the function that `spec` names. Raises Misuse where there is none."""
    where, colon, name = spec.rpartition(":")
    if not colon or not where or not name:
        raise Misuse(f"expected FILE.py:FUNCTION or package.module:FUNCTION, got '{spec}'")
    is_file = where.endswith(".py") or "/" in where or "\\" in where
    module = _import_file(Path(where)) if is_file else _import_module(where)
    return _target(module, where, name)


def _import_file(path: Path) -> ModuleType:
    """Import a file so that it finds its neighbours; one in a package by its full name."""
    if not path.is_file():
        raise Misuse(f"there is no file '{path}'")
    path = path.resolve()
    folder, parts = path.parent, [path.stem]
    while (folder / "__init__.py").is_file():
        parts.insert(0, folder.name)
        folder = folder.parent
    sys.path.insert(0, str(folder))
    if len(parts) > 1:
        return _import(".".join(parts))
    # A file may be called like a module that is already imported.
    name = path.stem if path.stem not in sys.modules else f"_{path.stem}_file"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    _run_import(path.name, functools.partial(spec.loader.exec_module, module))
    return module


def _import_module(name: str) -> ModuleType:
    sys.path.insert(0, str(Path.cwd()))
    try:
        found = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        found = None
    if found is None:
        raise Misuse(
            f"there is no module '{name}'; a file is named with its ending: {name}.py:FUNCTION"
        )
    return _import(name)


def _import(name: str) -> ModuleType:
    module = _run_import(name, functools.partial(importlib.import_module, name))
    assert isinstance(module, ModuleType)
    return module


def _run_import(what: str, action: Callable[[], Any]) -> Any:
    """Run the user's module. Whatever it raises is shown as theirs."""
    try:
        return action()
    except SystemExit as error:
        raise Failure(
            f"{what} ends the program when it is imported (exit code {error.code})"
        ) from None
    except Exception as error:
        raise Failure(f"{what} can't be imported\n{user_traceback(error)}") from None


def _target(module: ModuleType, where: str, name: str) -> Target:
    found: Any = module
    for part in name.split("."):
        owner, found = found, getattr(found, part, _MISSING)
        if found is _MISSING:
            raise Misuse(f"'{where}' has no '{name}'{_suggestion(owner, part)}")
    bound: tuple[Any, ...] = ()
    if inspect.ismethod(found):
        found, bound = found.__func__, (found.__self__,)
    elif isinstance(found, functools.partial) and isinstance(_owner(found.func), ScriptFunction):
        found, bound = _owner(found.func), found.args  # a scripted method of an object
    if not isinstance(found, (ScriptFunction, TracedFunction)) and not inspect.isfunction(found):
        raise Misuse(
            f"'{name}' in '{where}' is {_kind(found)}, not a function{_methods(found, name)}"
        )
    return Target(name, module, found, bound)


_MISSING = object()


def _owner(method: Any) -> Any:
    return getattr(method, "__self__", None)


def _kind(x: Any) -> str:
    return f"the class {x.__name__}" if inspect.isclass(x) else f"of type {type(x).__name__}"


def _methods(x: Any, name: str) -> str:
    """Return how to name a method of an object."""
    if inspect.isclass(x):
        return f"; name a method of an object of it, such as object.{_first_method(x)}"
    return f"; name a method of it, such as {name}.{_first_method(type(x))}"


def _first_method(cls: type) -> str:
    return next((n for n in vars(cls) if not n.startswith("_")), "forward")


def _suggestion(owner: Any, name: str) -> str:
    """Return what the user may have meant: a similar name, else all functions there are."""
    names = [
        n for n, x in vars(owner).items() if _is_function_of(owner, x) and not n.startswith("__")
    ]
    close = difflib.get_close_matches(name, names, 1)
    if close:
        return f"; did you mean '{close[0]}'?"
    return f"; its functions are: {', '.join(sorted(names))}" if names else ""


def _is_function_of(owner: Any, x: Any) -> bool:
    """Whether `x` is a function that was defined there, not imported."""
    if not isinstance(x, (ScriptFunction, TracedFunction)) and not inspect.isfunction(x):
        return False
    return not isinstance(owner, ModuleType) or x.__module__ == owner.__name__
