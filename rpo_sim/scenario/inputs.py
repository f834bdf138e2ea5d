"""The inputs of a scenario that are uncertain: durations, probabilities, counts; measured or assumed."""

from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field, model_validator

from rpo_sim import distributions
from rpo_sim.distributions import Distribution
from rpo_sim.scenario.quantities import (
    BytesPerSecond,
    Part,
    PositiveSeconds,
    Ratio,
    Seconds,
    or_text,
)

BindingName = Annotated[str, Field(pattern=r"^[a-z0-9_-]+(\.[a-z0-9_-]+)*$", max_length=63)]


class Quantiles(Part):
    """Median and 95th percentile of a duration."""

    p50: Seconds
    p95: Seconds

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not 0 < self.p50 < self.p95:
            raise ValueError("p50 must be above 0 and below p95; write `fixed` for a constant")
        return self


class TriangularShape(Part):
    """Least, most likely and greatest duration."""

    low: Seconds
    mode: Seconds
    high: Seconds

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not (self.low <= self.mode <= self.high and self.low < self.high):
            raise ValueError("low ≤ mode ≤ high must hold, and low < high")
        return self


class UniformShape(Part):
    """Any duration between two, equally likely."""

    low: Seconds
    high: Seconds

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.low < self.high:
            raise ValueError("low must be below high; write `fixed` for a constant")
        return self


class ExponentialShape(Part):
    """Memoryless duration with this mean."""

    mean: PositiveSeconds


class RateShape(Part):
    """A transfer: overhead + bytes ÷ rate; the rate exceeds `p5` in 95 % of transfers."""

    p50: BytesPerSecond
    p5: BytesPerSecond
    overhead: Seconds = 0.0

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.p5 < self.p50:
            raise ValueError("p5 is the slow rate and must be below p50")
        return self


class Values(Part):
    """Durations seen, each as likely as the others."""

    values: Annotated[tuple[Seconds, ...], Field(min_length=1, max_length=10_000)]


class Shape(Part):
    """A distribution of durations: exactly one of its kinds. A plain duration means `fixed`."""

    model_config = ConfigDict(json_schema_extra=or_text)

    fixed: Seconds | None = None
    lognormal: Quantiles | None = None
    weibull: Quantiles | None = None
    gamma: Quantiles | None = None
    loglogistic: Quantiles | None = None
    triangular: TriangularShape | None = None
    uniform: UniformShape | None = None
    exponential: ExponentialShape | None = None
    rate: RateShape | None = None
    empirical: Values | None = None

    @model_validator(mode="before")
    @classmethod
    def _plain_duration_is_fixed(cls, value: Any) -> Any:
        return {"fixed": value} if isinstance(value, str | int) else value

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        given = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(given) != 1:
            kinds = ", ".join(type(self).model_fields)
            raise ValueError(f"give exactly one of {kinds}; found {', '.join(given) or 'none'}")
        return self

    def distribution(self) -> Distribution:
        """The distribution that it describes, in seconds."""
        for family in (
            distributions.LogNormal,
            distributions.Weibull,
            distributions.Gamma,
            distributions.LogLogistic,
        ):
            quantiles: Quantiles | None = getattr(self, family.kind)
            if quantiles is not None:
                return family.from_quantiles(p50=quantiles.p50, p95=quantiles.p95)
        if self.triangular is not None:
            shape = self.triangular
            return distributions.Triangular(low=shape.low, mode=shape.mode, high=shape.high)
        if self.uniform is not None:
            return distributions.Uniform(low=self.uniform.low, high=self.uniform.high)
        if self.exponential is not None:
            return distributions.Exponential(mean=self.exponential.mean)
        if self.rate is not None:
            return distributions.Rate(
                median_bytes_per_second=self.rate.p50,
                slow_bytes_per_second=self.rate.p5,
                overhead_seconds=self.rate.overhead,
            )
        if self.empirical is not None:
            return distributions.Empirical(values=self.empirical.values)
        return distributions.Fixed(seconds=self.fixed or 0.0)


class Assumed(Part):
    """What is assumed until it is measured."""

    assumed: Shape


class Duration(Part):
    """How long something takes: measured (with an assumption to fall back on), or assumed."""

    measured: BindingName | None = None
    otherwise: Assumed | None = Field(default=None, alias="else")
    assumed: Shape | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.measured is None) == (self.assumed is None):
            raise ValueError("give either `measured: NAME` or `assumed: …`")
        if self.otherwise is not None and self.measured is None:
            raise ValueError("`else` only follows `measured`")
        return self

    def assumption(self) -> Shape | None:
        """The stated assumption, or that which stands in where nothing was measured."""
        return self.assumed or (self.otherwise.assumed if self.otherwise else None)


class HumanDuration(Duration):
    """A duration and who acts."""

    by: str | None = None


class Lag(Duration):
    """A duration, where a plain one is short for an assumption."""

    model_config = ConfigDict(json_schema_extra=or_text)

    @model_validator(mode="before")
    @classmethod
    def _plain_is_assumed(cls, value: Any) -> Any:
        return {"assumed": value} if isinstance(value, str | int) else value


class AssumedRatio(Part):
    """A probability that is assumed until it is measured."""

    assumed: Ratio


class Probability(Part):
    """The share of attempts that succeed: measured, or assumed."""

    measured: BindingName | None = None
    otherwise: AssumedRatio | None = Field(default=None, alias="else")
    assumed: Ratio | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.measured is None) == (self.assumed is None):
            raise ValueError("give either `measured: NAME` or `assumed: …%`")
        if self.otherwise is not None and self.measured is None:
            raise ValueError("`else` only follows `measured`")
        return self

    def assumption(self) -> float | None:
        """The stated probability, or that which stands in where nothing was measured."""
        if self.assumed is not None:
            return self.assumed
        return self.otherwise.assumed if self.otherwise else None


class CountQuantiles(Part):
    """Median and 95th percentile of a whole number of times, at least 1."""

    p50: Annotated[int, Field(ge=1, le=1000, strict=True)]
    p95: Annotated[int, Field(ge=2, le=1000, strict=True)]

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.p50 < self.p95:
            raise ValueError("p50 must be below p95; write a plain number for a constant")
        return self


class Times(Part):
    """How often a stage must be gone through; a plain number is fixed."""

    assumed: CountQuantiles
