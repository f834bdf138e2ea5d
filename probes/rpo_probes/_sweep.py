"""One measurement of `local_disk`: which snapshots and restores are done, and what is recorded of them."""

import math
import random
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rpo_probes._filesystem import mount_of
from rpo_probes._settings import LocalDiskSettings
from rpo_probes._transfer import NO_ROOM, Stopped
from rpo_probes._trial import Bench, Trial, Volume
from rpo_sim.probe import ProbeContext
from rpo_sim.records import Observation, Outcome
from rpo_sim.units import format_bytes, format_duration

SOURCE = "local_disk"
_STAGES = {"snapshot": ("cut", "ready"), "restore": ("data", "verify", "ready")}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cell:
    """One combination that is measured."""

    size_bytes: int
    concurrency: int
    cache: str


class Sweep:
    """One measurement: the volumes, and the passes over all cells."""

    def __init__(
        self, settings: LocalDiskSettings, context: ProbeContext, folder: Path, target: Path
    ) -> None:
        self._settings = settings
        self._context = context
        self._target = target
        self._mount = mount_of(target)
        self._bench = Bench(folder, context)
        self._random = random.Random(context.collection_id)
        self._volumes: dict[int, list[Volume]] = {}
        self._operations = 0
        self._done = 0
        self._deadline = context.monotonic() + settings.max_duration

    def run(self) -> Iterator[list[Observation]]:
        """Write the volumes, then go over the cells; an early end leaves all sizes about equally measured."""
        passes = self._passes()
        sizes = sorted(set(self._settings.sizes))
        total = len(sizes) * max(self._settings.concurrency) + sum(map(len, passes))
        for size_bytes in sizes:
            yield from self._new_volumes(size_bytes, total)
        for number, cells in enumerate(passes):
            if number:
                yield from self._renew_snapshots(number)
            for cell in cells:
                if self._bench.stopped():
                    return
                if self._context.monotonic() >= self._deadline:
                    self._note_early_end(total)
                    return
                self._tell(total, f"{cell.concurrency} × {format_bytes(cell.size_bytes)}, {cell.cache}")
                yield from self._restore(cell)
                self._done += 1
        self._tell(total, "done")

    def _passes(self) -> list[list[_Cell]]:
        """Groups of restores to run; the order within a pass is drawn, so that no cell gains by its place."""
        settings = self._settings
        caches = ("cold", "warm") if settings.cache == "both" else (settings.cache,)
        cells = [
            _Cell(size_bytes=size, concurrency=concurrency, cache=cache)
            for size in sorted(set(settings.sizes))
            for concurrency in sorted(set(settings.concurrency))
            for cache in caches
        ]
        passes = []
        for number in range(settings.repetitions):
            due = [cell for cell in cells if number * cell.concurrency < settings.repetitions]
            passes.append(self._random.sample(due, len(due)))
        return [due for due in passes if due]

    def _tell(self, total: int, message: str) -> None:
        self._context.progress(self._done, total, message)

    def _note_early_end(self, total: int) -> None:
        limit = format_duration(self._settings.max_duration)
        self._context.note_error(
            f"stopped after --max-duration {limit} with {self._done} of {total} steps done: "
            "give it more time, fewer repetitions or smaller sizes"
        )

    def _new_volumes(self, size_bytes: int, total: int) -> Iterator[list[Observation]]:
        self._volumes[size_bytes] = []
        for _ in range(max(self._settings.concurrency)):
            self._tell(total, f"writing a volume of {format_bytes(size_bytes)}")
            number = sum(map(len, self._volumes.values()))
            volume = self._bench.new_volume(number, size_bytes)
            self._volumes[size_bytes].append(volume)
            yield from self._snapshot(volume)
            self._done += 1

    def _renew_snapshots(self, number: int) -> Iterator[list[Observation]]:
        """One new snapshot per size and pass: restores then come from snapshots of unlike age."""
        for volumes in self._volumes.values():
            yield from self._snapshot(volumes[number % len(volumes)])

    def _snapshot(self, volume: Volume) -> Iterator[list[Observation]]:
        trial = self._bench.snapshot(volume)
        yield self._observations("snapshot", trial, volume.size_bytes, concurrency=1)
        if trial.error is not None:
            raise trial.error
        if trial.outcome is Outcome.CANCELLED:
            raise Stopped

    def _restore(self, cell: _Cell) -> Iterator[list[Observation]]:
        volumes = self._volumes[cell.size_bytes][: cell.concurrency]
        trials = self._bench.restore(volumes, cell.cache)
        batch = []
        for trial in trials:
            batch += self._observations("restore", trial, cell.size_bytes, concurrency=cell.concurrency)
        yield batch
        for trial in trials:
            if trial.error is not None and trial.error.errno in NO_ROOM:
                raise trial.error
            if trial.outcome is Outcome.FAILED:
                reason = trial.error or "what was read back differs from what was written"
                self._context.note_error(f"a restore of {format_bytes(cell.size_bytes)} failed: {reason}")

    def _observations(
        self, operation: str, trial: Trial, size_bytes: int, *, concurrency: int
    ) -> list[Observation]:
        self._operations += 1
        operation_id = f"{self._context.collection_id}/{operation}/{self._operations}"
        started = [stage for stage in _STAGES[operation] if stage != "verify" or "data" in trial.stages]
        observed_at = self._context.now()
        batch = []
        for stage in started:
            lower, upper, outcome = _interval(trial, stage)
            batch.append(
                Observation(
                    operation=operation,
                    stage=stage,
                    lower_seconds=lower,
                    upper_seconds=upper,
                    outcome=outcome,
                    bytes_moved=trial.bytes_moved,
                    bytes_capacity=size_bytes,
                    concurrency=concurrency,
                    platform=self._settings.platform,
                    cluster=socket.gethostname(),
                    backend=f"local-disk:{self._mount.filesystem}",
                    subject=str(self._target),
                    started_at=trial.started_at,
                    observed_at=observed_at,
                    clock="monotonic, 1ns",
                    source=SOURCE,
                    event_id=f"{operation_id}/{stage}",
                    operation_id=operation_id,
                    collection_id=self._context.collection_id,
                    labels={**trial.labels, "device": self._mount.device, "mount": self._mount.point},
                    verified=trial.verified,
                )
            )
        return batch


def _interval(trial: Trial, stage: str) -> tuple[float, float, Outcome]:
    """Bounds in seconds and outcome of one stage: a stage that broke off would have taken longer."""
    if stage in trial.stages:
        outcome = Outcome.FAILED if trial.outcome is Outcome.FAILED else Outcome.SUCCEEDED
        return trial.stages[stage], trial.stages[stage], outcome
    since = trial.stages["data"] if stage == "verify" else 0.0
    return trial.elapsed_seconds - since, math.inf, trial.outcome
