"""Compiling, loading and freeing native code."""

from __future__ import annotations

import gc
import linecache
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jitorch.codegen import llvm, native

pytestmark = pytest.mark.numba

Loop = Callable[..., str]


def compiled(source: str, filename: str = "<test kernel>") -> llvm.ObjectCode:
    return native.compile_source(source, "kernel", native.default_namespace(), filename=filename)


def resident_mb() -> float:
    """Memory of this process; 0 where /proc does not tell."""
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[1]) * 4096 / 1e6 if statm.exists() else 0.0


def test_object_code_and_its_texts(loop: Loop) -> None:
    code = compiled(loop("load(p0, i)", "f32", "f32"))
    assert code.name == "kernel"
    assert "define void @kernel(i64" in code.llvm
    assert "kernel:" in llvm.assembly(code) == llvm.assembly(code.llvm)
    assert native.load_object(code).address != 0


def test_source_is_shown_in_tracebacks(loop: Loop) -> None:
    source = loop("load(p0, i)", "f32", "f32")
    compiled(source, "<shown>")
    assert linecache.getline("<shown>", 1) == source.splitlines()[0] + "\n"


def test_errors_of_the_source_surface(loop: Loop) -> None:
    with pytest.raises(Exception, match="nothing_of_the_kind"):
        compiled(loop("nothing_of_the_kind(i)", "f32"))
    compiled(loop("to_f32(i)", "f32"))  # and leave the compiler usable


def test_control_flow_of_python(run_kernel: Any) -> None:
    source = (
        "def kernel(args, lo, hi):\n"
        "    out = arg_ptr_i64(args, 0)\n"
        "    count = 0\n"
        "    i = lo\n"
        "    while True:\n"
        "        if i >= hi:\n"
        "            break\n"
        "        if i % 3 == 0 or (i > 20 and not i & 1):\n"
        "            count += 1\n"
        "        i += 1\n"
        "    for j in range(10, 0, -2):\n"
        "        first, second = j, j * j\n"
        "        count += first if j > 4 else second\n"
        "    store(out, 0, count)\n"
    )
    out = np.zeros(1, np.int64)
    run_kernel(source, 100, out)
    want = sum(i % 3 == 0 or (i > 20 and not i & 1) for i in range(100)) + 10 + 8 + 6 + 16 + 4
    assert out[0] == want


def test_names_end_with_their_block_unless_bound_elsewhere(run_kernel: Any) -> None:
    source = (
        "def kernel(args, lo, hi):\n"
        "    out = arg_ptr_f64(args, 0)\n"
        "    i = lo - 1\n"
        "    last = 0.0\n"
        "    for i in range(lo, hi):\n"
        "        half = i / 2\n"
        "        if half > 3 and not i == 8:\n"
        "            continue\n"
        "        last = -half\n"
        "    hi, lo = lo, hi\n"
        "    store(out, 0, last)\n"
        "    store(out, 1, i)\n"
        "    store(out, 2, hi)\n"
        "    store(out, 3, 1 < 2 <= 2 != 3)\n"
        "    store(out, 4, ~lo ^ 3 | 8)\n"
        "    store(out, 5, -7 // 2 * 10 + -7 % 4)\n"
    )
    out = np.zeros(6)
    run_kernel(source, 10, out)
    assert out.tolist() == [-4.0, 9.0, 0.0, 1.0, ~10 ^ 3 | 8, -39.0]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("x = 1\n    x = 1.5", "'x' is of int64 and is given float64"),
        ("if lo:\n        x = 1\n    y = x", "'x' is not defined\n  line 4: y = x"),
        ("x = lo ** 2", "no meaning in a kernel: Pow"),
        ("x = [lo]", r"no meaning in a kernel: \[lo\]"),
        ("for x in lo:\n        pass", "no meaning in a kernel: for x in lo"),
        ("x = 'text'", "'text' has no place in a kernel"),
        ("x = ~1.5", "no meaning in a kernel: Invert"),
        ("x = 1.5 // 2", "floats are divided by `ffloordiv`"),
        ("x = 1.5 & 2", "no bits of float64"),
        ("x = to_u64(1) + lo", "no whole number holds all of uint64 and int64"),
        ("x = 1 if lo else 1.5", "values of one type expected"),
        ("x = range(1.5)", "'range' is not defined as an operation"),
        ("for x in range(1.5):\n        pass", "a whole number expected, not float64"),
        ("load(lo, hi)", "does not take"),
        ("x, (y, z) = 1, (2, 3)", r"no meaning in a kernel: \(2, 3\)"),
    ],
)
def test_what_has_no_meaning_is_an_error_with_its_line(line: str, message: str) -> None:
    with pytest.raises(Exception, match=message) as caught:
        compiled(f"def kernel(args, lo, hi):\n    {line}\n")
    assert "line " in str(caught.value)


def test_fastmath_flags_are_the_callers(loop: Loop) -> None:
    source = loop("load(p0, i) * load(p0, i) + load(p0, i)", "f32", "f32")
    names = native.default_namespace()

    def text(flags: frozenset[str]) -> str:
        code = native.compile_source(source, "kernel", names, fastmath=flags, filename="<flags>")
        return code.llvm

    assert "fadd contract <" in text(frozenset({"contract"}))
    assert "contract" not in text(frozenset())


def test_code_is_freed_with_its_last_user(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JITORCH_CACHE", "0")
    source = loop("load(p0, i) * to_f32(7.0)", "f32", "f32")
    function = native.compile_kernel(source, "kernel")
    assert native.compile_kernel(source, "kernel") is function
    gone = weakref.ref(function)
    del function
    gc.collect()
    assert gone() is None


def test_memory_stays_flat_over_loads_and_compiles(loop: Loop) -> None:
    codes = [compiled(loop(f"load(p0, i) + to_f32({k}.0)", "f32", "f32")) for k in range(20)]
    for code in codes:
        native.load_object(code)
    before = resident_mb()
    for _ in range(10):
        for code in codes:
            native.load_object(code)
    for k in range(20):
        compiled(loop(f"load(p0, i) - to_f32({k}.0)", "f32", "f32"))
    gc.collect()
    assert resident_mb() - before < 12


def test_several_jobs_come_back_in_their_order(loop: Loop, cache_dir: Path) -> None:
    jobs = [
        native.source_job(loop(f"load(p0, i) + to_f32({n})", "f32", "f32"), "kernel")
        for n in (1, 2, 1, 3)
    ]
    one, two, again, three = native.cached(jobs)
    assert one is again
    assert len({one.address, two.address, three.address}) == 3
    x, out = np.arange(4, dtype=np.float32), np.empty(4, np.float32)
    table = np.array([x.ctypes.data, out.ctypes.data], np.int64)
    for function, n in ((one, 1), (two, 2), (three, 3)):
        function(table.ctypes.data, 0, 4)
        np.testing.assert_array_equal(out, x + n)
    assert native.cached(jobs[:2]) == [one, two]


def test_a_job_that_fails_fails_alone(loop: Loop, cache_dir: Path) -> None:
    good = native.source_job(loop("load(p0, i) * to_f32(7)", "f32", "f32"), "kernel")
    bad = native.source_job(loop("nothing_of_the_kind(i)", "f32"), "kernel")
    with pytest.raises(Exception, match="nothing_of_the_kind"):
        native.cached([good, bad])
    assert native.cached([good])[0].address


def test_nothing_is_kept_of_a_compilation() -> None:
    text = "define void @kernel(i64 %args, i64 %lo, i64 %hi) {\n  ret void\n}\n"
    for _ in range(20):
        llvm.compile_llvm([text], "kernel")
    before = resident_mb()
    for _ in range(200):
        llvm.compile_llvm([text], "kernel")
    gc.collect()
    assert resident_mb() - before < 4  # pass managers alone would take 14


def test_memory_cache_keys_on_text_and_flags(loop: Loop) -> None:
    one, two = (loop(f"load(p0, i) + to_f32({k}.0)", "f32", "f32") for k in (1, 2))
    first = native.compile_kernel(one, "kernel")
    assert native.compile_kernel(two, "kernel") is not first
    assert native.compile_kernel(one, "kernel", fastmath=frozenset()) is not first
    assert native.kernel_key("a") != native.kernel_key("a", frozenset({"nnan"}))


def test_cached_kernels_need_no_numba(loop: Loop, cache_dir: Path, run_python: Any) -> None:
    script = (
        "import sys, ctypes\n"
        "from jitorch.codegen import native\n"
        f"source = {loop('load(p0, i) + to_f32(3.0)', 'f32', 'f32')!r}\n"
        "function = native.compile_kernel(source, 'kernel')\n"
        "x, y = (ctypes.c_float * 4)(1, 2, 3, 4), (ctypes.c_float * 4)()\n"
        "args = (ctypes.c_int64 * 2)(ctypes.addressof(x), ctypes.addressof(y))\n"
        "function(ctypes.addressof(args), 0, 4)\n"
        "print(list(y), 'numba' in sys.modules)\n"
    )

    assert run_python(script) == "[4.0, 5.0, 6.0, 7.0] True"
    assert run_python(script) == "[4.0, 5.0, 6.0, 7.0] False"


def test_names_are_resolved_while_loading(run_kernel: Any, monkeypatch: Any) -> None:
    import ctypes

    seen: list[int] = []

    callback = ctypes.CFUNCTYPE(None, ctypes.c_int64)(seen.append)
    from jitorch.codegen import intrinsics

    address = ctypes.cast(callback, ctypes.c_void_p).value
    assert address is not None
    monkeypatch.setattr(native, "_symbols", dict(native._symbols))
    native.define_symbol("jitorch_test_callback", lambda: address)
    names = {"callback": intrinsics.external_call("jitorch_test_callback", 1)}
    source = "def kernel(args, lo, hi):\n    for i in range(lo, hi):\n        callback(i)\n"
    code = native.compile_source(source, "kernel", names, filename="<callback>")
    native.load_object(code)(0, 2, 5)
    assert seen == [2, 3, 4]


def test_undefined_names_are_errors() -> None:
    from jitorch.codegen import intrinsics

    names = {"missing": intrinsics.external_call("jitorch_no_such_symbol", 0)}
    source = "def kernel(args, lo, hi):\n    missing()\n"
    code = native.compile_source(source, "kernel", names, filename="<missing>")
    with pytest.raises(native.LinkError, match="cannot be linked"):
        native.load_object(code)


def test_library_functions_resolve(run_kernel: Any, loop: Loop) -> None:
    x, y = np.array([5.5, -7.25]), np.zeros(2)
    run_kernel(loop("fmod_floor(load(p0, i), to_f64(2.0))", "f64", "f64"), 2, x, y)
    np.testing.assert_array_equal(y, x % 2.0)


def test_several_threads_compile_at_once(loop: Loop) -> None:
    from concurrent.futures import ThreadPoolExecutor

    sources = [loop(f"load(p0, i) * to_f32({k}.0)", "f32", "f32") for k in range(4)] * 3
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda source: native.compile_kernel(source, "kernel"), sources))
    assert len({id(function) for function in found}) == 4
