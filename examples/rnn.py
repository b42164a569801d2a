"""The main job: PyTorch's hybrid front end example, with only the import line changed.

The same function runs line by line and compiled. This shows what it prints in both, how far apart
the results are, the graph at three stages, and the times.
"""

from __future__ import annotations

import contextlib
import io
from typing import Any

import numpy as np

import jitorch as torch
from _support import median_time, show_times


@torch.jit.script
def Rnn(h, x, Wh, Uh, Wy, bh, by):
    y = []
    for t in range(x.size(0)):
        h = torch.tanh(x[t] @ Wh + h @ Uh + bh)
        y += [torch.tanh(h @ Wy + by)]
        if t % 10 == 0:
            print("stats: ", h.mean(), h.var())
    return torch.stack(y), h


@torch.jit.script
def quiet_rnn(h, x, Wh, Uh, Wy, bh, by):
    y = []
    for t in range(x.size(0)):
        h = torch.tanh(x[t] @ Wh + h @ Uh + bh)
        y += [torch.tanh(h @ Wy + by)]
    return torch.stack(y), h


def numpy_rnn(h, x, Wh, Uh, Wy, bh, by):
    y = []
    for t in range(x.shape[0]):
        h = np.tanh(x[t] @ Wh + h @ Uh + bh)
        y.append(np.tanh(h @ Wy + by))
    return np.stack(y), h


STEPS, BATCH, INPUTS, HIDDEN, OUTPUTS = 100, 1, 64, 128, 64
TOLERANCE = 1e-5


def arguments() -> tuple[Any, ...]:
    """Return a start state, a sequence and weights."""
    torch.manual_seed(0)
    weights = [(INPUTS, HIDDEN), (HIDDEN, HIDDEN), (HIDDEN, OUTPUTS)]
    return (
        torch.zeros(BATCH, HIDDEN),
        torch.randn(STEPS, BATCH, INPUTS),
        *(torch.randn(n, m) / n**0.5 for n, m in weights),
        torch.zeros(HIDDEN),
        torch.zeros(OUTPUTS),
    )


def printed(run: Any) -> tuple[Any, list[str]]:
    """Return what `run()` gives and the lines it prints."""
    with contextlib.redirect_stdout(io.StringIO()) as out:
        result = run()
    return result, out.getvalue().splitlines()


def silently(run: Any) -> None:
    printed(run)


def compare(eager: Any, compiled: Any) -> None:
    """Print the largest difference of each result, and fail if it is beyond the tolerance."""
    for name, a, b in zip(("y", "h"), eager, compiled, strict=True):
        gap = np.abs(np.asarray(a) - np.asarray(b)).max()
        print(f"  {name}: shape {tuple(a.shape)}, largest difference {gap:.1e}")
        assert gap <= TOLERANCE, f"{name} differs by {gap}"


def main() -> None:
    args = arguments()

    eager, eager_lines = printed(lambda: Rnn.eager(*args))
    compiled, compiled_lines = printed(lambda: Rnn(*args))
    print("Printed line by line:", *eager_lines, sep="\n  ")
    print("Printed by the compiled function:", *compiled_lines, sep="\n  ")
    assert len(eager_lines) == len(compiled_lines) == STEPS // 10
    print("\nResults, compiled against eager:")
    compare(eager, compiled)

    for stage in ("typed", "optimized", "fused"):
        print(f"\nThe graph, {stage}:\n{Rnn.graph(*args, stage=stage)}")

    print(f"\nMedian times, {STEPS} steps, batch {BATCH} (with the printing):")
    times = {
        "eager": median_time(lambda: silently(lambda: Rnn.eager(*args))),
        "compiled": median_time(lambda: silently(lambda: Rnn(*args))),
    }
    show_times(times)

    arrays = [a.numpy() for a in args]
    print("\nMedian times without the printing:")
    times = {
        "eager": median_time(lambda: quiet_rnn.eager(*args)),
        "NumPy": median_time(lambda: numpy_rnn(*arrays)),
        "compiled": median_time(lambda: quiet_rnn(*args)),
    }
    compare(numpy_rnn(*arrays), quiet_rnn(*args))
    show_times(times)
    print(f"compiled: {times['NumPy'] / times['compiled']:.2f} times as fast as plain NumPy")


if __name__ == "__main__":
    main()
