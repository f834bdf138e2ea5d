"""What `rpo-sim discover` tells of a Prometheus."""

import math
import shlex
from collections.abc import Iterator, Mapping, Sequence

from rpo_probes._metrics.observing import moment
from rpo_probes._metrics.survey import Found, oldest_sample, survey
from rpo_probes._metrics.table import Metric
from rpo_probes._prometheus.connection import Connection
from rpo_probes._prometheus_settings import PrometheusSettings
from rpo_sim.probe_capabilities import Discovered
from rpo_sim.units import format_duration

_LOOK_BACK_SECONDS = 15 * 86_400.0
_HOUR = 3600.0
_RANK = 15
_MOST_BACKENDS = 3


def discoveries(
    connection: Connection, table: Mapping[str, Metric], settings: PrometheusSettings, now: float
) -> Iterator[Discovered]:
    """How far back the data goes, which known metrics there are, and which are not scraped."""
    oldest = oldest_sample(connection, now - _LOOK_BACK_SECONDS, now)
    if not math.isfinite(oldest):
        yield Discovered(
            topic="metrics",
            what=settings.url,
            ok=False,
            detail="it answers, but scraped nothing in the last 15d",
            remedy="give the --url of the Prometheus that scrapes this cluster",
        )
        return
    found = survey(connection, table, oldest, now)
    hours = max(1, math.ceil((now - oldest) / _HOUR))
    command = _command(settings, hours) if found else ""
    yield Discovered(
        topic="history",
        what=f"Prometheus {settings.url}",
        ok=True,
        detail=f"back to {moment(oldest):%Y-%m-%d %H:%M} UTC ({format_duration(hours * _HOUR)})",
    )
    for one in found:
        yield _found(one)
    yield _absent(table, found)
    if found:
        stages = sorted({stage for one in found for stage in one.stages})
        yield Discovered(
            topic="measure",
            what="what Prometheus has counted",
            ok=True,
            detail=", ".join(stages),
            command=command,
            rank=_RANK,
        )


def _found(one: Found) -> Discovered:
    backends = one.backends[:_MOST_BACKENDS]
    more = f" and {len(one.backends) - len(backends)} more" if len(one.backends) > len(backends) else ""
    where = f" on {', '.join(backends)}{more}" if backends else ""
    return Discovered(
        topic="metrics",
        what=one.name,
        ok=True,
        detail=f"{', '.join(one.stages)}{where}: {len(one.series)} series",
    )


def _absent(table: Mapping[str, Metric], found: Sequence[Found]) -> Discovered:
    names = {one.name for one in found}
    absent = {name: metric for name, metric in table.items() if name not in names}
    what = f"{len(absent)} of {len(table)} known metrics"
    if not absent:
        return Discovered(topic="metrics", what=what, ok=True, detail="none is missing")
    exporters = ", ".join(dict.fromkeys(metric.exporter for metric in absent.values()))
    return Discovered(
        topic="metrics",
        what=what,
        ok=False,
        detail=f"not scraped, which is not zero; they come from {exporters}",
        remedy="scrape those of them that you run",
    )


def _command(settings: PrometheusSettings, hours: int) -> str:
    parts = ["rpo-sim", "measure", "prometheus", "--url", settings.url]
    for option, value in (
        ("--token-file", settings.token_file),
        ("--ca-file", settings.ca_file),
        ("--namespace", settings.namespace),
        ("--cluster", settings.cluster),
    ):
        if value:
            parts += [option, str(value)]
    return shlex.join([*parts, "--since", format_duration(hours * _HOUR)])
