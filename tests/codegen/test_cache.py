"""The disk cache: whatever happens to it, kernels are compiled and nothing is raised."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import pytest

from jitorch.codegen import cache

KEY = cache.make_key(text="kernel", cpu="here")
CONTENT = ("kernel", b"\0object\xff" * 50, "define void @kernel()")


def put(key: str = KEY) -> None:
    cache.store(key, *CONTENT)


def file_of(folder: Path, key: str = KEY) -> Path:
    return folder / f"{key}{cache.SUFFIX}"


def assert_missed_with_one_warning(match: str) -> None:
    with pytest.warns(RuntimeWarning, match=match):
        assert cache.load(KEY) is None
    assert cache.load(KEY) is None  # a second warning would be an error


def test_round_trip(cache_dir: Path) -> None:
    assert cache.load(KEY) is None
    put()
    assert cache.load(KEY) == CONTENT
    assert [(entry.key, entry.name) for entry in cache.entries()] == [(KEY, "kernel")]
    assert cache.verify() == []
    assert cache.clear() == 1
    assert cache.load(KEY) is None
    assert cache.entries() == []


def test_keys_depend_on_every_fact() -> None:
    facts = [{"text": "a"}, {"text": "b"}, {"text": "a", "cpu": "x"}, {"text": "a", "cpu": "y"}]
    assert len({cache.make_key(**each) for each in facts}) == len(facts)
    assert cache.make_key(a=1, b=2) == cache.make_key(b=2, a=1)


def test_directory_is_private_and_files_are_not_pickles(cache_dir: Path) -> None:
    put()
    if os.name == "posix":
        assert cache_dir.stat().st_mode & 0o777 == 0o700
    header = json.loads(file_of(cache_dir).read_bytes().split(b"\n", 1)[0])
    assert header["key"] == KEY


@pytest.mark.parametrize("keep", [0, 10, 60, 300, -1])
def test_truncated_files_are_misses(cache_dir: Path, keep: int) -> None:
    put()
    path = file_of(cache_dir)
    path.write_bytes(path.read_bytes()[:keep])
    assert_missed_with_one_warning("is not a kernel file|incomplete")
    assert [bad for bad, _ in cache.verify()] == [path]
    put()
    assert cache.load(KEY) == CONTENT


@pytest.mark.parametrize(
    "header", [b"[]", b"{}", b"null", b"\xff\xfe", b"[" * 9999, b'{"format": 1, "object": "x"}']
)
def test_foreign_files_are_misses(cache_dir: Path, header: bytes) -> None:
    cache_dir.mkdir(mode=0o700)
    file_of(cache_dir).write_bytes(header + b"\nrest")
    assert_missed_with_one_warning("is not a kernel file")
    assert cache.entries()[0].name == "(unreadable)"


def test_changed_bytes_are_misses(cache_dir: Path) -> None:
    put()
    path = file_of(cache_dir)
    content = bytearray(path.read_bytes())
    content[-200] ^= 1
    path.write_bytes(content)
    assert_missed_with_one_warning("is damaged")


def test_a_file_under_another_name_is_a_miss(cache_dir: Path) -> None:
    other = cache.make_key(text="other")
    put(other)
    file_of(cache_dir, other).rename(file_of(cache_dir))
    assert_missed_with_one_warning("belongs to another kernel")
    assert len(cache.verify()) == 1


def test_a_deleted_directory_comes_back(cache_dir: Path) -> None:
    put()
    shutil.rmtree(cache_dir)
    assert cache.load(KEY) is None
    put()
    assert cache.load(KEY) == CONTENT


def test_a_directory_that_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("JITORCH_CACHE_DIR", str(tmp_path / "file" / "cache"))
    cache._warned.clear()
    with pytest.warns(RuntimeWarning, match="cannot be used"):
        put()
    assert cache.load(KEY) is None
    assert cache.entries() == []
    assert cache.clear() == 0


@pytest.mark.skipif(os.name != "posix", reason="POSIX permissions")
def test_a_read_only_directory(cache_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put()
    cache_dir.chmod(0o500)

    def refuse(*args: object, **kwargs: object) -> object:
        raise PermissionError(13, "Permission denied")

    if os.getuid() == 0:  # to whom nothing is read-only
        monkeypatch.setattr(tempfile, "mkstemp", refuse)
    with pytest.warns(RuntimeWarning, match="Permission denied"):
        put(cache.make_key(text="another"))
    assert cache.load(KEY) == CONTENT
    cache_dir.chmod(0o700)


@pytest.mark.skipif(os.name != "posix", reason="POSIX permissions")
def test_a_directory_open_to_others_is_ignored(cache_dir: Path) -> None:
    put()
    cache_dir.chmod(0o777)
    assert_missed_with_one_warning("every user may write")


@pytest.mark.skipif(os.name != "posix", reason="POSIX permissions")
def test_files_of_another_user_are_ignored(
    cache_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put()
    monkeypatch.setattr(os, "getuid", lambda: 12345678)
    assert_missed_with_one_warning("belongs to another user")


def test_switched_off(cache_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JITORCH_CACHE", "0")
    put()
    assert not cache_dir.exists()
    assert cache.load(KEY) is None


def test_where_it_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JITORCH_CACHE_DIR")
    if sys.platform == "win32":
        monkeypatch.setenv("LOCALAPPDATA", "C:\\data")
        assert cache.directory() == Path("C:\\data") / "jitorch" / "cache"
        return
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert cache.directory() == Path("/xdg/jitorch")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert cache.directory() == Path("/home/somebody/.cache/jitorch")


def test_the_oldest_go_first(cache_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [cache.make_key(text=str(k)) for k in range(4)]
    for age, key in enumerate(keys):
        put(key)
        os.utime(file_of(cache_dir, key), (time.time() - age * 100,) * 2)
    cache.load(keys[3])  # now the one used last
    size = file_of(cache_dir, keys[0]).stat().st_size
    monkeypatch.setenv("JITORCH_CACHE_MB", str(size * 2.5 / 1e6))
    assert cache.trim() == 2
    assert {entry.key for entry in cache.entries()} == {keys[0], keys[3]}


def test_leftovers_of_crashed_writers_go(cache_dir: Path) -> None:
    put()
    left = cache_dir / ".crashed.tmp"
    left.write_bytes(b"half")
    assert cache.trim() == 0  # it may still be being written
    os.utime(left, (time.time() - 7200,) * 2)
    assert cache.trim() == 1
    assert cache.load(KEY) == CONTENT


WORKER = """
import random, sys
from jitorch.codegen import cache
random.seed(int(sys.argv[1]))
keys = [cache.make_key(text=str(k)) for k in range(5)]
for turn in range(60):
    key = random.choice(keys)
    if turn % 20 == 19:
        cache.clear()
    elif random.random() < 0.5:
        cache.store(key, "kernel", key.encode() * 100, "text")
    else:
        found = cache.load(key)
        assert found is None or found == ("kernel", key.encode() * 100, "text"), found
"""


def test_sixteen_processes_at_once(cache_dir: Path, start_python: Any) -> None:
    workers = [start_python(WORKER, str(k)) for k in range(16)]
    for worker in workers:
        with worker:
            assert worker.wait(60) == 0
    assert cache.verify() == []
    assert not list(cache_dir.glob("*.tmp"))


@pytest.mark.numba
def test_kernels_compile_whatever_the_cache_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from jitorch.codegen import native

    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("JITORCH_CACHE_DIR", str(tmp_path / "file"))
    cache._warned.clear()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for k in range(2):
            source = f"def kernel(args, lo, hi):\n    set_i64(args, 0, {k})\n"
            native.compile_kernel(source, "kernel")
    assert len(caught) == 1


@pytest.mark.numba
def test_an_object_that_does_not_link_is_a_miss(cache_dir: Path) -> None:
    from jitorch.codegen import native

    source = "def kernel(args, lo, hi):\n    set_i64(args, 0, 77)\n"
    key = native.kernel_key("kernel\0" + source, native.DEFAULT_FASTMATH)
    cache.store(key, "kernel", b"no object file", "")
    slots = ctypes.c_int64(0)
    native.compile_kernel(source, "kernel")(ctypes.addressof(slots), 0, 0)
    assert slots.value == 77
