"""Copies: the levels of a protection policy."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from rpo_sim.scenario.inputs import Duration, Lag, Probability
from rpo_sim.scenario.quantities import (
    Bytes,
    Interval,
    Name,
    Part,
    Positive,
    PositiveSeconds,
    Reason,
    Retries,
    Seconds,
)
from rpo_sim.scenario.shared import Slots


class Retention(Part):
    """How long points are kept: the newest `count`, for a time, or by calendar."""

    count: Positive | None = None
    keep: PositiveSeconds | None = None
    daily: Positive | None = None
    weekly: Positive | None = None
    monthly: Positive | None = None

    @model_validator(mode="after")
    def _one_rule(self) -> Self:
        calendar = any((self.daily, self.weekly, self.monthly))
        if sum((self.count is not None, self.keep is not None, calendar)) != 1:
            raise ValueError("give one of `count`, `keep`, or calendar rules (daily, weekly, monthly)")
        return self


class RestoreTest(Part):
    """A restore of this copy for real, so often."""

    every: PositiveSeconds


class CopyFields(Part):
    """A copy as written: everything but the name may come from the shared list or the platform."""

    kind: Literal["snapshot", "backup", "replica", "vault"] | None = None
    every: Interval | Literal["back-to-back"] | None = None
    offset: Seconds | None = None
    stagger: Literal["none", "uniform"] | None = None
    overlap: Literal["allow", "skip", "queue", "coalesce", "replace"] | None = None
    slots: Annotated[dict[Name, Slots], Field(max_length=1)] | None = None
    cut: Literal["after_slot", "before_slot"] | None = None
    duration: Duration | None = None
    bytes: Literal["used", "capacity", "change"] | Bytes | None = None
    over: Name | None = None
    lag: Lag | None = None
    timeout: Seconds | None = None
    retries: Retries | None = None
    retention: Retention | None = None
    location: Name | None = None
    inside: Literal["vm", "volume"] | None = None
    consistency: Literal["crash", "filesystem", "application"] | None = None
    immutable: Seconds | None = None
    success: Probability | None = None
    restore_test: RestoreTest | None = None


class SharedCopy(CopyFields):
    """A copy written once for all platforms."""

    name: Name


class PlatformCopy(CopyFields):
    """What a platform adds to a shared copy, changes (with a reason), or leaves out."""

    omit: Annotated[bool, Field(strict=True)] = False
    differs_because: Reason | None = None
