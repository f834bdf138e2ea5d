"""A real Prometheus that scrapes a scripted exporter twice a second, and the probe that reads it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rpo_probes.prometheus import PrometheusProbe

from rpo_sim.probe_contract import Recorder
from rpo_sim.records import Observation
from tests.metrics.exporter import Exporter
from tests.metrics.server import PrometheusServer, binary

Collect = Callable[..., list[Observation]]


@pytest.fixture
def exporter() -> Iterator[Exporter]:
    with Exporter() as one:
        yield one


@pytest.fixture
def prometheus(tmp_path: Path, exporter: Exporter) -> Iterator[PrometheusServer]:
    binary()
    with PrometheusServer(tmp_path / "prometheus", {"exporter": [exporter.address]}) as server:
        exporter.step()
        yield server


@pytest.fixture
def recorder(tmp_path: Path) -> Recorder:
    return Recorder(tmp_path)


@pytest.fixture
def collect(recorder: Recorder) -> Collect:
    """What the probe measures with these settings; `recorder` has its notes."""

    def run(server: PrometheusServer, **settings: Any) -> list[Observation]:
        probe = PrometheusProbe()
        chosen = PrometheusProbe.Settings(url=server.url, **{"since": "10m", **settings})
        return [seen for batch in probe.measure(chosen, recorder.context) for seen in batch]

    return run
