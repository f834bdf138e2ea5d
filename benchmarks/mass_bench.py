"""Snapshots and restores in bursts on a lab, timed by the client's monotonic clock.

Nothing is removed between bursts: deletions cost tokens too, and the lab is thrown away in the end. Before
each burst the controllers finish what they still do about the last, and the buckets are given time to fill.
"""

import contextlib
import os
import queue
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rpo_probes._kubernetes import Api, Change, Conflict, Follower, Object, Resource, Target, Watch, connect
from rpo_probes._requests import RequestCounts, server_counts
from rpo_probes._snapshot.resources import CLAIMS, NAMESPACES, SNAPSHOT_GROUP, SNAPSHOTS, VOLUMES

from rpo_sim.errors import ProbeError

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
    """Source volumes on one backend, and bursts of snapshots of them and restores from those."""

    def __init__(
        self,
        backend: str,
        kubeconfig: Path,
        data_folder: Path,
        *,
        namespace: str = NAMESPACE,
        settle_seconds: float = SETTLE_SECONDS,
    ) -> None:
        self.backend, self._data = backend, data_folder
        self._namespace, self._settle = namespace, settle_seconds
        self.api: Api = connect(Target(kubeconfig=kubeconfig))
        self._arrivals: queue.Queue[tuple[Any, Change | ProbeError]] = queue.Queue()
        self._seen: dict[tuple[str, str], tuple[Object, float]] = {}
        self._done: dict[tuple[str, str], float] = {}
        self._sources: dict[int, list[str]] = {}
        self._snapshots: dict[int, list[str]] = {}
        self._number = int(time.time())
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
        with contextlib.suppress(Conflict):
            self.api.create(NAMESPACES, None, body)
        self._followers = [
            Follower(Watch(self.api, kind, None if kind is VOLUMES else namespace), kind, self._arrivals)
            for kind in (SNAPSHOTS, CLAIMS, VOLUMES)
        ]
        self._synced = threading.Semaphore(0)
        for follower in self._followers:
            follower.start()
        threading.Thread(target=self._read, daemon=True).start()
        for _ in self._followers:
            self._synced.acquire()

    def close(self) -> None:
        """End the watches."""
        for follower in self._followers:
            follower.stop()
        self.api.close()

    def _read(self) -> None:
        while True:
            kind, change = self._arrivals.get()
            if isinstance(change, ProbeError):
                raise change
            if change.kind == "synced":
                self._synced.release()
            if change.kind == "seen":
                key = (kind.plural, str(change.object["metadata"]["name"]))
                self._seen[key] = (change.object, change.at)
                if _over(change.object):
                    self._done.setdefault(key, change.at)

    def _await(self, kind: Resource, names: Sequence[str]) -> None:
        deadline = time.monotonic() + _LONGEST_SECONDS
        while any((kind.plural, name) not in self._done for name in names):
            if time.monotonic() > deadline:
                late = [name for name in names if (kind.plural, name) not in self._done]
                raise TimeoutError(f"{len(late)} of {len(names)} {kind.plural} are not done: {late[0]} …")
            time.sleep(0.05)

    def sources(self, size_bytes: int, n: int) -> list[str]:
        """At least ``n`` bound volumes with so much noise in each."""
        if size_bytes not in self._sources:  # those that an earlier, interrupted run filled
            before = [name for plural, name in self._done if plural == CLAIMS.plural]
            self._sources[size_bytes] = [name for name in before if name.startswith(f"source-{size_bytes}-")]
        have = self._sources[size_bytes]
        names = [f"source-{size_bytes}-{self._next()}" for _ in range(n - len(have))]
        for name in names:
            self.api.create(CLAIMS, self._namespace, _claim(name, None))
        self._await(CLAIMS, names)
        for name in names:
            volume = str(self._seen[CLAIMS.plural, name][0]["spec"]["volumeName"])
            while (VOLUMES.plural, volume) not in self._seen:
                time.sleep(0.02)
            handle = self._seen[VOLUMES.plural, volume][0]["spec"]["csi"]["volumeHandle"]
            (self._data / handle / "noise").write_bytes(os.urandom(size_bytes))
        have += names
        return have[:n]

    def snapshots(self, size_bytes: int, n: int, repetition: int) -> Measured:
        """``n`` snapshots at once, of a volume each."""
        sources = self.sources(size_bytes, n)
        names = [f"snapshot-{self._next()}" for _ in range(n)]
        bodies = [_snapshot(name, source) for name, source in zip(names, sources, strict=True)]
        measured = self._burst(SNAPSHOTS, "snapshot", names, bodies, size_bytes, repetition)
        self._snapshots[size_bytes] = names
        return measured

    def restores(self, size_bytes: int, n: int, repetition: int) -> Measured:
        """``n`` restores at once, from the latest snapshots."""
        names = [f"restore-{self._next()}" for _ in range(n)]
        made_from = self._snapshots[size_bytes][:n]
        bodies = [_claim(name, source) for name, source in zip(names, made_from, strict=True)]
        return self._burst(CLAIMS, "restore", names, bodies, size_bytes, repetition)

    def _next(self) -> int:
        self._number += 1
        return self._number

    def _burst(
        self,
        kind: Resource,
        operation: str,
        names: Sequence[str],
        bodies: Sequence[Object],
        size_bytes: int,
        repetition: int,
    ) -> Measured:
        before = self._settled()
        at, load = time.time(), os.getloadavg()[0]
        barrier, sent = threading.Barrier(len(names)), dict[str, float]()

        def create(name: str, body: Object) -> None:
            barrier.wait()
            sent[name] = time.monotonic()
            self.api.create(kind, self._namespace, body)

        with ThreadPoolExecutor(len(names)) as pool:
            list(pool.map(create, names, bodies))
        self._await(kind, names)
        first = min(sent.values())
        ordered = sorted(names, key=lambda name: sent[name])
        used = server_counts(self.api).since(before).per_operation(len(names))
        return Measured(
            backend=self.backend,
            operation=operation,
            size_bytes=size_bytes,
            n=len(names),
            repetition=repetition,
            at=at,
            load=load,
            starts=[round(sent[name] - first, 6) for name in ordered],
            seconds=[round(self._done[kind.plural, name] - sent[name], 6) for name in ordered],
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


def _over(item: Object) -> bool:
    status = item.get("status") or {}
    return status.get("readyToUse") is True or status.get("phase") == "Bound"


def _claim(name: str, snapshot: str | None) -> Object:
    spec: dict[str, Any] = {
        "storageClassName": "lab",
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}},
    }
    if snapshot is not None:
        spec["dataSource"] = {"apiGroup": SNAPSHOT_GROUP, "kind": "VolumeSnapshot", "name": snapshot}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": spec}


def _snapshot(name: str, source: str) -> Object:
    return {
        "apiVersion": SNAPSHOTS.api_version,
        "kind": SNAPSHOTS.kind,
        "metadata": {"name": name},
        "spec": {"volumeSnapshotClassName": "lab", "source": {"persistentVolumeClaimName": source}},
    }
