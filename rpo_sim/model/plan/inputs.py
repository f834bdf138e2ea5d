"""Numbers of the plan that are drawn: durations and probabilities, with what they rest on."""

import functools
from dataclasses import dataclass

import numpy as np

from rpo_sim.distributions.base import Distribution
from rpo_sim.results import Evidence


@dataclass(frozen=True, kw_only=True)
class Input:
    """One uncertain number of the plan.

    Attributes
    ----------
    key : str
        Where it stands in the scenario, such as ``"recovery.data.duration"``.
    evidence : Evidence
    n : int
        Observations behind it; 0 for an assumption.
    source : str
        The measurement it is bound to, or ``"assumed"``.
    base : Distribution
        As fitted or assumed, before size and concurrency.
    sizes_bytes : tuple of (int or None)
        One per kind of member (group or disk): what `base` is asked for; None where size does not matter.
    concurrency : int
        Like transfers that may be in flight at once.
    factor : float
        1, or the factor under which an assumption is tried.
    restores : int
        Verified restores on the plan's own platform among the ``n``.
    """

    key: str
    evidence: Evidence
    n: int
    source: str
    base: Distribution
    sizes_bytes: tuple[int | None, ...] = (None,)
    concurrency: int = 1
    factor: float = 1.0
    restores: int = 0

    def drawn(self, generator: np.random.Generator | None) -> tuple[Distribution, ...]:
        """One distribution per kind of member, parameters drawn once from their posterior if given."""
        base = self.base if generator is None else self.base.posterior_draw(generator)
        sized = {size: base.at(size_bytes=size, concurrency=self.concurrency) for size in self.sizes_bytes}
        if self.factor != 1.0:
            sized = {size: distribution.scaled(self.factor) for size, distribution in sized.items()}
        return tuple(sized[size] for size in self.sizes_bytes)

    @functools.cached_property
    def undrawn(self) -> tuple[Distribution, ...]:
        """One distribution per kind of member, with the parameters as fitted or assumed."""
        return self.drawn(None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chance:
    """The probability that an attempt succeeds; ``n_failed`` of ``n`` attempts failed if it was measured."""

    key: str
    evidence: Evidence
    source: str
    probability: float
    n: int = 0
    n_failed: int = 0

    def drawn(self, generator: np.random.Generator | None) -> float:
        """The probability; where measured and a generator is given, from its Jeffreys posterior."""
        if generator is None or self.evidence is not Evidence.MEASURED:
            return self.probability
        return float(generator.beta(self.n - self.n_failed + 0.5, self.n_failed + 0.5))
