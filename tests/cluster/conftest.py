"""The cluster of this folder's tests: a lab that the first of them starts, or one that is named.

`make` runs them alone, one after the other: they stop, break and time one cluster, and would see each other's
load.
"""

import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cluster.cluster import Cluster
from tests.cluster.lab.api import CORE, STORAGE, Api, wait_for
from tests.cluster.lab.build import is_built, missing
from tests.cluster.lab.lab import Lab
from tests.cluster.lab.objects import SNAPSHOT_CLASS, SNAPSHOT_CLASSES, STORAGE_CLASS, WAITING_CLASS

NAMED = "RPO_SIM_TEST_KUBECONFIG"
_DEFAULT = "storageclass.kubernetes.io/is-default-class"


@pytest.fixture(scope="session")
def labs() -> Iterator[Callable[[str], Lab]]:
    """Labs by backend, each started when first asked for; they die with this process."""
    running: dict[str, Lab] = {}
    folder = Path(tempfile.mkdtemp(prefix="rpo-sim-"))

    def lab(backend: str) -> Lab:
        if lacks := missing():
            pytest.skip(f"the lab cannot run here: {'; '.join(lacks)}")
        if not is_built():
            pytest.skip("the lab is not built")
        if backend not in running:
            running[backend] = Lab.up(folder / backend, backend, dies_with_us=True)
        running[backend].repair()
        return running[backend]

    yield lab
    for each in running.values():
        each.down()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def lab(labs: Callable[[str], Lab]) -> Lab:
    """The lab of backend b, whose client limits do not slow small numbers of snapshots."""
    if os.environ.get(NAMED):
        pytest.skip("needs the lab: the cluster is somebody's")
    return labs("b")


@pytest.fixture
def cluster(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Cluster]:
    """The cluster, with a namespace for this test."""
    yield from _in_own_namespace(_named(tmp_path) or _of(request.getfixturevalue("lab"), tmp_path))


@pytest.fixture
def slow_cluster(labs: Callable[[str], Lab], tmp_path: Path) -> Iterator[Cluster]:
    """A lab of backend a, with the client limits that the sidecars have when nobody sets them."""
    if os.environ.get(NAMED):
        pytest.skip("needs the lab: the cluster is somebody's")
    yield from _in_own_namespace(_of(labs("a"), tmp_path))


def _of(lab: Lab, folder: Path) -> Cluster:
    return Cluster(
        kubeconfig=lab.kubeconfig,
        namespace=_new_name(),
        storage_class=STORAGE_CLASS,
        snapshot_class=SNAPSHOT_CLASS,
        waiting_class=WAITING_CLASS,
        prometheus_url=lab.prometheus_url,
        pods_run=False,
        running_lab=lab,
        folder=folder,
    )


def _named(folder: Path) -> Cluster | None:
    """The cluster that the environment names, with two classes of one driver, the default if it is one."""
    if not (name := os.environ.get(NAMED)):
        return None
    api = Api(Path(name))
    snapshot_classes = {each["driver"]: each["metadata"]["name"] for each in api.items(SNAPSHOT_CLASSES)}
    classes = [
        each for each in api.items(f"{STORAGE}/storageclasses") if each["provisioner"] in snapshot_classes
    ]
    classes.sort(key=lambda each: each["metadata"].get("annotations", {}).get(_DEFAULT) != "true")
    if not classes:
        pytest.skip("no storage class of this cluster has a snapshot class of the same driver")
    mode = {each["metadata"]["name"]: each["volumeBindingMode"] for each in classes}
    immediate = [each for each in mode if mode[each] == "Immediate"]
    waiting = [each for each in mode if mode[each] != "Immediate"]
    if not immediate:
        pytest.skip("no storage class with snapshots binds without a pod in this cluster")
    driver = {each["metadata"]["name"]: each["provisioner"] for each in classes}[immediate[0]]
    return Cluster(
        kubeconfig=Path(name),
        namespace=_new_name(),
        storage_class=immediate[0],
        snapshot_class=snapshot_classes[driver],
        waiting_class=waiting[0] if waiting else None,
        pods_run=any(node["status"]["nodeInfo"]["kubeletVersion"] for node in api.items(f"{CORE}/nodes")),
        prometheus_url=os.environ.get("RPO_SIM_TEST_PROMETHEUS"),
        running_lab=None,
        folder=folder,
    )


def _new_name() -> str:
    return f"rpo-sim-test-{secrets.token_hex(4)}"


def _in_own_namespace(cluster: Cluster) -> Iterator[Cluster]:
    api = cluster.api
    api.create(f"{CORE}/namespaces", {"metadata": {"name": cluster.namespace}})
    try:
        yield cluster
    finally:
        # Claims before the snapshots that they come from: else the snapshots wait out a back-off.
        for kind in ("pods", "persistentvolumeclaims", "volumesnapshots"):
            _delete_all(cluster, kind)
        api.delete(f"{CORE}/namespaces/{cluster.namespace}")  # empty, so it goes by itself; that takes 5 s


def _delete_all(cluster: Cluster, kind: str) -> None:
    """Delete and wait: a namespace that is not empty looks again only after seconds."""
    options = {} if cluster.pods_run else {"gracePeriodSeconds": 0}  # no kubelet would ever confirm
    for each in cluster.api.items(cluster.path(kind)):
        cluster.api.delete(cluster.path(kind, each["metadata"]["name"]), **options)
    wait_for(f"{kind} to be gone", lambda: not cluster.api.items(cluster.path(kind)), seconds=120)
