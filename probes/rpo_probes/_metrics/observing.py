"""Events and gauge samples as observations."""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rpo_probes._metrics.counting import Event
from rpo_probes._metrics.gauges import Sample
from rpo_probes._metrics.readings import Identity
from rpo_probes._metrics.table import Metric, Timed
from rpo_sim.records import Observation

SOURCE = "prometheus"
_OF_THE_PROCESS = ("instance", "pod", "container", "node")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What all observations of one collection have in common."""

    platform: str
    cluster: str
    origin: str
    collection_id: str
    observed_at: datetime


def digest(origin: str, identity: Identity) -> str:
    """A short name of a series of one Prometheus, the same whenever it is collected."""
    text = "\n".join([origin, *(f"{name}={value}" for name, value in identity)])
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def moment(seconds: float) -> datetime:
    """Seconds since 1970 as an aware time."""
    return datetime.fromtimestamp(seconds, UTC)


def of_event(name: str, metric: Metric, timed: Timed, event: Event, scope: Scope) -> Observation:
    """The observation of what was counted in one window, or of one exact event."""
    window = moment(event.window_start)
    where = f"{name}/{digest(scope.origin, event.identity)}"
    if event.at is not None:
        event_id = f"{where}/{moment(event.at).isoformat(timespec='milliseconds')}"
    else:
        event_id = f"{where}/{event.lower:g}..{event.upper:g}/{window.isoformat(timespec='minutes')}"
    factor = metric.seconds_per_unit
    lower, upper = _widened(metric, event.lower * factor, event.upper * factor)
    return _observation(
        name, metric, timed, dict(event.identity), scope, event_id,
        lower_seconds=lower, upper_seconds=upper, count=event.count, started_at=window,
    )  # fmt: skip


def of_sample(name: str, metric: Metric, timed: Timed, sample: Sample, scope: Scope) -> Observation:
    """The observation of one value of a gauge, known by its stamp."""
    seconds = sample.value * metric.seconds_per_unit
    lower, upper = _widened(metric, seconds, seconds)
    begin = sample.stamp if metric.id_marks == "start" else sample.stamp - seconds
    event_id = f"{name}/{digest(scope.origin, _object(metric, sample.identity))}/{sample.stamp:.3f}"
    moved = sample.moved if sample.moved is not None and sample.moved > 0 else None
    return _observation(
        name, metric, timed, dict(sample.identity), scope, event_id,
        lower_seconds=lower, upper_seconds=upper, started_at=moment(begin),
        bytes_moved=None if moved is None else round(moved * metric.bytes_per_unit),
    )  # fmt: skip


def _object(metric: Metric, identity: Identity) -> Identity:
    """What a gauge speaks of, whichever process exports it: a new one repeats the last values of the old."""
    if metric.subject:
        return tuple((name, value) for name, value in identity if name in metric.subject)
    return tuple((name, value) for name, value in identity if name not in _OF_THE_PROCESS)


def _widened(metric: Metric, lower: float, upper: float) -> tuple[float, float]:
    """Bounds of the true duration; those of a duration never lie below 0."""
    if not (metric.below or metric.above):
        return lower, upper
    return max(lower - metric.below, 0.0), upper + metric.above if math.isfinite(upper) else upper


def _observation(
    name: str,
    metric: Metric,
    timed: Timed,
    labels: Mapping[str, str],
    scope: Scope,
    event_id: str,
    **measured: Any,
) -> Observation:
    return Observation(
        operation=timed.operation,
        stage=timed.stage,
        outcome=timed.ended,
        platform=scope.platform,
        cluster=scope.cluster,
        backend=metric.backend(labels),
        subject=metric.subject_of(labels),
        labels={"metric": name, **metric.kept_labels(labels)},
        clock=f"exporter's, by {name}",
        observed_at=scope.observed_at,
        source=SOURCE,
        event_id=event_id,
        operation_id=event_id,
        collection_id=scope.collection_id,
        **measured,
    )
