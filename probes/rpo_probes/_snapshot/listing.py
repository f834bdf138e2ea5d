"""The mode `list`: what the existing objects still tell. What was deleted is not in it."""

import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace

from rpo_probes._kubernetes import Api, event_seconds
from rpo_probes._snapshot.catalogue import Catalogue
from rpo_probes._snapshot.concurrency import peaks
from rpo_probes._snapshot.facts import ClaimFacts, snapshot_facts
from rpo_probes._snapshot.observations import observations_of
from rpo_probes._snapshot.resources import EVENTS, SNAPSHOTS
from rpo_probes._snapshot.retrospect import Past, past_restore, past_snapshot
from rpo_probes._snapshot.settings import VolumeSnapshotSettings
from rpo_sim.probe import ProbeContext
from rpo_sim.records import Observation

_BATCH = 200  # operations
_LABELS = {"mode": "list", "sample": "survivors"}


def list_existing(
    settings: VolumeSnapshotSettings, context: ProbeContext, api: Api
) -> Iterator[list[Observation]]:
    """Snapshots, and PVCs that were restored from one, by their stamps; paged, no call per object."""
    context.progress(0, None, "reading volumes, contents and claims")
    catalogue, restored = Catalogue(), list[ClaimFacts]()

    def keep(claim: ClaimFacts) -> None:
        if claim.snapshot:
            restored.append(claim)

    catalogue.load(api, settings.namespace, keep)
    now = api.clock.at(time.monotonic())
    past = [past_restore(claim, catalogue, now, _LABELS) for claim in restored]
    past += _snapshots(settings, context, api, catalogue)
    context.note_error(
        "list knows only what still exists: what was deleted, failed ones above all, is not in it "
        "(survivor-biased); --mode record sees everything from now on"
    )
    at_once = _concurrency(past)
    cluster = settings.cluster or api.name
    for start in range(0, len(past), _BATCH):
        if context.cancelled():
            return
        rows = list[Observation]()
        for one in past[start : start + _BATCH]:
            operation = replace(one.operation, concurrency=at_once[one.operation.uid])
            rows += observations_of(operation, context, platform=settings.platform, cluster=cluster)
        yield rows
        done = min(start + _BATCH, len(past))
        context.progress(done, len(past), f"{done} of {len(past)} snapshots and restores")


def _snapshots(
    settings: VolumeSnapshotSettings, context: ProbeContext, api: Api, catalogue: Catalogue
) -> list[Past]:
    events = _ready_events(api, settings.namespace)
    found: dict[str, Past] = {}
    for page in api.pages(SNAPSHOTS, settings.namespace):
        if context.cancelled():
            break
        now = api.clock.at(time.monotonic())
        for item in page.items:
            facts = snapshot_facts(item)
            if facts.claim:  # others were imported, not taken here
                found[facts.uid] = past_snapshot(facts, catalogue, now, events.get(facts.uid), _LABELS)
        context.progress(0, None, f"{len(found)} snapshots read")
    return list(found.values())


def _ready_events(api: Api, namespace: str | None) -> dict[str, float]:
    """When the controller said of a snapshot that it is ready; kept for an hour or a few."""
    times = {}
    for page in api.pages(EVENTS, namespace, fields="reason=SnapshotReady"):
        for event in page.items:
            at = event_seconds(event["metadata"]["name"])
            if at is not None:
                times[event["involvedObject"].get("uid", "")] = at
    return times


def _concurrency(past: list[Past]) -> dict[str, int]:
    spans: defaultdict[str, dict[str, tuple[float, float]]] = defaultdict(dict)
    for one in past:
        spans[one.key][one.operation.uid] = one.span
    return {uid: count for group in spans.values() for uid, count in peaks(group).items()}
