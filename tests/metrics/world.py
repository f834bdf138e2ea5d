"""A made-up past of one exporter: what happened, what was scraped of it, and so what can be known."""

import math
from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass, field
from random import Random

from tests.metrics.exporter import Histogram, labelled

WINDOW = 300
EDGES = (0.1, 0.25, 0.5, 1, 2.5, 5, 10)
NAME = "snapshot_controller_operation_total_seconds"
LABELS = {
    "driver_name": "hostpath.csi.k8s.io",
    "operation_name": "CreateSnapshotAndReady",
    "operation_status": "success",
    "snapshot_type": "dynamic",
}
TARGET = {"job": "snapshot-controller", "instance": "10.0.0.7:8080"}
OTHER = {"job": "node", "instance": "10.0.0.1:9100"}

Known = Counter[tuple[int, tuple[float, float]]]  # by window of the scrape that shows it, and bucket


@dataclass(kw_only=True)
class World:
    """Scrapes every 30 s from `begin` to `end`, some of which fail; now and then the process restarts.

    Parameters
    ----------
    seed : int
    begin, end : float, seconds since 1970
    rate : float, events per second
    """

    seed: int
    begin: float
    end: float
    rate: float
    restart_every: float = 5 * 3600.0
    lines: list[tuple[str, float, float]] = field(default_factory=list)
    known: Known = field(default_factory=Counter)

    def __post_init__(self) -> None:
        """Let it all happen."""
        random = Random(self.seed)
        process, next_start = self.begin - 3600.0, self.begin
        histogram = Histogram(NAME, EDGES, {**TARGET, **LABELS})
        histogram.observe(*[0.3] * 40)  # before anybody looked
        shown = list(histogram.counts)
        at, event = self.begin, self.begin + random.expovariate(self.rate)
        next_start = self.begin + random.expovariate(1 / self.restart_every)
        while at < self.end:
            while min(event, next_start) <= at:
                if event < next_start:
                    histogram.observe(random.lognormvariate(0.0, 1.2))
                    event += random.expovariate(self.rate)
                else:
                    histogram = Histogram(NAME, EDGES, {**TARGET, **LABELS})
                    shown, process = list(histogram.counts), next_start
                    next_start += random.expovariate(1 / self.restart_every)
            self._scrape(at, histogram, shown, process, failed=random.random() < 0.02)
            at += 30.0

    def _scrape(
        self, at: float, histogram: Histogram, shown: list[int], process: float, *, failed: bool
    ) -> None:
        self.lines.append((f"up{labelled(OTHER)}", at, 1.0))
        self.lines.append((f"up{labelled(TARGET)}", at, 0.0 if failed else 1.0))
        if failed:
            return
        self.lines.append((f"process_start_time_seconds{labelled(TARGET)}", at, process))
        if not histogram.counts[-1]:
            return  # a label set is served from its first event on
        for line in histogram.text().splitlines()[1:]:
            series, _, value = line.rpartition(" ")
            self.lines.append((series, at, float(value)))
        new = [now - before for now, before in zip(histogram.counts, shown, strict=True)]
        if at > self.begin:  # the first scrape is where counting begins
            below, low = 0, 0.0
            for edge, count in zip(histogram.edges, new, strict=True):
                if count > below:
                    self.known[math.floor(at / WINDOW) * WINDOW, (low, edge)] += count - below
                below, low = count, edge
        shown[:] = histogram.counts

    def openmetrics(self, since: float = -math.inf) -> str:
        """The scrapes, for a Prometheus whose retention begins at `since`."""
        kept = sorted(line for line in self.lines if line[1] >= since)
        return "".join(f"{series} {value!r} {at:.0f}\n" for series, at, value in kept) + "# EOF\n"


def known_bucket(seconds: float) -> tuple[float, float]:
    """Where an exact duration would have been counted."""
    edges = (0.0, *EDGES, math.inf)
    place = bisect_right(edges, seconds) - 1 if seconds not in edges else edges.index(seconds) - 1
    return edges[place], edges[place + 1]
