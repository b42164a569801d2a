"""What a workload is.

A workload is one computation, written once for each library as somebody who knows that library
would write it. Beside the functions stands what the report needs: the inputs, the sizes, and the
operations counted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import FunctionType
from typing import Any, Literal

import numpy as np

Function = Callable[..., Any]
Inputs = tuple[Any, ...]
Sizes = tuple[int, ...]

# A peer's function is made by a function of the peer's module, since the peer may not be installed.
Maker = Callable[[Any], Function]


@dataclass(frozen=True, kw_only=True)
class Workload:
    """One computation in every library that can express it.

    `inputs(rng, *sizes)` makes arrays and numbers; each library gets the arrays as its own kind.
    `numpy` is also the reference, on float64 copies of the inputs, unless there is a `reference`.
    `jitorch` is an ordinary function, which is compiled by `jitorch.script`; `takes` says what it
    is called with, jitorch's tensors or NumPy's arrays. `torch_compile` is what `torch.compile`
    gets where the best eager code does not suit it.

    `flops(*sizes)` counts each addition, product, comparison and function as one operation.
    `sweeps` says how many times the whole of inputs and outputs has to be gone over: the steps of a
    loop that changes all its data. `needs` names what jitorch must have in `nn.functional`.
    """

    name: str
    family: str
    sizes: Sizes
    small: Sizes
    inputs: Callable[..., Inputs]
    numpy: Function
    jitorch: Function
    takes: Literal["arrays", "tensors"]
    flops: Callable[..., float]
    torch: Maker | None = None
    torch_compile: Maker | None = None
    jax: Maker | None = None
    numexpr: Maker | None = None
    reference: Function | None = None
    sweeps: Callable[..., int] = lambda *sizes: 1
    needs: tuple[str, ...] = ()

    def make_inputs(self, sizes: Sizes) -> Inputs:
        """Return the inputs, the same each time."""
        return self.inputs(np.random.default_rng(20180522), *sizes)

    def expected(self, inputs: Inputs) -> list[Any]:
        """Return the results in float64."""
        run = self.reference or self.numpy
        with np.errstate(all="ignore"):
            return outputs_of(run(*map(widened, inputs)))


def widened(x: Any) -> Any:
    """Return a float array as float64, in the memory order that it has, and others as they are."""
    is_float = isinstance(x, np.ndarray) and x.dtype.kind == "f"
    return x.astype(np.float64) if is_float else x


def outputs_of(result: Any) -> list[Any]:
    """Return a function's results as a list, be it one or a tuple."""
    return list(result) if isinstance(result, (tuple, list)) else [result]


def rebound(fn: Any, **names: Any) -> Function:
    """Return a plain function with other values for some of its globals: `np=jax.numpy`."""
    return FunctionType(
        fn.__code__, {**fn.__globals__, **names}, fn.__name__, fn.__defaults__, fn.__closure__
    )


def normal(rng: np.random.Generator, *shape: int) -> Any:
    """Return float32 numbers from the normal distribution."""
    return rng.standard_normal(shape, np.float32)


def uniform(rng: np.random.Generator, low: float, high: float, *shape: int) -> Any:
    """Return float64 numbers between two bounds."""
    return rng.uniform(low, high, shape)
