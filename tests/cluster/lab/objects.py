"""What a lab's API server holds from the start: CRDs, roles, storage classes, a node that runs nothing."""

from functools import partial
from pathlib import Path

import yaml

from tests.cluster.lab.api import CORE, RBAC, STORAGE, Api, Json, wait_for
from tests.cluster.lab.components import DRIVER, SYSTEM_NAMESPACE

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
SNAPSHOT_CLASSES = "/apis/snapshot.storage.k8s.io/v1/volumesnapshotclasses"
STORAGE_CLASS, WAITING_CLASS, SNAPSHOT_CLASS = "lab", "lab-wait", "lab"
NODE = "lab-node"
_GROUP = f"system:serviceaccounts:{SYSTEM_NAMESPACE}"


def create_crds(api: Api, folder: Path) -> None:
    """Create the CRDs of snapshots and wait until they are served."""
    names = []
    for file in sorted(folder.glob("*.yaml")):
        body = yaml.safe_load(file.read_text(encoding="utf-8"))
        if body.get("kind") == "CustomResourceDefinition":
            names.append(api.create(CRDS, body)["metadata"]["name"])
    for name in names:
        wait_for(f"CRD {name}", partial(_established, api, name))


def create_objects(api: Api) -> None:
    """Create the rest; the CRDs must be there."""
    api.create(f"{CORE}/namespaces", {"metadata": {"name": SYSTEM_NAMESPACE}})
    _create_roles(api)
    api.create(f"{STORAGE}/csidrivers", {"metadata": {"name": DRIVER}, "spec": {"attachRequired": False}})
    for name, mode in ((STORAGE_CLASS, "Immediate"), (WAITING_CLASS, "WaitForFirstConsumer")):
        default = {"storageclass.kubernetes.io/is-default-class": "true"} if name == STORAGE_CLASS else {}
        body = {"provisioner": DRIVER, "reclaimPolicy": "Delete", "volumeBindingMode": mode}
        api.create(f"{STORAGE}/storageclasses", {"metadata": {"name": name, "annotations": default}} | body)
    body = {"driver": DRIVER, "deletionPolicy": "Delete"}
    api.create(SNAPSHOT_CLASSES, _snapshot_api({"metadata": {"name": SNAPSHOT_CLASS}} | body))
    _create_node(api)


def claim(name: str, storage_class: str | None, size: str = "1Gi", snapshot: str = "") -> Json:
    """A PVC, restored from a snapshot if one is named."""
    spec: Json = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}
    if storage_class is not None:
        spec["storageClassName"] = storage_class
    if snapshot:
        group = "snapshot.storage.k8s.io"
        spec["dataSource"] = {"apiGroup": group, "kind": "VolumeSnapshot", "name": snapshot}
    return {"metadata": {"name": name}, "spec": spec}


def snapshot_of(name: str, pvc: str, snapshot_class: str | None) -> Json:
    """A VolumeSnapshot of a PVC."""
    spec: Json = {"source": {"persistentVolumeClaimName": pvc}}
    if snapshot_class is not None:
        spec["volumeSnapshotClassName"] = snapshot_class
    return _snapshot_api({"kind": "VolumeSnapshot", "metadata": {"name": name}, "spec": spec})


def _snapshot_api(body: Json) -> Json:
    """Custom resources, unlike built-in ones, must name their version and kind."""
    return {"apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshotClass"} | body


def _established(api: Api, name: str) -> bool:
    conditions = (api.get(f"{CRDS}/{name}") or {}).get("status", {}).get("conditions") or ()  # null at first
    return any(c["type"] == "Established" and c["status"] == "True" for c in conditions)


def _create_roles(api: Api) -> None:
    """The sidecars may do anything: what is tested is what the programs under test may do."""
    group = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": _GROUP}
    user = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "lab-prometheus"}
    metrics = {
        "metadata": {"name": "lab-metrics"},
        "rules": [{"nonResourceURLs": ["/metrics"], "verbs": ["get"]}],
    }
    api.create(f"{RBAC}/clusterroles", metrics)
    for name, role, subject in (
        ("lab-sidecars", "cluster-admin", group),
        ("lab-metrics", "lab-metrics", user),
    ):
        role_ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role}
        body = {"metadata": {"name": name}, "roleRef": role_ref, "subjects": [subject]}
        api.create(f"{RBAC}/clusterrolebindings", body)


def _create_node(api: Api) -> None:
    """A node for the scheduler to choose, so that WaitForFirstConsumer binds; no pod ever runs on it."""
    api.create(f"{CORE}/nodes", {"metadata": {"name": NODE, "labels": {"kubernetes.io/hostname": NODE}}})
    room = {"cpu": "64", "memory": "256Gi", "pods": "10000"}
    ready = {"type": "Ready", "status": "True", "reason": "NoKubelet", "message": "a name without a machine"}
    api.patch(f"{CORE}/nodes/{NODE}", {"spec": {"taints": None}})
    status = {"capacity": room, "allocatable": room, "conditions": [ready]}
    api.patch(f"{CORE}/nodes/{NODE}/status", {"status": status})
