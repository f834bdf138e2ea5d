"""Does a fitted distribution describe the data: a pooled χ² test that works for censored rows too."""

import numpy as np
from scipy import special

from rpo_sim.distributions.base import FloatArray
from rpo_sim.distributions.likelihood import Durations
from rpo_sim.distributions.parametric import Parametric

_FEWEST_EXPECTED = 5.0
_MOST_CELLS = 20


def goodness_of_fit(distribution: Parametric, rows: Durations, *, fitted: int = 2) -> float | None:
    """p-value of the pooled χ² test; None when the data cannot tell.

    Disjoint buckets are compared with their expected counts. Otherwise each duration is turned into a
    probability by the fitted cdf (uniform within ``[F(lower), F(upper)]`` when censored, drawn with a fixed
    seed: the randomised PIT) and counted in equally likely cells.

    Parameters
    ----------
    distribution : Parametric
    rows : Durations
    fitted : int
        Parameters that were fitted: degrees of freedom are cells − 1 − fitted.
    """
    if _disjoint(rows):
        observed, expected = _bucket_cells(distribution, rows)
    else:
        observed, expected = _pit_cells(distribution, rows)
    degrees = len(observed) - 1 - fitted
    if degrees < 1:
        return None
    statistic = float(((observed - expected) ** 2 / expected).sum())
    return float(special.chdtrc(degrees, statistic))


def _disjoint(rows: Durations) -> bool:
    if rows.exact.any() or rows.entry.any():
        return False
    order = np.argsort(rows.lower, kind="stable")
    return bool(np.all(rows.upper[order][:-1] <= rows.lower[order][1:]))


def _bucket_cells(distribution: Parametric, rows: Durations) -> tuple[FloatArray, FloatArray]:
    """Counts per bucket and per gap between buckets, neighbours pooled until enough is expected."""
    order = np.argsort(rows.lower, kind="stable")
    lower, upper, count = rows.lower[order], rows.upper[order], rows.count[order]
    edges = np.unique(np.concatenate([[0.0], lower, upper, [np.inf]]))
    observed = np.zeros(len(edges) - 1)
    observed[np.searchsorted(edges, lower)] = count
    reached = np.append(distribution.cdf(edges[:-1]), 1.0)
    return _pooled(observed, np.diff(reached) * rows.n)


def _pooled(observed: FloatArray, expected: FloatArray) -> tuple[FloatArray, FloatArray]:
    cells: list[list[float]] = []
    for seen, due in zip(observed.tolist(), expected.tolist(), strict=True):
        if cells and cells[-1][1] < _FEWEST_EXPECTED:
            cells[-1] = [cells[-1][0] + seen, cells[-1][1] + due]
        else:
            cells.append([seen, due])
    if len(cells) > 1 and cells[-1][1] < _FEWEST_EXPECTED:
        seen, due = cells.pop()
        cells[-1] = [cells[-1][0] + seen, cells[-1][1] + due]
    table = np.array(cells)
    return table[:, 0], table[:, 1]


def _pit_cells(distribution: Parametric, rows: Durations) -> tuple[FloatArray, FloatArray]:
    repeat = rows.count.astype(int)
    low, high, entry = (
        np.repeat(distribution.cdf(edge), repeat) for edge in (rows.lower, rows.upper, rows.entry)
    )
    late = 1 - entry
    luck = np.random.default_rng(rows.n).random(len(low))
    place = (low + luck * (high - low) - entry) / np.where(late > 0, late, 1.0)
    cells = int(min(_MOST_CELLS, rows.n // _FEWEST_EXPECTED))
    if cells < 2:
        return np.array([float(rows.n)]), np.array([float(rows.n)])
    where = np.clip((place * cells).astype(int), 0, cells - 1)
    observed = np.bincount(where, minlength=cells).astype(float)
    return observed, np.full(cells, rows.n / cells)
