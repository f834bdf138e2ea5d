"""The estate: where VMs lie, what they hold, and what each tier must reach."""

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from rpo_sim import units
from rpo_sim.errors import UnitError
from rpo_sim.scenario.quantities import (
    Bytes,
    BytesPerSecond,
    Name,
    Part,
    Positive,
    PositiveSeconds,
    Ratio,
    Seconds,
    or_text,
)
from rpo_sim.scenario.target import Amount


class Location(Part):
    """A fault domain: what would fail together, and whose account can delete what lies there."""

    region: Name = "region"
    site: Name
    cluster: Name
    backend: Name
    admin: Name = "admin"


def _with_unit(value: object) -> object:
    if isinstance(value, int):
        raise ValueError(f"`{value}` has no unit: write a share such as 60%, or a size such as 40Gi")
    return value


class Disk(Part):
    """One virtual disk; `used` as a share of the capacity or a size."""

    capacity: Annotated[Bytes, Field(gt=0)]
    used: Annotated[str, BeforeValidator(_with_unit)] = "100%"

    @model_validator(mode="after")
    def _used_fits(self) -> Self:
        if self.used_bytes > self.capacity:
            raise ValueError(f"used {self.used} is more than the capacity")
        return self

    @property
    def used_bytes(self) -> int:
        """Bytes in use."""
        try:
            if self.used.strip().endswith("%"):
                return round(self.capacity * units.parse_ratio(self.used))
            return units.parse_bytes(self.used)
        except UnitError as error:
            raise ValueError(f"used: {error}") from None


class Need(Part):
    """What must be there before a group can begin: all VMs of another, or so many of them."""

    model_config = ConfigDict(json_schema_extra=or_text)

    group: Name
    at_least: Positive | None = None

    @model_validator(mode="before")
    @classmethod
    def _plain_name_means_all(cls, value: Any) -> Any:
        return {"group": value} if isinstance(value, str) else value


class Group(Part):
    """VMs that are alike: a count, disks, and how fast their data changes.

    `change` maps a window to the unique bytes written within a window of that length; `writes` is
    the average rate of all writes, rewritten bytes included, as a journal holds them. `demand` is what one
    VM takes at the recovery site: memory, cores, quota, licences.
    """

    name: Name
    count: Positive = 1
    tier: Name
    application: Name | None = None
    disks: Annotated[tuple[Disk, ...], Field(min_length=1, max_length=256)]
    change: dict[str, Bytes] = Field(default_factory=dict)
    writes: BytesPerSecond | None = None
    needs: tuple[Need, ...] = ()
    demand: dict[Name, Amount] = Field(default_factory=dict)

    @property
    def used_bytes(self) -> int:
        """Bytes in use on all disks of one VM."""
        return sum(disk.used_bytes for disk in self.disks)

    @property
    def capacity_bytes(self) -> int:
        """Capacity of all disks of one VM."""
        return sum(disk.capacity for disk in self.disks)


class Estate(Part):
    """The VMs that the failure takes away."""

    groups: Annotated[tuple[Group, ...], Field(min_length=1, max_length=1000)]


class Objective(Part):
    """What a tier must reach, in which share of incidents, and who says so."""

    rpo: Seconds
    rto: Seconds
    share_of_incidents: Annotated[Ratio, Field(gt=0)]
    clock: Literal["failure", "declaration"] = "failure"
    owner: str | None = None
    drill_every: PositiveSeconds = 365 * 86400.0
