"""What goes wrong around a measurement: a clear message, nothing lost, nothing left."""

import json
import math
import secrets
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml
from rpo_probes._kubernetes import connect
from rpo_probes._snapshot.listing import list_existing
from rpo_probes.volume_snapshot import VolumeSnapshotProbe

from rpo_sim.errors import ProbeDenied, ProbeUnavailable
from rpo_sim.probe_contract import Recorder
from rpo_sim.records import Outcome
from rpo_sim.store import open_store
from tests.cluster.audit import truths
from tests.cluster.cluster import Cluster
from tests.cluster.lab.api import CORE, PATIENCE_SECONDS, RBAC, Json, wait_for
from tests.cluster.lab.objects import CRDS, SNAPSHOT_CLASSES
from tests.cluster.snapshots import command, finished, left, options, run, running, settings, uid_of

MANY = 10**6
SNAPSHOT_CLASS_CRD = "volumesnapshotclasses.snapshot.storage.k8s.io"


def quick(cluster: Cluster, **changes: Any) -> Any:
    """Small bursts."""
    return settings(cluster, "measure", **{"sizes": ("64Ki",), "concurrency": (2,), "enough": 2, **changes})


def endless(cluster: Cluster, **changes: Any) -> Any:
    """Small bursts that go on until they are stopped."""
    return quick(cluster, **{"enough": MANY, "max_objects": MANY, **changes})


def claims(cluster: Cluster, part: str) -> list[Json]:
    selector = f"rpo-sim.io/part={part}"
    return cluster.api.items(cluster.path("persistentvolumeclaims"), labelSelector=selector)


def snapshots(cluster: Cluster) -> list[Json]:
    return cluster.api.items(cluster.path("volumesnapshots"))


STEPS: dict[str, Callable[[Cluster], object]] = {
    "sources are made": lambda cluster: claims(cluster, "source"),
    "snapshots are taken": snapshots,
    "a snapshot is ready": lambda cluster: [
        one for one in snapshots(cluster) if one.get("status", {}).get("readyToUse")
    ],
    "restores are made": lambda cluster: claims(cluster, "restore"),
    "restores are removed": lambda cluster: [
        one for one in claims(cluster, "restore") if "deletionTimestamp" in one["metadata"]
    ],
    "snapshots are removed": lambda cluster: [
        one for one in snapshots(cluster) if "deletionTimestamp" in one["metadata"]
    ],
}


@pytest.mark.parametrize("step", STEPS)
def test_killed_at_any_step_the_cleanup_leaves_nothing(cluster: Cluster, tmp_path: Path, step: str) -> None:
    state = tmp_path / "state"
    process = command(state, *options(endless(cluster)))
    try:
        wait_for(step, lambda: STEPS[step](cluster), 60, pause_seconds=0.01)
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert left(cluster)
    shown = finished(state, "cleanup", "--dry-run", "-o", "json")
    assert shown.returncode == 0, shown.stderr
    rows = json.loads(shown.stdout)["rows"]
    assert {row["state"] for row in rows} == {"found"}
    assert left(cluster), "a dry run removes nothing"
    removed = finished(state, "cleanup", "volume_snapshot", "-o", "json")
    assert removed.returncode == 0, removed.stdout + removed.stderr
    assert {row["state"] for row in json.loads(removed.stdout)["rows"]} == {"removed"}
    assert left(cluster) == []
    again = finished(state, "cleanup")
    assert (again.returncode, "Nothing is left" in again.stdout) == (0, True)


def test_the_next_run_cleans_up_too_and_spares_what_is_not_ours(cluster: Cluster, tmp_path: Path) -> None:
    cluster.create_claim("foreign")
    state = tmp_path / "state"
    process = command(state, *options(endless(cluster)))
    wait_for("restores", lambda: claims(cluster, "restore"), 60, pause_seconds=0.01)
    process.kill()
    process.communicate()
    ran = finished(state, *options(quick(cluster)))
    assert ran.returncode == 0, ran.stderr
    names = [item["metadata"]["name"] for item in cluster.api.items(cluster.path("persistentvolumeclaims"))]
    assert names == ["foreign"]
    assert snapshots(cluster) == []


def test_a_living_run_is_left_alone(cluster: Cluster, tmp_path: Path) -> None:
    state = tmp_path / "state"
    process = command(state, *options(endless(cluster)))
    try:
        wait_for("sources", lambda: len(claims(cluster, "source")) == 2, 60)
        other = finished(state, "cleanup", "volume_snapshot", "--set", f"namespace={cluster.namespace}",
                         "--set", f"kubeconfig={cluster.kubeconfig}", "-o", "json")  # fmt: skip
        assert {row["state"] for row in json.loads(other.stdout)["rows"]} == {"kept"}
        assert len(claims(cluster, "source")) == 2
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 130, out + err
    assert left(cluster) == []


def test_the_api_server_is_away_for_a_while(cluster: Cluster, tmp_path: Path) -> None:
    work = running(tmp_path / "measure", endless(cluster, timeout="180s"))
    work.wait_for("a first burst", lambda: work.ended("restore"))
    cluster.lab.stop("kube-apiserver")
    try:
        chosen: Any = settings(cluster, "list", data_folder=None)
        recorder = Recorder(tmp_path)
        with ThreadPoolExecutor(1) as pool:
            listing = pool.submit(
                lambda: list(list_existing(chosen, recorder.context, connect(chosen.target)))
            )
            time.sleep(20)
            assert not listing.done(), "it waits"
            cluster.lab.start("kube-apiserver")
            listing.result(PATIENCE_SECONDS)
    finally:
        cluster.lab.start("kube-apiserver")
    before = len(work.ended("restore"))
    work.wait_for("more bursts", lambda: len(work.ended("restore")) >= before + 4, 2 * PATIENCE_SECONDS)
    seen = work.stop()
    assert left(cluster) == []
    truth = truths(cluster)
    for one in seen:
        if one.stage in ("ready", "bound") and one.outcome is Outcome.SUCCEEDED:
            assert one.lower_seconds - 0.3 <= truth[uid_of(one)] <= one.upper_seconds + 0.3


def test_a_quota_that_is_exceeded(cluster: Cluster, tmp_path: Path) -> None:
    body = {"metadata": {"name": "few"}, "spec": {"hard": {"persistentvolumeclaims": "3"}}}
    cluster.api.create(cluster.path("resourcequotas"), body)
    path = cluster.path("resourcequotas", "few")
    wait_for("the quota to count", lambda: (cluster.api.get(path) or {}).get("status", {}).get("hard"))
    ran = finished(tmp_path / "state", *options(quick(cluster)))
    assert ran.returncode == 1
    assert "exceeded quota" in ran.stderr
    assert "Traceback" not in ran.stderr
    with open_store(tmp_path / "state" / "store.db") as store:
        assert {one.operation for one in store.observations()} == {"snapshot", "restore"}
    assert left(cluster) == []


def test_a_snapshot_that_never_becomes_ready(cluster: Cluster, tmp_path: Path) -> None:
    cluster.lab.stop("csi-snapshotter")
    try:
        work = running(tmp_path / "state", quick(cluster, timeout="3s", max_failures=2))
        work.wait_for("failures", lambda: work.ended("snapshot"))
        time.sleep(11)  # beyond the patience of the removal
        with pytest.raises(ProbeUnavailable, match="given up after 2 failures"):
            work.join()
        (note,) = [text for text in work.recorder.errors if "not removed" in text]
        assert "finalizers: snapshot.storage.kubernetes.io/" in note
        assert "rpo-sim cleanup" in note
    finally:
        cluster.lab.start("csi-snapshotter")
    for one in work.ended("snapshot"):
        assert one.outcome is Outcome.FAILED
        assert one.lower_seconds >= 3
        assert math.isinf(one.upper_seconds)
    run(tmp_path / "state", quick(cluster), "collection-2")
    assert left(cluster) == []


def test_the_driver_is_gone(cluster: Cluster, tmp_path: Path) -> None:
    cluster.lab.stop("csi-driver")
    try:
        with pytest.raises(ProbeUnavailable, match=r"not bound after 3s.*is the driver"):
            run(tmp_path / "state", quick(cluster, timeout="3s"))
    finally:
        cluster.lab.start("csi-driver")
    wait_for("all to be gone", lambda: left(cluster) == [])


def test_the_kinds_of_snapshots_are_missing(cluster: Cluster, tmp_path: Path) -> None:
    files = (cluster.lab.layout.programs / "crds").glob("*.yaml")
    bodies = [yaml.safe_load(file.read_text()) for file in files]
    (body,) = [one for one in bodies if one["metadata"]["name"] == SNAPSHOT_CLASS_CRD]
    (kept,) = cluster.api.items(SNAPSHOT_CLASSES)
    cluster.api.delete(f"{CRDS}/{SNAPSHOT_CLASS_CRD}")
    cluster.api.wait_gone(f"{CRDS}/{SNAPSHOT_CLASS_CRD}")
    try:
        for mode in ("list", "measure"):
            with pytest.raises(ProbeDenied, match="install the CRDs"):
                run(tmp_path / "state", settings(cluster, mode))
    finally:
        cluster.api.create(CRDS, body)
        again = {key: kept[key] for key in ("apiVersion", "kind", "driver", "deletionPolicy")}
        again["metadata"] = {"name": kept["metadata"]["name"]}
        wait_for("the class", lambda: _created(cluster, again))


def _created(cluster: Cluster, body: Json) -> bool:
    try:
        cluster.api.create(SNAPSHOT_CLASSES, body)
    except Exception:  # noqa: BLE001 - the kind comes back step by step
        return False
    return True


def test_the_namespace_is_deleted_meanwhile(cluster: Cluster, tmp_path: Path) -> None:
    name = f"{cluster.namespace}-short-lived"
    cluster.api.create(f"{CORE}/namespaces", {"metadata": {"name": name}})
    work = running(tmp_path / "state", endless(cluster, namespace=name))
    work.wait_for("a first burst", lambda: work.ended("restore"), seconds=240)
    cluster.api.delete(f"{CORE}/namespaces/{name}")
    with pytest.raises((ProbeDenied, ProbeUnavailable)) as caught:
        work.join()
    assert name in str(caught.value) or "deleted" in str(caught.value)
    cluster.api.wait_gone(f"{CORE}/namespaces/{name}")
    assert not [text for text in work.recorder.errors if "not removed" in text]
    assert list((tmp_path / "state").glob("run-*")) == []


@pytest.fixture
def account(cluster: Cluster) -> Iterator[str]:
    """A service account that may do anything, by a binding of the same name."""
    name = f"probe-{secrets.token_hex(3)}"
    cluster.api.create(cluster.path("serviceaccounts"), {"metadata": {"name": name}})
    subject = {"kind": "ServiceAccount", "name": name, "namespace": cluster.namespace}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
    binding = {"metadata": {"name": name}, "roleRef": role, "subjects": [subject]}
    cluster.api.create(f"{RBAC}/clusterrolebindings", binding)
    yield name
    cluster.api.delete(f"{RBAC}/clusterrolebindings/{name}")


def test_a_permission_is_withdrawn_midway(cluster: Cluster, tmp_path: Path, account: str) -> None:
    state, kubeconfig = tmp_path / "state", cluster.kubeconfig_of(account)
    work = running(state, endless(cluster, kubeconfig=kubeconfig))
    work.wait_for("a first burst", lambda: work.ended("restore"), seconds=240)
    binding = cluster.api.get(f"{RBAC}/clusterrolebindings/{account}")
    assert binding
    cluster.api.delete(f"{RBAC}/clusterrolebindings/{account}")
    with pytest.raises(ProbeDenied, match=r"permission was withdrawn.*rpo-sim rbac"):
        work.join()
    assert any("not removed" in text for text in work.recorder.errors)
    again = {key: binding[key] for key in ("roleRef", "subjects")} | {"metadata": {"name": account}}
    cluster.api.create(f"{RBAC}/clusterrolebindings", again)
    _clean(cluster, state)


def test_the_token_expires_midway(cluster: Cluster, tmp_path: Path, account: str) -> None:
    """A token that is bound to a Secret dies with it."""
    cluster.api.create(cluster.path("secrets"), {"metadata": {"name": "life"}})
    bound = {"kind": "Secret", "apiVersion": "v1", "name": "life"}
    token = cluster.api.create(
        cluster.path("serviceaccounts", f"{account}/token"),
        {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"boundObjectRef": bound}},
    )["status"]["token"]
    state, kubeconfig = tmp_path / "state", tmp_path / "expiring.kubeconfig"
    cluster.api.write_kubeconfig(kubeconfig, token, cluster.namespace)
    work = running(state, endless(cluster, kubeconfig=kubeconfig))
    work.wait_for("a first burst", lambda: work.ended("restore"), seconds=240)
    cluster.api.delete(cluster.path("secrets", "life"))
    with pytest.raises(ProbeDenied, match=r"does not accept the credentials.*log in again"):
        work.join()
    kubeconfig.write_text(cluster.kubeconfig_of(account).read_text())  # as whoever logs in again does
    _clean(cluster, state)


def _clean(cluster: Cluster, state: Path) -> None:
    """The journal of the broken run leads to what it left."""

    def cleaned() -> bool:
        told = VolumeSnapshotProbe().clean_up(
            VolumeSnapshotProbe.Settings(), Recorder(state).context, dry_run=False
        )
        return all(one.state == "removed" for one in told)

    wait_for("the clean-up", cleaned, 60, pause_seconds=0.5)
    assert left(cluster) == []
    assert list(state.glob("run-*")) == []
