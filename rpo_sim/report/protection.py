"""What each copy gives: the worst case by its windows beside what the runs show."""

import math

from rpo_sim.report.rows import Row
from rpo_sim.results import ResultSet, TierRuns, WorstCase
from rpo_sim.units import format_duration, format_ratio

BEST = "best on the path"


def protection_rows(result: ResultSet, runs: TierRuns) -> list[Row]:
    """One row per copy, exact; then the best of the path, whose simulated loss is that of all that survive.

    ``share_within_rpo`` is the share of time in which a failure would lose no more than the RPO: failures
    are spread evenly over the schedules.
    """
    rows: list[Row] = []
    for i, case in enumerate(runs.worst_cases):
        rpa = runs.rpa_best if not case.copy else runs.copy_rpa[:, i]
        rpo = runs.tier.rpo_seconds
        rows.append(
            {
                "tier": runs.tier.name,
                "copy": case.copy or BEST,
                "least_seconds": case.lag_seconds,
                "worst_case_seconds": case.seconds,
                "worst_case_note": case.because,
                "rpa_p50_seconds": result.quantile(rpa, 0.5).value,
                "rpa_p95_seconds": result.quantile(rpa, 0.95).value,
                "share_within_rpo": None if rpo is None else result.share(rpa <= rpo).value,
                "n_runs": result.runs,
            }
        )
    return rows


def protection_for_people(result: ResultSet) -> list[Row]:
    """The same in words."""
    rows: list[Row] = []
    for runs in result.tiers:
        for exact, case in zip(protection_rows(result, runs), runs.worst_cases, strict=True):
            share = exact["share_within_rpo"]
            rows.append(
                {
                    "tier": runs.tier.name,
                    "copy": str(exact["copy"]),
                    "p50": format_duration(float(str(exact["rpa_p50_seconds"]))),
                    "p95": format_duration(float(str(exact["rpa_p95_seconds"]))),
                    "within RPO": "no RPO" if share is None else format_ratio(float(str(share))),
                    "worst case by windows": worst_case_text(case),
                }
            )
    return rows


def worst_case_text(case: WorstCase) -> str:
    """A worst case for people: a duration, or why there is none."""
    if case.seconds == math.inf:
        return f"not bounded: {case.because}"
    return format_duration(case.seconds) + ("" if case.copy else f", {case.because}")
