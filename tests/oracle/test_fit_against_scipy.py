"""The likelihood against independent ones: scipy's fits, its censored data, and a brute-force grid."""

import math

import numpy as np
import pytest
from scipy import stats

from rpo_sim.distributions import LogNormal, NormalPosterior
from rpo_sim.distributions.likelihood import FAMILIES, Durations, durations, fit_family, log_likelihood

SCIPY = {
    "lognormal": stats.lognorm,
    "weibull": stats.weibull_min,
    "gamma": stats.gamma,
    "loglogistic": stats.fisk,
}
EDGES = np.array([0, 1, 2.5, 5, 10, 15, 25, 50, np.inf])


def draw(n: int, seed: int) -> "np.typing.NDArray[np.float64]":
    return np.asarray(8.0 * np.exp(0.8 * np.random.default_rng(seed).standard_normal(n)))


def kinds(kind: str, n: int, seed: int) -> tuple[Durations, stats.CensoredData]:
    """The same data for both: exact, cut at 15, in buckets, or all three together."""
    values = draw(n, seed)
    place = np.searchsorted(EDGES, values, side="left")
    low, high = EDGES[place - 1], EDGES[place]
    if kind == "exact":
        low = high = values
    elif kind == "right":
        low, high = np.minimum(values, 15.0), np.where(values > 15, np.inf, values)
    elif kind == "mixed":
        third = np.arange(n) % 3
        low = np.where(third == 0, values, np.where(third == 1, low, np.minimum(values, 15.0)))
        high = np.where(third == 0, values, np.where(third == 1, high, np.where(values > 15, np.inf, values)))
    ours = durations(list(zip(low.tolist(), high.tolist(), strict=True)))
    exact, right = low == high, np.isinf(high)
    inside = ~exact & ~right
    theirs = stats.CensoredData(
        uncensored=low[exact], right=low[right], interval=np.column_stack([low[inside], high[inside]])
    )
    return ours, theirs


@pytest.mark.parametrize("kind", ["exact", "right", "bucket", "mixed"])
@pytest.mark.parametrize("family", list(FAMILIES))
def test_the_maximum_is_that_of_scipy(family: str, kind: str) -> None:
    ours, theirs = kinds(kind, 300, seed=17)
    found = fit_family(family, ours)
    shape, _, scale = SCIPY[family].fit(theirs, floc=0)
    expected = SCIPY[family](shape, scale=scale)
    u = np.array([0.05, 0.5, 0.95, 0.99])
    np.testing.assert_allclose(found.distribution.ppf(u), expected.ppf(u), rtol=2e-3)
    assert found.log_likelihood >= log_likelihood(_same(family, shape, scale), ours) - 1e-6


def _same(family: str, shape: float, scale: float):  # type: ignore[no-untyped-def]
    if family == "lognormal":
        return LogNormal(mu=math.log(scale), sigma=shape)
    return FAMILIES[family](shape=shape, scale=scale)  # type: ignore[call-arg]


@pytest.mark.parametrize("kind", ["right", "bucket", "mixed"])
def test_a_grid_finds_the_same_maximum_and_the_same_spread_of_the_posterior(kind: str) -> None:
    """Late entries too, which scipy's censored data cannot hold."""
    rows, _ = kinds(kind, 150, seed=23)
    entry = np.where(rows.lower > 4, 3.0, 0.0)
    rows = Durations(lower=rows.lower, upper=rows.upper, count=rows.count, entry=entry)
    found = fit_family("lognormal", rows).distribution
    assert isinstance(found, LogNormal)
    assert isinstance(found.posterior, NormalPosterior)
    mus = np.linspace(found.mu - 0.4, found.mu + 0.4, 81)
    logs = np.linspace(math.log(found.sigma) - 0.4, math.log(found.sigma) + 0.4, 81)
    surface = np.array(
        [[log_likelihood(LogNormal(mu=mu, sigma=math.exp(log)), rows) for log in logs] for mu in mus]
    )
    i, j = np.unravel_index(int(surface.argmax()), surface.shape)
    assert (int(i), int(j)) == (40, 40)
    weight = np.exp(surface - surface.max())
    weight /= weight.sum()
    deviation = math.sqrt(float((weight.sum(axis=1) * (mus - weight.sum(axis=1) @ mus) ** 2).sum()))
    assert math.sqrt(found.posterior.covariance[0][0]) == pytest.approx(deviation, rel=0.1)


def test_counts_are_repetitions() -> None:
    once = durations([(1, 2), (2, 4), (4, 8), (3, 3)], count=[3, 5, 2, 4])
    spelled = durations([(1, 2)] * 3 + [(2, 4)] * 5 + [(4, 8)] * 2 + [(3, 3)] * 4)
    assert fit_family("gamma", once) == fit_family("gamma", spelled)


def test_kaplan_meier_is_that_of_scipy() -> None:
    from rpo_sim.distributions.nonparametric import kaplan_meier

    ours, theirs = kinds("right", 200, seed=5)
    curve = stats.ecdf(theirs).cdf
    np.testing.assert_allclose(kaplan_meier(ours).cdf(curve.quantiles), curve.probabilities, atol=1e-12)
