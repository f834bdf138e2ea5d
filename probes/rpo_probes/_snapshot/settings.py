"""The settings of `volume_snapshot`, of all three modes."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from rpo_probes._kubernetes import Target
from rpo_sim.probe import Duration, Size

Mode = Literal["list", "record", "measure"]
_HEADROOM = 1.25  # a file system needs room of its own
_LEAST_VOLUME = 1 << 20


class VolumeSnapshotSettings(BaseModel):
    """What `volume_snapshot` looks at or makes, and how much of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mode: Mode = Field(
        default="list",
        description="list: what existing objects still tell; record: watch what happens; measure: make "
        "snapshots and restores and time them. Only measure creates anything.",
    )
    kubeconfig: Path | None = Field(
        default=None, description="File. Unset: $KUBECONFIG, ~/.kube/config, or the account of the pod."
    )
    context: str | None = Field(
        default=None, description="Context of the kubeconfig. Unset: the current one."
    )
    cluster: str | None = Field(
        default=None, description="Name that observations are kept under. Unset: the kubeconfig's."
    )
    platform: str = Field(
        default="kubernetes", min_length=1, description="Platform that the observations are kept under."
    )
    namespace: str | None = Field(
        default=None, description="Only this namespace; measure creates in it and must be told."
    )
    any_namespace: bool = Field(
        default=False,
        description="Create in a namespace although it does not carry the annotation that allows it.",
    )
    duration: Duration | None = Field(
        default=None, gt=0, description="record: end after this time, such as 12h. Unset: at Ctrl-C."
    )
    storage_class: str | None = Field(
        default=None, description="measure: storage class of the volumes. Unset: the default class."
    )
    snapshot_class: str | None = Field(
        default=None, description="measure: snapshot class. Unset: the one of the storage class's driver."
    )
    pvc: str | None = Field(
        default=None, description="measure: snapshot this PVC, which is only read, instead of new volumes."
    )
    sizes: tuple[Annotated[Size, Field(ge=0)], ...] = Field(
        default=("1Mi", "64Mi"),
        validate_default=True,
        min_length=1,
        description="measure: bytes written to each volume. The smallest shows rate limits, the largest "
        "throughput: keep both.",
    )
    volume_size: Size = Field(
        default="1Gi",
        validate_default=True,
        ge=_LEAST_VOLUME,
        description="measure: capacity of each volume, raised where a size needs more.",
    )
    concurrency: tuple[Annotated[int, Field(ge=1, le=64)], ...] = Field(
        default=(1, 2, 4, 8, 16),
        min_length=1,
        description="measure: how many snapshots, and then restores, at the same time; each is measured.",
    )
    enough: PositiveInt = Field(
        default=59, description="measure: stop once each size has so many restores; 59 support a p95."
    )
    max_objects: PositiveInt = Field(
        default=1000, description="measure: create at most so many PVCs, snapshots and pods."
    )
    max_bytes: Size = Field(
        default="100Gi",
        validate_default=True,
        description="measure: capacity of volumes and snapshots that may exist at any time.",
    )
    max_duration: Duration = Field(
        default="15m", validate_default=True, gt=0, description="measure: start nothing after this time."
    )
    timeout: Duration = Field(
        default="5m",
        validate_default=True,
        gt=0,
        description="measure: an operation that takes longer has failed, and took longer than this.",
    )
    max_failures: PositiveInt = Field(default=3, description="measure: give up after so many failures.")
    pods: bool = Field(
        default=True,
        description="measure: write and verify the data in pods. Without, volumes stay empty and unverified.",
    )
    image: str = Field(
        default="busybox:stable",
        min_length=1,
        description="measure: image of the pods, with sh and sha256sum.",
    )
    data_folder: Path | None = Field(
        default=None,
        description="measure: write and verify in the driver's own folder (for host-path drivers on this "
        "machine), no pods.",
    )

    @property
    def target(self) -> Target:
        """Which cluster."""
        return Target(kubeconfig=self.kubeconfig, context=self.context)

    @property
    def data(self) -> Literal["folder", "pod", "none"]:
        """How data comes into the volumes."""
        if self.pvc is not None:
            return "none"
        if self.data_folder is not None:
            return "folder"
        return "pod" if self.pods else "none"

    @property
    def distinct_sizes(self) -> list[int]:
        """Sizes to measure, ascending; one, of which nothing is known, for a named PVC."""
        return [0] if self.pvc is not None else sorted(set(self.sizes))

    def capacity(self, size_bytes: int) -> int:
        """Capacity of a volume for so much data; empty volumes differ by their capacity alone."""
        if self.data == "none" and self.pvc is None:
            return max(size_bytes, _LEAST_VOLUME)
        return max(self.volume_size, int(size_bytes * _HEADROOM))

    @property
    def peak_bytes(self) -> int:
        """Capacity of the sources of all sizes, and of the largest burst of snapshots with its restores."""
        most = max(self.concurrency)
        sources = 0 if self.pvc is not None else most * sum(map(self.capacity, self.distinct_sizes))
        return sources + 2 * most * self.capacity(max(self.distinct_sizes))
