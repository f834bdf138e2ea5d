"""The probe `prometheus`: durations that a cluster's Prometheus already has, as observations."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING

from rpo_probes._prometheus_settings import PrometheusSettings
from rpo_sim import __version__
from rpo_sim.errors import ProbeDenied, ProbeError, ProbeUnavailable
from rpo_sim.probe import CheckReport, Finding, ProbeContext
from rpo_sim.probe_capabilities import Discovered
from rpo_sim.records import Observation
from rpo_sim.units import format_duration

if TYPE_CHECKING:
    from rpo_probes._metrics.survey import Found
    from rpo_probes._metrics.table import Metric
    from rpo_probes._prometheus.connection import Connection


class PrometheusProbe:
    """Histograms, summaries, gauges and counters of storage, backup and replication, as they were scraped.

    It reads only. What each metric times is in the table of known metrics, with its traps.
    """

    name = "prometheus"
    version = __version__
    summary = "Durations that Prometheus or Thanos already has: snapshots, provisioning, backups, syncs."
    mutating = False
    Settings = PrometheusSettings
    discovery_settings = ("url", "token_file", "ca_file", "namespace", "cluster")

    def check(self, settings: PrometheusSettings, context: ProbeContext) -> CheckReport:
        """Whether it answers, and which known metrics it has."""
        table = _table(settings)
        try:
            with _connected(settings) as connection:
                found = _found(connection, table, settings, context)
        except ProbeError as error:
            return CheckReport(findings=(_unanswered(settings, error),))
        answers = Finding(what=f"{settings.url} answers", ok=True)
        return CheckReport(findings=(answers, *_metric_findings(found, settings)))

    def measure(self, settings: PrometheusSettings, context: ProbeContext) -> Iterator[Sequence[Observation]]:
        """Read the known metrics, oldest first; each batch holds one metric in one stretch of time."""
        from rpo_probes._metrics.observing import Scope
        from rpo_probes._metrics.reading import Reader, Span
        from rpo_probes._metrics.survey import oldest_sample
        from rpo_probes._prometheus.refusals import TooMuch

        table = _table(settings)
        if context.cancelled():
            return
        scope = Scope(
            platform=settings.platform,
            cluster=settings.cluster,
            origin=settings.origin,
            collection_id=context.collection_id,
            observed_at=context.now(),
        )
        end = scope.observed_at.timestamp()
        span = Span.covering(end - settings.since, end)
        with _connected(settings, context) as connection:
            found = _found(connection, table, settings, context)
            if not found:
                CheckReport(findings=tuple(_metric_findings(found, settings))).require_ok()
            try:
                oldest = oldest_sample(connection, span.read_from, end)
            except TooMuch as error:  # then only scrapes before a series prove that it began at zero
                oldest = math.inf
                context.note_error(f"how far back the data goes is not known: {error}")
            reader = Reader(connection, found, span, oldest, scope, context)
            try:
                yield from reader.run()
            finally:
                for note in reader.notes():
                    context.note_error(note)

    def discover(self, settings: PrometheusSettings, context: ProbeContext) -> Iterator[Discovered]:
        """How far back it goes, and which known metrics it has."""
        from rpo_probes._metrics.discovery import discoveries

        with _connected(settings, context) as connection:
            yield from discoveries(connection, _table(settings), settings, context.now().timestamp())


def _connected(settings: PrometheusSettings, context: ProbeContext | None = None) -> "closing[Connection]":
    from rpo_probes._prometheus.connection import Connection

    told: set[str] = set()

    def notice(text: str) -> None:
        if context is not None and text not in told:
            told.add(text)
            context.note_error(f"{settings.url} warns: {text}")

    return closing(Connection(settings.target, notice))


def _table(settings: PrometheusSettings) -> "dict[str, Metric]":
    """The metrics that are asked for.

    Raises
    ------
    ProbeDenied
        If `only` names something that nothing in the table is or times.
    """
    from rpo_probes._metrics.table import with_own

    table = with_own(settings.metrics)
    wanted = {name: metric for name, metric in table.items() if settings.wants(name, _stages(metric))}
    words = {word for name, metric in table.items() for word in (name, *_stages(metric))}
    words |= {word.partition(".")[0] for word in words}
    unknown = [word for word in settings.only if word not in words]
    if unknown:
        known = ", ".join(sorted({stage for metric in table.values() for stage in _stages(metric)}))
        raise ProbeDenied(
            f"--only {', '.join(unknown)}: no known metric is called so or times that; timed are {known}; "
            "describe your own metrics in a file for --metrics"
        )
    return wanted


def _stages(metric: "Metric") -> tuple[str, ...]:
    return tuple(f"{line.operation}.{line.stage}" for line in metric.times)


def _found(
    connection: "Connection",
    table: "Mapping[str, Metric]",
    settings: PrometheusSettings,
    context: ProbeContext,
) -> "list[Found]":
    from rpo_probes._metrics.survey import survey

    end = context.now().timestamp()
    return survey(connection, table, end - settings.since, end)


def _unanswered(settings: PrometheusSettings, error: ProbeError) -> Finding:
    missing, _, remedy = str(error).partition(": ")
    return Finding(
        what=f"Prometheus at {settings.url}",
        ok=False,
        missing=missing,
        remedy=remedy or "look at --url",
        retryable=isinstance(error, ProbeUnavailable),
    )


def _metric_findings(found: "Sequence[Found]", settings: PrometheusSettings) -> list[Finding]:
    if found:
        return [Finding(what=_in_words(one), ok=True) for one in found]
    since = format_duration(settings.since)
    return [
        Finding(
            what="known metrics",
            ok=False,
            missing=f"{settings.url} scraped none of them in the last {since}",
            remedy="let it scrape the exporters (`rpo-sim discover` says which), or look further back "
            "with --since; what is not scraped is not zero",
        )
    ]


def _in_words(one: "Found") -> str:
    series = f"{one.name}: {len(one.series)} series, {', '.join(one.stages)}"
    return f"{series}. {one.metric.traps}" if one.metric.traps else series
