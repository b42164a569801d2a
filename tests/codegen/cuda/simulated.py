"""Every kernel of the suite under Numba's CUDA simulator, against the interpreter.

`test_simulator.py` runs this file, in a process of its own.
"""

from __future__ import annotations

import numpy as np
import pytest

from jitorch.codegen.cuda.steps import compile_graph
from jitorch.ir.interp import interpret
from jitorch.ir.parser import parse
from tests.codegen.cuda import simulator, suite
from tests.codegen.cuda.cases import (
    CASES,
    PART_CASES,
    compare,
    ends_of_integers,
    same,
    special_floats,
)
from tests.codegen.cuda.host import expected
from tests.codegen.cuda.machine import Simulated
from tests.codegen.cuda.names import all_in_parts, small_blocks
from tests.support import random_arguments


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    small_blocks(monkeypatch)


@pytest.mark.parametrize(("name", "sizes"), CASES, ids=str)
def test_kernels(name: str, sizes: dict[str, int]) -> None:
    graph = parse(suite.GRAPHS[name])
    args = random_arguments(graph, np.random.default_rng(1), sizes)
    compare(name, args, simulator.start)


@pytest.mark.parametrize(("name", "sizes"), PART_CASES, ids=str)
def test_folds_in_parts(name: str, sizes: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    all_in_parts(monkeypatch)
    graph = parse(suite.GRAPHS[name])
    compare(name, random_arguments(graph, np.random.default_rng(1), sizes), simulator.start)


@pytest.mark.parametrize("tag", ["f16", "f32", "f64"])
def test_special_floats(tag: str) -> None:
    compare(f"elementwise_{tag}", special_floats(tag), simulator.start)


@pytest.mark.parametrize("tag", ["u8", "i8", "i16", "i32", "i64"])
def test_ends_of_integers(tag: str) -> None:
    compare(f"elementwise_{tag}", ends_of_integers(tag), simulator.start)


# Programs: plans that launch kernels and leave the rest to the array library.

PROGRAM = """
    graph @f(%x: f32[n, m], %y: f32[n, m; strided], %alpha: float) {
      %a: f32[] = cast(%alpha) {dtype=f32}
      %0: f32[n, m] = mul(%x, %a)
      %1: f32[n, m] = add(%0, %y)
      %t: f32[m, n; strided] = permute(%1) {dims=(1, 0)}
      %r: f32[m, n], %s: i64[m, n] = sort(%t) {dim=1, descending=False}
      %c: f32[m, n] = cumsum(%t) {dim=1}
      %e: f32[m, n] = exp(%c)
      return %s, %e
    }"""


def test_programs() -> None:
    machine = Simulated(simulator.start)
    rng = np.random.default_rng(0)
    graph = parse(PROGRAM)
    program = compile_graph(suite.prepared(graph), {"cpu": machine})
    for n, m in ((3, 8), (4, 4), (0, 3), (1, 5)):
        x = rng.standard_normal((n, m)).astype(np.float32)
        y = rng.standard_normal((m, n)).astype(np.float32).T
        for got, wanted in zip(
            program.run([x, y, 0.5]), interpret(graph, [x, y, 0.5]), strict=True
        ):
            same("", got, wanted)


@pytest.mark.parametrize("name", suite.LAYOUTS)
def test_programs_of_one_kernel(name: str) -> None:
    graph = parse(suite.GRAPHS[name])
    args = random_arguments(graph, np.random.default_rng(1), {"n": 4, "m": 8})
    machine = Simulated(simulator.start)
    program = compile_graph(suite.prepared(graph), {"cpu": machine})
    for got, wanted in zip(program.run(args), expected(graph, args), strict=True):
        same(name, got, wanted)
    assert [e.name for source in program.sources for e in source.entries if not e.late] == [
        entry for entry, _, _ in machine.launches
    ]


def test_four_at_once_needs_alignment() -> None:
    machine = Simulated(simulator.start)
    program = compile_graph(suite.prepared(parse(suite.LAYOUTS["broadcast"])), {"cpu": machine})

    def vectors(m: int, shift: int) -> int:
        memory = np.zeros(2 * m + 64, np.float32)
        start = -memory.ctypes.data // 4 % 4 + shift
        x = memory[start : start + 2 * m].reshape(2, m)
        machine.launches.clear()
        program.run([x, np.zeros((2, 1), np.float32), np.zeros(m, np.float32)])
        return int(machine.launches[0][2][-1])

    if all(np.zeros(8, np.float32).ctypes.data % 16 == 0 for _ in range(8)):
        assert vectors(8, 0) == 1
    assert vectors(8, 1) == 0
    assert vectors(9, 0) == 0


@pytest.mark.parametrize("name", suite.PICKS)
@pytest.mark.parametrize("n", [0, 1, 5, 70])
def test_picks(name: str, n: int) -> None:
    graph = parse(suite.GRAPHS[name])
    args = random_arguments(graph, np.random.default_rng(n), {"n": n, "m": 8})
    compare(name, args, simulator.start)
