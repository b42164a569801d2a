"""Memory planning: what may happen in place, and what may not."""

from __future__ import annotations

from jitorch.ir.parser import parse
from jitorch.passes.fuse import fuse
from jitorch.passes.memory import MemoryPlan, plan_memory


def planned(text: str) -> MemoryPlan:
    return plan_memory(fuse(parse(text)))


def names(plan: MemoryPlan) -> list[tuple[str, str]]:
    return [(v.hint, old.hint) for v, old in plan.reuse.items()]


def test_a_result_takes_the_memory_of_a_dead_product() -> None:
    plan = planned("""
    graph @f(%x: f32[n, n]) {
      %k: f32[n, n] = matmul(%x, %x)
      %y: f32[n, n] = tanh(%k)
      return %y
    }""")
    assert names(plan) == [("y", "k")]
    assert str(plan) == "y takes the memory of k\npeak: 4*n*n bytes besides the arguments"


def test_arguments_and_results_keep_their_memory() -> None:
    plan = planned("""
    graph @f(%x: f32[n, n]) {
      %a: f32[n, n] = tanh(%x)
      %k: f32[n, n] = matmul(%a, %a)
      %y: f32[n, n] = tanh(%k)
      return %y, %k
    }""")
    assert names(plan) == []


def test_a_view_keeps_memory_alive() -> None:
    plan = planned("""
    graph @f(%x: f32[n, n]) {
      %k: f32[n, n] = matmul(%x, %x)
      %v: f32[n, n; strided] = permute(%k) {dims=(1, 0)}
      %y: f32[n, n] = tanh(%k)
      return %y, %v
    }""")
    assert names(plan) == []


def test_memory_in_a_list_is_kept() -> None:
    plan = planned("""
    graph @f(%x: f32[n, n]) {
      %k: f32[n, n] = matmul(%x, %x)
      %l: list[f32[n, n]] = list(%k)
      %y: f32[n, n] = tanh(%k)
      return %y, %l
    }""")
    assert names(plan) == []


LOOP = """
    graph @f(%x: f32[n], %t: int) {{
      %c: bool = constant() {{value=True}}
      %out: f32[n] = loop(%t, %c, %x) (%i: int(i), %p: f32[n]) {{
        %a: f32[] = select(%p) {{dim=0, index=i}}
        %b: f32[] = exp(%a)
        %q: f32[n] = write(%p, %b) {{view="select", dim=0, index=i}}
        {after}
        yield %c, %q
      }}
      return %out
    }}"""


def test_a_carried_tensor_is_written_to_in_place() -> None:
    plan = planned(LOOP.format(after=""))
    assert [op.name for op in plan.in_place] == ["write"]
    assert [v.hint for v in plan.own] == ["p"]


def test_a_write_copies_where_the_old_tensor_is_read_later() -> None:
    plan = planned(LOOP.format(after="%d: f32[] = select(%p) {dim=0, index=0}\nprint(%d)"))
    assert not plan.in_place
    assert not plan.own


def test_lists_grow_in_place_if_nothing_else_sees_them() -> None:
    text = """
    graph @f(%x: f32[n]) {{
      %l: list[f32[n]] = list(%x)
      %m: list[f32[n]] = append(%l, %x)
      %k: list[f32[n]] = append(%m, %x)
      return {results}
    }}"""
    assert len(planned(text.format(results="%k")).in_place) == 2
    assert [op.output.hint for op in planned(text.format(results="%k, %m")).in_place] == ["m"]


def test_a_list_from_outside_a_loop_does_not_grow_inside() -> None:
    plan = planned("""
    graph @f(%x: f32[n], %t: int) {
      %c: bool = constant() {value=True}
      %l: list[f32[n]] = list(%x)
      %out: list[f32[n]] = loop(%t, %c, %l) (%i: int(i), %p: list[f32[n]]) {
        %m: list[f32[n]] = append(%l, %x)
        yield %c, %m
      }
      return %out
    }""")
    assert not plan.in_place
