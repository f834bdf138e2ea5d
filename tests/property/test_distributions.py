"""Every distribution: monotone, inverted exactly, never surprised by a mapping."""

import contextlib
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rpo_sim.distributions import (
    Distribution,
    Empirical,
    Exponential,
    Gamma,
    LogLogistic,
    LogNormal,
    Piecewise,
    Rate,
    Triangular,
    Uniform,
    Weibull,
    distribution_from_dict,
    sample,
    to_dict,
)
from rpo_sim.errors import ScenarioError

positive = st.floats(1e-3, 1e5)
spread = st.floats(1.01, 100.0)
uniforms = st.lists(st.floats(1e-9, 1 - 1e-9), min_size=2, max_size=20).map(lambda u: np.sort(np.array(u)))


def from_quantiles(
    family: type[LogNormal | Weibull | Gamma | LogLogistic],
) -> st.SearchStrategy[Distribution]:
    def build(p50: float, ratio: float) -> Distribution:
        return family.from_quantiles(p50=p50, p95=p50 * ratio)

    return st.builds(build, positive, spread)


def rate(median: float, ratio: float, size_bytes: int) -> Distribution:
    assumed = Rate(median_bytes_per_second=median, slow_bytes_per_second=median / ratio, overhead_seconds=1.0)
    return assumed.at(size_bytes=size_bytes, concurrency=1)


continuous = st.one_of(
    *(from_quantiles(family) for family in (LogNormal, Weibull, Gamma, LogLogistic)),
    st.builds(lambda mean: Exponential(mean=mean), positive),
    st.builds(lambda low, width: Uniform(low=low, high=low + width), positive, positive),
    st.builds(
        lambda low, left, right: Triangular(low=low, mode=low + left, high=low + left + right),
        positive, positive, positive,
    ),
    st.builds(rate, positive, spread, st.integers(1, 10**9)),
)  # fmt: skip
stepped = st.builds(
    lambda values, ratio: Empirical(values=tuple(values), censored_ratio=ratio),
    st.lists(positive, min_size=1, max_size=30),
    st.floats(0, 0.9),
)


@st.composite
def buckets(draw: Callable[[st.SearchStrategy[list[float]]], list[float]]) -> Distribution:
    values = sorted(draw(st.lists(st.floats(0.01, 1e4), min_size=3, max_size=8, unique=True)))
    raw = np.cumsum(draw(st.lists(st.floats(0.05, 1.0), min_size=len(values) + 1, max_size=len(values) + 1)))
    return Piecewise(values=tuple(values), probabilities=tuple((raw[:-1] / raw[-1]).tolist()), open_end=True)


@given(distribution=st.one_of(continuous, stepped, buckets()), u=uniforms)
def test_quantiles_rise_and_lie_in_the_domain(
    distribution: Distribution, u: "np.typing.NDArray[np.float64]"
) -> None:
    drawn = sample(distribution, u)
    assert np.all(drawn[1:] >= drawn[:-1])


@given(distribution=continuous, u=st.floats(1e-6, 1 - 1e-6))
def test_cdf_inverts_ppf(distribution: Distribution, u: float) -> None:
    assert float(distribution.cdf(distribution.ppf(np.array(u)))) == pytest.approx(u, abs=1e-7)


@given(distribution=stepped, u=st.floats(1e-6, 1 - 1e-6))
def test_steps_are_the_generalised_inverse(distribution: Empirical, u: float) -> None:
    x = distribution.ppf(np.array(u))
    if np.isfinite(x):
        assert float(distribution.cdf(x)) >= u - 1e-12
        earlier = [value for value in distribution.values if value < x]
        assert not earlier or float(distribution.cdf(np.array(earlier[-1]))) <= u + 1e-12


@given(distribution=st.one_of(continuous, stepped, buckets()))
def test_json_round_trip(distribution: Distribution) -> None:
    assert distribution_from_dict(to_dict(distribution)) == distribution


texts = st.text(alphabet="ab1.-", max_size=5)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
kinds = st.sampled_from(
    [
        "fixed",
        "uniform",
        "lognormal",
        "weibull",
        "gamma",
        "empirical",
        "piecewise",
        "rate",
        "size_scaled",
        "shifted",
    ]
)
names = st.sampled_from(
    ["seconds", "low", "high", "mu", "sigma", "shape", "scale", "posterior", "values", "weights",
     "probabilities", "n", "overhead_seconds", "degrees", "covariance", "rest", "offset_seconds"]
)  # fmt: skip


@settings(max_examples=400)
@given(kind=kinds, parameters=st.dictionaries(names, json_values, max_size=4))
def test_any_mapping_is_a_distribution_or_refused(kind: str, parameters: dict[str, object]) -> None:
    with contextlib.suppress(ScenarioError):
        distribution_from_dict({"kind": kind, "parameters": parameters})
