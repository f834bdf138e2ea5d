"""Read what was scraped, stretch by stretch, and yield observations of whole windows."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rpo_probes._metrics import readings
from rpo_probes._metrics.counting import WINDOW_SECONDS, Counting, Event
from rpo_probes._metrics.gauges import LastValues
from rpo_probes._metrics.observing import Scope, moment, of_event, of_sample
from rpo_probes._metrics.readings import Identity, Reading
from rpo_probes._metrics.survey import Found
from rpo_probes._metrics.table import literal, quoted
from rpo_probes._metrics.targets import Targets
from rpo_probes._prometheus.answers import RawSeries
from rpo_probes._prometheus.connection import Connection
from rpo_probes._prometheus.refusals import TooMuch
from rpo_sim.errors import ProbeUnavailable
from rpo_sim.probe import ProbeContext
from rpo_sim.records import Observation
from rpo_sim.units import format_duration

_SAMPLES = 400_000  # wanted in one stretch, if scraped every 15 s
_SCRAPE_SECONDS = 15.0
_BUCKETS = 15
_LONGEST_SECONDS = 86_400.0
_BACK_SECONDS = 2 * WINDOW_SECONDS  # read before the first window, for the counts at its beginning
_MOST_FAILURES = 3  # windows in a row that could not be read


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Seconds since 1970: windows from `start` on, of what was scraped before `end`."""

    start: float
    end: float

    @classmethod
    def covering(cls, start: float, end: float) -> "Span":
        """From the window before the one that holds `start`: what ended late in it may not be told yet."""
        return cls(start=(math.floor(start / WINDOW_SECONDS) - 1) * WINDOW_SECONDS, end=end)

    @property
    def read_from(self) -> float:
        """Where reading begins."""
        return self.start - _BACK_SECONDS


class Reader:
    """One pass over a span of time.

    Parameters
    ----------
    connection : Connection
    found : sequence of Found
    span : Span
    oldest : float, seconds since 1970
        The oldest sample that Prometheus has.
    scope : Scope
    context : ProbeContext
    """

    def __init__(
        self,
        connection: Connection,
        found: Sequence[Found],
        span: Span,
        oldest: float,
        scope: Scope,
        context: ProbeContext,
    ) -> None:
        self._connection, self._found, self._span = connection, found, span
        self._scope, self._context = scope, context
        self._targets = Targets()
        self._counting = {
            one.name: Counting(
                targets=self._targets, oldest=oldest, start=span.start, read_from=span.read_from
            )
            for one in found
        }
        self._gauges = {one.name: LastValues() for one in found}
        self._stretch = _stretch_seconds(found)
        self._length: dict[str, float] = {}  # of a piece, for metrics of which a stretch is too much
        self._failures: Counter[str] = Counter()
        self._given_up: set[str] = set()
        self._summed: dict[str, list[Event]] = defaultdict(list)
        self._complete = True

    def run(self) -> Iterator[list[Observation]]:
        """One batch per metric and stretch of time, oldest first.

        Raises
        ------
        ProbeUnavailable, ProbeDenied
            If Prometheus does not answer any more. What was yielded before stays.
        """
        start, span = self._span.read_from, self._span
        while start < span.end and not self._context.cancelled():
            end = self._learn_targets(start, min(start + self._stretch, span.end))
            for number, one in enumerate(self._found):
                if self._context.cancelled():
                    return
                share = number / len(self._found)
                done = start - span.read_from + share * (end - start)
                self._context.progress(done, span.end - span.read_from, f"reading {one.name}")
                batch = self._read(one, start, end)
                if batch:
                    yield batch
            start = end
        self._context.progress(span.end - span.read_from, span.end - span.read_from, "read")

    def _learn_targets(self, start: float, end: float) -> float:
        """What is known of the exporters; until when, for all of it may be too much at once."""
        jobs = sorted({job for one in self._found for job in one.jobs})
        match = f"{{job=~{quoted('|'.join(map(literal, jobs)))}}}" if jobs else ""
        while True:
            try:
                up = self._connection.raw(f"up{match}", start, end)
                starts = self._connection.raw(f"process_start_time_seconds{match}", start, end)
            except TooMuch:
                shorter = _half(end - start)
                if shorter is None:
                    raise
                self._stretch = shorter
                end = start + shorter
                continue
            self._targets.learn(up, starts, start)
            return end

    def _read(self, one: Found, start: float, end: float) -> list[Observation]:
        """The observations of one metric and stretch; a note where it cannot be read."""
        batch: list[Observation] = []
        while start < end and one.name not in self._given_up:
            piece = min(start + self._length.get(one.name, math.inf), end)
            try:
                batch += self._read_piece(one, start, piece)
                self._failures[one.name] = 0
            except TooMuch as error:
                shorter = _half(piece - start)
                if shorter is not None:
                    self._length[one.name] = shorter
                    continue
                self._miss(one, start, piece, error)
            start = piece
        return batch

    def _miss(self, one: Found, start: float, end: float, error: TooMuch) -> None:
        """Go on without one window of one metric, and without the metric if that happens again and again."""
        self._counting[one.name].lose_sight(end)
        self._failures[one.name] += 1
        if self._failures[one.name] < _MOST_FAILURES:
            missing = f"for {format_duration(end - start)} from {moment(start):%Y-%m-%dT%H:%MZ}"
        else:
            self._given_up.add(one.name)
            missing = f"from {moment(start):%Y-%m-%dT%H:%MZ} on"
        self._context.note_error(f"{one.name} is missing {missing}: {error}")
        if len(self._given_up) == len(self._found):
            raise ProbeUnavailable(f"{error}; no metric could be read any more") from error

    def _raw(self, selector: str, start: float, end: float) -> list[RawSeries]:
        found = self._connection.raw(selector, start, end)
        self._complete = self._complete and not self._connection.warned
        return found

    def _read_piece(self, one: Found, start: float, end: float) -> list[Observation]:
        self._complete = True
        if one.metric.kind == "gauge":
            return self._read_gauge(one, start, end)
        counted = self._readings(one, start, end)
        timed = {identity: one.metric.timed(dict(identity)) for identity in counted}
        known = {identity: ordered for identity, ordered in counted.items() if timed[identity] is not None}
        batch = []
        for event in self._counting[one.name].events(known, complete=self._complete):
            line = timed[event.identity]
            if one.metric.kind == "summary" and event.at is None:
                self._summed[one.name].append(event)
            elif line is not None:
                batch.append(of_event(one.name, one.metric, line, event, self._scope))
        return batch

    def _readings(self, one: Found, start: float, end: float) -> dict[Identity, list[Reading]]:
        def raw(suffix: str) -> list[RawSeries]:
            return self._raw(one.metric.selector(one.name + suffix), start, end)

        if one.metric.kind == "counter":
            return readings.plain(raw(""), ())
        if one.metric.kind == "summary":
            return readings.plain(raw("_count"), raw("_sum"))
        # Where a histogram is stored both ways, the classic one counts.
        return {**readings.native(raw("")), **readings.classic(raw("_bucket"), raw("_sum"))}

    def _read_gauge(self, one: Found, start: float, end: float) -> list[Observation]:
        metric = one.metric
        values = self._raw(metric.selector(one.name), start, end)
        stamps = self._raw(metric.id or "", start, end)
        moved = self._raw(metric.bytes, start, end) if metric.bytes else []
        batch = []
        for sample in self._gauges[one.name].samples(values, stamps, moved):
            line = metric.timed(dict(sample.identity))
            if line is not None:
                batch.append(of_sample(one.name, metric, line, sample, self._scope))
        return batch

    def notes(self) -> Iterator[str]:
        """What was seen and is not among the observations, in words."""
        for one in self._found:
            counting = self._counting[one.name]
            if counting.unlike:
                yield (
                    f"{one.name}: {counting.unlike} scrapes brought other buckets than those before and "
                    "were left out; unlike buckets are not added"
                )
            if self._summed[one.name]:
                yield _summary_in_words(one, self._summed[one.name])


def _half(seconds: float) -> float | None:
    """About half as long, in whole windows; None for one window."""
    windows = math.ceil(seconds / WINDOW_SECONDS)
    return windows // 2 * WINDOW_SECONDS if windows > 1 else None


def _stretch_seconds(found: Sequence[Found]) -> float:
    """How much time to read at once: about as many samples as a server gives away without complaint."""
    series = sum(len(one.series) * (_BUCKETS if one.metric.kind == "histogram" else 1) for one in found)
    seconds = _SAMPLES * _SCRAPE_SECONDS / max(series, 1)
    windows = math.floor(min(seconds, _LONGEST_SECONDS) / WINDOW_SECONDS)
    return max(1, windows) * WINDOW_SECONDS


def _summary_in_words(one: Found, events: Sequence[Event]) -> str:
    """What a summary tells of operations that ended together: their mean is known, not each of them."""
    count = sum(event.count for event in events)
    known = [event for event in events if event.sum is not None]
    seconds = sum(event.sum or 0.0 for event in known) * one.metric.seconds_per_unit
    mean = seconds / sum(event.count for event in known) if known else math.nan
    shown = format_duration(mean) if known else "unknown"
    return (
        f"{one.name}: {count} operations are left out: several ended between two scrapes, and only their "
        f"mean is known ({shown}); it is shown, not fitted"
    )
