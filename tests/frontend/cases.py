"""Programs as test cases: a decorated function and the calls to make."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.checking import Call, check


class Programs:
    """Collects functions, and makes of them a test that runs each in every way.

    >>> programs = Programs()
    >>> @programs((x,), (y,))
    ... def doubled(x):
    ...     return x * 2
    >>> test_program = programs.test()
    """

    def __init__(self, **options: Any) -> None:
        self.options = options
        self.cases: list[tuple[Callable[..., Any], tuple[Call, ...], dict[str, Any]]] = []

    def __call__(self, *calls: Call, **options: Any) -> Callable[[Callable[..., Any]], Any]:
        """Add the decorated function, to be called with each tuple of arguments.

        The options are those of `check`. `kernel_aliases=False`: the result is a view of an argument that
        a branch or loop chose, of which compiled code returns a copy.
        """

        def add(fn: Callable[..., Any]) -> Callable[..., Any]:
            self.cases.append((fn, calls, {**self.options, **options}))
            return fn

        return add

    def test(self) -> Any:
        """Return the test function, for interpreted graphs and (marked `numba`) for kernels."""

        @pytest.mark.parametrize(
            "compiled", [False, pytest.param(True, marks=pytest.mark.numba)], ids=["ir", "kernels"]
        )
        @pytest.mark.parametrize("case", self.cases, ids=[c[0].__name__ for c in self.cases])
        def test_program(case: Any, compiled: bool) -> None:
            fn, calls, options = case
            options = dict(options)
            if not options.pop("kernel_aliases", True) and compiled:
                options["aliases"] = False
            check(fn, *calls, compiled=compiled, **options)

        return test_program
