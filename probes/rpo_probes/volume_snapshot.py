"""The probe `volume_snapshot`: CSI snapshots of volumes and restores from them, in three ways.

`list` reads what existing objects still tell, `record` watches what happens, `measure` makes snapshots and
restores and times them. Only `measure` creates anything.
"""

from collections.abc import Iterator, Mapping, Sequence

from rpo_probes._discover_cluster import discover_cluster
from rpo_probes._kubernetes import Api, connect
from rpo_probes._snapshot import listing, measuring, recording
from rpo_probes._snapshot.cleanup import sweep_journals, sweep_namespace
from rpo_probes._snapshot.observations import SOURCE
from rpo_probes._snapshot.preflight import look, manifest
from rpo_probes._snapshot.settings import VolumeSnapshotSettings
from rpo_sim import __version__
from rpo_sim.errors import ProbeDenied
from rpo_sim.probe import CheckReport, Finding, ProbeContext
from rpo_sim.probe_capabilities import Discovered, Leftover
from rpo_sim.records import Observation

_FIRST_CONTACT_SECONDS = 5.0  # a wrong address should not be waited for; an outage later on is
_MODES = ("list", "record", "measure")


class VolumeSnapshotProbe:
    """Snapshots and restores of PersistentVolumeClaims on a Kubernetes cluster.

    Operations and stages: ``snapshot`` (``cut``: the data is frozen; ``ready``: readyToUse), ``restore``
    (``bound``: the new PVC is bound; ``verify``: a pod read the data back; ``ready``: both).
    """

    name = SOURCE
    version = __version__
    summary = "CSI volume snapshots and restores on a cluster: listed, recorded, or measured."
    mutating = True
    Settings = VolumeSnapshotSettings
    discovery_settings = ("kubeconfig", "context", "namespace")

    def check(self, settings: VolumeSnapshotSettings, context: ProbeContext) -> CheckReport:
        """Server, permissions, classes, namespace; and for `measure` exactly what would be created."""
        api = connect(settings.target).patient(0.0)
        try:
            findings, _ = look(settings, api)
        finally:
            api.close()
        left = list(sweep_journals(context.state_folder, dry_run=True))
        if left:
            what = f"left by earlier runs: {len(left)} objects; rpo-sim cleanup {SOURCE} removes them"
            findings.append(Finding(what=what, ok=True))
        return CheckReport(findings=tuple(findings))

    def measure(
        self, settings: VolumeSnapshotSettings, context: ProbeContext
    ) -> Iterator[Sequence[Observation]]:
        """List, record or measure, as the mode says."""
        if context.cancelled():
            return
        api = connect(settings.target, cancelled=context.cancelled)
        try:
            yield from self._in_mode(settings, context, api)
        finally:
            api.close()

    def _in_mode(
        self, settings: VolumeSnapshotSettings, context: ProbeContext, api: Api
    ) -> Iterator[Sequence[Observation]]:
        findings, site = look(settings, api.patient(_FIRST_CONTACT_SECONDS))
        CheckReport(findings=tuple(findings)).require_ok()
        if settings.mode == "list":
            yield from listing.list_existing(settings, context, api)
        elif settings.mode == "record":
            yield from recording.record(settings, context, api)
        else:
            if site is None:
                raise ProbeDenied("the cluster was not found fit to measure on: run with --check")
            yield from measuring.measure(settings, context, api, site)

    def discover(self, settings: VolumeSnapshotSettings, context: ProbeContext) -> Iterator[Discovered]:
        """Modes, storage classes, existing snapshots and restores, permissions."""
        api = connect(settings.target, cancelled=context.cancelled).patient(0.0)
        try:
            yield from discover_cluster(settings, api)
        finally:
            api.close()

    def clean_up(
        self, settings: VolumeSnapshotSettings, context: ProbeContext, *, dry_run: bool
    ) -> Iterator[Leftover]:
        """What dead runs of this host left anywhere; with a namespace also what other hosts left there."""
        yield from sweep_journals(context.state_folder, dry_run=dry_run)
        if settings.namespace is not None:
            yield from sweep_namespace(
                settings.target, settings.namespace, context.state_folder, dry_run=dry_run
            )

    def manifests(self) -> Mapping[str, str]:
        """The roles of each mode, and a Deployment that records."""
        return {name: manifest(name) for name in (*_MODES, "record-deployment")}
