"""Snapshots and restores in bursts on a lab, timed by the client's monotonic clock.

Nothing is removed between bursts: deletions cost tokens too, and the lab is thrown away in the end. Before
each burst the controllers finish what they still do about the last, and the buckets are given time to fill.
"""

import contextlib
import itertools
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from rpo_probes._kubernetes import Api, Conflict, Object, Resource, connect
from rpo_probes._requests import RequestCounts, server_counts
from rpo_probes._snapshot.bench import Bench
from rpo_probes._snapshot.flight import Flight
from rpo_probes._snapshot.journal import Journal, new_run
from rpo_probes._snapshot.preflight import look
from rpo_probes._snapshot.resources import CLAIMS, NAMESPACES, SNAPSHOTS
from rpo_probes._snapshot.sources import Source, SourceMaker, claim_body, snapshot_body
from rpo_probes.volume_snapshot import VolumeSnapshotProbe

from rpo_sim.probe_contract import Recorder

NAMESPACE = "mass-restore"
SETTLE_SECONDS = 4.0  # the slowest bucket of either backend is full after 2
_LONGEST_SECONDS = 400.0  # for one burst


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One burst: when each member was sent, from the first, and how long it took; seconds."""

    backend: str
    operation: str
    size_bytes: int
    n: int
    repetition: int
    at: float
    load: float
    starts: list[float]
    seconds: list[float]
    requests: dict[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


class MassBench:
    """Source volumes on one backend, and bursts of snapshots of them and restores from those.

    The bench of the probe `volume_snapshot` times them; here nothing is removed, and what it counts as
    failed ends the experiment.
    """

    def __init__(
        self,
        backend: str,
        kubeconfig: Path,
        data_folder: Path,
        *,
        namespace: str = NAMESPACE,
        settle_seconds: float = SETTLE_SECONDS,
    ) -> None:
        self.backend, self._settle = backend, settle_seconds
        settings = VolumeSnapshotProbe.Settings(
            mode="measure",
            kubeconfig=kubeconfig,
            namespace=namespace,
            any_namespace=True,
            storage_class="lab",
            snapshot_class="lab",
            data_folder=data_folder,
            timeout=_LONGEST_SECONDS,
        )
        self.api: Api = connect(settings.target)
        with contextlib.suppress(Conflict):
            body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
            self.api.create(NAMESPACES, None, body)
        findings, site = look(settings, self.api)
        if site is None:
            sys.exit("error: " + "; ".join(each.missing for each in findings if not each.ok))
        self._site, self._state = site, tempfile.TemporaryDirectory(prefix="rpo-sim-")
        context = Recorder(Path(self._state.name), f"mass-{time.time_ns()}").context
        self._run = new_run(
            context.collection_id, settings.target, namespace, context.now() + timedelta(days=1)
        )
        self._numbers, self._prefix = itertools.count(1), f"mass-{int(time.time())}"
        self._journal = Journal(context.state_folder, self._run)
        self._bench = Bench(self.api, self._run, self._journal, context, _LONGEST_SECONDS, site.driver)
        self._bench.watch(pods=False)
        self._maker = SourceMaker(settings, site, self._run, self._bench, self._name)
        self._sources: dict[int, list[Source]] = {}
        self._snapshots: dict[int, list[str]] = {}

    def close(self) -> None:
        """End the watches; the lab with all objects is thrown away by whoever started it."""
        self._bench.close()
        self._journal.close(all_gone=True)
        self._state.cleanup()
        self.api.close()

    def sources(self, size_bytes: int, n: int) -> list[Source]:
        """At least ``n`` bound volumes with so much noise in each."""
        have = self._sources.setdefault(size_bytes, [])
        if len(have) < n:
            have += self._maker.make(n - len(have), size_bytes)
        return have[:n]

    def snapshots(self, size_bytes: int, n: int, repetition: int) -> Measured:
        """``n`` snapshots at once, of a volume each."""
        sources = self.sources(size_bytes, n)
        flights = [one.flight("snapshot", self._name("snapshot"), one.claim) for one in sources]
        bodies = [snapshot_body(self._run, self._site, one.name, one.source) for one in flights]
        self._snapshots[size_bytes] = [one.name for one in flights]
        return self._burst(SNAPSHOTS, flights, bodies, repetition)

    def restores(self, size_bytes: int, n: int, repetition: int) -> Measured:
        """``n`` restores at once, from the latest snapshots."""
        made_from = zip(self._snapshots[size_bytes][:n], self.sources(size_bytes, n), strict=True)
        flights = [one.flight("restore", self._name("restore"), snapshot) for snapshot, one in made_from]
        bodies = [
            claim_body(self._run, self._site, one.name, "restore", one.capacity_bytes, snapshot=one.source)
            for one in flights
        ]
        return self._burst(CLAIMS, flights, bodies, repetition)

    def _name(self, purpose: str) -> str:
        return f"{self._prefix}-{purpose}-{next(self._numbers)}"

    def _burst(
        self, kind: Resource, flights: Sequence[Flight], bodies: Sequence[Object], repetition: int
    ) -> Measured:
        before = self._settled()
        at, load = time.time(), os.getloadavg()[0]
        self._bench.burst(kind, flights, bodies)
        used = server_counts(self.api).since(before).per_operation(len(flights))
        ordered = sorted(flights, key=lambda one: one.sent)
        return Measured(
            backend=self.backend,
            operation=flights[0].operation,
            size_bytes=flights[0].size_bytes,
            n=len(flights),
            repetition=repetition,
            at=at,
            load=load,
            starts=[round(one.sent - ordered[0].sent, 6) for one in ordered],
            seconds=[round(_seconds(one), 6) for one in ordered],
            requests={what: round(each, 3) for what, each in sorted(used.items()) if _storage(what)},
        )

    def _settled(self) -> RequestCounts:
        """The counts once nobody has asked for anything of storage for so long that every bucket is full."""
        deadline = time.monotonic() + _LONGEST_SECONDS
        before = server_counts(self.api)
        while time.monotonic() < deadline:
            time.sleep(self._settle)
            now = server_counts(self.api)
            if not any(map(_storage, now.since(before).counts)):
                return now
            before = now
        raise TimeoutError(f"the controllers do not come to rest within {_LONGEST_SECONDS:.0f} s")


def _storage(what: str) -> bool:
    names = ("volumesnapshot", "persistentvolume", "event")
    return any(name in what for name in names)


def _seconds(flight: Flight) -> float:
    if flight.ended is None:
        sys.exit(f"error: {flight.operation} {flight.name} did not end: {flight.refused or flight.outcome}")
    return flight.ended[1] - flight.sent
