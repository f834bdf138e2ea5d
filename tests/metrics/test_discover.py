"""`rpo-sim discover` on a real Prometheus, and the command that it names, to a profile."""

import json
import re
import shlex
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rpo_sim.cli.app import app
from tests.metrics.exporter import Exporter, Histogram
from tests.metrics.server import PrometheusServer, binary, free_port
from tests.metrics.world import LABELS, NAME, World

HOUR = 3600


@pytest.fixture
def server(tmp_path: Path) -> Iterator[PrometheusServer]:
    binary()
    now = time.time()
    one = PrometheusServer(tmp_path / "prometheus", {})
    one.backfill(World(seed=8, begin=now - 26 * HOUR, end=now - 3 * HOUR, rate=1 / 100).openmetrics())
    with one:
        yield one


def test_from_discover_to_a_profile(server: PrometheusServer, tmp_path: Path) -> None:
    """Nothing is configured by hand: what it says to run first measures, and can be fitted."""
    run = CliRunner().invoke
    found = run(app, ["discover", "--probe", "prometheus", "--url", server.url, "-o", "json"])
    document = json.loads(found.stdout)
    rows = {row["what"]: row for row in document["rows"]}
    assert rows[NAME]["detail"] == "snapshot.ready on hostpath.csi.k8s.io: 1 series"
    assert re.search(r"UTC \(1d[23]h\)$", rows[f"Prometheus {server.url}"]["detail"])
    absent = next(row for row in document["rows"] if row["what"].endswith("known metrics"))
    assert not absent["ok"]
    assert "which is not zero" in absent["detail"]
    assert "Velero" in absent["detail"]
    command = shlex.split(document["run_first"])
    assert command[:3] == ["rpo-sim", "measure", "prometheus"]
    store, profile = str(tmp_path / "store.db"), tmp_path / "profile.json"
    assert run(app, [*command[1:], "--store", store]).exit_code == 0
    fitted = run(app, ["fit", "--store", store, "--source", "prometheus", "--out", str(profile)])
    assert fitted.exit_code == 0, fitted.output
    (entry,) = json.loads(profile.read_text(encoding="utf-8"))["entries"]
    assert (entry["operation"], entry["stage"]) == ("snapshot", "ready")
    assert entry["backend"] == "hostpath.csi.k8s.io"


def test_one_that_was_started_just_now(prometheus: PrometheusServer, exporter: Exporter) -> None:
    """Its few seconds of data are found among the 15 days that are looked at."""
    histogram = Histogram(NAME, (1, 2), LABELS)
    exporter.page = histogram.text
    exporter.step()
    found = CliRunner().invoke(
        app, ["discover", "--probe", "prometheus", "--url", prometheus.url, "-o", "json"]
    )
    assert NAME in {row["what"] for row in json.loads(found.stdout)["rows"]}


def test_one_that_scraped_nothing(tmp_path: Path) -> None:
    binary()
    with PrometheusServer(tmp_path / "prometheus", {}) as empty:
        found = CliRunner().invoke(app, ["discover", "--probe", "prometheus", "--url", empty.url])
    assert found.exit_code == 0
    assert "scraped nothing in the last 15d" in found.stdout
    assert "run first" not in found.stdout


def test_one_that_is_not_there() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    found = CliRunner().invoke(app, ["discover", "--probe", "prometheus", "--url", url])
    assert found.exit_code == 0
    assert "cannot be reached (Connection refused)" in found.stdout
    assert found.stderr == ""
