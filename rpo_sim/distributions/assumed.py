"""What people assume when nothing was measured: fixed, uniform, triangular, and a transfer rate."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import ClassVar, Self

import numpy as np

from rpo_sim.distributions.base import Distribution, FloatArray
from rpo_sim.distributions.parametric import LogNormal
from rpo_sim.distributions.registry import distribution_from_dict, register, require, to_dict
from rpo_sim.errors import ModelError


class _Plain(Distribution):
    """Distributions whose fields are their parameters."""

    __slots__ = ()

    def parameters(self) -> dict[str, object]:
        """The fields."""
        return asdict(self)  # type: ignore[call-overload, no-any-return]


@register
@dataclass(frozen=True, slots=True, kw_only=True)
class Fixed(_Plain):
    """Always the same duration.

    Attributes
    ----------
    seconds : float, seconds
        ≥ 0.
    """

    kind: ClassVar[str] = "fixed"
    seconds: float

    def __post_init__(self) -> None:
        """Refuse a negative duration."""
        require(self.kind, strict=False, seconds=self.seconds)

    def ppf(self, u: FloatArray) -> FloatArray:
        """The constant."""
        return np.full(np.shape(u), float(self.seconds))

    def cdf(self, x: FloatArray) -> FloatArray:
        """0 below the constant, 1 from it on."""
        return np.asarray(x >= self.seconds, dtype=float)

    def scaled(self, factor: float) -> "Fixed":
        """The constant × ``factor``."""
        require(self.kind, factor=factor)
        return Fixed(seconds=self.seconds * factor)


@register
@dataclass(frozen=True, slots=True, kw_only=True)
class Uniform(_Plain):
    """Anything between two bounds, equally likely.

    Attributes
    ----------
    low, high : float, seconds
        0 ≤ low < high.
    """

    kind: ClassVar[str] = "uniform"
    low: float
    high: float

    def __post_init__(self) -> None:
        """Refuse bounds out of order."""
        require(self.kind, strict=False, low=self.low)
        require(self.kind, minimum=self.low, high=self.high)

    def ppf(self, u: FloatArray) -> FloatArray:
        """Linear between the bounds."""
        return np.asarray(self.low + (self.high - self.low) * u)

    def cdf(self, x: FloatArray) -> FloatArray:
        """Linear between the bounds."""
        return np.clip((x - self.low) / (self.high - self.low), 0.0, 1.0)

    def scaled(self, factor: float) -> "Uniform":
        """Both bounds × ``factor``."""
        require(self.kind, factor=factor)
        return Uniform(low=self.low * factor, high=self.high * factor)


@register
@dataclass(frozen=True, slots=True, kw_only=True)
class Triangular(_Plain):
    """What people say: at least, usually, at most.

    Attributes
    ----------
    low, mode, high : float, seconds
        0 ≤ low ≤ mode ≤ high and low < high.
    """

    kind: ClassVar[str] = "triangular"
    low: float
    mode: float
    high: float

    def __post_init__(self) -> None:
        """Refuse numbers out of order."""
        require(self.kind, strict=False, low=self.low)
        require(self.kind, minimum=self.low, strict=False, mode=self.mode)
        require(self.kind, minimum=self.mode, strict=False, high=self.high)
        require(self.kind, minimum=self.low, high=self.high)

    def ppf(self, u: FloatArray) -> FloatArray:
        """Square roots on both sides of the mode."""
        width, left, right = self.high - self.low, self.mode - self.low, self.high - self.mode
        rising = self.low + np.sqrt(u * width * left)
        return np.where(u * width < left, rising, self.high - np.sqrt((1 - u) * width * right))

    def cdf(self, x: FloatArray) -> FloatArray:
        """Quadratic on both sides of the mode."""
        width, left, right = self.high - self.low, self.mode - self.low, self.high - self.mode
        x = np.clip(x, self.low, self.high)
        # a side of no width is never chosen below, so its denominator may be anything but 0
        rising = (x - self.low) ** 2 / (width * (left or 1.0))
        return np.where(x < self.mode, rising, 1 - (self.high - x) ** 2 / (width * (right or 1.0)))

    def scaled(self, factor: float) -> "Triangular":
        """All three numbers × ``factor``."""
        require(self.kind, factor=factor)
        return Triangular(low=self.low * factor, mode=self.mode * factor, high=self.high * factor)


@register
@dataclass(frozen=True, slots=True, kw_only=True)
class Shifted(Distribution):
    """A constant before a random duration.

    Attributes
    ----------
    offset_seconds : float, seconds
        ≥ 0.
    rest : Distribution
    """

    kind: ClassVar[str] = "shifted"
    offset_seconds: float
    rest: Distribution

    def __post_init__(self) -> None:
        """Refuse a negative offset."""
        require(self.kind, strict=False, offset_seconds=self.offset_seconds)

    def ppf(self, u: FloatArray) -> FloatArray:
        """The offset and the rest."""
        return self.offset_seconds + self.rest.ppf(u)

    @property
    def lognormal(self) -> tuple[float, float, float] | None:
        """With this offset, if the rest has none: sums are not to be regrouped."""
        rest = self.rest.lognormal
        return None if rest is None or rest[0] else (self.offset_seconds, *rest[1:])

    def cdf(self, x: FloatArray) -> FloatArray:
        """That of the rest, later by the offset."""
        return self.rest.cdf(x - self.offset_seconds)

    def scaled(self, factor: float) -> "Shifted":
        """Offset and rest × ``factor``."""
        return Shifted(offset_seconds=self.offset_seconds * factor, rest=self.rest.scaled(factor))

    def parameters(self) -> dict[str, object]:
        """The offset, and the rest as a nested distribution."""
        return {"offset_seconds": self.offset_seconds, "rest": to_dict(self.rest)}

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, object]) -> Self:
        """The inverse of `parameters`."""
        rest = distribution_from_dict(parameters["rest"])
        return cls(**{**parameters, "rest": rest})  # type: ignore[arg-type]

    @property
    def censored_end(self) -> bool:
        """Whether the rest has one."""
        return self.rest.censored_end

    def posterior_draw(self, generator: np.random.Generator) -> "Shifted":
        """The rest is drawn, the offset stays."""
        return Shifted(offset_seconds=self.offset_seconds, rest=self.rest.posterior_draw(generator))


@register
@dataclass(frozen=True, slots=True, kw_only=True)
class Rate(_Plain):
    """An assumed transfer: a fixed overhead, then bytes at a rate.

    It has no durations before it knows the size: ask it ``at(size_bytes=…)`` first.

    Attributes
    ----------
    median_bytes_per_second : float, bytes per second
        Half of the transfers are at least this fast.
    slow_bytes_per_second : float, bytes per second
        95 % of the transfers are at least this fast; at most the median rate.
    overhead_seconds : float, seconds
        Before the first byte; default 0.

    >>> hundred_mib = Rate(median_bytes_per_second=100 * 2**20, slow_bytes_per_second=25 * 2**20)
    >>> hundred_mib.at(size_bytes=2**30, concurrency=1).ppf(np.array([0.5, 0.95])).round(6).tolist()
    [10.24, 40.96]
    """

    kind: ClassVar[str] = "rate"
    median_bytes_per_second: float
    slow_bytes_per_second: float
    overhead_seconds: float = 0.0

    def __post_init__(self) -> None:
        """Refuse rates that are not positive, or a slow rate above the median."""
        slow, median = self.slow_bytes_per_second, self.median_bytes_per_second
        require(self.kind, median_bytes_per_second=median, slow_bytes_per_second=slow)
        require(self.kind, strict=False, overhead_seconds=self.overhead_seconds)
        if slow > median:
            raise ModelError(f"{self.kind}: slow_bytes_per_second {slow:g} is above the median {median:g}")

    def _unsized(self) -> ModelError:
        return ModelError("a rate has no durations without a size: state the bytes of this transfer")

    def ppf(self, u: FloatArray) -> FloatArray:
        """Refused: the size is not known."""
        del u
        raise self._unsized()

    def cdf(self, x: FloatArray) -> FloatArray:
        """Refused: the size is not known."""
        del x
        raise self._unsized()

    def at(self, *, size_bytes: int | None, concurrency: int) -> Distribution:
        """The duration of one transfer of ``size_bytes``; concurrency is the business of the shared link."""
        del concurrency
        if size_bytes is None:
            raise self._unsized()
        require(self.kind, strict=False, size_bytes=size_bytes)
        median = size_bytes / self.median_bytes_per_second
        slow = size_bytes / self.slow_bytes_per_second
        if math.isclose(median, slow):
            return Fixed(seconds=self.overhead_seconds + median)
        transfer = LogNormal.from_quantiles(p50=median, p95=slow)
        return (
            Shifted(offset_seconds=self.overhead_seconds, rest=transfer)
            if self.overhead_seconds
            else transfer
        )

    def scaled(self, factor: float) -> "Rate":
        """Durations × ``factor``: slower rates, longer overhead."""
        require(self.kind, factor=factor)
        return Rate(
            median_bytes_per_second=self.median_bytes_per_second / factor,
            slow_bytes_per_second=self.slow_bytes_per_second / factor,
            overhead_seconds=self.overhead_seconds * factor,
        )
