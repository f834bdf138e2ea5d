"""How long `fit` takes, from observations to a profile, by kind of evidence.

Baseline: scipy's own maximum likelihood for one lognormal on the same censored data.
"""

from datetime import UTC, datetime, timedelta

import numpy as np
from scipy import stats

from benchmarks.timing import Row, interleaved
from rpo_sim.distributions.fit import fit
from rpo_sim.records import Observation, Outcome

N = 1_000
COMMAND = "python -m benchmarks.bench_fit"


def observations(resolution_seconds: float) -> list[Observation]:
    """Restores of a lognormal duration, stamped with that resolution, one in ten cut off at its time-out."""
    seconds = np.random.default_rng(1).lognormal(5.0, 0.7, N)
    timeout = float(np.quantile(seconds, 0.9))
    started_at = datetime(2026, 1, 1, tzinfo=UTC)
    found = []
    for i, true in enumerate(seconds.tolist()):
        low = true // resolution_seconds * resolution_seconds if resolution_seconds else true
        cut_off = true > timeout
        found.append(
            Observation(
                operation="restore",
                stage="data",
                lower_seconds=timeout if cut_off else low,
                upper_seconds=np.inf if cut_off else low + resolution_seconds,
                outcome=Outcome.RUNNING if cut_off else Outcome.SUCCEEDED,
                source="benchmark",
                event_id=str(i),
                collection_id="benchmark",
                platform="benchmark",
                backend="benchmark",
                clock="benchmark",
                started_at=started_at + timedelta(minutes=i),
                observed_at=started_at + timedelta(minutes=i, seconds=true),
            )
        )
    return found


def scipy_fit(seen: list[Observation]) -> object:
    """One lognormal by scipy."""
    low, high = (np.array([getattr(o, f"{end}_seconds") for o in seen]) for end in ("lower", "upper"))
    data = stats.CensoredData.interval_censored(low=low, high=high)
    return stats.lognorm.fit(data, floc=0)


def rows() -> list[Row]:
    """One row for exact durations, one for whole-second stamps."""
    kinds = {"exact": observations(0.0), "whole-second": observations(1.0)}
    ours = [lambda seen=seen: fit(seen, families=["lognormal"]) for seen in kinds.values()]
    theirs = [lambda seen=seen: scipy_fit(seen) for seen in kinds.values()]
    timed = interleaved(*ours, *theirs, rounds=3)
    return [
        Row(
            name=f"fit of {N:,} {kind} durations, 10 % censored; baseline: scipy.stats.lognorm.fit",
            value=ours_seconds,
            unit="CPU seconds",
            baseline=scipy_seconds,
            command=COMMAND,
        )
        for kind, ours_seconds, scipy_seconds in zip(kinds, timed[:2], timed[2:], strict=True)
    ]


if __name__ == "__main__":
    for row in rows():
        print(row.to_dict())
