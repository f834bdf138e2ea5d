"""Which family: cautious tails when data are few, AIC behind a test of fit when they are many."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rpo_sim.distributions.base import Distribution
from rpo_sim.distributions.goodness import goodness_of_fit
from rpo_sim.distributions.likelihood import Durations, FamilyFit, fit_family
from rpo_sim.distributions.nonparametric import nonparametric
from rpo_sim.errors import FitError

ENOUGH_FOR_AIC = 300  # below it AIC finds the true family too rarely, and lognormal errs on the safe side
ENOUGH_FOR_EMPIRICAL = 59  # fewer do not support a p95 without a family (Wilks)
_ENOUGH_FOR_A_MEAN = 30
_GRID = 20_000  # points of the quantile function that give a mean
_REJECTED = 0.05
_PLAUSIBLE = 10.0  # ΔAIC up to which a family still has a say beyond the data


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The distribution chosen, the p-value of its fit, and what has to be said about it."""

    distribution: Distribution
    goodness_p: float | None
    warnings: tuple[str, ...] = ()


def choose(rows: Durations, families: Sequence[str]) -> Choice:
    """Fit the families and choose one, or none of them.

    Raises
    ------
    FitError
        If the rows determine no distribution at all.
    """
    fits = _fit_all(rows, families)
    if not fits:
        return _without_family(rows, families)
    ranked = sorted(fits.values(), key=lambda found: found.aic)
    if rows.n < ENOUGH_FOR_AIC and "lognormal" in fits:
        ranked.sort(key=lambda found: found is not fits["lognormal"])
    candidates = ranked if rows.n < ENOUGH_FOR_AIC else ranked[:1]
    tried = [(found, goodness_of_fit(found.distribution, rows)) for found in candidates]
    for found, p in tried:
        if p is None or p >= _REJECTED:
            return Choice(distribution=found.distribution, goodness_p=p, warnings=_doubts(found, rows, fits))
    best, p = tried[0]
    what = f"no family fits: {best.distribution.kind} is rejected (p = {p:.2g}, n = {rows.n})"
    if rows.n >= ENOUGH_FOR_EMPIRICAL:
        end = float(rows.upper[~rows.right].max())
        note = f"{what}; the measured distribution is used, and knows nothing beyond {end:.4g} s"
        return Choice(distribution=nonparametric(rows), goodness_p=None, warnings=(note,))
    warning = f"{what}; it is used all the same: too few durations for the measured distribution"
    return Choice(
        distribution=best.distribution, goodness_p=p, warnings=(warning, *_doubts(best, rows, fits))
    )


def _fit_all(rows: Durations, families: Sequence[str]) -> dict[str, FamilyFit]:
    fits = {}
    for family in families:
        try:
            fits[family] = fit_family(family, rows)
        except FitError:
            continue  # the others may be determined; _without_family repeats the reason if none is
    return fits


def _without_family(rows: Durations, families: Sequence[str]) -> Choice:
    try:
        fit_family(families[0], rows)
    except FitError as error:
        if rows.count[~rows.right].sum() < 3:
            raise
        note = f"{error}; durations count at the upper bound of their interval"
        return Choice(distribution=nonparametric(rows), goodness_p=None, warnings=(note,))
    raise AssertionError("unreachable: this family was not determined a moment ago")


def _doubts(best: FamilyFit, rows: Durations, fits: dict[str, FamilyFit]) -> tuple[str, ...]:
    return (*_beyond(rows, fits), *_mean_misses(best, rows))


def _mean_misses(best: FamilyFit, rows: Durations) -> tuple[str, ...]:
    """The mean was not fitted, so it is a free check; only of durations that are all known."""
    if not rows.exact.all() or rows.entry.any() or rows.n < _ENOUGH_FOR_A_MEAN:
        return ()
    measured = float(np.average(rows.lower, weights=rows.count))
    deviation = math.sqrt(float(np.average((rows.lower - measured) ** 2, weights=rows.count)) / (rows.n - 1))
    fitted = float(best.distribution.ppf((np.arange(_GRID) + 0.5) / _GRID).mean())
    if abs(fitted - measured) <= 3 * deviation:
        return ()
    errors = abs(fitted - measured) / deviation
    return (
        f"the fitted mean {fitted:.4g} s misses the measured {measured:.4g} s by {errors:.1f} of its errors",
    )


def _beyond(rows: Durations, fits: dict[str, FamilyFit]) -> tuple[str, ...]:
    """Say so when p95 lies beyond everything that was seen to end: then it is the family that speaks."""
    end = float(rows.upper[~rows.right].max())
    least = min(found.aic for found in fits.values())
    plausible = [found for found in fits.values() if found.aic - least <= _PLAUSIBLE]
    p95 = [float(found.distribution.ppf(np.array(0.95))) for found in plausible]
    if not rows.right.any() or min(p95) <= end:
        return ()
    spread = f"{min(p95):.4g} to {max(p95):.4g} s over {len(plausible)} families"
    return (f"p95 lies beyond the longest finished duration ({end:.4g} s), so it is extrapolated: {spread}",)
