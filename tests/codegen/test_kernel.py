"""Kernel IR and the source written from it: golden texts, and facts about them."""

from __future__ import annotations

import pytest

from jitorch.codegen import numba_cpu
from jitorch.codegen.compiled import reads_before_writing
from jitorch.codegen.kernel import Kernel, Layout
from jitorch.codegen.schedule import schedule
from jitorch.ir.parser import parse
from tests.codegen.support import located, prepared
from tests.conftest import Golden

GRAPHS = {
    "elementwise_is_one_flat_loop": """
        graph @f(%x: f32[n, m], %y: f32[n, m], %alpha: float) {
          %a: f32[] = cast(%alpha) {dtype=f32}
          %half: f32[] = constant() {value=0.5, dtype=f32}
          %0: f32[n, m] = mul(%x, %a)
          %1: f32[n, m] = add(%0, %y)
          %z: f32[n, m] = mul(%1, %half)
          return %z
        }""",
    "broadcast_goes_row_by_row": """
        graph @f(%x: f32[n, m], %rows: f32[n, 1], %columns: f32[m]) {
          %r: f32[n, 1] = exp(%rows)
          %0: f32[n, m] = mul(%x, %r)
          %y: f32[n, m] = add(%0, %columns)
          return %y
        }""",
    "strides_of_an_argument_are_slots": """
        graph @f(%x: f32[n, m; strided], %y: f32[n, m]) {
          %z: f32[n, m] = add(%x, %y)
          return %z
        }""",
    "softmax_keeps_the_exponentials": """
        graph @f(%x: f32[n, m]) {
          %top: f32[n, 1] = amax(%x) {dim=(1,), keepdim=True}
          %c: f32[n, m] = sub(%x, %top)
          %e: f32[n, m] = exp(%c)
          %s: f32[n, 1] = sum(%e) {dim=(1,), keepdim=True}
          %y: f32[n, m] = div(%e, %s)
          return %y
        }""",
    "centring_is_computed_again": """
        graph @f(%x: f32[n, 100]) {
          %count: f32[] = constant() {value=100.0, dtype=f32}
          %s: f32[n, 1] = sum(%x) {dim=(1,), keepdim=True}
          %mean: f32[n, 1] = div(%s, %count)
          %c: f32[n, 100] = sub(%x, %mean)
          %q: f32[n, 100] = square(%c)
          %v: f32[n, 1] = sum(%q) {dim=(1,), keepdim=True}
          %y: f32[n, 100] = div(%c, %v)
          return %y
        }""",
    "sums_of_columns_walk_along_rows": """
        graph @f(%x: f32[n, m], %b: f32[m]) {
          %s: f32[m] = sum(%x) {dim=(0,), keepdim=False}
          %y: f32[m] = add(%s, %b)
          return %y
        }""",
    "a_full_sum_is_cut_in_blocks": """
        graph @f(%x: f32[n, m], %y: f32[n, m]) {
          %d: f32[n, m] = sub(%x, %y)
          %q: f32[n, m] = square(%d)
          %s: f32[] = sum(%q) {dim=(0, 1), keepdim=False}
          %r: f32[] = sqrt(%s)
          return %r
        }""",
    "integers_keep_their_width": """
        graph @f(%x: i32[n], %y: i32[n]) {
          %0: i32[n] = add(%x, %y)
          %1: i32[n] = mul(%0, %x)
          %c: bool[n] = lt(%1, %y)
          %z: i32[n] = where(%c, %1, %x)
          return %z
        }""",
}


def kernel_of(text: str) -> Kernel:
    (op,) = prepared(located(parse(text))).ops("fused")
    return schedule(op)


@pytest.mark.parametrize("name", GRAPHS)
def test_kernel_source(name: str, golden: Golden) -> None:
    kernel = kernel_of(GRAPHS[name])
    golden(f"{name}.txt", f"{kernel}\n\n{numba_cpu.source(kernel)[1]}")


def test_layouts() -> None:
    layouts = {name: kernel_of(text).layout for name, text in GRAPHS.items()}
    assert layouts == {
        "elementwise_is_one_flat_loop": Layout.FLAT,
        "broadcast_goes_row_by_row": Layout.TILES,
        "strides_of_an_argument_are_slots": Layout.TILES,
        "softmax_keeps_the_exponentials": Layout.ROWS,
        "centring_is_computed_again": Layout.ROWS,
        "sums_of_columns_walk_along_rows": Layout.COLUMNS,
        "a_full_sum_is_cut_in_blocks": Layout.SPLIT,
        "integers_keep_their_width": Layout.FLAT,
    }


def test_a_kernel_is_named_for_its_text_which_has_no_directories() -> None:
    name, source = numba_cpu.source(kernel_of(GRAPHS["integers_keep_their_width"]))
    again, _ = numba_cpu.source(kernel_of(GRAPHS["integers_keep_their_width"]))
    assert name == again
    assert name.startswith("fused_")
    assert source.startswith(f"def {name}(args, lo, hi):\n")
    assert "# model.py:1" in source
    assert "/home" not in source


def test_names_of_users_do_not_hide_functions() -> None:
    kernel = kernel_of("""
    graph @f(%exp: f32[n], %load: f32[n], %i: f32[n], %to_f32: f32[n]) {
      %lambda: f32[n] = exp(%exp)
      %range: f32[n] = add(%lambda, %load)
      %store: f32[n] = add(%i, %to_f32)
      %for: f32[n] = add(%range, %store)
      return %for
    }""")
    _, source = numba_cpu.source(kernel)
    compile(source, "kernel", "exec")
    assert "v_lambda = exp(v_exp)" in source


def test_constants_are_exact() -> None:
    def text(value: str, dtype: str = "f32") -> str:
        kernel = kernel_of(f"""
        graph @f(%x: {dtype}[n]) {{
          %c: {dtype}[] = constant() {{value={value}, dtype={dtype}}}
          %y: {dtype}[n] = add(%x, %c)
          return %y
        }}""")
        return next(
            line
            for line in numba_cpu.source(kernel)[1].split("\n")
            if line.strip().startswith("y =")
        )

    assert "x + to_f32(0.1)" in text("0.1")
    assert "x + to_f32(-0.0)" in text("-0.0")
    assert "x + to_f32(NAN)" in text("nan")
    assert "x + to_f32(-INF)" in text("-inf")
    assert "x + to_f32(0.0999755859375)" in text("0.1", "f16")
    assert "to_i8(x + to_i8(-5))" in text("-5", "i8")


def test_memory_is_shared_only_where_reading_comes_first() -> None:
    softmax = kernel_of(GRAPHS["softmax_keeps_the_exponentials"])
    # The exponentials go to the result's memory in the pass that reads x for the last time.
    assert reads_before_writing(softmax, "p_x", "p_y")
    centring = kernel_of(GRAPHS["centring_is_computed_again"])
    assert reads_before_writing(centring, "p_x", "p_y")
    transposed = kernel_of("""
    graph @f(%x: f32[n, n]) {
      %t: f32[n, n; strided] = permute(%x) {dims=(1, 0)}
      %y: f32[n, n] = neg(%t)
      return %y
    }""")
    assert not reads_before_writing(transposed, "p_x", "p_y")
