"""Folds that are cut in parts: when, and that every element is folded once. Needs no Numba."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from jitorch.codegen.cuda import launch
from jitorch.codegen.cuda.compiled import units
from jitorch.codegen.cuda.launch import Work
from jitorch.codegen.cuda.printer import CudaSource
from jitorch.codegen.kernel import Scratch
from jitorch.ir.core import Graph
from jitorch.ir.dims import evaluate
from jitorch.ir.parser import parse
from tests.codegen.cuda import emulator, suite
from tests.codegen.cuda.host import expected, run_graph
from tests.codegen.cuda.names import all_in_parts, small_blocks
from tests.support import random_arguments

ROWS, ROW_PARTS = [Work.ROWS], [Work.ROW_PARTS, Work.ROW_TOTALS]
COLUMNS, COLUMN_PARTS = [Work.COLUMNS], [Work.COLUMN_PARTS, Work.COLUMN_TOTALS]
MILLION = 1_000_000

CHOICES = [
    ("softmax", 64, MILLION, [*ROW_PARTS, *ROW_PARTS, Work.ROW_PARTS]),
    ("softmax", 100, MILLION, [*ROW_PARTS, *ROW_PARTS, Work.ROW_PARTS]),
    ("softmax", 127, MILLION, ROWS),
    ("softmax", 16_384, 4096, ROWS),
    ("softmax", 64, 65_536, ROWS),
    ("softmax", 200, MILLION, ROWS),
    ("softmax", 1, 4096, ROWS),
    ("layer_norm", 64, MILLION, [*ROW_PARTS, *ROW_PARTS, Work.ROW_PARTS]),
    ("half", 2, MILLION, ROW_PARTS),
    ("column_sum", MILLION, 32, COLUMN_PARTS),
    ("column_sum", 100_000, 64, COLUMN_PARTS),
    ("column_sum", 8192, 4096, COLUMNS),
    ("column_sum", 1024, 64, COLUMNS),
    ("column_sum", 1000, MILLION, COLUMNS),
    ("middle_sum", 64, 100_000, COLUMN_PARTS),
    ("middle_sum", 100_000, 64, COLUMNS),
    ("channel_sum", 64, 3136, ROW_PARTS),
    ("loss", 100, 300, ROWS),
    ("loss", 4096, 4096, ROW_PARTS),
    ("short_rows", MILLION, 3, ROWS),
]


def source_of(graph: Graph) -> CudaSource:
    (made,) = {unit.source for unit in units(graph)}
    return made


def started(made: CudaSource, env: dict[str, int]) -> list[Work]:
    sizes = [evaluate(d, env) for d in made.sizes]
    works = [entry.work for entry in made.entries]
    return [w for w in works if not launch.is_empty(launch.SHAPES[w](*sizes))]


@pytest.mark.parametrize(("name", "n", "m", "works"), CHOICES)
def test_sizes_alone_decide(name: str, n: int, m: int, works: list[Work]) -> None:
    sizes = {"n": n, "m": m}
    assert started(source_of(suite.sized(name)), sizes) == works
    known = source_of(suite.sized(name, **sizes))
    assert [entry.work for entry in known.entries] == works
    assert not any(entry.late for entry in known.entries)
    assert any(isinstance(s.source, Scratch) for s in known.slots) == (len(works) > 1)


def test_short_rows_are_never_cut_however_many() -> None:
    made = source_of(suite.sized("softmax", m=4096))
    assert [entry.work for entry in made.entries] == ROWS
    made = source_of(suite.sized("column_sum", n=MILLION))
    assert [(e.work, e.late) for e in made.entries] == [
        (Work.COLUMNS, False),
        (Work.COLUMN_PARTS, True),
        (Work.COLUMN_TOTALS, True),
    ]


@pytest.mark.parametrize("lanes", [1, 32, 1024])
def test_more_points_are_never_a_reason_to_cut(lanes: int) -> None:
    for elements in (0, 100, 10_000, MILLION):
        cut = [launch.is_cut(points, elements, lanes) for points in (0, 1, 10, 300, 5000, MILLION)]
        assert cut == sorted(cut, reverse=True)


@pytest.mark.parametrize("part", [1, 7, 320])
def test_parts_cover_a_range_once(part: int) -> None:
    for lines in (0, 1, 2, 5, 40):
        for length in (0, 1, part - 1, part, part + 1, 2 * part, 2 * part + 1):
            found: list[tuple[int, int]] = []
            pieces, group = -(-length // part), max(part // max(length, 1), 1)
            for each in range(launch.parts_of(lines, length, part)):
                begin, start = each % pieces * part, each // pieces * group
                inside = range(begin, min(begin + part, length))
                found += [(i, k) for i in range(start, min(start + group, lines)) for k in inside]
            assert sorted(found) == [(i, k) for i in range(lines) for k in range(length)]


# Sums of integers wrap around and are exact: each element counts once.

SUMS = {
    "rows": ("%x: i64[n, m]", "i64[n]", "1,"),
    "columns": ("%x: i64[m, n]", "i64[n]", "0,"),
    "everything": ("%x: i64[n, m]", "i64[]", "0, 1"),
    "rows of lines": ("%x: i64[2, n, m]", "i64[n]", "0, 2"),
    "rows of parts of lines": ("%x: i64[m, n, 3]", "i64[n]", "0, 2"),
    "rows with gaps": ("%x: i64[n, m; strided]", "i64[n]", "1,"),
    "columns of lines": ("%x: i64[2, 3, m, n]", "i64[3, n]", "0, 2"),
    "columns of parts of lines": ("%x: i64[m, 3, 2, n]", "i64[3, n]", "0, 2"),
    "others beside columns": ("%x: i64[2, m, n]", "i64[2, n]", "1,"),
}


def sum_of(kind: str) -> Graph:
    operand, result, dims = SUMS[kind]
    return parse(
        f"graph @f({operand}) {{ %s: {result} = sum(%x) {{dim=({dims}), keepdim=False}} return %s }}"
    )


def arguments(kind: str, n: int, m: int) -> list[Any]:
    rng = np.random.default_rng(n * 1000 + m)
    operand = SUMS[kind][0]
    shape = operand[operand.index("[") + 1 : operand.index("]")].split(";")[0].split(", ")
    sizes = [{"n": n, "m": m}.get(d) or int(d) for d in shape]
    x = rng.integers(-(2**63), 2**63, sizes)
    return [np.repeat(x, 2, axis=1)[:, ::2] if "strided" in operand else x]


@pytest.mark.parametrize("kind", SUMS)
def test_every_element_is_folded_once(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    small_blocks(monkeypatch)
    all_in_parts(monkeypatch)
    graph = sum_of(kind)
    part = launch.PART_ROWS if "columns" in kind else launch.PART
    for m in (1, part - 1, part, part + 1, 2 * part):
        for n in (1, 35) if kind == "columns" else (1, 3):
            args = arguments(kind, n, m)
            works: list[Work] = []

            def start(made: CudaSource, entry: str, *rest: Any) -> None:
                works.extend(e.work for e in made.entries if e.name == entry)  # noqa: B023
                emulator.start(made, entry, *rest)

            (found,) = run_graph(suite.prepared(graph), args, start)
            np.testing.assert_array_equal(found, expected(graph, args)[0], err_msg=f"{n} x {m}")
            assert works in (ROW_PARTS, COLUMN_PARTS)


@pytest.mark.parametrize("name", ["softmax", "softmax_of_columns", "centred"])
def test_parts_give_what_whole_folds_give(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    small_blocks(monkeypatch)
    rng = np.random.default_rng(0)
    n, m = (50, 9) if "columns" in name else (3, 641)
    x = rng.standard_normal((n, m)).astype(np.float32)
    others = {"softmax": [], "softmax_of_columns": [x[0]], "centred": [x[:, :1], m]}[name]
    graph = parse(suite.GRAPHS[name])

    def run() -> list[Any]:
        return run_graph(suite.prepared(graph), [x, *others], emulator.start)

    whole = run()
    all_in_parts(monkeypatch)
    parts = run()
    monkeypatch.setattr(launch, "MOST_BLOCKS", 1)
    for a, b, in_turns in zip(whole, parts, run(), strict=True):
        np.testing.assert_allclose(a, b, rtol=3e-5, atol=3e-5)
        np.testing.assert_array_equal(b, in_turns)  # to the last bit, whatever block does a part


@pytest.mark.parametrize(
    ("name", "n", "m"),
    [
        *((f"rows_{tag}", 2, 700) for tag in ("bool", "u8", "f16", "f32", "f64")),
        ("everything_bool", 2, 700),
        ("columns_f32", 50, 9),
        ("columns_i16", 50, 9),
        ("smallest", 50, 9),
        ("smallest", 2, 330),
    ],
)
def test_folds_of_all_kinds_in_several_parts(
    name: str, n: int, m: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_blocks(monkeypatch)
    all_in_parts(monkeypatch)
    graph = parse(suite.GRAPHS[name])
    args = random_arguments(graph, np.random.default_rng(3), {"n": n, "m": m})
    found = run_graph(suite.prepared(graph), args, emulator.start)
    for v, got, wanted in zip(graph.results, found, expected(graph, args), strict=True):
        assert (got.dtype, got.shape) == (wanted.dtype, wanted.shape)
        bound = 4e-3 if wanted.dtype == np.float16 else 3e-5
        np.testing.assert_allclose(got, wanted, rtol=bound, atol=bound, err_msg=v.hint)
