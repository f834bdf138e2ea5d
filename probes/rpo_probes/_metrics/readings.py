"""Readings: all buckets of one histogram at one scrape, whichever way Prometheus stored them."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rpo_probes._prometheus.answers import RawSeries, number

Bounds = tuple[float, float]
Identity = tuple[tuple[str, str], ...]

# which replica of Prometheus scraped, or which part of a histogram it is: not which series it is
_NOT_IDENTITY = {"__name__", "le", "quantile", "prometheus", "prometheus_replica", "receive", "tenant_id"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Counts since the start of the exporter, as of one scrape.

    Attributes
    ----------
    at : float, seconds since 1970
    counts : dict of (lower, upper) to float
        Per bucket, not cumulative, in the unit of the metric; the last upper bound is inf.
    edges : tuple of float, or None
        The upper edges; None for a native histogram, which leaves out empty buckets.
    total : float
    sum : float or None
        Of all values; None where it is not known.
    """

    at: float
    counts: Mapping[Bounds, float]
    edges: tuple[float, ...] | None
    total: float
    sum: float | None


def identity_of(labels: Mapping[str, str]) -> Identity:
    """What tells a series from others, whichever replica of Prometheus answers."""
    return tuple(sorted((name, value) for name, value in labels.items() if name not in _NOT_IDENTITY))


def classic(buckets: Iterable[RawSeries], sums: Iterable[RawSeries]) -> dict[Identity, list[Reading]]:
    """The readings of classic histograms, by identity and in time.

    A scrape in which buckets contradict each other, or where the last one is missing or no number, is left
    out: the next whole one says the same and more.
    """
    cumulative: dict[Identity, dict[float, dict[float, float]]] = defaultdict(lambda: defaultdict(dict))
    for series in buckets:
        edge = number(series.labels.get("le", ""))
        rows = cumulative[identity_of(series.labels)]
        for at, value in series.points:
            rows[at][edge] = value
    known_sums = _values(sums)
    found = {}
    for identity, rows in cumulative.items():
        of = known_sums.get(identity, {})
        readings = (_from_cumulative(at, rows[at], of.get(at)) for at in sorted(rows))
        found[identity] = [reading for reading in readings if reading is not None]
    return found


def _from_cumulative(at: float, row: Mapping[float, float], total_of_values: float | None) -> Reading | None:
    edges = tuple(sorted(row))
    if not edges or edges[-1] != math.inf:
        return None
    counts, below, lower = {}, 0.0, 0.0
    for edge in edges:
        count = row[edge] - below
        if not count >= 0:  # NaN, or less than a smaller bucket
            return None
        counts[lower, edge] = count
        below, lower = row[edge], edge
    return Reading(at=at, counts=counts, edges=edges, total=below, sum=_finite(total_of_values))


def native(series: Iterable[RawSeries]) -> dict[Identity, list[Reading]]:
    """The readings of native histograms, by identity and in time."""
    found: dict[Identity, list[Reading]] = {}
    for one in series:
        readings = [_from_native(at, value) for at, value in one.histograms]
        if readings:
            found[identity_of(one.labels)] = sorted(readings, key=lambda reading: reading.at)
    return found


def _from_native(at: float, value: Mapping[str, Any]) -> Reading:
    counts: dict[Bounds, float] = {}
    for _rule, lower, upper, count in value.get("buckets") or ():
        bounds = (max(number(lower), 0.0), number(upper))  # the bucket around zero also spans below it
        counts[bounds] = counts.get(bounds, 0.0) + number(count)
    total = number(value.get("count", "NaN"))
    return Reading(at=at, counts=counts, edges=None, total=total, sum=_finite(number(value.get("sum", ""))))


def plain(counts: Iterable[RawSeries], sums: Iterable[RawSeries]) -> dict[Identity, list[Reading]]:
    """The readings of a counter or a summary: one bucket without bounds."""
    known_sums = _values(sums)
    found = {}
    for identity, values in _values(counts).items():
        of = known_sums.get(identity, {})
        found[identity] = [
            Reading(
                at=at,
                counts={(0.0, math.inf): value},
                edges=(math.inf,),
                total=value,
                sum=_finite(of.get(at)),
            )
            for at, value in sorted(values.items())
            if math.isfinite(value)
        ]
    return found


def values_at(series: Iterable[RawSeries]) -> dict[Identity, dict[float, float]]:
    """The values of gauges by identity and time, NaN left out."""
    return {
        identity: {at: value for at, value in points.items() if math.isfinite(value)}
        for identity, points in _values(series).items()
    }


def _values(series: Iterable[RawSeries]) -> dict[Identity, dict[float, float]]:
    found: dict[Identity, dict[float, float]] = {}
    for one in series:
        known = found.get(identity_of(one.labels), {})
        points = dict(one.points)
        # Two replicas scraped it: the one that saw more, not both.
        found[identity_of(one.labels)] = points if len(points) > len(known) else known
    return found


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def growth(old: Reading, new: Reading) -> dict[Bounds, float] | None:
    """How much each bucket grew; None if anything fell or the buckets are other ones: it began anew.

    >>> old = Reading(at=0, counts={(0, 1): 2, (1, math.inf): 1}, edges=(1, math.inf), total=3, sum=4.0)
    >>> new = Reading(at=9, counts={(0, 1): 2, (1, math.inf): 4}, edges=(1, math.inf), total=6, sum=19.0)
    >>> growth(old, new)
    {(1, inf): 3}
    """
    before = old.counts if old.edges is not None else _folded(old.counts, new.counts)
    if before is None or old.edges != new.edges:
        return None
    grown = {}
    for bounds, count in new.counts.items():
        more = count - before.get(bounds, 0.0)
        if more < 0:
            return None
        if more > 0:
            grown[bounds] = more
    return grown


def _folded(old: Mapping[Bounds, float], new: Mapping[Bounds, float]) -> Mapping[Bounds, float] | None:
    """Counts of a native histogram in its later, perhaps coarser buckets; None if they do not fit."""
    if old.keys() <= new.keys():
        return old
    folded: dict[Bounds, float] = defaultdict(float)
    for bounds, count in old.items():
        home = next((wide for wide in new if _within(bounds, wide)), None)
        if home is None:
            return None
        folded[home] += count
    return folded


def _within(bounds: Bounds, wide: Bounds) -> bool:
    slack = 1e-9 * bounds[1] if math.isfinite(bounds[1]) else 0.0
    return wide[0] <= bounds[0] + slack and bounds[1] <= wide[1] + slack


def lacks_buckets(old: Reading, new: Reading) -> bool:
    """Whether a reading has only a part of the buckets of the one before."""
    return old.edges is not None and new.edges is not None and set(new.edges) < set(old.edges)


def all_of(reading: Reading) -> dict[Bounds, float]:
    """The buckets that hold anything: all growth, where the count began at zero."""
    return {bounds: count for bounds, count in reading.counts.items() if count > 0}
