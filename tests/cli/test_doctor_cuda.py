"""What `jitorch doctor` says about CUDA, on machines with and without it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from jitorch.cli import doctor_cuda
from jitorch.cli.findings import Finding, ask
from jitorch.cuda import driver as drivers
from jitorch.cuda.ptx import Ptx
from tests.cli.conftest import Run

WHEELS = {
    "cuda-bindings": "13.0.1",
    "cupy-cuda13x": "14.0.0",
    "numba-cuda": "0.30.4",
    "nvidia-cuda-nvcc": "13.0.88",
    "nvidia-cuda-nvrtc": "13.0.88",
    "nvidia-nvvm": "13.0.88",
}


class Library:
    """A driver, as its library answers."""

    def __init__(self, version: int, gpus: int = 1, fails: int = 0) -> None:
        self.version, self.count, self.fails = version, gpus, fails

    def cuDriverGetVersion(self, out: Any) -> int:
        out._obj.value = self.version
        return 0

    def cuInit(self, flags: int) -> int:
        return self.fails

    def cuDeviceGetCount(self, out: Any) -> int:
        out._obj.value = self.count
        return 0

    def cuDeviceGet(self, out: Any, index: int) -> int:
        out._obj.value = index + 10
        return 0

    def cuDeviceGetName(self, out: Any, size: int, handle: int) -> int:
        assert handle >= 10
        out.value = b"Pretend H100"
        return 0

    def cuDeviceTotalMem_v2(self, out: Any, handle: int) -> int:
        out._obj.value = 80 * 2**30
        return 0

    def cuDeviceGetAttribute(self, out: Any, which: int, handle: int) -> int:
        out._obj.value = {75: 9, 76: 0}[which]
        return 0


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that sets what the doctor meets."""

    def make(
        wheels: dict[str, str] = WHEELS,
        library: Any = None,
        nvrtc: Any = (13, 0),
        nvvm: Any = (13, 0),
    ) -> None:
        monkeypatch.setattr(doctor_cuda, "installed", lambda: dict(wheels))
        monkeypatch.setattr(drivers, "library", lambda: library)
        for name, release in (("nvrtc_ptx", nvrtc), ("nvvm_ptx", nvvm)):
            monkeypatch.setattr(doctor_cuda, name, _compiler(release))

    return make


def _compiler(release: Any) -> Callable[[], Ptx]:
    def compiled() -> Ptx:
        if release is None:
            raise ImportError("it is not there")
        return Ptx(release, f"{release[0] - 4}.{release[1]}")

    return compiled


def told() -> dict[str, Finding]:
    return {f.what: f for f in doctor_cuda.findings()}


def test_nothing_is_installed(world: Callable[..., None], run: Run) -> None:
    world(wheels={})
    found = told()
    assert found["NVIDIA driver"].found == "none"
    assert found["CUDA packages"].remedy.endswith("pip install 'jitorch[cuda]'")
    output = run("doctor").output  # exit code 0: the CPU is well
    assert "pip install 'jitorch[cuda]'" in output


def test_all_is_well(world: Callable[..., None]) -> None:
    world(library=Library(13000, gpus=2))
    found = told()
    assert found["NVIDIA driver"].found == "knows CUDA 13.0"
    assert found["cuda:1"].found == "Pretend H100, compute capability 9.0, 80.00 GiB"
    assert found["CUDA release"] == Finding("CUDA release", "13.0, of all parts", part="cuda")
    assert found["NVRTC"].found == "of CUDA 13.0, makes PTX 9.0"
    assert found["PTX ceiling"].state == "ok"


def test_a_driver_too_old_for_the_ptx(world: Callable[..., None]) -> None:
    wheels = {**WHEELS, "nvidia-nvvm": "13.2.5", "nvidia-cuda-nvrtc": "13.2.5"}
    world(wheels=wheels, library=Library(13000), nvrtc=(13, 2), nvvm=(13, 2))
    ceiling = told()["PTX ceiling"]
    assert ceiling.found == (
        "the driver takes PTX up to CUDA 13.0; NVRTC makes PTX 9.2, of CUDA 13.2, NVVM makes PTX "
        "9.2, of CUDA 13.2"
    )
    assert "pip install 'nvidia-cuda-nvrtc==13.0.*' 'nvidia-nvvm==13.0.*'" in ceiling.remedy
    assert "install a newer driver" in ceiling.remedy


def test_a_driver_of_an_older_major_version(world: Callable[..., None]) -> None:
    world(library=Library(12040))
    remedy = told()["PTX ceiling"].remedy
    assert "install a newer driver" in remedy
    assert "==12.4.*" not in remedy  # packages of another major version have other names


def test_no_driver(world: Callable[..., None]) -> None:
    world(nvrtc=(13, 1))
    assert told()["PTX ceiling"].found == (
        "kernels made here need a driver that knows CUDA 13.1 or later"
    )


def test_releases_that_differ(world: Callable[..., None]) -> None:
    world(wheels={**WHEELS, "nvidia-nvvm": "13.1.2"})
    release = told()["CUDA release"]
    assert release.found == ("13.1, but nvidia-cuda-nvcc is of 13.0, nvidia-cuda-nvrtc is of 13.0")
    assert release.remedy.endswith(
        "pip install 'nvidia-cuda-nvcc==13.1.*' 'nvidia-cuda-nvrtc==13.1.*'"
    )
    world(wheels={**WHEELS, "cupy-cuda12x": "13.6"})
    found = told()
    assert "pip uninstall cupy-cuda13x cupy-cuda12x" in found["CuPy"].remedy
    wheels = {n: v for n, v in WHEELS.items() if n != "cupy-cuda13x"} | {"cupy-cuda12x": "13.6"}
    world(wheels=wheels)
    assert "pip install cupy-cuda13x" in told()["CUDA release"].remedy


def test_toolkit_missing(world: Callable[..., None]) -> None:
    world(wheels={"cupy-cuda13x": "14.0"}, nvrtc=None, nvvm=None)
    found = told()
    assert "pip install 'jitorch[cuda]'" in found["CUDA release"].remedy
    assert found["NVVM"].found == "can't be told (ImportError: it is not there)"
    assert "PTX ceiling" not in found


def test_no_gpu_and_a_driver_that_fails(world: Callable[..., None]) -> None:
    world(library=Library(13000, gpus=0))
    assert "CUDA_VISIBLE_DEVICES" in told()["GPUs"].remedy
    world(library=Library(13000, fails=100))
    assert told()["GPUs"].found == "the driver sees none"
    world(library=Library(13000, fails=999))
    assert told()["GPUs"].found == "can't be told (DriverError: cuInit fails with error 999)"


def test_a_probe_that_fails_is_a_finding() -> None:
    def probe() -> Any:
        yield Finding("a", "b")
        raise ValueError

    assert ask(probe, "it", "cuda") == [Finding("it", "can't be told (ValueError)", part="cuda")]


def test_json(world: Callable[..., None], run: Run) -> None:
    world(wheels={})
    made = json.loads(run("doctor", "--format", "json").output)
    assert made["healthy"] is True
    assert {f["part"] for f in made["findings"]} == {"cpu", "cuda"}
    rows = {f["what"]: f for f in made["findings"]}
    assert rows["CUDA packages"]["state"] == "note"
    assert rows["NVIDIA driver"]["state"] == "absent"
    assert rows["numpy"]["state"] == "ok"


def test_the_packages_of_this_machine() -> None:
    """Whatever is installed here, the questions are answered."""
    found = doctor_cuda.findings()
    assert found[0].what == "NVIDIA driver"
    assert all(f.part == "cuda" and not f.fault for f in found)
    if "nvidia-cuda-nvrtc" in doctor_cuda.installed():
        assert "makes PTX" in {f.what: f for f in found}["NVRTC"].found


@pytest.mark.parametrize(
    ("name", "counts"),
    [("nvidia-nvvm", True), ("nvidia-cuda-nvrtc-cu12", True), ("nvidia-cublas", False)],
)
def test_which_packages_are_of_the_toolkit(name: str, counts: bool) -> None:
    assert bool(doctor_cuda.toolkit({name: "13.0.1"})) == counts
