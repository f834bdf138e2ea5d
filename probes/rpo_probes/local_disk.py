"""The probe `local_disk`: real snapshots and restores of volumes of known data on one path.

The path decides what is measured: a local disk, an NFS mount, a volume that a storage driver mounted.
"""

import os
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from rpo_probes._filesystem import MEMORY_TYPES, mount_of, room
from rpo_probes._settings import LocalDiskSettings
from rpo_probes._sweep import SOURCE, Sweep
from rpo_probes._transfer import NO_ROOM, Stopped
from rpo_probes._workspace import Workspace, sweep
from rpo_sim import __version__
from rpo_sim.errors import ProbeDenied, ProbeError, ProbeUnavailable
from rpo_sim.probe import CheckReport, Finding, ProbeContext
from rpo_sim.probe_capabilities import Discovered
from rpo_sim.records import Observation
from rpo_sim.units import format_bytes


class LocalDiskProbe:
    """Snapshots and verified restores on a path of this machine.

    Operations and stages: ``snapshot`` (``cut``: the copy exists and writers may go on; ``ready``: it is on
    stable storage), ``restore`` (``data``: all bytes at the new place and on stable storage; ``verify``: read
    back and compared with digest and marker; ``ready``: both, from the start of the restore).
    """

    name = SOURCE
    version = __version__
    summary = "Snapshots and verified restores on a path: a local disk, NFS, or any mounted volume."
    mutating = True
    Settings = LocalDiskSettings
    discovery_settings = ("path",)

    def check(self, settings: LocalDiskSettings, context: ProbeContext) -> CheckReport:
        """Whether the path is there, writable and roomy enough; removes what killed runs left behind."""
        target = settings.target
        if not target.is_dir():
            missing, remedy = f"{target} is not a folder", "create it, or choose another --path"
            finding = Finding(what=f"folder {target}", ok=False, missing=missing, remedy=remedy)
            return CheckReport(findings=(finding,))
        findings = [_folder(target), *_leftovers(target, context), _budget(settings), _room(target, settings)]
        return CheckReport(findings=tuple(findings))

    def measure(self, settings: LocalDiskSettings, context: ProbeContext) -> Iterator[Sequence[Observation]]:
        """Sweep sizes, concurrency and cache states; each batch holds what was in flight together."""
        self.check(settings, context).require_ok()
        if context.cancelled():
            return
        target = settings.target
        try:
            workspace = Workspace(target, context.state_folder)
        except OSError as error:
            raise _explained(error, target) from error
        if not workspace.guarded:
            context.note_error(
                "no watching process could be started: a kill leaves files until the next start"
            )
        try:
            yield from Sweep(settings, context, workspace.folder, target).run()
        except Stopped:
            return
        except OSError as error:
            raise _explained(error, target) from error
        finally:
            if not workspace.close():
                context.note_error(f"{workspace.folder} holds files of others and was left in place")

    def discover(self, settings: LocalDiskSettings, context: ProbeContext) -> Iterator[Discovered]:
        """Whether this machine's disk, or a mount of it, can be measured."""
        findings = self.check(settings, context).findings
        lacking = [finding for finding in findings if not finding.ok]
        where = f" --path {shlex.quote(str(settings.path))}" if settings.path else ""
        yield Discovered(
            topic="measure",
            what=f"snapshots and restores on a path of this machine: {settings.target}",
            ok=not lacking,
            detail=lacking[0].missing if lacking else "verified copies; no cluster needed",
            remedy=lacking[0].remedy if lacking else "",
            command="" if lacking else f"rpo-sim measure local_disk{where}",
            rank=90,
        )


def _folder(target: Path) -> Finding:
    mount = mount_of(target)
    what = f"folder {target} on {mount.filesystem} ({mount.device})"
    if mount.filesystem in MEMORY_TYPES:
        what += ", which is memory and not a disk"
    if os.statvfs(target).f_flag & os.ST_RDONLY:
        remedy = "choose another --path, or mount it for writing"
        return Finding(what=what, ok=False, missing=f"{target} is mounted read-only", remedy=remedy)
    if not os.access(target, os.R_OK | os.W_OK | os.X_OK):
        remedy = "choose another --path, or ask for the right to write there"
        return Finding(what=what, ok=False, missing=f"{target} cannot be written", remedy=remedy)
    return Finding(what=what, ok=True)


def _leftovers(target: Path, context: ProbeContext) -> list[Finding]:
    removed, kept = sweep(target, context.state_folder)
    findings = [
        Finding(what=f"left by a run that was killed, removed now: {path}", ok=True) for path in removed
    ]
    for path in kept:
        what = f"left in place, of another host or with foreign files in it: {path}"
        findings.append(Finding(what=what, ok=True))
    return findings


def _budget(settings: LocalDiskSettings) -> Finding:
    need, budget = settings.peak_bytes, settings.budget_bytes
    what = f"takes up to {format_bytes(need)}" + (f" of {format_bytes(budget)} allowed" if budget else "")
    if budget is None or need <= budget:
        return Finding(what=what, ok=True)
    return Finding(
        what=what,
        ok=False,
        missing=f"--budget-bytes {format_bytes(budget)} is less than the {format_bytes(need)} needed at once",
        remedy="measure smaller --sizes or less --concurrency, or allow more",
    )


def _room(target: Path, settings: LocalDiskSettings) -> Finding:
    free, total = room(target)
    need, reserve = settings.peak_bytes, settings.reserve_bytes(total)
    what = f"{format_bytes(free)} free of {format_bytes(total)}; {format_bytes(reserve)} must stay free"
    if free - need >= reserve:
        return Finding(what=what, ok=True)
    return Finding(
        what=what,
        ok=False,
        missing=f"{target} has {format_bytes(free)} free, of which {format_bytes(need)} would be taken "
        f"at once and {format_bytes(reserve)} must stay free (--keep-free {settings.keep_free})",
        remedy="measure smaller --sizes or less --concurrency, choose another --path, or lower --keep-free",
        retryable=True,
    )


def _explained(error: OSError, target: Path) -> ProbeError:
    """What an error of the operating system means for the user."""
    reason = error.strerror or str(error)
    if error.errno in NO_ROOM:
        return ProbeUnavailable(
            f"{target} ran out of room while measuring ({reason}); all that was written is removed again: "
            "free some room, or measure smaller --sizes or less --concurrency"
        )
    where = error.filename or target
    if isinstance(error, PermissionError):
        return ProbeDenied(f"{where}: {reason}: choose another --path, or ask for the right to write there")
    return ProbeUnavailable(f"{where}: {reason}: look at the health of the disk or mount, then try again")
