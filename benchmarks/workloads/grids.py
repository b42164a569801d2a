"""Stencils and the Mandelbrot set: NumPy programs on grids."""

from __future__ import annotations

from typing import Any

import numpy as np

import jitorch as jt
from benchmarks.workloads.base import Function, Inputs, Workload, uniform

FAMILY = "grids"

# ----------------------------------------------------------------------------------------- stencils


def stencil(u: Any) -> Any:
    around = u[:-2, 1:-1] + u[2:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:]
    return u[1:-1, 1:-1] + 0.2 * (around - 4 * u[1:-1, 1:-1])


def stencil_in_place(u: Any) -> Any:
    """Make few temporaries: what is quickest in NumPy and in PyTorch's eager mode."""
    result = u[:-2, 1:-1] + u[2:, 1:-1]
    result += u[1:-1, :-2]
    result += u[1:-1, 2:]
    result *= 0.2
    result += 0.2 * u[1:-1, 1:-1]
    return result


STENCIL_TEXT = "c + 0.2 * (n + s + w + e - 4 * c)"


def neighbours(u: Any) -> dict[str, Any]:
    """Return the points inside and those around them, by the names in the text."""
    n, s, w, e = u[:-2, 1:-1], u[2:, 1:-1], u[1:-1, :-2], u[1:-1, 2:]
    return {"c": u[1:-1, 1:-1], "n": n, "s": s, "w": w, "e": e}


STENCIL = Workload(
    name="5-point stencil, 2000x2000",
    family=FAMILY,
    sizes=(2000,),
    small=(20,),
    inputs=lambda rng, n: (uniform(rng, 0, 1, n, n),),
    takes="arrays",
    jitorch=stencil,
    numpy=stencil_in_place,
    torch=lambda torch: stencil_in_place,
    jax=lambda jax: stencil,
    numexpr=lambda numexpr: lambda u: numexpr.evaluate(STENCIL_TEXT, neighbours(u)),
    flops=lambda n: 7 * (n - 2) ** 2,
)


def heat_jitorch(u: Any, steps: int) -> Any:
    u = u.copy()
    for _ in range(steps):
        around = u[:-2, 1:-1] + u[2:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:]
        u[1:-1, 1:-1] += 0.2 * (around - 4 * u[1:-1, 1:-1])
    return u


def heat_numpy(u: Any, steps: int) -> Any:
    u = u.copy()
    change = np.empty_like(u[1:-1, 1:-1])
    for _ in range(steps):
        np.add(u[:-2, 1:-1], u[2:, 1:-1], out=change)
        change += u[1:-1, :-2]
        change += u[1:-1, 2:]
        change *= 0.2
        u[1:-1, 1:-1] *= 0.2
        u[1:-1, 1:-1] += change
    return u


def heat_torch(torch: Any) -> Function:
    def run(u: Any, steps: int) -> Any:
        u = u.clone()
        for _ in range(steps):
            change = u[:-2, 1:-1] + u[2:, 1:-1]
            change += u[1:-1, :-2]
            change += u[1:-1, 2:]
            u[1:-1, 1:-1].mul_(0.2).add_(change, alpha=0.2)
        return u

    return run


def heat_torch_compile(torch: Any) -> Function:
    def step(u: Any) -> Any:
        return torch.nn.functional.pad(stencil(u), (1, 1, 1, 1))

    # The loop stays in Python: written out, its hundred steps would compile for minutes.
    step = torch.compile(step)

    def run(u: Any, steps: int) -> Any:
        edge = u.clone()
        edge[1:-1, 1:-1] = 0
        for _ in range(steps):
            u = step(u).add_(edge)
        return u

    return run


def heat_jax(jax: Any) -> Function:
    jnp = jax.numpy

    def run(u: Any, steps: int) -> Any:
        # Padding and adding the edge is one kernel; changing what is inside takes several.
        edge = u.at[1:-1, 1:-1].set(0)
        return jax.lax.fori_loop(0, steps, lambda _, u: jnp.pad(stencil(u), 1) + edge, u)

    return run


def heat_numexpr(numexpr: Any) -> Function:
    def run(u: Any, steps: int) -> Any:
        old, new = u.copy(), u.copy()
        for _ in range(steps):
            numexpr.evaluate(STENCIL_TEXT, neighbours(old), out=new[1:-1, 1:-1])
            old, new = new, old
        return old

    return run


HEAT = Workload(
    name="5-point stencil, 500x500, 100 steps",
    family=FAMILY,
    sizes=(500, 100),
    small=(20, 5),
    inputs=lambda rng, n, steps: (uniform(rng, 0, 1, n, n), steps),
    takes="arrays",
    jitorch=heat_jitorch,
    numpy=heat_numpy,
    torch=heat_torch,
    torch_compile=heat_torch_compile,
    jax=heat_jax,
    numexpr=heat_numexpr,
    flops=lambda n, steps: 7 * (n - 2) ** 2 * steps,
    sweeps=lambda n, steps: steps,
)

# --------------------------------------------------------------------------------------- Mandelbrot


def points(rng: np.random.Generator, side: int, limit: int) -> Inputs:
    """Return real and imaginary parts of the points of a picture, moved a little at random."""
    re, im = np.meshgrid(np.linspace(-2.2, 0.8, side), np.linspace(-1.2, 1.2, side))
    return re + uniform(rng, 0, 1e-3, side, side), im + uniform(rng, 0, 1e-3, side, side), limit


def mandelbrot_jitorch(re: Any, im: Any, limit: int) -> Any:
    x, y = jt.zeros_like(re), jt.zeros_like(im)
    inside = jt.ones_like(re, dtype=jt.bool)
    count = jt.zeros_like(re, dtype=jt.int32)
    for _ in range(limit):
        x, y = x * x - y * y + re, 2 * x * y + im
        inside = inside & (x * x + y * y <= 4)
        x, y = jt.where(inside, x, 0.0), jt.where(inside, y, 0.0)
        count += inside
    return count


def mandelbrot_numpy(re: Any, im: Any, limit: int) -> Any:
    """Keep only the points that are still inside."""
    shape, count = re.shape, np.zeros(re.size, np.int32)
    at, re, im = np.arange(re.size), re.ravel(), im.ravel()
    x, y = np.zeros_like(re), np.zeros_like(im)
    for _ in range(limit):
        x, y = x * x - y * y + re, 2 * x * y + im
        inside = x * x + y * y <= 4
        at, x, y, re, im = at[inside], x[inside], y[inside], re[inside], im[inside]
        count[at] += 1
    return count.reshape(shape)


def mandelbrot_torch(torch: Any) -> Function:
    def run(re: Any, im: Any, limit: int) -> Any:
        shape, count = re.shape, torch.zeros(re.numel(), dtype=torch.int32)
        at, re, im = torch.arange(re.numel()), re.ravel(), im.ravel()
        x, y = torch.zeros_like(re), torch.zeros_like(im)
        for _ in range(limit):
            x, y = x * x - y * y + re, 2 * x * y + im
            inside = x * x + y * y <= 4
            at, x, y, re, im = at[inside], x[inside], y[inside], re[inside], im[inside]
            count[at] += 1
        return count.reshape(shape)

    return run


def mandelbrot_torch_compile(torch: Any) -> Function:
    def turns(x: Any, y: Any, inside: Any, count: Any, re: Any, im: Any, number: int) -> Any:
        for _ in range(number):
            x, y = x * x - y * y + re, 2 * x * y + im
            inside = inside & (x * x + y * y <= 4)
            x, y = torch.where(inside, x, 0.0), torch.where(inside, y, 0.0)
            count = count + inside
        return x, y, inside, count

    # Ten turns make a kernel that keeps its values in registers; a hundred compile for long.
    turns = torch.compile(turns)

    def run(re: Any, im: Any, limit: int) -> Any:
        x, y = torch.zeros_like(re), torch.zeros_like(im)
        inside = torch.ones_like(re, dtype=torch.bool)
        count = torch.zeros_like(re, dtype=torch.int32)
        for _ in range(0, limit, 10):
            x, y, inside, count = turns(x, y, inside, count, re, im, 10)
        return count

    return run


def mandelbrot_jax(jax: Any) -> Function:
    jnp = jax.numpy

    def run(re: Any, im: Any, limit: int) -> Any:
        # Row by row, the values stay in the cache, and a row ends when all of it has escaped.
        def row(part: Any) -> Any:
            re, im = part

            def unfinished(state: Any) -> Any:
                return (state[0] < limit) & state[3].any()

            def turn(state: Any) -> Any:
                i, x, y, inside, count = state
                x, y = x * x - y * y + re, 2 * x * y + im
                inside = inside & (x * x + y * y <= 4)
                x, y = jnp.where(inside, x, 0.0), jnp.where(inside, y, 0.0)
                return i + 1, x, y, inside, count + inside

            start = jnp.zeros_like(re), jnp.zeros_like(im), jnp.ones(re.shape, bool)
            count = jnp.zeros(re.shape, jnp.int32)
            return jax.lax.while_loop(unfinished, turn, (0, *start, count))[4]

        return jax.lax.map(row, (re, im))

    return run


MANDELBROT = Workload(
    name="mandelbrot 1000x1000, 100 steps",
    family=FAMILY,
    sizes=(1000, 100),
    small=(30, 20),
    inputs=points,
    takes="tensors",
    jitorch=mandelbrot_jitorch,
    numpy=mandelbrot_numpy,
    torch=mandelbrot_torch,
    torch_compile=mandelbrot_torch_compile,
    jax=mandelbrot_jax,
    flops=lambda side, limit: 12 * side * side * limit,
)

WORKLOADS = [STENCIL, HEAT, MANDELBROT]
