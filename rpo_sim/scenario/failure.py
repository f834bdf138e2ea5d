"""The failure: what it takes, and how long people need to see it and to decide."""

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from rpo_sim.scenario.hours import FailureHours
from rpo_sim.scenario.inputs import Duration, HumanDuration
from rpo_sim.scenario.quantities import Part


class Scope(StrEnum):
    """What the failure takes: every copy with the primary's label at that level.

    `admin` deletes what an administrator of the primary can delete; `partition` destroys nothing.
    """

    OBJECT = "object"
    NAMESPACE = "namespace"
    VOLUME = "volume"
    BACKEND = "backend"
    CLUSTER = "cluster"
    SITE = "site"
    REGION = "region"
    CONTROL_PLANE = "control-plane"
    ADMIN = "admin"
    PARTITION = "partition"


def _one_or_many(value: object) -> str:
    return "many" if isinstance(value, list | tuple) else "one"


_Scopes = Annotated[
    Annotated[Scope, Tag("one")]
    | Annotated[tuple[Scope, ...], Field(min_length=1, max_length=10), Tag("many")],
    Discriminator(_one_or_many),
]


class Corruption(Part):
    """Bad data, found some time after it began: points younger than `age` are unusable."""

    age: Duration


class CorruptionKind(Part):
    """The failure kind `corruption`."""

    corruption: Corruption


class Failure(Part):
    """What happens, and how long people take to see it and to decide."""

    scope: _Scopes
    kind: Literal["loss"] | CorruptionKind = "loss"
    detect: HumanDuration | None = None
    declare: HumanDuration | None = None
    time_of_day: FailureHours | None = None

    @property
    def scopes(self) -> tuple[Scope, ...]:
        """Every scope that fails in the one incident."""
        return (self.scope,) if isinstance(self.scope, Scope) else self.scope

    @property
    def scope_text(self) -> str:
        """The scopes, for people."""
        return " and ".join(self.scopes)

    @property
    def age(self) -> Duration | None:
        """Age of a corruption when it is found; None for a loss."""
        return self.kind.corruption.age if isinstance(self.kind, CorruptionKind) else None

    @model_validator(mode="after")
    def _corruption_is_found_at_failure(self) -> Self:
        if self.age is not None and self.detect is not None:
            raise ValueError(
                "`detect` beside a corruption: its age already says when it was found; remove `detect`"
            )
        return self
