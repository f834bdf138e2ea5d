"""`rpo-sim discover` on a real cluster and its Prometheus: what it says is there, is there."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.cluster import Cluster
from tests.cluster.lab.api import SNAPSHOTS, STORAGE, ApiError, Json, wait_for
from tests.cluster.snapshots import finished

SNAPSHOT_CLASSES = f"{SNAPSHOTS}/volumesnapshotclasses"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


@pytest.fixture
def odd_classes(cluster: Cluster) -> Iterator[tuple[str, str]]:
    """A storage class whose driver takes no snapshots, and a snapshot class whose driver has no volumes."""
    storage, snapshot = f"{cluster.namespace}-plain", f"{cluster.namespace}-lost"
    storage_class = {"metadata": {"name": storage}, "provisioner": "plain.example"}
    snapshot_class = {
        "apiVersion": "snapshot.storage.k8s.io/v1",
        "kind": "VolumeSnapshotClass",
        "metadata": {"name": snapshot},
        "driver": "lost.example",
        "deletionPolicy": "Delete",
    }
    cluster.api.create(f"{STORAGE}/storageclasses", storage_class)
    cluster.api.create(SNAPSHOT_CLASSES, snapshot_class)
    yield storage, snapshot
    cluster.api.delete(f"{STORAGE}/storageclasses/{storage}")
    cluster.api.delete(f"{SNAPSHOT_CLASSES}/{snapshot}")


def discovered(state: Path, cluster: Cluster, kubeconfig: Path, *more: str) -> dict[str, Any]:
    """What it says, as JSON; with the rows by what they are about."""
    words = ["discover", "--kubeconfig", str(kubeconfig), "--namespace", cluster.namespace, *more]
    ran = finished(state, *words, "-o", "json")
    assert ran.returncode == 0, ran.stderr
    document: dict[str, Any] = json.loads(ran.stdout)
    document["by"] = {(row["topic"], row["what"]): row for row in document["rows"]}
    return document


def test_what_is_there_and_what_to_run_first(
    cluster: Cluster, odd_classes: tuple[str, str], tmp_path: Path
) -> None:
    """Classes and their mismatches, history, metrics; and the first command measures."""
    for number in range(3):
        cluster.create_claim(f"pvc-{number}")
        cluster.create_snapshot(f"s-{number}", f"pvc-{number}")
    for number in range(3):
        cluster.wait_ready(f"s-{number}")
    cluster.create_claim("restored", snapshot="s-0")
    cluster.wait_bound("restored")
    scrape = ["--url", str(cluster.prometheus_url)]
    found = discovered(tmp_path, cluster, cluster.kubeconfig, *scrape)["by"]

    def row(topic: str, start: str) -> dict[str, Any]:
        (one,) = [found[key] for key in found if key[0] == topic and key[1].startswith(start)]
        return one  # type: ignore[no-any-return]

    assert (
        f"snapshot class {cluster.snapshot_class}" in row("storage", f"{cluster.storage_class} (")["detail"]
    )
    if cluster.waiting_class:
        assert "bound at the first consumer" in row("storage", f"{cluster.waiting_class} (")["detail"]
    plain, lost = row("storage", odd_classes[0]), row("storage", f"snapshot class {odd_classes[1]}")
    assert (plain["ok"], plain["detail"]) == (False, "its driver has no snapshot class")
    assert (lost["ok"], lost["detail"]) == (False, "its driver has no storage class")
    assert row("history", "VolumeSnapshots")["detail"].startswith("3, of which 3 ready, back to 20")
    assert row("history", "PVCs restored")["detail"].startswith("1, of which 1 bound, back to 20")
    assert row("metrics", "snapshot_controller_operation_total_seconds")["ok"]
    assert row("permissions", "volume_snapshot --mode measure")["detail"] == "all there"


def test_the_first_command_works_as_it_stands(cluster: Cluster, tmp_path: Path) -> None:
    cluster.create_claim("pvc")
    cluster.create_snapshot("s", "pvc")
    cluster.wait_ready("s")
    words = discovered(tmp_path, cluster, cluster.kubeconfig, "--probe", "volume_snapshot")[
        "run_first"
    ].split()
    assert words[:5] == ["rpo-sim", "measure", "volume_snapshot", "--mode", "list"]
    measured = finished(tmp_path, *words[1:], "-o", "json")
    assert measured.returncode == 0, measured.stderr
    assert {row["operation"] for row in json.loads(measured.stdout)["rows"]} == {"snapshot"}


def test_an_account_that_may_do_nothing_learns_what_it_lacks(cluster: Cluster, tmp_path: Path) -> None:
    """And how to get it; it is no error."""
    kubeconfig = cluster.service_account("nobody", [])
    only = ["--probe", "volume_snapshot"]
    document = discovered(tmp_path, cluster, kubeconfig, *only)
    assert document["run_first"] is None
    lacking = document["by"]["permissions", "volume_snapshot --mode list"]
    assert not lacking["ok"]
    assert "list volumesnapshots.snapshot.storage.k8s.io" in lacking["detail"]
    assert lacking["remedy"] == f"rpo-sim rbac list --namespace {cluster.namespace} | kubectl apply -f -"
    assert not document["by"]["storage", "storage classes"]["ok"]
    assert "traceback" not in str(document).lower()


def test_an_account_that_may_only_list_is_pointed_at_listing(cluster: Cluster, tmp_path: Path) -> None:
    rules: list[Json] = [
        {"apiGroups": ["snapshot.storage.k8s.io"], "resources": ["*"], "verbs": ["list"]},
        {"apiGroups": ["", "storage.k8s.io"], "resources": ["*"], "verbs": ["list"]},
    ]
    kubeconfig = cluster.service_account("reader", rules, everywhere=True)
    cluster.create_claim("pvc")
    cluster.create_snapshot("s", "pvc")
    cluster.wait_ready("s")
    document = discovered(tmp_path, cluster, kubeconfig, "--probe", "volume_snapshot")
    assert "--mode list" in document["run_first"]
    assert document["by"]["permissions", "volume_snapshot --mode list"]["ok"]
    assert not document["by"]["permissions", "volume_snapshot --mode measure"]["ok"]


def test_openshift_tells_where_its_prometheus_is(cluster: Cluster, tmp_path: Path) -> None:
    """Its routes are a kind that other clusters lack; here it is made for the test."""
    api = cluster.lab.api
    api.create(CRDS, _routes())
    try:
        namespace = "openshift-monitoring"
        api.create("/api/v1/namespaces", {"metadata": {"name": namespace}})
        routes = f"/apis/route.openshift.io/v1/namespaces/{namespace}/routes"
        route = {
            "apiVersion": "route.openshift.io/v1",
            "kind": "Route",
            "metadata": {"name": "thanos-querier"},
            "spec": {"host": "thanos.apps.example"},
        }
        _created_when_served(cluster, routes, route)
        document = discovered(tmp_path, cluster, cluster.kubeconfig, "--probe", "volume_snapshot")
        found = document["by"]["metrics", "Prometheus of this cluster: https://thanos.apps.example"]
        assert "--url https://thanos.apps.example --token-file token" in found["remedy"]
    finally:
        api.delete(f"{CRDS}/routes.route.openshift.io")
        api.delete("/api/v1/namespaces/openshift-monitoring")


def _routes() -> Json:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "routes.route.openshift.io"},
        "spec": {
            "group": "route.openshift.io",
            "scope": "Namespaced",
            "names": {"plural": "routes", "singular": "route", "kind": "Route"},
            "versions": [
                {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
            ],
        },
    }


def _created_when_served(cluster: Cluster, path: str, body: Json) -> None:
    """A new kind is served a moment after it was made."""
    wait_for("routes to be served", lambda: _try_to_create(cluster, path, body), 30.0)


def _try_to_create(cluster: Cluster, path: str, body: Json) -> bool:
    try:
        cluster.api.create(path, body)
    except ApiError:
        return False
    return True
