"""Other people on the same cluster: what they do is counted, and a cluster in need is left alone."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from rpo_probes._snapshot import pressure

from rpo_sim.errors import ProbeUnavailable
from tests.cluster.cluster import Cluster
from tests.cluster.lab.api import CORE, RBAC, Json
from tests.cluster.snapshots import left, run, running, settings

QUICK: dict[str, Any] = {"sizes": ("64Ki",), "concurrency": (1,), "enough": 1000, "max_duration": "120s"}
FLOWS = "/apis/flowcontrol.apiserver.k8s.io/v1"
ANYTHING: list[Json] = [
    {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]},
    {"nonResourceURLs": ["*"], "verbs": ["*"]},
]


@contextmanager
def somebody_else(cluster: Cluster) -> Iterator[None]:
    """Takes one large snapshot after the other; removes them with the namespace."""
    cluster.create_claim("theirs", "1Gi")
    cluster.volume_folder("theirs").joinpath("data").write_bytes(os.urandom(60_000_000))
    stop = threading.Event()

    def work() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            cluster.create_snapshot(f"theirs-{number}", "theirs")
            cluster.wait_ready(f"theirs-{number}")

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(60)


def test_snapshots_of_others_count_as_in_flight(cluster: Cluster, tmp_path: Path) -> None:
    assert cluster.lab
    with somebody_else(cluster):
        seen, _ = run(tmp_path / "state", settings(cluster, "measure", **{**QUICK, "enough": 4}))
    most = {
        stage: max(one.concurrency or 0 for one in seen if one.stage == stage) for stage in ("ready", "bound")
    }
    assert most["ready"] == 2, "ours, which waited for theirs"
    assert most["bound"] == 1, "their restores cannot be seen"
    assert {one.labels["burst"] for one in seen} == {"1"}


def test_it_ends_when_a_node_comes_under_pressure(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pressure, "_LOOK_SECONDS", 0.5)
    assert cluster.lab
    node = cluster.api.items(f"{CORE}/nodes")[0]["metadata"]["name"]
    process = running(tmp_path / "state", settings(cluster, "measure", **QUICK))
    process.wait_for("a restore", lambda: process.ended("restore"))
    try:
        condition(cluster, node, "True")
        with pytest.raises(ProbeUnavailable, match=f"{node} DiskPressure"):
            process.join()
        assert left(cluster) == []
        quick = settings(cluster, "measure", **{**QUICK, "enough": 2})
        again, _ = run(tmp_path / "state", quick, "again")
        assert again, "what was so before is none of our doing"
    finally:
        condition(cluster, node, "False")


def condition(cluster: Cluster, node: str, status: str) -> None:
    conditions = [{"type": "DiskPressure", "status": status}]
    cluster.api.patch(f"{CORE}/nodes/{node}/status", {"status": {"conditions": conditions}})


def test_it_ends_when_its_requests_are_turned_away(cluster: Cluster, tmp_path: Path) -> None:
    """The API server's own priority and fairness lets one account create snapshots one at a time."""
    assert cluster.lab
    kubeconfig = cluster.service_account("guest", ANYTHING, everywhere=True)
    crowded = settings(cluster, "measure", **QUICK | {"concurrency": (8,)}, kubeconfig=kubeconfig)
    try:
        with (
            one_at_a_time(cluster, "guest"),
            pytest.raises(ProbeUnavailable, match=r"turned away \d+ of our requests"),
        ):
            run(tmp_path / "state", crowded)
    finally:
        cluster.api.delete(f"{RBAC}/clusterroles/{cluster.namespace}-guest")
        cluster.api.delete(f"{RBAC}/clusterrolebindings/{cluster.namespace}-guest")
    assert left(cluster) == []


@contextmanager
def one_at_a_time(cluster: Cluster, account: str) -> Iterator[None]:
    """A priority level without seats, for snapshots made by one service account: no second is let in."""
    name = cluster.namespace
    limited = {
        "nominalConcurrencyShares": 0,
        "lendablePercent": 0,
        "borrowingLimitPercent": 0,
        "limitResponse": {"type": "Reject"},
    }
    level = {"metadata": {"name": name}, "spec": {"type": "Limited", "limited": limited}}
    subject = {"kind": "ServiceAccount", "serviceAccount": {"name": account, "namespace": name}}
    rule = {"verbs": ["create"], "apiGroups": ["*"], "resources": ["volumesnapshots"], "namespaces": ["*"]}
    schema = {
        "metadata": {"name": name},
        "spec": {
            "priorityLevelConfiguration": {"name": name},
            "matchingPrecedence": 2,  # 1 is for `exempt` alone
            "rules": [{"subjects": [subject], "resourceRules": [rule]}],
        },
    }
    cluster.api.create(f"{FLOWS}/prioritylevelconfigurations", level)
    cluster.api.create(f"{FLOWS}/flowschemas", schema)
    try:
        yield
    finally:
        cluster.api.delete(f"{FLOWS}/flowschemas/{name}")
        cluster.api.delete(f"{FLOWS}/prioritylevelconfigurations/{name}")
