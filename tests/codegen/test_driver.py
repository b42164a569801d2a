"""Loops as native functions, against the interpreter."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from jitorch.codegen.runtime import Executable
from jitorch.errors import IndexOutOfRange
from tests.codegen.support import check, compiled

pytestmark = pytest.mark.numba


def normal(*shape: int, seed: int = 0) -> Any:
    return (np.random.default_rng(seed).standard_normal(shape) * 0.5).astype(np.float32)


def native(text: str, *args: Any) -> Executable:
    executable = check(text, *args)
    assert len(executable.drivers) == 1, executable.facts.reasons
    return executable


RNN = """
    graph @rnn(%x: f32[t, b, i], %h: f32[b, d], %W: f32[i, d], %U: f32[d, d], %bh: f32[d]) {
      %t: int(t) = dim() {value=t}
      %c: bool = constant() {value=True}
      %ys: list[f32[b, d]] = empty_list(%h)
      %last: f32[b, d], %all: list[f32[b, d]] =
        loop(%t, %c, %h, %ys) (%k: int(k), %v: f32[b, d], %l: list[f32[b, d]]) {
          %xt: f32[b, i] = select(%x) {dim=0, index=k}
          %0: f32[b, d] = matmul(%xt, %W)
          %1: f32[b, d] = matmul(%v, %U)
          %2: f32[b, d] = add(%0, %1)
          %3: f32[b, d] = add(%2, %bh)
          %4: f32[b, d] = tanh(%3)
          %5: f32[b, d] = neg(%4)
          %m: list[f32[b, d]] = append(%l, %5)
          yield %c, %4, %m
      }
      %out: f32[q, b, d] = list_stack(%all) {dim=0}
      return %out, %last RESULTS
    }"""


@pytest.mark.parametrize(("steps", "batch"), [(1, 1), (7, 1), (20, 3)])
def test_a_recurrent_network(steps: int, batch: int) -> None:
    args = normal(steps, batch, 4), normal(batch, 8), normal(4, 8), normal(8, 8), normal(8)
    native(RNN.replace("RESULTS", ""), *args)


def test_a_list_and_its_stack_do_not_share_memory() -> None:
    args = normal(5, 2, 4), normal(2, 8), normal(4, 8), normal(8, 8), normal(8)
    executable = native(RNN.replace("RESULTS", ", %all"), *args)
    stacked, _, items = executable.run(list(args))
    kept = items[0].copy()
    stacked[:] = 0
    np.testing.assert_array_equal(items[0], kept)


RECURRENCE = """
    graph @f(%x: f32[n], %y: f32[n], %t: int(t)) {
      %c: bool = constant() {value=True}
      %half: f32[] = constant() {value=0.5, dtype=f32}
      %out: f32[n] = loop(%t, %c, %y) (%i: int(i), %p: f32[n]) {
        %a: f32[] = select(%p) {dim=0, index=i}
        %b: f32[] = select(%x) {dim=0, index=i + 1}
        %0: f32[] = mul(%a, %half)
        %1: f32[] = add(%0, %b)
        %q: f32[n] = write(%p, %1) {view="select", dim=0, index=i + 1}
        yield %c, %q
      }
      return %out
    }"""


def test_writes_to_single_elements() -> None:
    native(RECURRENCE, normal(50), normal(50, seed=1), 49)
    native(RECURRENCE, normal(50), normal(50, seed=1), 1)


def test_an_index_beyond_the_end_is_an_error_at_its_line() -> None:
    executable = compiled(RECURRENCE)
    with pytest.raises(IndexOutOfRange, match=r"index 10 is out of bounds .* size 10") as caught:
        executable.run([normal(10), normal(10), 10])
    assert caught.value.loc.file == "/home/me/model.py"


def test_a_stencil_with_slices() -> None:
    native(
        """
        graph @heat(%u: f32[n], %steps: int) {
          %c: bool = constant() {value=True}
          %k: f32[] = constant() {value=0.1, dtype=f32}
          %out: f32[n] = loop(%steps, %c, %u) (%i: int(i), %p: f32[n]) {
            %l: f32[n - 2] = slice(%p) {dim=0, start=0, length=n - 2, step=1}
            %m: f32[n - 2] = slice(%p) {dim=0, start=1, length=n - 2, step=1}
            %r: f32[n - 2] = slice(%p) {dim=0, start=2, length=n - 2, step=1}
            %0: f32[n - 2] = add(%l, %r)
            %1: f32[n - 2] = sub(%0, %m)
            %2: f32[n - 2] = mul(%1, %k)
            %3: f32[n - 2] = add(%m, %2)
            %q: f32[n] = write(%p, %3) {view="slice", dim=0, start=1, length=n - 2, step=1}
            yield %c, %q
          }
          return %out
        }""",
        normal(40),
        25,
    )


def test_a_tensor_shifted_onto_itself() -> None:
    native(
        """
        graph @shift(%u: f32[n], %steps: int) {
          %c: bool = constant() {value=True}
          %out: f32[n] = loop(%steps, %c, %u) (%i: int(i), %p: f32[n]) {
            %l: f32[n - 1] = slice(%p) {dim=0, start=0, length=n - 1, step=1}
            %q: f32[n] = write(%p, %l) {view="slice", dim=0, start=1, length=n - 1, step=1}
            yield %c, %q
          }
          return %out
        }""",
        normal(30),
        3,
    )


def test_rows_are_written_and_broadcast_into_columns() -> None:
    native(
        """
        graph @f(%x: f32[n, m], %n: int(n)) {
          %c: bool = constant() {value=True}
          %out: f32[n, m] = loop(%n, %c, %x) (%i: int(i), %p: f32[n, m]) {
            %r: f32[m; strided] = select(%p) {dim=0, index=i}
            %e: f32[m] = exp(%r)
            %q: f32[n, m] = write(%p, %e) {view="select", dim=0, index=i}
            %s: f32[] = sum(%e) {dim=(0,), keepdim=False}
            %w: f32[n, m] = write(%q, %s) {view="select", dim=1, index=0}
            yield %c, %w
          }
          return %out
        }""".replace("f32[m; strided]", "f32[m]"),
        normal(5, 6),
        5,
    )


def test_carried_tensors_change_places() -> None:
    native(
        """
        graph @f(%a: f32[n], %b: f32[n], %t: int) {
          %c: bool = constant() {value=True}
          %x: f32[n], %y: f32[n], %z: f32[n] =
            loop(%t, %c, %a, %b, %a) (%i: int(i), %p: f32[n], %q: f32[n], %r: f32[n]) {
              %s: f32[n] = add(%p, %q)
              yield %c, %q, %s, %p
          }
          return %x, %y, %z
        }""",
        normal(20),
        normal(20, seed=1),
        9,
    )


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_one_tensor_becomes_two_carried_ones(count: int) -> None:
    text = """
    graph @f(%x: f32[n], %y: f32[n], %m: f32[n], %count: int(k)) {
      %c: bool = constant() {value=True}
      %a: f32[n], %b: f32[n] = loop(%count, %c, %x, %y) (%i: int(i), %p: f32[n], %q: f32[n]) {
        %0: f32[n] = mul(%p, %m)
        %1: f32[n] = add(%0, %q)
        yield %c, %1, %1
      }
      return %a, %b
    }"""
    native(text, normal(9), normal(9, seed=1), normal(9, seed=2), count)


def test_no_iterations_give_back_what_went_in() -> None:
    text = """
    graph @f(%a: f32[n], %t: int) {
      %c: bool = constant() {value=True}
      %x: f32[n] = loop(%t, %c, %a) (%i: int(i), %p: f32[n]) {
        %q: f32[n] = exp(%p)
        yield %c, %q
      }
      return %x
    }"""
    a = normal(5)
    (x,) = native(text, a, 0).run([a, 0])
    assert x is a


def test_a_condition_from_data_and_carried_numbers() -> None:
    native(
        """
        graph @newton(%a: f32[], %x: f32[]) {
          %c: bool = constant() {value=True}
          %t: int(9223372036854775807) = constant() {value=9223372036854775807}
          %half: f32[] = constant() {value=0.5, dtype=f32}
          %eps: f32[] = constant() {value=1e-05, dtype=f32}
          %zero: int = constant() {value=0}
          %one: int = constant() {value=1}
          %f: float = constant() {value=2.5}
          %y: f32[], %count: int, %g: float =
            loop(%t, %c, %x, %zero, %f) (%i: int(i), %p: f32[], %n: int, %w: float) {
              %q: f32[] = div(%a, %p)
              %s: f32[] = add(%q, %p)
              %r: f32[] = mul(%s, %half)
              %d: f32[] = sub(%r, %p)
              %e: f32[] = abs(%d)
              %big: bool[] = gt(%e, %eps)
              %go: bool = truth(%big)
              %m: int = add(%n, %one)
              %v: float = div(%w, %m)
              yield %go, %r, %m, %v
          }
          return %y, %count, %g
        }""",
        np.array(2, np.float32),
        np.array(1, np.float32),
    )


def test_nested_loops_branches_and_writes_through_views() -> None:
    native(
        """
        graph @f(%x: f32[n, m], %n: int(n), %m: int(m)) {
          %c: bool = constant() {value=True}
          %zero: f32[] = constant() {value=0.0, dtype=f32}
          %out: f32[n, m] = loop(%n, %c, %x) (%i: int(i), %p: f32[n, m]) {
            %inner: f32[n, m] = loop(%m, %c, %p) (%j: int(j), %q: f32[n, m]) {
              %r: f32[m] = select(%q) {dim=0, index=i}
              %v: f32[] = select(%r) {dim=0, index=j}
              %0: bool[] = lt(%v, %zero)
              %1: bool = truth(%0)
              %w: f32[n, m] = if(%1) () {
                %s: f32[] = mul(%v, %v)
                %a: f32[m] = write(%r, %s) {view="select", dim=0, index=j}
                %b: f32[n, m] = write(%q, %a) {view="select", dim=0, index=i}
                yield %b
              } () {
                yield %q
              }
              yield %c, %w
            }
            yield %c, %inner
          }
          return %out
        }""",
        normal(6, 7),
        6,
        7,
    )


def test_whole_division_by_zero_is_an_error() -> None:
    executable = compiled("""
    graph @f(%k: int) {
      %c: bool = constant() {value=True}
      %t: int(3) = constant() {value=3}
      %y: int = loop(%t, %c, %k) (%i: int(i), %p: int) {
        %q: int = floor_divide(%p, %i)
        yield %c, %q
      }
      return %y
    }""")
    assert len(executable.drivers) == 1
    with pytest.raises(ZeroDivisionError):
        executable.run([7])


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (
            "%q: f32[n], %0: i64[n] = sort(%p) {dim=0, descending=False}",
            "'sort' has no native form",
        ),
        ("%q: f32[n] = cumsum(%p) {dim=0}", "'cumsum' has no native form"),
        ("print(%i)\n%q: f32[n] = exp(%p)", "'print' has no native form"),
    ],
)
def test_what_has_no_native_form_runs_in_python(body: str, why: str) -> None:
    executable = check(
        f"""
        graph @f(%a: f32[n], %t: int) {{
          %c: bool = constant() {{value=True}}
          %x: f32[n] = loop(%t, %c, %a) (%i: int(i), %p: f32[n]) {{
            {body}
            yield %c, %q
          }}
          return %x
        }}""",
        normal(5),
        2,
    )
    assert not executable.drivers
    assert why in "\n".join(executable.facts.reasons)


def test_lists_of_unknown_length_grow_in_python() -> None:
    executable = check(
        """
        graph @f(%a: f32[n]) {
          %c: bool = constant() {value=True}
          %t: int(9223372036854775807) = constant() {value=9223372036854775807}
          %three: int = constant() {value=3}
          %l: list[f32[n]] = empty_list(%a)
          %x: list[f32[n]] = loop(%t, %c, %l) (%i: int(i), %p: list[f32[n]]) {
            %e: f32[n] = exp(%a)
            %q: list[f32[n]] = append(%p, %e)
            %more: bool = lt(%i, %three)
            yield %more, %q
          }
          return %x
        }""",
        normal(5),
    )
    assert "a list grows in a `while` loop" in "\n".join(executable.facts.reasons)


SCAN = """
    graph @f(%x: f32[n], %t: int(t)) {
      %c: bool = constant() {value=True}
      %first: f32[] = select(%x) {dim=0, index=0}
      %best: f32[] = loop(%t, %c, %first) (%i: int(i), %b: f32[]) {
        %v: f32[] = select(%x) {dim=0, index=i}
        %0: bool[] = gt(%v, %b)
        %1: bool = truth(%0)
        %w: f32[] = if(%1) () {
          yield %v
        } () {
          yield %b
        }
        yield %c, %w
      }
      return %best
    }"""


def test_a_result_that_is_a_view_of_an_argument_shares_its_memory() -> None:
    x = np.array([1, 4, 2], np.float32)
    (best,) = native(SCAN, x, 3).run([x, 3])
    assert np.shares_memory(best, x)
    x[1] = 9
    assert best == 9


def test_a_list_of_views_of_an_argument_is_built_in_python() -> None:
    executable = check(
        """
        graph @f(%x: f32[n, m], %t: int(t)) {
          %c: bool = constant() {value=True}
          %r: f32[m] = select(%x) {dim=0, index=0}
          %l: list[f32[m]] = empty_list(%r)
          %out: list[f32[m]] = loop(%t, %c, %l) (%i: int(i), %p: list[f32[m]]) {
            %v: f32[m] = select(%x) {dim=0, index=i}
            %q: list[f32[m]] = append(%p, %v)
            yield %c, %q
          }
          return %out
        }""",
        normal(4, 3),
        4,
    )
    assert "a list holds views" in "\n".join(executable.facts.reasons)


def test_a_view_of_what_is_used_no_more_is_read_in_a_loop() -> None:
    text = """
    graph @f(%x: f32[n, 1], %y: f32[n], %count: int(k)) {
      %c: bool = constant() {value=True}
      %0: f32[n, 1] = exp(%x)
      %1: f32[n; strided] = select(%0) {dim=1, index=0}
      %z: f32[n] = loop(%count, %c, %y) (%i: int(i), %p: f32[n]) {
        %2: f32[n] = mul(%p, %1)
        yield %c, %2
      }
      %3: f32[n] = exp(%z)
      return %3
    }"""
    native(text, normal(9, 1), normal(9), 3)
