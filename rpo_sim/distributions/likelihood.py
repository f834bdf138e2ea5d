"""One likelihood for exact, rounded, bucketed, unfinished and late-seen durations.

Each row says that ``count`` durations lie in ``[lower, upper]`` and were first seen ``entry`` after their
start: interval censoring with counts and left truncation.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import optimize

from rpo_sim.distributions.base import FloatArray
from rpo_sim.distributions.parametric import Gamma, LogLogistic, LogNormal, Parametric, Weibull
from rpo_sim.distributions.posterior import JeffreysPosterior, NormalPosterior, Posterior
from rpo_sim.errors import FitError, ModelError

FAMILIES: dict[str, type[LogNormal | Weibull | Gamma | LogLogistic]] = {
    family.kind: family for family in (LogNormal, Weibull, Gamma, LogLogistic)
}
_FREE_LIMIT = 300.0  # |log of a parameter|: beyond it exp overflows, and no duration needs it
_TINY = 1e-300


@dataclass(frozen=True, slots=True, kw_only=True)
class Durations:
    """The rows of the likelihood: equally long arrays, durations in seconds."""

    lower: FloatArray
    upper: FloatArray
    count: FloatArray
    entry: FloatArray

    @property
    def n(self) -> int:
        """How many durations, censored ones included."""
        return int(self.count.sum())

    @property
    def exact(self) -> npt.NDArray[np.bool_]:
        """Rows whose duration is known."""
        return np.equal(self.lower, self.upper)

    @property
    def right(self) -> npt.NDArray[np.bool_]:
        """Rows that had not ended."""
        return np.isinf(self.upper)

    @property
    def typical(self) -> FloatArray:
        """One plausible value per row: starting points and residuals, never the likelihood."""
        low, high = self.lower, np.where(self.right, self.lower * 2, self.upper)
        return np.where(low > 0, np.sqrt(np.maximum(low, _TINY) * high), high / 2)

    def merged(self) -> "Durations":
        """Equal rows counted together."""
        table = np.column_stack([self.lower, self.upper, self.entry])
        unique, place = np.unique(table, axis=0, return_inverse=True)
        count = np.asarray(np.bincount(place.ravel(), weights=self.count), dtype=float)
        return Durations(lower=unique[:, 0], upper=unique[:, 1], entry=unique[:, 2], count=count)


def durations(
    bounds: Sequence[tuple[float, float]],
    *,
    count: Sequence[int] | None = None,
    entry: Sequence[float] | None = None,
) -> Durations:
    """Rows from pairs of bounds, in seconds; counts default to 1 and entries to 0.

    Raises
    ------
    FitError
        If a bound is negative or NaN, or lower ≥ upper where it must not be.
    """
    table = np.asarray(bounds, dtype=float).reshape(-1, 2)
    lower, upper = table[:, 0], table[:, 1]
    if not (
        np.all(np.isfinite(lower)) and np.all(lower >= 0) and np.all(upper >= lower) and np.all(upper > 0)
    ):
        raise FitError("a duration needs finite bounds 0 ≤ lower ≤ upper, and upper > 0")
    counts = np.ones(len(table)) if count is None else np.asarray(count, dtype=float)
    entries = np.zeros(len(table)) if entry is None else np.asarray(entry, dtype=float)
    if np.any(entries > upper):
        raise FitError("an operation was first seen after it had ended")
    late = ~np.equal(lower, upper)  # an interval begins at the first sight of it
    lower = np.where(late, np.maximum(lower, entries), lower)
    return Durations(lower=lower, upper=upper, count=counts, entry=entries).merged()


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyFit:
    """A family at its maximum of the likelihood.

    Attributes
    ----------
    distribution : Parametric
        With its posterior.
    log_likelihood, aic : float
    """

    distribution: Parametric
    log_likelihood: float
    aic: float


def log_likelihood(distribution: Parametric, rows: Durations) -> float:
    """Logarithm of the probability (density, for exact rows) of all rows."""
    exact = rows.exact
    terms = np.empty(len(rows.lower))
    terms[exact] = distribution.logpdf(rows.lower[exact])
    low, high = rows.lower[~exact], rows.upper[~exact]
    # subtract on the side where both numbers are small: no cancellation in the upper tail
    below, above = distribution.cdf(low), distribution.sf(low)
    inside = np.where(below < 0.5, distribution.cdf(high) - below, above - distribution.sf(high))
    terms[~exact] = np.log(np.maximum(inside, _TINY))
    late = rows.entry > 0
    if late.any():
        terms[late] -= np.log(np.maximum(distribution.sf(rows.entry[late]), _TINY))
    return float(rows.count @ terms)


def fit_family(family: str, rows: Durations) -> FamilyFit:
    """Maximum likelihood of one family (lognormal, weibull, gamma or loglogistic).

    Raises
    ------
    FitError
        If the family is unknown or the rows do not determine its two parameters.
    """
    if family not in FAMILIES:
        raise FitError(f"unknown family {family!r}; known: {', '.join(FAMILIES)}")
    _require_determined(rows)
    cls = FAMILIES[family]

    def loss(free: FloatArray) -> float:
        if not np.all(np.abs(free) < _FREE_LIMIT):
            return math.inf
        try:
            value = -log_likelihood(cls.from_free(free), rows)
        except ModelError:
            return math.inf
        return value if math.isfinite(value) else math.inf

    start = _start(cls, rows)
    found = optimize.minimize(
        loss, start, method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-9, "maxiter": 2000}
    )
    if not math.isfinite(found.fun):
        raise FitError(f"the {family} likelihood has no maximum on these durations")
    best = np.asarray(found.x, dtype=float)
    distribution = cls.from_free(best)
    posterior = _posterior(distribution, rows, loss, best)
    return FamilyFit(
        distribution=distribution.with_posterior(posterior),
        log_likelihood=-float(found.fun),
        aic=2 * float(found.fun) + 2 * len(best),
    )


def _require_determined(rows: Durations) -> None:
    ended = ~rows.right
    distinct = int(ended.sum())
    if distinct < 3 and not (rows.exact & ended).any():
        raise FitError(f"{distinct} non-empty buckets; two parameters need at least 3")
    if rows.count[ended].sum() < 3:
        raise FitError(f"{int(rows.count[ended].sum())} finished durations; two parameters need at least 3")
    if rows.lower[ended].max() <= rows.upper[ended].min():
        raise FitError("all durations could be the same one: nothing shows their spread")


def _start(cls: type[LogNormal | Weibull | Gamma | LogLogistic], rows: Durations) -> FloatArray:
    logs = np.log(rows.typical)
    mean = float(np.average(logs, weights=rows.count))
    spread = max(math.sqrt(float(np.average((logs - mean) ** 2, weights=rows.count))), 0.01)
    return cls.from_quantiles(p50=math.exp(mean), p95=math.exp(mean + 1.645 * min(spread, 5.0))).free()


def _posterior(
    distribution: Parametric, rows: Durations, loss: Callable[[FloatArray], float], best: FloatArray
) -> Posterior:
    if isinstance(distribution, LogNormal) and rows.exact.all() and not rows.entry.any():
        logs, n = np.log(rows.lower), rows.n
        mean = float(np.average(logs, weights=rows.count))
        variance = float(rows.count @ (logs - mean) ** 2) / (n - 1)
        return JeffreysPosterior(n=n, mean=mean, sd=math.sqrt(variance))
    covariance = np.linalg.pinv(_hessian(loss, best), hermitian=True)
    if not np.all(np.isfinite(covariance)) or np.linalg.eigvalsh(covariance).min() <= 0:
        raise FitError(
            f"these durations do not determine the parameters of a {distribution.kind} distribution"
        )
    covariance = (covariance + covariance.T) / 2
    return NormalPosterior(
        mean=tuple(best.tolist()), covariance=tuple(tuple(row) for row in covariance.tolist())
    )


def _hessian(loss: Callable[[FloatArray], float], at: FloatArray, step: float = 1e-4) -> FloatArray:
    size = len(at)
    unit = np.eye(size) * step
    hessian = np.empty((size, size))
    for i in range(size):
        for j in range(size):
            corners = [loss(at + a * unit[i] + b * unit[j]) * a * b for a in (1, -1) for b in (1, -1)]
            hessian[i, j] = math.fsum(corners) / (4 * step**2)
    return hessian
