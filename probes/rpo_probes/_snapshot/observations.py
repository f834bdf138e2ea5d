"""Objects into observations, the same for all modes: one event has one identity however it was seen."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from rpo_probes._snapshot.facts import SnapshotFacts
from rpo_sim.probe import ProbeContext
from rpo_sim.records import Observation, Outcome

SOURCE = "volume_snapshot"
CLIENT_CLOCK = "client monotonic, from request or watch event to watch event"
STAMPS_CLOCK = "API server, whole seconds"
CUT_CLOCK = "storage's nanoseconds since the API server's second of creation"
_SECOND = 1.0  # what a stamp cut off to whole seconds may hide
_LONGEST_POLL = 300.0  # seconds: an unready snapshot is asked for after 1, 2, 4 … and at most so many


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """How long one part took: between two bounds in seconds."""

    name: str
    lower: float
    upper: float
    outcome: Outcome = Outcome.SUCCEEDED
    clock: str = CLIENT_CLOCK
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One snapshot or restore, with the stages that are known."""

    operation: str
    uid: str
    subject: str
    started_at: datetime
    stages: tuple[Stage, ...]
    backend: str = ""
    concurrency: int | None = None
    bytes_moved: int | None = None
    bytes_capacity: int | None = None
    entry_seconds: float = 0.0
    verified: bool | None = None
    labels: Mapping[str, str] = field(default_factory=dict)


def observations_of(
    done: Operation, context: ProbeContext, *, platform: str, cluster: str
) -> list[Observation]:
    """The rows of one operation, for one batch."""
    observed_at = context.now()
    return [
        Observation(
            operation=done.operation,
            stage=stage.name,
            lower_seconds=stage.lower,
            upper_seconds=stage.upper,
            outcome=stage.outcome,
            bytes_moved=done.bytes_moved,
            bytes_capacity=done.bytes_capacity,
            concurrency=done.concurrency,
            platform=platform,
            cluster=cluster,
            backend=done.backend,
            subject=done.subject,
            started_at=done.started_at,
            observed_at=observed_at,
            clock=stage.clock,
            source=SOURCE,
            event_id=f"{done.uid}/{done.operation}/{stage.name}/1",
            operation_id=f"{done.uid}/{done.operation}",
            collection_id=context.collection_id,
            entry_seconds=done.entry_seconds,
            labels={**done.labels, **stage.labels},
            disks=1,
            verified=done.verified,
        )
        for stage in done.stages
    ]


def cut_stage(
    facts: SnapshotFacts, cut_ns: int | None, created: tuple[float, float] | None = None
) -> Stage | None:
    """From the creation of the object until its data was frozen; None while that is not known.

    Parameters
    ----------
    facts : SnapshotFacts
    cut_ns : int or None, nanoseconds
        The content's own stamp; without it the snapshot's, in whole seconds.
    created : (float, float), seconds since 1970
        Tighter bounds on the moment of creation than the whole second of its stamp.
    """
    if facts.cut is None:
        return None
    low, high = created or (facts.created, facts.created + _SECOND)
    first, last = (facts.cut, facts.cut + _SECOND) if cut_ns is None else (cut_ns / 1e9, cut_ns / 1e9)
    clock = STAMPS_CLOCK if cut_ns is None else CUT_CLOCK
    return Stage(name="cut", lower=first - high, upper=last - low, clock=clock)


def between_stamps(start: float, first: float, last: float) -> tuple[float, float]:
    """The duration from a whole-second stamp until a moment within [first, last); not below zero.

    >>> between_stamps(100.0, 101.0, 102.0)
    (0.0, 2.0)
    """
    return max(0.0, first - start - _SECOND), max(0.0, last - start)


def since_last_poll(cut_seen: float, ready_seen: float) -> float:
    """The earliest moment at which a snapshot may have been ready that was first seen cut and not ready.

    The sidecar asks the driver again 1, 3, 7, 15 … seconds after it learnt of the cut, each pause twice the
    last, and at most 300 s: the snapshot became ready after the last time it was not.

    >>> since_last_poll(10.0, 17.1), since_last_poll(0.0, 2000.0)
    (13.05, 1700.0)
    """
    return max(cut_seen + max(0.0, (ready_seen - cut_seen - 1.0) / 2), ready_seen - _LONGEST_POLL)


def still(name: str, elapsed: float, outcome: Outcome, **labels: str) -> Stage:
    """A part that had not ended: it takes longer than this."""
    return Stage(name=name, lower=max(0.0, elapsed), upper=math.inf, outcome=outcome, labels=labels)


def utc(seconds: float) -> datetime:
    """A moment from seconds since 1970."""
    return datetime.fromtimestamp(seconds, UTC)
