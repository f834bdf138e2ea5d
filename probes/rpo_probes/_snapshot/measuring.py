"""The mode `measure`: make snapshots and restores, in bursts of several sizes, and time them."""

import hashlib
import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from rpo_probes._kubernetes import Api
from rpo_probes._snapshot.bench import Bench, Stopped
from rpo_probes._snapshot.cleanup import refuse_if_left, remove_all, sweep_journals, tell
from rpo_probes._snapshot.concurrency import peaks
from rpo_probes._snapshot.facts import backend_of, claim_facts
from rpo_probes._snapshot.flight import Flight
from rpo_probes._snapshot.journal import Journal, Run, new_run
from rpo_probes._snapshot.observations import Operation, observations_of
from rpo_probes._snapshot.preflight import Site, named
from rpo_probes._snapshot.pressure import Pressure
from rpo_probes._snapshot.resources import CLAIMS, PODS, SNAPSHOTS
from rpo_probes._snapshot.settings import VolumeSnapshotSettings
from rpo_probes._snapshot.sources import Source, SourceMaker, claim_body, snapshot_body
from rpo_sim.errors import ProbeError, ProbeUnavailable
from rpo_sim.probe import ProbeContext
from rpo_sim.records import Observation, Outcome
from rpo_sim.units import format_bytes, format_duration

_CLEANING_SECONDS = 900.0  # how long after its last start a run may still be at work


def measure(
    settings: VolumeSnapshotSettings, context: ProbeContext, api: Api, site: Site
) -> Iterator[list[Observation]]:
    """One batch per burst; whatever happens, what was made is removed in the end."""
    refuse_if_left(list(sweep_journals(context.state_folder, dry_run=False)), site.namespace)
    longest = settings.max_duration + 2 * settings.timeout + _CLEANING_SECONDS
    until = context.now() + timedelta(seconds=longest)
    run = new_run(context.collection_id, settings.target, site.namespace, until)
    journal = Journal(context.state_folder, run)
    bench = Bench(api, run, journal, context, settings.timeout, site.driver)
    try:
        bench.watch(pods=settings.data == "pod" or site.waits)
        yield from _Sweep(settings, context, api, site, run, bench).run()
    except Stopped:
        return
    except ProbeError as error:
        explained = named(error)
        if explained is error:  # never its own cause: whoever follows the causes would not come to an end
            raise
        raise explained from error
    finally:
        bench.close()
        journal.close(all_gone=_leave_nothing(bench, context))


def _leave_nothing(bench: Bench, context: ProbeContext) -> bool:
    """Remove all that is ours; False if something stays, which is then told."""
    try:
        left = tell(list(remove_all(bench.place, wait_seconds=bench.removal_seconds)))
    except ProbeError as error:
        left = f"objects in {bench.place} ({error})"
    if left:
        context.note_error(f"not removed: {left}. Remove them later with rpo-sim cleanup volume_snapshot")
    return not left


@dataclass(frozen=True, slots=True, order=True)
class _Cell:
    """One combination that is measured."""

    size_bytes: int
    concurrency: int


class _Sweep:
    """One measurement: the sources, and passes over all cells until there is enough."""

    def __init__(
        self,
        settings: VolumeSnapshotSettings,
        context: ProbeContext,
        api: Api,
        site: Site,
        run: Run,
        bench: Bench,
    ) -> None:
        self._settings, self._context, self._api = settings, context, api
        self._site, self._run, self._bench = site, run, bench
        self._random = random.Random(context.collection_id)
        self._prefix = f"rpo-sim-{hashlib.sha256(run.run_id.encode()).hexdigest()[:8]}"
        self._numbers = itertools.count(1)
        self._maker = SourceMaker(settings, site, run, bench, self._name)
        self._sources: dict[int, list[Source]] = {}
        self._restored = dict.fromkeys(settings.distinct_sizes, 0)
        self._failures: list[str] = []
        self._deadline = context.monotonic() + settings.max_duration
        self._idle_since = context.monotonic()
        self._pressure = Pressure(api, bench.others, settings.timeout, context.monotonic)

    def _name(self, purpose: str) -> str:
        return f"{self._prefix}-{purpose}-{next(self._numbers)}"

    def run(self) -> Iterator[list[Observation]]:
        """Bursts in drawn order, pass after pass: an early end leaves all cells about equally measured."""
        settings = self._settings
        for size_bytes in settings.distinct_sizes:
            self._tell(f"making {max(settings.concurrency)} volumes with {format_bytes(size_bytes)}")
            self._sources[size_bytes] = self._make_sources(size_bytes)
        cells = [
            _Cell(size, level)
            for size in settings.distinct_sizes
            for level in sorted(set(settings.concurrency))
        ]
        while not self._enough():
            for cell in self._random.sample(cells, len(cells)):
                if self._must_end(cell):
                    return
                self._tell(f"{cell.concurrency} × {format_bytes(cell.size_bytes)}")
                yield from self._burst(cell)
        self._tell("enough is measured")

    def _make_sources(self, size_bytes: int) -> list[Source]:
        most = max(self._settings.concurrency)
        if self._site.source is None:
            return self._maker.make(most, size_bytes)
        facts = claim_facts(self._site.source)
        return [Source(claim=facts.name, size_bytes=0, capacity_bytes=facts.size_bytes or 0)] * most

    def _tell(self, message: str) -> None:
        self._context.progress(sum(self._restored.values()), None, message)

    def _enough(self) -> bool:
        return min(self._restored.values()) >= self._settings.enough

    def _must_end(self, cell: _Cell) -> bool:
        """Whether the user or the budget says so; the budget is noted. Raises if the cluster is in need."""
        if self._context.cancelled():
            return True
        if sign := self._pressure.sign():
            raise ProbeUnavailable(
                f"stopped so as not to be in the way: {sign}. Measure at a quieter time, or with less "
                "--concurrency"
            )
        settings, limit = self._settings, ""
        pods = cell.concurrency if settings.data == "pod" or self._site.waits else 0
        if self._context.monotonic() >= self._deadline:
            limit = f"--max-duration {format_duration(settings.max_duration)}"
        elif self._bench.created + 2 * cell.concurrency + pods > settings.max_objects:
            limit = f"--max-objects {settings.max_objects}"
        if limit:
            counts = ", ".join(f"{n} of {format_bytes(size)}" for size, n in self._restored.items())
            self._context.note_error(
                f"stopped at {limit} with {counts} restored, {settings.enough} wanted each: allow more, or "
                "measure fewer sizes or less concurrency"
            )
        return bool(limit)

    def _burst(self, cell: _Cell) -> Iterator[list[Observation]]:
        sources = self._sources[cell.size_bytes][: cell.concurrency]
        idle = self._context.monotonic() - self._idle_since
        snapshots = [one.flight("snapshot", self._name("snapshot"), one.claim) for one in sources]
        restores: list[Flight] = []
        broken: ProbeError | Stopped | None = None
        try:
            self._take_snapshots(snapshots, sources)
            restores = [
                source.flight("restore", self._name("restore"), snapshot.name)
                for snapshot, source in zip(snapshots, sources, strict=True)
                if snapshot.outcome is Outcome.SUCCEEDED
            ]
            self._restore(restores, snapshots, sources)
        except (ProbeError, Stopped) as error:
            broken = error
        made = [flight for flight in (*snapshots, *restores) if flight.uid]
        for flight in made:
            flight.labels |= {"burst": str(cell.concurrency), "idle_before": f"{idle:.1f}s"}
        if made:
            begun = min(flight.sent for flight in made)
            yield self._rows(snapshots, self._bench.others.since(begun)) + self._rows(restores, {})
        self._judge(cell, snapshots, restores, broken)
        for resource, part in ((PODS, ""), (CLAIMS, "restore"), (SNAPSHOTS, "")):
            self._bench.remove(resource, part)
        self._idle_since = self._context.monotonic()

    def _take_snapshots(self, flights: Sequence[Flight], sources: Sequence[Source]) -> None:
        bodies = []
        for flight, source in zip(flights, sources, strict=True):
            if self._maker.folder is not None:
                source.marker = flight.name
                self._maker.folder.mark(source.handle, source.marker)
            bodies.append(snapshot_body(self._run, self._site, flight.name, source.claim))
        self._bench.burst(SNAPSHOTS, flights, bodies)
        if self._maker.folder is not None:  # a restore that took the live volume would show this marker
            for source in sources:
                self._maker.folder.mark(source.handle, f"{source.marker}, written after the cut")

    def _restore(
        self, flights: Sequence[Flight], snapshots: Sequence[Flight], sources: Sequence[Source]
    ) -> None:
        if not flights:
            return
        by_name = {one.name: (one, source) for one, source in zip(snapshots, sources, strict=True)}
        bodies, pods = [], []
        for flight in flights:
            snapshot, source = by_name[flight.source]
            needed = (snapshot.snapshot.restore_bytes if snapshot.snapshot else None) or 0
            capacity = max(source.capacity_bytes, needed)
            bodies.append(
                claim_body(self._run, self._site, flight.name, "restore", capacity, snapshot=flight.source)
            )
            pods.append(self._maker.pods.verifier(self._name("pod"), flight.name, source.marker))
        wants_pods = self._settings.data == "pod"
        self._bench.burst(CLAIMS, flights, bodies, pods if self._site.waits else ())
        bound = [flight for flight in flights if flight.outcome is Outcome.SUCCEEDED]
        if wants_pods:
            self._verify_by_pods(flights, pods, by_name)
        elif self._maker.folder is not None:
            for flight in bound:
                source = by_name[flight.source][1]
                handle = flight.volume.handle if flight.volume else ""
                flight.verified = self._maker.folder.same(handle, source.marker, source.digest)

    def _verify_by_pods(
        self,
        flights: Sequence[Flight],
        pods: Sequence[dict[str, object]],
        by_name: dict[str, tuple[Flight, Source]],
    ) -> None:
        chosen = [
            (flight, pod)
            for flight, pod in zip(flights, pods, strict=True)
            if flight.outcome is Outcome.SUCCEEDED
        ]
        reports = self._maker.run_pods([pod for _, pod in chosen], exist=self._site.waits)
        for (flight, _), (at, digest) in zip(chosen, reports, strict=True):
            source = by_name[flight.source][1]
            flight.verified_at = at
            flight.verified = bool(digest) and digest == source.digest

    def _rows(self, flights: Sequence[Flight], others: dict[str, tuple[float, float]]) -> list[Observation]:
        """Observations; like operations of others count as in flight too."""
        made = [flight for flight in flights if flight.uid]
        at_once = peaks({flight.uid: flight.span() for flight in made} | others)
        settings = self._settings
        rows = []
        for flight in made:
            done = self._operation(flight, at_once[flight.uid])
            cluster = settings.cluster or self._api.name
            rows += observations_of(done, self._context, platform=settings.platform, cluster=cluster)
        return rows

    def _operation(self, flight: Flight, concurrency: int) -> Operation:
        assert flight.started_at is not None
        known = self._settings.data != "none"
        labels = {
            "mode": "measure",
            "snapshot_class": self._site.snapshot_class,
            "binding": "WaitForFirstConsumer" if self._site.waits else "Immediate",
            "data": self._settings.data,
            **flight.labels,
        }
        if self._settings.data == "folder":
            labels["pod_path"] = "not exercised"
        return Operation(
            operation=flight.operation,
            uid=flight.uid,
            subject=f"{self._site.namespace}/{flight.name}/{flight.uid}",
            started_at=flight.started_at,
            stages=flight.stages(self._api.clock),
            backend=backend_of(self._site.driver, self._site.storage_class),
            concurrency=concurrency,
            bytes_moved=flight.size_bytes if known else None,
            bytes_capacity=flight.capacity_bytes,
            verified=flight.verified,
            labels=labels,
        )

    def _judge(
        self,
        cell: _Cell,
        snapshots: Sequence[Flight],
        restores: Sequence[Flight],
        broken: ProbeError | Stopped | None,
    ) -> None:
        """Go on, or raise: what broke the burst off, what was refused, or too many failures."""
        if broken is not None:
            raise broken
        for flight in (*snapshots, *restores):
            if flight.refused is not None:
                raise flight.refused
            why = self._why_failed(flight)
            if why:
                self._failures.append(why)
                self._context.note_error(why)
        self._restored[cell.size_bytes] += sum(one.outcome is Outcome.SUCCEEDED for one in restores)
        if len(self._failures) >= self._settings.max_failures:
            raise ProbeUnavailable(
                f"given up after {len(self._failures)} failures (--max-failures "
                f"{self._settings.max_failures}), the last: {self._failures[-1]}. Is the driver "
                f"{self._site.driver} running? `kubectl get events -n {self._site.namespace}` may say more"
            )

    def _why_failed(self, flight: Flight) -> str:
        what = f"{flight.operation} {flight.name}"
        if flight.verified is False:
            return f"{what}: what was read back differs from what was written"
        if flight.outcome is Outcome.FAILED:
            said = flight.snapshot.error if flight.snapshot else ""
            return f"{what} did not end within {format_duration(self._settings.timeout)}" + (
                f" ({said})" if said else ""
            )
        if flight.outcome is Outcome.CANCELLED:
            return f"{what} was deleted by someone else"
        return ""
