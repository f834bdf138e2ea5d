"""Where the evidence of a profile is weak, in words, and what to measure next."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from rpo_sim.distributions.mechanism_words import binding_text
from rpo_sim.distributions.profile import Profile, ProfileEntry
from rpo_sim.distributions.summary import quantile_with_interval
from rpo_sim.units import format_bytes, format_duration, format_ratio

ENOUGH_FOR_P95 = 59  # the least n with 1 − 0.95ⁿ ≥ 95 %: the longest of them bounds p95 (Wilks)
NARROWEST_SIZES = 4  # largest over smallest
OLDEST = timedelta(days=90)
COARSEST_CLOCK = 0.2  # of the median duration
HEAVIEST_CENSORING = 0.05  # of the durations: beyond it p95 is the family's word
FEWEST_FAILURES = 5
WORST_FIT = 0.05

Severity = Literal["warning", "note"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One weakness.

    Attributes
    ----------
    rule : str
        Its name, stable.
    severity : {"warning", "note"}
        A warning weakens a verdict; a note is for whoever reads closely.
    entry : str
        Which entry of the profile; empty for the profile as a whole.
    message : str
        What is weak, with the numbers.
    remedy : str
        What to do, with a command where there is one.
    """

    rule: str
    severity: Severity
    entry: str
    message: str
    remedy: str


_Weakness = tuple[Severity, str, str]  # severity, message, remedy
_Rule = Callable[[ProfileEntry, datetime], Iterator[_Weakness]]


def check_evidence(profile: Profile, *, now: datetime | None = None) -> list[Finding]:
    """Every weakness of every entry, in the order of the profile.

    Parameters
    ----------
    profile : Profile
    now : datetime, UTC, optional
        For the age of the measurements; the present by default.
    """
    moment = now or datetime.now(UTC)
    findings = [
        Finding(rule=name, severity=severity, entry=entry.name, message=message, remedy=remedy)
        for entry in profile.entries
        for name, rule in RULES.items()
        for severity, message, remedy in rule(entry, moment)
    ]
    left_out = [
        Finding(rule="not-fitted", severity="warning", entry="", message=text, remedy="measure it more often")
        for text in profile.warnings
    ]
    return findings + left_out


def _measure(entry: ProfileEntry, options: str = "") -> str:
    """The command that measures this again; its options are those of `local_disk` only."""
    source = entry.sources[0] if entry.sources else "PROBE"
    return f"rpo-sim measure {source}{options if source == 'local_disk' else ''}"


def _few_measurements(entry: ProfileEntry, now: datetime) -> Iterator[_Weakness]:
    del now
    n = entry.n - entry.n_censored
    if n < ENOUGH_FOR_P95:
        supported = math.floor(100 * 0.05 ** (1 / n)) if n else 0
        yield (
            "warning",
            f"{n} finished durations: the longest bounds only p{supported} with 95 % confidence; "
            f"a claim about p95 needs {ENOUGH_FOR_P95}",
            f"measure {ENOUGH_FOR_P95 - n} more: {_measure(entry, f' --repetitions {ENOUGH_FOR_P95 - n}')}",
        )


def _few_failures(entry: ProfileEntry, now: datetime) -> Iterator[_Weakness]:
    del now
    attempts, high = entry.n_failed + entry.n_succeeded, entry.failure_interval[1]
    if entry.n_failed < FEWEST_FAILURES:
        seen = "no failure" if entry.n_failed == 0 else f"{entry.n_failed} failures"
        yield (
            "warning" if high > 0.05 else "note",
            f"{seen} in {attempts} attempts: up to {format_ratio(high)} of them may fail (95 % interval)",
            f"keep collecting, failures included: {_measure(entry)}",
        )


def _narrow_sizes(entry: ProfileEntry, now: datetime) -> Iterator[_Weakness]:
    del now
    if entry.size_range_bytes is None:
        if entry.stage == "data":
            yield (
                "warning",
                "moved data without a size: the duration cannot be carried to another VM",
                f"measure with sizes: {_measure(entry, ' --sizes 8Mi,32Mi,128Mi')}",
            )
        return
    low, high = entry.size_range_bytes
    if high < NARROWEST_SIZES * low or high == low:
        wider = f"{max(1, low >> 21)}Mi,{max(8, high >> 19)}Mi"
        yield (
            "warning",
            f"sizes from {format_bytes(low)} to {format_bytes(high)}, less than {NARROWEST_SIZES} to 1: "
            "throughput and overhead cannot be told apart",
            f"measure a wider range: {_measure(entry, f' --sizes {wider}')}",
        )


def _one_concurrency(entry: ProfileEntry, now: datetime) -> Iterator[_Weakness]:
    del now
    levels = entry.concurrency_range
    if levels is None or levels[0] == levels[1]:
        only = "unknown concurrency" if levels is None else f"only {levels[0]} at a time"
        yield (
            "warning",
            f"measured with {only}: singles say nothing about a mass restore",
            f"measure several at once: {_measure(entry, ' --concurrency 1,2,4')}",
        )


def _one_day(entry: ProfileEntry, now: datetime) -> Iterator[_Weakness]:
    del now
    if entry.days <= 1:
        yield (
            "warning",
            "all of it on one day: what differs between days (load, caches, neighbours) is not in it",
            f"measure on other days too: {_measure(entry)}",
        )


def _unverified(entry: ProfileEntry, now: datetime) -> Iterator[_Weakness]:
    del now
    if entry.operation in ("restore", "failover") and entry.verified < entry.n_succeeded:
        yield (
            "warning" if entry.verified == 0 else "note",
            f"{entry.n_succeeded - entry.verified} of {entry.n_succeeded} were not read back and compared",
            "use a probe that verifies the data, or verify in the next drill",
        )


def _old(entry: ProfileEntry, now: datetime) -> Iterator[_Weakness]:
    if entry.window is not None and now - entry.window[1] > OLDEST:
        age = format_duration((now - entry.window[1]).total_seconds())
        yield ("warning", f"the last measurement is {age} old", f"measure again: {_measure(entry)}")


def _coarse_clock(entry: ProfileEntry, now: datetime) -> Iterator[_Weakness]:
    del now
    median, _, _ = quantile_with_interval(entry, 0.5)
    if math.isfinite(median) and entry.resolution_seconds > COARSEST_CLOCK * median:
        yield (
            "warning",
            f"durations are known to ±{format_duration(entry.resolution_seconds / 2)}, with a median of "
            f"{format_duration(median)}: the clock ({entry.clock}) is too coarse for this stage",
            "use a probe with a finer clock, or measure larger transfers",
        )


def _heavy_censoring(entry: ProfileEntry, now: datetime) -> Iterator[_Weakness]:
    del now
    if entry.n_censored > HEAVIEST_CENSORING * entry.n:
        yield (
            "warning",
            f"{entry.n_censored} of {entry.n} durations had not ended: the tail is the word of the family",
            f"collect again once they have ended, or raise the time-out: {_measure(entry)}",
        )


def _poor_fit(entry: ProfileEntry, now: datetime) -> Iterator[_Weakness]:
    del now
    if entry.mechanism is not None:
        return  # a curve through durations is expected to fit poorly, and not what bursts are predicted by
    if entry.goodness_p is not None and entry.goodness_p < WORST_FIT:
        yield (
            "warning",
            f"the {entry.distribution.kind} distribution fits poorly (p = {entry.goodness_p:.2g}): unlike "
            "operations may be mixed, or another mechanism (a queue, a rate limit) decides",
            "fit what is alike apart: rpo-sim fit --operation … --stage … --backend … --since …",
        )


def _mechanism(entry: ProfileEntry, now: datetime) -> Iterator[_Weakness]:
    """Which limit binds where, and what the sweeps could not show."""
    del now
    if entry.mechanism is None:
        return
    sweep = f"sweep 1,2,4,8,12 at once at two sizes, the smallest among them: {_measure(entry)}"
    yield ("note", f"bursts wait for: {binding_text(entry.mechanism)}", sweep)
    for text in entry.mechanism.warnings:
        yield ("warning", text, sweep)


def _from_the_fit(entry: ProfileEntry, now: datetime) -> Iterator[_Weakness]:
    del now
    for text in entry.warnings:
        yield (
            "note",
            text,
            f"look at the observations: rpo-sim observations list --operation {entry.operation}",
        )


RULES: dict[str, _Rule] = {
    "few-measurements": _few_measurements,
    "few-failures": _few_failures,
    "narrow-sizes": _narrow_sizes,
    "one-concurrency": _one_concurrency,
    "one-day": _one_day,
    "unverified": _unverified,
    "old": _old,
    "coarse-clock": _coarse_clock,
    "heavy-censoring": _heavy_censoring,
    "poor-fit": _poor_fit,
    "mechanism": _mechanism,
    "from-the-fit": _from_the_fit,
}
