"""Quantiles from tables, against scipy's formulas; and durations made from them column by column."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import special

from rpo_sim.distributions import (
    Distribution,
    FloatArray,
    Gamma,
    LogNormal,
    Shifted,
    Weibull,
    gamma_quantile,
    sample,
)
from rpo_sim.distributions.columns import are_lognormal, from_normals, from_uniforms
from rpo_sim.distributions.lookup import reaching
from rpo_sim.distributions.probit import SMALLEST, probit
from rpo_sim.errors import ModelError


def drawable(n: int) -> FloatArray:
    """Uniforms as they are drawn; as many of them close to 0, and to 1, as in between."""
    rng = np.random.default_rng(1)
    numbers = rng.integers(0, 2**52, n, dtype=np.uint64)
    small = numbers >> rng.integers(0, 52, n).astype(np.uint64)
    u: FloatArray = (np.concatenate([numbers, small]).astype(np.float64) + 0.5) * 2.0**-52
    return np.concatenate([u, 1 - u])


def error(z: FloatArray, exact: FloatArray) -> float:
    return float((np.abs(z - exact) / np.maximum(1.0, np.abs(exact))).max())


def test_the_table_is_as_exact_as_the_formula_far_into_the_tails() -> None:
    u = drawable(500_000)
    assert u.min() == SMALLEST, "the smallest that is ever drawn is among them"
    assert error(probit(u), special.ndtri(u)) < 2e-15


def test_it_is_as_exact_where_intervals_meet() -> None:
    edges = np.ldexp(1 + np.arange(32) / 32, np.arange(-53, -1)[:, None])
    beside = np.concatenate([edges, np.nextafter(edges, 0), np.nextafter(edges, 1)])
    beside = beside[beside >= SMALLEST]
    assert error(probit(beside), special.ndtri(beside)) < 2e-15


def test_the_upper_half_mirrors_the_lower() -> None:
    u = drawable(10_000)
    np.testing.assert_array_equal(probit(1 - u), -probit(u))


def test_what_is_never_drawn_has_a_quantile_too() -> None:
    u = np.array([0.0, 1e-300, SMALLEST / 2, 0.5, 1.0, np.nan, -1.0, 2.0])
    np.testing.assert_allclose(probit(u), special.ndtri(u), rtol=1e-14)
    assert probit(np.array([0.5])) == 0
    assert probit(np.zeros((3, 0))).shape == (3, 0)


@pytest.mark.parametrize("shape", [0.1, 0.13, 0.5, 1.0, 2.7, 30.0, 1e3, 1e4])
def test_the_gamma_table_is_exact_far_into_the_tails(shape: float) -> None:
    u = drawable(5_000)
    upper = u > 0.5
    exact = np.where(upper, special.gammainccinv(shape, 1 - u), special.gammaincinv(shape, u))
    np.testing.assert_allclose(gamma_quantile.quantile(shape, u), exact, rtol=1e-12)


@pytest.mark.parametrize("shape", [0.099, 2e-3, 1.1e4, 1e10])
def test_shapes_without_a_table_are_left_to_scipy(shape: float) -> None:
    u = np.array([1e-9, 0.3, 0.9])
    np.testing.assert_array_equal(gamma_quantile.quantile(shape, u), special.gammaincinv(shape, u))


def test_gamma_quantiles_that_are_never_drawn_are_left_to_scipy() -> None:
    u = np.array([0.0, 0.5, 1.0])
    np.testing.assert_array_equal(gamma_quantile.quantile(2.0, u), special.gammaincinv(2.0, u))


WEIGHTS: dict[str, Callable[[np.random.Generator], FloatArray]] = {
    "equal": lambda _: np.ones(50),
    "drawn": lambda rng: rng.standard_gamma(np.ones(500)),
    "one and many": lambda rng: np.append(1.0, rng.random(200) * 1e-4),
    "some of no weight": lambda rng: rng.integers(0, 2, 100).astype(np.float64),
}


@pytest.mark.parametrize("name", WEIGHTS)
@pytest.mark.parametrize("reached", [1.0, 0.7])
def test_steps_are_found_as_by_a_search(name: str, reached: float) -> None:
    steps = np.cumsum(WEIGHTS[name](np.random.default_rng(2)))
    steps *= reached / steps[-1]
    spread = (np.random.default_rng(1).integers(0, 2**52, 20_000) + 0.5) * 2.0**-52
    u = np.concatenate([spread, drawable(5_000), steps[(steps > 0) & (steps < 1)]])
    np.testing.assert_array_equal(reaching(steps, u), np.searchsorted(steps, u))
    np.testing.assert_array_equal(reaching(steps, u[:10]), np.searchsorted(steps, u[:10]))


KINDS: dict[str, tuple[Distribution, ...]] = {
    "one": (LogNormal(mu=4.0, sigma=0.7),),
    "by size": tuple(LogNormal(mu=float(i), sigma=1 / i) for i in (1, 2, 3)),
    "after an overhead": tuple(
        Shifted(offset_seconds=0.1 * i, rest=LogNormal(mu=1.0, sigma=0.3)) for i in (1, 0, 3)
    ),
}


@pytest.mark.parametrize("name", KINDS)
def test_columns_have_the_bits_that_each_distribution_gives(name: str) -> None:
    kinds, counts, u = KINDS[name], np.array([2, 5, 1]), drawable(200)[:160].reshape(20, 8)
    assert are_lognormal(kinds)
    columns = kinds * 3 if len(kinds) == 1 else kinds
    ends = np.cumsum(counts)
    each = [sample(k, u[:, end - n : end]) for k, n, end in zip(columns, counts, ends, strict=True)]
    np.testing.assert_array_equal(from_uniforms(kinds, counts, u), np.concatenate(each, axis=1))
    np.testing.assert_array_equal(from_normals(kinds, counts, probit(u)), np.concatenate(each, axis=1))


def test_of_other_distributions_no_normal_is_made() -> None:
    twice = Shifted(offset_seconds=1.0, rest=Shifted(offset_seconds=1.0, rest=LogNormal(mu=0.0, sigma=1.0)))
    others: tuple[Any, ...] = (Weibull(shape=1.0, scale=1.0), Gamma(shape=1.0, scale=1.0), twice)
    assert not any(are_lognormal((KINDS["one"][0], other)) for other in others)


def test_a_duration_without_end_is_refused_with_its_distribution() -> None:
    kinds = (LogNormal(mu=4.0, sigma=0.7), LogNormal(mu=700.0, sigma=50.0))
    with pytest.raises(ModelError, match=re.escape("drew inf s")) as refused:
        from_normals(kinds, np.array([1, 1]), np.ones((3, 2)))
    assert "700.0" in str(refused.value)
