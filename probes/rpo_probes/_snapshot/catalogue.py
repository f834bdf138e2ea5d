"""What the objects say about each other, drivers, storage classes, sizes; little memory for each."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from rpo_probes._kubernetes import Api, Object, Resource
from rpo_probes._snapshot.facts import (
    ClaimFacts,
    SnapshotFacts,
    backend_of,
    claim_facts,
    content_facts,
    volume_facts,
)
from rpo_probes._snapshot.resources import CLAIMS, CONTENTS, STORAGE_CLASSES, VOLUMES


class _Claim(NamedTuple):
    storage_class: str
    size_bytes: int | None


class _Content(NamedTuple):
    driver: str
    cut_ns: int | None


class _Volume(NamedTuple):
    driver: str
    bound_at: float | None  # seconds since 1970, whole; None unless bound


@dataclass(slots=True)
class Catalogue:
    """Claims by name, contents by the uid of their snapshot, volumes by the uid of their claim."""

    drivers: dict[str, str] = field(default_factory=dict)  # by storage class
    claims: dict[tuple[str, str], _Claim] = field(default_factory=dict)
    contents: dict[str, _Content] = field(default_factory=dict)
    volumes: dict[str, _Volume] = field(default_factory=dict)

    def load(
        self, api: Api, namespace: str | None, each_claim: Callable[[ClaimFacts], None] = lambda _claim: None
    ) -> None:
        """Read everything in pages; each claim is shown on the way."""
        self.drivers = {item["metadata"]["name"]: item["provisioner"] for item in api.all(STORAGE_CLASSES)}
        for resource, place in ((VOLUMES, None), (CONTENTS, None), (CLAIMS, namespace)):
            for page in api.pages(resource, place):
                for item in page.items:
                    self.learn(resource, item)
                    if resource is CLAIMS:
                        each_claim(claim_facts(item))

    def learn(self, resource: Resource, item: Object) -> None:
        """Take in one object as it is now."""
        if resource is CLAIMS:
            claim = claim_facts(item)
            self.claims[claim.namespace, claim.name] = _Claim(claim.storage_class, claim.size_bytes)
        elif resource is CONTENTS:
            content = content_facts(item)
            self.contents[content.snapshot_uid] = _Content(content.driver, content.cut_ns)
        elif resource is VOLUMES:
            volume = volume_facts(item)
            bound_at = volume.phase_changed if volume.phase == "Bound" else None
            self.volumes[volume.claim_uid] = _Volume(volume.driver, bound_at)

    def forget(self, resource: Resource, item: Object) -> None:
        """One object is gone; after a lost connection no more than its name may be known."""
        meta, spec = item["metadata"], item.get("spec") or {}
        if resource is CLAIMS:
            self.claims.pop((meta.get("namespace", ""), meta["name"]), None)
        elif resource is CONTENTS:
            self.contents.pop((spec.get("volumeSnapshotRef") or {}).get("uid", ""), None)
        elif resource is VOLUMES:
            self.volumes.pop((spec.get("claimRef") or {}).get("uid", ""), None)

    def cut_ns(self, snapshot_uid: str) -> int | None:
        """The storage's own stamp of the cut, nanoseconds."""
        content = self.contents.get(snapshot_uid)
        return content.cut_ns if content else None

    def bound_at(self, claim_uid: str) -> float | None:
        """When the volume was bound, whole seconds."""
        volume = self.volumes.get(claim_uid)
        return volume.bound_at if volume else None

    def source_class(self, snapshot: SnapshotFacts) -> str:
        """Storage class of the PVC that a snapshot was taken of; empty if it is gone."""
        claim = self.claims.get((snapshot.namespace, snapshot.claim))
        return claim.storage_class if claim else ""

    def snapshot_backend(self, snapshot: SnapshotFacts) -> str:
        """Driver and storage class, as far as known."""
        storage_class = self.source_class(snapshot)
        content = self.contents.get(snapshot.uid)
        driver = content.driver if content else self.drivers.get(storage_class, "")
        return backend_of(driver, storage_class)

    def claim_backend(self, claim: ClaimFacts) -> str:
        """Driver and storage class, as far as known."""
        volume = self.volumes.get(claim.uid)
        driver = (
            (volume.driver if volume else "") or claim.driver or self.drivers.get(claim.storage_class, "")
        )
        return backend_of(driver, claim.storage_class)

    def snapshot_bytes(self, snapshot: SnapshotFacts) -> int | None:
        """Capacity of the source, else what a restore needs."""
        claim = self.claims.get((snapshot.namespace, snapshot.claim))
        return (claim.size_bytes if claim else None) or snapshot.restore_bytes
