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
from tests.cluster.audit import Within, controller_durations
from tests.cluster.cluster import Cluster
from tests.cluster.lab.api import CORE
from tests.cluster.snapshots import ALLOW, run, settings, uid_of

EDGES = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30, 60, 120, 300, 600, math.inf)
CONTROLLER = "snapshot_controller_operation_total_seconds"
PROVISIONER = "controller_persistentvolumeclaim_provision_duration_seconds"
SCRAPES_SECONDS = 3.0
SLACK_SECONDS = 0.05  # how much longer than the client's a controller's duration may seem
NEAR_SECONDS = 0.15  # wider than the audit log should leave a duration open
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

    What its clock saw of each snapshot of ours is known from its requests in the audit log, within an
    interval: outside of an edge's reach the counts are equal, inside it they differ by no more than those.
    """
    before = scraped(place, tmp_path / "state")
    chosen: Any = settings(place, "measure", **MEASURED)
    seen, _ = run(tmp_path / "state", chosen, "first")
    time.sleep(SCRAPES_SECONDS)  # what nobody scraped before the restart, nobody can know
    place.lab.stop("snapshot-controller")
    place.lab.start("snapshot-controller")
    more, _ = run(tmp_path / "state", chosen, "second")
    news = came(before, scraped(place, tmp_path / "state"))

    def measured(operation: str, stage: str) -> set[str]:
        both = [*seen, *more]
        return {uid_of(one) for one in both if (one.operation, one.stage) == (operation, stage)}

    assert len(measured("snapshot", "ready")) >= 30
    for stage in ("cut", "ready"):
        truth = controller_durations(place, stage)
        assert truth.keys() == measured("snapshot", stage), "the same snapshots"
        same_buckets(of(news, CONTROLLER, "snapshot", stage), list(truth.values()))
    ready = controller_durations(place, "ready").values()
    assert len({bucket(each.high) for each in ready}) >= 3, "durations of one bucket would prove little"
    assert total(of(news, PROVISIONER, "restore", "provision")) == len(measured("restore", "bound"))


def same_buckets(counted: list[tuple[Observation, int]], truth: list[Within]) -> None:
    """The counts are the truth's, but for those whose interval an edge cuts: they may be on either side."""
    assert total(counted) == len(truth)
    wide = [each for each in truth if each.high - each.low > NEAR_SECONDS]
    assert len(wide) <= len(truth) // 10, f"the log says too little of {len(wide)} of {len(truth)}"
    for edge in EDGES:
        below = total((one, count) for one, count in counted if one.upper_seconds <= edge)
        surely = at_most(edge, (each.high for each in truth))
        at_best = at_most(edge, (each.low for each in truth))
        assert surely <= below <= at_best, f"at most {edge} s: {below}, of {at_best - surely} not sure"


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
