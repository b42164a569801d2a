"""The libraries that run the workloads, and how each is called as it wants to be."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.threads import THREADS
from benchmarks.workloads.base import Function, Inputs, Workload, outputs_of

Call = Callable[[], Any]


class Contender:
    """A library. `start` loads it; the other methods may be called after that."""

    name: str
    package: str

    def missing(self) -> str | None:
        """Return why this library can't be used, or None."""
        if importlib.util.find_spec(self.package) is None:
            return f"{self.package} is not installed"
        return None

    def version(self) -> str:
        """Return the version that is installed."""
        return importlib.metadata.version(self.package)

    def start(self) -> None:
        """Load the library and give it its threads."""

    def convert(self, workload: Workload, inputs: Inputs) -> Inputs:
        """Return the inputs with the library's own kind of arrays, in the same layout."""
        return inputs

    def function(self, workload: Workload, args: Inputs) -> Function | None:
        """Return the workload's function ready to be called, or None if it has none here.

        What is compiled at the first call isn't compiled yet.
        """
        raise NotImplementedError

    def call(self, function: Function, args: Inputs) -> Call:
        """Return what is timed: it returns when the result is there."""
        return lambda: function(*args)

    def results(self, result: Any) -> list[Any]:
        """Return a result as NumPy arrays."""
        return [np.asarray(x) for x in outputs_of(result)]


class Jitorch(Contender):
    """What all others are compared with."""

    name = package = "jitorch"

    def start(self) -> None:
        self.jitorch: Any = importlib.import_module("jitorch")

    def convert(self, workload: Workload, inputs: Inputs) -> Inputs:
        if workload.takes == "arrays":
            return inputs
        return arrays_as(self.jitorch.from_numpy, inputs)

    def function(self, workload: Workload, args: Inputs) -> Function | None:
        return self.jitorch.jit.script(workload.jitorch)  # type: ignore[no-any-return]


class NumPy(Contender):
    """NumPy, with functions of SciPy where NumPy has none."""

    name = package = "numpy"

    def function(self, workload: Workload, args: Inputs) -> Function | None:
        return workload.numpy


class NumExpr(Contender):
    """numexpr for elementwise expressions, NumPy for what is around them."""

    name = package = "numexpr"

    def start(self) -> None:
        self.numexpr: Any = importlib.import_module("numexpr")
        self.numexpr.set_num_threads(THREADS)

    def function(self, workload: Workload, args: Inputs) -> Function | None:
        return workload.numexpr and workload.numexpr(self.numexpr)


class Torch(Contender):
    """PyTorch, eager."""

    name = package = "torch"

    def start(self) -> None:
        self.torch: Any = importlib.import_module("torch")
        self.torch.set_num_threads(THREADS)
        # For good: nothing here wants gradients, and calls are quicker without.
        self.torch.inference_mode().__enter__()

    def convert(self, workload: Workload, inputs: Inputs) -> Inputs:
        return arrays_as(self.torch.from_numpy, inputs)

    def function(self, workload: Workload, args: Inputs) -> Function | None:
        return workload.torch and workload.torch(self.torch)


class TorchCompile(Torch):
    """PyTorch, compiled in the default mode, for which it needs a C++ compiler."""

    name = "torch.compile"

    def missing(self) -> str | None:
        return super().missing() or self.failure()

    def failure(self) -> str | None:
        """Compile something small; return what went wrong."""
        torch: Any = importlib.import_module("torch")
        try:
            torch.compile(lambda x: x.sin() + 1)(torch.ones(8))
        except Exception as error:  # whatever a missing or broken compiler leads to
            return f"torch.compile does not work here: {str(error).strip().splitlines()[0]}"
        return None

    def function(self, workload: Workload, args: Inputs) -> Function | None:
        # One workload's versions are not to count towards the limit of another's.
        self.torch.compiler.reset()
        if workload.torch_compile:
            return workload.torch_compile(self.torch)
        return workload.torch and self.torch.compile(workload.torch(self.torch))


class Jax(Contender):
    """JAX, jitted."""

    name = package = "jax"

    def start(self) -> None:
        self.jax: Any = importlib.import_module("jax")
        self.jax.config.update("jax_platforms", "cpu")
        self.jax.config.update("jax_enable_x64", True)

    def convert(self, workload: Workload, inputs: Inputs) -> Inputs:
        return arrays_as(self.jax.device_put, inputs)

    def function(self, workload: Workload, args: Inputs) -> Function | None:
        if workload.jax is None:
            return None
        # Ints are numbers of steps, which people make constants of the program.
        static = [i for i, x in enumerate(args) if isinstance(x, int)]
        return self.jax.jit(workload.jax(self.jax), static_argnums=static)  # type: ignore[no-any-return]

    def call(self, function: Function, args: Inputs) -> Call:
        def run() -> Any:
            result = function(*args)
            if isinstance(result, tuple):
                for x in result:
                    x.block_until_ready()
            else:
                result.block_until_ready()
            return result

        return run


CONTENDERS: tuple[type[Contender], ...] = (Jitorch, NumPy, NumExpr, Torch, TorchCompile, Jax)


def arrays_as(convert: Callable[[Any], Any], inputs: Inputs) -> Inputs:
    """Return the inputs with their arrays converted."""
    return tuple(convert(x) if isinstance(x, np.ndarray) else x for x in inputs)
