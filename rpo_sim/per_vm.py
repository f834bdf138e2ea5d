"""Figures of single VMs over the runs: of every run, or of histograms where those would be too many."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rpo_sim.histograms import FloatArray, Histograms
from rpo_sim.intervals import CONFIDENCE

EXACT_CELLS = 2_000_000  # runs x VMs up to which every value is kept: 16 MB for a figure


@dataclass(frozen=True, slots=True, eq=False)
class EveryRun:
    """One figure of every run and VM: ``values`` of shape (runs, VMs)."""

    values: FloatArray

    @property
    def runs(self) -> int:
        """How many there are of each VM."""
        return len(self.values)

    @property
    def vms(self) -> int:
        """How many VMs there are."""
        return int(self.values.shape[1])

    @property
    def relative_error(self) -> float:
        """How far a quantile may be from the exact one."""
        return 0.0

    def at_ranks(self, ranks: Sequence[int]) -> FloatArray:
        """For each VM the value of each rank, shape (ranks, VMs): 1 is the least, beyond the last is inf."""
        held = np.clip(np.array(ranks), 1, self.runs) - 1
        found: FloatArray = np.partition(self.values, np.unique(held), axis=0)[held]
        found[np.array(ranks) > self.runs] = np.inf
        return found


PerVm = EveryRun | Histograms


def quantiles(figure: PerVm, p: float, blocks: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The ``p``-quantile of each VM over the runs, and the ends of its 95 % interval, each of shape (VMs,).

    What the runs of a block have in common a histogram does not tell. The interval therefore takes the
    blocks for the sample, as if all runs of a block were alike: the order statistics of so many independent
    values. It is wider than need be, never narrower: the mean of independent shares within [0, 1] strays
    no further than that of as many coins (Hoeffding, J. Am. Stat. Assoc. 58, 1963, section 2).

    Parameters
    ----------
    figure : EveryRun or Histograms
    p : float, within (0, 1)
    blocks : int
        How many blocks of runs there were.
    """
    from scipy import stats  # a second of import, for few

    tail, n, rank = (1 - CONFIDENCE) / 2, figure.runs, math.ceil(p * figure.runs)
    low, high = int(stats.binom.ppf(tail, blocks, p)), int(stats.binom.isf(tail, blocks, p)) + 1
    least = min(rank, math.ceil(low * n / blocks))
    most = max(rank, math.ceil(high * n / blocks))  # beyond the last run where so few blocks cannot bound it
    value, lower, upper = figure.at_ranks([rank, least, most])
    return value, lower, upper
