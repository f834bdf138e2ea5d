"""Remove a workspace of `local_disk`; as a program: do so once the process that made it is gone.

The program holds one end of a pipe. However its parent dies, SIGKILL included, the kernel closes the other
end. Standard library only: it must start fast and cannot depend on what the parent may have broken.
"""

import json
import re
import signal
import sys
from pathlib import Path

MANIFEST = "manifest.json"
MADE_BY = "rpo-sim local_disk"
_FOLDER = re.compile(r"\.rpo-sim-local-disk-([0-9a-f]{32})")
_DATA = re.compile(r"(volume|snapshot|restore)-[0-9]+(-[0-9]+)*")


def folder_name(identity: str) -> str:
    """The name of the workspace with that identity (32 hexadecimal digits)."""
    return f".rpo-sim-local-disk-{identity}"


def identity_of(folder: Path) -> str | None:
    """The identity in a workspace's name; None for every other path, symbolic links included."""
    match = _FOLDER.fullmatch(folder.name)
    return match[1] if match and folder.is_dir() and not folder.is_symlink() else None


def read_owner(path: Path, identity: str) -> dict[str, str] | None:
    """Who made the workspace, from its manifest or from the note about it; None unless it is ours."""
    try:
        owner = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(owner, dict) or not all(isinstance(value, str) for value in owner.values()):
        return None
    return owner if (owner.get("made_by"), owner.get("identity")) == (MADE_BY, identity) else None


def remove_workspace(folder: Path) -> bool:
    """Remove what `local_disk` put into a workspace of its own, then the folder; True if it is gone.

    Anything with another name stays, and so do the manifest and the folder around it.
    """
    if identity_of(folder) is None:
        return not folder.exists()
    for entry in folder.iterdir():
        if _DATA.fullmatch(entry.name) and entry.is_file() and not entry.is_symlink():
            entry.unlink(missing_ok=True)
    if any(entry.name != MANIFEST for entry in folder.iterdir()):
        return False
    (folder / MANIFEST).unlink(missing_ok=True)
    folder.rmdir()
    return True


def main(folder: str, note: str) -> None:
    """Wait for the parent to end or let go, then remove the folder and the note about it."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.buffer.read()
    if remove_workspace(Path(folder)):
        Path(note).unlink(missing_ok=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
