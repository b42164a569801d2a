"""The list of wrong programs: each a function, a call, and the exception that is due."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Wrong:
    """A call that must be refused."""

    fn: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    error: type[Exception]


@dataclass
class Registry:
    """Collects the cases of a module by decorator."""

    cases: dict[str, Wrong] = field(default_factory=dict)

    def __call__(self, error: type[Exception], *args: Any, **kwargs: Any) -> Any:
        def add(fn: Callable[..., Any]) -> Callable[..., Any]:
            assert fn.__name__ not in self.cases
            self.cases[fn.__name__] = Wrong(fn, args, kwargs, error)
            return fn

        return add


wrong = Registry()
