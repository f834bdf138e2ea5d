"""The one folder in which `local_disk` makes everything, and its removal in every case.

Three nets: the owner removes it in the end; a janitor process does when the owner was killed; the next start
does when both were (power cut, container killed). The living hold a lock on their manifest.
"""

import contextlib
import fcntl
import json
import os
import socket
import subprocess
import sys
import uuid
from pathlib import Path

from rpo_probes._janitor import (
    MADE_BY,
    MANIFEST,
    folder_name,
    identity_of,
    read_owner,
    remove_workspace,
)


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _process_start(pid: str) -> str:
    """Start of a process in clock ticks since boot: with its id, an identity that is not used twice."""
    stat = _read(f"/proc/{pid}/stat")
    return stat.rpartition(")")[2].split()[19] if stat else ""


def _pid_namespace() -> str:
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""


def describe_owner(identity: str) -> dict[str, str]:
    """This process, as it is written into manifest and note."""
    return {
        "made_by": MADE_BY,
        "identity": identity,
        "host": socket.gethostname(),
        "boot": _read("/proc/sys/kernel/random/boot_id"),
        "pid_namespace": _pid_namespace(),
        "pid": str(os.getpid()),
        "process_start": _process_start(str(os.getpid())),
    }


def owner_is_gone(owner: dict[str, str]) -> bool:
    """Whether the process that made a workspace has surely ended; on another host nobody can tell."""
    here = describe_owner(owner.get("identity", ""))
    if owner.get("host") != here["host"]:
        return False
    if owner.get("boot") != here["boot"] or owner.get("pid_namespace") != here["pid_namespace"]:
        return True  # another boot; or another container of this kernel, where the lock has the last word
    return _process_start(owner.get("pid", "0")) != owner.get("process_start")


def _write_new(path: Path, text: str) -> int:
    """Create, lock, write and fsync a file; the open descriptor holds the lock."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.write(descriptor, text.encode())
        os.fsync(descriptor)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


class Workspace:
    """A fresh folder below `target`, gone after `close` or with the process.

    Parameters
    ----------
    target : Path
        An existing folder on the file system to measure.
    state_folder : Path
        Where the note about it lies: written before the folder, removed after it.
    """

    def __init__(self, target: Path, state_folder: Path) -> None:
        identity = uuid.uuid4().hex
        self.folder = target / folder_name(identity)
        self._note = state_folder / f"{identity}.json"
        owner = json.dumps(describe_owner(identity) | {"folder": str(self.folder)})
        os.close(_write_new(self._note, owner))
        self._janitor = _start_janitor(self.folder, self._note)
        self._lock = -1
        try:
            self.folder.mkdir(mode=0o700)
            self._lock = _write_new(self.folder / MANIFEST, owner)
        except OSError:
            self.close()
            raise

    @property
    def guarded(self) -> bool:
        """Whether a janitor waits to clean up after a kill."""
        return self._janitor is not None

    def close(self) -> bool:
        """Remove the folder; True if nothing is left. Closing twice does no harm."""
        gone = remove_workspace(self.folder)
        if gone:
            self._note.unlink(missing_ok=True)
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1
        if self._janitor is not None:
            self._janitor.communicate()
            self._janitor = None
        return gone


def _start_janitor(folder: Path, note: Path) -> "subprocess.Popen[bytes] | None":
    """The watching process, ready; None where no process can be started (the next start then cleans up)."""
    command = [
        sys.executable,
        "-P",
        "-m",
        "rpo_probes._janitor",
        str(folder.absolute()),
        str(note.absolute()),
    ]
    try:
        janitor = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # a Ctrl-C in the terminal is for the owner alone
        )
    except OSError:
        return None
    assert janitor.stdout is not None
    if janitor.stdout.readline() == b"ready\n":
        return janitor
    janitor.communicate()
    return None


def _is_locked(manifest: Path) -> bool:
    try:
        descriptor = os.open(manifest, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError:
        return True  # not ours to open: leave it alone
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def _noted_folders(state_folder: Path) -> dict[Path, Path]:
    """Workspaces that the notes speak of, each with its note."""
    noted = {}
    for note in state_folder.glob("*.json"):
        owner = read_owner(note, note.stem)
        if owner is not None and Path(owner.get("folder", "")).name == folder_name(note.stem):
            noted[Path(owner["folder"])] = note
    return noted


def sweep(target: Path, state_folder: Path) -> tuple[list[Path], list[Path]]:
    """Remove what dead processes left in `target` or wherever the notes say.

    Returns
    -------
    removed, kept : lists of Path
        Workspaces that are gone now, and those that could not be removed although nobody here uses them:
        made on another host, or holding foreign files.
    """
    noted = _noted_folders(state_folder)
    removed: list[Path] = []
    kept: list[Path] = []
    for folder in sorted({*noted, *target.glob(folder_name("*"))}):
        note = noted.get(folder)
        owner = _owner_of(folder, note)
        if owner is None or _is_locked(folder / MANIFEST):
            continue
        if not owner_is_gone(owner):
            if owner.get("host") != socket.gethostname() and folder.parent == target:
                kept.append(folder)
            continue
        existed = folder.exists()
        with contextlib.suppress(OSError):
            remove_workspace(folder)
        gone = not folder.exists()
        if gone and note is not None:
            note.unlink(missing_ok=True)
        if existed:
            (removed if gone else kept).append(folder)
    return removed, kept


def _owner_of(folder: Path, note: Path | None) -> dict[str, str] | None:
    identity = identity_of(folder)
    owner = read_owner(folder / MANIFEST, identity) if identity else None
    if owner is None and note is not None:  # killed before the manifest was complete
        return read_owner(note, note.stem)
    return owner
