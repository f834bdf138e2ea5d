"""What Prometheus knows of the scraped processes: when one was seen, and when one began."""

import math
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping

from rpo_probes._prometheus.answers import RawSeries

_NEW_PROCESS_SECONDS = 1.0  # its start moves less than this when a clock is adjusted


class _Target:
    """One scraped endpoint: times of successful scrapes, and (time, start of the process)."""

    def __init__(self, labels: Mapping[str, str]) -> None:
        self.labels = labels
        self.seen: list[float] = []
        self.starts: list[tuple[float, float]] = []

    def forget_before(self, at: float) -> None:
        """Keep the last of what lies before."""
        del self.seen[: max(0, bisect_left(self.seen, at) - 1)]
        del self.starts[: max(0, bisect_left(self.starts, (at, -math.inf)) - 1)]

    def agrees_with(self, labels: Mapping[str, str]) -> bool:
        return all(labels.get(name, value) == value for name, value in self.labels.items())


class Targets:
    """The evidence for where a count began."""

    def __init__(self) -> None:
        self._targets: dict[tuple[str, str], list[_Target]] = defaultdict(list)

    def learn(self, up: Iterable[RawSeries], starts: Iterable[RawSeries], since: float) -> None:
        """Take in the samples of ``up`` and ``process_start_time_seconds`` from a moment on."""
        for group in self._targets.values():
            for target in group:
                target.forget_before(since)
        for series in up:
            target = self._target(series.labels)
            target.seen = sorted({*target.seen, *(at for at, value in series.points if value == 1)})
        for series in starts:
            target = self._target(series.labels)
            new = ((at, value) for at, value in series.points if math.isfinite(value))
            target.starts = sorted({*target.starts, *new})

    def _target(self, labels: Mapping[str, str]) -> _Target:
        own = {name: value for name, value in labels.items() if name != "__name__"}
        group = self._targets[own.get("job", ""), own.get("instance", "")]
        for target in group:
            if target.labels == own:
                return target
        group.append(_Target(own))
        return group[-1]

    def behind(self, labels: Mapping[str, str]) -> "Exporter":
        """The scraped endpoint that a series comes from."""
        group = self._targets.get((labels.get("job", ""), labels.get("instance", "")), [])
        return Exporter([target for target in group if target.agrees_with(labels)])


class Exporter:
    """What is known of the exporter of one series."""

    def __init__(self, targets: list[_Target]) -> None:
        self._targets = targets

    def last_scrape_before(self, at: float) -> float | None:
        """When it was last scraped before a moment, with success."""
        found = [target.seen[i - 1] for target in self._targets if (i := bisect_left(target.seen, at))]
        return max(found, default=None)

    def process_start(self, at: float) -> float | None:
        """When its process began, as of a scrape; None where that is not exposed."""
        found = [
            target.starts[i - 1][1]
            for target in self._targets
            if (i := bisect_right(target.starts, (at, math.inf)))
        ]
        return found[0] if len(set(found)) == 1 else None

    def restarted(self, before: float, after: float) -> bool:
        """Whether another process answered the second of two scrapes."""
        old, new = self.process_start(before), self.process_start(after)
        if new is None:
            return False
        return new > before or (old is not None and new - old > _NEW_PROCESS_SECONDS)
