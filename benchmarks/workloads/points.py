"""Points in the ocean, in space, and the distances between them."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.workloads.base import Function, Inputs, Workload, normal, rebound, uniform

FAMILY = "points"
EXAMPLES = Path(__file__).parents[2] / "examples"

# -------------------------------------------------------------------------------- equation of state


def example(name: str) -> Any:
    """Return a module of the examples, which lie in no package."""
    sys.path.insert(0, str(EXAMPLES))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(EXAMPLES))


density: Any = example("equation_of_state").density


def ocean(rng: np.random.Generator, count: int) -> Inputs:
    """Return salinities, temperatures and pressures as they occur."""
    salinity, temperature = uniform(rng, 30, 38, count), uniform(rng, -1, 30, count)
    return salinity, temperature, uniform(rng, 0, 5000, count)


class Text:
    """An expression in numexpr's language: arithmetic with it writes a longer one."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __str__(self) -> str:
        return self.text

    def __add__(self, other: Any) -> Text:
        return Text(f"({self} + {other})")

    def __radd__(self, other: Any) -> Text:
        return Text(f"({other} + {self})")

    def __sub__(self, other: Any) -> Text:
        return Text(f"({self} - {other})")

    def __mul__(self, other: Any) -> Text:
        return Text(f"({self} * {other})")

    def __rmul__(self, other: Any) -> Text:
        return Text(f"({other} * {self})")

    def __truediv__(self, other: Any) -> Text:
        return Text(f"({self} / {other})")

    def sqrt(self) -> Text:
        """Return the square root; `np.sqrt` of an object calls this."""
        return Text(f"sqrt({self})")


def density_numexpr(numexpr: Any) -> Function:
    texts = [str(text) for text in density(Text("SA"), Text("CT"), Text("p"))]

    def run(SA: Any, CT: Any, p: Any) -> Any:
        names = {"SA": SA, "CT": CT, "p": p}
        return tuple(numexpr.evaluate(text, names) for text in texts)

    return run


def equation_of_state(label: str, count: int) -> Workload:
    return Workload(
        name=f"equation of state, {label}",
        family=FAMILY,
        sizes=(count,),
        small=(1000,),
        inputs=ocean,
        takes="arrays",
        jitorch=density,
        numpy=density,
        torch=lambda torch: rebound(density, np=torch),
        jax=lambda jax: rebound(density, np=jax.numpy),
        numexpr=density_numexpr,
        flops=lambda count: 181 * count,
    )


# ------------------------------------------------------------------------------------------- bodies

SOFTENING, STEP = 0.01, 0.001


def bodies(rng: np.random.Generator, count: int, steps: int) -> Inputs:
    """Return places, velocities, masses, and how many steps to take."""
    mass = uniform(rng, 0.5, 1.5, count) / count
    return rng.standard_normal((3, count)), rng.standard_normal((3, count)), mass, steps


def nbody_jitorch(x: Any, v: Any, mass: Any, steps: int) -> Any:
    for _ in range(steps):
        a, b, c = x[0], x[1], x[2]
        r2 = (a - a[:, None]) ** 2 + (b - b[:, None]) ** 2 + (c - c[:, None]) ** 2 + 0.01
        pull = mass / (r2 * np.sqrt(r2))
        v = v + 0.001 * (x @ pull.T - x * pull.sum(1))
        x = x + 0.001 * v
    return x, v


def nbody_numpy(x: Any, v: Any, mass: Any, steps: int) -> Any:
    for _ in range(steps):
        r2 = np.full((x.shape[1], x.shape[1]), SOFTENING)
        for row in x:
            d = row - row[:, None]
            d *= d
            r2 += d
        root = np.sqrt(r2)
        r2 *= root
        pull = np.divide(mass, r2, out=r2)
        v = v + STEP * (x @ pull.T - x * pull.sum(1))
        x = x + STEP * v
    return x, v


def nbody_torch(torch: Any) -> Function:
    def run(x: Any, v: Any, mass: Any, steps: int) -> Any:
        for _ in range(steps):
            r2 = torch.full((x.shape[1], x.shape[1]), SOFTENING, dtype=x.dtype)
            for row in x:
                d = row - row[:, None]
                r2.addcmul_(d, d)
            pull = mass / r2.mul_(torch.sqrt(r2))
            v = v + STEP * (x @ pull.T - x * pull.sum(1))
            x = x + STEP * v
        return x, v

    return run


def nbody_torch_compile(torch: Any) -> Function:
    def step(x: Any, v: Any, mass: Any) -> Any:
        d = x[:, None, :] - x[:, :, None]
        r2 = (d * d).sum(0) + SOFTENING
        pull = mass / (r2 * torch.sqrt(r2))
        v = v + STEP * (x @ pull.T - x * pull.sum(1))
        return x + STEP * v, v

    step = torch.compile(step)

    def run(x: Any, v: Any, mass: Any, steps: int) -> Any:
        for _ in range(steps):
            x, v = step(x, v, mass)
        return x, v

    return run


def nbody_jax(jax: Any) -> Function:
    def run(x: Any, v: Any, mass: Any, steps: int) -> Any:
        def step(_: Any, state: Any) -> Any:
            x, v = state
            # XLA's sums along three elements are slow; written out, they are part of the chain.
            r2 = SOFTENING + sum((row - row[:, None]) ** 2 for row in x)
            pull = mass / (r2 * jax.numpy.sqrt(r2))
            v = v + STEP * (x @ pull.T - x * pull.sum(1))
            return x + STEP * v, v

        return jax.lax.fori_loop(0, steps, step, (x, v))

    return run


def nbody_numexpr(numexpr: Any) -> Function:
    r2 = f"((a - d) ** 2 + (b - e) ** 2 + (c - f) ** 2 + {SOFTENING})"
    text = f"mass / ({r2} * sqrt({r2}))"

    def run(x: Any, v: Any, mass: Any, steps: int) -> Any:
        for _ in range(steps):
            rows = dict(zip("abc", x, strict=True))
            columns = dict(zip("def", x[:, :, None], strict=True))
            pull = numexpr.evaluate(text, {"mass": mass, **rows, **columns})
            v = v + STEP * (x @ pull.T - x * pull.sum(1))
            x = x + STEP * v
        return x, v

    return run


NBODY = Workload(
    name="1000 bodies, 50 steps",
    family=FAMILY,
    sizes=(1000, 50),
    small=(20, 3),
    inputs=bodies,
    takes="arrays",
    jitorch=nbody_jitorch,
    numpy=nbody_numpy,
    torch=nbody_torch,
    torch_compile=nbody_torch_compile,
    jax=nbody_jax,
    numexpr=nbody_numexpr,
    flops=lambda count, steps: 18 * count * count * steps,
    sweeps=lambda count, steps: steps,
)

# ---------------------------------------------------------------------------------------- distances


def distances_jitorch(x: Any, y: Any) -> Any:
    return ((x[:, None] - y[None]) ** 2).sum(-1).sqrt()


def distances_numpy(x: Any, y: Any) -> Any:
    """Add one dimension at a time, which makes no array of all differences."""
    total = np.zeros((len(x), len(y)), x.dtype)
    for a, b in zip(x.T, y.T, strict=True):
        d = a[:, None] - b
        d *= d
        total += d
    return np.sqrt(total, out=total)


def distances_torch(torch: Any) -> Function:
    # The other way is by a product of matrices, and inexact for points that are near.
    return lambda x, y: torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist")


def distances_torch_compile(torch: Any) -> Function:
    return torch.compile(distances_jitorch)  # type: ignore[no-any-return]


def distances_jax(jax: Any) -> Function:
    def run(x: Any, y: Any) -> Any:
        # XLA's sums along three elements are slow; written out, they are part of the chain.
        parts = [(a[:, None] - b) ** 2 for a, b in zip(x.T, y.T, strict=True)]
        return jax.numpy.sqrt(sum(parts))

    return run


def distances_numexpr(numexpr: Any) -> Function:
    text = "sqrt((a - d) ** 2 + (b - e) ** 2 + (c - f) ** 2)"

    def run(x: Any, y: Any) -> Any:
        columns = dict(zip("abc", x.T[:, :, None], strict=True))
        rows = dict(zip("def", y.T, strict=True))
        return numexpr.evaluate(text, {**columns, **rows})

    return run


DISTANCES = Workload(
    name="distances of 2000 and 2000 points",
    family=FAMILY,
    sizes=(2000, 2000),
    small=(20, 25),
    inputs=lambda rng, n, m: (normal(rng, n, 3), normal(rng, m, 3)),
    takes="tensors",
    jitorch=distances_jitorch,
    numpy=distances_numpy,
    torch=distances_torch,
    torch_compile=distances_torch_compile,
    jax=distances_jax,
    numexpr=distances_numexpr,
    flops=lambda n, m: 9 * n * m,
)

WORKLOADS = [
    equation_of_state("16k", 16_384),
    equation_of_state("1M", 1_000_000),
    NBODY,
    DISTANCES,
]
