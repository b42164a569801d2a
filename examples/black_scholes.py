"""Option prices by Black and Scholes: a plain NumPy function, compiled as it stands."""

from __future__ import annotations

from typing import Any

import numpy as np

import jitorch as jt
from _support import median_time, show_times


def normal_cdf(x):
    """The normal distribution, to 7.5e-8 (Abramowitz and Stegun, 26.2.17)."""
    t = 1 / (1 + 0.2316419 * np.abs(x))
    series = 1.330274429
    for c in (-1.821255978, 1.781477937, -0.356563782, 0.319381530):
        series = series * t + c
    series = series * t
    tail = np.exp(-x * x / 2) / np.sqrt(2 * np.pi) * series
    return np.where(x < 0, tail, 1 - tail)


def black_scholes(spot, strike, years, rate, volatility):
    """Return the prices of European call and put options."""
    spread = volatility * np.sqrt(years)
    d1 = (np.log(spot / strike) + (rate + volatility * volatility / 2) * years) / spread
    d2 = d1 - spread
    discounted = strike * np.exp(-rate * years)
    call = spot * normal_cdf(d1) - discounted * normal_cdf(d2)
    put = discounted * normal_cdf(-d2) - spot * normal_cdf(-d1)
    return call, put


compiled = jt.script(black_scholes)


def options(count: int) -> tuple[Any, ...]:
    rng = np.random.default_rng(0)
    return (
        rng.uniform(5, 30, count),
        rng.uniform(1, 100, count),
        rng.uniform(0.25, 10, count),
        0.02,
        0.3,
    )


def main() -> None:
    call, put = compiled(np.array([100.0]), np.array([100.0]), np.array([1.0]), 0.05, 0.2)
    print(f"At the money, one year, 5 %, volatility 0.2: call {call[0]:.5f}, put {put[0]:.5f}")
    assert abs(call[0] - 10.45058) < 1e-4, "the textbook's value of this call is 10.45058"

    args = options(1_000_000)
    for name, a, b in zip(("call", "put"), black_scholes(*args), compiled(*args), strict=True):
        gap = np.abs(a - b).max()
        print(f"{name}: {len(a)} prices, largest difference from NumPy {gap:.1e}")
        assert gap < 1e-9

    print("Median times:")
    times = {
        "NumPy": median_time(lambda: black_scholes(*args)),
        "compiled": median_time(lambda: compiled(*args)),
    }
    show_times(times)


if __name__ == "__main__":
    main()
