"""Every kernel of the suite as PTX, and as machine code from `ptxas`. No GPU is needed."""

from __future__ import annotations

import functools
import re
from typing import Any

import pytest

import jitorch as jt
from jitorch.codegen.cuda import toolkit
from jitorch.codegen.cuda.compiled import Unit, cubin, ptx, units
from jitorch.codegen.cuda.launch import Work
from jitorch.errors import TypeMismatch
from jitorch.ir.parser import parse
from tests.codegen.cuda import suite

pytestmark = [pytest.mark.numba, pytest.mark.usefixtures("compiler")]

CC = (9, 0)


def all_units(name: str) -> list[Unit]:
    return list(units(suite.prepared(parse(suite.GRAPHS[name]))))


@functools.cache
def text(name: str) -> str:
    return "\n".join(unit.text("ptx", CC) for unit in all_units(name))


@pytest.mark.parametrize("name", suite.GRAPHS)
def test_every_kernel_compiles_and_assembles(name: str) -> None:
    for unit in all_units(name):
        made = unit.text("ptx", CC)
        assert f".visible .entry {unit.name}(" in made
        assert made.count(".param .u64") + made.count(".param .f64") == len(unit.source.parameters)
        assert cubin(unit.source, unit.name, CC).startswith(b"\x7fELF")


@pytest.mark.parametrize(
    ("name", "n", "m", "width"),
    [
        ("softmax", 64, 1_000_000, "v4.f32"),
        ("layer_norm", 64, 1_000_000, "v4.f32"),
        ("batch_norm", 64, 3136, "v4.f32"),
        ("half", 8, 1_000_000, "v4.u16"),
        ("column_sum", 1_000_000, 32, "f32"),
        ("softmax_of_columns", 1_000_000, 64, "f32"),
    ],
)
def test_folds_in_parts_of_known_sizes(name: str, n: int, m: int, width: str) -> None:
    for unit in units(suite.sized(name, n=n, m=m)):
        made = unit.text("ptx", CC)
        assert cubin(unit.source, unit.name, CC).startswith(b"\x7fELF")
        assert ".local" not in made
        if unit.entry.work in (Work.ROW_PARTS, Work.COLUMN_PARTS):
            assert f"ld.global.{width}" in made
        else:
            assert unit.entry.work in (Work.ROW_TOTALS, Work.COLUMN_TOTALS)


@pytest.mark.parametrize("cc", [(7, 5), (8, 0), (10, 0), (12, 0)])
def test_other_capabilities(cc: tuple[int, int]) -> None:
    unit, *_ = all_units("softmax")
    assert f".target sm_{cc[0]}{cc[1]}" in unit.text("ptx", cc)
    assert cubin(unit.source, unit.name, cc)


def test_blocks_of_1024_threads_have_registers_enough() -> None:
    whole, part, total, *_ = all_units("softmax")
    for unit in (whole, total):
        assert ".maxntid 1024, 1, 1" in unit.text("ptx", CC)
    for unit in (part, *all_units("chain")):
        assert ".maxntid 256, 1, 1" in unit.text("ptx", CC)


@pytest.mark.parametrize("name", ["softmax", "layer_norm", "loss"])
def test_folds_load_by_16_bytes(name: str) -> None:
    assert "ld.global.v4.f32" in text(name)


@pytest.mark.parametrize("name", ["chain", "broadcast"])
def test_contiguous_float32_is_accessed_by_16_bytes(name: str) -> None:
    assert "ld.global.v4.f32" in text(name)
    assert "st.global.v4.f32" in text(name)


def test_half_is_accessed_by_8_bytes() -> None:
    assert "ld.global.v4.u16" in text("elementwise_f16")
    assert "st.global.v4.u16" in text("elementwise_f16")


def test_single_precision_stays_single() -> None:
    for name in ("chain", "broadcast", "strided", "transposed"):
        assert not re.search(r"(add|mul|fma|div)\S*\.f64", text(name)), name


def test_folds_shuffle_and_use_no_atomics() -> None:
    for name in ("softmax", "layer_norm", "loss", "softmax_of_everything"):
        assert "shfl.sync.bfly" in text(name)
        assert "bar.sync" in text(name)
        assert "atom." not in text(name)
        assert "red.global" not in text(name)


def test_nothing_is_called_or_spilled() -> None:
    for name in (*suite.LAYOUTS, *suite.FOLDS):
        assert "call" not in text(name), name
        assert ".local" not in text(name), name


def test_machine_code_is_shown() -> None:
    (unit,) = all_units("chain")
    assert "LDG.E.128" in unit.text("sass", CC)
    assert "STG.E.128" in unit.text("sass", CC)


def test_code_of_a_function() -> None:
    @jt.script
    def halved(x: Any) -> Any:
        return x * 0.5

    x = jt.ones(5)
    assert "four_x = cuda.local.array(4, np.float32)" in halved.code(x, device="cuda")
    assert ".target sm_80" in halved.code(x, device="cuda", stage="ptx", cc="8.0")
    assert "LDG.E.128" in halved.code(x, device="cuda", stage="sass")
    with pytest.raises(TypeMismatch, match=r"(?s)no code at stage 'asm'.*kernels, ptx, sass"):
        halved.code(x, device="cuda", stage="asm")
    with pytest.raises(TypeMismatch, match="no code for 'tpu'"):
        halved.code(x, device="tpu")


def test_ptx_is_the_same_each_time() -> None:
    (unit,) = all_units("chain")
    first = ptx(unit.source, unit.name, CC)
    ptx.cache_clear()
    assert ptx(unit.source, unit.name, CC) == first


def test_ptxas_that_refuses_says_what_to_do() -> None:
    with pytest.raises(Exception, match=r"(?s)ptxas failed: .*one CUDA release"):
        toolkit.assemble(".version 99.0\n.target sm_90\n.address_size 64\n", CC)
