"""What the data say without a family: Kaplan-Meier for durations, bucket edges for histograms."""

import numpy as np
from scipy import special

from rpo_sim.distributions.base import Distribution, FloatArray
from rpo_sim.distributions.empirical import Empirical
from rpo_sim.distributions.likelihood import Durations
from rpo_sim.distributions.piecewise import Piecewise
from rpo_sim.errors import FitError


def nonparametric(rows: Durations) -> Distribution:
    """The distribution without a family.

    Disjoint buckets become a `Piecewise` through their edges; anything else the Kaplan-Meier estimate, with
    intervals counted at their upper bound (the cautious side).

    Raises
    ------
    FitError
        If nothing ended.
    """
    ended = ~rows.right
    if not ended.any():
        raise FitError("no operation was seen to end")
    buckets = ended & ~rows.exact
    if buckets.sum() >= 3 and not rows.exact.any() and not rows.entry.any():
        order = np.argsort(rows.lower[buckets])
        if np.all(rows.upper[buckets][order][:-1] <= rows.lower[buckets][order][1:]):
            return _through_edges(rows)
    return kaplan_meier(rows)


def kaplan_meier(rows: Durations) -> Empirical:
    """Product-limit estimate with late entries; beyond the last end it is censored.

    Source: Kaplan and Meier (1958); for left truncation, Lynden-Bell (1971).
    """
    ended = ~rows.right
    time = np.where(ended, rows.upper, rows.lower)
    moments = np.unique(time[ended])
    events = np.bincount(np.searchsorted(moments, time[ended]), weights=rows.count[ended])
    at_risk = _at_or_above(time, rows.count, moments) - _at_or_above(rows.entry, rows.count, moments)
    survival = np.cumprod(1 - events / np.maximum(at_risk, events))
    mass = -np.diff(survival, prepend=1.0)
    seen = mass > 0
    censored = float(survival[-1])
    return Empirical(
        values=tuple(moments[seen].tolist()),
        weights=tuple((mass[seen] / mass[seen].sum()).tolist()),
        censored_ratio=censored if censored > 1e-12 else 0.0,
        n=rows.n,
    )


def _at_or_above(values: FloatArray, count: FloatArray, moments: FloatArray) -> FloatArray:
    order = np.argsort(values, kind="stable")
    above = np.append(np.cumsum(count[order][::-1])[::-1], 0.0)
    return np.asarray(above[np.searchsorted(values[order], moments, side="left")])


def _through_edges(rows: Durations) -> Piecewise:
    ended = ~rows.right
    order = np.argsort(rows.lower[ended])
    lower, upper = rows.lower[ended][order], rows.upper[ended][order]
    # the overflow bucket begins where the last finite one ends; one censored earlier cannot be placed
    share = np.cumsum(rows.count[ended][order]) / rows.n
    edges = upper
    known = np.minimum(share, 1 - 0.5 / rows.n)
    first = lower[0] if lower[0] > 0 else _first_edge(edges, known, rows.n)
    values = np.concatenate([[first], edges])
    probabilities = np.concatenate([[0.5 / rows.n * min(1.0, share[0])], known])
    gaps = lower[1:] > upper[:-1]  # an empty bucket between two others: F is flat over it, nearly
    for i in np.nonzero(gaps)[0][::-1]:
        step = min(1e-9, (known[i + 1] - known[i]) / 2)
        values = np.insert(values, i + 2, lower[i + 1])
        probabilities = np.insert(probabilities, i + 2, known[i] + step)
    return Piecewise(
        values=tuple(values.tolist()),
        probabilities=tuple(probabilities.tolist()),
        open_end=bool(rows.right.any()),
        n=rows.n,
    )


def _first_edge(edges: FloatArray, known: FloatArray, n: int) -> float:
    """Where the first bucket begins in earnest: the line through its neighbours, down to half a count."""
    probits = special.ndtri(np.append(0.5 / n, known[:2]))
    slope = np.log(edges[1] / edges[0]) / max(probits[2] - probits[1], 1e-9)
    steps = min(slope * (probits[1] - probits[0]), np.log(1000.0))
    return float(edges[0] * np.exp(-max(steps, 1e-6)))
