"""What a fit still does not know: posteriors of parameters, drawn once per block of runs.

Both live in the *free* coordinates of a family (unbounded, such as ``(mu, log sigma)``), so that every
draw is a valid parameter vector.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from rpo_sim.distributions.base import FloatArray
from rpo_sim.distributions.registry import require, require_count
from rpo_sim.errors import ModelError

LARGEST_SPREAD = 50.0  # sd of a logarithm: beyond it a spread says "unknown", and exp would overflow


@dataclass(frozen=True, slots=True, kw_only=True)
class JeffreysPosterior:
    """Exact posterior of (mean, log sd) of a normal sample under the Jeffreys prior 1/σ².

    σ² = (n−1)·s²/χ²ₙ₋₁ and μ = m + σ/√n·z, whose predictive is Student's t with n − 1 degrees of freedom.

    Attributes
    ----------
    n : int
        Sample size, ≥ 2.
    mean, sd : float
        Mean and standard deviation (n − 1 in the denominator) of the sample.
    """

    n: int
    mean: float
    sd: float

    def __post_init__(self) -> None:
        """Refuse what no sample gives."""
        require_count("jeffreys posterior", minimum=2, n=self.n)
        require("jeffreys posterior", sd=self.sd)
        require("jeffreys posterior", minimum=-math.inf, mean=self.mean)

    def draw(self, generator: np.random.Generator) -> FloatArray:
        """One (mean, log sd)."""
        sd = min(self.sd * math.sqrt((self.n - 1) / generator.chisquare(self.n - 1)), LARGEST_SPREAD)
        mean = self.mean + sd / math.sqrt(self.n) * generator.standard_normal()
        return np.array([mean, math.log(sd)])

    def moved(self, index: int, amount: float) -> "JeffreysPosterior":
        """The posterior after the coordinate ``index`` (only the mean can) moved by ``amount``."""
        if index != 0:
            raise ModelError("only the mean of a Jeffreys posterior can move")
        return JeffreysPosterior(n=self.n, mean=self.mean + amount, sd=self.sd)

    def as_dict(self) -> dict[str, object]:
        """Ready for JSON."""
        return {"kind": "jeffreys", "n": self.n, "mean": self.mean, "sd": self.sd}


@dataclass(frozen=True, slots=True, kw_only=True)
class NormalPosterior:
    """Normal approximation from the observed information, for censored and grouped data.

    Attributes
    ----------
    mean : tuple of float
        The maximum-likelihood estimate, in free coordinates.
    covariance : tuple of tuple of float
        Inverse of the observed information there.
    """

    mean: tuple[float, ...]
    covariance: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        """Refuse NaN, a matrix of the wrong shape, or one that is no covariance."""
        object.__setattr__(self, "mean", tuple(self.mean))
        object.__setattr__(self, "covariance", tuple(tuple(row) for row in self.covariance))
        size = len(self.mean)
        if len(self.covariance) != size or any(len(row) != size for row in self.covariance):
            raise ModelError(f"normal posterior: the covariance of {size} parameters must be {size} × {size}")
        numbers = [*self.mean, *(value for row in self.covariance for value in row)]
        for value in numbers:
            require("normal posterior", minimum=-math.inf, value=value)
        matrix = np.asarray(self.covariance, dtype=float)
        if (
            not np.allclose(matrix, matrix.T)
            or np.linalg.eigvalsh(matrix).min() < -1e-9 * np.abs(matrix).max()
        ):
            raise ModelError("normal posterior: the covariance is not symmetric and non-negative")

    def draw(self, generator: np.random.Generator) -> FloatArray:
        """One parameter vector."""
        values, vectors = np.linalg.eigh(np.asarray(self.covariance, dtype=float))
        noise = vectors @ (np.sqrt(np.maximum(values, 0.0)) * generator.standard_normal(len(self.mean)))
        return np.asarray(self.mean + noise, dtype=float)

    def moved(self, index: int, amount: float) -> "NormalPosterior":
        """The posterior after the coordinate ``index`` moved by ``amount``."""
        mean = tuple(value + (amount if i == index else 0.0) for i, value in enumerate(self.mean))
        return NormalPosterior(mean=mean, covariance=self.covariance)

    def as_dict(self) -> dict[str, object]:
        """Ready for JSON."""
        return {
            "kind": "normal",
            "mean": list(self.mean),
            "covariance": [list(row) for row in self.covariance],
        }


Posterior = JeffreysPosterior | NormalPosterior


def posterior_from_dict(data: object) -> Posterior | None:
    """The inverse of ``as_dict``; None stays None.

    Raises
    ------
    ModelError
        If the mapping does not describe a posterior.
    """
    if data is None or isinstance(data, JeffreysPosterior | NormalPosterior):
        return data
    kinds: dict[object, type[Posterior]] = {"jeffreys": JeffreysPosterior, "normal": NormalPosterior}
    if not isinstance(data, Mapping) or data.get("kind") not in kinds:
        raise ModelError(f"a posterior is of kind jeffreys or normal, not {data!r:.80}")
    numbers = {key: value for key, value in data.items() if key != "kind"}
    return kinds[data["kind"]](**numbers)
