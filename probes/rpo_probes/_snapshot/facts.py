"""What the objects say of themselves, with the clock of each stamp named."""

from dataclasses import dataclass
from typing import Any

from rpo_probes._kubernetes import Object, stamp_seconds
from rpo_sim.errors import UnitError
from rpo_sim.units import parse_bytes

_LONGEST_ERROR = 160  # characters of a controller's message that are kept


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotFacts:
    """One VolumeSnapshot. All stamps are seconds since 1970, whole ones, of the API server or a controller.

    Attributes
    ----------
    created, cut : float or None
        When it was created (API server), and when the data was frozen (storage; never "ready").
    status_changed : float or None
        When its status last changed.
    restore_bytes : int or None
        Size needed to restore, not bytes copied.
    """

    uid: str
    namespace: str
    name: str
    claim: str
    snapshot_class: str
    content: str
    created: float
    cut: float | None
    ready: bool
    status_changed: float | None
    restore_bytes: int | None
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentFacts:
    """One VolumeSnapshotContent; `cut_ns` is the storage's clock in nanoseconds."""

    snapshot_uid: str
    driver: str
    cut_ns: int | None
    ready: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimFacts:
    """One PersistentVolumeClaim."""

    uid: str
    namespace: str
    name: str
    storage_class: str
    snapshot: str  # that it is restored from; empty for others
    volume: str
    driver: str
    created: float
    bound: bool
    lost: bool
    status_changed: float | None
    size_bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeFacts:
    """One PersistentVolume; `phase_changed` in whole seconds of the API server."""

    name: str
    claim_uid: str
    driver: str
    handle: str
    phase: str
    phase_changed: float | None


def snapshot_facts(item: Object) -> SnapshotFacts:
    """Read a VolumeSnapshot."""
    meta, spec, status = item["metadata"], item.get("spec") or {}, item.get("status") or {}
    return SnapshotFacts(
        uid=meta["uid"],
        namespace=meta["namespace"],
        name=meta["name"],
        claim=(spec.get("source") or {}).get("persistentVolumeClaimName") or "",
        snapshot_class=spec.get("volumeSnapshotClassName") or "",
        content=status.get("boundVolumeSnapshotContentName") or "",
        created=_created(meta),
        cut=stamp_seconds(status.get("creationTime")),
        ready=status.get("readyToUse") is True,
        status_changed=_status_changed(meta),
        restore_bytes=_bytes(status.get("restoreSize")),
        error=str((status.get("error") or {}).get("message") or "")[:_LONGEST_ERROR],
    )


def content_facts(item: Object) -> ContentFacts:
    """Read a VolumeSnapshotContent."""
    spec, status = item.get("spec") or {}, item.get("status") or {}
    return ContentFacts(
        snapshot_uid=(spec.get("volumeSnapshotRef") or {}).get("uid") or "",
        driver=spec.get("driver") or "",
        cut_ns=status.get("creationTime"),
        ready=status.get("readyToUse") is True,
    )


def claim_facts(item: Object) -> ClaimFacts:
    """Read a PersistentVolumeClaim."""
    meta, spec, status = item["metadata"], item.get("spec") or {}, item.get("status") or {}
    notes = meta.get("annotations") or {}
    source = spec.get("dataSource") or spec.get("dataSourceRef") or {}
    requested = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
    return ClaimFacts(
        uid=meta["uid"],
        namespace=meta["namespace"],
        name=meta["name"],
        storage_class=spec.get("storageClassName") or "",
        snapshot=source.get("name", "") if source.get("kind") == "VolumeSnapshot" else "",
        volume=spec.get("volumeName") or "",
        driver=notes.get("volume.kubernetes.io/storage-provisioner")
        or notes.get("volume.beta.kubernetes.io/storage-provisioner")
        or "",
        created=_created(meta),
        bound=status.get("phase") == "Bound",
        lost=status.get("phase") == "Lost",
        status_changed=_status_changed(meta),
        size_bytes=_bytes((status.get("capacity") or {}).get("storage") or requested),
    )


def volume_facts(item: Object) -> VolumeFacts:
    """Read a PersistentVolume."""
    spec, status = item.get("spec") or {}, item.get("status") or {}
    csi = spec.get("csi") or {}
    return VolumeFacts(
        name=item["metadata"]["name"],
        claim_uid=(spec.get("claimRef") or {}).get("uid") or "",
        driver=csi.get("driver") or "",
        handle=csi.get("volumeHandle") or "",
        phase=status.get("phase") or "",
        phase_changed=stamp_seconds(status.get("lastPhaseTransitionTime")),
    )


def backend_of(driver: str, storage_class: str) -> str:
    """Driver and storage class, the backend of an observation."""
    return "/".join(part for part in (driver, storage_class) if part)


def _created(meta: dict[str, Any]) -> float:
    return stamp_seconds(meta.get("creationTimestamp")) or 0.0


def _status_changed(meta: dict[str, Any]) -> float | None:
    """The newest stamp among the managers of the status: moved by every change of a field they own."""
    stamps = [
        stamp_seconds(entry.get("time"))
        for entry in meta.get("managedFields") or ()
        if entry.get("subresource") == "status"
    ]
    return max((stamp for stamp in stamps if stamp is not None), default=None)


def _bytes(text: object) -> int | None:
    """A quantity of the API: a plain number counts bytes."""
    if text is None:
        return None
    try:
        return int(str(text)) if str(text).isdigit() else parse_bytes(str(text))
    except UnitError:
        return None
