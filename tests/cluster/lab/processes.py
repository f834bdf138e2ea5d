"""Start and end programs, and never end a stranger: a process is known by its id and the time it began."""

import contextlib
import ctypes
import os
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.lab.errors import LabError

GRACE_SECONDS = 10.0
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG
_libc = ctypes.CDLL(None, use_errno=True)
_children: "dict[int, subprocess.Popen[bytes]]" = {}


@dataclass(frozen=True)
class Identity:
    """One process, told from a later one that got the same id.

    Parameters
    ----------
    pid : process id
    began : clock ticks from the machine's boot to its start, field 22 of /proc/<pid>/stat
    """

    pid: int
    began: int

    @property
    def alive(self) -> bool:
        """Whether this very process still runs; one that ended and waits for its parent does not."""
        child = _children.get(self.pid)
        if child and child.poll() is not None:
            del _children[self.pid]
        state, began = _look(self.pid)
        return began == self.began and state != "Z"


def start(command: Sequence[str], folder: Path, log: Path, *, dies_with_us: bool) -> Identity:
    """Start a program in a process group of its own, its output added to the log.

    With `dies_with_us` the kernel kills it when the calling thread ends, however that happens; so only the
    main thread may ask for it.
    """
    if dies_with_us and threading.current_thread() is not threading.main_thread():
        raise LabError(
            "start parts of a lab from the main thread: they die with the thread that started them"
        )
    parent = os.getpid()

    def tie() -> None:
        _libc.prctl(_DIE_WITH_PARENT, signal.SIGKILL)
        if os.getppid() != parent:  # it died before the tie was made
            os.kill(os.getpid(), signal.SIGKILL)

    with log.open("ab") as output:
        child = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=tie if dies_with_us else None,
        )
    _children[child.pid] = child
    return Identity(child.pid, _look(child.pid)[1])


def end(identity: Identity, how: int = signal.SIGTERM, grace_seconds: float = GRACE_SECONDS) -> None:
    """End a process and wait until it is gone; one that does not heed the signal is killed.

    What it started and left behind in its process group is killed too.
    """
    for signal_number in (how, signal.SIGKILL):
        if not send(identity, signal_number):
            return
        send(identity, signal.SIGCONT)  # a paused one would not see the signal
        deadline = time.monotonic() + grace_seconds
        while time.monotonic() < deadline:
            if not identity.alive:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(identity.pid, signal.SIGKILL)
                return
            time.sleep(0.02)
    raise LabError(f"process {identity.pid} does not end, not even by SIGKILL: it waits for its disk")


def send(identity: Identity, signal_number: int) -> bool:
    """Send a signal if this very process runs; whether it was sent."""
    if not identity.alive:
        return False
    try:
        os.kill(identity.pid, signal_number)
    except ProcessLookupError:
        return False
    return True


def _look(pid: int) -> tuple[str, int]:
    """State and start of a process, or a dead one's."""
    try:
        fields = (
            Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        )
    except (FileNotFoundError, ProcessLookupError):
        return "X", -1
    return fields[0], int(fields[19])
