"""What lies under a path: its file system, its device, its free room; and what of a file is cached."""

import ctypes
import mmap
import os
from dataclasses import dataclass
from pathlib import Path

MEMORY_TYPES = frozenset({"tmpfs", "ramfs"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """One line of the mount table.

    Attributes
    ----------
    point, filesystem, device : str
        Such as ``/data``, ``ext4``, ``/dev/sda1``.
    """

    point: str
    filesystem: str
    device: str


def _unescape(text: str) -> str:
    """Undo the octal escapes of the mount table.

    >>> _unescape(r"/mnt/two\\040words")
    '/mnt/two words'
    """
    return text.encode().decode("unicode_escape").encode("latin-1").decode("utf-8", "replace")


def parse_mounts(text: str) -> list[Mount]:
    """Mounts in ``/proc/self/mountinfo``, in its order.

    >>> parse_mounts("36 35 98:0 / /mnt rw,noatime master:1 - ext3 /dev/root rw")
    [Mount(point='/mnt', filesystem='ext3', device='/dev/root')]
    """
    mounts = []
    for line in text.splitlines():
        head, _, tail = line.partition(" - ")
        point, (filesystem, device, *_) = head.split(" ")[4], tail.split(" ")
        mounts.append(Mount(point=_unescape(point), filesystem=filesystem, device=_unescape(device)))
    return mounts


def mount_of(path: Path) -> Mount:
    """The mount that holds a path; ``unknown`` where there is no mount table."""
    try:
        mounts = parse_mounts(Path("/proc/self/mountinfo").read_text(encoding="utf-8"))
    except OSError:
        return Mount(point="unknown", filesystem="unknown", device="unknown")
    real = path.resolve()
    around = [mount for mount in mounts if real.is_relative_to(mount.point)]
    # Mounts on one point hide each other: the last one listed is seen.
    return max(enumerate(around), key=lambda item: (len(item[1].point), item[0]))[1]


def room(path: Path) -> tuple[int, int]:
    """Bytes that this user may still write, and the size of the file system in bytes."""
    stat = os.statvfs(path)
    return stat.f_bavail * stat.f_frsize, stat.f_blocks * stat.f_frsize


def cached_ratio(path: Path) -> float | None:
    """Share of a file's pages that this host holds in memory; None where that cannot be seen."""
    size = path.stat().st_size
    if not size or not hasattr(mmap, "ACCESS_COPY"):
        return None
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "mincore"):
        return None
    pages = -(-size // mmap.PAGESIZE)
    states = (ctypes.c_ubyte * pages)()
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) as view:
        anchor = ctypes.c_char.from_buffer(view)
        address = ctypes.c_void_p(ctypes.addressof(anchor))
        failed = libc.mincore(address, ctypes.c_size_t(size), states)
        del anchor  # the map cannot be closed while it is pointed at
    return None if failed else sum(state & 1 for state in states) / pages
