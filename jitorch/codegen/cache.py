"""The disk cache of compiled kernels: one file per kernel, and never a reason to fail.

A file is one line of JSON (the key, sizes, a digest), the object file, and the compressed LLVM
text. Nothing in it is unpickled. Whatever is wrong (a truncated or foreign file, a directory that
is read-only, gone, or open to others) reads as "not there", with one warning per process.

`JITORCH_CACHE=0` switches it off, `JITORCH_CACHE_DIR` places it, `JITORCH_CACHE_MB` bounds it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
import sys
import tempfile
import threading
import time
import warnings
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FORMAT = "jitorch-kernel-1"
SUFFIX = ".jtk"
_MAX_HEADER = 65536
_TRIM_EVERY = 64


@dataclass(frozen=True)
class Entry:
    """A file of the cache."""

    path: Path
    key: str
    name: str
    size: int
    used: float


class _Bad(Exception):
    """A file or directory that cannot be used; the message says why."""


_warned = threading.Event()
_stores = 0


def enabled() -> bool:
    """Whether the cache is on."""
    return os.environ.get("JITORCH_CACHE", "1") != "0"


def directory() -> Path:
    """Where the cache lives; it may not exist yet."""
    chosen = os.environ.get("JITORCH_CACHE_DIR")
    if chosen:
        return Path(os.path.expanduser(chosen))
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or tempfile.gettempdir()) / "jitorch" / "cache"
    base = os.environ.get("XDG_CACHE_HOME")
    if base:
        return Path(base) / "jitorch"
    try:
        return Path.home() / ".cache" / "jitorch"
    except RuntimeError:  # a user without a home
        return Path(tempfile.gettempdir()) / f"jitorch-{os.getuid()}"


def limit_bytes() -> int:
    """How large the cache may grow."""
    try:
        return int(float(os.environ.get("JITORCH_CACHE_MB", "512")) * 1e6)
    except ValueError:
        return 512_000_000


def make_key(**facts: object) -> str:
    """The key of a kernel: a digest of everything its code depends on."""
    text = json.dumps({"format": FORMAT, **facts}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


# ----------------------------------------------------------------------------------- load, store


def load(key: str) -> tuple[str, bytes, str] | None:
    """The (symbol, object file, LLVM text) kept under `key`, or None."""
    if not enabled():
        return None
    try:
        folder = directory()
        _check_directory(folder)
        path = folder / f"{key}{SUFFIX}"
        header, data, text = _read(path)
        if header["key"] != key:
            raise _Bad(f"{path.name} belongs to another kernel")
        with contextlib.suppress(OSError):
            os.utime(path)  # the time of last use, by which old files go
        return str(header["name"]), data, text
    except FileNotFoundError:
        return None
    except (OSError, _Bad) as error:
        _warn(error)
        return None


def store(key: str, name: str, data: bytes, text: str) -> None:
    """Keep a compiled kernel. Files appear whole or not at all."""
    global _stores
    if not enabled():
        return
    try:
        folder = directory()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check_directory(folder)
        _write(folder, f"{key}{SUFFIX}", _pack(key, name, data, text))
        _stores += 1
        if _stores % _TRIM_EVERY == 1:
            trim()
    except FileNotFoundError:
        return  # somebody deleted the directory meanwhile
    except (OSError, _Bad) as error:
        _warn(error)


def _warn(error: Exception) -> None:
    if _warned.is_set():
        return
    _warned.set()
    warnings.warn(
        f"the kernel cache in {directory()} cannot be used ({error}); kernels are compiled again. "
        "Set JITORCH_CACHE_DIR to a directory of your own, or JITORCH_CACHE=0.",
        RuntimeWarning,
        stacklevel=4,
    )


def _check_directory(folder: Path) -> None:
    """Refuse a directory that somebody else could put code into."""
    if sys.platform == "win32":
        return
    status = folder.stat()
    if not stat.S_ISDIR(status.st_mode):
        raise _Bad("it is not a directory")
    if status.st_uid != os.getuid():
        raise _Bad("it belongs to another user")
    if status.st_mode & stat.S_IWOTH:
        raise _Bad("every user may write to it")


def _pack(key: str, name: str, data: bytes, text: str) -> bytes:
    packed = zlib.compress(text.encode(), 6)
    header = {
        "format": FORMAT,
        "key": key,
        "name": name,
        "object": len(data),
        "llvm": len(packed),
        "sha256": hashlib.sha256(data + packed).hexdigest(),
    }
    return json.dumps(header).encode() + b"\n" + data + packed


def _read(path: Path) -> tuple[dict[str, object], bytes, str]:
    """Header, object and text of a file, every byte checked."""
    with path.open("rb") as file:
        if sys.platform != "win32" and os.fstat(file.fileno()).st_uid != os.getuid():
            raise _Bad(f"{path.name} belongs to another user")
        line = file.readline(_MAX_HEADER)
        payload = file.read()
    try:
        header = json.loads(line)
        size, rest = int(header["object"]), int(header["llvm"])
        digest, known = str(header["sha256"]), header["format"] == FORMAT
        if not isinstance(header["key"], str) or not isinstance(header["name"], str):
            raise TypeError
    except (ValueError, KeyError, TypeError, RecursionError):
        raise _Bad(f"{path.name} is not a kernel file") from None
    if not known or len(payload) != size + rest:
        raise _Bad(f"{path.name} is incomplete")
    if hashlib.sha256(payload).hexdigest() != digest:
        raise _Bad(f"{path.name} is damaged")
    try:
        return header, payload[:size], zlib.decompress(payload[size:]).decode()
    except (zlib.error, UnicodeDecodeError):
        raise _Bad(f"{path.name} is damaged") from None


def _write(folder: Path, name: str, content: bytes) -> None:
    handle, temporary = tempfile.mkstemp(prefix=".", suffix=".tmp", dir=folder)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.replace(temporary, folder / name)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        # Windows refuses to replace a file that another process has open: it has the same content.
        if sys.platform == "win32" and (folder / name).exists():
            return
        raise


# ------------------------------------------------------------------------------------ maintenance


def _files() -> Iterator[tuple[Path, os.stat_result]]:
    """The kernel files, and what crashed writers left."""
    try:
        found = list(os.scandir(directory()))
    except OSError:
        return
    for item in found:
        if item.name.endswith((SUFFIX, ".tmp")):
            with contextlib.suppress(OSError):
                yield Path(item.path), item.stat(follow_symlinks=False)


def entries() -> list[Entry]:
    """The kernels in the cache, those used last first."""
    found = []
    for path, status in _files():
        if path.suffix != SUFFIX:
            continue
        try:
            name = str(_read(path)[0]["name"])
        except (OSError, _Bad):
            name = "(unreadable)"
        found.append(Entry(path, path.stem, name, status.st_size, status.st_mtime))
    return sorted(found, key=lambda entry: -entry.used)


def verify() -> list[tuple[Path, str]]:
    """The files that cannot be used, each with the reason."""
    bad = []
    for path, _ in _files():
        if path.suffix != SUFFIX:
            continue
        try:
            if _read(path)[0]["key"] != path.stem:
                bad.append((path, "named for another kernel"))
        except (OSError, _Bad) as error:
            bad.append((path, str(error)))
    return bad


def clear() -> int:
    """Delete every kernel; the number of files deleted."""
    found = [path for path, status in _files() if path.suffix == SUFFIX or _abandoned(path, status)]
    return sum(_remove(path) for path in found)


def trim() -> int:
    """Delete the kernels used longest ago until the rest fits; the number of files deleted."""
    files = sorted(_files(), key=lambda item: -item[1].st_mtime)
    total, deleted = 0, 0
    for path, status in files:
        total += status.st_size
        over = path.suffix == SUFFIX and total > limit_bytes()
        if over or _abandoned(path, status):
            deleted += _remove(path)
    return deleted


def _abandoned(path: Path, status: os.stat_result) -> bool:
    """Whether a writer left this file behind, rather than being at it."""
    return path.suffix == ".tmp" and time.time() - status.st_mtime > 3600


def _remove(path: Path) -> bool:
    try:
        path.unlink()
    except OSError:
        return False
    return True
