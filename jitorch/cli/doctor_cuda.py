"""The part of `jitorch doctor` about CUDA: driver, GPUs, packages, compilers, and whether they fit.

Every question is asked of what is installed: versions of packages by their metadata, libraries and
tools where cuda-pathfinder finds them, PTX by compiling a line. Nothing here needs a GPU.
"""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
import importlib.util
import re
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

from jitorch.cli.findings import Finding, ask
from jitorch.cuda import diagnosis, driver as drivers
from jitorch.cuda.diagnosis import INSTALL, shown
from jitorch.cuda.ptx import RELEASE, Ptx, Release, nvrtc_ptx, nvvm_ptx

# Packages by which CUDA comes, and those among them whose versions are CUDA's own.
_PACKAGES = re.compile(
    r"cupy(-cuda\d+x)?|numba-cuda|cuda-(bindings|core|pathfinder|python|toolkit)|nvidia-.+"
)
_TOOLKIT = re.compile(
    r"(nvidia-(cuda-(crt|cuobjdump|nvcc|nvdisasm|nvrtc|runtime)|nvvm|nvjitlink))(-cu\d+)?"
)
_NEEDED = ("cupy", "numba_cuda", "cuda.bindings", "cuda.pathfinder")


def findings() -> list[Finding]:
    """Return everything that is to say about CUDA."""
    packages = installed()
    driver = ask(_driver, "NVIDIA driver", "cuda")
    if not packages:
        return [*driver, Finding("CUDA packages", "not installed", _optional(), part="cuda")]
    probes: dict[str, Callable[[], Iterator[Finding]]] = {
        "CUDA packages": functools.partial(_packages, packages),
        "CUDA runtime": _runtime,
        "NVRTC": functools.partial(_compiler, "NVRTC", nvrtc_ptx),
        "NVVM": functools.partial(_compiler, "NVVM", nvvm_ptx),
        "ptxas": _ptxas,
        "PTX ceiling": functools.partial(_ceiling, packages),
        "CUDA": _verdict,
    }
    return driver + [f for what, probe in probes.items() for f in ask(probe, what, "cuda")]


def _optional() -> str:
    return f"for GPUs (the CPU needs nothing of it):\n  {INSTALL}"


def installed() -> dict[str, str]:
    """Return the packages by which CUDA comes, and their versions."""
    found = {}
    for distribution in importlib.metadata.distributions():
        name = (distribution.metadata["Name"] or "").lower().replace("_", "-")
        if _PACKAGES.fullmatch(name):
            found[name] = distribution.version
    return dict(sorted(found.items()))


# The driver.


def _driver() -> Iterator[Finding]:
    library = drivers.library()
    if library is None:
        yield Finding("NVIDIA driver", "none", part="cuda", absent=True)
        return
    yield Finding("NVIDIA driver", f"knows CUDA {shown(drivers.version(library))}", part="cuda")
    yield from ask(functools.partial(_gpus, library), "GPUs", "cuda")


def _gpus(library: Any) -> Iterator[Finding]:
    found = drivers.gpus(library)
    if not found:
        remedy = "`nvidia-smi` shows what the driver sees, CUDA_VISIBLE_DEVICES limits it"
        yield Finding("GPUs", "the driver sees none", remedy, part="cuda")
    for gpu in found:
        capability = ".".join(map(str, gpu.capability))
        text = f"{gpu.name}, compute capability {capability}, {diagnosis.size(gpu.memory)}"
        yield Finding(f"cuda:{gpu.index}", text, part="cuda")


# Packages.


def _packages(packages: dict[str, str]) -> Iterator[Finding]:
    for name, version in packages.items():
        yield Finding(name, version, part="cuda")
    missing = [name for name in _NEEDED if not _found(name)]
    if missing:
        names = ", ".join(name.replace("_", "-").replace(".", "-") for name in missing)
        yield Finding("CUDA packages", f"not installed: {names}", _optional(), part="cuda")
    cupies = [name for name in packages if name.startswith("cupy")]
    if len(cupies) > 1:
        remedy = f"keep one CuPy:\n  pip uninstall {' '.join(cupies)}\n  {INSTALL}"
        yield Finding("CuPy", f"{len(cupies)} packages of the same files", remedy, part="cuda")
    yield _releases(packages)


def _found(module: str) -> bool:
    """Whether a module is installed; numba-cuda puts its own into numba."""
    if module == "numba_cuda":
        return any(d.name.lower() == "numba-cuda" for d in importlib.metadata.distributions())
    try:
        return importlib.util.find_spec(module) is not None
    except ImportError:  # its parent is not there
        return False


def toolkit(packages: dict[str, str]) -> dict[str, Release]:
    """Return the packages that are parts of the CUDA toolkit, and the release that each is of."""
    return {name: release(v) for name, v in packages.items() if _TOOLKIT.fullmatch(name)}


def release(version: str) -> Release:
    """Return the first two numbers of a version."""
    major, minor, *_ = (*version.split("."), "0")
    return int(major), int(minor)


def _releases(packages: dict[str, str]) -> Finding:
    parts = toolkit(packages)
    if not parts:
        remedy = f"the compilers of CUDA are missing:\n  {INSTALL}"
        return Finding("CUDA release", "no part of the toolkit is installed", remedy, part="cuda")
    newest = max(parts.values())
    odd = {name: r for name, r in parts.items() if r != newest}
    if odd:
        text = f"{text_of(newest)}, but " + ", ".join(
            f"{n} is of {text_of(r)}" for n, r in odd.items()
        )
        remedy = f"parts of one release belong together:\n  {pinned(odd, newest)}"
        return Finding("CUDA release", text, remedy, part="cuda")
    cupy = next((m[1] for n in packages if (m := re.fullmatch(r"cupy-cuda(\d+)x", n))), None)
    if cupy is not None and int(cupy) != newest[0]:
        text = f"{text_of(newest)}, but CuPy is for CUDA {cupy}"
        remedy = (
            f"parts of one release belong together:\n  pip uninstall cupy-cuda{cupy}x\n"
            f"  pip install cupy-cuda{newest[0]}x"
        )
        return Finding("CUDA release", text, remedy, part="cuda")
    return Finding("CUDA release", f"{text_of(newest)}, of all parts", part="cuda")


def text_of(found: Release) -> str:
    """Return a release as people write it."""
    return ".".join(map(str, found))


def pinned(names: dict[str, Release], wanted: Release) -> str:
    """Return the command that installs parts of the toolkit of one release."""
    return "pip install " + " ".join(f"'{n}=={text_of(wanted)}.*'" for n in names)


# Libraries and tools.


def _runtime() -> Iterator[Finding]:
    status, version = importlib.import_module("cuda.bindings.runtime").getLocalRuntimeVersion()
    if int(status):
        yield Finding("CUDA runtime", f"does not answer: {status.name}", part="cuda")
        return
    yield Finding("CUDA runtime", shown(int(version)), part="cuda")


def _compiler(what: str, compiled: Callable[[], Ptx]) -> Iterator[Finding]:
    made = compiled()
    yield Finding(what, f"of CUDA {text_of(made.release)}, makes PTX {made.version}", part="cuda")


def _ptxas() -> Iterator[Finding]:
    pathfinder = importlib.import_module("cuda.pathfinder")
    path = pathfinder.find_nvidia_binary_utility("ptxas")
    if path is None:
        remedy = f"ptxas, which checks kernels without a GPU, comes with:\n  {INSTALL}"
        yield Finding("ptxas", "not found", remedy, part="cuda")
        return
    done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=20)
    found = RELEASE.search(done.stdout)
    yield Finding(
        "ptxas",
        f"of CUDA {found[1]}.{found[2]}" if found else "does not say its release",
        part="cuda",
    )


# Whether they fit.


def _ceiling(packages: dict[str, str]) -> Iterator[Finding]:
    """Compare the PTX that the compilers make with what the driver accepts.

    A driver takes the PTX of every CUDA release up to the one it knows, and of none after.
    """
    made = {
        name: ptx for name, fn in (("NVRTC", nvrtc_ptx), ("NVVM", nvvm_ptx)) if (ptx := _try(fn))
    }
    if not made:
        return
    library = drivers.library()
    if library is None:
        least = text_of(max(ptx.release for ptx in made.values()))
        text = f"kernels made here need a driver that knows CUDA {least} or later"
        yield Finding("PTX ceiling", text, part="cuda", absent=True)
        return
    known = drivers.version(library)
    most = known // 1000, known % 1000 // 10
    over = {name: ptx for name, ptx in made.items() if ptx.release > most}
    if not over:
        yield Finding("PTX ceiling", f"the driver takes that of CUDA {text_of(most)}", part="cuda")
        return
    text = f"the driver takes PTX up to CUDA {text_of(most)}; " + ", ".join(
        f"{name} makes PTX {ptx.version}, of CUDA {text_of(ptx.release)}"
        for name, ptx in over.items()
    )
    yield Finding("PTX ceiling", text, _lower(packages, most), part="cuda")


def _lower(packages: dict[str, str], most: Release) -> str:
    parts = {name: r for name, r in toolkit(packages).items() if r > most}
    update = f"install a newer driver ({diagnosis.DRIVER_PAGE})"
    if not parts or max(parts.values())[0] != most[0]:
        return f"kernels made here would not load:\n  {update}"
    return f"kernels made here would not load:\n  {update}, or\n  {pinned(parts, most)}"


def _try(fn: Callable[[], Ptx]) -> Ptx | None:
    try:
        return fn()
    except Exception:  # has a row of its own that says so
        return None


def _verdict() -> Iterator[Finding]:
    """Say whether tensors can be put on a GPU, and if not, what keeps them from it."""
    from jitorch.cuda import adapter
    from jitorch.errors import CudaError

    try:
        module = adapter.load()
    except CudaError as error:
        yield Finding(
            "CUDA", error.message.removeprefix("CUDA is not available: "), error.hint, part="cuda"
        )
        return
    yield Finding("CUDA", f"works, with CuPy {module.__version__}", part="cuda")
