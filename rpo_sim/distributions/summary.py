"""A profile in rows for people: quantiles with their intervals, and what they rest on."""

import numpy as np

from rpo_sim.distributions.base import Distribution
from rpo_sim.distributions.profile import Profile, ProfileEntry

_DRAWS = 400
_CONFIDENCE = 0.95


def representative(entry: ProfileEntry, distribution: Distribution | None = None) -> Distribution:
    """The entry's distribution, or a draw of it, at the largest size and least concurrency measured."""
    size = entry.size_range_bytes[1] if entry.size_range_bytes else None
    concurrency = entry.concurrency_range[0] if entry.concurrency_range else 1
    chosen = entry.distribution if distribution is None else distribution
    return chosen.at(size_bytes=size, concurrency=concurrency)


def quantile_with_interval(entry: ProfileEntry, probability: float) -> tuple[float, float, float]:
    """A quantile and its 95 % interval over posterior draws, at `representative`.

    Returns
    -------
    (value, low, high) : tuple of float, seconds
        A quantile that the data never reached is inf. The draws have a fixed seed: same profile, same figure.
    """
    generator = np.random.default_rng(0)
    u = np.array(probability)
    drawn = [
        float(representative(entry, entry.distribution.posterior_draw(generator)).ppf(u))
        for _ in range(_DRAWS)
    ]
    tail = (1 - _CONFIDENCE) / 2
    # order statistics, not interpolation: inf stays inf
    low, high = np.quantile(drawn, [tail, 1 - tail], method="inverted_cdf")
    return float(representative(entry).ppf(u)), float(low), float(high)


def profile_rows(profile: Profile) -> list[dict[str, object]]:
    """One row per entry; durations in seconds, sizes in bytes."""
    rows: list[dict[str, object]] = []
    for entry in profile.entries:
        row: dict[str, object] = {
            "operation": entry.operation,
            "stage": entry.stage,
            "platform": entry.platform,
            "backend": entry.backend,
            "labels": dict(entry.labels),
            "family": entry.distribution.kind,
            "n": entry.n,
            "failed": entry.n_failed,
        }
        for name, probability in (("p50", 0.5), ("p95", 0.95)):
            value, low, high = quantile_with_interval(entry, probability)
            row |= {f"{name}_seconds": value, f"{name}_low_seconds": low, f"{name}_high_seconds": high}
        sizes, levels = entry.size_range_bytes or (None, None), entry.concurrency_range or (None, None)
        row |= {"size_min_bytes": sizes[0], "size_max_bytes": sizes[1]}
        row |= {"concurrency_min": levels[0], "concurrency_max": levels[1], "warnings": list(entry.warnings)}
        rows.append(row)
    return rows
