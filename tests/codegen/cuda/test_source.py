"""CUDA source: golden texts, and launch shapes. Nothing of CUDA is needed for these."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest

from jitorch.codegen.cuda import launch, primitives, toolkit
from jitorch.codegen.cuda.launch import SHAPES, WARP, Shape, Work
from jitorch.codegen.cuda.printer import CudaSource, source
from jitorch.codegen.kernel import Kernel
from jitorch.codegen.loops import GPU
from jitorch.codegen.schedule import schedule
from jitorch.errors import CompileError
from jitorch.ir.opdef import OPS
from jitorch.ir.parser import parse
from jitorch.passes.cost import _CALL
from tests.codegen.cuda import suite
from tests.conftest import Golden


def kernel_of(name: str, **sizes: int) -> Kernel:
    (op,) = suite.sized(name, **sizes).ops("fused")
    return schedule(op, habits=GPU)


def shown(made: CudaSource) -> str:
    entries = [f"{e.name}: {e.work.value}{', late' * e.late}" for e in made.entries]
    return "\n".join([*entries, "", made.text])


@pytest.mark.parametrize("name", ["broadcast", "half", "transposed"])
def test_source(name: str, golden: Golden) -> None:
    golden(f"{name}.txt", shown(source(kernel_of(name))))


@pytest.mark.parametrize(
    ("name", "n", "m"),
    [
        ("softmax", 16_384, 4096),
        ("softmax_of_columns", 8192, 4096),
        ("column_sum", 1_000_000, 32),
        ("centred", 64, 1_000_000),
        ("channel_sum", 64, 3136),
        ("loss", 100, 300),
    ],
)
def test_source_for_sizes(name: str, n: int, m: int, golden: Golden) -> None:
    golden(f"{name}.txt", shown(source(kernel_of(name, n=n, m=m))))


def test_a_kernel_is_named_for_its_text_which_has_no_directories() -> None:
    made = source(kernel_of("chain"))
    assert made.name == source(kernel_of("chain")).name
    assert made.text.startswith(f"def {made.name}(p_x, p_y, ")
    assert "# model.py:" in made.text
    assert "/home" not in made.text


def test_all_sources_are_python() -> None:
    for name, text in suite.GRAPHS.items():
        for op in suite.prepared(parse(text)).ops("fused"):
            compile(source(schedule(op, habits=GPU)).text, name, "exec")


def test_every_name_of_the_op_table_has_a_meaning_on_a_gpu() -> None:
    known = {*primitives.TABLE, *primitives.MATH, "abs", "to_{dtype}"}
    for op in OPS.values():
        if op.scalar is not None:
            for text in filter(None, (op.scalar.float, op.scalar.int, op.scalar.bool)):
                assert set(_CALL.findall(text)) <= known, op.name


def test_shapes() -> None:
    assert SHAPES[Work.ELEMENTS](0) == Shape((0, 1), (256, 1))
    assert SHAPES[Work.ELEMENTS](1) == Shape((1, 1), (256, 1))
    assert SHAPES[Work.ELEMENTS](64_000_000) == Shape((62_500, 1), (256, 1))
    assert SHAPES[Work.LINES](8192, 4096) == Shape((4, 8192), (256, 1))
    assert SHAPES[Work.LINES](1000, 3) == Shape((1, 4), (1, 256))
    assert SHAPES[Work.ROWS](16_384, 1, 4096) == Shape((16_384, 1), (256, 1))
    assert SHAPES[Work.ROWS](200, 1, 1_000_000) == Shape((200, 1), (1024, 1))
    assert SHAPES[Work.ROWS](1000, 1, 3) == Shape((4, 1), (1, 256))
    assert SHAPES[Work.ROW_PARTS](64, 1, 1_000_000) == Shape((64 * 123, 1), (256, 1))
    assert SHAPES[Work.ROW_PARTS](64, 64, 49) == Shape((64, 1), (16, 16))
    assert SHAPES[Work.ROW_TOTALS](64, 1, 1_000_000) == Shape((64, 1), (32, 1))
    assert SHAPES[Work.ROW_PARTS](1, 1, 256_000_000) == Shape((31_250, 1), (256, 1))
    assert SHAPES[Work.ROW_TOTALS](1, 1, 256_000_000) == Shape((1, 1), (1024, 1))
    assert SHAPES[Work.COLUMNS](1, 100, 1, 1000) == Shape((4, 1), (32, 32))
    assert SHAPES[Work.COLUMN_PARTS](1, 32, 1, 1_000_000) == Shape((3907, 1), (32, 8))
    assert SHAPES[Work.COLUMN_PARTS](2, 3, 1, 1_000_000) == Shape((2 * 3907, 1), (4, 64))
    assert SHAPES[Work.COLUMN_TOTALS](1, 32, 1, 1_000_000) == Shape((32, 1), (1024, 1))


@pytest.mark.parametrize("n", [0, 1, 3, 31, 32, 33, 100, 1000, 100_000])
def test_every_shape_is_one_that_hardware_takes(n: int) -> None:
    for work, shape_of in SHAPES.items():
        for m in (0, 1, 5, 64, 2000):
            sizes = (n, m, n, n)[: shape_of.__code__.co_argcount]
            shape = shape_of(*sizes)
            threads = shape.threads[0] * shape.threads[1]
            assert threads % WARP == 0, work
            assert 0 < threads <= launch.BOUNDS[work] <= launch.MOST_THREADS
            assert shape.blocks[1] <= launch.MOST_BLOCKS
            assert launch.is_empty(shape) or min(shape.blocks) > 0


def test_capabilities() -> None:
    assert toolkit.parse_capability("9.0") == (9, 0)
    assert toolkit.parse_capability("12") == (12, 0)
    with pytest.raises(CompileError, match=r"'sm_90' is no compute capability"):
        toolkit.parse_capability("sm_90")
    with pytest.raises(CompileError, match=r"7\.0 is too old"):
        toolkit.parse_capability("7.0")


def test_what_is_missing_is_named_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setitem(sys.modules, "cuda", None)
    toolkit._check.cache_clear()
    with pytest.raises(
        CompileError, match=r"(?s)numba-cuda is not installed.*pip install 'jitorch\[cuda\]'"
    ):
        toolkit.adapter()
    with pytest.raises(CompileError, match="ptxas was not found"):
        toolkit.tool("ptxas")


def test_cuda_is_imported_by_one_module_when_it_is_needed() -> None:
    script = (
        "import sys, jitorch, jitorch.codegen.cuda.compiled;"
        "found = [m for m in sys.modules if m.split('.')[0] in ('numba', 'numba_cuda', 'cupy', 'cuda')];"
        "assert not found, found"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
