"""Calls on so few elements that what counts is everything but the arithmetic."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

from benchmarks.workloads import elementwise
from benchmarks.workloads.base import Workload, normal

FAMILY = "call overhead"


def multiply_add(a: Any, b: Any, c: Any) -> Any:
    return a * b + c


def call(takes: Literal["arrays", "tensors"]) -> Workload:
    return Workload(
        name=f"a * b + c, 64 elements, {takes}",
        family=FAMILY,
        sizes=(64,),
        small=(64,),
        inputs=lambda rng, count: (normal(rng, count), normal(rng, count), normal(rng, count)),
        takes=takes,
        jitorch=multiply_add,
        numpy=multiply_add,
        torch=lambda torch: lambda a, b, c: torch.addcmul(c, a, b),
        jax=lambda jax: multiply_add,
        numexpr=lambda numexpr: (
            lambda a, b, c: numexpr.evaluate("a * b + c", {"a": a, "b": b, "c": c})
        ),
        flops=lambda count: 2 * count,
    )


CHAIN = replace(
    elementwise.chain("64", 64), name="chain of 12 operations, 64 elements, arrays", family=FAMILY,
    takes="arrays",
)  # fmt: skip

WORKLOADS = [call("tensors"), call("arrays"), CHAIN]
