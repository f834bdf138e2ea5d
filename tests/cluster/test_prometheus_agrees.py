"""The same snapshots, seen by the API and by Prometheus: as many, and in the same buckets."""

import math
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from rpo_probes.prometheus import PrometheusProbe

from rpo_sim.probe_contract import Recorder
from rpo_sim.records import Observation
from tests.cluster.cluster import Cluster
from tests.cluster.lab.api import CORE
from tests.cluster.snapshots import ALLOW, run, settings

EDGES = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30, 60, 120, 300, 600, math.inf)
CONTROLLER = "snapshot_controller_operation_total_seconds"
PROVISIONER = "controller_persistentvolumeclaim_provision_duration_seconds"
SCRAPES_SECONDS = 3.0
SLACK_SECONDS = 0.05  # how much longer than the client's a controller's duration may seem
LATE_SECONDS = 0.3  # how much later than we create it, a busy machine may show an object to the controller
MEASURED = {"sizes": ("64Ki", "8Mi", "24Mi"), "volume_size": "64Mi", "concurrency": (1,), "enough": 5}


def scraped(cluster: Cluster, folder: Path) -> dict[str, Observation]:
    """All that Prometheus knows, by identity."""
    time.sleep(SCRAPES_SECONDS)
    folder.mkdir(exist_ok=True)
    chosen = PrometheusProbe.Settings(url=str(cluster.prometheus_url), since=1800.0)
    batches = PrometheusProbe().measure(chosen, Recorder(folder).context)
    return {one.event_id: one for batch in batches for one in batch}


def came(before: dict[str, Observation], after: dict[str, Observation]) -> list[tuple[Observation, int]]:
    """What was counted in between: events that are new, and windows that grew."""
    news = [
        (one, one.count - (before[event].count if event in before else 0)) for event, one in after.items()
    ]
    assert all(count >= 0 for _, count in news), "a window shrank"
    return [(one, count) for one, count in news if count]


def of(
    news: Iterable[tuple[Observation, int]], metric: str, operation: str, stage: str
) -> list[tuple[Observation, int]]:
    """What one metric says of one stage."""
    wanted = (metric, operation, stage)
    return [(one, count) for one, count in news if (one.labels["metric"], one.operation, one.stage) == wanted]


def total(news: Iterable[tuple[Observation, int]]) -> int:
    return sum(count for _, count in news)


def at_most(seconds: float, durations: Iterable[float]) -> int:
    return sum(duration <= seconds for duration in durations)


@pytest.fixture
def place(cluster: Cluster) -> Cluster:
    cluster.api.patch(f"{CORE}/namespaces/{cluster.namespace}", ALLOW)
    return cluster


def test_bucket_counts_agree_also_over_a_restart_of_the_controller(place: Cluster, tmp_path: Path) -> None:
    """Twice the same measurement; between them the controller, and with it all its counts, begins anew.

    One at a time: the controller's clock starts when it first looks at an object, which under load is later.
    """
    before = scraped(place, tmp_path / "state")
    chosen: Any = settings(place, "measure", **MEASURED)
    seen, _ = run(tmp_path / "state", chosen, "first")
    time.sleep(SCRAPES_SECONDS)  # what nobody scraped before the restart, nobody can know
    place.lab.stop("snapshot-controller")
    place.lab.start("snapshot-controller")
    more, _ = run(tmp_path / "state", chosen, "second")
    news = came(before, scraped(place, tmp_path / "state"))

    def measured(operation: str, stage: str) -> list[float]:
        both = [*seen, *more]
        return [one.upper_seconds for one in both if (one.operation, one.stage) == (operation, stage)]

    ready, counted = measured("snapshot", "ready"), of(news, CONTROLLER, "snapshot", "ready")
    assert total(counted) == len(ready) >= 30
    assert total(of(news, CONTROLLER, "snapshot", "cut")) == len(measured("snapshot", "cut"))
    assert total(of(news, PROVISIONER, "restore", "provision")) == len(measured("restore", "bound"))
    for edge in EDGES:
        below = total((one, count) for one, count in counted if one.upper_seconds <= edge)
        assert at_most(edge - SLACK_SECONDS, ready) <= below <= at_most(edge + LATE_SECONDS, ready), edge
    assert len({bucket(seconds) for seconds in ready}) >= 3, "durations of one bucket would prove little"


def bucket(seconds: float) -> float:
    return next(edge for edge in EDGES if seconds <= edge)


def test_single_events_are_as_long_as_the_client_saw(place: Cluster, tmp_path: Path) -> None:
    """One snapshot at a time, spaced by scrapes: Prometheus then has its exact duration."""
    place.create_claim("source")
    place.volume_folder("source").joinpath("data").write_bytes(bytes(range(256)) * 40_000)
    before, took = scraped(place, tmp_path / "state"), list[float]()
    for number in range(4):
        began = time.monotonic()
        place.create_snapshot(f"s-{number}", "source")
        place.wait_ready(f"s-{number}")
        took.append(time.monotonic() - began)
        time.sleep(SCRAPES_SECONDS)
    news = came(before, scraped(place, tmp_path / "state"))
    exact = [one.lower_seconds for one, _ in of(news, CONTROLLER, "snapshot", "ready") if one.exact]
    assert len(exact) == len(took)
    polled = 0.6  # the test looks less often than the controller
    assert all(-SLACK_SECONDS <= mine - theirs <= polled for mine, theirs in zip(took, exact, strict=True))
