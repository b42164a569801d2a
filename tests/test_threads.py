"""The number of threads: the environment, the machine, and that BLAS keeps to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import jitorch as jt
from jitorch import threads


@pytest.fixture
def restored() -> Iterator[None]:
    before = jt.get_num_threads()
    yield
    jt.set_num_threads(before)


@pytest.mark.usefixtures("restored")
def test_blas_has_as_many_threads_as_kernels() -> None:
    for count in (1, 2):
        jt.set_num_threads(count)
        assert jt.get_num_threads() == count
        assert {library.num_threads for library in threads.blas_libraries()} <= {count}


@pytest.mark.usefixtures("restored")
def test_a_blas_loaded_later_keeps_to_it_too() -> None:
    jt.set_num_threads(1)
    for library in threads.blas_libraries():
        library.set_num_threads(2)
    threads.blas_was_loaded()
    assert {library.num_threads for library in threads.blas_libraries()} <= {1}


def test_at_least_one_thread() -> None:
    with pytest.raises(ValueError, match="positive integer, but got 0"):
        jt.set_num_threads(0)
    with pytest.raises(ValueError, match="at most 1024, but got 1000000"):
        jt.set_num_threads(10**6)
    with pytest.raises(TypeError, match="expects an int, but got float"):
        jt.set_num_threads(1.5)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("environment", "number"),
    [
        ({"JITORCH_NUM_THREADS": "3", "OMP_NUM_THREADS": "5"}, 3),
        ({"OMP_NUM_THREADS": "5,2"}, 5),
        ({"JITORCH_NUM_THREADS": "many", "OMP_NUM_THREADS": "0"}, None),
    ],
)
def test_environment(
    environment: dict[str, str], number: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("JITORCH_NUM_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert threads._initial_threads() == (number or threads.available_cpus())


@pytest.mark.parametrize(
    ("membership", "files", "limit"),
    [
        ("0::/a/b", {"a/b/cpu.max": "max 100000", "a/cpu.max": "150000 100000"}, 1.5),
        ("0::/", {"cpu.max": "50000 100000"}, 0.5),
        ("0::/", {"cpu.max": "max 100000"}, None),
        (
            "4:memory:/m\n3:cpu,cpuacct:/c",
            {"cpu,cpuacct/c/cpu.cfs_quota_us": "300000", "cpu,cpuacct/c/cpu.cfs_period_us": "1000"},
            300.0,
        ),
        ("3:cpu:/c", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, None),
        ("nonsense", {"cpu.max": "what is this"}, None),
    ],
)
def test_control_groups(
    membership: str, files: dict[str, str], limit: float | None, tmp_path: Path
) -> None:
    for name, content in files.items():
        path = tmp_path / "groups" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content + "\n")
    (tmp_path / "membership").write_text(membership + "\n")
    assert threads._cpu_quota(tmp_path / "groups", tmp_path / "membership") == limit
