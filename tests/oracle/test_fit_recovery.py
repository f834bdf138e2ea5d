"""Truth recovered from what a cluster would show, within the errors a separate study measured.

Each mean over seeds stands beside the error that the naive reading of the same data makes.
"""

import math

import numpy as np
import pytest

from rpo_sim.distributions import FloatArray, LogNormal, SizeScaled
from rpo_sim.distributions.choice import choose
from rpo_sim.distributions.likelihood import FAMILIES, Durations, durations, fit_family
from rpo_sim.distributions.size_fit import Transfers, fit_transfers

CSI = np.array([0, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 25, 50, 120, 300, 600, np.inf])
TAIL = np.array([0.5, 0.95, 0.99])


def noise(n: int, *key: int) -> FloatArray:
    return np.random.default_rng(key).standard_normal(n)


def bucketed(values: FloatArray) -> Durations:
    counts = np.histogram(values, bins=CSI)[0]
    seen = counts > 0
    return durations(
        list(zip(CSI[:-1][seen].tolist(), CSI[1:][seen].tolist(), strict=True)), count=counts[seen].tolist()
    )


@pytest.mark.parametrize(("n", "worst"), [(1000, (0.03, 0.05, 0.06)), (100_000, (0.003, 0.006, 0.008))])
def test_buckets_give_back_the_lognormal(n: int, worst: tuple[float, ...]) -> None:
    truth = LogNormal(mu=math.log(8), sigma=0.8)
    exact = truth.ppf(TAIL)
    errors = [
        np.abs(
            fit_family("lognormal", bucketed(8 * np.exp(0.8 * noise(n, 1, seed)))).distribution.ppf(TAIL)
            / exact
            - 1
        )
        for seed in range(30)
    ]
    assert np.all(np.mean(errors, axis=0) < worst)


def test_many_buckets_give_back_the_family_too() -> None:
    chosen = [choose(bucketed(8 * np.exp(0.8 * noise(5000, 2, seed))), tuple(FAMILIES)) for seed in range(20)]
    assert sum(one.distribution.kind == "lognormal" for one in chosen) >= 17


def test_operations_in_progress_are_not_taken_for_fast_ones() -> None:
    """300 starts over 8 h, seen at 8 h, median 1 h: completed ones alone are 38 % low at p95."""
    truth = LogNormal(mu=math.log(3600), sigma=1.0).ppf(np.array(0.95))
    full, naive = [], []
    for seed in range(40):
        age = np.random.default_rng([3, seed]).uniform(0, 8 * 3600, 300)
        value = 3600 * np.exp(noise(300, 4, seed))
        done = value < age
        rows = durations(
            [
                (v, v) if d else (a, math.inf)
                for v, a, d in zip(value.tolist(), age.tolist(), done, strict=True)
            ]
        )
        full.append(float(fit_family("lognormal", rows).distribution.ppf(np.array(0.95))) / truth - 1)
        naive.append(float(np.quantile(value[done], 0.95)) / truth - 1)
    assert abs(np.mean(full)) < 0.05
    assert np.mean(naive) < -0.3


def test_late_sight_is_corrected() -> None:
    """Those in progress at the start of the watch are the long ones: ignoring it is 15 % high."""
    truth = LogNormal(mu=math.log(3600), sigma=1.0).ppf(np.array(0.95))
    full, naive = [], []
    for seed in range(40):
        generator = np.random.default_rng([5, seed])
        start = generator.uniform(-20 * 3600, 24 * 3600, 700)
        value = 3600 * np.exp(generator.standard_normal(700))
        seen = start + value > 0
        value, entry = value[seen], np.maximum(-start[seen], 0.0)
        rows = durations([(v, v) for v in value.tolist()], entry=entry.tolist())
        full.append(float(fit_family("lognormal", rows).distribution.ppf(np.array(0.95))) / truth - 1)
        blind = durations([(v, v) for v in value.tolist()])
        naive.append(float(fit_family("lognormal", blind).distribution.ppf(np.array(0.95))) / truth - 1)
    assert abs(np.mean(full)) < 0.04
    assert np.mean(naive) > 0.08


def test_a_line_finds_overhead_and_throughput_and_their_posterior_covers_them() -> None:
    overhead, rate = 45.0, 0.2 * 2**30
    covered = []
    for seed in range(60):
        generator = np.random.default_rng([6, seed])
        size = np.exp(generator.uniform(math.log(5), math.log(300), 40)) * 2**30
        value = (overhead + size / rate) * np.exp(0.2 * generator.standard_normal(40))
        found = fit_transfers(
            Transfers(lower=value, upper=value, size_bytes=size, concurrency=np.ones(40)), allowed=["size"]
        )
        assert isinstance(found, SizeScaled)
        truth = overhead + 1500 * 2**30 / rate
        drawn = [
            math.exp(found.posterior_draw(generator).at(size_bytes=1500 * 2**30, concurrency=1).mu)
            for _ in range(100)
        ]
        low, high = np.quantile(drawn, [0.05, 0.95])
        covered.append(low <= truth <= high)
    assert 0.8 <= np.mean(covered) <= 0.99


def test_stragglers_do_not_bend_the_line() -> None:
    """5 % of the transfers take four times as long: least squares would pay for them with its slope."""
    errors = []
    for seed in range(40):
        generator = np.random.default_rng([12, seed])
        size = np.exp(generator.uniform(math.log(5), math.log(300), 40)) * 2**30
        value = (45.0 + size / 2e8) * np.exp(0.1 * generator.standard_normal(40))
        value[:2] *= 4
        ones = np.ones(40)
        found = fit_transfers(
            Transfers(lower=value, upper=value, size_bytes=size, concurrency=ones), allowed=["size"]
        )
        assert found is not None
        errors.append(found.at(size_bytes=10 * 2**30, concurrency=1).mu - math.log(45.0 + 10 * 2**30 / 2e8))
    assert np.sqrt(np.mean(np.square(errors))) < 0.06


def test_the_posterior_covers_p95_where_the_point_estimate_does_not() -> None:
    """Upper 95 % bound of p95 from 10 exact durations."""
    truth = LogNormal(mu=0.0, sigma=0.6)
    exact = float(truth.ppf(np.array(0.95)))
    above, plain = [], []
    for seed in range(200):
        values = truth.ppf(np.random.default_rng([7, seed]).random(10))
        found = fit_family("lognormal", durations([(v, v) for v in values.tolist()])).distribution
        generator = np.random.default_rng([8, seed])
        drawn = [float(found.posterior_draw(generator).ppf(np.array(0.95))) for _ in range(200)]
        above.append(np.quantile(drawn, 0.95) >= exact)
        plain.append(float(found.ppf(np.array(0.95))) >= exact)
    assert 0.90 <= np.mean(above) <= 0.99
    assert np.mean(plain) < 0.6


def test_the_predictive_covers_the_next_duration() -> None:
    """Student's t predictive: of the next durations 95 % lie below the pooled p95, from 10."""
    below = []
    for seed in range(300):
        generator = np.random.default_rng([9, seed])
        values = np.exp(0.6 * generator.standard_normal(10))
        found = fit_family("lognormal", durations([(v, v) for v in values.tolist()])).distribution
        drawn = [float(found.posterior_draw(generator).ppf(np.array(generator.random()))) for _ in range(400)]
        limit = np.quantile(drawn, 0.95)
        below.append(np.mean(np.exp(0.6 * generator.standard_normal(100)) <= limit))
    assert np.mean(below) == pytest.approx(0.95, abs=0.015)


def test_the_posterior_of_buckets_covers() -> None:
    truth = LogNormal(mu=math.log(8), sigma=0.8)
    exact = float(truth.ppf(np.array(0.95)))
    inside = []
    for seed in range(150):
        found = fit_family("lognormal", bucketed(8 * np.exp(0.8 * noise(100, 10, seed)))).distribution
        generator = np.random.default_rng([11, seed])
        drawn = [float(found.posterior_draw(generator).ppf(np.array(0.95))) for _ in range(200)]
        low, high = np.quantile(drawn, [0.05, 0.95])
        inside.append(low <= exact <= high)
    assert 0.83 <= np.mean(inside) <= 0.96


def test_heavily_censored_transfers_keep_their_spread() -> None:
    """Cut at the median of the largest size: what was imputed must not look like certainty."""
    spreads = []
    for seed in range(30):
        generator = np.random.default_rng([13, seed])
        size = np.tile([1e8, 1e9], 40)
        value = (2.0 + size / 5e7) * np.exp(0.3 * generator.standard_normal(80))
        cut = value > 20
        found = fit_transfers(
            Transfers(
                lower=np.minimum(value, 20.0),
                upper=np.where(cut, np.inf, value),
                size_bytes=size,
                concurrency=np.ones(80),
            ),
            allowed=["size"],
        )
        assert found is not None
        spreads.append(found.sigma)
    assert np.mean(spreads) == pytest.approx(0.3, rel=0.07)
