"""Parity: two platforms on the same incidents, and the difference with its interval.

Both were simulated with the same keyed draws, so the runs are pairs; intervals come from resampling
whole blocks of pairs, which keeps what runs of a block have in common.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rpo_sim.analysis.verdict import Verdict
from rpo_sim.errors import ScenarioError
from rpo_sim.intervals import CONFIDENCE, Interval
from rpo_sim.results import FloatArray, ResultSet

_RESAMPLES = 999
_CELLS = 2**21  # resampled runs that are held at once
_LEAST_BLOCKS = 10  # of which resamples say anything
FIGURES = ("RPA p50", "RPA p95", "RTA p50", "RTA p95", "met")


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One figure of one tier: on the first platform, on the second, and second less first.

    Seconds, but a ratio for the figure ``met``, the share of incidents that meet both objectives. The
    interval is NaN where the figure is infinite on either platform, or where there are too few runs.
    """

    scenario: str
    tier: str
    figure: str
    first: Interval
    second: Interval
    difference: Interval
    n_observations: tuple[int, int]

    @property
    def shown(self) -> bool:
        """Whether the runs show a difference at all."""
        return self.difference.low > 0 or self.difference.high < 0

    @property
    def reading(self) -> str:
        """What the interval says of the second platform: better, worse, no difference, cannot tell."""
        if math.isnan(self.difference.low):
            return "cannot tell"
        if not self.shown:
            return "no difference"
        return "better" if (self.difference.low > 0) == (self.figure == "met") else "worse"


def compare(first: ResultSet, second: ResultSet) -> tuple[Difference, ...]:
    """The differences between two results of one scenario, tier by tier.

    Raises
    ------
    ScenarioError
        If they are not of the same scenario, seed and tiers: their runs are then no pairs.
    """
    for name in ("scenario", "seed", "assumed_factor"):
        one, other = getattr(first, name), getattr(second, name)
        if one != other:
            raise ScenarioError(f"parity: {name} {one!r} and {other!r} differ; simulate both alike")
    tiers = [[runs.tier.name for runs in result.tiers] for result in (first, second)]
    if tiers[0] != tiers[1]:
        raise ScenarioError(f"parity: the tiers differ: {tiers[0]} and {tiers[1]}")
    found = []
    for t in range(len(first.tiers)):
        for figure in FIGURES:
            if figure != "met" or first.tiers[t].tier.share is not None:
                found.append(_difference(first, second, t, figure))
    return tuple(found)


def gate(differences: tuple[Difference, ...], margin: float) -> Verdict:
    """Whether the second platform holds the objectives in as many incidents as the first, less ``margin``."""
    shares = [difference.difference for difference in differences if difference.figure == "met"]
    if any(share.high < -margin for share in shares):
        return Verdict.MISSED
    return Verdict.MET if shares and all(share.low >= -margin for share in shares) else Verdict.INCONCLUSIVE


def _difference(first: ResultSet, second: ResultSet, t: int, figure: str) -> Difference:
    runs = min(first.runs, second.runs)
    one, other = _values(first, t, figure)[:runs], _values(second, t, figure)[:runs]
    each = [_estimate(result, t, figure) for result in (first, second)]
    with np.errstate(invalid="ignore"):
        resampled = _resample(one, other, figure, first.runs_per_block, first.seed)
        difference = _statistic(other[None], figure)[0] - _statistic(one[None], figure)[0]
    low = high = math.nan
    if runs >= _LEAST_BLOCKS * first.runs_per_block and np.isfinite(resampled).all():
        low, high = np.quantile(resampled, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Difference(
        scenario=first.scenario,
        tier=first.tiers[t].tier.name,
        figure=figure,
        first=each[0],
        second=each[1],
        difference=Interval(value=float(difference), low=float(low), high=float(high), n=runs),
        n_observations=(first.n_observations, second.n_observations),
    )


def _values(result: ResultSet, t: int, figure: str) -> FloatArray:
    runs = result.tiers[t]
    if figure == "met":
        rpo, rto = runs.tier.rpo_seconds or 0.0, runs.tier.rto_seconds or 0.0
        return ((runs.rpa <= rpo) & (runs.judged_rta <= rto)).astype(np.float64)
    return runs.rpa if figure.startswith("RPA") else runs.rta


def _estimate(result: ResultSet, t: int, figure: str) -> Interval:
    values = _values(result, t, figure)
    if figure == "met":
        return result.share(values > 0)
    return result.quantile(values, _level(figure))


def _level(figure: str) -> float:
    return int(figure[-2:]) / 100


def _statistic(values: FloatArray, figure: str) -> FloatArray:
    """The figure of each row."""
    if figure == "met":
        mean: FloatArray = values.mean(axis=1)
        return mean
    at = max(0, int(np.ceil(_level(figure) * values.shape[1])) - 1)
    ordered: FloatArray = np.partition(values, at, axis=1)[:, at]
    return ordered


def _resample(one: FloatArray, other: FloatArray, figure: str, per_block: int, seed: int) -> FloatArray:
    """The difference in resamples of whole blocks of pairs; so many at once as fit into some memory."""
    blocks = len(one) // per_block
    generator = np.random.default_rng([seed, blocks])
    at_once = max(1, _CELLS // len(one))

    def figures(values: FloatArray, chosen: npt.NDArray[np.int64]) -> FloatArray:
        by_block = values[: blocks * per_block].reshape(blocks, per_block)
        return _statistic(by_block[chosen].reshape(len(chosen), -1), figure)

    found = []
    for start in range(0, _RESAMPLES, at_once):
        chosen = generator.integers(blocks, size=(min(at_once, _RESAMPLES - start), blocks))
        found.append(figures(other, chosen) - figures(one, chosen))
    return np.concatenate(found)
