"""`--mode record` and `--mode list` on the lab: nothing lost, nothing doubled, intervals that hold."""

import math
import time
from collections import Counter
from pathlib import Path

import pytest

from rpo_sim.records import Observation, Outcome
from rpo_sim.store import open_store
from tests.cluster.audit import truths
from tests.cluster.cluster import Cluster
from tests.cluster.snapshots import Running, run, running, settings, uid_of


def recorder(cluster: Cluster, state: Path, collection: str = "collection-1") -> Running:
    """A recorder that has begun to watch."""
    started = running(state, settings(cluster, "record", data_folder=None), collection)
    started.wait_for("the recorder to watch", lambda: list(state.glob("record-*.json")))
    return started


def make(cluster: Cluster, name: str, source: str = "source") -> tuple[str, str]:
    """A snapshot and a restore of it; their uids."""
    snapshot = cluster.create_snapshot(name, source)["metadata"]["uid"]
    cluster.wait_ready(name)
    restore = cluster.create_claim(f"{name}-restored", snapshot=name)["metadata"]["uid"]
    cluster.wait_bound(f"{name}-restored")
    return snapshot, restore


def source(cluster: Cluster, name: str = "source") -> None:
    cluster.create_claim(name)
    cluster.wait_bound(name)
    if cluster.has_driver_folder:
        (cluster.volume_folder(name) / "data").write_bytes(b"x" * (1 << 20))


def main_rows(seen: list[Observation]) -> dict[str, Observation]:
    """By uid, the last told row of the main stage."""
    return {uid_of(one): one for one in seen if one.stage in ("ready", "bound")}


def assert_true(cluster: Cluster, rows: dict[str, Observation], slack: float = 0.0) -> None:
    """Each interval contains what the audit log says."""
    truth = truths(cluster)
    for uid, one in rows.items():
        assert one.lower_seconds - slack <= truth[uid] <= one.upper_seconds + slack, (one, truth[uid])


def test_it_sees_each_stage_as_it_happens(cluster: Cluster, tmp_path: Path) -> None:
    source(cluster)
    recording = recorder(cluster, tmp_path / "state")
    made = [uid for number in range(3) for uid in make(cluster, f"s{number}")]
    recording.wait_for("all of them", lambda: set(made) <= main_rows(recording.seen).keys())
    seen = recording.stop()
    assert Counter((one.operation, one.stage) for one in seen) == {
        ("snapshot", "cut"): 3,
        ("snapshot", "ready"): 3,
        ("restore", "bound"): 3,
    }
    rows = main_rows(seen)
    assert {one.outcome for one in seen} == {Outcome.SUCCEEDED}
    assert all(one.exact for one in rows.values())
    assert {one.entry_seconds for one in seen} == {0.0}
    if cluster.has_audit_log:
        assert_true(cluster, rows, slack=0.1)


def test_deleted_while_pending_is_told_and_kept_open(cluster: Cluster, tmp_path: Path) -> None:
    source(cluster)
    recording = recorder(cluster, tmp_path / "state")
    cluster.lab.stop("csi-snapshotter")
    try:
        uid = cluster.create_snapshot("never", "source")["metadata"]["uid"]
        time.sleep(1.5)
        path = cluster.path("volumesnapshots", "never")
        cluster.api.delete(path)
        cluster.api.patch(path, {"metadata": {"finalizers": None}})  # nobody is there to finish it
        recording.wait_for("the deletion", lambda: uid in main_rows(recording.seen))
        one = main_rows(recording.stop())[uid]
    finally:
        cluster.lab.start("csi-snapshotter")
    assert one.outcome is Outcome.CANCELLED
    assert 1.0 < one.lower_seconds < 30
    assert math.isinf(one.upper_seconds)


def test_what_is_pending_at_the_end_is_running(cluster: Cluster, tmp_path: Path) -> None:
    source(cluster)
    cluster.lab.stop("csi-snapshotter")
    try:
        uid = cluster.create_snapshot("late", "source")["metadata"]["uid"]
        time.sleep(2)
        recording = recorder(cluster, tmp_path / "state")
        time.sleep(1)
        one = main_rows(recording.stop())[uid]
        assert one.outcome is Outcome.RUNNING
        assert one.entry_seconds >= 0.9, "it had begun before it was seen"
        assert one.lower_seconds >= one.entry_seconds
    finally:
        cluster.lab.start("csi-snapshotter")
    cluster.wait_ready("late")
    again = recorder(cluster, tmp_path / "state", "collection-2")
    again.wait_for("its end", lambda: uid in main_rows(again.seen))
    ended = main_rows(again.stop())[uid]
    assert ended.outcome is Outcome.SUCCEEDED
    assert_true(cluster, {uid: ended})


def test_it_goes_on_after_a_restart(cluster: Cluster, tmp_path: Path) -> None:
    """What happened meanwhile, and was deleted again before the restart, is not lost."""
    source(cluster)
    state = tmp_path / "state"
    first = recorder(cluster, state)
    before = make(cluster, "before")
    first.wait_for("the first", lambda: set(before) <= main_rows(first.seen).keys())
    first.stop()
    meanwhile = make(cluster, "meanwhile")
    cluster.api.delete(cluster.path("persistentvolumeclaims", "meanwhile-restored"))
    cluster.api.delete(cluster.path("volumesnapshots", "meanwhile"))
    cluster.api.wait_gone(cluster.path("volumesnapshots", "meanwhile"))
    second = recorder(cluster, state, "collection-2")
    after = make(cluster, "after")
    second.wait_for("all", lambda: {*meanwhile, *after} <= main_rows(second.seen).keys())
    second.stop()
    rows = main_rows(first.seen + second.seen)
    assert rows.keys() == {*before, *meanwhile, *after}
    assert not main_rows(second.seen).keys() & set(before)
    assert_true(cluster, {uid: rows[uid] for uid in meanwhile})


def test_history_that_was_compacted_is_reconciled(cluster: Cluster, tmp_path: Path) -> None:
    """410 Gone: it lists again; what was missed is told by its stamps, what was deleted is told as gone."""
    source(cluster)
    state = tmp_path / "state"
    cluster.lab.stop("csi-snapshotter")
    first = recorder(cluster, state)
    doomed = cluster.create_snapshot("doomed", "source")["metadata"]["uid"]
    time.sleep(0.5)
    first.stop()
    assert main_rows(first.seen)[doomed].outcome is Outcome.RUNNING
    path = cluster.path("volumesnapshots", "doomed")
    cluster.api.delete(path)
    cluster.api.patch(path, {"metadata": {"finalizers": None}})
    cluster.lab.start("csi-snapshotter")
    missed = make(cluster, "missed")
    cluster.lab.compact_etcd()
    cluster.lab.stop("kube-apiserver")  # its watch cache remembers what etcd forgot
    cluster.lab.start("kube-apiserver")
    second = recorder(cluster, state, "collection-2")
    second.wait_for("all", lambda: {doomed, *missed} <= main_rows(second.seen).keys())
    second.stop()
    rows = main_rows(second.seen)
    assert rows[doomed].outcome is Outcome.CANCELLED
    assert {rows[uid].outcome for uid in missed} == {Outcome.SUCCEEDED}
    assert_true(cluster, {uid: rows[uid] for uid in missed})
    with open_store(tmp_path / "store.db") as store:
        store.add_all(first.seen)
        store.add_all(second.seen)
        assert store.count() == len(
            {(one.operation, one.stage, uid_of(one)) for one in first.seen + second.seen}
        )


def test_the_api_server_may_be_away(cluster: Cluster, tmp_path: Path) -> None:
    source(cluster)
    recording = recorder(cluster, tmp_path / "state")
    before = make(cluster, "before")
    cluster.lab.stop("kube-apiserver")
    time.sleep(20)
    cluster.lab.start("kube-apiserver")
    after = make(cluster, "after")
    recording.wait_for("all", lambda: {*before, *after} <= main_rows(recording.seen).keys())
    rows = main_rows(recording.stop())
    assert rows.keys() == {*before, *after}
    assert_true(cluster, rows, slack=0.1)


def test_list_tells_what_stamps_still_tell(cluster: Cluster, tmp_path: Path) -> None:
    source(cluster)
    made = [uid for number in range(4) for uid in make(cluster, f"s{number}")]
    seen, told = run(tmp_path / "state", settings(cluster, "list", data_folder=None))
    rows = main_rows(seen)
    assert rows.keys() == set(made)
    assert_true(cluster, rows)
    assert all(one.upper_seconds - one.lower_seconds <= 3.0 for one in rows.values())
    assert {one.labels["sample"] for one in seen} == {"survivors"}
    assert any("survivor-biased" in text for text in told.errors)
    cuts = {uid_of(one): one for one in seen if one.stage == "cut"}
    assert cuts.keys() == {uid for uid, one in rows.items() if one.operation == "snapshot"}


def test_what_was_measured_is_not_spoilt_by_a_later_list(cluster: Cluster, tmp_path: Path) -> None:
    source(cluster)
    recording = recorder(cluster, tmp_path / "state")
    made = make(cluster, "one")
    recording.wait_for("both", lambda: set(made) <= main_rows(recording.seen).keys())
    fine = recording.stop()
    coarse, _ = run(tmp_path / "state", settings(cluster, "list", data_folder=None), "collection-2")
    with open_store(tmp_path / "store.db") as store:
        store.add_all(fine)
        store.add_all(coarse)
        kept = main_rows(list(store.observations()))
    assert {uid: one.upper_seconds for uid, one in kept.items()} == {
        uid: one.upper_seconds for uid, one in main_rows(fine).items()
    }


@pytest.mark.parametrize("mode", ["list", "record"])
def test_reading_modes_make_nothing(cluster: Cluster, tmp_path: Path, mode: str) -> None:
    before = cluster.lab.layout.audit_log.read_text().count('"verb":"create"')
    run(tmp_path / "state", settings(cluster, mode, data_folder=None, duration="1s"))
    after = cluster.lab.layout.audit_log.read_text().count('"verb":"create"')
    assert after == before
