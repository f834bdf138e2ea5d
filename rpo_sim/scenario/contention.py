"""How much slower each gets when several do the same at once: a law, a table, or a measurement."""

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from rpo_sim.scenario.inputs import BindingName
from rpo_sim.scenario.quantities import BytesPerSecond, Part, PositiveSeconds, Ratio, or_text


def _count(value: Any) -> Any:
    """Keys of a mapping are text; these are counts."""
    return int(value) if isinstance(value, str) and value.isdecimal() and len(value) < 8 else value


AtOnce = Annotated[int, BeforeValidator(_count), Field(ge=1, le=1_000_000, strict=True)]
_Points = Field(min_length=1, max_length=1000)


class Slowdown(Part):
    """How k at once slow each other: k ÷ (1 + sigma·(k − 1) + kappa·k·(k − 1)) times what one does.

    The universal scalability law: `sigma` is what they queue for, `kappa` what they cost each other.
    """

    sigma: Ratio
    kappa: Ratio = 0.0


class LinkLaw(Slowdown):
    """The law with the throughput of a single stream."""

    one: BytesPerSecond


class _Curve(Part):
    """Exactly one way to say it."""

    extrapolate: Literal["linear"] | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        ways = [name for name in type(self).model_fields if name not in ("extrapolate", "otherwise")]
        given = [name for name in ways if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"give exactly one of {', '.join(ways)}; found {', '.join(given) or 'none'}")
        if self.extrapolate is not None and given[0] not in ("throughput", "durations"):
            raise ValueError("`extrapolate` belongs to a table; for a measurement write it in `bind`")
        if getattr(self, "otherwise", None) is not None and given[0] != "measured":
            raise ValueError("`else` only follows `measured`")
        return self


class AssumedLinkContention(_Curve):
    """A law, or a table of the total throughput by streams in flight."""

    usl: LinkLaw | None = None
    throughput: Annotated[dict[AtOnce, BytesPerSecond], _Points] | None = None


class LinkContention(AssumedLinkContention):
    """How the total throughput of a link depends on the streams in flight."""

    measured: BindingName | None = None
    otherwise: AssumedLinkContention | None = Field(default=None, alias="else")


class AssumedStageContention(_Curve):
    """A law, or a table of the duration of each by how many run at once."""

    usl: Slowdown | None = None
    durations: Annotated[dict[AtOnce, PositiveSeconds], _Points] | None = None


class StageContention(AssumedStageContention):
    """How a stage slows down with how many run at once. The word `measured` means its own duration's."""

    model_config = ConfigDict(json_schema_extra=or_text)

    measured: BindingName | None = None
    otherwise: AssumedStageContention | None = Field(default=None, alias="else")

    @model_validator(mode="before")
    @classmethod
    def _plain_word(cls, value: Any) -> Any:
        return {"measured": value} if isinstance(value, str) else value
