"""Matrix products in compiled code against NumPy."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from jitorch.codegen import blas, native

pytestmark = pytest.mark.numba

SLOTS = ", ".join(f"arg_i64(args, {k})" for k in range(11))
DTYPES: dict[str, Any] = {"f32": np.float32, "f64": np.float64}


def product(tag: str) -> native.NativeFunction:
    source = f"def kernel(args, lo, hi):\n    matmul_{tag}({SLOTS})\n"
    return native.compile_kernel(source, "kernel")


def stored(rows: int, columns: int, transposed: int, padding: int, dtype: Any) -> Any:
    """Random rows by columns (or transposed) values as stored, with longer rows than needed."""
    shape = (columns, rows + padding) if transposed else (rows, columns + padding)
    return np.random.default_rng(0).standard_normal(shape).astype(dtype)


@pytest.mark.parametrize("tag", DTYPES)
@pytest.mark.parametrize("padding", [0, 3])
def test_every_shape(tag: str, padding: int, table: Callable[..., Any]) -> None:
    function, dtype = product(tag), DTYPES[tag]
    sizes = itertools.product((0, 1, 2, 5), (0, 1, 3, 7), (0, 1, 4, 9), (0, 1), (0, 1))
    for m, n, k, ta, tb in sizes:
        a, b = stored(m, k, ta, padding, dtype), stored(k, n, tb, padding, dtype)
        c = np.full((m, n + padding), np.nan, dtype)
        leading = [each.shape[1] for each in (a, b, c)]
        function(table(a, b, c, m, n, k, *leading, ta, tb).ctypes.data, 0, 1)
        left = a[:, :m].T if ta else a[:, :k]
        right = b[:, :k].T if tb else b[:, :n]
        np.testing.assert_allclose(c[:, :n], left @ right, rtol=1e-4, atol=1e-5)
        assert np.isnan(c[:, n:]).all()


def test_leading_dimensions_of_single_rows_may_be_anything(table: Callable[..., Any]) -> None:
    a, b, c = np.ones((1, 4)), np.ones((4, 3)), np.zeros((1, 3))
    for wrong in (0, 1, -7):
        product("f64")(table(a, b, c, 1, 3, 4, wrong, 3, wrong, 0, 0).ctypes.data, 0, 1)
        np.testing.assert_array_equal(c, np.full((1, 3), 4.0))


def test_large(table: Callable[..., Any]) -> None:
    a, b = stored(130, 70, 0, 0, np.float64), stored(70, 90, 0, 0, np.float64)
    c = np.empty((130, 90))
    product("f64")(table(a, b, c, 130, 90, 70, 70, 90, 90, 0, 0).ctypes.data, 0, 1)
    np.testing.assert_allclose(c, a @ b, rtol=1e-12, atol=1e-12)


def test_objects_name_blas_and_hold_no_address() -> None:
    code = product("f32").code
    assert b"jitorch_sgemm" in code.data
    for name in ("sgemm", "sgemv"):
        address = blas.blas_address(name).to_bytes(8, "little")
        assert address not in code.data


def test_scipy_is_importable_before_and_after(run_python: Callable[..., str]) -> None:
    late = (
        "from jitorch.codegen import blas\n"
        "first = blas.blas_address('dgemm')\n"
        "import scipy.linalg, scipy.linalg.cython_blas\n"
        "scipy.linalg.inv([[2.0]])\n"
        "print(first != 0)\n"
    )
    early = (
        "import scipy.linalg, sys\n"
        "from jitorch.codegen import blas\n"
        "print(blas._cython_blas() is sys.modules['scipy.linalg.cython_blas'])\n"
    )
    assert run_python(late) == "True"
    assert run_python(early) == "True"
