"""What a real Prometheus scraped comes back as what happened."""

import math
import time
from collections import Counter
from itertools import pairwise

import pytest

from rpo_sim.probe_contract import Recorder
from rpo_sim.records import Observation, Outcome
from rpo_sim.store import open_store
from tests.metrics.conftest import Collect
from tests.metrics.exporter import Exporter, Histogram, NativeHistogram, sample
from tests.metrics.server import PrometheusServer

EDGES = (0.1, 0.25, 0.5, 1, 2.5, 5, 10)
SNAPSHOT = "snapshot_controller_operation_total_seconds"
LABELS = {
    "driver_name": "hostpath.csi.k8s.io",
    "operation_name": "CreateSnapshotAndReady",
    "operation_status": "success",
    "snapshot_type": "dynamic",
}


def buckets(seen: list[Observation]) -> Counter[tuple[float, float]]:
    """Counts by bucket, exact durations put where they belong."""
    counts: Counter[tuple[float, float]] = Counter()
    for one in seen:
        counts[bucket(one.lower_seconds) if one.exact else (one.lower_seconds, one.upper_seconds)] += (
            one.count
        )
    return counts


def bucket(seconds: float) -> tuple[float, float]:
    edges = (0.0, *EDGES, math.inf)
    return next((low, high) for low, high in pairwise(edges) if low < seconds <= high)


def expected(*seconds: float) -> Counter[tuple[float, float]]:
    return Counter(map(bucket, seconds))


def test_a_series_born_in_the_window_counts_from_zero(
    prometheus: PrometheusServer, exporter: Exporter, collect: Collect
) -> None:
    """Its first scrape already holds events: `increase()` would lose them."""
    histogram = Histogram(SNAPSHOT, EDGES, LABELS)
    histogram.observe(0.2, 0.3, 42.0)
    exporter.page = histogram.text
    exporter.step()
    histogram.observe(0.3, 0.3)
    exporter.step()
    seen = collect(prometheus)
    assert buckets(seen) == expected(0.2, 0.3, 42.0, 0.3, 0.3)
    assert {(one.operation, one.stage, one.backend) for one in seen} == {
        ("snapshot", "ready", "hostpath.csi.k8s.io")
    }
    beyond = next(one for one in seen if one.lower_seconds == 10)
    assert (beyond.upper_seconds, beyond.outcome) == (math.inf, Outcome.SUCCEEDED)
    assert {one.labels["type"] for one in seen} == {"dynamic"}


def test_what_was_counted_before_anyone_looked_is_not_counted(
    prometheus: PrometheusServer, exporter: Exporter, collect: Collect
) -> None:
    """The exporter ran before Prometheus: its first scrape is where counting begins, and the window in which
    it lies is not whole."""
    histogram = Histogram(SNAPSHOT, EDGES, LABELS)
    histogram.observe(*[0.3] * 500)
    with Exporter() as old:
        old.page = lambda: histogram.text()
        folder = prometheus.folder.with_name("later")
        with PrometheusServer(folder, {"old": [old.address]}) as later:
            old.step()
            histogram.observe(0.3)
            old.step()
            assert collect(later) == []


def test_one_event_between_two_scrapes_is_exact(
    prometheus: PrometheusServer, exporter: Exporter, collect: Collect
) -> None:
    histogram = Histogram(SNAPSHOT, EDGES, LABELS)
    exporter.page = histogram.text
    exporter.step()
    durations = (0.123, 77.7, 3.25)
    for seconds in durations:
        histogram.observe(seconds)
        exporter.step()
    seen = collect(prometheus)
    assert all(one.exact for one in seen)
    assert sorted(one.lower_seconds for one in seen) == pytest.approx(sorted(durations), rel=1e-9)


def test_a_restart_between_two_scrapes_loses_nothing_that_was_scraped(
    prometheus: PrometheusServer, exporter: Exporter, collect: Collect
) -> None:
    """The new process has already counted more than the old one: only its start tells of the restart."""
    first = Histogram(SNAPSHOT, EDGES, LABELS)
    exporter.process_start = time.time()
    exporter.page = first.text
    exporter.step()
    first.observe(0.3, 4.0)
    exporter.step()
    second = Histogram(SNAPSHOT, EDGES, LABELS)
    second.observe(0.3, 0.3, 0.3, 4.0, 4.0)
    exporter.process_start, exporter.page = time.time(), second.text
    exporter.step()
    assert buckets(collect(prometheus)) == expected(0.3, 4.0, 0.3, 0.3, 0.3, 4.0, 4.0)


def test_a_drop_is_a_reset_also_without_a_start_time(
    prometheus: PrometheusServer, exporter: Exporter, collect: Collect
) -> None:
    """The total grows on, but a bucket falls: the histogram began anew as a whole."""
    first = Histogram(SNAPSHOT, EDGES, LABELS)
    exporter.page = first.text
    exporter.step()
    first.observe(0.2, 0.2)
    exporter.step()
    second = Histogram(SNAPSHOT, EDGES, LABELS)
    second.observe(4.0, 4.0, 4.0)
    exporter.page = second.text
    exporter.step()
    assert buckets(collect(prometheus)) == expected(0.2, 0.2, 4.0, 4.0, 4.0)


def test_stale_markers_and_failed_scrapes_hide_nothing(
    prometheus: PrometheusServer, exporter: Exporter, collect: Collect
) -> None:
    histogram = Histogram(SNAPSHOT, EDGES, LABELS)
    exporter.page = histogram.text
    exporter.step()
    histogram.observe(0.3)
    exporter.step()
    exporter.status = 500
    exporter.step(3)
    histogram.observe(0.3, 0.6)
    exporter.status = 200
    exporter.step()
    assert buckets(collect(prometheus)) == expected(0.3, 0.3, 0.6)


def test_nan_and_half_a_histogram_are_left_out_until_it_is_whole_again(
    prometheus: PrometheusServer, exporter: Exporter, collect: Collect, recorder: Recorder
) -> None:
    histogram = Histogram(SNAPSHOT, EDGES, LABELS)
    exporter.page = histogram.text
    exporter.step()
    histogram.observe(0.2, 0.3)
    exporter.step()
    exporter.page = lambda: histogram.text().replace(" 2\n", " NaN\n")
    exporter.step()
    exporter.page = lambda: "".join(
        line for line in histogram.text().splitlines(keepends=True) if 'le="0.5"' not in line
    )
    histogram.observe(0.2)
    exporter.step()
    exporter.page = histogram.text
    histogram.observe(4.0)
    exporter.step()
    assert buckets(collect(prometheus)) == expected(0.2, 0.3, 0.2, 4.0)
    assert any("unlike buckets are not added" in note for note in recorder.errors)


def test_edges_are_read_and_unlike_ones_not_added(
    prometheus: PrometheusServer, exporter: Exporter, collect: Collect
) -> None:
    """A new version of the exporter has other buckets; its process is a new one."""
    first, second = Histogram(SNAPSHOT, EDGES, LABELS), Histogram(SNAPSHOT, (2, 20), LABELS)
    exporter.process_start = time.time()
    exporter.page = first.text
    exporter.step()
    first.observe(0.3, 0.3)
    exporter.step()
    second.observe(7.0, 7.0, 7.0)
    exporter.process_start, exporter.page = time.time(), second.text
    exporter.step()
    assert buckets(collect(prometheus)) == {(0.25, 0.5): 2, (2, 20): 3}


def test_native_histograms_come_with_their_own_bounds(
    prometheus: PrometheusServer, exporter: Exporter, collect: Collect
) -> None:
    histogram = NativeHistogram(SNAPSHOT, LABELS)
    exporter.page = lambda: histogram.protobuf() if histogram.buckets else ""
    exporter.step()
    histogram.observe(1.0, 3.0, 3.0)
    exporter.step()
    histogram.observe(3.0, 100.0)
    exporter.step()
    seen = collect(prometheus)
    counts = Counter({(one.lower_seconds, one.upper_seconds): 0 for one in seen})
    for one in seen:
        counts[one.lower_seconds, one.upper_seconds] += one.count
    assert sum(counts.values()) == 5
    for value, times in ((1.0, 1), (3.0, 3), (100.0, 1)):
        high = 2 ** (math.ceil(math.log2(value) * 8) / 8)
        of_it = [count for (low, upper), count in counts.items() if low < value <= upper * (1 + 1e-9)]
        assert of_it == [times], value
        assert any(upper == pytest.approx(high) for _, upper in counts)


def test_summaries_are_shown_and_only_single_events_are_kept(
    prometheus: PrometheusServer, exporter: Exporter, collect: Collect, recorder: Recorder
) -> None:
    state = {"sum": 0.0, "count": 0}
    labels = {"obj_name": "db", "obj_namespace": "shop", "role": "source", "method": "rsync"}

    def page() -> str:
        name = "volsync_sync_duration_seconds"
        return (
            sample(name, math.nan, {**labels, "quantile": "0.5"})
            + sample(f"{name}_sum", state["sum"], labels)
            + sample(f"{name}_count", state["count"], labels)
        )

    exporter.page = page
    exporter.step()
    state.update(sum=31.5, count=1)
    exporter.step()
    state.update(sum=131.5, count=3)
    exporter.step()
    (seen,) = collect(prometheus)
    assert (seen.lower_seconds, seen.upper_seconds) == (30.5, 31.5)  # up to a second too long, they say
    assert (seen.operation, seen.subject, seen.labels["method"]) == ("sync", "shop/db", "rsync")
    assert any("2 operations are left out" in note and "(50s)" in note for note in recorder.errors)


def test_a_gauge_gives_a_sample_when_its_stamp_changes(
    prometheus: PrometheusServer, exporter: Exporter, collect: Collect
) -> None:
    labels = {"obj_type": "DRPC", "obj_name": "vm1", "obj_namespace": "shop", "scheduling_interval": "5m"}
    state = {"stamp": 0.0, "seconds": 0.0, "bytes": 0.0}

    def page() -> str:
        return (
            sample("ramen_last_sync_timestamp_seconds", state["stamp"], {**labels, "policyname": "p"})
            + sample("ramen_last_sync_duration_seconds", state["seconds"], labels)
            + sample("ramen_last_sync_data_bytes", state["bytes"], labels)
        )

    exporter.page = page
    exporter.step()  # 0 says: never yet
    now = math.floor(time.time())
    for stamp, seconds in ((now - 300, 12.0), (now - 240, 12.0), (now - 240, 13.0)):
        state.update(stamp=stamp, seconds=seconds, bytes=4096.0)
        exporter.step()
    seen = collect(prometheus)
    assert [(one.lower_seconds, one.upper_seconds, one.bytes_moved) for one in seen] == [(11, 13, 4096)] * 2
    assert [one.started_at.timestamp() for one in seen if one.started_at] == [now - 300, now - 240]


def test_failed_attempts_are_failures_without_a_duration(
    prometheus: PrometheusServer, exporter: Exporter, collect: Collect
) -> None:
    counter = {"value": 0}
    labels = {"class": "fast", "source": "VolumeSnapshot"}
    name = "controller_persistentvolumeclaim_provision_failed_total"
    exporter.page = lambda: sample(name, counter["value"], labels)
    exporter.step()
    counter["value"] = 3
    exporter.step()
    (seen,) = collect(prometheus)
    assert (seen.outcome, seen.count) == (Outcome.FAILED, 3)
    assert (seen.lower_seconds, seen.upper_seconds, seen.backend) == (0.0, math.inf, "fast")


def test_collecting_again_counts_nothing_twice(
    prometheus: PrometheusServer, exporter: Exporter, collect: Collect
) -> None:
    """A later collection sees the growing window again, and more in it."""
    histogram = Histogram(SNAPSHOT, EDGES, LABELS)
    exporter.page = histogram.text
    exporter.step()
    with open_store(prometheus.folder / "store.db") as store:
        for values in ((0.3, 0.3), (0.3, 0.4), (0.6,)):
            histogram.observe(*values)
            exporter.step()
            store.add_all(collect(prometheus))
            store.add_all(collect(prometheus, since="5m"))
        seen = list(store.observations())
    assert buckets(seen) == expected(0.3, 0.3, 0.3, 0.4, 0.6)
