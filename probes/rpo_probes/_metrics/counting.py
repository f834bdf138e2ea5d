"""From readings to events: cumulative counts are differenced here, never extrapolated.

Time is cut into windows of five minutes that begin at whole multiples since 1970, whoever collects and
whenever. What a bucket grew between two scrapes belongs to the window of the later one. A window is told only
if what the count was at its beginning is known, so every collection that tells it tells the same, and a
re-collection over overlapping times counts nothing twice. Where exactly one event fell between two scrapes,
the growth of the sum is its exact duration, and it is an event of its own.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from rpo_probes._metrics.readings import Bounds, Identity, Reading, all_of, growth, lacks_buckets
from rpo_probes._metrics.targets import Exporter, Targets

WINDOW_SECONDS = 300.0
_ROUNDING = 1e-9  # of a sum: what differences of floats may be off by


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """So many operations that took so long.

    Attributes
    ----------
    identity : tuple
        Of the series.
    lower, upper : float
        In the unit of the metric; equal if exact.
    count : int
    window_start : float, seconds since 1970
    at : float or None
        The scrape that showed it, for a single exact event; else it belongs to its window.
    sum : float or None
        Of their durations, where that is known of just these.
    """

    identity: Identity
    lower: float
    upper: float
    count: int
    window_start: float
    at: float | None = None
    sum: float | None = None


@dataclass(slots=True)
class _Track:
    """What is known of one series so far."""

    last: Reading
    known_from: float  # windows that begin at or after this are complete


@dataclass(frozen=True, slots=True)
class _Growth:
    """What came between two readings: operations per bucket, and the sum of their durations."""

    buckets: Mapping[Bounds, float]
    sum: float | None

    @property
    def single(self) -> float | None:
        """The duration, if it was one operation and the sum fits its bucket."""
        if self.sum is None or list(self.buckets.values()) != [1]:
            return None
        ((lower, upper),) = self.buckets
        slack = _ROUNDING * max(abs(self.sum), 1.0)
        return self.sum if lower - slack <= self.sum <= upper + slack else None


_NOTHING = _Growth({}, None)


@dataclass(slots=True, kw_only=True)
class Counting:
    """The counts of one metric, followed through time.

    Parameters
    ----------
    targets : Targets
    oldest : float, seconds since 1970
        The oldest sample of anything that Prometheus still has.
    start : float, seconds since 1970
        First window that is wanted.
    read_from : float, seconds since 1970
        Where reading without a gap began.

    Attributes
    ----------
    unlike : int
        Scrapes whose buckets did not fit those before, and were not counted.
    """

    targets: Targets
    oldest: float
    start: float
    read_from: float
    unlike: int = 0
    _tracks: dict[Identity, _Track] = field(default_factory=dict)

    def lose_sight(self, until: float) -> None:
        """Nothing could be read up to this moment: what was known says nothing about what follows."""
        self._tracks.clear()
        self.read_from = until

    def events(
        self, readings: Mapping[Identity, Sequence[Reading]], *, complete: bool = True
    ) -> Iterator[Event]:
        """The events of one stretch of time, made of whole windows.

        Parameters
        ----------
        readings : mapping
            By series and in time.
        complete : bool
            False if the server warned that its answer may lack something.
        """
        for identity, ordered in readings.items():
            exporter = self.targets.behind(dict(identity))
            windows: dict[float, list[_Growth]] = defaultdict(list)
            for reading in ordered:
                growth = self._step(identity, exporter, reading, complete)
                window = math.floor(reading.at / WINDOW_SECONDS) * WINDOW_SECONDS
                if not growth.buckets or window < max(self.start, self._tracks[identity].known_from):
                    continue
                exact = growth.single
                if exact is None:
                    windows[window].append(growth)
                else:
                    yield Event(
                        identity=identity, lower=exact, upper=exact, count=1, window_start=window,
                        at=reading.at, sum=exact,
                    )  # fmt: skip
            for window, growths in windows.items():
                yield from _together(identity, window, growths)

    def _step(self, identity: Identity, exporter: Exporter, new: Reading, complete: bool) -> _Growth:
        """What came since the reading before."""
        track = self._tracks.get(identity)
        if track is None:
            born = self._began_at_zero(exporter, new.at)
            self._tracks[identity] = _Track(new, -math.inf if born else new.at)
            return _since_zero(new) if born else _NOTHING
        old, restarted = track.last, exporter.restarted(track.last.at, new.at)
        if not complete and new.at - old.at > WINDOW_SECONDS:
            track.last, track.known_from = new, new.at
            return _NOTHING
        if not restarted and old.edges != new.edges and new.total >= old.total:
            self.unlike += 1
            if not lacks_buckets(old, new):
                track.last, track.known_from = new, new.at
            return _NOTHING
        track.last = new
        grown = None if restarted else growth(old, new)
        if grown is None:
            return _since_zero(new)
        known = new.sum is not None and old.sum is not None
        return _Growth(grown, new.sum - old.sum if known else None)  # type: ignore[operator]

    def _began_at_zero(self, exporter: Exporter, at: float) -> bool:
        """Whether all that a new series counts came since we look.

        Either its process began while Prometheus was already recording, or its exporter was scraped before
        with success and did not have it yet.
        """
        start = exporter.process_start(at)
        if start is not None and max(self.oldest, self.read_from) <= start:
            return True
        scraped = exporter.last_scrape_before(at)
        return scraped is not None and scraped >= self.read_from


def _since_zero(reading: Reading) -> _Growth:
    return _Growth(all_of(reading), reading.sum)


def _together(identity: Identity, window: float, growths: Sequence[_Growth]) -> Iterator[Event]:
    """The growths of one window, bucket by bucket."""
    counts: dict[Bounds, float] = defaultdict(float)
    for one in growths:
        for bounds, more in one.buckets.items():
            counts[bounds] += more
    sums = [one.sum for one in growths]
    total = sum(sums) if len(counts) == 1 and None not in sums else None  # type: ignore[arg-type]
    for (lower, upper), more in sorted(counts.items()):
        if round(more):
            yield Event(
                identity=identity, lower=lower, upper=upper, count=round(more), window_start=window, sum=total
            )
