"""The one interface of every duration distribution, and the guard between it and a simulation."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt

from rpo_sim.errors import ModelError

FloatArray = npt.NDArray[np.float64]


class Distribution(ABC):
    """A distribution of durations in seconds.

    Subclasses are frozen, slotted dataclasses of plain numbers, so that they pickle, compare and
    serialise. Sampling goes through the inverse CDF only (semantics: randomness).
    """

    __slots__ = ()
    kind: ClassVar[str]

    @abstractmethod
    def ppf(self, u: FloatArray) -> FloatArray:
        """Durations (float, seconds) at probabilities ``u`` in (0, 1); inf beyond a censored end."""

    @abstractmethod
    def cdf(self, x: FloatArray) -> FloatArray:
        """P(duration ≤ x) for ``x`` in seconds."""

    @abstractmethod
    def scaled(self, factor: float) -> "Distribution":
        """The distribution of ``factor`` × the duration; ``factor`` > 0."""

    @abstractmethod
    def parameters(self) -> dict[str, object]:
        """The numbers that define it, ready for JSON and for `from_parameters`."""

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, object]) -> Self:
        """The inverse of `parameters`."""
        return cls(**parameters)

    @property
    def censored_end(self) -> bool:
        """Whether the upper tail was never observed, so that `ppf` may return inf."""
        return False

    @property
    def lognormal(self) -> "tuple[float, float, float] | None":
        """(offset, mu, sigma) if it is offset + exp(mu + sigma·z) of a standard normal z; else None."""
        return None

    @property
    def needs_bytes(self) -> bool:
        """Whether `at` refuses to go without a size."""
        return False

    def at(self, *, size_bytes: int | None, concurrency: int) -> "Distribution":
        """The distribution for one transfer of this size among so many; itself if neither matters."""
        del size_bytes, concurrency
        return self

    def posterior_draw(self, generator: np.random.Generator) -> "Distribution":
        """The same family with parameters drawn once from their posterior; itself if nothing was fitted."""
        del generator
        return self


def sample(distribution: Distribution, u: FloatArray) -> FloatArray:
    """Durations for uniforms ``u``, refused before a simulation can see a bad one.

    Parameters
    ----------
    distribution : Distribution
    u : ndarray of float, any shape
        Uniforms in the open interval (0, 1).

    Returns
    -------
    ndarray of float, seconds, the shape of ``u``

    Raises
    ------
    ModelError
        If a draw is NaN or negative, or infinite without a censored end.
    """
    return checked(distribution, distribution.ppf(u))


def checked(distribution: Distribution, drawn: FloatArray) -> FloatArray:
    """The durations drawn, refused as `sample` says."""
    low, high = drawn.min(initial=0.0), drawn.max(initial=0.0)  # NaN if one is
    if low >= 0 and (high < np.inf or distribution.censored_end):
        return drawn
    bad = ~((drawn >= 0) & (distribution.censored_end | np.isfinite(drawn)))
    raise ModelError(
        f"a {distribution.kind} distribution drew {drawn[bad].flat[0]} s: durations must be finite and ≥ 0; "
        f"check its parameters {distribution.parameters()}"
    )
