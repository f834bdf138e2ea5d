"""What stamps alone tell of a snapshot or restore: intervals that contain the truth, seconds wide.

No object states when it became ready or bound. Before it: the cut, the event SnapshotReady (written just
before the status), the volume's own transition. After it: the last change of the status, which may be later.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from rpo_probes._snapshot.catalogue import Catalogue
from rpo_probes._snapshot.facts import ClaimFacts, SnapshotFacts
from rpo_probes._snapshot.observations import (
    STAMPS_CLOCK,
    Operation,
    Stage,
    between_stamps,
    cut_stage,
    still,
    utc,
)
from rpo_sim.records import Outcome

_SECOND = 1.0  # what a stamp cut off to whole seconds may hide


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """An operation known by its stamps.

    Attributes
    ----------
    key : str
        Operations with the same one compete for the same backend.
    span : (float, float), seconds since 1970
        About when it was in flight.
    """

    operation: Operation
    key: str
    span: tuple[float, float]


def past_snapshot(
    facts: SnapshotFacts,
    catalogue: Catalogue,
    now: tuple[float, float],
    ready_event: float | None = None,
    labels: Mapping[str, str] | None = None,
) -> Past:
    """A snapshot as its stamps tell it.

    Parameters
    ----------
    facts : SnapshotFacts
    catalogue : Catalogue
    now : (float, float), seconds since 1970
        Bounds on the server's clock as the object was read.
    ready_event : float, optional
        When the controller said that it is ready, seconds since 1970.
    labels : mapping, optional
    """
    stages = [cut] if (cut := cut_stage(facts, catalogue.cut_ns(facts.uid))) else []
    backend, entry = catalogue.snapshot_backend(facts), 0.0
    if facts.ready:
        first = ready_event if ready_event is not None else facts.cut
        stage, end = _ended("ready", facts.created, first, facts.status_changed, now)
    else:
        stage, end, entry = _pending("ready", facts.created, now, facts.error)
    operation = Operation(
        operation="snapshot",
        uid=facts.uid,
        subject=f"{facts.namespace}/{facts.name}/{facts.uid}",
        started_at=utc(facts.created),
        stages=(*stages, stage),
        backend=backend,
        bytes_capacity=catalogue.snapshot_bytes(facts),
        entry_seconds=entry,
        labels={"snapshot_class": facts.snapshot_class, **(labels or {})},
    )
    return Past(operation=operation, key=f"snapshot {backend}", span=(facts.created, end))


def past_restore(
    facts: ClaimFacts,
    catalogue: Catalogue,
    now: tuple[float, float],
    labels: Mapping[str, str] | None = None,
) -> Past:
    """A restore as its stamps tell it; the claim is bound just after its volume is."""
    backend, entry = catalogue.claim_backend(facts), 0.0
    if facts.bound:
        first = catalogue.bound_at(facts.uid)
        stage, end = _ended("bound", facts.created, first, facts.status_changed, now)
    else:
        stage, end, entry = _pending("bound", facts.created, now, "")
    operation = Operation(
        operation="restore",
        uid=facts.uid,
        subject=f"{facts.namespace}/{facts.name}/{facts.uid}",
        started_at=utc(facts.created),
        stages=(stage,),
        backend=backend,
        bytes_capacity=facts.size_bytes,
        entry_seconds=entry,
        labels=labels or {},
    )
    return Past(operation=operation, key=f"restore {backend}", span=(facts.created, end))


def _ended(
    name: str, created: float, first: float | None, changed: float | None, now: tuple[float, float]
) -> tuple[Stage, float]:
    last = now[1] if changed is None else changed + _SECOND
    first = created if first is None or first > last else first
    lower, upper = between_stamps(created, first, last)
    return Stage(name=name, lower=lower, upper=upper, clock=STAMPS_CLOCK), created + (lower + upper) / 2


def _pending(name: str, created: float, now: tuple[float, float], error: str) -> tuple[Stage, float, float]:
    """Nothing is known of its past but that it lasts: first seen now, so late by as much."""
    elapsed = max(0.0, now[0] - created - _SECOND)
    labels = {"error": error} if error else {}
    return still(name, elapsed, Outcome.RUNNING, **labels), now[1], elapsed
