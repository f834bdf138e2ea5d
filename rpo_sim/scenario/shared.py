"""What VMs compete for: people, links, client limits, slots."""

from typing import Annotated, Self

from pydantic import BeforeValidator, Field, model_validator

from rpo_sim.scenario.contention import LinkContention
from rpo_sim.scenario.hours import DayAndNight, Shift, hands_by_time
from rpo_sim.scenario.inputs import Duration
from rpo_sim.scenario.quantities import (
    FASTEST_BYTES_PER_SECOND,
    BytesPerSecond,
    Name,
    Part,
    Positive,
    PositiveSeconds,
    Ratio,
)


class People(Part):
    """Hands: at most so many human steps at once; always, by day and night, or by shifts."""

    operators: Positive | DayAndNight | Annotated[tuple[Shift, ...], Field(min_length=1, max_length=100)]

    @property
    def hands(self) -> tuple[tuple[float, int], ...]:
        """(second of the day, people from then on); empty where it is always the same."""
        if isinstance(self.operators, int):
            return ()
        shifts = self.operators.shifts() if isinstance(self.operators, DayAndNight) else self.operators
        return hands_by_time(shifts)

    @property
    def most(self) -> int:
        """The most that are ever there."""
        return self.operators if isinstance(self.operators, int) else max(n for _, n in self.hands)


class Outages(Part):
    """Copies over the link stand still: on average `every` after the last ended, for `duration`."""

    every: PositiveSeconds
    duration: Duration


class Link(Part):
    """A shared pipe: streams share it equally, none faster than `per_stream`.

    They have `efficiency` of the `bandwidth` (protocol, encryption), less what is `reserved` for traffic
    that goes on during an incident. With `contention` the total depends on how many streams are in flight;
    it never exceeds that.
    """

    bandwidth: BytesPerSecond = FASTEST_BYTES_PER_SECOND
    efficiency: Annotated[Ratio, Field(gt=0)] = 1.0
    reserved: BytesPerSecond | None = None
    per_stream: BytesPerSecond | None = None
    contention: LinkContention | None = None
    location: Name | None = None
    outages: Outages | None = None

    @property
    def available(self) -> float:
        """What streams can share, in bytes per second."""
        return self.bandwidth * self.efficiency - (self.reserved or 0.0)

    @model_validator(mode="after")
    def _leaves_something(self) -> Self:
        if self.available <= 0:
            raise ValueError("nothing is left: `reserved` is as much as `efficiency` of the `bandwidth`")
        return self

    @model_validator(mode="after")
    def _has_a_rate(self) -> Self:
        if "bandwidth" not in self.model_fields_set and self.contention is None:
            raise ValueError("a link needs a `bandwidth`, or a `contention` curve that gives its throughput")
        return self


class Bucket(Part):
    """A client limit: `rate` tokens a second on average, at most `burst` at once."""

    rate: Annotated[
        str,
        BeforeValidator(lambda value: str(value) if isinstance(value, int) else value),  # lacks its "/s"
        Field(pattern=r"^[0-9]{1,9}(\.[0-9]{1,9})?/(s|m|h)$", examples=["5/s"]),
    ]
    burst: Positive

    @model_validator(mode="after")
    def _refills(self) -> Self:
        if self.tokens_per_second <= 0:
            raise ValueError(f"rate {self.rate} never refills; write a rate above 0, such as 5/s")
        return self

    @property
    def tokens_per_second(self) -> float:
        """The refill rate, in tokens per second."""
        number, unit = self.rate.split("/")
        return float(number) / {"s": 1.0, "m": 60.0, "h": 3600.0}[unit]


class Shared(Part):
    """What VMs compete for, on either platform."""

    people: People | None = None
    links: dict[Name, Link] = Field(default_factory=dict)
    buckets: dict[Name, Bucket] = Field(default_factory=dict)


class NodeSlots(Part):
    """Slots that grow with the cluster."""

    nodes: Positive
    per_node: Positive = 1


Slots = Positive | NodeSlots


def slot_count(slots: Slots) -> int:
    """How many may hold it at once."""
    return slots if isinstance(slots, int) else slots.nodes * slots.per_node
