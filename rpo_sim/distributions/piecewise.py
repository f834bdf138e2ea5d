"""A distribution known at the edges of a histogram, when no family passes."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from rpo_sim.distributions import special
from rpo_sim.distributions.base import Distribution, FloatArray
from rpo_sim.distributions.registry import register, require, require_count
from rpo_sim.errors import ModelError


@register
@dataclass(frozen=True, slots=True, kw_only=True)
class Piecewise(Distribution):
    """Lognormal between known quantiles: linear in (log value, probit of the probability).

    Attributes
    ----------
    values : tuple of float, seconds
        > 0, rising.
    probabilities : tuple of float
        P(duration ≤ value), in (0, 1), rising.
    open_end : bool
        Whether durations lie beyond the last value (the overflow bucket), so that ``ppf`` is inf there.
    n : int or None
        Observations behind it; None for an assumption.
    """

    kind: ClassVar[str] = "piecewise"
    values: tuple[float, ...]
    probabilities: tuple[float, ...]
    open_end: bool = False
    n: int | None = None

    def __post_init__(self) -> None:
        """Refuse values or probabilities that do not rise."""
        object.__setattr__(self, "values", tuple(self.values))
        object.__setattr__(self, "probabilities", tuple(self.probabilities))
        if len(self.values) < 2 or len(self.values) != len(self.probabilities):
            raise ModelError("piecewise: there must be at least two values, and as many probabilities")
        before, reached = 0.0, 0.0
        for value, probability in zip(self.values, self.probabilities, strict=True):
            require(self.kind, minimum=before, value=value)
            require(self.kind, minimum=reached, probability=probability)
            before, reached = value, probability
        if reached >= 1:
            raise ModelError(f"piecewise: the last probability is {reached}; it must be below 1")
        if self.n is not None:
            require_count(self.kind, n=self.n)

    def ppf(self, u: FloatArray) -> FloatArray:
        """Interpolated; the last value, or inf with an open end, beyond the last probability."""
        known = special.ndtri(self.probabilities)
        beyond = math.inf if self.open_end else self.values[-1]
        inside = np.exp(np.interp(special.ndtri(u), known, np.log(self.values)))
        return np.where(np.asarray(u) > self.probabilities[-1], beyond, inside)

    def cdf(self, x: FloatArray) -> FloatArray:
        """Interpolated; 0 below the first value, and 1 from the last on unless the end is open."""
        with np.errstate(divide="ignore"):
            logs = np.log(np.maximum(x, 0.0))
        inside = special.ndtr(np.interp(logs, np.log(self.values), special.ndtri(self.probabilities)))
        high = self.probabilities[-1] if self.open_end else 1.0
        outside = np.where(np.asarray(x) < self.values[0], 0.0, high)
        within = (np.asarray(x) >= self.values[0]) & (np.asarray(x) < self.values[-1])
        return np.where(within, inside, outside)

    def scaled(self, factor: float) -> "Piecewise":
        """All values × ``factor``."""
        require(self.kind, factor=factor)
        return Piecewise(
            values=tuple(value * factor for value in self.values),
            probabilities=self.probabilities,
            open_end=self.open_end,
            n=self.n,
        )

    def parameters(self) -> dict[str, object]:
        """The fields."""
        row: dict[str, object] = {"values": list(self.values), "probabilities": list(self.probabilities)}
        return row | {"open_end": self.open_end} | ({} if self.n is None else {"n": self.n})

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, object]) -> Self:
        """The inverse of `parameters`."""
        if not isinstance(parameters.get("open_end", False), bool):
            raise ModelError("piecewise: open_end is true or false")
        return cls(**parameters)  # type: ignore[arg-type]

    @property
    def censored_end(self) -> bool:
        """Whether durations lie beyond the last value."""
        return self.open_end

    def posterior_draw(self, generator: np.random.Generator) -> "Piecewise":
        """Dirichlet shares of the buckets; itself for an assumption."""
        if self.n is None:
            return self
        mass = np.diff(self.probabilities, prepend=0.0, append=1.0) * self.n
        drawn = generator.standard_gamma(mass) + 1e-9
        reached = np.cumsum(drawn)[:-1] / drawn.sum()
        return Piecewise(
            values=self.values, probabilities=tuple(reached.tolist()), open_end=self.open_end, n=self.n
        )
