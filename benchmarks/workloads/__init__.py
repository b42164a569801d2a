"""What is measured: a file for each family, and the list of all."""

from __future__ import annotations

from benchmarks.workloads import (
    elementwise,
    grids,
    networks,
    overhead,
    picking,
    points,
    reductions,
    vision,
)
from benchmarks.workloads.base import Workload

FAMILIES = (elementwise, reductions, picking, grids, points, networks, vision, overhead)

WORKLOADS: list[Workload] = [each for family in FAMILIES for each in family.WORKLOADS]
