"""The measured durations themselves, when no family describes them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from rpo_sim.distributions.base import Distribution, FloatArray
from rpo_sim.distributions.lookup import reaching
from rpo_sim.distributions.registry import register, require, require_count
from rpo_sim.errors import ModelError


@register
@dataclass(frozen=True, slots=True, kw_only=True)
class Empirical(Distribution):
    """A step function over measured durations; it knows nothing beyond the longest one.

    Attributes
    ----------
    values : tuple of float, seconds
        Sorted on construction.
    weights : tuple of float or None
        Probabilities of the values (any positive scale); None weighs them equally.
    censored_ratio : float
        Probability that the duration lies beyond the last value, where nothing was observed to end;
        ``ppf`` is inf there. Default 0.
    n : int or None
        Observations behind it; with it `posterior_draw` is a Bayesian bootstrap. None for an assumption.

    >>> Empirical(values=(3.0, 1.0, 2.0, 4.0)).ppf(np.array([0.25, 0.5, 0.99])).tolist()
    [1.0, 2.0, 4.0]
    """

    kind: ClassVar[str] = "empirical"
    values: tuple[float, ...]
    weights: tuple[float, ...] | None = None
    censored_ratio: float = 0.0
    n: int | None = None

    def __post_init__(self) -> None:
        """Sort, and refuse NaN, inf, negative values and weights that are no probabilities."""
        values, weights = tuple(self.values), None if self.weights is None else tuple(self.weights)
        if not values or (weights is not None and len(weights) != len(values)):
            raise ModelError("empirical: there must be values, and as many weights as values")
        for value in values:
            require(self.kind, strict=False, value=value)
        for weight in weights or ():
            require(self.kind, weight=weight)
        require(self.kind, strict=False, censored_ratio=self.censored_ratio)
        if self.censored_ratio >= 1:
            raise ModelError(f"empirical: censored_ratio is {self.censored_ratio}; it must be below 1")
        if self.n is not None:
            require_count(self.kind, n=self.n)
        order = sorted(range(len(values)), key=values.__getitem__)
        object.__setattr__(self, "values", tuple(float(values[i]) for i in order))
        if weights is not None:
            object.__setattr__(self, "weights", tuple(float(weights[i]) for i in order))

    def _cumulative(self) -> FloatArray:
        weights = np.ones(len(self.values)) if self.weights is None else np.asarray(self.weights)
        cumulative = np.cumsum(weights)
        cumulative *= (1.0 - self.censored_ratio) / cumulative[-1]
        cumulative[-1] = 1.0 - self.censored_ratio  # exact, so that no draw falls off the end
        return cumulative

    def ppf(self, u: FloatArray) -> FloatArray:
        """The smallest value whose cdf reaches ``u``; inf beyond a censored end."""
        # 1 ulp of slack: 0.1 + 0.2 must still reach 0.3
        place = reaching(self._cumulative() * (1 + 1e-15), u)
        return np.append(self.values, math.inf)[place]

    def cdf(self, x: FloatArray) -> FloatArray:
        """The share of values at most ``x``."""
        steps = np.concatenate([[0.0], self._cumulative()])
        return np.asarray(steps[np.searchsorted(self.values, x, side="right")])

    def scaled(self, factor: float) -> "Empirical":
        """All values × ``factor``."""
        require(self.kind, factor=factor)
        return Empirical(
            values=tuple(value * factor for value in self.values),
            weights=self.weights,
            censored_ratio=self.censored_ratio,
            n=self.n,
        )

    def parameters(self) -> dict[str, object]:
        """Values, and what differs from the defaults."""
        optional = {"weights": list(self.weights) if self.weights is not None else None, "n": self.n}
        shown: dict[str, object] = {name: value for name, value in optional.items() if value is not None}
        if self.censored_ratio:
            shown["censored_ratio"] = self.censored_ratio
        return {"values": list(self.values), **shown}

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, object]) -> Self:
        """The inverse of `parameters`."""
        for name in ("values", "weights"):
            if not isinstance(parameters.get(name, []), list | tuple):
                raise ModelError(f"empirical: {name} must be a list of numbers")
        return cls(**parameters)  # type: ignore[arg-type]

    @property
    def censored_end(self) -> bool:
        """Whether some operations were never seen to end."""
        return self.censored_ratio > 0

    def posterior_draw(self, generator: np.random.Generator) -> "Empirical":
        """Bayesian bootstrap: Dirichlet weights; blind to the tail nobody has seen."""
        if self.n is None:
            return self
        shares = np.diff(self._cumulative(), prepend=0.0)
        mass = np.append(shares, self.censored_ratio) if self.censored_ratio else shares
        drawn = np.maximum(generator.standard_gamma(np.maximum(mass * self.n, 1e-3)), 1e-300)
        drawn /= drawn.sum()
        inside = drawn[: len(self.values)]
        return Empirical(
            values=self.values,
            weights=tuple(inside.tolist()),
            censored_ratio=float(max(0.0, 1 - inside.sum())) if self.censored_ratio else 0.0,
            n=self.n,
        )
