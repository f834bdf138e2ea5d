"""Shares and quantiles of runs, with intervals that carry the luck of runs and the doubt about parameters."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rpo_sim.distributions import special

FloatArray = npt.NDArray[np.float64]
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """An estimate with its 95 % interval, from ``n`` runs."""

    value: float
    low: float
    high: float
    n: int


def share(hits: npt.NDArray[np.bool_], runs_per_block: int) -> Interval:
    """Share of runs in which something holds, with the uncertainty of runs and of parameters.

    A Beta distribution with mean p̄ and variance τ² + p̄(1 − p̄)/N, where τ² is the variance between
    blocks less its binomial noise (each block draws its parameters once); never narrower than
    Clopper-Pearson on N runs.

    Parameters
    ----------
    hits : ndarray of bool, shape (runs,)
    runs_per_block : int

    >>> share(np.array([True] * 59), 1).low >= 0.05 ** (1 / 59) - 0.02
    True
    """
    n, k = len(hits), int(hits.sum())
    if n == 0:
        return Interval(value=math.nan, low=0.0, high=1.0, n=0)
    p = k / n
    tail = (1 - CONFIDENCE) / 2
    low = float(special.betaincinv(k, n - k + 1, tail)) if k > 0 else 0.0
    high = float(special.betainccinv(k + 1, n - k, tail)) if k < n else 1.0
    spread = _between_blocks(hits, runs_per_block) + p * (1 - p) / n
    if 0 < p < 1:
        size = p * (1 - p) / spread - 1
        if size <= 0:  # blocks that are all or nothing: the parameters decide, and may go either way
            return Interval(value=p, low=0.0, high=1.0, n=n)
        low = min(low, float(special.betaincinv(p * size, (1 - p) * size, tail)))
        high = max(high, float(special.betainccinv(p * size, (1 - p) * size, tail)))
    return Interval(value=p, low=low, high=high, n=n)


def _between_blocks(hits: npt.NDArray[np.bool_], runs_per_block: int) -> float:
    """Variance of the true share between blocks: what is seen less what runs alone would give."""
    blocks = len(hits) // runs_per_block
    if blocks < 2 or runs_per_block < 2:
        return 0.0
    shares = hits[: blocks * runs_per_block].reshape(blocks, runs_per_block).mean(axis=1)
    noise = float((shares * (1 - shares)).mean()) / (runs_per_block - 1)
    return max(0.0, float(shares.var(ddof=1)) - noise)


def quantile(values: FloatArray, p: float, runs_per_block: int) -> Interval:
    """The ``p``-quantile with an interval: the values whose share of runs at or below may still be ``p``.

    inf where too many runs never ended; a bound that the runs cannot show is inf.
    """
    n = len(values)
    if n == 0:
        return Interval(value=math.nan, low=0.0, high=math.inf, n=0)
    ordered = np.sort(values)

    def first(bound: str) -> float:
        low, high = 0, n
        while low < high:
            middle = (low + high) // 2
            if getattr(share(values <= ordered[middle], runs_per_block), bound) >= p:
                high = middle
            else:
                low = middle + 1
        return float(ordered[low]) if low < n else math.inf

    value = float(ordered[min(n - 1, max(0, math.ceil(p * n) - 1))])
    return Interval(value=value, low=min(first("high"), value), high=max(first("low"), value), n=n)
