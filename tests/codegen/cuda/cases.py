"""What kernels of the suite are given, and when a result is right."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from jitorch.codegen.cuda.launch import Work
from jitorch.ir.parser import parse
from jitorch.ir.types import BY_TAG
from tests.codegen.cuda import suite
from tests.codegen.cuda.host import Launch, expected, run_graph
from tests.support import SPECIAL

# Nothing, one element, less than a warp; and several warps and rounds.
SMALL = [{"n": 0, "m": 3}, {"n": 3, "m": 0}, {"n": 1, "m": 1}, {"n": 5, "m": 13}]
LARGE = [{"n": 2, "m": 300}]


def sizes_of(name: str) -> list[dict[str, int]]:
    """Return what to try: a fold of several warps, which takes long, not for every dtype."""
    if name.startswith("elementwise"):
        return [{"n": 0}, {"n": 13}]
    many = name.startswith(("rows", "columns", "everything", "smallest", "sum_between"))
    once = not many or name.endswith(("_f32", "everything_bool"))
    return SMALL + LARGE if once else SMALL


# Several parts, rounds, and bands of columns; `test_parts.py` has more.
LONG, DEEP = {"n": 2, "m": 700}, {"n": 50, "m": 35}
IN_SEVERAL_PARTS = {
    **dict.fromkeys(("softmax", "centred", "batch_norm", "softmax_of_everything", "half"), LONG),
    **dict.fromkeys(("softmax_of_columns", "column_sum"), DEEP),
}


def part_sizes_of(name: str) -> list[dict[str, int]]:
    """Return what to try of a kernel whose folds are cut in parts."""
    if suite.works(name).isdisjoint({Work.ROW_PARTS, Work.COLUMN_PARTS}):
        return []
    large = [IN_SEVERAL_PARTS[name]] if name in IN_SEVERAL_PARTS else []
    return [{"n": 3, "m": 0}, {"n": 3, "m": 5}, *large]


CASES = [(name, sizes) for name in suite.GRAPHS for sizes in sizes_of(name)]
PART_CASES = [(name, sizes) for name in suite.GRAPHS for sizes in part_sizes_of(name)]
# Results whose last bits differ: NumPy's half is rounded at each op, sums in another order.
TOLERANCE = {2: 4e-3, 4: 3e-5, 8: 1e-9}


def special_floats(tag: str) -> list[Any]:
    """Return arguments for a graph of elementwise ops: all pairs of special values."""
    values = np.array([(x, y) for x in SPECIAL for y in SPECIAL])
    with np.errstate(over="ignore"):
        x, y = (values[:, i].astype(BY_TAG[tag].numpy) for i in (0, 1))
    return [x > 0, x, y]


def ends_of_integers(tag: str) -> list[Any]:
    """Likewise: pairs of the least and largest numbers and those that are special to an op."""
    dtype = BY_TAG[tag].numpy
    info = np.iinfo(dtype)
    ends = [info.min, info.max, 0, 1, info.max // 2, *([] if info.min == 0 else [-1, -7])]
    values = np.array([(x, y) for x in ends for y in [*ends, 7, 8, 40]], dtype)
    return [values[:, 0] > 0, values[:, 0].copy(), values[:, 1].copy()]


def compare(name: str, args: list[Any], start: Launch) -> None:
    """Compare a graph of the suite with the interpreter."""
    graph = parse(suite.GRAPHS[name])
    try:
        wanted = expected(graph, args)
    except (IndexError, ZeroDivisionError):
        pytest.skip("an error in eager too")
    got = run_graph(suite.prepared(graph), args, start)
    for v, a, b in zip(graph.results, got, wanted, strict=True):
        same(v.hint, a, b)


def same(what: str, got: Any, wanted: Any) -> None:
    """Compare results."""
    assert (got.dtype, got.shape) == (wanted.dtype, wanted.shape), what
    if wanted.dtype.kind != "f":
        np.testing.assert_array_equal(got, wanted, err_msg=what)
        return
    bound = TOLERANCE[wanted.dtype.itemsize]
    np.testing.assert_allclose(got, wanted, rtol=bound, atol=bound, err_msg=what)
    zero = (wanted == 0) & (got == 0)
    # The order of zeros is open in maxima, as it is in NumPy.
    if "max" not in what and "min" not in what and "peak" not in what:
        assert (np.signbit(got) == np.signbit(wanted))[zero].all(), what
