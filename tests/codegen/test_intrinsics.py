"""Intrinsics against NumPy, and that loops over them become vector code."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.numba

Run = Callable[..., Any]
Loop = Callable[..., str]

DTYPES: dict[str, Any] = {
    "bool": np.bool_,
    "u8": np.uint8,
    "i8": np.int8,
    "i16": np.int16,
    "i32": np.int32,
    "i64": np.int64,
    "f16": np.float16,
    "f32": np.float32,
    "f64": np.float64,
}
INTEGERS = ["u8", "i8", "i16", "i32", "i64"]
FLOATS = ["f16", "f32", "f64"]
EDGES = [
    *[0.0, -0.0, 1, -1, 0.5, -0.5, 1.5, 2.5, 127, 128, -128, -129, 255, 256, 300, -300],
    *[32767, 32768, -32769, 65535, 65536, 2**31 - 1, 2**31, -(2**31), -(2**31) - 1, 2**32, 2**53],
    *[2.0**63, -(2.0**63), 2.0**64, 1e10, -1e10, 1e20, -1e20, np.inf, -np.inf, np.nan],
    *[65504, 65519.9, 65520, 65520.1, 5.96e-8, 2.98e-8, 2.99e-8, 1 + 2**-11, 1 + 2**-11 + 2**-40],
]


def values(tag: str) -> Any:
    """Edge cases of a dtype and random values."""
    dtype, rng = DTYPES[tag], np.random.default_rng(0)
    if tag in FLOATS:
        with np.errstate(all="ignore"):
            return np.concatenate([np.array(EDGES), rng.standard_normal(99) * 50]).astype(dtype)
    if tag == "bool":
        return np.array([True, False, True])
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    edges = np.array([low, low + 1, 0, 1, 2, 3, high - 1, high, high // 2], dtype)
    return np.concatenate([edges, rng.integers(low, high, 90, dtype, endpoint=True)])


def pairs(tag: str) -> tuple[Any, Any]:
    """Every pair of a few values of a dtype."""
    few = values(tag)[:40]
    if tag in INTEGERS:
        small = np.arange(-9, 10) if tag != "u8" else np.arange(19)
        few = np.concatenate([few[:14], small.astype(few.dtype)])
    left, right = np.meshgrid(few, few)
    return left.ravel().copy(), right.ravel().copy()


def assert_same(got: Any, want: Any) -> None:
    """Equal in every bit that has a meaning: NaNs are alike, zeros have signs."""
    np.testing.assert_array_equal(got, want)
    if got.dtype.kind == "f":
        number = ~np.isnan(want)
        np.testing.assert_array_equal(np.signbit(got[number]), np.signbit(want[number]))


@pytest.mark.parametrize("source", DTYPES)
def test_casts_are_numpys(source: str, run_kernel: Run, loop: Loop) -> None:
    x = values(source)
    for target in DTYPES:
        y = np.zeros(len(x), DTYPES[target])
        run_kernel(loop(f"to_{target}(load(p0, i))", source, target), len(x), x, y)
        with np.errstate(all="ignore"):
            assert_same(y, x.astype(DTYPES[target]))


@pytest.mark.parametrize("tag", DTYPES)
def test_store_converts_and_load_reads(tag: str, run_kernel: Run, loop: Loop) -> None:
    x = values(tag)
    copy, double = np.zeros_like(x), np.zeros(len(x), np.float64)
    run_kernel(loop("load(p0, i)", tag, tag), len(x), x, copy)
    assert_same(copy, x)
    run_kernel(loop("load(p0, i)", tag, "f64"), len(x), x, double)
    assert_same(double, x.astype(np.float64))


def test_any_nonzero_byte_is_true(run_kernel: Run, loop: Loop) -> None:
    x, y = np.array([0, 1, 2, 255], np.uint8), np.zeros(4, np.bool_)
    run_kernel(loop("load(p0, i)", "bool", "bool"), 4, x, y)
    assert y.view(np.uint8).tolist() == [0, 1, 1, 1]


def test_indices_may_be_negative_or_unsigned(run_kernel: Run) -> None:
    x, y = np.arange(10, dtype=np.float32), np.zeros(10, np.float32)
    source = (
        "def kernel(args, lo, hi):\n"
        "    a = arg_ptr_f32(args, 0)\n"
        "    b = arg_ptr_f32(args, 1)\n"
        "    step = arg_i64(args, 2)\n"
        "    for i in range(lo, hi):\n"
        "        store(b, to_u64(i), load(a, i * step))\n"
    )
    run_kernel(source, 10, x[9:], y, -1)
    np.testing.assert_array_equal(y, x[::-1])


def test_table_slots(run_kernel: Run) -> None:
    source = (
        "def kernel(args, lo, hi):\n"
        "    set_i64(args, 2, arg_i64(args, 0) + lo)\n"
        "    set_f64(args, lo + 3, arg_f64(args, 1) * 2.0)\n"
        "    set_i64(args, 4, ptr_address(arg_ptr_u8(args, 0)))\n"
    )
    from jitorch.codegen import native

    function = native.compile_kernel(source, "kernel")
    slots = np.zeros(5, np.int64)
    slots[0] = 41
    slots[1:2].view(np.float64)[0] = 1.25
    function(slots.ctypes.data, 0, 0)
    assert slots[2] == slots[4] == 41
    assert slots[3:4].view(np.float64)[0] == 2.5


def test_slot_numbers_must_be_literal(run_kernel: Run) -> None:
    with pytest.raises(Exception, match="literal integer"):
        run_kernel("def kernel(args, lo, hi):\n    load(arg_ptr_f32(args, lo), 0)\n", 1, 0)


@pytest.mark.parametrize("tag", INTEGERS)
@pytest.mark.parametrize(("name", "ufunc"), [("floordiv", np.floor_divide), ("mod", np.remainder)])
def test_integer_division(tag: str, name: str, ufunc: Any, run_kernel: Run, loop: Loop) -> None:
    a, b = pairs(tag)
    y = np.zeros_like(a)
    run_kernel(loop(f"{name}(load(p0, i), load(p1, i))", tag, tag, tag), len(a), a, b, y)
    with np.errstate(all="ignore"):
        assert_same(y, ufunc(a, b))


@pytest.mark.parametrize("tag", INTEGERS)
@pytest.mark.parametrize(("name", "ufunc"), [("shl", np.left_shift), ("shr", np.right_shift)])
def test_shifts(tag: str, name: str, ufunc: Any, run_kernel: Run, loop: Loop) -> None:
    a = np.tile(values(tag), 3)
    n = np.resize(np.array([0, 1, 5, 7, 8, 9, 15, 16, 31, 32, 63, 64, 65, 100], a.dtype), len(a))
    if tag != "u8":
        n[::17] = -1
    y = np.zeros_like(a)
    run_kernel(loop(f"{name}(load(p0, i), load(p1, i))", tag, tag, tag), len(a), a, n, y)
    assert_same(y, ufunc(a, n))


@pytest.mark.parametrize("tag", INTEGERS)
def test_powers(tag: str, run_kernel: Run, loop: Loop) -> None:
    a = np.repeat(values(tag), 7)
    n = np.resize(np.array([0, 1, 2, 3, 10, 64, 127], a.dtype), len(a))
    y = np.zeros_like(a)
    run_kernel(loop("ipow(load(p0, i), load(p1, i))", tag, tag, tag), len(a), a, n, y)
    assert_same(y, a**n)
    run_kernel(loop("ipow(load(p0, i), 5)", tag, tag), len(a), a, y)
    assert_same(y, a ** a.dtype.type(5))


def test_negative_powers_truncate(run_kernel: Run, loop: Loop) -> None:
    a = np.array([-2, -1, -1, 0, 1, 2], np.int32)
    n = np.array([-1, -3, -2, -1, -5, -1], np.int32)
    y = np.zeros_like(a)
    run_kernel(loop("ipow(load(p0, i), load(p1, i))", "i32", "i32", "i32"), len(a), a, n, y)
    assert y.tolist() == [0, -1, 1, 0, 1, 0]


@pytest.mark.parametrize("tag", ["f32", "f64"])
@pytest.mark.parametrize(
    ("name", "ufunc"), [("ffloordiv", np.floor_divide), ("fmod_floor", np.remainder)]
)
def test_float_division(tag: str, name: str, ufunc: Any, run_kernel: Run, loop: Loop) -> None:
    a, b = pairs(tag)
    y = np.zeros_like(a)
    run_kernel(loop(f"{name}(load(p0, i), load(p1, i))", tag, tag, tag), len(a), a, b, y)
    with np.errstate(all="ignore"):
        assert_same(y, ufunc(a, b))


@pytest.mark.parametrize("tag", [*INTEGERS, "f32", "f64"])
@pytest.mark.parametrize(("name", "ufunc"), [("maximum", np.maximum), ("minimum", np.minimum)])
def test_extremes(tag: str, name: str, ufunc: Any, run_kernel: Run, loop: Loop) -> None:
    a, b = pairs(tag)
    y = np.zeros_like(a)
    run_kernel(loop(f"{name}(load(p0, i), load(p1, i))", tag, tag, tag), len(a), a, b, y)
    np.testing.assert_array_equal(y, ufunc(a, b))


def test_operands_must_have_one_type(run_kernel: Run, loop: Loop) -> None:
    with pytest.raises(Exception, match="operands of one type expected"):
        run_kernel(loop("mod(load(p0, i), load(p1, i))", "i32", "i64", "i64"), 0, 0, 0, 0)


REDUCTION = (
    "def kernel(args, lo, hi):\n"
    "    a = arg_ptr_{tag}(args, 0)\n"
    "    total = to_{tag}({start})\n"
    "    for i in range(lo, hi):\n"
    "        total = {racc}(total, load(a, i))\n"
    "    store(arg_ptr_{tag}(args, 1), 0, total)\n"
)


@pytest.mark.parametrize("tag", ["i32", "i64", "f32", "f64"])
@pytest.mark.parametrize(
    ("racc", "start", "ufunc"),
    [
        ("racc_add", 0, np.add),
        ("racc_mul", 1, np.multiply),
        ("racc_max", -9, np.maximum),
        ("racc_min", 9, np.minimum),
    ],
)
def test_reductions(tag: str, racc: str, start: int, ufunc: Any, run_kernel: Run) -> None:
    rng, y = np.random.default_rng(1), np.zeros(1, DTYPES[tag])
    x = rng.uniform(-4, 4, 1003).astype(DTYPES[tag])
    if racc == "racc_mul":
        x = np.abs(x) * 0 + x.dtype.type(1) + (x > 0) * x.dtype.type(tag[0] == "f") / 64
        x = x.astype(DTYPES[tag])
    source = REDUCTION.format(tag=tag, racc=racc, start=start)
    function = run_kernel(source, len(x), x, y)
    np.testing.assert_allclose(y[0], ufunc.reduce(x), rtol=1e-4)
    assert re.search(r"<\d+ x (float|double|i32|i64)>", function.code.llvm)
    if tag[0] == "f":
        x[500] = np.nan
        run_kernel(source, len(x), x, y)
        assert np.isnan(y[0])


def test_sums_of_floats_stay_in_order_without_racc(run_kernel: Run) -> None:
    source = REDUCTION.format(tag="f32", racc="plain", start=0)
    source = source.replace("plain(total, load(a, i))", "total + load(a, i)")
    x, y = np.ones(100, np.float32), np.zeros(1, np.float32)
    function = run_kernel(source, 100, x, y)
    assert not re.search(r"fadd [a-z ]*<\d+ x float>", function.code.llvm)


def vectorised(llvm: str, element: str) -> bool:
    return bool(re.search(rf"store <\d+ x {element}>", llvm)) and "memcheck" not in llvm


def test_twenty_pointers_need_no_overlap_checks(run_kernel: Run, loop: Loop) -> None:
    tags = ["f32"] * 20
    total = " + ".join(f"load(p{k}, i)" for k in range(19))
    arrays = [np.full(100, k, np.float32) for k in range(20)]
    function = run_kernel(loop(total, *tags), 100, *arrays)
    assert vectorised(function.code.llvm, "float")
    np.testing.assert_array_equal(arrays[-1], np.full(100, sum(range(19)), np.float32))


@pytest.mark.parametrize("tag", ["u8", "i32"])
def test_narrow_integers_keep_their_width(tag: str, run_kernel: Run, loop: Loop) -> None:
    expression = f"to_{tag}(to_{tag}(load(p0, i) * load(p1, i)) + load(p0, i))"
    x, y = np.arange(99).astype(DTYPES[tag]), np.zeros(99, DTYPES[tag])
    function = run_kernel(loop(expression, tag, tag, tag), 99, x, x, y)
    assert vectorised(function.code.llvm, f"i{x.itemsize * 8}")
    assert not re.search(r"<\d+ x i64>", function.code.llvm)
    np.testing.assert_array_equal(y, x * x + x)


def test_one_slot_may_alias_itself(run_kernel: Run) -> None:
    source = (
        "def kernel(args, lo, hi):\n"
        "    a = arg_ptr_f32(args, 0)\n"
        "    for i in range(lo, hi):\n"
        "        store(a, i + 1, load(a, i) + to_f32(1.0))\n"
    )
    x = np.zeros(101, np.float32)
    run_kernel(source, 100, x)
    np.testing.assert_array_equal(x, np.arange(101))


def test_kernels_call_kernels(run_kernel: Run, loop: Loop, table: Any) -> None:
    from jitorch.codegen import native

    inner = native.compile_kernel(loop("load(p0, i) + load(p0, i)", "f64", "f64"), "kernel")
    x, y = np.arange(8.0), np.zeros(8)
    args = table(x, y)
    source = (
        "def kernel(args, lo, hi):\n    call_kernel(arg_i64(args, 0), arg_i64(args, 1), lo, hi)\n"
    )
    run_kernel(source, 8, inner.address, args)
    np.testing.assert_array_equal(y, 2 * x)


def test_intrinsics_made_with_numbas_decorator(loop: Loop, table: Any) -> None:
    from numba import types
    from numba.extending import intrinsic

    from jitorch.codegen import intrinsics, native

    def define(typingctx: Any, x: Any) -> Any:
        def emit(context: Any, builder: Any, sig: Any, operands: Any) -> Any:
            return builder.fadd(operands[0], operands[0])

        return types.float64(types.float64), emit

    names = {**intrinsics.NAMESPACE, "twice": intrinsic(define)}
    source = loop("twice(load(p0, i))", "f32", "f64")
    code = native.compile_source(source, "kernel", names, filename="<test>")
    x, y = np.arange(4, dtype=np.float32), np.zeros(4)
    native.load_object(code)(table(x, y).ctypes.data, 0, 4)
    np.testing.assert_array_equal(y, [0, 2, 4, 6])


def test_intrinsics_are_not_for_python() -> None:
    from jitorch.codegen import intrinsics

    with pytest.raises(TypeError, match="compiled kernels only"):
        intrinsics.load(0, 0)
