"""Which known metrics a Prometheus has, how many series of each, and how far back anything goes."""

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from rpo_probes._metrics.table import Metric
from rpo_probes._prometheus.connection import Connection

_STEPS = 500  # of the first look for the oldest sample
_FINEST_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One known metric that was scraped.

    Attributes
    ----------
    name : str
    metric : Metric
    series : tuple of dict
        Labels of about one series per combination, those that time something known.
    """

    name: str
    metric: Metric
    series: tuple[Mapping[str, str], ...]

    @property
    def stages(self) -> tuple[str, ...]:
        """What they time, as operation.stage."""
        timed = (self.metric.timed(labels) for labels in self.series)
        return tuple(sorted({f"{line.operation}.{line.stage}" for line in timed if line}))

    @property
    def backends(self) -> tuple[str, ...]:
        """Where, as far as labels tell."""
        return tuple(sorted({self.metric.backend(labels) for labels in self.series} - {""}))

    @property
    def jobs(self) -> tuple[str, ...]:
        """Scrape jobs that they come from."""
        return tuple(sorted({labels.get("job", "") for labels in self.series} - {""}))


def survey(connection: Connection, table: Mapping[str, Metric], start: float, end: float) -> list[Found]:
    """The metrics of the table that have samples in that time, in the order of the table.

    What is not among them is not scraped: that is no count of zero.
    """
    signs = [sign for name, metric in table.items() for sign in metric.signs(name)]
    by_name: dict[str, list[Mapping[str, str]]] = defaultdict(list)
    for labels in connection.series(signs, start, end):
        by_name[labels.get("__name__", "")].append(labels)
    found = []
    for name, metric in table.items():
        own = [*by_name.get(name, ()), *by_name.get(name + "_count", ())]
        timed = tuple(labels for labels in own if metric.timed(labels) is not None)
        if timed:
            found.append(Found(name=name, metric=metric, series=timed))
    return found


def oldest_sample(connection: Connection, start: float, end: float) -> float:
    """About when the oldest sample between two moments is from, never too early; inf if there is none."""
    oldest, at, span = math.inf, end, end - start
    while True:
        step = max(span / _STEPS, _FINEST_SECONDS)
        query = f"min(min_over_time(timestamp(up)[{math.ceil(span)}s:{math.ceil(step)}s]))"
        answer = connection.instant(query, at=at)
        oldest = min([oldest, *(value for series in answer for _, value in series.points)])
        if step <= _FINEST_SECONDS:
            return oldest
        at, span = min(oldest, end), step  # what is younger than a step may have fallen between two
