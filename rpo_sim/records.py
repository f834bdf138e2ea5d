"""What is measured: one kind of record, a duration known to lie in an interval.

Exact samples, rounded time stamps, histogram buckets, time-outs and operations still running are all
`Observation`s, so that one likelihood (interval-censored, with counts) fits them all.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from rpo_sim.errors import RecordError


class Outcome(StrEnum):
    """How an operation ended; failures and unfinished ones are kept, never dropped."""

    SUCCEEDED = "succeeded"
    PARTIALLY_FAILED = "partially_failed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    RUNNING = "running"

    @property
    def finished(self) -> bool:
        """Whether this is a final state: a finished observation never reverts to running."""
        return self is not Outcome.RUNNING


def _refuse(record: object, what: str) -> RecordError:
    name = type(record).__name__.lower()
    identity = getattr(record, "event_id", None) or getattr(record, "collection_id", "?")
    return RecordError(f"{name} {identity!r}: {what}")


def _require_aware_utc(record: object, name: str, value: datetime | None) -> None:
    if value is not None and value.utcoffset() != timedelta(0):
        raise _refuse(record, f"{name} is {value!s}; times must be aware and in UTC")


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One measured duration, or `count` of them within the same bounds.

    Attributes
    ----------
    operation, stage : str
        What was timed (snapshot, backup, restore, sync, failover, boot, drill …) and which part of it
        (cut, ready, freeze_window, data, bound, boot, agent, application …).
    lower_seconds, upper_seconds : float, seconds
        The duration lies in ``[lower, upper]``; exact when equal; ``upper`` is inf for an operation that
        still ran or timed out after ``lower``.
    count : int
        1, or how many observations a histogram bucket holds.
    outcome : Outcome
    bytes_moved, bytes_capacity : int or None, bytes
        Bytes that travelled, and the size of what was restored: never one for the other.
    concurrency : int or None
        Like operations in flight on the same backend while this one ran, itself included.
    platform, cluster, backend, subject : str
        Where; ``backend`` is driver + storage class (or file system), ``subject`` namespace/name/uid.
    started_at, observed_at : datetime, UTC
        Start of the operation, and when this record was made.
    clock : str
        Which clock timed it and at which resolution, such as ``"monotonic, 1ns"``.
    source, event_id : str
        The probe, and the identity of the event within it: together the key of an upsert.
    operation_id : str
        Joins the stages of one operation, so that rows can be resampled whole.
    collection_id : str
        The collection that saw it.
    entry_seconds : float, seconds
        Left truncation: the operation was first seen this long after its start.
    labels : mapping of str to str
        Method, cache, full or incremental, driver version …
    disks : int or None
        Disks of the VM.
    verified : bool or None
        Whether the data was read back and compared; None when that was not tried.
    """

    operation: str
    stage: str
    lower_seconds: float
    upper_seconds: float
    count: int = 1
    outcome: Outcome = Outcome.SUCCEEDED
    bytes_moved: int | None = None
    bytes_capacity: int | None = None
    concurrency: int | None = None
    platform: str = ""
    cluster: str = ""
    backend: str = ""
    subject: str = ""
    started_at: datetime | None = None
    observed_at: datetime
    clock: str
    source: str
    event_id: str
    operation_id: str = ""
    collection_id: str = ""
    entry_seconds: float = 0.0
    labels: Mapping[str, str] = field(default_factory=dict)
    disks: int | None = None
    verified: bool | None = None

    def __post_init__(self) -> None:
        """Refuse a record that contradicts itself.

        Negative durations are kept (a clock stepped back): the fit flags them, nobody clamps them.
        """
        object.__setattr__(self, "outcome", Outcome(self.outcome))
        object.__setattr__(self, "labels", MappingProxyType(dict(self.labels)))
        for name in ("operation", "stage", "clock", "source", "event_id"):
            if not getattr(self, name):
                raise _refuse(self, f"{name} is empty")
        self._check_interval()
        for name in ("bytes_moved", "bytes_capacity"):
            value = getattr(self, name)
            if value is not None and value < 0:
                raise _refuse(self, f"{name} is {value}; a size cannot be negative")
        for name in ("count", "concurrency", "disks"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise _refuse(self, f"{name} is {value}; it counts from 1")
        _require_aware_utc(self, "started_at", self.started_at)
        _require_aware_utc(self, "observed_at", self.observed_at)

    def _check_interval(self) -> None:
        if not math.isfinite(self.lower_seconds) or math.isnan(self.upper_seconds):
            raise _refuse(
                self, f"the bounds are [{self.lower_seconds}, {self.upper_seconds}]; NaN is refused"
            )
        if self.upper_seconds < self.lower_seconds:
            raise _refuse(self, f"upper {self.upper_seconds} lies below lower {self.lower_seconds}")
        if not (math.isfinite(self.entry_seconds) and self.entry_seconds >= 0):
            raise _refuse(self, f"entry_seconds is {self.entry_seconds}; it counts from the start, ≥ 0")
        if self.outcome is Outcome.RUNNING and math.isfinite(self.upper_seconds):
            raise _refuse(self, "still running, so upper_seconds must be inf")

    @property
    def exact(self) -> bool:
        """Whether the duration is known, not only bounded."""
        return self.lower_seconds == self.upper_seconds

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle by field values: a mapping proxy does not pickle by itself."""
        return _rebuild_observation, ({**as_dict(self)},)


def as_dict(observation: Observation) -> dict[str, object]:
    """Field name to value, with plain labels; the order is that of the fields."""
    row = {name: getattr(observation, name) for name in Observation.__slots__}
    row["labels"] = dict(observation.labels)
    return row


def _rebuild_observation(row: dict[str, object]) -> Observation:
    return Observation(**row)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """One activity of a probe: its window, its version and what went wrong.

    Attributes
    ----------
    collection_id, source, probe_version : str
    window_start_at : datetime, UTC
    window_end_at : datetime, UTC, or None
        None while the collection has not ended (or was killed).
    settings : mapping of str to str
        The probe's settings, secrets left out.
    errors : tuple of str
        What could not be measured, in words; empty when all went well.
    """

    collection_id: str
    source: str
    probe_version: str
    window_start_at: datetime
    window_end_at: datetime | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    errors: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a record without identity or with times that are not UTC."""
        object.__setattr__(self, "settings", MappingProxyType(dict(self.settings)))
        object.__setattr__(self, "errors", tuple(self.errors))
        for name in ("collection_id", "source", "probe_version"):
            if not getattr(self, name):
                raise _refuse(self, f"{name} is empty")
        _require_aware_utc(self, "window_start_at", self.window_start_at)
        _require_aware_utc(self, "window_end_at", self.window_end_at)
