"""Graphs whose kernels are all there is: every elementwise op, every fold, every layout.

Ops of one dtype stand in one graph, so that fusion makes few kernels of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from jitorch.codegen.cuda.compiled import units
from jitorch.codegen.cuda.launch import Work
from jitorch.errors import JitorchError
from jitorch.ir.core import Graph
from jitorch.ir.opdef import OPS, OpDef, result_types
from jitorch.ir.parser import parse
from jitorch.ir.rebuild import substitute_dims
from jitorch.ir.types import BY_TAG, DType, TensorType
from jitorch.passes.decompose import decompose
from jitorch.passes.fuse import fuse
from jitorch.passes.lower import lower
from tests.codegen.support import located

TAGS = ("bool", "u8", "i8", "i16", "i32", "i64", "f16", "f32", "f64")


def elementwise(tag: str) -> str:
    """Return a graph of every elementwise op that takes operands of the dtype as they are."""
    lines = []
    for op in OPS.values():
        if op.scalar is not None and op.name not in ("cast", "where"):
            lines += list(_line(op, BY_TAG[tag]))
    lines += [f"%to_{to}: {to}[n] = cast(%x) {{dtype={to}}}" for to in TAGS if to != tag]
    lines.append(f"%w: {tag}[n] = where(%c, %x, %y)")
    params = f"%c: bool[n], %x: {tag}[n], %y: {tag}[n]"
    return graph(params, lines)


def _line(op: OpDef, dtype: DType) -> Iterator[str]:
    assert op.scalar is not None
    template = op.scalar.text(dtype)
    if template is None:
        return
    arity = 1 + max(map(int, re.findall(r"\{(\d)\}", "".join(_texts(op)))))
    types = [TensorType(dtype, (3,))] * arity
    try:
        if op.promote is not None and op.promote(types) is not dtype:
            return
        (result,) = result_types(op.name, types, {})
    except JitorchError:
        return
    assert isinstance(result, TensorType)
    operands = ", ".join(["%x", "%y", "%x"][:arity])
    yield f"%{op.name}: {result.dtype.tag}[n] = {op.name}({operands})"


def _texts(op: OpDef) -> Iterator[str]:
    assert op.scalar is not None
    yield from filter(None, (op.scalar.float, op.scalar.int, op.scalar.bool))


def folds(tag: str, dim: str) -> str:
    """Return a graph of every fold over the given dimensions of f32[n, m] or another dtype."""
    shape = {"0": "m", "1": "n", "0, 1": ""}[dim]
    lines = []
    for op in OPS.values():
        # Truth values of all integers are alike.
        if op.reduce is None or (tag not in ("bool", "f32") and op.name in ("any", "all")):
            continue
        try:
            dims = tuple(map(int, dim.split(", ")))
            (result,) = result_types(
                op.name, [TensorType(BY_TAG[tag], (3, 4))], {"dim": dims, "keepdim": False}
            )
        except JitorchError:
            continue
        assert isinstance(result, TensorType)
        comma = "," if len(dims) == 1 else ""
        lines.append(
            f"%{op.name}: {result.dtype.tag}[{shape}] = {op.name}(%x) {{dim=({dim}{comma}), keepdim=False}}"
        )
    return graph(f"%x: {tag}[n, m]", lines)


def graph(params: str, lines: list[str], results: str = "") -> str:
    results = results or ", ".join(line.split(":")[0] for line in lines)
    body = "\n  ".join(lines)
    return f"graph @f({params}) {{\n  {body}\n  return {results}\n}}"


LAYOUTS = {
    "chain": """
        graph @f(%x: f32[n, m], %y: f32[n, m], %alpha: float) {
          %a: f32[] = cast(%alpha) {dtype=f32}
          %0: f32[n, m] = mul(%x, %a)
          %z: f32[n, m] = add(%0, %y)
          %e: f32[n, m] = exp(%z)
          return %z, %e
        }""",
    "scalars": """
        graph @f(%x: f32[], %k: int) {
          %a: f32[] = cast(%k) {dtype=f32}
          %y: f32[] = mul(%x, %a)
          return %y
        }""",
    "broadcast": """
        graph @f(%x: f32[n, m], %rows: f32[n, 1], %columns: f32[m]) {
          %r: f32[n, 1] = exp(%rows)
          %0: f32[n, m] = mul(%x, %r)
          %y: f32[n, m] = add(%0, %columns)
          return %y
        }""",
    "strided": """
        graph @f(%x: f32[n, m; strided], %y: f32[n, m]) {
          %z: f32[n, m] = add(%x, %y)
          return %z
        }""",
    "half": """
        graph @f(%x: f16[n, m], %y: f16[m]) {
          %z: f16[n, m] = add(%x, %y)
          %s: f16[n] = sum(%z) {dim=(1,), keepdim=False}
          return %z, %s
        }""",
    "three_axes": """
        graph @f(%x: f32[n, 3, m; strided], %y: f32[3, 1], %z: f32[n, 1, m]) {
          %0: f32[n, 3, m] = mul(%x, %y)
          %1: f32[n, 3, m] = add(%0, %z)
          return %1
        }""",
    "transposed": """
        graph @f(%x: f32[m, n], %y: f32[n, m]) {
          %t: f32[n, m; strided] = permute(%x) {dims=(1, 0)}
          %z: f32[n, m] = add(%t, %y)
          return %z
        }""",
    "transposed_batch": """
        graph @f(%x: i16[2, m, n], %y: i16[n, m]) {
          %t: i16[2, n, m; strided] = permute(%x) {dims=(0, 2, 1)}
          %z: i16[2, n, m] = mul(%t, %y)
          return %z
        }""",
    "results_across": """
        graph @f(%x: f32[n, m]) {
          %y: f32[n, m] = neg(%x)
          %t: f32[m, n; strided] = permute(%y) {dims=(1, 0)}
          %z: f32[m, n] = exp(%t)
          return %y, %z
        }""",
    "many_transposed": graph(
        ", ".join(f"%x{k}: f64[m, n]" for k in range(8)),
        [
            *(f"%t{k}: f64[n, m; strided] = permute(%x{k}) {{dims=(1, 0)}}" for k in range(8)),
            "%s0: f64[n, m] = add(%t0, %t1)",
            *(f"%s{k}: f64[n, m] = add(%s{k - 1}, %t{k + 1})" for k in range(1, 7)),
        ],
        "%s6",
    ),
    "softmax": """
        graph @f(%x: f32[n, m]) {
          %top: f32[n, 1] = peak(%x) {dim=(1,), keepdim=True}
          %c: f32[n, m] = sub(%x, %top)
          %e: f32[n, m] = exp(%c)
          %s: f32[n, 1] = sum(%e) {dim=(1,), keepdim=True}
          %y: f32[n, m] = div(%e, %s)
          return %y
        }""",
    "layer_norm": """
        graph @f(%x: f32[n, m], %w: f32[m], %count: int) {
          %k: f32[] = cast(%count) {dtype=f32}
          %s: f32[n, 1] = sum(%x) {dim=(1,), keepdim=True}
          %mean: f32[n, 1] = div(%s, %k)
          %c: f32[n, m] = sub(%x, %mean)
          %q: f32[n, m] = square(%c)
          %v: f32[n, 1] = sum(%q) {dim=(1,), keepdim=True}
          %d: f32[n, 1] = div(%v, %k)
          %eps: f32[] = constant() {value=1e-05, dtype=f32}
          %e: f32[n, 1] = add(%d, %eps)
          %r: f32[n, 1] = rsqrt(%e)
          %0: f32[n, m] = mul(%c, %r)
          %y: f32[n, m] = mul(%0, %w)
          return %y
        }""",
    "loss": """
        graph @f(%x: f32[n, m], %y: f32[n, m]) {
          %d: f32[n, m] = sub(%x, %y)
          %q: f32[n, m] = square(%d)
          %s: f32[] = sum(%q) {dim=(0, 1), keepdim=False}
          %r: f32[] = sqrt(%s)
          return %r
        }""",
    "softmax_of_everything": """
        graph @f(%x: f32[n, m]) {
          %top: f32[1, 1] = peak(%x) {dim=(0, 1), keepdim=True}
          %c: f32[n, m] = sub(%x, %top)
          %e: f32[n, m] = exp(%c)
          %s: f32[1, 1] = sum(%e) {dim=(0, 1), keepdim=True}
          %y: f32[n, m] = div(%e, %s)
          return %y
        }""",
    "strided_sum": """
        graph @f(%x: f32[n, m; strided]) {
          %s: f32[] = sum(%x) {dim=(0, 1), keepdim=False}
          return %s
        }""",
    "softmax_of_columns": """
        graph @f(%x: f32[n, m], %b: f32[m]) {
          %top: f32[1, m] = peak(%x) {dim=(0,), keepdim=True}
          %c: f32[n, m] = sub(%x, %top)
          %e: f32[n, m] = exp(%c)
          %s: f32[1, m] = sum(%e) {dim=(0,), keepdim=True}
          %0: f32[n, m] = div(%e, %s)
          %y: f32[n, m] = add(%0, %b)
          return %y
        }""",
    "middle_sum": """
        graph @f(%x: f64[n, m, 6], %y: f64[n, 6]) {
          %s: f64[n, 6] = sum(%x) {dim=(1,), keepdim=False}
          %z: f64[n, 6] = add(%s, %y)
          return %z
        }""",
    "channel_sum": """
        graph @f(%x: f32[n, 3, m]) {
          %s: f32[3] = sum(%x) {dim=(0, 2), keepdim=False}
          return %s
        }""",
    "short_rows": """
        graph @f(%x: f32[n, 3]) {
          %q: f32[n, 3] = square(%x)
          %s: f32[n] = sum(%q) {dim=(1,), keepdim=False}
          %r: f32[n] = sqrt(%s)
          return %r
        }""",
}


# Folds of which much is to be kept in order where they are cut in parts: several results of a point,
# what is known before the folds, several lines.
FOLDS = {
    "centred": """
        graph @f(%x: f32[n, m], %w: f32[n, 1], %count: int) {
          %k: f32[] = cast(%count) {dtype=f32}
          %e: f32[n, 1] = exp(%w)
          %s: f32[n, 1] = sum(%x) {dim=(1,), keepdim=True}
          %a: f32[n, 1] = div(%s, %k)
          %c: f32[n, m] = sub(%x, %a)
          %q: f32[n, m] = square(%c)
          %v: f32[n, 1] = sum(%q) {dim=(1,), keepdim=True}
          %y: f32[n, m] = mul(%c, %e)
          return %e, %a, %v, %y
        }""",
    "batch_norm": """
        graph @f(%x: f32[n, 3, m], %w: f32[3, 1], %count: int) {
          %k: f32[] = cast(%count) {dtype=f32}
          %s: f32[1, 3, 1] = sum(%x) {dim=(0, 2), keepdim=True}
          %a: f32[1, 3, 1] = div(%s, %k)
          %c: f32[n, 3, m] = sub(%x, %a)
          %q: f32[n, 3, m] = square(%c)
          %v: f32[1, 3, 1] = sum(%q) {dim=(0, 2), keepdim=True}
          %d: f32[n, 3, m] = mul(%c, %w)
          %y: f32[n, 3, m] = sub(%d, %v)
          return %y, %v
        }""",
    "smallest": """
        graph @f(%x: f32[n, m]) {
          %c: i64[m] = argmin(%x) {dim=0, keepdim=False}
          %r: i64[n] = argmin(%x) {dim=1, keepdim=False}
          return %c, %r
        }""",
    "column_sum": """
        graph @f(%x: f32[n, m]) {
          %s: f32[m] = sum(%x) {dim=(0,), keepdim=False}
          return %s
        }""",
    "sum_between": """
        graph @f(%x: f32[n, 3, m, 4]) {
          %s: f32[3, 4] = sum(%x) {dim=(0, 2), keepdim=False}
          return %s
        }""",
}


def running(name: str, tag: str, dim: int) -> str:
    return f"""
        graph @f(%x: {tag}[n, m]) {{
          %y: {tag}[n, m] = {name}(%x) {{dim={dim}}}
          return %y
        }}"""


SCANS = {
    **{
        f"running_sum_{tag}": running("cumsum", tag, 1)
        for tag in ("u8", "i16", "i64", "f16", "f32")
    },
    "running_sum_of_columns": running("cumsum", "f32", 0),
    "running_product": running("cumprod", "f32", 1),
    "running_product_i32": running("cumprod", "i32", 1),
}

# Elements picked by indices, which are made to fit.
PICKS = {
    "rows_of_a_table": """
        graph @f(%w: f32[3, m], %r: i64[n, 2]) {
          %three: i64[] = constant() {value=3, dtype=i64}
          %i: i64[n, 2] = remainder(%r, %three)
          %y: f32[n, 2, m] = index(%w, %i) {dims=(0,)}
          %z: f32[n, 2, m] = exp(%y)
          return %z, %i
        }""",
    "rows_known_before": """
        graph @f(%w: f16[5, m], %r: i64[n]) {
          %five: i64[] = constant() {value=5, dtype=i64}
          %i: i64[n] = remainder(%r, %five)
          %back: i64[n] = sub(%i, %five)
          %s: i64[n] = cumsum(%back) {dim=0}
          %k: i64[n] = remainder(%s, %five)
          %y: f16[n, m] = index(%w, %k) {dims=(0,)}
          return %y
        }""",
    "from_two_sides": """
        graph @f(%x: f64[4, m, 3], %r: i32[n, 1], %q: i64[2]) {
          %four: i32[] = constant() {value=4, dtype=i32}
          %three: i64[] = constant() {value=3, dtype=i64}
          %i: i32[n, 1] = remainder(%r, %four)
          %q3: i64[2] = remainder(%q, %three)
          %j: i64[2] = sub(%q3, %three)
          %y: f64[n, 2, m] = index(%x, %i, %j) {dims=(0, 2)}
          return %y
        }""",
    "side_by_side": """
        graph @f(%x: f32[m, 4, 3], %r: i64[n, 1], %q: i64[2]) {
          %four: i64[] = constant() {value=4, dtype=i64}
          %three: i64[] = constant() {value=3, dtype=i64}
          %i: i64[n, 1] = remainder(%r, %four)
          %j: i64[2] = remainder(%q, %three)
          %y: f32[m, n, 2] = index(%x, %i, %j) {dims=(1, 2)}
          return %y
        }""",
    "columns_turned": """
        graph @f(%x: bool[m, 7], %r: i64[n]) {
          %seven: i64[] = constant() {value=7, dtype=i64}
          %i: i64[n] = remainder(%r, %seven)
          %t: bool[7, m; strided] = permute(%x) {dims=(1, 0)}
          %y: bool[n, m] = index(%t, %i) {dims=(0,)}
          %z: bool[n, m] = logical_not(%y)
          return %z
        }""",
    "gathered": """
        graph @f(%x: i32[n, 6; strided], %r: i64[n, m]) {
          %six: i64[] = constant() {value=6, dtype=i64}
          %i: i64[n, m] = remainder(%r, %six)
          %y: i32[n, m] = gather(%x, %i) {dim=1}
          return %y
        }""",
    "gathered_from_a_part": """
        graph @f(%x: f32[5, 3, 4], %r: i64[2, 3, 1]) {
          %three: i64[] = constant() {value=3, dtype=i64}
          %i: i64[2, 3, 1] = remainder(%r, %three)
          %y: f32[2, 3, 1] = gather(%x, %i) {dim=1}
          %z: f32[5, 3, 4] = neg(%x)
          return %y, %z
        }""",
    "scores_of_classes": """
        graph @f(%x: f32[n, 5], %r: i64[n]) {
          %five: i64[] = constant() {value=5, dtype=i64}
          %i: i64[n] = remainder(%r, %five)
          %z: f32[n] = cross_entropy(%x, %i) {reduction="none", ignore_index=2, label_smoothing=0.0}
          %l: f32[] = cross_entropy(%x, %i) {reduction="sum", ignore_index=-100, label_smoothing=0.0}
          return %z, %l
        }""",
    "at_the_largest": """
        graph @f(%x: f32[n, 6], %y: f32[n, 6]) {
          %i: i64[n, 1] = argmax(%x) {dim=1, keepdim=True}
          %z: f32[n, 1] = gather(%y, %i) {dim=1}
          %e: f32[n, 6] = sub(%y, %z)
          return %e
        }""",
    "of_one_element": """
        graph @f(%x: f32[1, m], %r: i64[n], %k: i64[]) {
          %one: i64[] = constant() {value=1, dtype=i64}
          %i: i64[n] = remainder(%r, %one)
          %y: f32[n, m] = index(%x, %i) {dims=(0,)}
          %j: i64[] = remainder(%k, %one)
          %z: f32[m] = index(%x, %j) {dims=(0,)}
          return %y, %z
        }""",
}

GRAPHS = {
    **{f"elementwise_{tag}": elementwise(tag) for tag in TAGS},
    **{f"rows_{tag}": folds(tag, "1") for tag in TAGS},
    # How lanes meet differs by dtype in rows alone.
    **{f"columns_{tag}": folds(tag, "0") for tag in ("i16", "f32")},
    **{f"everything_{tag}": folds(tag, "0, 1") for tag in ("bool", "i16")},
    **SCANS,
    **LAYOUTS,
    **FOLDS,
    **PICKS,
}


def sized(name: str, **sizes: int) -> Graph:
    """Return a graph of the suite, prepared for these sizes, or for all where none are given."""
    return prepared(substitute_dims(parse(GRAPHS[name]), sizes))


def works(name: str) -> set[Work]:
    """Return what the entries of a graph's kernels do."""
    return {unit.entry.work for unit in units(sized(name))}


def prepared(graph: Graph) -> Graph:
    """Return a graph as code generation wants it."""
    return fuse(lower(decompose(located(graph))))
