"""The checks and times on a GPU, on a pretended one: small sizes, and a clock that counts."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import jitorch as jt
from benchmarks import gpu, gpu_check, gpu_rows, gpu_timing
from benchmarks.gpu_rows import GpuRow, fitted
from benchmarks.report import markdown
from benchmarks.workloads import vision
from jitorch.cuda import adapter
from tests.cuda import pretend
from tests.cuda.kernels import install


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> pretend.Machine:
    """Pretend that there are two GPUs, for which kernels can be compiled; time little."""
    for name, module in pretend.modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(adapter, "cupy", None)
    install(monkeypatch)
    for name, value in {
        "BATCH": 1.0, "LEAST_CALLS": 1, "MOST_CALLS": 1, "ROUNDS": 1, "COPIED": 4096,
    }.items():  # fmt: skip
        monkeypatch.setattr(gpu_timing, name, value)
    small = [replace(w, sizes=w.small) for w in gpu_rows.WORKLOADS]
    monkeypatch.setattr(gpu_rows, "WORKLOADS", small)
    replayed = [replace(w, sizes=w.small) for w in gpu_rows.REPLAYED]
    monkeypatch.setattr(gpu_rows, "REPLAYED", replayed)
    monkeypatch.setattr(gpu_rows, "rotated", lambda inputs, least: [inputs])
    return pretend.machine


def test_without_a_gpu_it_says_so_and_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    monkeypatch.setattr(adapter, "cupy", None)
    done = CliRunner().invoke(gpu.command, [])
    assert done.exit_code == 2
    assert "CUDA is not available: CuPy, which computes on GPUs, is not installed" in done.output
    assert "Traceback" not in done.output


def test_a_gpu_that_is_not_there(machine: pretend.Machine) -> None:
    for device, text in (("cuda:7", "invalid device ordinal: cuda:7"), ("cpu", "a cuda device")):
        done = CliRunner().invoke(gpu.command, ["--device", device])
        assert done.exit_code == 2
        assert text in done.output


def test_all_workloads(machine: pretend.Machine, tmp_path: Path) -> None:
    path = tmp_path / "numbers.json"
    options = ["--no-peers", "--ops", "ex*", "--json", str(path), "--markdown"]
    done = CliRunner().invoke(gpu.command, options)
    assert done.exit_code == 0, done.output
    assert "Pretend GPU 0, compute capability 9.0" in done.output
    data = json.loads(path.read_text())
    assert data["gpu"]["name"] == "Pretend GPU 0"
    assert data["checks"]["failures"] == []
    assert data["checks"]["checks"] > 20
    rows = data["workloads"]["rows"]
    assert len(rows) == len(gpu_rows.WORKLOADS) + len(gpu_rows.REPLAYED)
    for row in rows:
        assert row["failures"] == {}
        assert row["seconds"]["jitorch"] > 0
        assert row["of copy"] > 0
        assert row["ratio"] is None
    assert machine.replays > 0
    assert {"conv2d 3x3, 256x64x56x56", f"{vision.BLOCK.name}, reduce-overhead"} <= {
        row["name"] for row in rows
    }


def test_failures_are_printed_and_the_rest_goes_on(
    machine: pretend.Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(pretend.module(), "exp", pretend.module().log)
    options = ["--no-times", "--ops", "exp", "--json", str(tmp_path / "x.json")]
    done = CliRunner().invoke(gpu.command, options)
    assert done.exit_code == 1
    assert "exp, sample 0, eager: " in done.output
    assert "differ: " in done.output


def test_names_of_files() -> None:
    assert gpu.file_name("NVIDIA H100 80GB HBM3").endswith("-gpu-nvidia-h100-80gb-hbm3.json")


def test_sizes_shrink_until_they_fit() -> None:
    (large,) = (w for w in gpu_rows.WORKLOADS if w.name.startswith("mean squared"))
    made, shrunk = fitted(large, 2**31)
    assert (shrunk, made.sizes) == (8, (32 << 20,))
    assert fitted(large, 2**40) == (large, 1)


def test_the_table_says_what_was_shrunk_and_who_is_best() -> None:
    row = GpuRow(
        "softmax", (4, 4), 4, 1000, {"jitorch": 2e-6, "torch": 4e-6, "torch.compile": 1e-6},
        {"other": "RuntimeError: no"},
    )  # fmt: skip
    section = gpu.row_section([row], 1e9)
    assert section.rows == [
        ["softmax (1/4 of the size)", "2.00 µs", "4.00 µs", "1.00 µs", "failed", "50%", "2.00",
         "torch.compile"],
    ]  # fmt: skip
    assert "1 GB per second" in markdown(section)


def test_inputs_rotate_over_more_than_the_cache() -> None:
    x = jt.ones(1000)
    sets = gpu_timing.rotated((x, 3), 10_000)
    assert [s[1] for s in sets] == [3, 3, 3]
    assert len({id(s[0]) for s in sets}) == 3
    assert len(gpu_timing.rotated((x,), 0)) == 2


def test_the_table_has_the_ops_that_make_sense_alone() -> None:
    assert {"exp", "matmul", "sort", "convolution", "max_pool2d"} <= set(gpu_check.table())
    assert "loop" not in gpu_check.table()
    assert gpu_check.table("avg_pool*") == ["avg_pool2d"]


class Peer:
    """Stands in for PyTorch: jitorch's eager mode, or a failure."""

    torch = jt

    def __init__(self, name: str) -> None:
        self.name = name

    def convert(self, workload: Any, inputs: Any) -> Any:
        if self.name == "broken":
            raise RuntimeError("no kernel image is available\nmore")
        return tuple(jt.from_numpy(x).cuda() if isinstance(x, np.ndarray) else x for x in inputs)

    def function(self, workload: Any, args: Any) -> Any:
        return None if self.name == "mute" else workload.jitorch


def test_peers_have_their_times_or_a_line(machine: pretend.Machine) -> None:
    peers: Any = [Peer("torch"), Peer("broken"), Peer("mute")]
    row = gpu_rows.row(gpu_rows.WORKLOADS[0], peers, "cuda:0", 0)
    assert set(row.seconds) == {"jitorch", "torch"}
    assert row.best_peer == "torch"
    assert row.ratio is not None
    assert row.failures == {"broken": "RuntimeError: no kernel image is available"}
    assert row.moved == 2 * 50 * 4
