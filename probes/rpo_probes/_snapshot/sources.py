"""Volumes of known data to take snapshots of."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rpo_probes._kubernetes import Object
from rpo_probes._snapshot.bench import Bench
from rpo_probes._snapshot.data import FolderData, PodMaker, pod_report
from rpo_probes._snapshot.flight import Flight
from rpo_probes._snapshot.journal import Run
from rpo_probes._snapshot.preflight import Site
from rpo_probes._snapshot.resources import CLAIMS, PODS, SNAPSHOT_GROUP, SNAPSHOTS
from rpo_probes._snapshot.settings import VolumeSnapshotSettings
from rpo_sim.errors import ProbeUnavailable
from rpo_sim.units import format_duration


@dataclass(slots=True, kw_only=True)
class Source:
    """One PVC to snapshot, and what is in it."""

    claim: str
    size_bytes: int
    capacity_bytes: int
    handle: str = ""
    digest: str = ""
    marker: str = ""

    def flight(self, operation: str, name: str, made_from: str) -> Flight:
        """An operation with it, or with a snapshot of it, that is yet to be sent."""
        return Flight(
            operation=operation,
            name=name,
            source=made_from,
            size_bytes=self.size_bytes,
            capacity_bytes=self.capacity_bytes,
        )


def claim_body(run: Run, site: Site, name: str, part: str, capacity_bytes: int, snapshot: str = "") -> Object:
    """A PVC, empty or restored from a snapshot; modes as those of a named source."""
    like = (site.source or {}).get("spec") or {}
    spec: dict[str, Any] = {
        "storageClassName": site.storage_class,
        "accessModes": like.get("accessModes") or ["ReadWriteOnce"],
        "volumeMode": like.get("volumeMode") or "Filesystem",
        "resources": {"requests": {"storage": str(capacity_bytes)}},
    }
    if snapshot:
        spec["dataSource"] = {"apiGroup": SNAPSHOT_GROUP, "kind": "VolumeSnapshot", "name": snapshot}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": run.metadata(name, part),
        "spec": spec,
    }


def snapshot_body(run: Run, site: Site, name: str, claim: str) -> Object:
    """A VolumeSnapshot of a PVC."""
    return {
        "apiVersion": SNAPSHOTS.api_version,
        "kind": SNAPSHOTS.kind,
        "metadata": run.metadata(name, "snapshot"),
        "spec": {
            "volumeSnapshotClassName": site.snapshot_class,
            "source": {"persistentVolumeClaimName": claim},
        },
    }


class SourceMaker:
    """Makes source volumes and puts data into them.

    Parameters
    ----------
    settings : VolumeSnapshotSettings
    site : Site
    run : Run
    bench : Bench
    name : callable
        Gives a fresh name for an object of this purpose.
    """

    def __init__(
        self,
        settings: VolumeSnapshotSettings,
        site: Site,
        run: Run,
        bench: Bench,
        name: Callable[[str], str],
    ) -> None:
        self._settings, self._site, self._run, self._bench, self._name = settings, site, run, bench, name
        block = ((site.source or {}).get("spec") or {}).get("volumeMode") == "Block"
        self.pods = PodMaker(run=run, image=settings.image, user=site.pod_user, block=block)
        self.folder = FolderData(settings.data_folder) if settings.data_folder is not None else None

    def make(self, count: int, size_bytes: int) -> list[Source]:
        """So many bound volumes with so much data each.

        Raises
        ------
        ProbeUnavailable
            If they do not come about in time.
        """
        capacity = self._settings.capacity(size_bytes)
        sources = [
            Source(claim=self._name("source"), size_bytes=size_bytes, capacity_bytes=capacity)
            for _ in range(count)
        ]
        seen = [one.flight("source", one.claim, "") for one in sources]
        for flight in seen:
            self._bench.track(flight)
        bodies = [claim_body(self._run, self._site, one.claim, "source", capacity) for one in sources]
        self._bench.create_all(CLAIMS, bodies)
        if self._settings.data == "pod":
            self._fill_by_pods(sources)
        elif self._site.waits:
            self.run_pods([self.pods.verifier(self._name("pod"), one.claim, "") for one in sources])
        self._await_bound(seen)
        if self.folder is not None:
            self._fill_folders(sources, seen)
        return sources

    def _await_bound(self, seen: Sequence[Flight]) -> None:
        limit = self._settings.timeout

        def bound() -> bool:
            return all(flight.claim is not None and flight.claim.bound for flight in seen)

        if not self._bench.wait(bound, seconds=limit):
            late = [flight.name for flight in seen if flight.claim is None or not flight.claim.bound]
            raise ProbeUnavailable(
                f"{len(late)} of {len(seen)} source PVCs ({late[0]} …) are not bound after "
                f"{format_duration(limit)}: `kubectl describe pvc -n {self._site.namespace}` says why; is "
                f"the driver {self._site.driver} running?"
            )

    def _fill_folders(self, sources: Sequence[Source], seen: Sequence[Flight]) -> None:
        assert self.folder is not None
        uids = {flight.name: flight.claim.uid for flight in seen if flight.claim is not None}
        known = self._bench.wait(
            lambda: all(self._bench.volume_of(uid) for uid in uids.values()), seconds=self._settings.timeout
        )
        for source in sources:
            volume = self._bench.volume_of(uids[source.claim]) if known else None
            if volume is None or not self.folder.has(volume.handle):
                raise ProbeUnavailable(
                    f"the volume of {source.claim} is no folder below {self._settings.data_folder}: name the "
                    "folder where the driver keeps its volumes with --data-folder, or leave it out"
                )
            source.handle = volume.handle
            source.digest = self.folder.write(source.handle, source.size_bytes, source.claim)

    def _fill_by_pods(self, sources: Sequence[Source]) -> None:
        pods = []
        for source in sources:
            source.marker = source.claim
            pods.append(self.pods.writer(self._name("pod"), source.claim, source.size_bytes, source.marker))
        reports = self.run_pods(pods)
        for source, (_, report) in zip(sources, reports, strict=True):
            source.digest = report

    def run_pods(self, pods: Sequence[Object], *, exist: bool = False) -> list[tuple[float, str]]:
        """Create pods, unless they exist, and wait for their ends; when each ended, and what it reported.

        Raises
        ------
        ProbeUnavailable
            If one fails, or does not end in time.
        """
        if not exist:
            self._bench.create_all(PODS, pods)
        names = [str(pod["metadata"]["name"]) for pod in pods]
        limit = self._settings.timeout
        ended = self._bench.wait(lambda: all(self._bench.pod(name) for name in names), seconds=limit)
        reports = []
        for name in names:
            found = self._bench.pod(name)
            phase = ((found[0] if found else {}).get("status") or {}).get("phase")
            if not ended or found is None or phase != "Succeeded":
                raise ProbeUnavailable(
                    f"pod {name} {'failed' if found else f'has not run after {format_duration(limit)}'}: "
                    f"`kubectl describe pod -n {self._site.namespace} {name}` says why. Where pods cannot "
                    "run say --no-pods; where their image cannot be pulled name another with --image"
                )
            reports.append((found[1], pod_report(found[0])))
        return reports
