"""Distributions: exact numbers, refusals, and JSON both ways."""

import json
import math
import pickle

import numpy as np
import pytest
from scipy import stats

from rpo_sim.distributions import (
    Distribution,
    Empirical,
    Exponential,
    Fixed,
    Gamma,
    JeffreysPosterior,
    LogLogistic,
    LogNormal,
    NormalPosterior,
    Piecewise,
    Rate,
    Shifted,
    SizeScaled,
    Triangular,
    Uniform,
    Weibull,
    distribution_from_dict,
    sample,
    to_dict,
)
from rpo_sim.errors import ModelError, ScenarioError

COVARIANCE = ((0.01, 0.0, 0.001), (0.0, 1e-18, 0.0), (0.001, 0.0, 0.02))
EVERY: list[Distribution] = [
    Fixed(seconds=3.0),
    Uniform(low=1.0, high=2.0),
    Triangular(low=1.0, mode=2.0, high=4.0),
    Exponential(mean=3.0),
    LogNormal(mu=1.0, sigma=0.5, posterior=JeffreysPosterior(n=9, mean=1.0, sd=0.5)),
    Weibull(
        shape=1.5, scale=10.0, posterior=NormalPosterior(mean=(0.4, 2.3), covariance=((0.1, 0), (0, 0.2)))
    ),
    Gamma(shape=2.0, scale=5.0),
    LogLogistic(shape=3.0, scale=7.0),
    Shifted(offset_seconds=2.0, rest=Gamma(shape=2.0, scale=5.0)),
    Rate(median_bytes_per_second=100.0, slow_bytes_per_second=50.0, overhead_seconds=2.0),
    Empirical(values=(1.0, 2.0, 5.0), weights=(1.0, 1.0, 2.0), censored_ratio=0.1, n=40),
    Piecewise(values=(1.0, 2.0, 5.0), probabilities=(0.1, 0.5, 0.9), open_end=True, n=40),
    SizeScaled(
        overhead_seconds=1.0,
        seconds_per_byte=1e-8,
        contention=0.2,
        sigma=0.3,
        degrees=20,
        covariance=COVARIANCE,
    ),
]


@pytest.mark.parametrize("distribution", EVERY, ids=lambda item: item.kind)
def test_json_and_pickle_round_trip(distribution: Distribution) -> None:
    text = json.dumps(to_dict(distribution), allow_nan=False)
    assert distribution_from_dict(json.loads(text)) == distribution
    assert pickle.loads(pickle.dumps(distribution)) == distribution


@pytest.mark.parametrize(
    ("ours", "scipys"),
    [
        (Exponential(mean=3.0), stats.expon(scale=3.0)),
        (LogNormal(mu=1.0, sigma=0.5), stats.lognorm(0.5, scale=math.e)),
        (Weibull(shape=1.5, scale=10.0), stats.weibull_min(1.5, scale=10.0)),
        (Gamma(shape=2.0, scale=5.0), stats.gamma(2.0, scale=5.0)),
        (LogLogistic(shape=3.0, scale=7.0), stats.fisk(3.0, scale=7.0)),
        (Triangular(low=1.0, mode=2.0, high=4.0), stats.triang(1 / 3, loc=1.0, scale=3.0)),
        (Uniform(low=1.0, high=2.0), stats.uniform(1.0, 1.0)),
    ],
    ids=lambda item: getattr(item, "kind", ""),
)
def test_agrees_with_scipy(ours: Distribution, scipys: "stats.rv_frozen") -> None:  # type: ignore[name-defined, unused-ignore]
    u = np.array([1e-6, 0.1, 0.5, 0.95, 0.999999])
    x = scipys.ppf(u)
    np.testing.assert_allclose(ours.ppf(u), x, rtol=1e-10)
    np.testing.assert_allclose(ours.cdf(x), u, rtol=1e-9)
    if isinstance(ours, Exponential | LogNormal | Weibull | Gamma | LogLogistic):
        np.testing.assert_allclose(ours.logpdf(x), scipys.logpdf(x), rtol=1e-9)
        np.testing.assert_allclose(ours.sf(x), scipys.sf(x), rtol=1e-9)
        assert ours.cdf(np.array([-1.0, 0.0])).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("family", [LogNormal, Weibull, Gamma, LogLogistic])
@pytest.mark.parametrize("ratio", [1.001, 1.5, 4.0, 50.0, 1e6])
def test_from_quantiles_is_exact(
    family: type[LogNormal | Weibull | Gamma | LogLogistic], ratio: float
) -> None:
    found = family.from_quantiles(p50=300.0, p95=300.0 * ratio)
    np.testing.assert_allclose(found.ppf(np.array([0.5, 0.95])), [300.0, 300.0 * ratio], rtol=1e-9)


@pytest.mark.parametrize(("p50", "p95"), [(2.0, 2.0), (3.0, 2.0), (0.0, 2.0), (-1.0, 2.0), (math.nan, 2.0)])
def test_from_quantiles_refuses_what_no_distribution_has(p50: float, p95: float) -> None:
    for family in (LogNormal, Weibull, Gamma, LogLogistic):
        with pytest.raises(ModelError, match=r"p50|p95"):
            family.from_quantiles(p50=p50, p95=p95)


@pytest.mark.parametrize(
    "data",
    [
        None,
        {},
        {"kind": "lognormal"},
        {"kind": "normal", "parameters": {}},
        {"kind": ["lognormal"], "parameters": {}},
        {"kind": "lognormal", "parameters": []},
        {"kind": "lognormal", "parameters": {"mu": 1.0}},
        {"kind": "lognormal", "parameters": {"mu": 1.0, "sigma": 1.0, "tau": 1.0}},
        {"kind": "lognormal", "parameters": {"mu": "1", "sigma": 1.0}},
        {"kind": "lognormal", "parameters": {"mu": 1.0, "sigma": True}},
        {"kind": "lognormal", "parameters": {"mu": math.inf, "sigma": 1.0}},
        {"kind": "lognormal", "parameters": {"mu": 10**400, "sigma": 1.0}},
        {"kind": "empirical", "parameters": {"values": [1.0], "n": 2.5}},
        {"kind": "lognormal", "parameters": {"mu": 1.0, "sigma": 0.0}},
        {"kind": "lognormal", "parameters": {"mu": 1.0, "sigma": 1.0, "posterior": {"kind": "flat"}}},
        {"kind": "lognormal", "parameters": {"mu": 1, "sigma": 1, "posterior": {"kind": "jeffreys", "n": 1}}},
        {"kind": "weibull", "parameters": {"shape": -1.0, "scale": 1.0}},
        {"kind": "gamma", "parameters": {"shape": 1.0, "scale": math.nan}},
        {"kind": "fixed", "parameters": {"seconds": -1.0}},
        {"kind": "uniform", "parameters": {"low": 2.0, "high": 1.0}},
        {"kind": "triangular", "parameters": {"low": 1.0, "mode": 3.0, "high": 2.0}},
        {"kind": "empirical", "parameters": {"values": []}},
        {"kind": "empirical", "parameters": {"values": [1.0, -1.0]}},
        {"kind": "empirical", "parameters": {"values": [1.0], "weights": [0.0]}},
        {"kind": "empirical", "parameters": {"values": [1.0], "censored_ratio": 1.0}},
        {"kind": "empirical", "parameters": {"values": "12"}},
        {"kind": "piecewise", "parameters": {"values": [2.0, 1.0], "probabilities": [0.1, 0.9]}},
        {"kind": "piecewise", "parameters": {"values": [1.0, 2.0], "probabilities": [0.1, 1.0]}},
        {"kind": "rate", "parameters": {"median_bytes_per_second": 1.0, "slow_bytes_per_second": 2.0}},
        {"kind": "size_scaled", "parameters": {"overhead_seconds": 0.0, "sigma": 1.0}},
        {"kind": "size_scaled", "parameters": {"overhead_seconds": 1.0, "sigma": 1.0, "degrees": 3}},
        {"kind": "shifted", "parameters": {"offset_seconds": 1.0}},
        {"kind": "shifted", "parameters": {"offset_seconds": 1.0, "rest": {"kind": "x", "parameters": {}}}},
    ],
)
def test_a_mapping_that_is_no_distribution_is_refused(data: object) -> None:
    with pytest.raises(ScenarioError):
        distribution_from_dict(data)


def test_a_rate_needs_a_size() -> None:
    rate = Rate(median_bytes_per_second=100.0, slow_bytes_per_second=50.0, overhead_seconds=2.0)
    with pytest.raises(ModelError, match="size"):
        sample(rate, np.array([0.5]))
    with pytest.raises(ModelError, match="size"):
        rate.at(size_bytes=None, concurrency=1)
    transfer = rate.at(size_bytes=1000, concurrency=4)
    np.testing.assert_allclose(transfer.ppf(np.array([0.5, 0.95])), [12.0, 22.0])
    assert rate.at(size_bytes=0, concurrency=1) == Fixed(seconds=2.0)
    slower = rate.scaled(2.0).at(size_bytes=1000, concurrency=1)
    np.testing.assert_allclose(slower.ppf(np.array([0.5, 0.95])), [24.0, 44.0])


def test_an_empirical_distribution_is_a_step_function_and_stops_where_the_data_stop() -> None:
    known = Empirical(values=(4.0, 1.0, 2.0), weights=(1.0, 1.0, 2.0))
    assert known.ppf(np.array([0.25, 0.2500001, 0.75, 0.76, 0.999])).tolist() == [1.0, 2.0, 2.0, 4.0, 4.0]
    assert known.cdf(np.array([0.5, 1.0, 3.0, 4.0])).tolist() == [0.0, 0.25, 0.75, 1.0]
    censored = Empirical(values=(1.0, 2.0), censored_ratio=0.2)
    assert censored.censored_end
    assert sample(censored, np.array([0.39, 0.79, 0.81])).tolist() == [1.0, 2.0, math.inf]


def test_the_guard_refuses_infinity_without_a_censored_end() -> None:
    with pytest.raises(ModelError, match="finite"):
        sample(LogNormal(mu=700.0, sigma=40.0), np.array([0.5, 0.99]))


def test_piecewise_meets_its_edges_and_knows_where_it_is_open() -> None:
    closed = Piecewise(values=(1.0, 4.0, 16.0), probabilities=(0.1, 0.5, 0.9))
    np.testing.assert_allclose(closed.ppf(np.array([0.1, 0.5, 0.9, 0.99])), [1.0, 4.0, 16.0, 16.0])
    np.testing.assert_allclose(closed.cdf(np.array([0.5, 1.0, 4.0, 16.0])), [0.0, 0.1, 0.5, 1.0])
    assert closed.ppf(np.array(0.3)) == pytest.approx(math.exp(np.interp(
        stats.norm.ppf(0.3), stats.norm.ppf([0.1, 0.5]), [0.0, math.log(4.0)]
    )))  # fmt: skip
    opened = Piecewise(values=(1.0, 4.0), probabilities=(0.1, 0.5), open_end=True)
    assert opened.ppf(np.array([0.51]))[0] == math.inf
    assert opened.censored_end


def test_size_scaled_is_overhead_plus_bytes_slowed_by_company() -> None:
    disk = SizeScaled(overhead_seconds=2.0, seconds_per_byte=1e-3, contention=0.5, sigma=0.1)
    at = disk.at(size_bytes=3000, concurrency=3)
    assert at.mu == pytest.approx(math.log(10.0))
    assert at.sigma == 0.1
    with pytest.raises(ModelError, match="size"):
        disk.ppf(np.array([0.5]))
    with pytest.raises(ModelError, match="bytes"):
        disk.at(size_bytes=None, concurrency=1)
    assert SizeScaled(overhead_seconds=2.0, sigma=0.1).at(size_bytes=None, concurrency=9).mu == math.log(2.0)


@pytest.mark.parametrize("distribution", [item for item in EVERY if item.kind not in ("rate", "size_scaled")])
def test_scaled_multiplies_every_duration(distribution: Distribution) -> None:
    u = np.array([0.1, 0.5, 0.85])
    np.testing.assert_allclose(distribution.scaled(2.5).ppf(u), 2.5 * distribution.ppf(u))
    with pytest.raises(ModelError):
        distribution.scaled(0.0)


@pytest.mark.parametrize("distribution", EVERY, ids=lambda item: item.kind)
def test_scaling_and_drawing_commute(distribution: Distribution) -> None:
    def quantile(of: Distribution) -> float:
        return float(of.at(size_bytes=10**8, concurrency=2).ppf(np.array(0.5)))

    first = quantile(distribution.scaled(3.0).posterior_draw(np.random.default_rng(5)))
    second = 3.0 * quantile(distribution.posterior_draw(np.random.default_rng(5)))
    assert first == pytest.approx(second, rel=1e-9)


def test_assumed_distributions_have_no_posterior() -> None:
    generator = np.random.default_rng(1)
    for assumed in (Fixed(seconds=1.0), LogNormal(mu=0.0, sigma=1.0), Empirical(values=(1.0, 2.0))):
        assert assumed.posterior_draw(generator) == assumed


def test_jeffreys_draws_have_students_t_as_predictive() -> None:
    posterior = JeffreysPosterior(n=6, mean=2.0, sd=0.5)
    generator = np.random.default_rng(3)
    drawn = np.array([posterior.draw(generator) for _ in range(20_000)])
    predicted = drawn[:, 0] + np.exp(drawn[:, 1]) * generator.standard_normal(len(drawn))
    t = (predicted - 2.0) / (0.5 * math.sqrt(1 + 1 / 6))
    assert stats.kstest(t, stats.t(5).cdf).pvalue > 1e-4


def test_normal_posterior_draws_have_their_covariance() -> None:
    posterior = NormalPosterior(mean=(1.0, -2.0), covariance=((0.5, 0.3), (0.3, 0.4)))
    generator = np.random.default_rng(4)
    drawn = np.array([posterior.draw(generator) for _ in range(20_000)])
    np.testing.assert_allclose(np.cov(drawn.T), posterior.covariance, atol=0.02)
    np.testing.assert_allclose(drawn.mean(axis=0), posterior.mean, atol=0.02)


def test_size_scaled_draws_have_their_covariance() -> None:
    fitted = SizeScaled(
        overhead_seconds=5.0,
        seconds_per_byte=1e-8,
        contention=2.0,
        sigma=0.3,
        degrees=5000,
        covariance=COVARIANCE,
    )
    generator = np.random.default_rng(4)
    drawn = [fitted.posterior_draw(generator) for _ in range(10_000)]
    table = np.array([(one.overhead_seconds, one.seconds_per_byte, one.contention) for one in drawn])
    unit = np.array([1.0, 1e8, 1.0])
    np.testing.assert_allclose(
        np.cov((table * unit).T), np.array(COVARIANCE) * np.outer(unit, unit), atol=1e-3
    )
    assert np.std([one.sigma for one in drawn]) == pytest.approx(0.3 / math.sqrt(2 * 5000), rel=0.05)


def test_a_wide_posterior_never_reaches_an_infinite_duration() -> None:
    fitted = LogNormal(mu=5.0, sigma=1.0, posterior=JeffreysPosterior(n=2, mean=5.0, sd=1.0))
    generator = np.random.default_rng(7)
    for _ in range(3000):
        sample(fitted.posterior_draw(generator), np.array([0.5, 0.9999]))


def test_bootstrap_draws_vary_about_the_measured_shares() -> None:
    fitted = Empirical(values=(1.0, 2.0), weights=(0.3, 0.5), censored_ratio=0.2, n=100)
    generator = np.random.default_rng(2)
    drawn = [fitted.posterior_draw(generator) for _ in range(4000)]
    beyond = np.array([one.censored_ratio for one in drawn])
    assert beyond.mean() == pytest.approx(0.2, abs=0.003)
    assert beyond.std() == pytest.approx(math.sqrt(0.2 * 0.8 / 101), rel=0.05)
    buckets = Piecewise(values=(1.0, 2.0), probabilities=(0.3, 0.8), n=100)
    reached = np.array([buckets.posterior_draw(generator).probabilities[0] for _ in range(4000)])
    assert reached.mean() == pytest.approx(0.3, abs=0.003)
