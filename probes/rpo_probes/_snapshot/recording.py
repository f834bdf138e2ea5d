"""The mode `record`: watch snapshots and restores as they happen, for days, through restarts and outages."""

import math
import queue
import time
from collections.abc import Iterator
from typing import Any

from rpo_probes._kubernetes import Api, Change, Follower, Object, Position, Resource, Watch
from rpo_probes._snapshot.catalogue import Catalogue
from rpo_probes._snapshot.concurrency import InFlight
from rpo_probes._snapshot.facts import ClaimFacts, SnapshotFacts, claim_facts, snapshot_facts
from rpo_probes._snapshot.observations import Operation, observations_of, utc
from rpo_probes._snapshot.resources import CLAIMS, CONTENTS, SNAPSHOTS, VOLUMES
from rpo_probes._snapshot.resume import Memory, MemoryFile
from rpo_probes._snapshot.retrospect import past_restore, past_snapshot
from rpo_probes._snapshot.settings import VolumeSnapshotSettings
from rpo_probes._snapshot.track import Track, start_moment
from rpo_sim.errors import ProbeError
from rpo_sim.probe import ProbeContext
from rpo_sim.records import Observation, Outcome

_TICK_SECONDS = 0.2
_SETTLE_SECONDS = 1.0  # stamps of contents and volumes come on watches of their own, a moment behind
_SAVE_SECONDS = 10.0
_QUEUE = 1000  # changes that wait to be read; the watches wait when there are more
_OUTAGE_SECONDS = 3600.0  # a recorder outlives a long outage of the API server
_WATCHED = {one.plural: one for one in (SNAPSHOTS, CLAIMS, CONTENTS, VOLUMES)}
_LABELS = {"mode": "record"}


def record(settings: VolumeSnapshotSettings, context: ProbeContext, api: Api) -> Iterator[list[Observation]]:
    """A batch for whatever ended; in the end one for what is still pending."""
    file = MemoryFile(context, api.server, settings.namespace)
    memory = file.load()
    recorder = _Recorder(settings, context, api, memory)
    deadline = math.inf if settings.duration is None else context.monotonic() + settings.duration
    saved_at = -math.inf
    try:
        recorder.start()
        while not context.cancelled() and context.monotonic() < deadline:
            recorder.take(_TICK_SECONDS)
            rows = recorder.settled()
            if rows:
                yield rows
            if rows or context.monotonic() - saved_at > _SAVE_SECONDS:
                file.save(recorder.memory())  # after the batch is stored: what is lost is told again
                saved_at = context.monotonic()
        rows = recorder.settled(all_of_them=True)
        if rows:
            yield rows
        file.save(recorder.memory())
        rows = recorder.pending()
        if rows:
            yield rows
    finally:
        recorder.stop()


class _Recorder:
    """Follows four kinds of objects and keeps what is in flight."""

    def __init__(
        self, settings: VolumeSnapshotSettings, context: ProbeContext, api: Api, memory: Memory | None
    ) -> None:
        self._settings, self._context, self._api = settings, context, api
        self._catalogue = Catalogue()
        self._arrivals: queue.Queue[tuple[Any, Change | ProbeError]] = queue.Queue(maxsize=_QUEUE)
        self._followers: list[Follower] = []
        self._flights: dict[str, InFlight] = {}
        self._tracks: dict[str, Track] = {}
        self._done: list[Track] = []
        self._missed: list[Operation] = []
        self._positions = dict(memory.positions) if memory else {}
        self._began_at = memory.began_at if memory else math.inf
        self._told = 0
        for track in memory.tracks if memory else ():
            if track.done:
                self._done.append(track)
            else:
                self._begin(track)

    def start(self) -> None:
        """Learn what there is, then follow what changes."""
        self._catalogue.load(self._api, self._settings.namespace)
        self._began_at = min(self._began_at, self._api.clock.at(time.monotonic())[0])
        for resource in _WATCHED.values():
            start = self._positions.get(resource.plural)
            if start is None and resource in (CONTENTS, VOLUMES):
                now = time.monotonic()
                page = next(self._api.pages(resource, limit=1))
                start = Position(resource_version=page.resource_version, at=now)
            watch = Watch(
                self._api,
                resource,
                self._settings.namespace,
                start=start,
                known=[_metadata(track) for track in self._tracks.values() if _kind(track) is resource],
                patience_seconds=_OUTAGE_SECONDS,
            )
            self._followers.append(Follower(watch, resource, self._arrivals))
            self._followers[-1].start()
        self._tell()

    def stop(self) -> None:
        """End the watches."""
        for follower in self._followers:
            follower.watch.stop()
        for follower in self._followers:
            follower.stop()

    def memory(self) -> Memory:
        """What to remember now: what is pending, and what has ended and was not told."""
        tracks = [*self._tracks.values(), *self._done]
        return Memory(began_at=self._began_at, positions=dict(self._positions), tracks=tracks)

    def take(self, seconds: float) -> None:
        """Take in all that has arrived, waiting for the first a little."""
        try:
            arrival = self._arrivals.get(timeout=seconds)
            while True:
                self._note(*arrival)
                if len(self._done) + len(self._missed) >= _QUEUE:
                    return
                arrival = self._arrivals.get_nowait()
        except queue.Empty:
            return

    def _note(self, resource: Resource, change: Change | ProbeError) -> None:
        if isinstance(change, ProbeError):
            raise change
        if change.kind == "gone":
            self._note_gone(resource, change)
        elif change.kind == "seen":
            if resource is not SNAPSHOTS:
                self._catalogue.learn(resource, change.object)
            if resource is SNAPSHOTS:
                self._note_state(snapshot_facts(change.object), change)
            elif resource is CLAIMS:
                self._note_state(claim_facts(change.object), change)
        if change.version:
            self._positions[resource.plural] = Position(resource_version=change.version, at=change.at)

    def _note_gone(self, resource: Resource, change: Change) -> None:
        track = self._tracks.get(change.uid)
        if track is not None:
            track.saw_gone(change)
            self._finish(change.uid)
        if resource is not SNAPSHOTS:
            self._catalogue.forget(resource, change.object)

    def _note_state(self, facts: SnapshotFacts | ClaimFacts, change: Change) -> None:
        if isinstance(facts, SnapshotFacts):
            if not facts.claim:
                return  # imported, not taken here
        elif not facts.snapshot:
            return
        finished = facts.ready if isinstance(facts, SnapshotFacts) else facts.bound
        track = self._tracks.get(facts.uid)
        if track is None:
            if finished:
                self._note_missed(facts, change)
                return
            track = self._begin(self._new_track(facts, change))
        track.saw(facts, change, self._api.clock)
        if track.done:
            self._finish(facts.uid)

    def _new_track(self, facts: SnapshotFacts | ClaimFacts, change: Change) -> Track:
        began = start_moment(facts, change, self._api.clock)
        snapshot = isinstance(facts, SnapshotFacts)
        place = (
            self._catalogue.source_class(facts) if isinstance(facts, SnapshotFacts) else facts.storage_class
        )
        operation = "snapshot" if snapshot else "restore"
        return Track(
            operation=operation,
            facts=facts,
            key=f"{operation} {place}",
            began=began,
            first_seen=-math.inf if change.created else change.at,
        )

    def _begin(self, track: Track) -> Track:
        self._tracks[track.facts.uid] = track
        self._flights.setdefault(track.key, InFlight()).start(track.facts.uid)
        return track

    def _finish(self, uid: str) -> None:
        track = self._tracks.pop(uid)
        track.concurrency = max(track.concurrency, self._flights[track.key].end(uid))
        self._done.append(track)

    def _note_missed(self, facts: SnapshotFacts | ClaimFacts, change: Change) -> None:
        """Made and finished while nobody looked: its stamps are all there is; older ones are for `list`."""
        if facts.created < self._began_at or not change.listed:
            return
        now = self._api.clock.at(change.at)
        labels = {**_LABELS, "seen": "afterwards"}
        if isinstance(facts, SnapshotFacts):
            self._missed.append(past_snapshot(facts, self._catalogue, now, labels=labels).operation)
        else:
            self._missed.append(past_restore(facts, self._catalogue, now, labels=labels).operation)

    def settled(self, *, all_of_them: bool = False) -> list[Observation]:
        """Rows of what has ended long enough ago for its stamps to be there."""
        now = time.monotonic()
        ripe = [
            track
            for track in self._done
            if all_of_them or self._is_complete(track) or now - (track.ended or (0, 0))[1] >= _SETTLE_SECONDS
        ]
        if not ripe and not self._missed:
            return []
        operations = [self._operation(track, now) for track in ripe] + self._missed
        chosen = {id(track) for track in ripe}
        self._done = [track for track in self._done if id(track) not in chosen]
        self._missed = []
        self._told += len(operations)
        self._tell()
        return self._rows(operations)

    def _is_complete(self, track: Track) -> bool:
        uid = track.facts.uid
        known = (
            self._catalogue.cut_ns(uid) if track.operation == "snapshot" else self._catalogue.bound_at(uid)
        )
        return known is not None

    def pending(self) -> list[Observation]:
        """Rows of what has not ended."""
        now = time.monotonic()
        for uid, track in self._tracks.items():
            track.concurrency = max(track.concurrency, self._flights[track.key].peak(uid))
        return self._rows([self._operation(track, now) for track in self._tracks.values()])

    def _rows(self, operations: list[Operation]) -> list[Observation]:
        cluster = self._settings.cluster or self._api.name
        return [
            row
            for one in operations
            for row in observations_of(one, self._context, platform=self._settings.platform, cluster=cluster)
        ]

    def _operation(self, track: Track, now: float) -> Operation:
        facts, catalogue = track.facts, self._catalogue
        labels = dict(_LABELS)
        if isinstance(facts, SnapshotFacts):
            backend, size = catalogue.snapshot_backend(facts), catalogue.snapshot_bytes(facts)
            labels["snapshot_class"] = facts.snapshot_class
        else:
            backend, size = catalogue.claim_backend(facts), facts.size_bytes
        if track.outcome is Outcome.CANCELLED:
            labels["ended"] = "deleted while pending"
        return Operation(
            operation=track.operation,
            uid=facts.uid,
            subject=f"{facts.namespace}/{facts.name}/{facts.uid}",
            started_at=utc(facts.created),
            stages=track.stages(catalogue.cut_ns(facts.uid), now),
            backend=backend,
            concurrency=track.concurrency,
            bytes_capacity=size,
            entry_seconds=track.entry(),
            labels=labels,
        )

    def _tell(self) -> None:
        message = f"{self._told} recorded, {len(self._tracks)} pending"
        self._context.progress(self._told, None, message)


def _kind(track: Track) -> Resource:
    return SNAPSHOTS if track.operation == "snapshot" else CLAIMS


def _metadata(track: Track) -> Object:
    facts = track.facts
    return {"metadata": {"uid": facts.uid, "name": facts.name, "namespace": facts.namespace}}
