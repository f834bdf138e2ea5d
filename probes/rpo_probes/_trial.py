"""The two operations that `local_disk` times: take a snapshot of a volume, restore it to a new place."""

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path

from rpo_probes import _transfer as transfer
from rpo_probes._filesystem import cached_ratio
from rpo_sim.probe import ProbeContext
from rpo_sim.records import Outcome

_COLD_RATIO = 0.01  # a file with fewer of its pages in memory than this counts as not cached


@dataclass(slots=True, kw_only=True)
class Volume:
    """A source volume, with the newest snapshot of it."""

    path: Path
    size_bytes: int
    body_digest: bytes
    snapshot: Path | None = None
    marker: str = ""
    snapshots_taken: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One snapshot or restore as it went.

    Attributes
    ----------
    started_at : datetime, UTC
    stages : mapping of str to float, seconds
        The stages that came to their end, each from its own start.
    elapsed_seconds : float, seconds
        Until the end, or until it broke off.
    outcome : Outcome
    bytes_moved : int or None, bytes
    verified : bool or None
    error : OSError or None
        What broke it off.
    labels : mapping of str to str
    """

    started_at: datetime
    stages: Mapping[str, float]
    elapsed_seconds: float
    outcome: Outcome
    bytes_moved: int | None = None
    verified: bool | None = None
    error: OSError | None = None
    labels: Mapping[str, str] = field(default_factory=dict)


class Bench:
    """Does the operations in one workspace, and stops them half-way when asked to.

    Parameters
    ----------
    folder : Path
        The workspace.
    context : ProbeContext
        Its clocks time the trials, its `cancelled` stops them.
    """

    def __init__(self, folder: Path, context: ProbeContext) -> None:
        self._folder = folder
        self._context = context
        self._halt = threading.Event()
        self._can_reflink = True  # until the file system says no
        self._restores = 0

    def stopped(self) -> bool:
        """Whether work in flight should end now."""
        return self._halt.is_set() or self._context.cancelled()

    def new_volume(self, number: int, size_bytes: int) -> Volume:
        """Write a source volume of known noise.

        Raises
        ------
        Stopped, OSError
        """
        path = self._folder / f"volume-{number}"
        seed = f"{self._context.collection_id}/{number}"
        digest = transfer.write_volume(path, size_bytes, seed, self.stopped)
        return Volume(path=path, size_bytes=size_bytes, body_digest=digest)

    def snapshot(self, volume: Volume) -> Trial:
        """Mark the volume, take a snapshot in place of its old one, and mark the volume anew.

        A restore that took the live volume for the snapshot would show the second marker.
        """
        if volume.snapshot is not None:
            volume.snapshot.unlink()
            volume.snapshot = None
        volume.snapshots_taken += 1
        marker = f"{self._context.collection_id}/{volume.path.name}/{volume.snapshots_taken}"
        target = volume.path.with_name(
            f"{volume.path.name.replace('volume', 'snapshot')}-{volume.snapshots_taken}"
        )
        transfer.set_marker(volume.path, marker)
        trial = self._timed(partial(self._cut, volume.path, target))
        if trial.outcome is Outcome.SUCCEEDED:
            transfer.set_marker(volume.path, f"{marker}, written after the cut")
            volume.snapshot, volume.marker = target, marker
        return trial

    def _cut(self, source: Path, target: Path, run: "_Run") -> None:
        run.labels["method"] = "reflink"
        self._can_reflink = self._can_reflink and transfer.reflink(source, target)
        if self._can_reflink:
            run.bytes_moved = 0
        else:
            run.labels["method"] = "copy"
            run.bytes_moved = transfer.copy(source, target, self.stopped)
        run.reached("cut")
        transfer.sync(target)
        run.reached("ready")

    def restore(self, volumes: Sequence[Volume], cache: str) -> list[Trial]:
        """Restore the snapshots of several volumes at the same time, each to a new place, and verify."""
        labels = [_prepare_cache(volume, cache) for volume in volumes]
        targets = [self._folder / f"restore-{self._restores + n}" for n in range(len(volumes))]
        self._restores += len(volumes)
        barrier = threading.Barrier(len(volumes))
        jobs = [
            partial(self._timed, partial(self._bring_back, volume, target, label), barrier)
            for volume, target, label in zip(volumes, targets, labels, strict=True)
        ]
        try:
            return self._in_flight(jobs, barrier)
        finally:
            for target in targets:
                target.unlink(missing_ok=True)

    def _in_flight(self, jobs: Sequence[Callable[[], Trial]], barrier: threading.Barrier) -> list[Trial]:
        with ThreadPoolExecutor(len(jobs)) as pool:
            try:
                futures = [pool.submit(job) for job in jobs]
                return [future.result() for future in futures]
            except BaseException:
                self._halt.set()  # leaving the pool waits for its threads: let them end soon
                barrier.abort()
                raise

    def _bring_back(self, volume: Volume, target: Path, labels: Mapping[str, str], run: "_Run") -> None:
        run.labels.update(labels)
        assert volume.snapshot is not None
        run.bytes_moved = transfer.copy(volume.snapshot, target, self.stopped)
        transfer.sync(target)
        run.reached("data")
        transfer.drop_cache(target)  # what is compared should come from the disk, not from memory
        run.verified = False
        run.verified = transfer.same(target, volume.marker, volume.body_digest, self.stopped)
        run.reached("verify", since="data")
        run.reached("ready")

    def _timed(self, work: "Callable[[_Run], None]", barrier: threading.Barrier | None = None) -> Trial:
        if barrier is not None:
            barrier.wait()
        run = _Run(self._context)
        outcome, error = Outcome.SUCCEEDED, None
        try:
            work(run)
        except transfer.Stopped:
            outcome, run.verified = Outcome.CANCELLED, None
        except OSError as caught:
            outcome, error = Outcome.FAILED, caught
        if run.verified is False:
            outcome = Outcome.FAILED
        return Trial(
            started_at=run.started_at,
            stages=run.stages,
            elapsed_seconds=run.elapsed(),
            outcome=outcome,
            bytes_moved=run.bytes_moved,
            verified=run.verified,
            error=error,
            labels=run.labels,
        )


class _Run:
    """A stop-watch that notes the stages as they are reached."""

    def __init__(self, context: ProbeContext) -> None:
        self._monotonic = context.monotonic
        self.started_at = context.now()
        self._start = self._monotonic()
        self.stages: dict[str, float] = {}
        self.labels: dict[str, str] = {}
        self.bytes_moved: int | None = None
        self.verified: bool | None = None

    def elapsed(self) -> float:
        return self._monotonic() - self._start

    def reached(self, stage: str, since: str | None = None) -> None:
        self.stages[stage] = self.elapsed() - (self.stages[since] if since else 0.0)


def _prepare_cache(volume: Volume, cache: str) -> dict[str, str]:
    """Bring the snapshot into the wanted state; what can be said of it, as a label."""
    assert volume.snapshot is not None
    if cache == "warm":
        transfer.read_through(volume.snapshot)
        return {"method": "copy", "cache": "warm"}
    transfer.drop_cache(volume.snapshot)
    ratio = cached_ratio(volume.snapshot)
    sure = ratio is not None and ratio < _COLD_RATIO
    return {"method": "copy", "cache": "cold" if sure else "cold_requested"}
