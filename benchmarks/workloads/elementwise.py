"""Chains of elementwise operations."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special

import jitorch as jt
from benchmarks.workloads.base import Function, Inputs, Workload, normal, uniform

FAMILY = "elementwise"

# ----------------------------------------------------------------------------------- Black-Scholes

RATE, VOLATILITY = 0.02, 0.3


def options(rng: np.random.Generator, count: int, dtype: Any) -> Inputs:
    """Return prices of shares, strike prices, years to go, an interest rate and a volatility."""
    arrays = (
        uniform(rng, 5, 30, count),
        uniform(rng, 1, 100, count),
        uniform(rng, 0.25, 10, count),
    )
    return (*(x.astype(dtype) for x in arrays), RATE, VOLATILITY)


def black_scholes_jitorch(
    spot: Any, strike: Any, years: Any, rate: float, volatility: float
) -> Any:
    spread = volatility * jt.sqrt(years)
    d1 = (jt.log(spot / strike) + (rate + volatility * volatility / 2) * years) / spread
    d2 = d1 - spread
    discounted = strike * jt.exp(-rate * years)
    n1 = 0.5 + 0.5 * jt.erf(d1 * 0.7071067811865476)
    n2 = 0.5 + 0.5 * jt.erf(d2 * 0.7071067811865476)
    return spot * n1 - discounted * n2, discounted * (1 - n2) - spot * (1 - n1)


def black_scholes_numpy(spot: Any, strike: Any, years: Any, rate: float, volatility: float) -> Any:
    spread = volatility * np.sqrt(years)
    d1 = (np.log(spot / strike) + (rate + volatility * volatility / 2) * years) / spread
    d2 = d1 - spread
    discounted = strike * np.exp(-rate * years)
    n1 = 0.5 + 0.5 * special.erf(d1 * 0.7071067811865476)
    n2 = 0.5 + 0.5 * special.erf(d2 * 0.7071067811865476)
    return spot * n1 - discounted * n2, discounted * (1 - n2) - spot * (1 - n1)


def black_scholes_torch(torch: Any) -> Function:
    def run(spot: Any, strike: Any, years: Any, rate: float, volatility: float) -> Any:
        spread = volatility * torch.sqrt(years)
        d1 = (torch.log(spot / strike) + (rate + volatility * volatility / 2) * years) / spread
        d2 = d1 - spread
        discounted = strike * torch.exp(-rate * years)
        n1 = 0.5 + 0.5 * torch.erf(d1 * 0.7071067811865476)
        n2 = 0.5 + 0.5 * torch.erf(d2 * 0.7071067811865476)
        return spot * n1 - discounted * n2, discounted * (1 - n2) - spot * (1 - n1)

    return run


def black_scholes_jax(jax: Any) -> Function:
    jnp, erf = jax.numpy, jax.lax.erf

    def run(spot: Any, strike: Any, years: Any, rate: float, volatility: float) -> Any:
        spread = volatility * jnp.sqrt(years)
        d1 = (jnp.log(spot / strike) + (rate + volatility * volatility / 2) * years) / spread
        d2 = d1 - spread
        discounted = strike * jnp.exp(-rate * years)
        n1 = 0.5 + 0.5 * erf(d1 * 0.7071067811865476)
        n2 = 0.5 + 0.5 * erf(d2 * 0.7071067811865476)
        return spot * n1 - discounted * n2, discounted * (1 - n2) - spot * (1 - n1)

    return run


def black_scholes(label: str, dtype: Any) -> Workload:
    return Workload(
        name=f"black-scholes 1M {label}",
        family=FAMILY,
        sizes=(1_000_000,),
        small=(1000,),
        inputs=lambda rng, count: options(rng, count, dtype),
        takes="tensors",
        jitorch=black_scholes_jitorch,
        numpy=black_scholes_numpy,
        torch=black_scholes_torch,
        jax=black_scholes_jax,
        flops=lambda count: 28 * count,
    )


# ------------------------------------------------------------------------- a chain of 12 operations

COEFFICIENTS = (0.7, -0.3, 0.9, 0.4, -0.8, 0.2, 0.5)


def chain_jitorch(x: Any) -> Any:
    y = 0.7 * x - 0.3
    y = y * x + 0.9
    y = y * x + 0.4
    y = y * x - 0.8
    y = y * x + 0.2
    return y * x + 0.5


def chain_numpy(x: Any) -> Any:
    """Compute in place: what is quickest in NumPy and in PyTorch's eager mode."""
    y = COEFFICIENTS[0] * x
    for c in COEFFICIENTS[1:-1]:
        y += c
        y *= x
    y += COEFFICIENTS[-1]
    return y


def chain_numexpr(numexpr: Any) -> Function:
    # Python's floats would make numexpr compute in float64.
    names = {f"c{i}": np.float32(c) for i, c in enumerate(COEFFICIENTS)}
    text = "(((((c0 * x + c1) * x + c2) * x + c3) * x + c4) * x + c5) * x + c6"
    return lambda x: numexpr.evaluate(text, {"x": x, **names})


def chain(label: str, count: int) -> Workload:
    return Workload(
        name=f"chain of 12 operations, {label}",
        family=FAMILY,
        sizes=(count,),
        small=(50,),
        inputs=lambda rng, count: (normal(rng, count),),
        takes="tensors",
        jitorch=chain_jitorch,
        numpy=chain_numpy,
        torch=lambda torch: chain_numpy,
        jax=lambda jax: chain_jitorch,
        numexpr=chain_numexpr,
        flops=lambda count: 12 * count,
    )


# ------------------------------------------------------------------------- bias, gelu and residual


def bias_gelu_jitorch(x: Any, bias: Any, residual: Any) -> Any:
    return jt.nn.functional.gelu(x + bias, approximate="tanh") + residual


def bias_gelu_numpy(x: Any, bias: Any, residual: Any) -> Any:
    y = x + bias
    inner = y * y
    inner *= 0.044715
    inner += 1
    inner *= y
    inner *= 0.7978845608028654
    np.tanh(inner, out=inner)
    inner += 1
    inner *= y
    inner *= 0.5
    inner += residual
    return inner


def bias_gelu_torch(torch: Any) -> Function:
    gelu = torch.nn.functional.gelu
    return lambda x, bias, residual: gelu(x + bias, approximate="tanh").add_(residual)


def bias_gelu_jax(jax: Any) -> Function:
    return lambda x, bias, residual: jax.nn.gelu(x + bias, approximate=True) + residual


def bias_gelu_numexpr(numexpr: Any) -> Function:
    constants = {"a": 0.044715, "b": 0.7978845608028654, "half": 0.5, "one": 1.0}
    names = {name: np.float32(value) for name, value in constants.items()}
    y = "(x + bias)"
    text = f"half * {y} * (one + tanh(b * {y} * (one + a * {y} * {y}))) + residual"
    return lambda x, bias, residual: numexpr.evaluate(
        text, {"x": x, "bias": bias, "residual": residual, **names}
    )


BIAS_GELU = Workload(
    name="bias + gelu + residual, 1024x1024",
    family=FAMILY,
    sizes=(1024, 1024),
    small=(7, 33),
    inputs=lambda rng, rows, columns: (
        normal(rng, rows, columns),
        normal(rng, columns),
        normal(rng, rows, columns),
    ),
    takes="tensors",
    jitorch=bias_gelu_jitorch,
    numpy=bias_gelu_numpy,
    torch=bias_gelu_torch,
    jax=bias_gelu_jax,
    numexpr=bias_gelu_numexpr,
    flops=lambda rows, columns: 11 * rows * columns,
)

# ------------------------------------------------------------- inputs that are transposed or strided


def transposed_jitorch(x: Any, y: Any) -> Any:
    z = x.T + y
    return z * z * 0.5 - y


def transposed_numpy(x: Any, y: Any) -> Any:
    z = x.T + y
    z *= z
    z *= 0.5
    z -= y
    return z


def transposed_numexpr(numexpr: Any) -> Function:
    half = np.float32(0.5)
    text = "(x + y) * (x + y) * half - y"
    return lambda x, y: numexpr.evaluate(text, {"x": x.T, "y": y, "half": half})


TRANSPOSED = Workload(
    name="chain on x.T and y, 2048x2048",
    family=FAMILY,
    sizes=(2048,),
    small=(35,),
    inputs=lambda rng, n: (normal(rng, n, n), normal(rng, n, n)),
    takes="tensors",
    jitorch=transposed_jitorch,
    numpy=transposed_numpy,
    torch=lambda torch: transposed_numpy,
    jax=lambda jax: transposed_jitorch,
    numexpr=transposed_numexpr,
    flops=lambda n: 4 * n * n,
)


def strided_jitorch(x: Any) -> Any:
    y = x[:, ::2]
    return (y * y + 1) * y - 0.5


def strided_numpy(x: Any) -> Any:
    y = x[:, ::2]
    z = y * y
    z += 1
    z *= y
    z -= 0.5
    return z


def strided_numexpr(numexpr: Any) -> Function:
    names = {"one": np.float32(1), "half": np.float32(0.5)}
    return lambda x: numexpr.evaluate("(y * y + one) * y - half", {"y": x[:, ::2], **names})


STRIDED = Workload(
    name="chain on x[:, ::2], 2048x2048",
    family=FAMILY,
    sizes=(2048,),
    small=(34,),
    inputs=lambda rng, n: (normal(rng, n, n),),
    takes="tensors",
    jitorch=strided_jitorch,
    numpy=strided_numpy,
    torch=lambda torch: strided_numpy,
    jax=lambda jax: strided_jitorch,
    numexpr=strided_numexpr,
    flops=lambda n: 4 * n * n // 2,
)

WORKLOADS = [
    black_scholes("float32", np.float32),
    black_scholes("float64", np.float64),
    chain("64", 64),
    chain("10k", 10_000),
    chain("4M", 4_000_000),
    BIAS_GELU,
    TRANSPOSED,
    STRIDED,
]
