"""Fusion: the graphs in `fuse/`, whose names are claims, and the plan as a value."""

from __future__ import annotations

from pathlib import Path

import pytest

from jitorch.ir.parser import parse
from jitorch.ir.verify import verify
from jitorch.passes.domain import Mismatch, analyse
from jitorch.passes.fuse import MAX_OPS, fuse, plan_fusion, unfuse
from tests.conftest import Golden
from tests.support import assert_same_meaning

CASES = sorted((Path(__file__).parent / "fuse").glob("*.ir"))


@pytest.mark.parametrize("path", CASES, ids=lambda p: p.stem)
def test_fusion_does_what_the_name_claims(path: Path, golden: Golden) -> None:
    before = parse(path.read_text(encoding="utf-8"))
    verify(before)
    after = fuse(before)
    verify(after)
    golden(f"fuse/{path.name}", f"{after}\n")
    assert str(parse(str(after))) == str(after)
    assert_same_meaning(before, after)
    assert fuse(after) is after


@pytest.mark.parametrize("path", CASES, ids=lambda p: p.stem)
def test_unfuse_gives_the_ops_back(path: Path) -> None:
    before = parse(path.read_text(encoding="utf-8"))
    after = unfuse(fuse(before))
    verify(after)
    assert not after.ops("fused")
    assert_same_meaning(before, after)
    assert str(plan_fusion(after)) == str(plan_fusion(unfuse(fuse(after))))


def test_every_golden_graph_has_an_input() -> None:
    goldens = sorted(p.name for p in (Path(__file__).parent / "fuse" / "golden").glob("*.ir"))
    assert goldens == [p.name for p in CASES]


def test_the_plan_says_why_neighbours_are_apart() -> None:
    plan = plan_fusion(
        parse("""
        graph @f(%x: f32[n, m], %w: f32[m, m]) {
          %k: f32[n, m] = matmul(%x, %w)
          %rows: f32[n, 1] = sum(%k) {dim=(1,), keepdim=True}
          %all: f32[1, 1] = sum(%rows) {dim=(0,), keepdim=True}
          return %all
        }""")
    )
    assert str(plan) == (
        "kernel 0: sum\n"
        "kernel 1: sum\n"
        "not fused: sum 'rows': matmul is a library call\n"
        "not fused: sum 'all' with sum 'rows': they reduce over different dimensions"
    )


def test_a_running_fold_is_a_kernel_of_its_own() -> None:
    plan = plan_fusion(
        parse("""
        graph @f(%x: f32[n]) {
          %s: f32[n] = cumsum(%x) {dim=0}
          %y: f32[n] = exp(%s)
          return %y
        }""")
    )
    assert str(plan) == "kernel 0: exp\nnot fused: exp 'y': cumsum is a kernel of its own"


def test_a_large_polynomial_is_one_kernel_and_a_huge_one_is_cut() -> None:
    def chain(length: int) -> int:
        lines = ["%v0: f32[n] = mul(%x, %y)"]
        for i in range(1, length):
            lines.append(f"%v{i}: f32[n] = {'add' if i % 2 else 'mul'}(%v{i - 1}, %{'xy'[i % 2]})")
        body = "\n".join(lines)
        text = f"graph @f(%x: f32[n], %y: f32[n]) {{\n{body}\nreturn %v{length - 1}\n}}"
        return len(plan_fusion(parse(text)).groups)

    assert chain(150) == 1
    assert chain(MAX_OPS + 50) == 2


def test_the_domain_of_a_softmax() -> None:
    graph = parse((Path(__file__).parent / "fuse" / "softmax_is_one_kernel.ir").read_text())
    domain = analyse(graph.block.ops)
    assert list(map(str, domain.sizes)) == ["n", "m"]
    assert domain.reduced == {1}
    top, c, *_ = (op.output for op in graph.block.ops)
    assert domain.of[top] == (0, None)
    assert domain.of[c] == (0, 1)
    assert domain.varies[top] == {0}


def test_ops_of_unrelated_shapes_have_no_domain() -> None:
    graph = parse("""
    graph @f(%x: f32[n], %y: f32[m]) {
      %a: f32[n] = exp(%x)
      %b: f32[m] = exp(%y)
      return %a, %b
    }""")
    with pytest.raises(Mismatch, match="their shapes differ"):
        analyse(graph.block.ops)


def test_kernels_are_for_one_device_and_take_numbers_from_main_memory() -> None:
    graph = parse("""
        graph @f(%x: f32[n] @cuda:0, %s: f32[], %k: float) {
          %t: f32[] = exp(%s)
          %a: f32[n] @cuda:0 = mul(%x, %t)
          %c: f32[] = cast(%k) {dtype=f32}
          %b: f32[n] @cuda:0 = add(%a, %c)
          return %b
        }""")
    assert str(plan_fusion(graph)) == (
        "kernel 0: exp\n"
        "kernel 1: mul add\n"
        "not fused: mul 'a' with exp 't': they are on different devices"
    )
    after = fuse(graph)
    verify(after)
    _, group = after.ops("fused")
    assert [v.hint for v in group.inputs] == ["x", "t", "k"]


def test_constants_count_for_no_tensors() -> None:
    lines = ["%v0: f32[n] = neg(%x)"]
    for i in range(100):
        lines.append(f"%c{i}: f32[] = constant() {{value={i}.5, dtype=f32}}")
        lines.append(f"%v{i + 1}: f32[n] = mul(%v{i}, %c{i})")
    body = "\n".join(lines)
    graph = parse(f"graph @f(%x: f32[n]) {{\n{body}\nreturn %v100\n}}")
    assert [len(group.ops) for group in plan_fusion(graph).groups] == [101]
