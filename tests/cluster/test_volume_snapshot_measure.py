"""`volume_snapshot --mode measure` on a real control plane: the main job, its truth, its ways to verify."""

import json
import math
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel
from rpo_probes.volume_snapshot import VolumeSnapshotProbe

from rpo_sim.probe import Probe
from rpo_sim.probe_contract import ProbeContract
from rpo_sim.records import Outcome
from rpo_sim.scenario.shipped import shipped_path
from tests.cluster.audit import truths
from tests.cluster.cluster import Cluster
from tests.cluster.lab.api import CORE
from tests.cluster.snapshots import (
    ALLOW,
    check,
    finished,
    hand_made_kubelet,
    left,
    options,
    run,
    settings,
    uid_of,
)


@pytest.fixture
def place(cluster: Cluster) -> Iterator[Cluster]:
    """A namespace that allows measuring, empty again in the end."""
    cluster.api.patch(f"{CORE}/namespaces/{cluster.namespace}", ALLOW)
    yield cluster
    assert left(cluster) == []


def test_the_main_job_from_measurement_to_verdict(place: Cluster, tmp_path: Path) -> None:
    state = tmp_path / "state"
    chosen = settings(
        place, "measure", any_namespace=False, sizes=("64Ki", "4Mi"), concurrency=(1, 3), enough=8
    )
    measured = finished(state, *options(chosen), "-o", "json")
    assert measured.returncode == 0, measured.stderr
    rows = json.loads(measured.stdout)["rows"]
    assert {(row["operation"], row["stage"]) for row in rows} == {
        ("snapshot", "cut"),
        ("snapshot", "ready"),
        ("restore", "bound"),
    }
    assert {row["failed"] for row in rows} == {0}
    fitted = finished(state, "fit")
    assert fitted.returncode == 0, fitted.stderr
    words = [str(with_bytes(state)), "--platform", "openshift-virtualization", "--profile", "profile.json"]
    for name in ("restore.bound", "snapshot.ready"):
        words += ["--bind", f"{name}={name},platform=kubernetes,extrapolate=linear"]
    words += ["--runs", "200", "-o", "json"]
    simulated = finished(state, "simulate", *words)
    assert simulated.returncode == 0, simulated.stderr
    judged = finished(state, "verdict", *words)
    assert judged.returncode in (3, 4), judged.stderr  # the incident rests on assumptions: never a clear pass
    assert "restore.bound = restore.bound on kubernetes" in simulated.stdout, (
        "the measured restore is an input"
    )
    assert "snapshot.ready = snapshot.ready on kubernetes" in simulated.stdout
    assert json.loads(judged.stdout)["rows"][0]["rta_extrapolated_share"] > 0


def with_bytes(folder: Path) -> Path:
    """The shipped scenario as the user of a driver that copies writes it: snapshot and clone move bytes."""
    text = shipped_path("disk-level-restore").read_text()
    for line in ("    overlap: skip\n", "          name: clone\n          when: snapshot\n"):
        assert line in text
        indent = line[: len(line) - len(line.lstrip())]
        text = text.replace(line, f"{line}{indent}bytes: used\n")
    path = folder / "mine.yaml"
    path.write_text(text)
    return path


def test_durations_agree_with_the_audit_log(place: Cluster, tmp_path: Path) -> None:
    """In 99 % of cases within 50 ms + 1 %; measured anew where something else held this process up."""
    for number in range(3):
        wrong_by = _beside_the_audit_log(place, tmp_path / f"state{number}")
        if sum(far <= 0 for far in wrong_by) >= 0.99 * len(wrong_by):
            return
    raise AssertionError(f"seconds beyond the limit: {wrong_by}")


def _beside_the_audit_log(place: Cluster, state: Path) -> list[float]:
    """By how much each duration is farther from the truth than it may be; what must hold in any case does."""
    seen, recorder = run(state, settings(place, "measure", concurrency=(1, 2, 4), enough=14))
    assert recorder.errors == []
    truth = truths(place)
    timed = [one for one in seen if one.stage in ("ready", "bound")]
    assert len(timed) >= 52
    assert {uid_of(one) for one in timed} <= truth.keys()
    for one in timed:
        low, high = (float(text[:-1]) for text in one.labels["server_stamps"].split(".."))
        assert low <= truth[uid_of(one)] <= high, "the server's own stamps contain the truth"
    cuts = [one for one in seen if one.stage == "cut"]
    ends = {uid_of(one): one.upper_seconds for one in timed}
    assert len(cuts) == sum(one.operation == "snapshot" for one in timed)
    assert all(one.upper_seconds >= -0.05 and one.lower_seconds <= ends[uid_of(one)] for one in cuts)
    return [abs(one.lower_seconds - truth[uid_of(one)]) - 0.05 - 0.01 * truth[uid_of(one)] for one in timed]


def test_concurrency_is_what_was_in_flight(place: Cluster, tmp_path: Path) -> None:
    seen, _ = run(
        tmp_path / "state", settings(place, "measure", sizes=("64Ki",), concurrency=(1, 4), enough=5)
    )
    for one in seen:
        assert one.concurrency is not None
        assert one.concurrency <= int(one.labels["burst"])
    most = {one.labels["burst"]: one.concurrency for one in seen if one.stage == "ready"}
    assert most["1"] == 1
    assert most["4"] == 4


def test_every_restore_is_compared_with_its_snapshot(place: Cluster, tmp_path: Path) -> None:
    seen, _ = run(tmp_path / "state", settings(place, "measure", enough=3))
    restores = [one for one in seen if one.operation == "restore"]
    assert restores
    if place.has_driver_folder:
        assert {one.verified for one in restores} == {True}
        assert {one.labels["pod_path"] for one in restores} == {"not exercised"}
    assert {one.outcome for one in seen} == {Outcome.SUCCEEDED}


def test_a_restore_with_other_data_has_failed(
    place: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rpo_probes._snapshot.data import MARKER, FolderData

    real = FolderData.same

    def after_damage(self: FolderData, handle: str, marker: str, digest: str) -> bool:
        (self._volume(handle) / MARKER).write_text("something else")
        return real(self, handle, marker, digest)

    monkeypatch.setattr(FolderData, "same", after_damage)
    chosen = settings(place, "measure", sizes=("64Ki",), concurrency=(1,), enough=1, max_failures=9)
    seen, recorder = run(tmp_path / "state", chosen)
    bound = [one for one in seen if one.stage == "bound"]
    assert {(one.outcome, one.verified) for one in bound} == {(Outcome.FAILED, False)}
    assert any("differs from what was written" in text for text in recorder.errors)


@pytest.mark.parametrize("waits", [False, True])
def test_pods_write_and_verify(cluster: Cluster, tmp_path: Path, waits: bool) -> None:
    """The scripts run for real; what is played is the kubelet that runs them."""
    storage_class = cluster.waiting_class if waits else cluster.storage_class
    chosen = settings(
        cluster,
        "measure",
        data_folder=None,
        storage_class=storage_class,
        sizes=("64Ki",),
        concurrency=(1, 2),
        enough=3,
    )
    assert cluster.lab
    with hand_made_kubelet(cluster):
        seen, recorder = run(tmp_path / "state", chosen)
    assert recorder.errors == []
    restores = [one for one in seen if one.operation == "restore"]
    assert {one.stage for one in restores} == {"bound", "verify", "ready"}
    assert {one.verified for one in restores} == {True}
    assert {one.labels["binding"] for one in seen} == {"WaitForFirstConsumer" if waits else "Immediate"}
    by_stage = {(uid_of(one), one.stage): one.lower_seconds for one in restores}
    for uid in {uid_of(one) for one in restores}:
        assert math.isclose(by_stage[uid, "bound"] + by_stage[uid, "verify"], by_stage[uid, "ready"])
    assert left(cluster) == []


def test_where_no_pod_runs_it_says_so(cluster: Cluster, tmp_path: Path) -> None:
    from rpo_sim.errors import ProbeUnavailable

    assert cluster.lab
    chosen = settings(
        cluster, "measure", data_folder=None, sizes=("64Ki",), concurrency=(1,), enough=1, timeout="3s"
    )
    with pytest.raises(ProbeUnavailable, match="--no-pods"):
        run(tmp_path / "state", chosen)
    assert left(cluster) == []


def test_a_named_pvc_is_only_read(cluster: Cluster, tmp_path: Path) -> None:
    cluster.create_claim("precious", size="16Mi")
    before = cluster.wait_bound("precious")
    chosen = settings(cluster, "measure", data_folder=None, pods=False, pvc="precious", enough=3)
    seen, _ = run(tmp_path / "state", chosen)
    assert {one.bytes_capacity for one in seen} == {16 << 20}
    assert {one.bytes_moved for one in seen} == {None}
    after = cluster.wait_bound("precious")
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert not after["metadata"].get("labels")
    names = [item["metadata"]["name"] for item in cluster.api.items(cluster.path("persistentvolumeclaims"))]
    assert names == ["precious"]


def test_a_namespace_must_allow_it(cluster: Cluster, tmp_path: Path) -> None:
    chosen = settings(cluster, "measure", any_namespace=False)
    report = check(tmp_path / "state", chosen)
    (missing,) = [finding for finding in report.findings if not finding.ok]
    assert f"kubectl annotate namespace {cluster.namespace} rpo-sim.io/allow=measure" in missing.remedy


def test_the_check_lists_what_would_be_created(place: Cluster, tmp_path: Path) -> None:
    report = check(tmp_path / "state", settings(place, "measure", concurrency=(1, 3)))
    assert report.ok, report.findings
    plan = report.findings[-1].what
    assert "6 source PVCs" in plan
    assert "up to 3 VolumeSnapshots and 3 restored PVCs" in plan


def test_the_budget_ends_it(place: Cluster, tmp_path: Path) -> None:
    chosen = settings(place, "measure", sizes=("64Ki",), concurrency=(2,), enough=1000, max_objects=12)
    seen, recorder = run(tmp_path / "state", chosen)
    assert len({uid_of(one) for one in seen}) == 8  # two bursts of two snapshots and two restores
    assert any("--max-objects 12" in text for text in recorder.errors)


class TestContract(ProbeContract):
    """The promises of a probe, kept on a cluster."""

    @pytest.fixture(autouse=True)
    def _on(self, cluster: Cluster) -> None:
        self.cluster = cluster

    def make_probe(self) -> Probe:
        return VolumeSnapshotProbe()

    def make_settings(self, folder: Path) -> BaseModel:
        return settings(self.cluster, "measure", sizes=("64Ki",), concurrency=(1, 2), enough=3)

    def leftovers(self, folder: Path) -> list[str]:
        return left(self.cluster)
