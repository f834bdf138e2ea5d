"""The lab does what a cluster does: volumes, snapshots and restores with real data, metrics, an audit log."""

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.cluster import Cluster
from tests.cluster.lab.api import CORE, ApiError, Json, wait_for
from tests.cluster.lab.lab import Lab

COMMAND = [sys.executable, "-m", "tests.cluster.lab"]
ROOT = Path(__file__).parents[2]


def digest(folder: Path) -> str:
    """Of the names and the content of all files."""
    found = hashlib.sha256()
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            found.update(str(file.relative_to(folder)).encode() + file.read_bytes())
    return found.hexdigest()


def query(lab: Lab, expression: str) -> list[Any]:
    """The result of an instant query."""
    address = f"{lab.prometheus_url}/api/v1/query?{urllib.parse.urlencode({'query': expression})}"
    with urllib.request.urlopen(address, timeout=10) as answer:
        return list(json.load(answer)["data"]["result"])


def test_a_restore_has_the_data_of_its_snapshot(cluster: Cluster) -> None:
    cluster.create_claim("source")
    cluster.wait_bound("source")
    if cluster.has_driver_folder:
        (cluster.volume_folder("source") / "data").write_bytes(os.urandom(1 << 20))
    cluster.create_snapshot("cut", "source")
    cluster.wait_ready("cut")
    cluster.create_claim("restored", snapshot="cut")
    cluster.wait_bound("restored")
    if cluster.has_driver_folder:
        source = cluster.volume_folder("source")
        assert digest(cluster.volume_folder("restored")) == digest(source)
        (source / "data").write_bytes(b"later")
        assert digest(cluster.volume_folder("restored")) != digest(source)


def test_a_waiting_claim_binds_when_a_pod_wants_it(cluster: Cluster) -> None:
    if cluster.waiting_class is None:
        pytest.skip("no storage class here waits for a consumer")
    cluster.create_claim("waits", waiting=True)
    volume = {"name": "data", "persistentVolumeClaim": {"claimName": "waits"}}
    spec = {"containers": [{"name": "idle", "image": "registry.k8s.io/pause:3.10"}], "volumes": [volume]}
    wait_for("the account of pods", lambda: cluster.api.get(cluster.path("serviceaccounts", "default")))
    cluster.api.create(cluster.path("pods"), {"metadata": {"name": "consumer"}, "spec": spec})
    cluster.wait_bound("waits")

    def placed() -> Json | None:
        pod = cluster.api.get(cluster.path("pods", "consumer"))
        return pod if pod and pod["spec"].get("nodeName") else None

    pod = wait_for("the pod to get a node", placed)
    assert pod
    if not cluster.pods_run:
        assert pod["status"]["phase"] == "Pending"


def test_a_service_account_may_do_only_what_it_was_given(cluster: Cluster) -> None:
    rules = [{"apiGroups": [""], "resources": ["persistentvolumeclaims"], "verbs": ["list"]}]
    api = type(cluster.api)(cluster.service_account("reader", rules))
    assert api.items(cluster.path("persistentvolumeclaims")) == []
    with pytest.raises(ApiError, match="403"):
        api.items(cluster.path("volumesnapshots"))


def test_the_audit_log_shows_each_write_to_the_microsecond(lab: Lab, cluster: Cluster) -> None:
    cluster.create_claim("seen")
    cluster.wait_bound("seen")
    events = [json.loads(line) for line in lab.layout.audit_log.read_text(encoding="utf-8").splitlines()]
    mine = [e for e in events if e["objectRef"].get("namespace") == cluster.namespace]
    bound = [e for e in mine if e.get("responseObject", {}).get("status", {}).get("phase") == "Bound"]
    assert bound
    for event in mine:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", event["stageTimestamp"])


def test_prometheus_counts_the_snapshots_that_were_made(lab: Lab, cluster: Cluster) -> None:
    counted = 'snapshot_controller_operation_total_seconds_count{operation_name="CreateSnapshotAndReady"}'

    def count() -> int:
        return sum(int(series["value"][1]) for series in query(lab, counted))

    up = {
        "kube-apiserver",
        "kube-controller-manager",
        "csi-provisioner",
        "csi-snapshotter",
        "snapshot-controller",
    }
    wait_for("all to be scraped", lambda: up <= {s["metric"]["job"] for s in query(lab, "up == 1")})
    before = count()
    cluster.create_claim("source")
    cluster.wait_bound("source")
    for number in range(3):
        cluster.create_snapshot(f"cut-{number}", "source")
    for number in range(3):
        cluster.wait_ready(f"cut-{number}")
    wait_for("the next scrape", lambda: count() == before + 3, seconds=10)


def test_the_api_server_can_be_stopped_and_started(lab: Lab, cluster: Cluster) -> None:
    cluster.create_claim("kept")
    lab.stop("kube-apiserver")
    assert lab.status()["kube-apiserver"] == "stopped"
    with pytest.raises(Exception, match="refused"):
        cluster.api.get(cluster.path("persistentvolumeclaims", "kept"))
    lab.start("kube-apiserver")
    cluster.wait_bound("kept")


def test_a_restarted_driver_still_has_its_volumes(lab: Lab, cluster: Cluster) -> None:
    cluster.create_claim("source")
    (cluster.volume_folder("source") / "data").write_bytes(b"kept")
    lab.stop("csi-driver", how=signal.SIGKILL)
    lab.start("csi-driver")
    cluster.create_snapshot("cut", "source")
    cluster.wait_ready("cut")


def test_a_paused_component_answers_nothing_until_it_is_resumed(lab: Lab, cluster: Cluster) -> None:
    cluster.create_claim("source")
    cluster.wait_bound("source")
    lab.pause("snapshot-controller")
    try:
        cluster.create_snapshot("cut", "source")
        with pytest.raises(TimeoutError):
            cluster.wait_ready("cut", seconds=1.5)
    finally:
        lab.resume("snapshot-controller")
    cluster.wait_ready("cut")


def test_compaction_ends_old_watches(lab: Lab, cluster: Cluster) -> None:
    before = cluster.api.get(cluster.path("persistentvolumeclaims"))
    assert before
    cluster.create_claim("later")
    cluster.wait_bound("later")
    lab.compact_etcd()
    lab.stop("kube-apiserver")  # whose memory of recent changes would serve the old watch
    lab.start("kube-apiserver")
    old = before["metadata"]["resourceVersion"]
    with pytest.raises(ApiError, match=r"410|too old"):
        cluster.api.get(
            cluster.path("persistentvolumeclaims"), resourceVersion=old, resourceVersionMatch="Exact"
        )


def test_one_command_starts_a_lab_and_one_ends_all_of_it(tmp_path: Path, lab: Lab) -> None:
    state = lab.layout.folder.parent / "other"
    begun = time.monotonic()
    done = subprocess.run(
        [*COMMAND, "up", "--state", state], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    print(f"started in {time.monotonic() - begun:.1f} s")
    assert done.stdout == f"{state / 'kubeconfig'}\n"
    other = Lab.find(state)
    started = other.status()
    assert set(started.values()) == {"running"}
    assert other.api.items(f"{CORE}/namespaces")
    assert subprocess.run([*COMMAND, "down", "--state", state], cwd=ROOT, check=False).returncode == 0
    assert not state.exists()
    assert set(other.status().values()) <= {"ended"}
    assert str(state) not in Path("/proc/mounts").read_text(encoding="utf-8")
    assert set(lab.status().values()) == {"running"}
