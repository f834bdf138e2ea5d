"""Copies: the levels of a protection policy."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from rpo_sim.scenario.estate import Group
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


class Cycle(Part):
    """One full copy per `full`, incrementals between; `bytes` and `duration` are those of a full."""

    full: PositiveSeconds
    bytes: Literal["used", "capacity"] | Bytes = "used"
    duration: Duration | None = None

    def full_bytes(self, group: Group) -> int:
        """Bytes of a full of one VM of the group."""
        if isinstance(self.bytes, int):
            return self.bytes
        return group.used_bytes if self.bytes == "used" else group.capacity_bytes


class RestoreTest(Part):
    """A restore of this copy for real, so often."""

    every: PositiveSeconds


class CopyFields(Part):
    """A copy as written: everything but the name may come from the shared list or the platform."""

    kind: Literal["snapshot", "backup", "replica", "vault"] | None = None
    from_: Name | None = Field(default=None, alias="from")
    every: Interval | Literal["back-to-back", "synchronous"] | None = None
    offset: Seconds | None = None
    stagger: Literal["none", "uniform"] | None = None
    overlap: Literal["allow", "skip", "queue", "coalesce", "replace"] | None = None
    slots: Annotated[dict[Name, Slots], Field(max_length=1)] | None = None
    cut: Literal["after_slot", "before_slot"] | None = None
    cut_together: Annotated[bool, Field(strict=True)] | None = None
    hold: Seconds | None = None
    cycle: Cycle | None = None
    duration: Duration | None = None
    bytes: Literal["used", "capacity", "change"] | Bytes | None = None
    over: Name | None = None
    lag: Lag | None = None
    timeout: Seconds | None = None
    retries: Retries | None = None
    retention: Retention | None = None
    location: Name | None = None
    inside: Literal["vm", "volume", "control-plane"] | None = None
    consistency: Literal["crash", "filesystem", "application"] | None = None
    immutable: Seconds | None = None
    success: Probability | None = None
    restore_test: RestoreTest | None = None

    @property
    def synchronous(self) -> bool:
        """Whether each write is acknowledged only when this copy has it too."""
        return self.every == "synchronous"

    @property
    def by_link(self) -> bool:
        """Whether its link alone says how long a run takes."""
        return self.duration is None and self.over is not None


class SharedCopy(CopyFields):
    """A copy written once for all platforms."""

    name: Name


class PlatformCopy(CopyFields):
    """What a platform adds to a shared copy, changes (with a reason), or leaves out."""

    omit: Annotated[bool, Field(strict=True)] = False
    differs_because: Reason | None = None
