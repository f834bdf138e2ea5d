"""Answers of the query API as plain series."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class RawSeries:
    """Samples of one series as they were scraped: nothing interpolated, stale markers left out.

    Attributes
    ----------
    labels : dict
        With ``__name__``.
    points : list of (seconds since 1970, value)
        NaN where the exporter said NaN.
    histograms : list of (seconds since 1970, mapping)
        Native histograms: ``count``, ``sum`` and ``buckets`` of (rule, lower, upper, count).
    """

    labels: dict[str, str]
    points: list[tuple[float, float]]
    histograms: list[tuple[float, Mapping[str, Any]]]

    def within(self, start: float, end: float) -> "RawSeries":
        """The samples from `start` to before `end`: ranges differ in what they include at their ends."""
        return RawSeries(
            labels=self.labels,
            points=[point for point in self.points if start <= point[0] < end],
            histograms=[point for point in self.histograms if start <= point[0] < end],
        )


def read_series(result: Iterable[Mapping[str, Any]]) -> list[RawSeries]:
    """The series of a matrix or a vector.

    >>> read_series([{"metric": {"job": "a"}, "values": [[1.5, "2"], [2.5, "NaN"]]}])[0].points
    [(1.5, 2.0), (2.5, nan)]
    """
    return [
        RawSeries(
            labels={str(name): str(value) for name, value in item["metric"].items()},
            points=[(float(at), number(value)) for at, value in _listed(item, "value", "values")],
            histograms=[(float(at), value) for at, value in _listed(item, "histogram", "histograms")],
        )
        for item in result
    ]


def _listed(item: Mapping[str, Any], one: str, many: str) -> list[Any]:
    return list(item.get(many) or ([item[one]] if item.get(one) else []))


def number(text: str) -> float:
    """A value as Prometheus writes it; NaN for what is none.

    >>> number("+Inf"), number("17")
    (inf, 17.0)
    """
    try:
        return float(text)
    except ValueError:
        return math.nan
