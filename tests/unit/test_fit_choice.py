"""Which family is chosen, and when none is."""

import math

import numpy as np
import pytest

from rpo_sim.distributions import Empirical, LogNormal, Parametric, Piecewise
from rpo_sim.distributions.choice import choose
from rpo_sim.distributions.goodness import goodness_of_fit
from rpo_sim.distributions.likelihood import FAMILIES, Durations, durations, fit_family
from rpo_sim.distributions.nonparametric import kaplan_meier, nonparametric
from rpo_sim.errors import FitError

EVERY = tuple(FAMILIES)
CSI = np.array([0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 25, 50, 120, 300, 600])


def exact(values: "np.typing.NDArray[np.float64]") -> Durations:
    return durations([(value, value) for value in values.tolist()])


def bucketed(values: "np.typing.NDArray[np.float64]") -> Durations:
    edges = np.concatenate([[0.0], CSI, [math.inf]])
    counts = np.histogram(values, bins=edges)[0]
    rows = [(low, high, count) for low, high, count in zip(edges, edges[1:], counts, strict=False) if count]
    return durations([(low, high) for low, high, _ in rows], count=[int(count) for _, _, count in rows])


def two_modes(n: int, seed: int = 5) -> "np.typing.NDArray[np.float64]":
    generator = np.random.default_rng(seed)
    centre = np.where(generator.random(n) < 0.7, 2.0, 60.0)
    return np.asarray(centre * np.exp(0.3 * generator.standard_normal(n)))


def test_few_durations_get_the_cautious_tail() -> None:
    values = np.random.default_rng(2).weibull(1.5, 40) * 10
    assert choose(exact(values), EVERY).distribution.kind == "lognormal"
    assert choose(exact(values), ("weibull", "gamma")).distribution.kind in ("weibull", "gamma")


@pytest.mark.parametrize(
    ("family", "seed"), [("lognormal", 1), ("weibull", 2), ("gamma", 3), ("loglogistic", 4)]
)
def test_many_durations_show_their_family(family: str, seed: int) -> None:
    truth = FAMILIES[family].from_quantiles(p50=8.0, p95=40.0)
    values = truth.ppf(np.random.default_rng(seed).random(3000))
    choice = choose(exact(values), EVERY)
    assert choice.distribution.kind == family
    assert choice.goodness_p is not None
    assert choice.goodness_p > 0.05


def test_two_modes_are_no_family() -> None:
    choice = choose(exact(two_modes(500)), EVERY)
    assert isinstance(choice.distribution, Empirical)
    assert "no family fits" in choice.warnings[0]
    assert choice.distribution.n == 500


def test_two_modes_in_a_histogram_are_read_at_its_edges() -> None:
    values = two_modes(100_000)
    choice = choose(bucketed(values), EVERY)
    assert isinstance(choice.distribution, Piecewise)
    below = choice.distribution.cdf(CSI[3:11])
    np.testing.assert_allclose(below, [(values <= edge).mean() for edge in CSI[3:11]], atol=1e-4)
    assert not choice.distribution.censored_end


def test_a_wrong_family_that_is_used_all_the_same_says_so() -> None:
    choice = choose(exact(two_modes(40)), EVERY)
    assert isinstance(choice.distribution, LogNormal)
    assert choice.goodness_p is not None
    assert choice.goodness_p < 0.05
    assert "too few" in choice.warnings[0]


def test_the_overflow_bucket_makes_p95_the_word_of_the_family() -> None:
    values = 200 * np.exp(np.random.default_rng(6).standard_normal(2000))
    choice = choose(bucketed(values), EVERY)
    assert any("extrapolated" in text for text in choice.warnings)


def test_three_buckets_are_the_least() -> None:
    with pytest.raises(FitError, match="at least 3"):
        fit_family("lognormal", durations([(10, 15), (15, 25)], count=[100, 100]))
    choice = choose(durations([(10, 15), (15, 25), (25, math.inf)], count=[100, 95, 5]), EVERY)
    assert isinstance(choice.distribution, Empirical)
    assert choice.distribution.values == (15.0, 25.0)
    assert choice.distribution.censored_ratio == pytest.approx(0.025)
    assert "upper bound" in choice.warnings[0]


@pytest.mark.parametrize(
    "bounds", [[(-1.0, 2.0)], [(math.nan, 2.0)], [(3.0, 2.0)], [(0.0, 0.0)], [(math.inf, math.inf)]]
)
def test_bounds_that_no_duration_has_are_refused(bounds: list[tuple[float, float]]) -> None:
    with pytest.raises(FitError, match="finite bounds"):
        durations(bounds)


def test_kaplan_meier_by_hand() -> None:
    """Ends at 1, 2, 4; cut at 3; one seen from 1.5 on, which ends at 5."""
    rows = durations([(1, 1), (2, 2), (3, math.inf), (4, 4), (5, 5)], entry=[0.0, 0.0, 0.0, 0.0, 1.5])
    found = kaplan_meier(rows)
    # at risk: 4 before 1, then 3 + 1 late = 4 before 2, 2 before 4, 1 before 5
    survival = [3 / 4, 3 / 4 * 3 / 4, 3 / 4 * 3 / 4 / 2, 0.0]
    np.testing.assert_allclose(1 - found.cdf(np.array([1.0, 2.0, 4.0, 5.0])), survival, atol=1e-12)


def test_kaplan_meier_ends_open_where_the_last_one_was_cut() -> None:
    found = nonparametric(durations([(1, 1), (2, 2), (3, math.inf), (3, math.inf)]))
    assert found.ppf(np.array([0.5, 0.51])).tolist() == [2.0, math.inf]


def test_goodness_is_uniform_when_the_family_is_true_and_tiny_when_it_is_not() -> None:
    truth = LogNormal(mu=2.0, sigma=0.8)
    levels = []
    for seed in range(60):
        rows = exact(truth.ppf(np.random.default_rng(seed).random(200)))
        p = goodness_of_fit(fit_family("lognormal", rows).distribution, rows)
        assert p is not None
        levels.append(p)
    assert np.mean(np.array(levels) > 0.05) >= 0.85
    assert 0.35 < np.mean(levels) < 0.65
    rows = exact(two_modes(200))
    wrong: Parametric = fit_family("lognormal", rows).distribution
    assert goodness_of_fit(wrong, rows) < 1e-6  # type: ignore[operator]


def test_an_interval_begins_at_the_first_sight_of_it() -> None:
    assert durations([(1.0, 9.0)], entry=[3.0]).lower.tolist() == [3.0]
    with pytest.raises(FitError, match="after it had ended"):
        durations([(1.0, 2.0)], entry=[3.0])


def test_the_mean_is_a_free_check() -> None:
    """A log-logistic this wide has hardly a mean; the durations have one."""
    values = np.exp(1.8 * np.random.default_rng(2).standard_normal(250))
    choice = choose(exact(values), ("loglogistic",))
    assert any("misses the measured" in text for text in choice.warnings)
    assert choose(exact(values), ("lognormal",)).warnings == ()


def test_a_histogram_that_begins_above_zero_keeps_its_first_edge() -> None:
    found = nonparametric(durations([(1, 2), (2, 4), (4, 8)], count=[50, 30, 20]))
    assert isinstance(found, Piecewise)
    assert found.values == (1.0, 2.0, 4.0, 8.0)
