"""The recovery procedure: path, waves, limits, and the stages."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from rpo_sim.scenario.contention import StageContention
from rpo_sim.scenario.inputs import Duration, HumanDuration, Probability, Times
from rpo_sim.scenario.quantities import (
    Bytes,
    BytesPerSecond,
    Name,
    Part,
    Positive,
    PositiveSeconds,
    Reason,
    Retries,
    or_text,
)
from rpo_sim.scenario.shared import Slots
from rpo_sim.scenario.target import Amount


class PathStep(Part):
    """One way to recover: the newest usable point of a copy, by a method.

    Where points are tried one by one, `at_most` so many are.
    """

    copy_: Name = Field(alias="copy")
    method: Name
    at_most: Positive | None = None


class Concurrency(Part):
    """Jobs in flight: held from the first VM stage through `until`."""

    limit: Positive
    until: Name | None = None


class Waves(Part):
    """Groups recovered together; the next wave starts when all before it passed `barrier` or failed."""

    order: Annotated[tuple[tuple[Name, ...], ...], Field(min_length=1)]
    by: Literal["orchestrator", "script", "people"] = "script"
    barrier: Name | None = None
    differs_because: Reason | None = None


POINT_BYTES = ("changed", "written", "chain")  # what a run decides, by the point that is restored
AFTERWARDS = ("migrate", "failback", "reprotect", "cleanup")  # after the RTA, never in it
StageKind = Literal[
    "contain", "services", "fence", "promote", "prepare", "data", "attach", "network", "boot",
    "application", "reconcile", "verify", "release", "migrate", "failback", "reprotect", "cleanup",
]  # fmt: skip
Unit = Literal["incident", "wave", "group", "vm", "disk", "application"]


class Stage(Part):
    """One part of the recovery: what is timed, once per what, by whom, competing for what."""

    stage: StageKind
    name: Name | None = None
    when: Annotated[tuple[Name, ...], Field(json_schema_extra=or_text)] = ()
    once_per: Unit = "vm"
    by: str | None = None
    duration: Duration | None = None
    times: Positive | Times | None = None
    bytes: Literal["used", "capacity", "changed", "written", "chain"] | Bytes | None = None
    over: Name | None = None
    scan_rate: BytesPerSecond | None = None
    contention: StageContention | None = None
    slots: dict[Name, Slots] = Field(default_factory=dict)
    tokens: dict[Name, Positive] | Literal["measured"] = Field(default_factory=dict)
    timeout: PositiveSeconds | None = None
    success: Probability | None = None
    retries: Retries = 0
    differs_because: Reason | None = None

    @model_validator(mode="before")
    @classmethod
    def _one_when(cls, value: Any) -> Any:
        if isinstance(value, dict) and isinstance(value.get("when"), str):
            return value | {"when": [value["when"]]}
        return value

    @model_validator(mode="after")
    def _takes_time(self) -> Self:
        if self.duration is None and self.over is None and self.scan_rate is None:
            raise ValueError("a stage needs a `duration`, or `bytes` moved `over` a link")
        if self.scan_rate is not None and (self.over is not None or self.bytes is None):
            raise ValueError("a `scan_rate` reads the `bytes` of a stage that is `over` no link")
        if self.over is not None and self.bytes is None:
            raise ValueError("`over` a link needs `bytes`: used, capacity, changed, written, chain or a size")
        return self

    @model_validator(mode="after")
    def _measured_whole(self) -> Self:
        if self.tokens != "measured":
            return self
        if self.duration is None or self.duration.measured is None:
            raise ValueError("`tokens: measured` needs `duration: {measured: NAME}` beside it")
        own = ("over", "times", "slots", "timeout", "retries")
        given = [name for name in own if getattr(self, name)]
        if given:
            raise ValueError(
                f"`tokens: measured` brings limits and queue of its own; remove {', '.join(given)} here, or "
                "state the tokens"
            )
        return self

    @property
    def stated_tokens(self) -> dict[str, int]:
        """Tokens by bucket; empty where they come with the measurement."""
        return {} if self.tokens == "measured" else self.tokens

    @property
    def key(self) -> str:
        """Its name in results, unique within a recovery."""
        return self.name or self.stage

    @property
    def afterwards(self) -> bool:
        """Whether it comes after the recovery."""
        return self.stage in AFTERWARDS

    @property
    def human(self) -> bool:
        """Whether people do it."""
        return self.by == "people"


class Recovery(Part):
    """The procedure: which copies in which order, waves, limits, and the stages."""

    path: Annotated[tuple[PathStep, ...], Field(min_length=1, max_length=20)]
    choose: Literal["listed", "freshest-clean", "fastest-within-rpo"] = "listed"
    points: Literal["known", "tried"] = "known"
    concurrency: Concurrency | None = None
    waves: Waves | None = None
    target: dict[Name, Amount] = Field(default_factory=dict)
    repair: HumanDuration | None = None
    stages: Annotated[tuple[Stage, ...], Field(min_length=1, max_length=100)]
