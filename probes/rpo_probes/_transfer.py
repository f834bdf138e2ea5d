"""Bytes on a disk: make a volume that can be recognised, copy it, and prove that a copy is the same.

A volume starts with a head that holds the marker; the body is seeded noise, so that neither compression nor
deduplication nor holes make a copy cheaper than real data. Every long call can be stopped between two blocks.
"""

import contextlib
import errno
import fcntl
import hashlib
import os
import random
from collections.abc import Callable
from pathlib import Path

BLOCK_BYTES = 1 << 20
HEAD_BYTES = 4096
_FICLONE = 0x40049409
_NO_REFLINK = {errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOTTY, errno.ENOSYS, errno.EPERM}

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class Stopped(Exception):
    """The user cancelled while bytes were moving."""


def _write_all(descriptor: int, data: bytes | memoryview) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def write_volume(path: Path, size_bytes: int, seed: str, stopped: Callable[[], bool]) -> bytes:
    """Write and fsync a new volume; the digest of its body."""
    noise, digest = random.Random(seed), hashlib.sha256()
    with path.open("xb", buffering=0) as file:
        _write_all(file.fileno(), bytes(HEAD_BYTES))
        left = size_bytes - HEAD_BYTES
        while left:
            if stopped():
                raise Stopped
            block = noise.randbytes(min(BLOCK_BYTES, left))
            digest.update(block)
            _write_all(file.fileno(), block)
            left -= len(block)
        os.fsync(file.fileno())
    return digest.digest()


def head(marker: str) -> bytes:
    """The head of a volume that carries this marker."""
    return marker.encode().ljust(HEAD_BYTES, b"\0")


def set_marker(path: Path, marker: str) -> None:
    """Write a marker into a volume's head and fsync."""
    with path.open("r+b", buffering=0) as file:
        _write_all(file.fileno(), head(marker))
        os.fsync(file.fileno())


def reflink(source: Path, target: Path) -> bool:
    """Clone a file by sharing its blocks; False, with nothing left, where the file system cannot."""
    with source.open("rb") as from_file, target.open("xb") as to_file:
        try:
            fcntl.ioctl(to_file.fileno(), _FICLONE, from_file.fileno())
        except OSError as error:
            target.unlink()
            if error.errno in _NO_REFLINK:
                return False
            raise
    return True


def copy(source: Path, target: Path, stopped: Callable[[], bool]) -> int:
    """Copy every byte through this host; bytes moved. Not durable before `sync`.

    Plain reads and writes: the calls that copy inside the kernel may share blocks instead.
    """
    buffer, moved = memoryview(bytearray(BLOCK_BYTES)), 0
    with source.open("rb", buffering=0) as from_file, target.open("xb", buffering=0) as to_file:
        while (count := from_file.readinto(buffer)) != 0:
            if stopped():
                raise Stopped
            _write_all(to_file.fileno(), buffer[:count])
            moved += count
    return moved


def sync(path: Path) -> None:
    """Wait until a file is on stable storage."""
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def drop_cache(path: Path) -> None:
    """Ask this host to forget its cached pages of a file, which must be clean."""
    if hasattr(os, "posix_fadvise"):
        with path.open("rb") as file, contextlib.suppress(OSError):
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def same(path: Path, marker: str, body_digest: bytes, stopped: Callable[[], bool]) -> bool:
    """Read a volume back and compare its marker and its body."""
    digest = hashlib.sha256()
    buffer = memoryview(bytearray(BLOCK_BYTES))
    with path.open("rb", buffering=0) as file:
        found = file.read(HEAD_BYTES)
        while (count := file.readinto(buffer)) != 0:
            if stopped():
                raise Stopped
            digest.update(buffer[:count])
    return found == head(marker) and digest.digest() == body_digest


def read_through(path: Path) -> None:
    """Read a file once, so that this host has it cached."""
    buffer = memoryview(bytearray(BLOCK_BYTES))
    with path.open("rb", buffering=0) as file:
        while file.readinto(buffer):
            pass
