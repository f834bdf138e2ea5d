"""From observations to a profile: group, count failures, fit, and say what the data could not show."""

import hashlib
import json
import math
from collections.abc import Sequence
from datetime import UTC, datetime

from scipy import stats

from rpo_sim.distributions.base import Distribution
from rpo_sim.distributions.choice import choose
from rpo_sim.distributions.goodness import goodness_of_fit
from rpo_sim.distributions.grouping import Group, group_observations
from rpo_sim.distributions.likelihood import FAMILIES, FamilyFit, durations, fit_family
from rpo_sim.distributions.mechanism import PUBLISHED_LIMITS, KnownLimit, Mechanism
from rpo_sim.distributions.mechanism_fit import fit_mechanism
from rpo_sim.distributions.mechanism_sweeps import BURST_LABEL
from rpo_sim.distributions.parametric import LogNormal
from rpo_sim.distributions.profile import Profile, ProfileEntry
from rpo_sim.distributions.samples import Sample, read_sample, resolution
from rpo_sim.distributions.size_fit import Transfers, fit_transfers, line_residuals
from rpo_sim.distributions.sized import SizeScaled
from rpo_sim.errors import FitError, NoDataError
from rpo_sim.records import Observation, Outcome, as_dict

__all__ = ["FAMILIES", "FamilyFit", "failure_interval", "fit", "fit_family"]

SMALLEST_SIZE_RATIO = 4  # largest over smallest: below it a slope is not identified (statistics: size)
FEWEST_FOR_A_LINE = 8


def fit(
    observations: Sequence[Observation],
    *,
    families: Sequence[str] = tuple(FAMILIES),
    mix_sources: bool = False,
    created_at: datetime | None = None,
    limits: Sequence[KnownLimit] = PUBLISHED_LIMITS,
) -> Profile:
    """Fit a distribution to every group of like operations.

    Parameters
    ----------
    observations : sequence of Observation
        Grouped by operation, stage, platform, cluster, backend and the labels that make operations unlike.
    families : sequence of str
        Families to choose from: lognormal, weibull, gamma, loglogistic.
    mix_sources : bool
        Whether sources or clocks may share a distribution.
    created_at : datetime, UTC, optional
        Stamp of the profile; now by default.
    limits : sequence of KnownLimit
        Client limits that bursts may wait for; published defaults unless said otherwise.

    Raises
    ------
    NoDataError
        If there are no observations.
    FitError
        If a group mixes sources or clocks, or no group determines a distribution.
    """
    if not observations:
        raise NoDataError("no observations to fit: measure first, or widen the choice")
    unknown = [name for name in families if name not in FAMILIES]
    if unknown or not families:
        raise FitError(f"unknown family {', '.join(unknown) or '(none)'}; known: {', '.join(FAMILIES)}")
    entries, warnings = [], []
    for group in group_observations(observations, mix_sources=mix_sources):
        try:
            entries.append(_fit_group(group, families, limits))
        except FitError as error:
            warnings.append(f"{group.name} was not fitted: {error}")
    if not entries:
        raise FitError("; ".join(warnings))
    return Profile(
        created_at=created_at or datetime.now(UTC), entries=tuple(entries), warnings=tuple(warnings)
    )


def _fit_group(group: Group, families: Sequence[str], limits: Sequence[KnownLimit]) -> ProfileEntry:
    sample = read_sample(group.observations)
    if not sample.used:
        raise FitError(f"no durations: {sample.n_succeeded} succeeded, {sample.n_failed} failed")
    distribution, goodness, notes = _distribution(sample, families)
    mechanism, missing = _mechanism(group, limits)
    started = [item.started_at or item.observed_at for item in group.observations]
    return ProfileEntry(
        operation=group.operation,
        stage=group.stage,
        platform=group.platform,
        cluster=group.cluster,
        backend=group.backend,
        labels=group.labels,
        distribution=distribution,
        n=sum(item.count for item, _, _ in sample.used),
        n_censored=sample.n_censored,
        n_succeeded=sample.n_succeeded,
        n_failed=sample.n_failed,
        failure_interval=failure_interval(sample.n_failed, sample.n_failed + sample.n_succeeded),
        size_range_bytes=sample.range_of(sample.size_basis),
        size_basis=sample.size_basis,
        concurrency_range=sample.range_of("concurrency"),
        clock="; ".join(sorted({item.clock for item in group.observations})),
        resolution_seconds=resolution(sample.used),
        window=(min(started), max(item.observed_at for item in group.observations)),
        days=len({moment.date() for moment in started}),
        sources=tuple(sorted({item.source for item in group.observations})),
        verified=sum(
            item.count for item in group.observations if item.verified and item.outcome is Outcome.SUCCEEDED
        ),
        goodness_p=goodness,
        digest=_digest(group.observations),
        warnings=(*sample.warnings, *group.merged_labels, *notes, *missing),
        mechanism=mechanism,
    )


def _mechanism(group: Group, limits: Sequence[KnownLimit]) -> tuple[Mechanism | None, list[str]]:
    """What decides the group's bursts, where some were measured; else why it is not known."""
    if group.stage == "cut" or not any(BURST_LABEL in item.labels for item in group.observations):
        return None, []  # a burst is over when its data can be used, not when it is frozen
    try:
        return fit_mechanism(group.observations, limits=limits), []
    except NoDataError as error:
        return None, [f"no mechanism: {error}"]


def failure_interval(failed: int, attempts: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """Exact (Clopper-Pearson) interval of a failure probability; (0, 1) without attempts.

    >>> [round(bound, 4) for bound in failure_interval(0, 59)]
    [0.0, 0.0606]
    """
    if attempts == 0:
        return 0.0, 1.0
    interval = stats.binomtest(failed, attempts).proportion_ci(confidence, method="exact")
    return float(interval.low), float(interval.high)


def _distribution(sample: Sample, families: Sequence[str]) -> tuple[Distribution, float | None, list[str]]:
    allowed = _terms_shown(sample)
    transfers = sample.transfers() if allowed and "lognormal" in families else None
    if transfers is not None:
        line = fit_transfers(transfers, allowed=allowed)
        if line is not None:
            late = sum(item.count for item, _, _ in sample.used if item.entry_seconds > 0)
            notes = [f"the late first sight of {late} operations is not corrected for"] if late else []
            return line, _goodness_of_line(line, transfers), notes
    rows = sample.durations()
    chosen = choose(rows, families)
    return chosen.distribution, chosen.goodness_p, list(chosen.warnings)


def _terms_shown(sample: Sample) -> list[str]:
    """The dependences that these data can show."""
    allowed = []
    sizes, levels = sample.range_of(sample.size_basis), sample.range_of("concurrency")
    n_finished = sum(item.count for item, _, upper in sample.used if math.isfinite(upper))
    if n_finished < FEWEST_FOR_A_LINE:
        return []
    if sizes and sizes[1] >= SMALLEST_SIZE_RATIO * sizes[0] and sizes[1] > sizes[0]:
        allowed.append("size")
    if levels and levels[1] > levels[0]:
        allowed.append("concurrency")
    return allowed


def _goodness_of_line(line: SizeScaled, transfers: Transfers) -> float | None:
    low, high = line_residuals(line, transfers)
    rows = durations(list(zip(low.tolist(), high.tolist(), strict=True)))
    terms = (line.seconds_per_byte > 0) + (line.contention > 0)
    return goodness_of_fit(LogNormal(mu=0.0, sigma=line.sigma), rows, fitted=1 + terms)


def _digest(observations: Sequence[Observation]) -> str:
    lines = [json.dumps(as_dict(item), sort_keys=True, default=str) for item in observations]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
