"""Intervals of shares against scipy.stats, which has Clopper and Pearson's and the Beta distribution."""

import numpy as np
import pytest
from scipy import stats

from rpo_sim.intervals import share


@pytest.mark.parametrize("n", [1, 7, 100, 2000])
@pytest.mark.parametrize("of_all", [0.0, 0.03, 0.5, 0.999, 1.0])
def test_a_share_is_never_surer_than_clopper_and_pearson(n: int, of_all: float) -> None:
    hits = np.arange(n) < round(of_all * n)
    k, p = int(hits.sum()), float(hits.mean())
    exact = stats.binomtest(k, n).proportion_ci(0.95, method="exact")
    low, high = float(exact.low), float(exact.high)
    if 0 < k < n:
        beta = stats.beta(p * (n - 1), (1 - p) * (n - 1))  # its variance is that of a share of n runs
        low, high = min(low, float(beta.ppf(0.025))), max(high, float(beta.isf(0.025)))
    found = share(hits, 1)
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-9, abs=1e-12)
